"""The EWMA bank, volatility of volatility and the CUSUM, worked out by hand."""

import math

import numpy as np
import pytest

from huracan.features import windows_for
from huracan.features.machines.volatility import FAST, LONG, MID, SIGMA, SLOW, vol_emit, vol_init, vol_of, vol_update
from tests.features.markets import SMALL

W = windows_for("1m", SMALL.windows)


def test_sigma_of_a_constant_move_is_that_move_from_the_first_bar() -> None:
    """Bias correction: equal squared returns give their root at every age."""
    s = vol_init(W)
    for _ in range(5):
        vol_update(s, 0.002)
        vol_update(s, -0.002)
        assert vol_of(s, SIGMA) == pytest.approx(0.002, rel=1e-12)


def test_the_bank_after_two_returns_by_hand() -> None:
    """Returns of 30 and 10 bp: the older square weighs (n - 1) / 2n of span n, the younger (n + 1) / 2n."""
    s, out = vol_init(W), np.zeros(52)
    vol_update(s, 0.003)
    vol_update(s, -0.001)
    # (9 (n - 1) + (n + 1)) / 2n for spans 3, 6, 12, 30 and 80.
    squares = {FAST: 22 / 6, MID: 52 / 12, LONG: 112 / 24, SIGMA: 292 / 60, SLOW: 792 / 160}
    for which, square in squares.items():
        assert vol_of(s, which) == pytest.approx(0.001 * math.sqrt(square), rel=1e-12)
    vol_emit(s, out)
    assert out[8] == out[11] == pytest.approx(0.5 * math.log((52 / 12) / (792 / 160)), rel=1e-12)
    assert out[9] == pytest.approx(0.5 * math.log((22 / 6) / (112 / 24)), rel=1e-12)
    # Sample deviation of the two logs of the MID volatility, .003 and .001 sqrt(52 / 12).
    assert out[14] == pytest.approx(abs(math.log(3) - 0.5 * math.log(52 / 12)) / math.sqrt(2), rel=1e-9)


def test_cusum_counts_moves_beyond_the_slack_and_is_bounded() -> None:
    """A drift of one sigma a bar adds a half each bar after the first, in fifths, to at most 5; a turn works it off."""
    s, out = vol_init(W), np.zeros(52)
    seen = []
    for n in range(100):
        vol_update(s, -0.001)
        if n in (0, 1, 10, 99):
            vol_emit(s, out)
            seen.append(out[27])
    assert seen == pytest.approx([0.0, -0.1, -1.0, -5.0], rel=1e-9)
    for _ in range(4):
        vol_update(s, 0.001)
    vol_emit(s, out)
    assert out[27] == pytest.approx((4 * 0.5 - (25 - 4 * 1.5)) / 5, rel=1e-9)


def test_a_market_that_never_moves_has_the_least_volatility() -> None:
    """Without a return and with returns of nothing the volatility is a hundredth of a basis point, never 0."""
    s, out = vol_init(W), np.zeros(52)
    assert vol_of(s, SIGMA) == 1e-6
    for _ in range(50):
        vol_update(s, 0.0)
    vol_emit(s, out)
    assert vol_of(s, SLOW) == 1e-6
    assert not out.any()

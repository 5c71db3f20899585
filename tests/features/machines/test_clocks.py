"""Garman-Klass, the clocks and the ADX by hand."""

import numpy as np
import pytest

from huracan.features import windows_for
from huracan.features.machines import clocks
from huracan.features.machines.clocks import clock_take, clocks_init, clocks_update, garman_klass
from tests.features.markets import SMALL


def test_garman_klass_by_hand() -> None:
    """One bar with open 0, high .02, low -.01, close .01 (logs) gives the published formula's value."""
    assert garman_klass(0.0, 0.02, -0.01, 0.01) == pytest.approx(0.5 * 0.0009 - 0.3862943611198906 * 0.0001, rel=1e-12)


def test_garman_klass_on_many_ticks_approaches_the_true_variance() -> None:
    """With 600 and 60 steps a bar it sees .926 and .779 of the variance: the known bias of thin bars."""
    rng = np.random.default_rng(8)
    for ticks, wanted in ((600, 0.926), (60, 0.779)):
        path = np.cumsum(rng.normal(0, 1 / ticks**0.5, (4_000, ticks)), axis=1)
        high, low = np.maximum(path.max(axis=1), 0), np.minimum(path.min(axis=1), 0)
        seen = [garman_klass(0.0, h, lo, c) for h, lo, c in zip(high, low, path[:, -1], strict=True)]
        assert np.mean(seen) == pytest.approx(wanted, abs=0.025)


def test_a_clock_bar_counts_only_when_seen_from_its_start() -> None:
    """Starting inside a clock bar, that bar never closes; the next aligned one does, with its own extremes."""
    s = np.zeros(6)
    s[0] = 5.0
    closed = [clock_take(s, 0, n, n, n + 0.5, n - 0.5, n + 0.1) for n in range(3, 12)]
    assert closed == [False] * 6 + [True] + [False] * 2
    s = np.zeros(6)
    s[0] = 5.0
    for n in range(5, 10):
        clock_take(s, 0, n, n, n + 0.5, n - 0.5, n + 0.1)
    assert s[2:].tolist() == [5.0, 9.5, 4.5, 9.1]


def test_adx_of_a_steady_trend_is_one_and_of_a_seesaw_small() -> None:
    """Only upward movement: DX is 1 on every bar. A seesaw of equal moves has no direction."""
    w = windows_for("1m", SMALL.windows)

    def adx_of(closes: np.ndarray) -> float:
        s = clocks_init(w)
        for n, c in enumerate(closes):
            clocks_update(s, n, c, c + 0.001, c - 0.001, c)
        return float(s[clocks.ADX_VALUE])

    bars = np.arange(120)
    assert adx_of(0.01 * bars) == pytest.approx(1.0)
    assert adx_of(0.05 * ((bars // w.slow_clock) % 2)) < 0.35


def test_adx_by_hand() -> None:
    """Three bars of Wilder's scheme with n = 2 computed on paper."""
    s = clocks_init(windows_for("1m", SMALL.windows))
    s[clocks.ADX_N] = 2.0
    s[clocks.P_HIGH], s[clocks.P_LOW], s[clocks.P_CLOSE] = 10.0, 8.0, 9.0
    for hi, lo, c in ((11.0, 9.0, 10.0), (10.5, 8.5, 9.0), (12.5, 9.5, 12.0)):
        clocks._adx_take(s, hi, lo)
        s[clocks.P_HIGH], s[clocks.P_LOW], s[clocks.P_CLOSE] = hi, lo, c
    # +DM 1, 0, 2; -DM 0, .5, 0; after two bars sums 1 and .5, DX 1/3; then .5 + 2 and .25 + 0, DX 2.25/2.75; mean.
    assert s[clocks.ADX_VALUE] == pytest.approx((1 / 3 + 2.25 / 2.75) / 2, rel=1e-14)
    assert s[clocks.ADX_TR] == pytest.approx((2.0 + 2.0) / 2 + 3.5, rel=1e-14)

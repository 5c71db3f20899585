"""Volume level, Amihud's illiquidity and Kyle's lambda, worked out by hand."""

import math

import numpy as np
import pytest

from huracan.features import windows_for
from huracan.features.machines.liquidity import (
    bulk_signed,
    kyle_lambda,
    liquidity_emit,
    liquidity_init,
    liquidity_update,
)
from tests.features.markets import SMALL

W = windows_for("1m", SMALL.windows)
ONE_SIGMA = 0.6826894921370859
"""Share of a normal distribution within one standard deviation."""


def test_bulk_classification_and_kyle() -> None:
    """A move of one sigma buys 68.3 % of the volume net; r = 3 q + 1 has slope 3 whatever its mean."""
    assert bulk_signed(100.0, 0.01, 0.01) == pytest.approx(100 * ONE_SIGMA, rel=1e-12)
    assert bulk_signed(100.0, -0.01, 0.01) == -bulk_signed(100.0, 0.01, 0.01)
    assert bulk_signed(100.0, 0.0, 0.01) == 0.0
    q = np.array([1.0, -2.0, 4.0, 0.5])
    r = 3 * q + 1
    assert kyle_lambda(4.0, r.sum(), q.sum(), (r * q).sum(), (q * q).sum()) == pytest.approx(3.0, rel=1e-12)
    assert kyle_lambda(4.0, 1.0, 8.0, 2.0, 16.0) == 0.0


def test_two_bars_by_hand() -> None:
    """Moves of one sigma on 100 and 300 quote units give level, illiquidity and lambda that fit on a slip of paper."""
    s, out = liquidity_init(W), np.zeros(52)
    liquidity_update(s, 0.001, 100.0, 0.001)
    liquidity_update(s, 0.006, 300.0, 0.006)
    liquidity_emit(s, 0.01, out)
    # Slow means with span 80: weights 79/160 and 81/160. |r| / quote: 1e-5 and 2e-5.
    assert out[28] == pytest.approx(math.log(200 / 201.25), rel=1e-12)
    assert out[30] == pytest.approx(math.log(1.5 / 1.50625), rel=1e-12)
    # The slope .005 / (200 x .6827) times the mean quote of 200, in units of sigma.
    assert out[36] == pytest.approx(0.5 / ONE_SIGMA, rel=1e-12)


def test_bars_without_trade_count_as_volume_and_not_as_illiquidity() -> None:
    """A silent bar lowers the volume level to its share and leaves the illiquidity where it was."""
    s, out = liquidity_init(W), np.zeros(52)
    for quote in (100.0, 0.0):
        for _ in range(W.volume):
            liquidity_update(s, 0.001, quote, 0.001)
        liquidity_emit(s, 0.01, out)
        assert out[30] == pytest.approx(0.0, abs=1e-12)
    assert out[28] == pytest.approx(math.log(1e-4))  # nothing traded in the window: the floor


def test_a_bar_older_than_the_window_is_forgotten_by_all_but_the_slow_level() -> None:
    """A bar of six times the illiquidity, 24 bars ago, stays in the slow mean only; equal volumes have no slope."""
    s, out = liquidity_init(W), np.zeros(52)
    liquidity_update(s, 0.006, 100.0, 0.001)
    for _ in range(W.liquidity):
        liquidity_update(s, 0.001, 100.0, 0.001)
    liquidity_emit(s, 0.01, out)
    weights = (79 / 81) ** np.arange(W.liquidity + 1)
    assert out[30] == pytest.approx(-math.log(1 + 5 * weights[-1] / weights.sum()), rel=1e-9)
    assert out[36] == 0.0

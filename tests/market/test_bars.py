"""From prints to candles."""

import numpy as np
import pytest

from huracan.market import MarketShape, candles_from_prints
from tests.market.frames import START_MS


def test_a_bar_is_made_of_its_prints():
    """Open, high, low and close are the first, greatest, least and last print, on the tick grid."""
    prints = np.array([[1.0, 1.02, 0.99, 1.01], [1.013, 1.013, 1.013, 1.013], [1.0, 0.9, 0.95, 0.912_345]])
    shape = MarketShape("ADA/USDT", start_ms=START_MS, price=10.0, price_decimals=2, prints_per_bar=4)
    candles = candles_from_prints(shape, prints, np.random.default_rng(1))
    assert candles.open.tolist() == [10.0, 10.13, 10.0]
    assert candles.high.tolist() == [10.2, 10.13, 10.0]
    assert candles.low.tolist() == [9.9, 10.13, 9.0]
    assert candles.close.tolist() == [10.1, 10.13, 9.12]


def test_missing_bars_are_absent_and_silent_bars_repeat_the_close_before():
    """Missing bars have no row; every bar without volume is flat at the close of the row above."""
    shape = MarketShape("ADA/USDT", start_ms=START_MS, silent_frac=0.5, prints_per_bar=2)
    path = np.exp(0.01 * np.random.default_rng(2).standard_normal((400, 2)).cumsum(axis=0))
    missing = np.arange(400) % 7 == 3
    candles = candles_from_prints(shape, path, np.random.default_rng(3), missing)
    assert len(candles) == int((~missing).sum())
    assert ((candles.timestamp - START_MS) // 60_000).tolist() == np.flatnonzero(~missing).tolist()
    silent = np.flatnonzero(candles.volume == 0)[1:]
    assert len(silent) > 50
    for name in ("open", "high", "low", "close"):
        assert np.array_equal(getattr(candles, name)[silent], candles.close[silent - 1]), name
    assert (candles.trades[silent] == 0).all()
    assert (candles.taker_buy_volume[silent] == 0).all()


@pytest.mark.parametrize(("decimals", "step_decimals"), [(0, 0), (2, 5), (7, 2), (10, 0)])
def test_prices_and_volumes_are_whole_ticks_and_steps(decimals, step_decimals):
    """Each price is the float nearest to a whole number of ticks, each volume to a whole number of steps."""
    shape = MarketShape(
        "ADA/USDT", price=10.0 ** (4 - decimals), price_decimals=decimals, volume_decimals=step_decimals
    )
    path = np.exp(0.001 * np.random.default_rng(4).standard_normal((300, 8)).cumsum(axis=0))
    candles = candles_from_prints(shape, path, np.random.default_rng(5))
    for name in ("open", "high", "low", "close"):
        values = getattr(candles, name)
        assert np.array_equal(values, np.rint(values * 10**decimals) / 10**decimals)
    assert np.array_equal(candles.volume, np.rint(candles.volume * 10**step_decimals) / 10**step_decimals)
    assert (candles.taker_buy_volume <= candles.volume).all()
    assert (candles.quote_volume >= candles.volume * candles.low * (1 - 1e-12)).all()
    assert (candles.quote_volume <= candles.volume * candles.high * (1 + 1e-12)).all()
    traded = candles.volume > 0
    assert ((candles.trades >= 1) == traded).all()


def test_an_open_may_repeat_the_close_before():
    """With open_at_previous_close the decision's close is the price of the fill."""
    shape = MarketShape("ADA/USDT", open_at_previous_close=True, prints_per_bar=1)
    path = np.exp(0.001 * np.random.default_rng(6).standard_normal((300, 1)).cumsum(axis=0))
    candles = candles_from_prints(shape, path, np.random.default_rng(7))
    assert np.array_equal(candles.open[1:], candles.close[:-1])
    assert np.array_equal(candles.high, np.maximum(candles.open, candles.close))

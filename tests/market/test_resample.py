"""Coarser candles."""

import numpy as np
import pytest

from huracan.errors import DataError
from huracan.market import Candles, resample, wild_bars
from tests.market.frames import market


def test_a_bar_holds_first_extremes_last_and_sums():
    """Five one-minute candles make one five-minute candle, computed here by plain loops."""
    fine = market(50)
    coarse = resample(fine, "5m")
    for bar in range(10):
        start = int(coarse.timestamp[bar])
        part = fine.between(start, start + 300_000)
        assert len(part) == 5
        assert coarse.open[bar] == part.open[0]
        assert coarse.close[bar] == part.close[-1]
        assert coarse.high[bar] == max(part.high)
        assert coarse.low[bar] == min(part.low)
        for name in ("volume", "quote_volume", "trades", "taker_buy_volume"):
            assert getattr(coarse, name)[bar] == pytest.approx(sum(getattr(part, name)), rel=1e-12)


def from_minute(candles: Candles, first: int, last: int) -> Candles:
    """Return the candles of minutes [first, last) of the day."""
    day = int(candles.timestamp[0])
    return candles.between(day + first * 60_000, day + last * 60_000)


def test_bars_align_to_the_epoch_and_partial_ends_are_dropped():
    """A history from 00:07 to 02:50 has hourly bars 01:00 only; 00:00 and 02:00 would be partial."""
    fine = from_minute(market(300), 7, 170)
    coarse = resample(fine, "1h")
    assert ((coarse.timestamp - int(market(1).timestamp[0])) // 3_600_000).tolist() == [1]
    assert (coarse.timestamp % 3_600_000 == 0).all()


def test_a_last_bar_that_is_complete_stays():
    """A history that ends with minute 02:59 has the 02:00 bar."""
    assert len(resample(from_minute(market(300), 0, 180), "1h")) == 3


def test_too_short_for_one_bar_gives_none():
    """A history inside one coarse bar gives no candle."""
    assert len(resample(from_minute(market(300), 70, 100), "1h")) == 0
    assert len(resample(market(30).between(0, 0), "1h")) == 0


def test_missing_fine_bars_do_not_shift_the_grid():
    """With bars missing at random, each coarse bar holds exactly the fine bars of its span."""
    for seed in range(20):
        fine = wild_bars(seed, 600)
        coarse = resample(fine, "15m")
        for bar, start in enumerate(coarse.timestamp.tolist()):
            part = fine.between(start, start + 900_000)
            assert (coarse.open[bar], coarse.close[bar]) == (part.open[0], part.close[-1])
            assert (coarse.high[bar], coarse.low[bar]) == (part.high.max(), part.low.min())


def test_in_two_steps_as_in_one():
    """Resampling to 5m and then to 1h gives the prices of resampling to 1h."""
    fine = market(600)
    direct, staged = resample(fine, "1h"), resample(resample(fine, "5m"), "1h")
    for name in ("timestamp", "open", "high", "low", "close", "trades"):
        assert np.array_equal(getattr(direct, name), getattr(staged, name)), name


def test_absent_columns_stay_absent_and_same_timeframe_is_identity():
    """Optional columns that are absent stay so; the same timeframe changes nothing."""
    fine = market(60)
    bare = Candles(fine.symbol, "1m", fine.timestamp, fine.open, fine.high, fine.low, fine.close, fine.volume)
    assert resample(bare, "5m").trades is None
    assert resample(fine, "1m").fingerprint() == fine.fingerprint()


@pytest.mark.parametrize(("source", "target"), [("1h", "5m"), ("2h", "3m"), ("12h", "8h")])
def test_finer_and_broken_multiples_are_refused(source, target):
    """A finer timeframe or one that is no multiple is refused."""
    with pytest.raises(DataError, match=f"{source} candles cannot be resampled to {target}"):
        resample(market(50, timeframe=source), target)

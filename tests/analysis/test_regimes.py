"""Regimes: filtered, so that no later candle changes one, and stored with every trade as its market had it."""

from dataclasses import replace

import numpy as np
import pytest

from huracan.analysis.cases import cases_of
from huracan.analysis.paths import path_of
from huracan.analysis.regimes import by_regime, regime_of_path
from huracan.config import FeatureSettings, Settings, TradingSettings
from huracan.env.dataset import Dataset
from huracan.market import Candles, CandleSet, MarketShape, martingale
from huracan.memory.trades import REGIMES, regime_name
from huracan.shadow import DAY_MS
from huracan.shadow.trades import regime_of
from tests.analysis.worlds import shadow_world

SETTINGS = Settings(trading=TradingSettings(hold_bars=60), features=FeatureSettings(gap_fill_max_bars=300))
SYMBOLS = ("R0/USDT", "R1/USDT")


def _candles() -> dict[str, Candles]:
    return {
        symbol: martingale(MarketShape(symbol=symbol), 12 * 1_440, (5, n), kind="garch")
        for n, symbol in enumerate(SYMBOLS)
    }


def test_future_candles_change_no_past_regime() -> None:
    """The same fit on half of the candles and on all of them: every regime of the first half is the same bit."""
    whole = _candles()
    half = {symbol: one.take(slice(0, len(one) - 2 * 1_440)) for symbol, one in whole.items()}
    small, large = (
        Dataset.build(CandleSet("1m", SYMBOLS, None, found, ()), SETTINGS, "test") for found in (half, whole)
    )
    fit = small.fit(small.summary.start_ms, small.summary.end_ms - 3 * DAY_MS, 7)
    base_ms = small.kernel.base_ms
    for short, long in zip(small.fold_tapes(fit), large.fold_tapes(fit), strict=True):
        one, two = path_of(short, base_ms), path_of(long, base_ms)
        assert np.isfinite(one.high_vol).mean() > 0.2
        assert np.nanstd(one.high_vol) > 0.05  # the regime does change in these markets
        assert (one.high_vol.view("u8") == two.high_vol[: len(one)].view("u8")).all()
        assert (one.trend.view("u8") == two.trend[: len(one)].view("u8")).all()


def test_a_trade_carries_the_regime_of_its_market() -> None:
    """What stands in the row is what the tape had at the last decision before the fill."""
    trades, tapes, kernel, _ = shadow_world(coins=2, days=4)
    cases = cases_of(trades, {tape.symbol: path_of(tape, kernel.base_ms) for tape in tapes}, kernel)
    found = [regime_of_path(case) for case in cases if case is not None]
    assert len(found) == len(trades)
    assert found == trades.regime.tolist() == regime_of(trades.entry_state).tolist()
    assert set(found) == set(range(6))


def test_an_unknown_regime_is_unknown() -> None:
    """Without a fit there is none, and none is made up."""
    trades, tapes, kernel, _ = shadow_world(coins=2, days=2)
    paths = {tape.symbol: path_of(tape, kernel.base_ms, regimes=False) for tape in tapes}
    assert {regime_of_path(case) for case in cases_of(trades, paths, kernel) if case is not None} == {-1}
    assert [regime_name(number) for number in (-1, 0, 5, 6)] == ["unknown", REGIMES[0], REGIMES[5], "unknown"]


def test_results_by_regime_add_up_and_have_intervals() -> None:
    """One row a regime with trades; the planted good one is above zero by its interval, the others are not."""
    rng = np.random.default_rng(4)
    regime = rng.integers(0, 3, 600)
    time_ms = 20_000 * DAY_MS + np.sort(rng.integers(0, 60 * DAY_MS, 600))
    net = rng.normal(np.where(regime == 2, 30.0, -10.0), 40.0)
    rows = by_regime(regime, time_ms, net, resamples=300, level=0.9, seed=1)
    assert [row.regime for row in rows] == [0, 1, 2]
    assert sum(row.trades for row in rows) == 600
    assert sum(row.wins for row in rows) == (net > 0).sum()
    for row in rows:
        assert row.net_bps.mean == pytest.approx(net[regime == row.regime].mean())
        assert row.net_bps.low is not None
        assert (row.net_bps.low > 0) == (row.regime == 2)
    assert by_regime(regime[:0], time_ms[:0], net[:0], resamples=10, level=0.9, seed=1) == ()
    assert replace(rows[0], best_hold_bars=5).best_hold_bars == 5

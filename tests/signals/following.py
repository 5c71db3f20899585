"""Markets for tests of the feed: candles as the venue prints them, a fit, and what the batch makes of all of it."""

from collections.abc import Mapping, Sequence
from functools import cache

import numpy as np

from huracan.features import FeatureContext, FeatureFit, RawFeatures, apply_fit, compute_raw
from huracan.market import Candles
from huracan.signals.follower import BARE, Follower
from huracan.signals.history import History, closes_of
from huracan.signals.model import MarketClose
from huracan.venue.klines import Kline
from tests.features.markets import LEADER, SMALL, K, coin, without

BASE_MS = 60_000
BARS = 900
GAP = (700, 703)
"""Bars that FET lacks, fewer than are bridged."""


@cache
def markets() -> dict[str, Candles]:
    """Return three coins with every optional column; one lacks bars."""
    fet = without(coin("FET/USDT", BARS, 3, inputs=True), GAP)
    return {c.symbol: c for c in (coin(LEADER, BARS, 1, inputs=True), coin("ADA/USDT", BARS, 2, inputs=True), fet)}


@cache
def raw(symbols: tuple[str, ...] = ()) -> dict[str, RawFeatures]:
    """Return the batch's features of the whole history of all coins, or of some."""
    chosen = {symbol: rows for symbol, rows in markets().items() if symbol in symbols or not symbols}
    return compute_raw(chosen, SMALL, K, LEADER)


@cache
def fit(seed: int = 1, symbols: tuple[str, ...] = ()) -> FeatureFit:
    """Return a fit on the first 600 bars."""
    start_ms = int(markets()[LEADER].timestamp[0])
    return FeatureFit.fit(raw(symbols), start_ms, start_ms + 600 * BASE_MS, seed)


def bare() -> FeatureContext:
    """Return the context of the machines alone."""
    return raw()[LEADER].context


def close_at(bar: int) -> int:
    """Return when a bar closes."""
    return int(markets()[LEADER].timestamp[0]) + (bar + 1) * BASE_MS


def klines(first: int, stop: int) -> dict[str, Sequence[Kline]]:
    """Return bars [first, stop) as the venue prints them."""
    found: dict[str, list[Kline]] = {symbol: [] for symbol in markets()}
    for _, bars in closes_of(markets(), close_at(first - 1), close_at(stop - 1)):
        for symbol, row in bars.items():
            found[symbol].append(row)
    return dict(found)


def bars_of(bar: int) -> Mapping[str, Kline]:
    """Return the candles of one close."""
    return {symbol: rows[0] for symbol, rows in klines(bar, bar + 1).items() if rows}


def history(stop: int, first: int = 0) -> History:
    """Return a history without a store."""
    return History("1m", None, klines(first, stop))


def follower(*fits: FeatureFit) -> Follower:
    """Return a follower of all coins."""
    return Follower(bare(), tuple(markets()), fits)


def expect(close: MarketClose, bar: int, *fits: FeatureFit) -> None:
    """Hold that a close says, bit for bit, what the batch says of the bar."""
    assert close.close_ms == close_at(bar)
    assert set(close.fits) == {one.sha256 for one in fits} or set(close.fits) == {BARE}
    for name, rows in close.fits.items():
        one = next((one for one in fits if one.sha256 == name), None)
        for place, symbol in enumerate(close.symbols):
            _expect_row(close, bar, name, place, symbol, one)
        assert len(rows.due) == len(close.symbols)


def _expect_row(close: MarketClose, bar: int, name: str, place: int, symbol: str, one: FeatureFit | None) -> None:
    universe = raw()[symbol].context.universe if one is None else one.context.universe
    rows = close.fits[name]
    if symbol not in universe:
        assert not rows.due[place]
        assert not rows.ready[place]
        assert np.isnan(rows.sigma[place])
        return
    batch = raw(() if universe == tuple(sorted(markets())) else universe)[symbol]
    at = int(np.searchsorted(batch.timestamp, close_at(bar) - BASE_MS))
    present = at < len(batch.timestamp) and int(batch.timestamp[at]) == close_at(bar) - BASE_MS
    assert (symbol in close.bars) == present
    if not present:
        assert not rows.due[place]
        assert np.isnan(rows.sigma[place])
        return
    assert rows.sigma[place : place + 1].tobytes() == batch.sigma[at : at + 1].tobytes()
    assert rows.ready[place] == batch.ready[at]
    assert rows.due[place] == (at in batch.rows)
    row = int(np.searchsorted(batch.rows, at, side="right")) - 1
    if one is not None and row >= 0:
        assert rows.market[place].tobytes() == apply_fit(one, batch)[row].tobytes()
    if row > 0:
        numbers = batch.timestamp // BASE_MS
        last, before = batch.rows[row], batch.rows[row - 1]
        assert rows.age[place] == (numbers[last] - numbers[before]) - (last - before)

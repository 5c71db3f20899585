"""The feed of one process: stored and told candles before it, every close once and in order after it."""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path

from huracan.clock import WallClock
from huracan.market import CandleStore
from huracan.signals.follower import Follower
from huracan.signals.model import MarketClose
from huracan.trader.candle_feed import CandleFeed
from huracan.trader.market_feed import MarketFeed
from huracan.venue.klines import KLINES_PAGE, Kline
from tests.execution.world import virtually
from tests.signals.following import BASE_MS, bare, close_at, expect, fit, klines, markets

NOW = 650


class Shown:
    """Candles of all markets up to a bar, which runs; a test moves it."""

    def __init__(self, bar: int) -> None:
        self.bar = bar
        self._rows: Mapping[str, Sequence[Kline]] = klines(0, 900)

    async def klines(
        self, symbol: str, timeframe: str, start_ms: int | None = None, limit: int = KLINES_PAGE
    ) -> tuple[Kline, ...]:
        """Return what is there."""
        rows = [row for row in self._rows[symbol] if row.open_ms <= close_at(self.bar) - BASE_MS]
        if start_ms is None:
            return tuple(rows[-limit:])
        return tuple(row for row in rows if row.open_ms >= start_ms)[:limit]


def feed_of(source: Shown, store: Path | None = None) -> MarketFeed:
    """Return a feed over what is shown."""
    candles = CandleFeed(source, tuple(sorted(markets())), "1m", BASE_MS, 1.0, 5.0)
    return MarketFeed(candles, Follower(bare(), tuple(markets()), [fit()]), WallClock(), store)


async def take(feed: MarketFeed, source: Shown, after_ms: int, count: int) -> list[MarketClose]:
    """Return the next closes after one, the market moving on a bar for each."""
    found: list[MarketClose] = []
    async for close in feed.follow(after_ms):
        found.append(close)
        if len(found) == count:
            break
        if close.close_ms == close_at(source.bar - 1):
            source.bar += 1
    return found


def test_a_store_gives_the_features_their_first_bar(tmp_path: Path) -> None:
    """With the store the features are those of the whole history, however few candles the venue is asked for."""
    for rows in markets().values():
        CandleStore(tmp_path).write(rows.between(0, close_at(400)))

    async def steps() -> None:
        source = Shown(NOW)
        feed = feed_of(source, tmp_path)
        told = await feed.start(50)
        assert min(len(rows) for rows in told.values()) > 240  # what follows the store, although fewer were asked for
        expect(feed.newest, NOW - 1, fit())
        source.bar += 1
        for bar, close in enumerate(await take(feed, source, feed.newest.close_ms, 9), NOW):
            expect(close, bar, fit())

    virtually(steps)


def test_whoever_was_away_is_told_every_close_once() -> None:
    """Closes that were gone through at the start are told again after the one asked for, then the new ones."""

    async def steps() -> None:
        source = Shown(NOW)
        feed = feed_of(source)
        await feed.start(10_000, keep=20)
        closes = await take(feed, source, close_at(NOW - 12), 15)
        assert [close.close_ms for close in closes] == [close_at(bar) for bar in range(NOW - 11, NOW + 4)]
        assert [close.late for close in closes] == [True] * 10 + [False] * 5
        again = await take(feed, source, close_at(NOW), 3)
        assert [close.close_ms for close in again] == [close_at(bar) for bar in range(NOW + 1, NOW + 4)]
        assert asyncio.get_running_loop().time() < 3_600

    virtually(steps)

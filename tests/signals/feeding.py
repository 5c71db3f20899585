"""A venue whose market time the test moves, books that a test tells, and feeds over both."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from functools import partial
from pathlib import Path

import numpy as np

from huracan.clock import Clock, WallClock
from huracan.errors import VenueError
from huracan.features import FeatureContext, FeatureFit
from huracan.market import Candles, read_books
from huracan.signals.feed import Feed, FeedSettings
from huracan.signals.follower import Follower
from huracan.signals.history import BooksOf, History, closes_of
from huracan.signals.model import MarketClose
from huracan.signals.recorder import BookRecorder
from huracan.trader.candle_feed import CandleFeed
from huracan.venue.book_stream import BookEvent
from huracan.venue.klines import KLINES_PAGE, Kline

MINUTE = 60_000


class Market:
    """Candles of which the first `closed` of all markets together have closed, and the next one runs.

    Attributes:
        closed: market time, in bars since the first one.
        away: nothing is answered.
        wrong: candles shown in place of the true ones, by market and bar.
    """

    def __init__(self, candles: Mapping[str, Candles], closed: int) -> None:
        first = min(int(rows.timestamp[0]) for rows in candles.values())
        last = max(int(rows.timestamp[-1]) for rows in candles.values())
        self.first_ms, self.closed, self.away = first, closed, False
        self.wrong: dict[tuple[str, int], Kline] = {}
        self._rows: dict[str, dict[int, Kline]] = {symbol: {} for symbol in candles}
        for _, bars in closes_of(candles, first - 1, last + MINUTE + 1):
            for symbol, row in bars.items():
                self._rows[symbol][(row.open_ms - first) // MINUTE] = row

    @property
    def symbols(self) -> tuple[str, ...]:
        """Return the markets, sorted."""
        return tuple(sorted(self._rows))

    def close_ms(self, bar: int) -> int:
        """Return when a bar closes."""
        return self.first_ms + (bar + 1) * MINUTE

    def now_ms(self) -> int:
        """Return the venue's clock, a moment after the newest close."""
        return self.first_ms + self.closed * MINUTE + 1

    def shown(self, symbol: str, bar: int) -> Kline | None:
        """Return a candle as the venue shows it."""
        return self.wrong.get((symbol, bar), self._rows[symbol].get(bar))

    async def klines(
        self, symbol: str, timeframe: str, start_ms: int | None = None, limit: int = KLINES_PAGE
    ) -> tuple[Kline, ...]:
        """Return what is there now, the running candle included."""
        await asyncio.sleep(0)
        if self.away:
            raise VenueError("away")
        first = self.closed if start_ms is None else max(0, (start_ms - self.first_ms) // MINUTE)
        rows = [self.shown(symbol, bar) for bar in range(first, self.closed + 1)]
        found = [row for row in rows if row is not None]
        if start_ms is None and not found:
            found = [row for bar in range(self.closed) if (row := self.shown(symbol, bar)) is not None][-1:]
        return tuple(found[:limit])


class Books:
    """What a test says that the books show."""

    def __init__(self) -> None:
        self.told: asyncio.Queue[BookEvent] = asyncio.Queue()
        self.connections, self.dropped = 1, 0

    async def events(self) -> AsyncIterator[BookEvent]:
        """Yield what was told."""
        while True:
            yield await self.told.get()
            self.told.task_done()

    def ages_s(self) -> Mapping[str, float]:
        """Return one age."""
        return {"ADA/USDT depth": 1.5}


class Silence:
    """A stream of candles that never says a word."""

    async def closed(self) -> AsyncIterator[tuple[str, int]]:
        """Wait for ever."""
        await asyncio.Event().wait()
        yield "", 0


def feed_of(
    market: Market,
    folder: Path,
    context: FeatureContext,
    fits: Sequence[FeatureFit] = (),
    *,
    history_bars: int = 2_000,
    snapshot_interval_s: float = 0.0,
    stale_after_s: float = 60.0,
    ring: int = 50,
    clock: Clock | None = None,
    books: Books | None = None,
    record: Path | None = None,
    patience_s: float = 0.02,
) -> Feed:
    """Return a feed of a market that is not started."""
    settings = FeedSettings("1m", MINUTE, history_bars, folder, snapshot_interval_s, stale_after_s, ring)
    candles = CandleFeed(market, market.symbols, "1m", MINUTE, 0.002, patience_s, market.now_ms)
    recorded: BooksOf | None = None if record is None else partial(_recorded, record)

    def past(told: Mapping[str, Sequence[Kline]]) -> History:
        return History("1m", None, told, recorded)

    recorder = None if record is None else BookRecorder(record, "1m", market.symbols)
    return Feed(
        settings,
        candles,
        lambda: Follower(context, market.symbols, fits),
        past,
        {},
        clock or WallClock(),
        klines=Silence(),
        books=books,
        recorder=recorder,
    )


def _recorded(folder: Path, symbol: str, timestamp: np.ndarray) -> np.ndarray | None:
    return read_books(folder, symbol, "1m", timestamp)


@contextlib.asynccontextmanager
async def running(feed: Feed) -> AsyncIterator[Feed]:
    """Start a feed and run it for the block."""
    await feed.start()
    stop = asyncio.Event()
    task = asyncio.ensure_future(feed.run(stop))
    try:
        yield feed
    finally:
        stop.set()
        await task


async def told(feed: Feed, market: Market, bars: Iterable[int]) -> list[MarketClose]:
    """Let bars close one at a time and return what the feed told of each."""
    found: list[MarketClose] = []
    for bar in bars:
        newest = feed.newest()
        assert newest is not None
        market.closed = bar + 1
        found += await feed.closes(newest.close_ms, 10.0)
    return found


def impossible(row: Kline) -> list[Kline]:
    """Return what no candle can be, made of one that is."""
    negative, zero = Decimal(-1), Decimal(0)
    return [
        replace(row, close=negative),
        replace(row, low=zero),
        replace(row, high=row.low, low=row.high + 1),
        replace(row, volume=negative),
        replace(row, open=row.high * 2),
    ]

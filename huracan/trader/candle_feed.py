"""The feed: closed candles of all markets together, in order, by asking; a stream's word only makes it ask sooner.

A candle is closed when a later one exists, when the stream has said so, or, where market time is wall time, when the
venue's clock has passed its end. A running candle never leaves this module.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from huracan.errors import DataError, VenueError
from huracan.logs import get_logger
from huracan.venue.klines import KLINES_PAGE, Kline

__all__ = ["Batch", "CandleFeed", "KlineSource"]

_PAGES_MAX = 100
_WAITING_MAX = 10_000
_FAILING_PATIENCES = 10
"""A market of which nothing can be learned while others answer is waited for so many times as long."""


class KlineSource(Protocol):
    """Whoever can be asked for candles."""

    async def klines(
        self, symbol: str, timeframe: str, start_ms: int | None = None, limit: int = KLINES_PAGE
    ) -> tuple[Kline, ...]:
        """Return candles that open at `start_ms` or later, oldest first, the running one included."""
        ...


@dataclass(frozen=True, slots=True)
class Batch:
    """The candles that closed at one moment.

    Attributes:
        close_ms: when, ms UTC.
        candles: by symbol; a market without a candle is left out.
        late: a newer one is known: housekeeping, nothing to decide on.
    """

    close_ms: int
    candles: Mapping[str, Kline]
    late: bool


@dataclass(slots=True)
class CandleFeed:
    """Follows the closed candles of some markets.

    Args:
        source: asked for candles.
        symbols: markets.
        timeframe: of the candles.
        base_ms: their length.
        poll_s: pause between questions when nothing wakes it.
        patience_s: how long a close waits for markets whose candle has not come.
        venue_ms: the venue's clock where market time is wall time; None in a replay.
    """

    source: KlineSource
    symbols: Sequence[str]
    timeframe: str
    base_ms: int
    poll_s: float
    patience_s: float
    venue_ms: Callable[[], int] | None = None
    _told: dict[str, int] = field(default_factory=dict)
    _wake: asyncio.Event = field(default_factory=asyncio.Event)
    _seen: dict[str, int] = field(default_factory=dict)
    _waiting: dict[int, dict[str, Kline]] = field(default_factory=dict)
    _since: dict[int, float] = field(default_factory=dict)
    _turn: int = 0
    _failing: dict[str, float | None] = field(default_factory=dict)  # when another market answered meanwhile
    _back_s: dict[str, float] = field(default_factory=dict)

    def tell(self, symbol: str, open_ms: int) -> None:
        """Take the stream's word that a candle has closed."""
        self._told[symbol] = max(open_ms, self._told.get(symbol, -1))
        self._wake.set()

    async def history(self, bars: int, stored: Mapping[str, int] | None = None) -> dict[str, tuple[Kline, ...]]:
        """Return up to `bars` closed candles of each market, all up to the same close.

        Args:
            bars: how many, counted from the newest.
            stored: open time of the newest stored candle of some markets, ms UTC: what follows it is asked for even if
                it lies further back, so that no hole stays between store and venue.

        Raises:
            DataError: a market has no closed candle.
            VenueError: the venue does not answer.
        """
        found = dict(
            zip(
                self.symbols,
                await asyncio.gather(*(self._history(s, bars, (stored or {}).get(s)) for s in self.symbols)),
                strict=True,
            )
        )
        empty = [symbol for symbol, rows in found.items() if not rows]
        if empty:
            raise DataError(f"the venue has no closed {self.timeframe} candle of {', '.join(empty)}")
        last = min(rows[-1].open_ms for rows in found.values())
        self._seen = dict.fromkeys(self.symbols, last)
        return {symbol: tuple(row for row in rows if row.open_ms <= last) for symbol, rows in found.items()}

    async def _history(self, symbol: str, bars: int, stored_ms: int | None) -> list[Kline]:
        newest = await self.source.klines(symbol, self.timeframe, None, 1)
        if not newest:
            return []
        start_ms = newest[-1].open_ms - bars * self.base_ms
        if stored_ms is not None:
            start_ms = min(start_ms, stored_ms + self.base_ms)
        rows: list[Kline] = []
        for _ in range(_PAGES_MAX):
            page = await self.source.klines(symbol, self.timeframe, start_ms)
            rows += page
            if len(page) < KLINES_PAGE:
                return self._closed(symbol, rows)
            start_ms = page[-1].open_ms + self.base_ms
        raise DataError(f"{symbol}: more than {_PAGES_MAX * KLINES_PAGE} candles since {start_ms}")

    def _closed(self, symbol: str, rows: Sequence[Kline]) -> list[Kline]:
        """Return the rows that are closed for certain."""
        if not rows:
            return []
        known = rows[-2].open_ms if len(rows) > 1 else -1
        known = max(known, self._told.get(symbol, -1))
        if self.venue_ms is not None:
            known = max(known, self.venue_ms() - 1 - self.base_ms)
        elif ":" in symbol:  # no stream tells of a perpetual; in a replay all markets have one clock
            known = max(known, *self._told.values(), -1)
        return [row for row in rows if row.open_ms <= known]

    async def follow(self) -> AsyncIterator[Batch]:
        """Yield each close after the history, in order, as long as somebody asks."""
        assert self._seen, "history() comes first"
        while True:
            for batch in await self._collect():
                yield batch
            try:
                async with asyncio.timeout(self.poll_s):
                    await self._wake.wait()
            except TimeoutError:
                pass
            self._wake.clear()

    async def _collect(self) -> list[Batch]:
        """Ask for what may be new and return the closes that are complete, oldest first."""
        if not self._due():
            return []
        self._turn += 1
        scout = self.symbols[self._turn % len(self.symbols)]
        told = any(self._told.get(symbol, -1) > seen for symbol, seen in self._seen.items())
        if await self._ask(scout) or told or self._waiting:  # one market is asked as long as nothing happens
            await asyncio.gather(*(self._ask(symbol) for symbol in self.symbols if symbol != scout))
        return self._complete()

    def _due(self) -> bool:
        """Return whether a candle can have closed since the last close; always so in a replay."""
        if self.venue_ms is None or self._waiting:
            return True
        return self.venue_ms() >= min(self._seen.values()) + 2 * self.base_ms

    async def _ask(self, symbol: str) -> bool:
        """Ask for a market's candles since the last one; returns whether a closed one is new."""
        try:
            rows = await self.source.klines(symbol, self.timeframe, self._seen[symbol] + self.base_ms)
        except VenueError as error:
            get_logger().warning("feed.waits", symbol=symbol, reason=str(error))
            self._failing.setdefault(symbol, None)
            return False
        fresh = self._closed(symbol, rows)
        now_s = asyncio.get_running_loop().time()
        if symbol in self._failing:
            del self._failing[symbol]
            self._back_s[symbol] = now_s
        self._failing = {one: now_s if at is None else at for one, at in self._failing.items()}
        for row in fresh:
            self._seen[symbol] = row.open_ms
            self._since.setdefault(row.open_ms, now_s)
            self._waiting.setdefault(row.open_ms, {})[symbol] = row
        return bool(fresh)

    def _awaits(self, symbol: str, open_ms: int, now_s: float) -> bool:
        """Return whether a market's candle may still come: while nobody answers, nobody knows that it is missing."""
        if symbol in self._failing:
            passed_s = self._failing[symbol]
            return passed_s is None or now_s - passed_s < _FAILING_PATIENCES * self.patience_s
        return now_s - max(self._since[open_ms], self._back_s.get(symbol, 0.0)) < self.patience_s

    def _complete(self) -> list[Batch]:
        """Take out the closes that every market has, has passed, or has kept waiting for too long."""
        now_s = asyncio.get_running_loop().time()
        ready = []
        for open_ms in sorted(self._waiting):
            missing = [symbol for symbol, seen in self._seen.items() if seen < open_ms]
            if len(self._waiting) < _WAITING_MAX and any(self._awaits(one, open_ms, now_s) for one in missing):
                break
            for symbol in missing:
                get_logger().warning("feed.missing", symbol=symbol, open_ms=open_ms)
                self._seen[symbol] = open_ms  # its candle comes too late for this close
            ready.append(open_ms)
        found = [(open_ms, self._waiting.pop(open_ms), self._since.pop(open_ms)) for open_ms in ready]
        late = bool(self._waiting)
        return [
            Batch(open_ms + self.base_ms, candles, late or number < len(found) - 1)
            for number, (open_ms, candles, _) in enumerate(found)
        ]

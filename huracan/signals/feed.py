"""The feed: candles, books and feature machines joined; one close after the other for everybody who asks.

It is a plain object of one event loop. It goes on where its last snapshot was taken: what was missed since is asked
for, so that no bar is lost or doubled, and every state has the bits of a feed that never stopped. A bar in which it was
down has no book: nobody looked.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import psutil

from huracan.clock import Clock
from huracan.errors import ArtefactError, DataError
from huracan.features import FeatureFit
from huracan.logs import get_logger
from huracan.market import atomic_file
from huracan.signals.books import BookBar, Books
from huracan.signals.feed_status import FeedStatus, MarketAge
from huracan.signals.follower import Follower
from huracan.signals.history import History
from huracan.signals.model import MarketClose
from huracan.signals.recorder import BookRecorder
from huracan.signals.ring import CloseRing
from huracan.signals.saved import Saved, read_saved, refuse
from huracan.venue.book_stream import BookSource
from huracan.venue.klines import Kline

__all__ = ["SNAPSHOT_NAME", "Batch", "CandleSource", "ClosedWord", "Feed", "FeedSettings"]

SNAPSHOT_NAME = "feed.snapshot"

_CATCH_UP_MAX = 20_000
_DISK_JOBS_MAX = 256
_DISK_WAIT_S = 30.0


class Batch(Protocol):
    """The candles that closed at one moment; `late`: a newer close is known."""

    @property
    def close_ms(self) -> int:
        """Return when they closed."""
        ...

    @property
    def candles(self) -> Mapping[str, Kline]:
        """Return them by symbol."""
        ...

    @property
    def late(self) -> bool:
        """Return whether a newer close is known."""
        ...


class CandleSource(Protocol):
    """Whoever collects closed candles by asking (`huracan.trader.candle_feed.CandleFeed`)."""

    async def history(self, bars: int, stored: Mapping[str, int] | None = None) -> Mapping[str, Sequence[Kline]]:
        """Return closed candles of each market, all up to the same close; at least what follows on `stored`."""
        ...

    def follow(self) -> AsyncIterator[Batch]:
        """Yield each close after the history, in order."""
        ...

    def tell(self, symbol: str, open_ms: int) -> None:
        """Take a stream's word that a candle has closed."""
        ...


class ClosedWord(Protocol):
    """A stream that tells which candles have closed; it only makes things faster."""

    def closed(self) -> AsyncIterator[tuple[str, int]]:
        """Yield (symbol, open time in ms)."""
        ...


@dataclass(frozen=True, slots=True)
class FeedSettings:
    """How a feed runs.

    Attributes:
        timeframe: of the candles.
        base_ms: their length.
        history_bars: candles asked for at the start, at least.
        folder: where the snapshot is kept.
        snapshot_interval_s: pause between snapshots.
        stale_after_s: a market of which nothing came for so long is stale.
        ring: closes kept for whoever asks.
    """

    timeframe: str
    base_ms: int
    history_bars: int
    folder: Path
    snapshot_interval_s: float = 60.0
    stale_after_s: float = 180.0
    ring: int = 120


@dataclass(slots=True)
class _Counts:
    closes: int = 0
    late: int = 0
    gaps: int = 0
    caught_up: int = 0
    left_out: int = 0
    snapshot_ms: int = 0
    snapshot_bytes: int = 0
    snapshot_failed: str = ""
    heard_s: dict[str, float] = field(default_factory=dict)
    newest: dict[str, int] = field(default_factory=dict)
    missing: dict[str, int] = field(default_factory=dict)


class Feed:
    """Follows the market for everybody: `start`, then `run` as long as it is to live.

    Args:
        settings: how it runs.
        candles: collects closed candles.
        follower: makes what drives the machines, not started.
        past: makes the history of what was told at the start.
        stored: open time of the newest stored candle of the markets that have some.
        clock: wall clock.
        klines: tells what has closed; None: it is found by asking alone.
        books: tells what the books show; None: nobody looks at them.
        recorder: writes what they showed; None: nothing is recorded.
    """

    def __init__(
        self,
        settings: FeedSettings,
        candles: CandleSource,
        follower: Callable[[], Follower],
        past: Callable[[Mapping[str, Sequence[Kline]]], History],
        stored: Mapping[str, int],
        clock: Clock,
        klines: ClosedWord | None = None,
        books: BookSource | None = None,
        recorder: BookRecorder | None = None,
    ) -> None:
        self._settings, self._candles, self._make, self._past = settings, candles, follower, past
        self._follower = follower()
        self._stored, self._clock, self._klines = stored, clock, klines
        self._source, self._recorder = books, recorder
        self._books = Books(self._follower.symbols, settings.base_ms)
        self._ring = CloseRing(settings.ring, settings.base_ms)
        self._counts = _Counts()
        self._told = asyncio.Condition()
        self._machines = asyncio.Lock()
        self._disk: asyncio.Queue[Callable[[], None]] = asyncio.Queue(_DISK_JOBS_MAX)
        self._snapped_s: float | None = None
        self._snapping = False

    @property
    def symbols(self) -> tuple[str, ...]:
        """Return the markets followed, sorted."""
        return self._follower.symbols

    # ---- what is asked of it ----------------------------------------------------------------------------------

    def newest(self) -> MarketClose | None:
        """Return the newest close, None before the first."""
        return self._ring.newest

    async def closes(self, after_ms: int, timeout_s: float = 20.0) -> tuple[MarketClose, ...]:
        """Return every close after a position, waiting for the first of them; nothing when none came in time.

        Whoever asks next with the newest close it was given gets each close exactly once. Several may ask.

        Raises:
            DataError: closes after the position are kept no more, or it lies far ahead: restart from history.
        """
        try:
            async with asyncio.timeout(timeout_s), self._told:
                while not (found := self._ring.after(after_ms)):
                    await self._told.wait()
                return found
        except TimeoutError:
            return ()

    async def follow(self, after_ms: int) -> AsyncIterator[MarketClose]:
        """See `huracan.signals.model.CloseSource`."""
        while True:
            for close in await self.closes(after_ms):
                yield close
                after_ms = close.close_ms

    async def serve(self, fits: Sequence[FeatureFit]) -> None:
        """Follow exactly these fits from the next close on; a new one is warmed up from the whole past first.

        Raises:
            ConfigError: a fit is of another timeframe, or covers a market that is not followed; nothing has changed.
            DataError: the stored candles can no longer be read; nothing has changed.
        """
        async with self._machines:
            await asyncio.to_thread(self._follower.serve, fits)
        self._snapped_s = None  # the last snapshot is of other fits

    def status(self) -> FeedStatus:
        """Return how the feed is."""
        counts, now_s, limit_s = self._counts, asyncio.get_running_loop().time(), self._settings.stale_after_s
        last_ms = self._follower.last_ms
        markets = []
        for symbol in self.symbols:
            heard_s = counts.heard_s.get(symbol)
            age_s = None if heard_s is None else now_s - heard_s
            lag = (last_ms - counts.newest.get(symbol, last_ms)) // self._settings.base_ms
            stale = lag > 0 or age_s is None or age_s > limit_s
            markets.append(MarketAge(symbol, age_s, lag, counts.missing.get(symbol, 0), stale))
        ages = [market.age_s for market in markets if market.age_s is not None]
        return FeedStatus(
            last_ms=last_ms,
            age_s=min(ages, default=None),
            stale=min(ages, default=limit_s + 1.0) > limit_s,
            markets=tuple(markets),
            stream_ages_s={} if self._source is None else dict(self._source.ages_s()),
            closes=counts.closes,
            late=counts.late,
            gaps=counts.gaps,
            caught_up=counts.caught_up,
            left_out=counts.left_out,
            reconnects=0 if self._source is None else max(0, self._source.connections - 1),
            book_holes=self._books.holes,
            book_late=self._books.late + self._books.ahead,
            book_dropped=0 if self._source is None else self._source.dropped,
            record_failed="" if self._recorder is None else self._recorder.failed,
            snapshot_ms=counts.snapshot_ms,
            snapshot_bytes=counts.snapshot_bytes,
            snapshot_failed=counts.snapshot_failed,
            fits=self._follower.fits,
            ring=len(self._ring),
            memory_bytes=int(psutil.Process().memory_info().rss),
        )

    # ---- life -------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Go on where the last snapshot was taken, or begin with the past.

        Raises:
            DataError: a market has no closed candle, or the past is unfit.
            VenueError: the venue does not answer.
        """
        path = self._settings.folder / SNAPSHOT_NAME
        saved = await asyncio.to_thread(read_saved, path, self._identity())
        resumed = saved is not None and await self._resume(saved)
        if not resumed:
            self._follower, self._ring = self._make(), CloseRing(self._settings.ring, self._settings.base_ms)
            self._books = Books(self.symbols, self._settings.base_ms)
            history = self._past(await self._candles.history(self._settings.history_bars, self._stored))
            for close in await asyncio.to_thread(self._follower.start, history, self._settings.ring):
                self._ring.add(close)
            self._books.begin(self._follower.last_ms)
        newest = self._ring.newest
        assert newest is not None, "a follower that has started tells at least one close"
        self._counts.newest = dict.fromkeys(newest.bars, newest.close_ms)
        get_logger().info("feed.started", close_ms=newest.close_ms, restored=resumed, caught_up=self._counts.caught_up)

    async def run(self, stop: asyncio.Event) -> None:
        """Follow the market until `stop` is set, then keep a last snapshot.

        Raises:
            InvariantError: the machines contradict themselves.
        """
        works = [self._follow(), _until(stop)]
        works += [self._listen()] if self._klines is not None else []
        works += [self._look()] if self._source is not None else []
        tasks = [asyncio.ensure_future(work) for work in works]
        writer = asyncio.ensure_future(self._write())
        try:
            done, _ = await asyncio.wait((*tasks, writer), return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            drained = asyncio.ensure_future(self._disk.join())
            await asyncio.wait((drained, writer), timeout=_DISK_WAIT_S, return_when=asyncio.FIRST_COMPLETED)
            for task in (drained, writer):
                task.cancel()
            await asyncio.gather(drained, writer, return_exceptions=True)
        await asyncio.to_thread(self._keep, self._snapshot())
        if self._recorder is not None:
            self._recorder.close()

    async def _follow(self) -> None:
        async for batch in self._candles.follow():
            await self._close(batch)

    async def _close(self, batch: Batch) -> None:
        """Take in one close, tell it, then write down what is to be kept."""
        counts, base_ms = self._counts, self._settings.base_ms
        bars = self._books.close(batch.close_ms)
        async with self._machines:
            before_ms = self._follower.last_ms
            seen = {symbol: bar.book for symbol, bar in bars.items() if bar.seen}
            try:
                close = self._follower.push(batch.close_ms, batch.candles, batch.late, self._clock.now_ms(), seen)
            except DataError as error:
                counts.left_out += 1
                get_logger().error("feed.close_left_out", close_ms=batch.close_ms, reason=str(error))
                return
            skipped = (close.close_ms - before_ms) // base_ms - 1
            self._count(close, skipped)
            async with self._told:
                self._ring.add(close)
                self._told.notify_all()
            self._plan(bars)

    def _count(self, close: MarketClose, skipped: int) -> None:
        counts, now_s = self._counts, asyncio.get_running_loop().time()
        if skipped:
            get_logger().warning("feed.gap", closes=skipped, before_ms=close.close_ms)
        counts.closes += 1
        counts.late += close.late
        counts.gaps += skipped
        for symbol in self.symbols:
            if symbol in close.bars:
                counts.heard_s[symbol], counts.newest[symbol] = now_s, close.close_ms
            else:
                counts.missing[symbol] = counts.missing.get(symbol, 0) + 1

    async def _listen(self) -> None:
        assert self._klines is not None
        async for symbol, open_ms in self._klines.closed():
            self._candles.tell(symbol, open_ms)

    async def _look(self) -> None:
        assert self._source is not None
        async for event in self._source.events():
            self._books.hear(event)

    # ---- the disk ---------------------------------------------------------------------------------------------

    def _plan(self, bars: Mapping[str, BookBar]) -> None:
        """Have written what is to be kept, by somebody who may wait for the disk."""
        recorder, now_s = self._recorder, asyncio.get_running_loop().time()
        jobs: list[Callable[[], None]] = [] if recorder is None else [lambda: recorder.write(bars)]
        due = self._snapped_s is None or now_s >= self._snapped_s + self._settings.snapshot_interval_s
        if due and not self._snapping:
            data, self._snapped_s, self._snapping = self._snapshot(), now_s, True
            jobs.append(lambda: self._keep(data))
        for job in jobs:
            if self._disk.full():
                get_logger().error("feed.disk_behind", waiting=self._disk.qsize())
                self._snapping = False
                return
            self._disk.put_nowait(job)

    async def _write(self) -> None:
        while True:
            job = await self._disk.get()
            try:
                await asyncio.to_thread(job)
            finally:
                self._disk.task_done()

    def _keep(self, data: bytes) -> None:
        try:
            with atomic_file(self._settings.folder / SNAPSHOT_NAME) as file:
                file.write(data)
        except DataError as error:
            if not self._counts.snapshot_failed:
                get_logger().error("feed.snapshot_failed", reason=str(error))
            self._counts.snapshot_failed = str(error)
        else:
            self._counts.snapshot_failed = ""
            self._counts.snapshot_ms, self._counts.snapshot_bytes = self._clock.now_ms(), len(data)
        finally:
            self._snapping = False

    def _snapshot(self) -> bytes:
        parts = (self._follower.snapshot(), self._books.snapshot(), self._ring.to_bytes())
        return Saved(self._follower.last_ms, *parts).to_bytes(self._identity())

    def _identity(self) -> tuple[str, ...]:
        """Return what a snapshot must agree in."""
        return (self._settings.timeframe, *self.symbols, *self._follower.fits)

    async def _resume(self, saved: Saved) -> bool:
        """Go on from a snapshot and take in what was missed since; False: that cannot be, the past is needed."""
        base_ms = self._settings.base_ms
        stored = {
            symbol: min(self._stored.get(symbol, saved.last_ms), saved.last_ms - base_ms) for symbol in self.symbols
        }
        history = self._past(await self._candles.history(self._settings.history_bars, stored))
        missed = (history.last_ms - saved.last_ms) // base_ms
        if not 0 <= missed <= _CATCH_UP_MAX:
            refuse(f"the venue's newest candle closed at {history.last_ms}, the snapshot is of {saved.last_ms}")
            return False
        try:
            self._follower.restore(saved.follower)
            self._books.restore(saved.books)
            self._ring.load(saved.ring)
            found = await asyncio.to_thread(self._follower.start, history)
        except (ArtefactError, DataError) as error:
            refuse(str(error))
            return False
        self._books.lose()
        for close in found:
            self._ring.add(close)
            if self._recorder is not None:  # bars that had ended, seen to their end, when the snapshot was taken
                await asyncio.to_thread(self._recorder.write, self._books.close(close.close_ms))
        self._counts.caught_up = len(found)
        return True


async def _until(stop: asyncio.Event) -> None:
    await stop.wait()

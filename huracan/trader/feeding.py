"""From the configuration to a feed that follows the venue for everybody: candles, books, record and snapshots."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import SecretStr

from huracan.clock import Clock
from huracan.config import ExecutionSettings, Settings
from huracan.errors import ConfigError, VenueError
from huracan.features import FeatureFit
from huracan.market import CandleFolder, read_books, read_times
from huracan.signals.feed import Feed, FeedSettings
from huracan.signals.follower import Follower
from huracan.signals.history import History, stored_candles
from huracan.signals.policies import PolicyBook
from huracan.signals.recorder import BookRecorder
from huracan.trader.access import Access
from huracan.trader.candle_feed import CandleFeed
from huracan.trader.lockstep import LockStep, lock_step_of
from huracan.trader.market_data import history_bars
from huracan.trader.served import context_of, followed_of
from huracan.trading import resolve_settings
from huracan.venue.book_stream import BookStream, DepthReader
from huracan.venue.budget import WeightBudget
from huracan.venue.credentials import Credentials
from huracan.venue.klines import KlineReader, KlineStream

__all__ = ["PAPER_FOLDER", "RECORD_FOLDER", "followable", "followed_by", "open_feed", "record_folder"]

PAPER_FOLDER = "paper"
"""Where books of a paper exchange are recorded under HURACAN_HOME/feed: made of candles, they never lie beside any."""
RECORD_FOLDER = "candles"
"""Where books of the real exchange are recorded there when no folder of candles is configured."""

_WEIGHT_PER_MINUTE = 6_000
_STEP_S = 0.02
_CLOCK_MARGIN_MS = 1_000
"""At the real exchange a candle counts as closed so long after its end by our clock, unless the stream says so."""
_NO_KEYS = Credentials(SecretStr("none"), SecretStr("none"))
_NOT_SPOT = ":"


def followed_by(settings: Settings, book: PolicyBook) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return (markets that need sigma, markets followed), sorted.

    Raises:
        ConfigError: no market is configured, and no version decides on one.
    """
    traded = settings.data.symbols or tuple(symbol for symbol in book.markets if _NOT_SPOT not in symbol)
    if not traded:
        raise ConfigError("no market to follow: set data.symbols, or serve a version that decides on one")
    return tuple(sorted(traded)), followed_of(settings, traded, book)


def record_folder(settings: Settings, store: CandleFolder | None, timeframe: str, home: Path) -> Path:
    """Return the folder of candles beside which books are recorded; training finds those of the real exchange alone.

    A recording grows row by row under a lock, so it stays on this machine when the candles are in an object store.
    """
    if settings.execution.url is not None:
        return home / "feed" / PAPER_FOLDER / timeframe
    if store is not None and isinstance(store.path, Path):
        return store.path
    folder = settings.data.folder
    return (folder if isinstance(folder, Path) else home / "feed" / RECORD_FOLDER) / timeframe


async def followable(
    settings: Settings, clock: Clock, book: PolicyBook, followed: Sequence[str] = ()
) -> tuple[PolicyBook, dict[str, str]]:
    """Return the versions of a book that a feed can follow, and by name why it cannot follow the others.

    A version may be of other candles, or of markets that the venue does not have.

    Args:
        settings: whole configuration.
        clock: wall clock.
        book: versions.
        followed: markets that are followed already: nobody asks the venue for them.

    Raises:
        VenueError: the venue does not answer.
    """
    timeframe, execution = settings.data.timeframe or "1m", settings.execution
    problems = {
        one.served.version: f"it decides on {one.timeframe} candles, {timeframe} ones are followed"
        for one in book.loaded
        if one.timeframe != timeframe
    }
    rest = [one for one in book.loaded if one.served.version not in problems]
    unsure = sorted({symbol for one in rest for symbol in one.universe} - set(followed))
    if unsure:
        reader = KlineReader(execution.url, clock, WeightBudget(_WEIGHT_PER_MINUTE), execution.timeout_ms)
        try:
            answers = await asyncio.gather(*(reader.has(symbol, timeframe) for symbol in unsure))
        finally:
            await reader.close()
        lacking = {symbol for symbol, has in zip(unsure, answers, strict=True) if not has}
        for one in rest:
            if missing := sorted(lacking & set(one.universe)):
                problems[one.served.version] = f"the venue has no candle of {', '.join(missing)}"
    return PolicyBook(one for one in book.loaded if one.served.version not in problems), problems


@asynccontextmanager
async def open_feed(
    settings: Settings,
    home: Path,
    clock: Clock,
    rng: random.Random,
    book: PolicyBook,
    fits: Sequence[FeatureFit] = (),
) -> AsyncIterator[Feed]:
    """Yield a feed that has started; connections are closed at the end.

    Args:
        settings: whole configuration; `execution.url` says where, without one it is the real exchange.
        home: HURACAN_HOME.
        clock: wall clock.
        rng: spreads reconnections.
        book: versions whose markets are followed.
        fits: further fits of the same markets, of versions in shadow.

    Raises:
        ConfigError: there is no market to follow, or the versions do not fit the candles.
        DataError: a market has no closed candle.
        VenueError: the venue does not answer.
    """
    kernel = resolve_settings(settings.trading, settings.data.timeframe or "1m")
    execution, timeframe = settings.execution, kernel.timeframe
    traded, followed = followed_by(settings, book)
    ws_url = _ws_url(execution)
    access = Access(execution.account, "live" if execution.url is None else "paper", execution.url, ws_url, _NO_KEYS)
    budget = WeightBudget(_WEIGHT_PER_MINUTE)
    reader = KlineReader(execution.url, clock, budget, execution.timeout_ms)
    depth = DepthReader(execution.url, clock, budget, execution.timeout_ms)
    try:
        await reader.learn_limit()  # what a trader at this address uses counts as well
    except VenueError:
        await asyncio.gather(reader.close(), depth.close(), return_exceptions=True)
        raise
    lock_step = await lock_step_of(access, home, kernel.base_ms)
    watch = asyncio.ensure_future(_watch(lock_step)) if lock_step is not None else None
    store = stored_candles(settings.data.folder, timeframe)
    files = {} if store is None else {symbol: store.files[symbol] for symbol in followed if symbol in store.files}
    record = record_folder(settings, store, timeframe, home)
    recorded = partial(_recorded, record, timeframe)
    candles = CandleFeed(
        reader,
        followed,
        timeframe,
        kernel.base_ms,
        execution.candles_check_interval_s if lock_step is None else _STEP_S,
        execution.candles_patience_s if lock_step is None else 0.0,
        _venue_ms(execution, clock, lock_step),
    )
    context = context_of(settings, kernel, followed)

    def past(told: Mapping[str, Sequence[object]]) -> History:
        return History(timeframe, store, told, recorded)  # type: ignore[arg-type]

    looks, spot = settings.serve.record_books, tuple(symbol for symbol in followed if _NOT_SPOT not in symbol)
    try:
        feed = Feed(
            FeedSettings(
                timeframe=timeframe,
                base_ms=kernel.base_ms,
                history_bars=history_bars(settings, kernel),
                folder=home / "feed",
                snapshot_interval_s=settings.serve.snapshot_interval_s,
                stale_after_s=kernel.base_ms / 1_000 + settings.risk.feed_age_max_s,
            ),
            candles,
            lambda: Follower(context, traded, (*book.fits, *fits)),
            past,
            {symbol: int(read_times(file)[-1]) for symbol, file in files.items()},
            clock,
            KlineStream(ws_url, followed, timeframe, rng),
            BookStream(ws_url, spot, depth, clock, rng) if looks else None,
            BookRecorder(record, timeframe, spot) if looks else None,
        )
        await feed.start()
        yield feed
    finally:
        if watch is not None:
            watch.cancel()
        closing = [reader.close(), depth.close()] + ([] if lock_step is None else [lock_step.close()])
        await asyncio.gather(*closing, return_exceptions=True)


def _ws_url(execution: ExecutionSettings) -> str | None:
    if execution.websocket_url is not None or execution.url is None:
        return execution.websocket_url
    return "ws" + execution.url.removeprefix("http")


def _venue_ms(execution: ExecutionSettings, clock: Clock, lock_step: LockStep | None) -> Callable[[], int] | None:
    """Return the clock by which a candle is known to be closed; None in a replay, where a later one or a word tells."""
    if lock_step is not None:
        return lambda: lock_step.closed_ms + 1
    return (lambda: clock.now_ms() - _CLOCK_MARGIN_MS) if execution.url is None else None


async def _watch(lock_step: LockStep) -> None:
    """Keep up with where a paper exchange in lock-step stands."""
    while True:
        try:
            await lock_step.look()
        except VenueError:
            await asyncio.sleep(1.0)
        await asyncio.sleep(_STEP_S)


def _recorded(folder: Path, timeframe: str, symbol: str, timestamp: NDArray[np.int64]) -> NDArray[np.float64] | None:
    return read_books(folder, symbol, timeframe, timestamp)

"""The feed as a detached actor that restarts by itself: a shell over `huracan.signals.feed.Feed` on its own thread.

Whatever the venue or the configuration does is told by `status` and tried again; only a defect of the code ends the
process, and Ray starts it anew from the last snapshot.
"""

import asyncio
import os
import random
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import suppress
from typing import Any, Final, TypeVar

import ray
from ray.exceptions import RayActorError
from ray.util.metrics import Counter, Gauge

from huracan.clock import WallClock
from huracan.config import home_folder
from huracan.errors import ConfigError, DataError, HuracanError, InvariantError, VenueError
from huracan.features import FeatureFit
from huracan.logs import collect_errors, configure_logging, errors_folder, get_logger
from huracan.memory import Registry, lazy_engine
from huracan.signals.feed import Feed as PlainFeed
from huracan.signals.feed_status import FeedAnswer
from huracan.signals.model import MarketClose
from huracan.signals.policies import LoadedVersion, PolicyBook
from huracan.signals.versions import Versions
from huracan.trader.feeding import followable, followed_by, open_feed
from serve.faults import own_words
from serve.names import FEED, NAMESPACE
from serve.surroundings import serving_settings

__all__ = ["Feed", "FeedSource"]

_AGAIN_S: Final = 2.0
_METRICS_S: Final = 5.0
_POLL_S: Final = 20.0
_FIND_S: Final = 60.0

T = TypeVar("T")


@ray.remote(num_cpus=0.1, max_restarts=-1, max_task_retries=0, lifetime="detached", concurrency_groups={"status": 2})
class Feed:
    """Follows the markets of the served versions and of `data.symbols`, and tells each close to whoever asks."""

    def __init__(self) -> None:
        configure_logging(json_lines=True)
        self._settings, self._home = serving_settings(), home_folder()
        collect_errors("feed", errors_folder(self._home), self._settings.health.errors_max_bytes)
        self._versions: Versions | None = None
        if (url := self._settings.database.url) is not None:
            engine = lazy_engine(url, self._settings.database.connect_timeout_s)
            self._versions = Versions(lambda: Registry(engine).models(), "paper", self._settings.serve.versions)
        self._feed: PlainFeed | None = None
        self._seen: tuple[PolicyBook, tuple[LoadedVersion, ...]] | None = None
        self._refused: dict[str, str] = {}
        self._problem, self._ending = "it has not started yet", False
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._live, name="feed", daemon=True)
        self._thread.start()

    # ---- what is asked of it ----------------------------------------------------------------------------------

    async def closes(self, after_ms: int, timeout_s: float = _POLL_S) -> tuple[MarketClose, ...]:
        """Return every close after a position, waiting for the first; see `huracan.signals.feed.Feed.closes`.

        Raises:
            ConnectionError: the market is not followed at the moment.
            DataError: closes after the position are kept no more: restart from history.
        """
        return await self._on_loop(self._followed().closes(after_ms, timeout_s))

    async def newest(self) -> MarketClose | None:
        """Return the newest close; `ConnectionError`: the market is not followed at the moment."""
        return self._followed().newest()

    @ray.method(concurrency_group="status")
    async def status(self) -> FeedAnswer:
        """Return how the feed is; it answers whatever the rest does."""
        feed = self._feed
        return FeedAnswer(self._problem, self._refused, None if feed is None else feed.status())

    async def reload_versions(self) -> bool:
        """Look at the registry now; returns whether other versions are served."""
        return await self._on_loop(self._look())

    async def stop(self) -> None:
        """Keep a last snapshot and end for good."""
        self._ending = True
        self._loop.call_soon_threadsafe(self._stop.set)
        await asyncio.to_thread(self._thread.join, _FIND_S)
        ray.actor.exit_actor()

    def _followed(self) -> PlainFeed:
        if self._feed is None:
            raise ConnectionError(f"{FEED} does not follow the market: {self._problem}")
        return self._feed

    async def _on_loop(self, work: Coroutine[Any, Any, T]) -> T:
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._loop))

    # ---- life, on the feed's thread ---------------------------------------------------------------------------

    def _live(self) -> None:
        try:
            self._loop.run_until_complete(self._follow())
        except BaseException as error:
            get_logger().critical("feed.defect", error=repr(error), exc_info=error)
            os._exit(1)  # Ray starts the process anew

    async def _follow(self) -> None:
        """Follow until told to stop; what fails is said and tried again, other markets begin anew."""
        while not self._ending:
            try:
                if self._versions is not None:
                    await asyncio.to_thread(self._versions.refresh)
                if not self._ending:
                    self._stop.clear()
                await self._follow_once()
            except InvariantError:
                raise
            except (HuracanError, OSError) as error:
                self._problem = " ".join(str(error).split()) or type(error).__name__
                get_logger().error("feed.waits", reason=self._problem)
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._stop.wait(), _AGAIN_S)
            finally:
                self._feed = None

    async def _follow_once(self) -> None:
        wanted = self._wanted()
        book, refused = await followable(self._settings, WallClock(), wanted[0])
        self._refuse(refused)
        rng = random.Random()  # noqa: S311 (spreads reconnections, guards nothing)
        fits = self._beside(book, wanted[1])
        async with open_feed(self._settings, self._home, WallClock(), rng, book, fits) as feed:
            self._feed, self._problem, self._seen = feed, "", wanted
            beside = [asyncio.ensure_future(loop) for loop in (self._registry(), _measure(feed))]
            try:
                await feed.run(self._stop)
            finally:
                for task in beside:
                    task.cancel()
                await asyncio.gather(*beside, return_exceptions=True)

    def _wanted(self) -> tuple[PolicyBook, tuple[LoadedVersion, ...]]:
        """Return the versions that are to decide, and those that trade beside them in shadow."""
        return (PolicyBook(), ()) if self._versions is None else (self._versions.book, self._versions.shadows)

    def _beside(self, book: PolicyBook, shadows: Sequence[LoadedVersion]) -> tuple[FeatureFit, ...]:
        """Return the fits of versions in shadow whose markets are followed for the book's sake."""
        known = set() if self._versions is None else set(followed_by(self._settings, book)[1])
        return tuple(one.fit for one in shadows if set(one.universe) <= known)

    async def _registry(self) -> None:
        while True:
            await asyncio.sleep(self._settings.serve.registry_interval_s)
            await self._look()

    async def _look(self) -> bool:
        """Look at the registry; versions of the same markets take over at the next close, others begin anew.

        What cannot be followed changes nothing: positions are looked after with the versions there were.
        """
        if self._versions is None:
            return False
        await asyncio.to_thread(self._versions.refresh)
        wanted, feed = self._wanted(), self._feed
        book, shadows = wanted
        if feed is None or (self._seen is not None and book is self._seen[0] and shadows is self._seen[1]):
            return False
        try:
            _, refused = await followable(self._settings, WallClock(), book, feed.symbols)
            self._refuse(refused)
            if not refused:
                await feed.serve((*book.fits, *self._beside(book, shadows)))
        except ConfigError as error:
            get_logger().warning("feed.begins_anew", reason=str(error))
            self._stop.set()
        except (DataError, VenueError) as error:  # tried again at the next look
            get_logger().warning("feed.waits", reason=str(error))
            return False
        self._seen = wanted
        return not self._refused

    def _refuse(self, refused: dict[str, str]) -> None:
        for version, reason in refused.items():
            if self._refused.get(version) != reason:
                get_logger().error("feed.refused", version=version, reason=reason)
        self._refused = refused


async def _measure(feed: PlainFeed) -> None:
    """Tell Prometheus, through Ray, how the feed is."""
    closes = Counter("huracan_feed_closes", "Closes told since the process began.")
    gaps = Counter("huracan_feed_gaps", "Closes of which nobody has a candle.")
    reconnects = Counter("huracan_feed_reconnects", "Connections of the book streams that were lost.")
    age = Gauge("huracan_feed_age_seconds", "Time since the newest candle came.")
    before = (0, 0, 0)
    while True:
        status = feed.status()
        now = (status.closes, status.gaps, status.reconnects)
        for counter, value, last in zip((closes, gaps, reconnects), now, before, strict=True):
            if value > last:
                counter.inc(value - last)
        age.set(status.age_s or 0.0)
        before = now
        await asyncio.sleep(_METRICS_S)


class FeedSource:
    """`CloseSource` over the actor: goes on from its own position when the actor was killed and came back.

    It is looked up again only after it has failed: names are the head's to know, and closes must come without a head.

    Args:
        name: of the actor.
        namespace: of that name.
        find: finds an actor by name and namespace; blocks.
    """

    def __init__(
        self, name: str = FEED, namespace: str = NAMESPACE, find: Callable[[str, str], Any] = ray.get_actor
    ) -> None:
        self._name, self._namespace, self._find = name, namespace, find

    async def follow(self, after_ms: int) -> AsyncIterator[MarketClose]:
        """See `huracan.signals.model.CloseSource`.

        Raises:
            DataError: closes after the position are kept no more: restart from history.
        """
        handle: Any = None
        while True:
            try:
                if handle is None:
                    handle = await asyncio.to_thread(self._find, self._name, self._namespace)
                found = await handle.closes.remote(after_ms)
            except (ConnectionError, RayActorError, ValueError) as error:
                handle = None
                get_logger().warning("feed.away", name=self._name, reason=own_words(error))
                await asyncio.sleep(_AGAIN_S / 4)
                continue
            for close in found:
                yield close
                after_ms = close.close_ms

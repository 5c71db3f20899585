"""Policies as a server uses them: forward passes on one thread, and a new book from the first close it can read.

A forward pass holds the event loop for as long as it takes, and torch is told to use one thread: so one thread it is.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from huracan.signals.backend import Book, Market, Policies
from huracan.signals.model import Decisions, ServedVersion
from huracan.signals.policies import PolicyBook
from huracan.signals.versions import Versions

__all__ = ["ReadyPolicies", "ThreadedPolicies", "check_alive"]


class _ThreadedBook:
    """A book whose forward passes run on a thread."""

    def __init__(self, book: PolicyBook, thread: ThreadPoolExecutor) -> None:
        self._book, self._thread = book, thread
        self._versions = book.versions

    @property
    def versions(self) -> Mapping[str, ServedVersion]:
        """See `Book`."""
        return self._versions

    def version_of(self, symbol: str) -> ServedVersion | None:
        """See `Book`."""
        return self._book.version_of(symbol)

    async def decide(self, close_ms: int, symbols: Sequence[str], states: NDArray[np.float32]) -> Decisions:
        """See `Book`."""
        del close_ms
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, self._book.decide_now, symbols, states)


class ThreadedPolicies:
    """`Policies` over the registry's versions, deciding on one thread.

    Args:
        versions: refreshed by whoever owns it.
    """

    def __init__(self, versions: Versions) -> None:
        self._versions = versions
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="huracan-policies")
        self._plain = versions.book
        self._book = _ThreadedBook(self._plain, self._thread)

    @property
    def book(self) -> Book:
        """Return what decides now; the same object until it is another book."""
        if self._versions.book is not self._plain:
            self._plain = self._versions.book
            self._book = _ThreadedBook(self._plain, self._thread)
        return self._book

    @property
    def problem(self) -> str:
        """See `Policies`."""
        return self._versions.problem

    async def ping(self) -> None:
        """Return when the thread has answered."""
        await asyncio.get_running_loop().run_in_executor(self._thread, int)


async def check_alive(loops: Sequence[asyncio.Future], ping: Callable[[], Awaitable[None]], limit_s: float) -> None:
    """Raise for what a new process would mend, and for nothing else.

    Args:
        loops: of the process, which go on for ever.
        ping: asks the thread that decides.
        limit_s: how long its answer may take.

    Raises:
        RuntimeError: a loop has ended; its fault is the cause.
        TimeoutError: the thread hangs.
    """
    for loop in loops:
        if loop.done():
            raise RuntimeError("a loop of the replica has ended") from (None if loop.cancelled() else loop.exception())
    async with asyncio.timeout(limit_s):
        await ping()


class ReadyPolicies:
    """`Policies` whose book is one that the newest close has the rows for.

    The feed follows the registry too, at a pace of its own. Without this a version with another feature fit would
    decide on nothing, or on another version's rows, for the seconds in between.

    Args:
        wanted: what the registry wants.
        market: newest close.
    """

    def __init__(self, wanted: Policies, market: Market) -> None:
        self._wanted, self._market = wanted, market
        self._book: Book = wanted.book

    @property
    def book(self) -> Book:
        """Return what decides now."""
        wanted = self._wanted.book
        if wanted is not self._book and (not self._book.versions or not self._missing(wanted)):
            self._book = wanted
        return self._book

    @property
    def problem(self) -> str:
        """Return why what decides is not what the registry wants served; "" when it is."""
        if self._wanted.problem or self.book is self._wanted.book:
            return self._wanted.problem
        return f"{', '.join(self._missing(self._wanted.book))} waits until the feed has its features"

    def _missing(self, book: Book) -> list[str]:
        """Return the versions whose features the newest close has not."""
        close = self._market.newest
        known = () if close is None else close.fits
        return sorted(version.version for version in book.versions.values() if version.fit not in known)

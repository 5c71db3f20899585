"""Work that belongs to the engine: whoever waits for it may be cancelled; it goes on, and is drained at the end."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from typing import Any

from huracan.errors import DatabaseError, FencedError, VenueError
from huracan.logs import get_logger

__all__ = ["Tasks"]


class Tasks:
    """The tasks of one engine: commands, questions after orders, and background loops.

    Attributes:
        fault: the first thing that went wrong beyond repair; nothing is sent any more.
        commands: what must be finished before a stop.
        questions: what only asks, and may be given up at a stop.
        background: loops, cancelled at a stop.
        closing: questions are given up and not asked any more.
    """

    def __init__(self) -> None:
        self.fault: BaseException | None = None
        self.closing = False
        self.commands: set[asyncio.Task[Any]] = set()
        self.questions: set[asyncio.Task[Any]] = set()
        self.background: set[asyncio.Task[Any]] = set()

    def ask(self, work: Coroutine[Any, Any, Any], done: Callable[[], None]) -> None:
        """Run a question, unless the engine stops; `done` is called when it is over."""
        if self.closing:
            work.close()
            done()
            return
        task = self._spawn(work, self.questions)
        task.add_done_callback(lambda _: done())

    def loop(self, work: Coroutine[Any, Any, Any]) -> None:
        """Run a loop in the background."""
        self._spawn(work, self.background)

    async def owned(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Run a command and wait for it; cancelling the caller leaves it running."""
        return await asyncio.shield(self._spawn(work, self.commands))

    async def all(self, calls: Iterable[Callable[[], Coroutine[Any, Any, Any]]]) -> None:
        """Run commands together and wait for them."""

        async def together() -> None:
            await asyncio.gather(*(call() for call in calls))

        await self.owned(together())

    async def within(self, limit_s: float, jobs: Sequence[Coroutine[Any, Any, Any]]) -> None:
        """Run commands together and wait for them a limited time; the rest go on by themselves."""
        tasks = [self._spawn(job, self.commands) for job in jobs]
        if tasks:
            done, _ = await asyncio.wait(tasks, timeout=limit_s)
            for task in done:
                task.result()

    async def quiesce(self) -> None:
        """Wait until no command and no question is under way."""
        while self.commands or self.questions:
            await asyncio.wait((*self.commands, *self.questions))
            self.check()

    async def drain(self) -> None:
        """Wait for the commands and give up the questions; what is unknown then stays so in the store."""
        while self.commands:
            await asyncio.wait(tuple(self.commands))
        self.closing = True
        await _cancel(self.questions)
        while self.commands:  # a question that was given up may have begun one
            await asyncio.wait(tuple(self.commands))

    async def end(self) -> None:
        """Cancel the loops."""
        await _cancel(self.background)

    def check(self) -> None:
        """Raise the fault, if there is one."""
        if isinstance(self.fault, FencedError):
            raise FencedError(str(self.fault)) from self.fault
        if self.fault is not None:
            raise self.fault

    def _spawn(self, work: Coroutine[Any, Any, Any], owner: set[asyncio.Task[Any]]) -> asyncio.Task[Any]:
        task = asyncio.get_running_loop().create_task(self._guard(work))
        owner.add(task)
        task.add_done_callback(owner.discard)
        return task

    async def _guard(self, work: Awaitable[Any]) -> Any:
        """Remember a fault: an engine that contradicts itself, or has lost its lease, sends nothing more."""
        try:
            return await work
        except (asyncio.CancelledError, DatabaseError, VenueError, TimeoutError):
            raise  # the world's doing: whoever waits is told, and the next turn tries again
        except BaseException as error:
            self.fault = self.fault or error
            get_logger().error("engine.fault", reason=repr(error))
            raise


async def _cancel(tasks: set[asyncio.Task[Any]]) -> None:
    waiting = tuple(tasks)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)

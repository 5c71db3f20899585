"""Processes inside one event loop: each has its own tasks, can be killed as by SIGKILL, and paused as by SIGSTOP.

A killed process does nothing any more that anybody could see: its tasks are cancelled, and whatever their handlers
still try to do to the store or the venue ends in `Killed`. A paused one stops at its next door to the outside.
"""

import asyncio
import contextvars
import heapq
import selectors
from collections.abc import Callable, Coroutine
from typing import Any

from tests.venue.virtual import VirtualLoop

__all__ = ["PROCESS", "Killed", "Process", "SimulationLoop"]

_TASKS_KEPT = 64

PROCESS: contextvars.ContextVar["Process | None"] = contextvars.ContextVar("process", default=None)


class Killed(BaseException):
    """Stands for SIGKILL: no handler of the code under test may survive it."""


class Process:
    """One operating-system process that runs an engine.

    Args:
        name: holder of the lease.

    Attributes:
        alive: it has not been killed and has not ended.
        arms: what kills it: called at every door with its name.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.alive = True
        self.arms: list[Callable[[str], bool]] = []
        self._tasks: dict[asyncio.Task[Any], None] = {}
        self._paused: asyncio.Future[None] | None = None
        self._context = contextvars.copy_context()
        self._context.run(PROCESS.set, self)

    @property
    def paused(self) -> bool:
        """Return whether it stands still."""
        return self._paused is not None

    def spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run something inside."""
        return asyncio.get_running_loop().create_task(work, context=self._context)

    def adopt(self, task: asyncio.Task[Any]) -> None:
        """Note a task as this process's."""
        if len(self._tasks) >= _TASKS_KEPT:
            self._tasks = {one: None for one in self._tasks if not one.done()}
        self._tasks[task] = None

    async def door(self, name: str) -> None:
        """Pass from the inside to the outside, if the process still runs."""
        self.strike(name)
        while self._paused is not None and self.alive:
            await asyncio.shield(self._paused)
        if not self.alive:
            raise Killed(self.name)

    def strike(self, name: str) -> None:
        """Die here, if somebody has seen to it."""
        if self.alive and any(arm(name) for arm in list(self.arms)):
            self.kill()
        if not self.alive:
            raise Killed(self.name)

    def kill(self) -> None:
        """End it at once."""
        self.alive = False
        self.resume()
        current = asyncio.current_task()
        for task in self._tasks:
            if task is not current and not task.done():
                task.cancel()

    def pause(self) -> None:
        """Stop it at its doors."""
        if self._paused is None:
            self._paused = asyncio.get_running_loop().create_future()

    def resume(self) -> None:
        """Let it go on."""
        if self._paused is not None:
            self._paused.set_result(None)
            self._paused = None


class _NoSelector(selectors.SelectSelector):
    """Nothing comes from outside: no wait is ever real, and waiting for nothing at all is a deadlock."""

    def select(self, timeout: float | None = None) -> list[Any]:
        """Return no event."""
        if timeout is None:
            raise RuntimeError("deadlock: nothing is ready and nothing is scheduled")
        return []


class SimulationLoop(VirtualLoop):
    """A virtual loop whose tasks belong to the process that started them; it notes every error that nobody caught."""

    def __init__(self) -> None:
        self._now_s = 0.0
        asyncio.SelectorEventLoop.__init__(self, _NoSelector())
        self.errors: list[str] = []
        self.set_task_factory(_make_task)
        self.set_exception_handler(self._note)

    def _run_once(self) -> None:
        while self._scheduled and self._scheduled[0]._cancelled:
            self._timer_cancelled_count -= 1
            heapq.heappop(self._scheduled)._scheduled = False
        super()._run_once()

    def _note(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if "was never retrieved" in context["message"] or "was destroyed" in context["message"]:
            return  # of a process that is gone; faults of living ones are asked of the engine
        self.errors.append(f"{context['message']}: {error!r}")


def _make_task(
    loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, Any], context: contextvars.Context | None = None
) -> asyncio.Task[Any]:
    task = asyncio.Task(work, loop=loop, context=context)
    process = PROCESS.get() if context is None else context.get(PROCESS)
    if process is not None:
        process.adopt(task)
    return task

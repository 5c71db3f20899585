"""The store as a process sees it: the memory store behind doors, with outages before, in and after a transaction."""

import asyncio
from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from huracan.errors import DatabaseError, FencedError
from huracan.execution.memory_store import MemoryStore
from tests.simulation.plan import ACCOUNT
from tests.simulation.processes import Process

if TYPE_CHECKING:
    from tests.simulation.world import World

__all__ = ["FlakyStore", "Outage"]

_SLOW_S = (0.5, 11.0)


class Outage(StrEnum):
    """How the store is away."""

    NONE = "none"
    AWAY = "away"
    """Nothing is written, and says so."""
    TORN = "torn"
    """What was asked is written, and the answer is lost."""
    SLOW = "slow"
    """The answer takes seconds."""


class FlakyStore:
    """`Store` for one process.

    Args:
        world: says which outage there is.
        process: whose store this is.
    """

    def __init__(self, world: "World", process: Process) -> None:
        self._world, self._process = world, process
        self._inner = MemoryStore(world.database, ACCOUNT)

    @property
    def account(self) -> str:
        """Return the account's name."""
        return ACCOUNT

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        """Return a method of the store, behind the process's door."""
        method = getattr(self._inner, name)

        async def call(*arguments: Any, **named: Any) -> Any:
            await self._process.door(f"before {name}")
            done = await self._carry_out(name, method, arguments, named)
            self._process.strike(f"after {name}")
            return done

        self.__dict__[name] = call
        return call

    async def _carry_out(self, name: str, method: Callable[..., Awaitable[Any]], arguments: Any, named: Any) -> Any:
        world = self._world
        if name == world.outage_at:
            world.outage_at, world.outage = "", Outage.AWAY
        outage = world.outage
        if outage is Outage.AWAY:
            world.meet("F14 store away before T1", name == "begin_order")
            world.meet("F14 store away before T2", name == "mark_sent")
            world.meet("F14 store away after the send", name == "record")
            raise DatabaseError("the server is away")
        if outage is Outage.SLOW:
            world.meet("F14 store slow", True)
            await asyncio.sleep(world.rng.uniform(*_SLOW_S))
            await self._process.door(f"slow {name}")
        try:
            done = await method(*arguments, **named)
        except FencedError:
            world.meet("F17 fenced after a pause", True)
            raise
        if outage is Outage.TORN:
            world.meet("F14 store lost its answer", True)
            raise DatabaseError("the server went away")
        return done

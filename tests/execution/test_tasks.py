"""Work of the engine's own: it outlives its callers, a fault stops it, the world's troubles do not."""

import asyncio

import pytest

from huracan.errors import FencedError, InvariantError, VenueError
from huracan.execution.tasks import Tasks
from tests.execution.world import virtually


def test_work_outlives_its_caller() -> None:
    """A cancelled caller; the drain waits for the end."""

    async def steps() -> None:
        tasks, done = Tasks(), []

        async def work() -> None:
            await asyncio.sleep(5)
            done.append(1)

        caller = asyncio.ensure_future(tasks.owned(work()))
        await asyncio.sleep(1)
        caller.cancel()
        await asyncio.gather(caller, return_exceptions=True)
        assert not done
        await tasks.drain()
        assert done

    virtually(steps)


@pytest.mark.parametrize(("error", "fatal"), [(InvariantError, True), (FencedError, True), (VenueError, False)])
def test_only_faults_stop_the_engine(error: type[Exception], fatal: bool) -> None:
    """A contradiction and a lost lease do; a venue that is away does not."""

    async def steps() -> None:
        tasks = Tasks()

        async def work() -> None:
            raise error("so")

        with pytest.raises(error):
            await tasks.owned(work())
        assert (tasks.fault is not None) is fatal
        if fatal:
            with pytest.raises(error):
                tasks.check()

    virtually(steps)


def test_a_limited_wait_leaves_the_rest_running() -> None:
    """The quick one is done, the slow one goes on; questions are given up at a drain."""

    async def steps() -> None:
        tasks, over = Tasks(), []
        await tasks.within(1.0, [asyncio.sleep(0.5), asyncio.sleep(3.0)])
        assert len(tasks.commands) == 1
        tasks.ask(asyncio.sleep(1e6), lambda: over.append(1))
        await tasks.drain()
        assert over
        assert not tasks.commands

    virtually(steps)

"""The halt: proven by the venue's own list, in spite of lost cancels and a store that is away."""

import asyncio

import pytest

from huracan.paper import FaultKind, ScriptedFault
from huracan.risk.live import HaltPolicy, TradingState
from tests.execution.scenes import NORMAL, bury, check, opened, posts, scene
from tests.execution.test_faults import FlakyStore, entered
from tests.execution.world import ACCOUNT, virtually


def test_cancels_are_repeated_until_nothing_rests() -> None:
    """The first five are lost."""

    async def steps() -> None:
        world = scene(entry="maker", maker_life_bars=50)
        engine = await opened(world)
        await engine.on_intents([world.intent(NORMAL)])
        assert await world.venue().open_orders(world.symbol)
        for _ in range(5):
            world.exchange.script(ScriptedFault(FaultKind.REQUEST_LOST, "DELETE /api/v3/order", how="RESET"))
        await engine.halt(HaltPolicy.CANCEL, "anna", "a test")
        assert not await world.venue().open_orders(world.symbol)
        await engine.quiesce()
        await check(world, engine)

    virtually(steps)


def test_a_halt_needs_no_store() -> None:
    """Its row cannot be written, its cancels go out all the same, and nothing new does."""

    async def steps() -> None:
        world = scene()
        store = FlakyStore(world.database, ACCOUNT)
        engine = await entered(world, store=store)
        store.away = True
        await world.play(engine)
        await engine.on_close({world.symbol: world.close()})
        count = len(posts(world))
        await engine.halt(HaltPolicy.CANCEL, "anna", "a test")
        assert not await world.venue().open_orders(world.symbol)
        assert len(posts(world)) == count
        assert engine.state is TradingState.HALTED
        store.away = False
        await asyncio.sleep(5.0)
        await engine.quiesce()
        await check(world, engine)

    virtually(steps)


def test_without_a_proof_the_halt_says_so_and_holds() -> None:
    """The venue is gone: a timeout, and still nothing is sent."""

    async def steps() -> None:
        world = scene()
        engine = await entered(world)

        async def away(request: object) -> None:
            raise ConnectionResetError

        world.before = away
        count = len(posts(world))
        with pytest.raises(TimeoutError):
            await engine.halt(HaltPolicy.CANCEL, "anna", "a test")
        world.before = None
        await engine.on_intents([world.intent(NORMAL)])
        assert len(posts(world)) == count
        await bury(engine)

    virtually(steps)

"""The watch: polling alone suffices, and an operator's word in the store is obeyed."""

import asyncio

from huracan.execution.model import StateChange
from huracan.execution.ports import EngineSettings
from huracan.paper import FaultKind, ScriptedFault
from huracan.risk.live import HaltPolicy, TradingState
from tests.execution.scenes import NORMAL, check, opened, quiet, scene
from tests.execution.test_faults import entered, held, protected
from tests.execution.world import virtually

DIP = (10_000, 10_000, 9_990, 10_000, 1_000_000)


def test_without_any_stream_a_fill_is_protected_within_the_period() -> None:
    """Five seconds after the resting entry filled, its stop is at the venue (I5)."""

    async def steps() -> None:
        world = scene([*quiet(1), DIP, *quiet(5)], entry="maker", maker_life_bars=50)
        engine = await opened(world)
        await engine.on_intents([world.intent(NORMAL)])
        assert world.step() == "fills"
        assert held(engine, world) == 0
        await asyncio.sleep(7.0)
        assert held(engine, world) > 0
        assert protected(engine, world)
        await check(world, engine)

    virtually(steps)


def test_a_halt_written_by_an_operator_is_carried_out() -> None:
    """`huracan halt` needs no connection to this process; resume works the same way."""

    async def steps() -> None:
        world = scene(engine_settings=EngineSettings(halt_policy=HaltPolicy.FLATTEN))
        engine = await entered(world)
        store = world.store()
        assert await store.change_state(StateChange(1, TradingState.HALTED, "anna", "enough", 1))
        await asyncio.sleep(3.0)
        assert engine.state is TradingState.HALTED
        assert held(engine, world) == 0
        assert await store.change_state(StateChange(2, TradingState.ACTIVE, "anna", "again", 2))
        await asyncio.sleep(3.0)
        assert engine.state is TradingState.ACTIVE
        await check(world, engine)

    virtually(steps)


def test_a_halt_does_not_wait_for_a_venue_that_wants_silence() -> None:
    """Two minutes of a ban hold up the questions after orders, not the operator's word."""

    async def steps() -> None:
        world = scene(entry="maker", maker_life_bars=50, engine_settings=EngineSettings(halt_policy=HaltPolicy.CANCEL))
        engine = await opened(world)
        await engine.on_intents([world.intent(NORMAL)])
        world.exchange.script(ScriptedFault(FaultKind.BANNED, "GET /api/v3/order"))
        await asyncio.sleep(80.0)  # what is left is short enough to be waited for
        assert await world.store().change_state(StateChange(1, TradingState.HALTED, "anna", "enough", 1))
        await asyncio.sleep(3.0)
        assert engine.state is TradingState.HALTED

    virtually(steps)

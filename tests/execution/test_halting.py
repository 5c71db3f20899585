"""The halt: proven by the venue's own list, in spite of lost cancels and a store that is away."""

import asyncio
from dataclasses import replace

import pytest

from huracan.execution.model import StateChange
from huracan.paper import FaultKind, Request, ScriptedFault
from huracan.risk.live import HaltPolicy, TradingState
from tests.execution.scenes import EXIT, NORMAL, PATIENT, bury, check, opened, posts, scene
from tests.execution.test_faults import FlakyStore, entered
from tests.execution.world import ACCOUNT, World, virtually
from tests.trader.away import DistantStore


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


def slow_cancels(world: World) -> None:
    """Let the venue neither cancel nor show what is open, and take its time over it."""

    async def cut(request: Request) -> None:
        if request.method == "DELETE" or "openOrders" in request.path:
            await asyncio.sleep(4.0)
            raise ConnectionResetError

    world.before = cut


def test_a_proof_that_comes_too_late_interrupts_no_cancel() -> None:
    """The waiting ends, the cancel is asked after; when the venue is well the halt ends and trading goes on."""

    async def steps() -> None:
        world = scene(engine_settings=replace(PATIENT, halt_s=3.0))
        engine = await entered(world)
        await world.turn(engine)
        slow_cancels(world)
        with pytest.raises(TimeoutError, match="not proven after 3 s in AAA/USDT"):
            await engine.halt(HaltPolicy.CANCEL, "anna", "a test")
        world.before = None
        await asyncio.sleep(60.0)
        assert not await world.venue().open_orders(world.symbol)
        await engine.resume("anna", "looked")
        for _ in range(3):
            await world.turn(engine, EXIT)
        assert engine.desks[world.symbol].planner.idle
        await check(world, engine)

    virtually(steps)


def test_an_operators_halt_is_completed_when_the_venue_is_back() -> None:
    """The venue is away for longer than the proof may take; the entry does not rest on for ever."""

    async def steps() -> None:
        settings = replace(PATIENT, halt_s=3.0, halt_policy=HaltPolicy.FLATTEN)
        world = scene(entry="maker", maker_life_bars=50, engine_settings=settings)
        engine = await opened(world)
        await engine.on_intents([world.intent(NORMAL)])
        slow_cancels(world)
        assert await world.store().change_state(StateChange(1, TradingState.HALTED, "anna", "enough", 1))
        await asyncio.sleep(40.0)
        assert engine.state is TradingState.HALTED
        world.before = None
        assert await world.venue().open_orders(world.symbol)
        await asyncio.sleep(40.0)
        assert not await world.venue().open_orders(world.symbol)
        await check(world, engine)

    virtually(steps)


@pytest.mark.parametrize("tightened", ["halt", "reduce", "freeze"])
@pytest.mark.parametrize("how", ["back", "restart"])
def test_a_state_that_could_not_be_written_is_not_forgotten(tightened: str, how: str) -> None:
    """The store is away while risk halts or reduces: written when it is back, by this process or the next."""

    async def steps() -> None:
        world = scene()
        store = DistantStore(world.store())
        engine = await opened(world, store=store)
        store.away = True
        if tightened == "halt":
            await engine.halt(HaltPolicy.CANCEL, "breaker", "unknown outcomes")
        elif tightened == "reduce":
            await engine.reduce("breaker", "unknown outcomes")
        else:
            await engine.freeze("breaker", "unknown outcomes")
        wanted = TradingState.REDUCING if tightened == "reduce" else TradingState.HALTED
        assert engine.state is wanted
        if how == "restart":
            await bury(engine)
            world.database.tables(ACCOUNT).lease = None
            engine = world.engine(holder="two")
            await engine.start()
        else:
            store.away = False
            await asyncio.sleep(5.0)
        row = await world.store().state()
        assert row is not None
        assert (row.state, row.author, row.reason) == (wanted, "breaker", "unknown outcomes")
        assert engine.state is wanted
        assert not [path for path in world.folder.iterdir() if path.suffix == ".state"]

    virtually(steps)


def test_a_persons_later_word_counts_more_than_one_that_waits() -> None:
    """Resumed while the store was away for the trader alone."""

    async def steps() -> None:
        world = scene()
        store = DistantStore(world.store())
        engine = await opened(world, store=store)
        store.away = True
        await engine.reduce("engine", "USDT differs")
        await asyncio.sleep(2.0)
        now_ms = world.clock.now_ms()
        assert await world.store().change_state(StateChange(1, TradingState.ACTIVE, "anna", "a deposit", now_ms))
        store.away = False
        await asyncio.sleep(5.0)
        assert engine.state is TradingState.ACTIVE
        assert [row.author for row in await world.store().state_history()] == ["anna"]

    virtually(steps)


@pytest.mark.parametrize("tightened", ["halt", "freeze"])
def test_a_programs_row_erases_no_halt_that_waits(tightened: str) -> None:
    """The store is away for the trader while risk halts; the monitor, which sees ACTIVE, reduces meanwhile."""

    async def steps() -> None:
        world = scene()
        store = DistantStore(world.store())
        engine = await opened(world, store=store)
        store.away = True
        if tightened == "halt":
            await engine.halt(HaltPolicy.HOLD, "breaker", "unknown outcomes")
        else:
            await engine.freeze("breaker", "unknown outcomes")
        await asyncio.sleep(2.0)
        now_ms = world.clock.now_ms()
        assert await world.store().change_state(StateChange(1, TradingState.REDUCING, "monitor", "disk_full", now_ms))
        store.away = False
        await asyncio.sleep(5.0)
        assert engine.state is TradingState.HALTED
        assert [row.author for row in await world.store().state_history()] == ["monitor", "breaker"]

    virtually(steps)


@pytest.mark.parametrize("how", ["running", "start"])
def test_a_looser_row_of_a_program_is_refused_and_answered(how: str) -> None:
    """However it came to be written: the halt stays in force, and stands in the store again; a person loosens it."""

    async def steps() -> None:
        world = scene()
        engine = await opened(world)
        store = world.store()
        assert await store.change_state(StateChange(1, TradingState.HALTED, "anna", "enough", 1))
        if how == "running":
            await asyncio.sleep(3.0)
        else:
            await engine.stop()
        assert await store.change_state(StateChange(2, TradingState.REDUCING, "monitor", "disk_full", 2))
        if how == "start":
            engine = world.engine(holder="two")
            await engine.start()
        await asyncio.sleep(3.0)
        assert engine.state is TradingState.HALTED
        rows = await store.state_history()
        assert [(row.state, row.author, row.reason) for row in rows[2:]] == [("HALTED", "anna", "enough")]
        assert await store.change_state(StateChange(4, TradingState.ACTIVE, "anna", "looked", 3))
        await asyncio.sleep(3.0)
        assert engine.state is TradingState.ACTIVE

    virtually(steps)

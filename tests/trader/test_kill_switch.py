"""The kill switch in virtual time: proof or no proof, with a trader, without one, without a database."""

from decimal import Decimal
from typing import Any

import pytest

from huracan.execution.memory_store import MemoryStore
from huracan.execution.model import StateChange
from huracan.paper import Faults
from huracan.risk.live import TradingState
from huracan.trader.kill_switch import OBEYED_S, Halted, halt_account
from huracan.trader.status import Holding, holdings
from huracan.venue.orders import OrderKind, OrderRequest, Side
from huracan.venue.wire import plain_text
from tests.execution.scenes import NORMAL, bury, opened, scene
from tests.execution.test_faults import entered
from tests.execution.world import ACCOUNT, World, virtually
from tests.trader.away import DistantStore


async def no_steps() -> dict[str, Decimal]:
    """Return no market's step: all that is held counts."""
    return {}


async def halted(world: World, store: Any, limit_s: float = 30.0) -> Halted:
    """Pull the switch."""
    venue = world.venue()
    await venue.instruments([world.symbol])
    return await halt_account(store, venue, [world.symbol], "anna@home", "a test", world.clock, limit_s, no_steps)


async def rest(world: World, cid: str) -> None:
    """Leave an order at the venue that no ledger knows."""
    venue = world.venue()
    request = OrderRequest(cid, world.symbol, Side.BUY, OrderKind.POST_ONLY, Decimal(1), Decimal(90))
    await venue.submit(request)


def test_a_running_engine_obeys_and_the_proof_waits_for_it() -> None:
    """Its maker entry is gone, and nothing had to be cancelled from outside."""

    async def steps() -> None:
        world = scene(entry="maker", maker_life_bars=50)
        engine = await opened(world)
        await engine.on_intents([world.intent(NORMAL)])
        assert await world.venue().open_orders(world.symbol)
        found = await halted(world, world.store())
        assert (found.proven, found.stored, found.holder, found.canceled, found.open) == (True, True, "one", 0, ())
        assert engine.state is TradingState.HALTED
        assert not await world.venue().open_orders(world.symbol)

    virtually(steps)


def test_without_a_trader_everything_is_cancelled_from_here_and_the_account_is_free_again() -> None:
    """Orders of ours and of others; the lease is held meanwhile and given back."""

    async def steps() -> None:
        world = scene(entry="maker", maker_life_bars=50)
        engine = await opened(world)
        await engine.on_intents([world.intent(NORMAL)])
        await bury(engine)
        world.database.tables(ACCOUNT).lease = None
        await rest(world, "foreign")
        begun = world.clock.now_ms()
        found = await halted(world, world.store())
        assert (found.proven, found.holder, found.canceled) == (True, None, 2)
        assert world.clock.now_ms() - begun < OBEYED_S * 1_000
        assert world.database.tables(ACCOUNT).lease is None

    virtually(steps)


def test_a_trader_that_does_not_obey_is_waited_for_two_seconds() -> None:
    """Dead, with a lease that still stands."""

    async def steps() -> None:
        world = scene(entry="maker", maker_life_bars=50)
        engine = await opened(world)
        await engine.on_intents([world.intent(NORMAL)])
        await bury(engine)
        found = await halted(world, world.store())
        assert (found.proven, found.holder, found.canceled) == (True, "one", 1)

    virtually(steps)


def test_without_a_database_it_cancels_and_admits_what_it_cannot_know() -> None:
    """None at all, and one that fails."""

    async def steps() -> None:
        world = scene()
        await rest(world, "foreign")
        found = await halted(world, None)
        assert (found.proven, found.stored, found.canceled) == (True, False, 1)
        assert found.problem
        store = DistantStore(world.store())
        store.away = True
        await rest(world, "another")
        found = await halted(world, store)
        assert (found.proven, found.stored, found.canceled) == (True, False, 1)
        assert found.problem
        assert await world.store().state() is None

    virtually(steps)


@pytest.mark.parametrize("method", ["acquire", "load"])
def test_a_database_that_goes_away_after_the_halt_was_stored_leaves_it_unproven(method: str) -> None:
    """What is known is cleared, and nobody is told that all is: markets that only the database knows were not seen."""

    async def steps() -> None:
        world = scene(entry="maker", maker_life_bars=50)
        engine = await opened(world)
        await engine.on_intents([world.intent(NORMAL)])
        await bury(engine)
        world.database.tables(ACCOUNT).lease = None
        await rest(world, "foreign")
        store = DistantStore(world.store())
        store.away = (method,)
        found = await halted(world, store)
        assert (found.proven, found.stored, found.canceled, found.open) == (False, True, 2, ())
        assert found.problem
        assert world.database.tables(ACCOUNT).lease is None
        assert (await halted(world, world.store())).proven

    virtually(steps)


def test_a_state_that_others_keep_writing_does_not_keep_orders_alive() -> None:
    """Ten times somebody else was faster: the halt is not stored, and everything is cancelled."""

    class Busy(MemoryStore):
        async def change_state(self, change: StateChange) -> bool:
            return False

    async def steps() -> None:
        world = scene()
        await rest(world, "foreign")
        found = await halted(world, Busy(world.database, ACCOUNT))
        assert (found.proven, found.stored, found.canceled) == (True, False, 1)
        assert found.problem
        assert not await world.venue().open_orders(world.symbol)

    virtually(steps)


def test_a_venue_that_does_not_take_the_cancel_gives_no_proof() -> None:
    """What rests is named."""

    async def steps() -> None:
        world = scene()
        await rest(world, "foreign")
        world.exchange.faults = Faults(cancel_timeout=1.0)
        found = await halted(world, world.store())
        assert (found.proven, found.stored, found.open) == (False, True, ("foreign",))
        assert found.canceled == 0  # asked again and again, and never heard
        world.exchange.faults = Faults()
        assert (await halted(world, world.store())).proven

    virtually(steps)


def test_what_is_left_without_a_stop_is_named() -> None:
    """The bracket is cancelled although no trader books it; a database that is away by then says nothing."""

    async def steps() -> None:
        world = scene()
        engine = await entered(world)
        await bury(engine)
        before = await world.store().load()
        assert [row.protected for row in holdings(before, {})] == [True]
        found = await halted(world, world.store())
        assert found.proven
        quantity = plain_text(before.positions[world.symbol].holding)
        assert found.held == (Holding(world.symbol, quantity, protected=False),)
        assert (await halted(world, None)).held is None

    virtually(steps)

"""The start: agreement or a refusal that names every reason, and a slot that is exactly what fills make it."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from huracan.errors import RefusedError
from huracan.execution.failpoints import Failpoint
from huracan.execution.memory_store import MemoryStore
from huracan.execution.model import AlarmCode, SlotRow
from huracan.execution.positions import Position
from huracan.paper import FaultKind, ScriptedFault
from tests.execution.scenes import EXIT, NORMAL, PATIENT, bury, check, opened, orders, posts, quiet, scene
from tests.execution.test_faults import entered, held, protected
from tests.execution.world import Killed, dying_at, virtually

DROP = (9_900, 9_900, 9_800, 9_850, 1_000_000)


def test_what_happened_while_nobody_looked_is_booked() -> None:
    """The stop was hit between two processes: fills, fees, the trade and its reason."""

    async def steps() -> None:
        world = scene([*quiet(3), DROP, *quiet(5)])
        engine = await entered(world)
        await world.turn(engine)
        await engine.stop()
        for _ in range(2):
            while world.step() == "fills":
                pass
            world.row += 1
        engine = world.engine(holder="two")
        await engine.start()
        assert held(engine, world) == 0
        await engine.on_close({world.symbol: world.close()})
        rows = await world.store().closed_trades(0)
        assert [str(reason) for reason in rows.exit_reason] == ["stop_loss"]
        await check(world, engine)
        await engine.stop()

    virtually(steps)


def test_a_slot_that_differs_from_the_fills_is_refused() -> None:
    """Somebody changed a byte: the alarm names both figures, nothing is sent, the lease is free."""

    async def steps() -> None:
        world = scene()
        engine = await entered(world)
        await engine.stop()
        rows = world.database.tables("anna").book.slots
        position = Position.from_bytes(
            rows[world.symbol].data, engine.desks[world.symbol].planner.position.grid, 60_000
        )
        position.slot.coins += 1
        rows[world.symbol] = SlotRow(world.symbol, 0, position.to_bytes())
        with pytest.raises(RefusedError, match="the slot holds"):
            await world.engine().start()
        assert AlarmCode.SLOT_MISMATCH in {alarm.code for alarm in (await world.store().log()).alarms}

    virtually(steps)


def test_a_market_left_out_with_something_in_it_is_refused() -> None:
    """A held position must be managed by whoever trades the account."""

    async def steps() -> None:
        world = scene()
        engine = await entered(world)
        await engine.stop()
        other = world.engine()
        other._markets = {}
        with pytest.raises(RefusedError, match="AAA/USDT: something is held"):
            await other.start()

    virtually(steps)


def test_a_restart_between_any_two_bars_trades_as_if_nothing_had_happened() -> None:
    """Killed and started again after every close: the same slot bytes and the same orders, but for their ids."""

    async def run(restarts: bool) -> tuple[Any, ...]:
        world = scene([*quiet(3), (10_000, 10_000, 9_985, 9_990, 30_000), *quiet(12)], entry="maker", exit="maker")
        engine = await opened(world)
        await engine.on_intents([world.intent(NORMAL)])
        found = []
        for number in range(10):
            await world.turn(engine, EXIT if number == 6 else None)
            if restarts:
                await engine.stop()
                engine = world.engine()
                await engine.start()
            found.append(engine.desks[world.symbol].planner.position.slot_bytes)
        await check(world, engine)
        rows = await world.store().closed_trades(0)
        sent = [replace(order.draft, created_ms=0) for order in await orders(world)]
        assert posts(world)
        return found, rows.net.tolist(), sent, protected(engine, world)

    assert virtually(lambda: run(False)) == virtually(lambda: run(True))


def test_two_children_of_unknown_fate_do_not_wait_for_each_other() -> None:
    """Until the filled sale is asked for its trade is nobody's, and keeps the entry from being proven absent."""

    async def steps() -> None:
        part = (10_000, 10_000, 9_990, 10_000, 33_333)
        world = scene([*quiet(1), part, *quiet(10)], entry="maker", maker_life_bars=1, maker_tries=4)
        engine = await opened(world, failpoints=dying_at(Failpoint.AFTER_ACCEPT, 3))
        await engine.on_intents([world.intent(NORMAL)])
        world.exchange.script(ScriptedFault(FaultKind.REQUEST_LOST, "POST /api/v3/order"))
        await world.play(engine)
        await engine.on_close({world.symbol: world.close()})
        await engine.on_intents([])
        assert 0 < held(engine, world) < 9_990
        with pytest.raises(Killed):
            await world.turn(engine, EXIT)
        await bury(engine)
        unknown = [order for order in await orders(world) if not order.complete and order.draft.side == "BUY"]
        assert [order.status for order in unknown] == ["UNKNOWN"]
        engine = world.engine(holder="two")
        await engine.start()
        await engine.quiesce()
        assert held(engine, world) == 0
        assert {order.status for order in await orders(world) if order.cid == unknown[0].cid} == {"REJECTED"}
        await check(world, engine)
        await engine.stop()

    virtually(steps)


def test_the_first_start_opens_the_books_with_what_is_there() -> None:
    """Every asset of the account, once."""

    async def steps() -> None:
        world = scene(extra={"BNB": Decimal(3)})
        for _ in range(2):
            engine = world.engine()
            await engine.start()
            await engine.stop()
        balances = (await world.store().load()).balances
        assert {asset: row.total for asset, row in balances.items()} == {"USDT": 1_000_000, "BNB": 3}
        assert len((await world.store().log()).entries) == 2

    virtually(steps)


class DiesBeforeT1(MemoryStore):
    """A store whose process dies when the first order is to be written down; the slot has named it by then."""

    async def begin_order(self, *arguments: Any, **named: Any) -> Any:
        """Die before writing."""
        raise Killed


@pytest.mark.parametrize("still", [True, False])
def test_an_entry_planned_and_never_written_is_sent_only_where_time_stood_still(still: bool) -> None:
    """Its close is decided once more in lock-step; where time went on, its window is over."""

    async def steps() -> None:
        world = scene(engine_settings=replace(PATIENT, still=still))
        engine = await opened(world, store=DiesBeforeT1(world.database, world.store().account))
        with pytest.raises(Killed):
            await engine.on_intents([world.intent(NORMAL)])
        await bury(engine)
        engine = await opened(world, holder="two")
        await engine.on_intents([world.intent(NORMAL)])
        await engine.quiesce()
        assert list(posts(world).values()) == ([1, 1] if still else []), "the entry, and its bracket"
        await check(world, engine)
        await engine.stop()

    virtually(steps)

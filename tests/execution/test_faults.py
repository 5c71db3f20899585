"""Faults F1 to F24 that an engine meets: one named test each, over ccxt and the paper exchange in virtual time."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from itertools import permutations
from typing import Any

import pytest

from huracan.errors import DatabaseError, FencedError, RefusedError
from huracan.execution.engine import Engine
from huracan.execution.failpoints import Failpoint
from huracan.execution.memory_store import MemoryStore
from huracan.execution.model import AlarmCode, Status
from huracan.execution.ports import EngineSettings
from huracan.paper import FaultKind, Faults, ScriptedFault
from huracan.risk.live import Denied, HaltPolicy, TradingState
from huracan.venue.orders import VenueStatus
from tests.execution.scenes import EXIT, NORMAL, bury, check, opened, orders, posts, quiet, scene
from tests.execution.world import ACCOUNT, Killed, World, dying_at, virtually

DIP = (10_000, 10_000, 9_990, 10_000, 1_000_000)
"""Trades through a bid at 99.99 without reaching the stop."""
POST = "POST /api/v3/order"


def held(engine: Engine, world: World) -> int:
    """Return the steps held."""
    return engine.desks[world.symbol].planner.position.sellable


def protected(engine: Engine, world: World) -> bool:
    """Return whether the position has its stop at the venue."""
    return engine.desks[world.symbol].planner.protected


async def entered(world: World, **how: Any) -> Engine:
    """Return an engine that has bought and rests."""
    engine = await opened(world, **how)
    await engine.on_intents([world.intent(NORMAL)])
    await engine.quiesce()
    return engine


def crash(place: Failpoint, checks: Callable[[World, Engine, dict[str, Any]], Any]) -> None:
    """Kill an engine at a failpoint of its first order, start another, and look."""

    async def steps() -> None:
        world = scene()
        first = await opened(world, failpoints=dying_at(place))
        with pytest.raises(Killed):
            await first.on_intents([world.intent(NORMAL)])
        await bury(first)
        second = world.engine(holder="two")
        await second.start()
        await second.quiesce()
        await check(world, second)
        checks(world, second, {order.cid: order for order in await orders(world)})

    virtually(steps)


def test_f1_killed_before_the_order_is_marked_as_sent() -> None:
    """It was never sent, says so, and its money is free; the venue has not seen its id."""

    def checks(world: World, engine: Engine, rows: dict[str, Any]) -> None:
        first = next(iter(rows.values()))
        assert first.status is Status.NEVER_SENT
        assert first.sent_ms is None
        assert first.cid not in posts(world)

    crash(Failpoint.AFTER_T1, checks)


def test_f2_killed_before_the_socket_write() -> None:
    """The resolver proves that it never arrived; its id is not sent again."""

    def checks(world: World, engine: Engine, rows: dict[str, Any]) -> None:
        first = next(iter(rows.values()))
        assert (first.status, first.reason) == (Status.REJECTED, "never arrived")
        assert first.cid not in posts(world)

    crash(Failpoint.AFTER_T2, checks)


@pytest.mark.parametrize("place", [Failpoint.AFTER_ACCEPT, Failpoint.AFTER_BOOK])
def test_f3_f4_killed_after_the_venue_accepted(place: Failpoint) -> None:
    """The order is adopted by its id, its fills are booked once, and the position gets its bracket."""

    def checks(world: World, engine: Engine, rows: dict[str, Any]) -> None:
        first = next(iter(rows.values()))
        assert first.status is Status.FILLED
        assert held(engine, world) == 9_990
        assert protected(engine, world)
        assert len(posts(world)) == 2

    crash(place, checks)


@pytest.mark.parametrize("how", ["TIMEOUT", "RESET", "TRUNCATED", "HTML", "EMPTY"])
def test_f5_the_answer_is_lost_after_the_order_filled(how: str) -> None:
    """Unknown, one POST, found by its id, protected."""

    async def steps() -> None:
        world = scene()
        engine = await opened(world)
        world.exchange.script(ScriptedFault(FaultKind.RESPONSE_LOST, POST, how=how))
        await engine.on_intents([world.intent(NORMAL)])
        await engine.quiesce()
        assert held(engine, world) == 9_990
        assert protected(engine, world)
        await check(world, engine)
        assert len(posts(world)) == 2

    virtually(steps)


def test_f6_the_request_is_lost() -> None:
    """Absent is proven after the time a request may be admitted in, then another child of the intent is sent."""

    async def steps() -> None:
        world = scene()
        engine = await opened(world)
        world.exchange.script(ScriptedFault(FaultKind.REQUEST_LOST, POST, how="RESET"))
        began_s = asyncio.get_running_loop().time()
        await engine.on_intents([world.intent(NORMAL)])
        assert not engine.desks[world.symbol].planner.settled
        assert (await orders(world))[0].status is Status.UNKNOWN
        await engine.quiesce()
        assert asyncio.get_running_loop().time() - began_s >= 10.0
        entries = [order for order in await orders(world) if order.draft.list_cid is None]
        assert [order.status for order in entries] == [Status.REJECTED, Status.FILLED]
        assert held(engine, world) == 9_990
        await check(world, engine)

    virtually(steps)


@pytest.mark.parametrize("code", ["-1007", "-1006", "-1001", "-1000", "-1008"])
def test_f12_errors_that_leave_the_execution_unknown(code: str) -> None:
    """The order was carried out although the venue answered with an error."""

    async def steps() -> None:
        world = scene()
        engine = await opened(world)
        world.exchange.script(ScriptedFault(FaultKind.ERROR_AFTER, POST, how=code))
        await engine.on_intents([world.intent(NORMAL)])
        await engine.quiesce()
        assert held(engine, world) == 9_990
        await check(world, engine)

    virtually(steps)


def test_f7_a_fill_comes_twice() -> None:
    """From stream and query, any number of times: one row."""

    async def steps() -> None:
        world = scene()
        engine = await entered(world)
        trades = await world.venue().trades(world.symbol)
        for _ in range(2):
            for trade in trades:
                await engine.on_event(trade)
        await engine.poll()
        assert held(engine, world) == 9_990
        await check(world, engine)

    virtually(steps)


def test_f7b_a_trade_comes_again_with_other_figures() -> None:
    """The first is kept, an alarm is raised, and the market takes no entries any more."""

    async def steps() -> None:

        world = scene()
        engine = await entered(world)
        (trade,) = await world.venue().trades(world.symbol)
        await engine.on_event(replace(trade, quantity=trade.quantity * 2))
        alarms = (await world.store().log()).alarms
        assert [alarm.code for alarm in alarms] == [AlarmCode.TRADE_CHANGED]
        assert engine.desks[world.symbol].planner.entries_blocked
        assert held(engine, world) == 9_990
        await check(world, engine)

    virtually(steps)


def test_f8_events_in_any_order() -> None:
    """Of every permutation of a resting order's words and trades the end is the same."""

    async def run(order: tuple[int, ...]) -> tuple[bytes, Decimal]:
        world = scene([*quiet(2), DIP, *quiet(8)], entry="maker", maker_life_bars=5)
        engine = await opened(world)
        await engine.on_intents([world.intent(NORMAL)])
        cid = engine.desks[world.symbol].planner.entry.key  # type: ignore[union-attr]
        before = await world.venue().order(world.symbol, cid)
        await world.turn(engine)
        while world.step() != "fills":
            world.row += 1
        after = await world.venue().order(world.symbol, cid)
        assert before is not None
        assert after is not None
        assert after.status is VenueStatus.FILLED
        trades = await world.venue().trades(world.symbol)
        events = [before, after, *trades, *trades]
        for number in order:
            await engine.on_event(events[number])
        await engine.poll()
        await engine.quiesce()
        await check(world, engine)
        position = (await world.store().load()).positions[world.symbol]
        return engine.desks[world.symbol].planner.position.slot_bytes, position.holding

    found = {virtually(lambda order=order: run(order)) for order in permutations(range(4))}
    assert len(found) == 1


def test_f9_a_fill_races_the_cancel() -> None:
    """A cancel that finds nothing is a question, not a cancel: the fill is booked and protected."""

    async def steps() -> None:
        world = scene(entry="maker", maker_life_bars=50)
        engine = await opened(world)
        await engine.on_intents([world.intent(NORMAL)])
        await world.turn(engine)
        world.exchange.script(ScriptedFault(FaultKind.CANCEL_RACE))
        await world.turn(engine, EXIT)
        assert held(engine, world) == 9_990
        assert protected(engine, world)
        await check(world, engine)

    virtually(steps)


def test_f10_cancels_time_out() -> None:
    """No replacement is sent before the venue says that the order is over."""

    async def steps() -> None:
        world = scene(entry="maker", maker_life_bars=1, maker_tries=3, maker_fallback="give_up")
        engine = await opened(world)
        await engine.on_intents([world.intent(NORMAL)])
        await world.play(engine)
        world.exchange.faults = Faults(cancel_timeout=1.0)
        await engine.on_close({world.symbol: world.close()})
        await engine.on_intents([])
        await asyncio.sleep(60.0)
        assert len(posts(world)) == 1
        world.exchange.faults = Faults()
        await engine.quiesce()
        assert len(posts(world)) == 2
        await check(world, engine)

    virtually(steps)


class FlakyStore(MemoryStore):
    """A store that is away when it is told to be; `after` loses the answer of writes that were made."""

    away = False
    after = False

    async def _flaky(self, name: str, *arguments: Any) -> Any:
        if self.away and not self.after:
            raise DatabaseError("the server is away")
        done = await getattr(MemoryStore, name)(self, *arguments)
        if self.away:
            raise DatabaseError("the server went away")
        return done

    async def begin_order(self, *arguments: Any) -> Any:
        """See `Store`."""
        return await self._flaky("begin_order", *arguments)

    async def mark_sent(self, *arguments: Any) -> Any:
        """See `Store`."""
        return await self._flaky("mark_sent", *arguments)

    async def record(self, *arguments: Any) -> Any:
        """See `Store`."""
        return await self._flaky("record", *arguments)

    async def change_state(self, *arguments: Any) -> Any:
        """See `Store`."""
        return await self._flaky("change_state", *arguments)


def test_f14_database_away_before_anything_is_written() -> None:
    """Nothing is sent; when it is back, trading goes on."""

    async def steps() -> None:
        world = scene()
        store = FlakyStore(world.database, ACCOUNT)
        engine = await opened(world, store=store)
        store.away = True
        await engine.on_intents([world.intent(NORMAL)])
        assert not posts(world)
        store.away = False
        await asyncio.sleep(3.0)
        await world.turn(engine)
        await world.turn(engine, NORMAL)
        assert held(engine, world) == 9_990
        await check(world, engine)

    virtually(steps)


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("restart", [False, True])
def test_f14_database_away_after_the_send(after: bool, restart: bool) -> None:
    """What the venue said is kept in memory and on disk, nothing more is sent, and it is booked when it is back."""

    async def steps() -> None:
        world = scene()
        store = FlakyStore(world.database, ACCOUNT)
        engine = await opened(world, store=store)

        async def cut(request: Any) -> None:
            if request.method == "POST":
                store.away, store.after = True, after

        world.before = cut
        await engine.on_intents([world.intent(NORMAL)])
        world.before = None
        assert held(engine, world) == 9_990
        assert len(posts(world)) == 1
        await asyncio.sleep(2.0)
        assert len(posts(world)) == 1
        store.away = False
        if restart:
            await bury(engine)
            engine = world.engine(holder="two")
            await engine.start()
        else:
            await asyncio.sleep(3.0)
        await engine.quiesce()
        assert held(engine, world) == 9_990
        assert protected(engine, world)
        await check(world, engine)

    virtually(steps)


def test_f17_an_executor_whose_lease_is_gone_sends_nothing() -> None:
    """Someone else has acquired the lease between writing the order down and sending it."""

    async def steps() -> None:
        world = scene()

        def lose(place: Failpoint) -> None:
            if place is Failpoint.AFTER_T1:
                world.database.tables(ACCOUNT).epoch += 1
                world.database.tables(ACCOUNT).lease = None

        engine = await opened(world, failpoints=lose)
        with pytest.raises(FencedError):
            await engine.on_intents([world.intent(NORMAL)])
        with pytest.raises(FencedError):
            await engine.on_close({world.symbol: world.close()})
        assert not posts(world)
        await bury(engine)

    virtually(steps)


def test_f18_money_that_is_not_there() -> None:
    """A definite refusal for want of balance ends the entry, releases its money, and is not tried again."""

    async def steps() -> None:
        world = scene()
        engine = await opened(world)
        world.exchange.deposit(ACCOUNT, "USDT", "-999990")
        await engine.on_intents([world.intent(NORMAL)])
        await engine.quiesce()
        (order,) = await orders(world)
        assert order.status is Status.REJECTED
        assert engine.desks[world.symbol].planner.idle
        assert world.gate.over
        await check(world, engine)

    virtually(steps)


def test_f19_what_the_market_does_not_take_is_sold_again() -> None:
    """A market order that expires half filled is followed by another child for the rest."""

    async def steps() -> None:
        world = scene()
        engine = await entered(world)
        await world.play(engine)
        await engine.on_close({world.symbol: world.close()})
        world.exchange.script(ScriptedFault(FaultKind.MARKET_REMAINDER))
        await engine.on_intents([world.intent(EXIT)])
        await engine.quiesce()
        assert held(engine, world) == 0
        sells = [order for order in await orders(world) if order.draft.kind == "MARKET"]
        assert [order.status for order in sells] == [Status.EXPIRED, Status.FILLED]
        await check(world, engine)

    virtually(steps)


def test_f20_an_order_that_is_not_ours() -> None:
    """It is found, alarmed once, and the market takes no entries any more."""

    async def steps() -> None:
        world = scene(engine_settings=EngineSettings(trades_s=5.0))
        engine = await opened(world)
        order = {"symbol": "AAAUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "1"}
        reply = world.exchange.external_order(ACCOUNT, {**order, "price": "90", "newClientOrderId": "by-hand"})
        assert reply.status == 200
        await asyncio.sleep(30.0)
        alarms = (await world.store().log()).alarms
        assert [alarm.code for alarm in alarms] == [AlarmCode.EXTERNAL_ORDER]
        verdicts = await engine.on_intents([world.intent(NORMAL)])
        assert not posts(world)
        assert all(verdict is None for verdict in verdicts.values())
        await engine.stop()

    virtually(steps)


def test_f20_money_that_nobody_explains() -> None:
    """Running, it reduces trading; starting, it refuses until the operator accepts it."""

    async def steps() -> None:
        world = scene(engine_settings=EngineSettings(balances_s=5.0))
        engine = await opened(world)
        world.exchange.deposit(ACCOUNT, "USDT", "12.5")
        await asyncio.sleep(12.0)
        assert engine.state is TradingState.ACTIVE
        await asyncio.sleep(12.0)
        assert engine.state is TradingState.REDUCING
        await engine.stop()
        with pytest.raises(RefusedError, match=r"\+12.5.* unexplained"):
            await world.engine().start()
        engine = world.engine()
        await engine.start(accept_balances=True)
        await engine.resume("anna", "deposit of today")
        await check(world, engine)
        await engine.stop()

    virtually(steps)


def test_f21_fees_in_a_third_asset() -> None:
    """They are booked in their asset, the whole position can be sold, and the trade knows them."""

    async def steps() -> None:
        settings = EngineSettings(rates={"BNB": Decimal(600)})
        world = scene(fee_asset="BNB", extra={"BNB": Decimal(10)}, engine_settings=settings)
        engine = await entered(world)
        assert held(engine, world) == 10_000
        await world.turn(engine, EXIT)
        await world.turn(engine)
        assert held(engine, world) == 0
        balances = (await world.store().load()).balances
        assert balances["BNB"].fees > 0
        assert balances["AAA"].fees == balances["USDT"].fees == 0
        rows = await world.store().closed_trades(0)
        assert len(rows) == 1
        assert rows.fee[0] == pytest.approx(-float(balances["BNB"].fees) * 600)
        await check(world, engine)

    virtually(steps)


@pytest.mark.parametrize("action", [6, -1, True, None, 2.0, float("nan")])
def test_f22_what_is_no_action_is_denied(action: Any) -> None:
    """A coded denial, no order."""

    async def steps() -> None:

        world = scene()
        engine = await opened(world)
        verdicts = await engine.on_intents([replace(world.intent(NORMAL), action=action)])
        assert all(isinstance(verdict, Denied) for verdict in verdicts.values())
        assert not posts(world)
        await engine.stop()

    virtually(steps)


@pytest.mark.parametrize("steps_until", [1, 2, 3, 5, 8, 13, 21])
def test_f24_the_caller_is_cancelled(steps_until: int) -> None:
    """Whoever waits for the engine may go; the order is finished, booked and protected."""

    async def steps() -> None:
        world = scene()
        engine = await opened(world)
        caller = asyncio.ensure_future(engine.on_intents([world.intent(NORMAL)]))
        for _ in range(steps_until):
            await asyncio.sleep(0)
        caller.cancel()
        await asyncio.gather(caller, return_exceptions=True)
        await engine.drain()
        assert held(engine, world) == 9_990
        assert protected(engine, world)
        await check(world, engine)
        await engine.stop()

    virtually(steps)


@pytest.mark.parametrize("policy", list(HaltPolicy))
def test_i9_halt(policy: HaltPolicy) -> None:
    """Entries stop at once; cancel leaves nothing at the venue, flatten sells as well, hold keeps the bracket."""

    async def steps() -> None:
        world = scene(engine_settings=EngineSettings(halt_policy=policy))
        engine = await entered(world)
        count = len(posts(world))
        await engine.halt(policy, "anna", "a test")
        open_orders = await world.venue().open_orders(world.symbol)
        assert len(open_orders) == (2 if policy is HaltPolicy.HOLD else 0)
        assert held(engine, world) == (0 if policy is HaltPolicy.FLATTEN else 9_990)
        await world.turn(engine, NORMAL)
        assert len(posts(world)) == count + (policy is HaltPolicy.FLATTEN)
        await check(world, engine)
        await engine.resume("anna", "all is well")
        assert protected(engine, world) is (policy is not HaltPolicy.FLATTEN)
        await engine.stop()

    virtually(steps)


def test_i11_a_second_start_finds_nothing_to_do() -> None:
    """Recovery of a sound account writes no event, no fill and no order."""

    async def steps() -> None:
        world = scene()
        engine = await entered(world)
        await engine.stop()
        before = await world.store().log()
        sent = len(posts(world))
        for _ in range(2):
            engine = world.engine(holder="two")
            await engine.start()
            assert protected(engine, world)
            await engine.stop()
        after = await world.store().log()
        assert (after.events, after.fills, after.entries, after.alarms) == (
            before.events,
            before.fills,
            before.entries,
            before.alarms,
        )
        assert len(posts(world)) == sent

    virtually(steps)


def test_a_second_executor_is_refused() -> None:
    """The lease is held: the message says by whom."""

    async def steps() -> None:
        world = scene(engine_settings=EngineSettings())
        engine = await opened(world)
        with pytest.raises(RefusedError, match="one"):
            await world.engine(holder="two").start()
        await engine.stop()
        second = world.engine(holder="two")
        await second.start()
        await second.stop()

    virtually(steps)

"""The resolver: absence is a proof, never a single reply."""

import asyncio
from typing import Any

from huracan.execution.model import AlarmCode, Status
from huracan.paper import FaultKind, Faults, ScriptedFault
from huracan.venue.client import WireReply
from tests.execution.scenes import NORMAL, check, opened, orders, posts, scene
from tests.execution.world import virtually

POST = "POST /api/v3/order"


def test_a_reply_of_no_such_order_is_no_proof() -> None:
    """The venue's memory lags eight seconds behind; the order is found, not sent again."""

    async def steps() -> None:
        world = scene()
        engine = await opened(world)
        world.exchange.faults = Faults(get_lag=1.0, get_lag_ms=8_000)
        world.exchange.script(ScriptedFault(FaultKind.RESPONSE_LOST, POST, how="RESET"))
        await engine.on_intents([world.intent(NORMAL)])
        await engine.quiesce()
        assert (await orders(world))[0].status is Status.FILLED
        assert len(posts(world)) == 2
        await check(world, engine)

    virtually(steps)


def test_one_reply_after_a_long_silence_is_no_proof() -> None:
    """Eleven seconds without an answer, then one "no such order" of a database that lags: it is asked again."""

    async def steps() -> None:
        world = scene()
        engine = await opened(world)
        world.exchange.faults = Faults(get_lag=1.0, get_lag_ms=18_000)
        world.exchange.script(ScriptedFault(FaultKind.RESPONSE_LOST, POST, how="RESET"))

        async def silent(request: Any) -> None:
            if request.method == "GET" and asyncio.get_running_loop().time() < 11.0:
                raise ConnectionResetError

        world.before = silent
        await engine.on_intents([world.intent(NORMAL)])
        await engine.quiesce()
        assert (await orders(world))[0].status is Status.FILLED
        assert len(posts(world)) == 2
        await check(world, engine)

    virtually(steps)


def test_a_hidden_order_that_rests_is_not_absent() -> None:
    """No question finds it and no cancel is answered: nothing else is sent until the venue has said what it is."""

    async def steps() -> None:
        world = scene(entry="maker", maker_life_bars=50)
        engine = await opened(world)
        world.exchange.faults = Faults(get_lag=1.0, get_lag_ms=30_000, cancel_timeout=1.0)
        world.exchange.script(ScriptedFault(FaultKind.RESPONSE_LOST, POST, how="RESET"))
        await engine.on_intents([world.intent(NORMAL)])
        await asyncio.sleep(25.0)
        assert [order.status for order in await orders(world)] == [Status.UNKNOWN]
        world.exchange.faults = Faults()
        await engine.quiesce()
        assert [order.status for order in await orders(world)] == [Status.ACCEPTED]
        assert len(posts(world)) == 1
        await check(world, engine)

    virtually(steps)


def test_a_trade_of_nobody_keeps_an_order_from_being_absent() -> None:
    """The database denies the order and shows a trade of it: it may be ours, so nothing else is bought."""

    async def steps() -> None:
        world = scene()
        hidden, carry = [True], world.carry

        async def forgetful(method: str, url: str, headers: Any, body: str | None) -> WireReply:
            reply = await carry(method, url, headers, body)
            if hidden and method == "GET" and "/api/v3/order?" in url:
                return WireReply(400, {}, '{"code": -2013, "msg": "Order does not exist."}')
            return reply

        world.carry = forgetful  # type: ignore[method-assign]
        engine = await opened(world)
        world.exchange.script(ScriptedFault(FaultKind.RESPONSE_LOST, POST, how="RESET"))
        await engine.on_intents([world.intent(NORMAL)])
        await asyncio.sleep(40.0)
        assert [order.status for order in await orders(world)] == [Status.UNKNOWN]
        hidden.clear()
        await engine.quiesce()
        assert (await orders(world))[0].status is Status.FILLED
        assert len(posts(world)) == 2
        await check(world, engine)

    virtually(steps)


def test_its_money_stays_reserved_until_it_is_decided() -> None:
    """In the ledger and at risk."""

    async def steps() -> None:
        world = scene()
        engine = await opened(world)
        world.exchange.script(ScriptedFault(FaultKind.REQUEST_LOST, POST, how="RESET"))
        await engine.on_intents([world.intent(NORMAL)])
        for _ in range(9):
            await asyncio.sleep(1.0)
            assert (await world.store().load()).balances["USDT"].locked > 0
            assert sum(world.gate.reserved.values()) == 10
        await engine.quiesce()
        assert (await world.store().load()).balances["USDT"].locked == 0

    virtually(steps)


def test_a_venue_that_is_away_is_asked_until_it_is_back() -> None:
    """After a minute somebody is told; nothing is sent meanwhile."""

    async def steps() -> None:
        world = scene()
        engine = await opened(world)

        async def away(request: Any) -> None:
            raise ConnectionResetError

        world.before = away
        await engine.on_intents([world.intent(NORMAL)])
        await asyncio.sleep(600.0)
        assert not posts(world)
        assert not engine.desks[world.symbol].planner.settled
        alarms = (await world.store().log()).alarms
        assert [alarm.code for alarm in alarms] == [AlarmCode.STUCK_ORDER]
        world.before = None
        await engine.quiesce()
        await check(world, engine)

    virtually(steps)

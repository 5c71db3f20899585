"""The resolver: absence is a proof, never a single reply."""

import asyncio
from typing import Any

from huracan.execution.model import AlarmCode, Status
from huracan.paper import FaultKind, Faults, ScriptedFault
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

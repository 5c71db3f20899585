"""Faults of the world around an engine, one named test each: limits, clocks, closes, a store that dies or dozes off."""

import asyncio
import json
from functools import partial
from typing import Any

import pytest

from huracan.errors import DatabaseError
from huracan.execution.memory_store import MemoryStore
from huracan.execution.model import Status
from huracan.execution.ports import EngineSettings
from huracan.paper import FaultKind, Faults, ScriptedFault
from huracan.risk.live import DenialCode, Denied
from huracan.venue.client import WireReply
from tests.execution.scenes import EXIT, NORMAL, bury, check, opened, orders, posts, scene
from tests.execution.test_faults import POST, held, protected
from tests.execution.world import ACCOUNT, Killed, World, virtually


class MortalStore(MemoryStore):
    """A store whose process dies right after one of its writes; a dead process writes nothing more."""

    left: int | None = None

    async def _mortal(self, name: str, *arguments: Any, **named: Any) -> Any:
        if self.left is not None and self.left < 0:
            raise Killed(name)
        done = await getattr(MemoryStore, name)(self, *arguments, **named)
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                raise Killed(name)
        return done

    async def put_intent(self, *arguments: Any, **named: Any) -> Any:
        """See `Store`."""
        return await self._mortal("put_intent", *arguments, **named)

    async def update_intent(self, *arguments: Any, **named: Any) -> Any:
        """See `Store`."""
        return await self._mortal("update_intent", *arguments, **named)

    async def begin_entry(self, *arguments: Any, **named: Any) -> Any:
        """See `Store`."""
        return await self._mortal("begin_entry", *arguments, **named)

    async def begin_order(self, *arguments: Any, **named: Any) -> Any:
        """See `Store`."""
        return await self._mortal("begin_order", *arguments, **named)

    async def mark_sent(self, *arguments: Any, **named: Any) -> Any:
        """See `Store`."""
        return await self._mortal("mark_sent", *arguments, **named)

    async def record(self, *arguments: Any, **named: Any) -> Any:
        """See `Store`."""
        return await self._mortal("record", *arguments, **named)


def test_f4_killed_after_any_write() -> None:
    """Wherever between two writes of a round trip it dies, the books agree at the next start, and no money is bound."""

    async def dies_after(writes: int) -> bool:
        world = scene()
        store = MortalStore(world.database, ACCOUNT)
        first = await opened(world, store=store)
        store.left = writes
        died = False
        try:
            await first.on_intents([world.intent(NORMAL)])
            await world.turn(first, EXIT)
        except Killed:
            died = True
        await bury(first)
        second = world.engine(holder="two")
        await second.start()
        await second.quiesce()
        await check(world, second)
        assert held(second, world) == 0 or protected(second, world)
        await second.stop()
        return died

    survived = next(writes for writes in range(100) if not virtually(partial(dies_after, writes)))
    assert survived > 12


@pytest.mark.parametrize("kind", [FaultKind.RATE_LIMITED, FaultKind.BANNED])
def test_f11_the_venue_wants_silence(kind: FaultKind) -> None:
    """The order is definitely not taken; not one request leaves before Retry-After is over; then trading goes on."""

    async def steps() -> None:
        world = scene(engine_settings=EngineSettings(trades_s=5.0, balances_s=5.0))
        engine = await opened(world)
        left_s: list[float] = []

        async def note(request: object) -> None:
            left_s.append(asyncio.get_running_loop().time())

        world.before = note
        world.exchange.script(ScriptedFault(kind, POST, how="30"))
        await engine.on_intents([world.intent(NORMAL)])
        told_s = asyncio.get_running_loop().time()
        await asyncio.sleep(60.0)
        assert [at for at in left_s if told_s < at < told_s + 30.0] == []
        assert [at for at in left_s if at >= told_s + 30.0], "the questions go on"
        assert [order.status for order in await orders(world)] == [Status.REJECTED]
        await world.turn(engine, NORMAL)
        assert protected(engine, world)
        await check(world, engine)

    virtually(steps)


@pytest.mark.parametrize("skew_ms", [-30_000, -1_500, 30_000])
def test_f13_the_clocks_differ(skew_ms: int) -> None:
    """-1021 is a definite refusal; no buy leaves until the clocks agree again, and then one does."""

    async def steps() -> None:
        world = scene()
        engine = await opened(world)
        world.exchange.faults = Faults(clock_skew_ms=skew_ms)
        await engine.on_intents([world.intent(NORMAL)])
        assert len(posts(world)) == 1
        await world.turn(engine, NORMAL)
        assert len(posts(world)) == 1, "the second one was not sent"
        assert [order.status for order in await orders(world)] == [Status.REJECTED] * 2
        world.exchange.faults = Faults()
        await engine._venue.sync_clock()  # as the trader does every half minute
        await world.turn(engine, NORMAL)
        assert protected(engine, world)
        await check(world, engine)

    virtually(steps)


class DozingStore(MemoryStore):
    """A store that is away at every T2; `late` ones have written it down all the same."""

    dozing = False
    late = False

    async def mark_sent(self, *arguments: Any) -> None:
        """See `Store`."""
        if not self.dozing or self.late:
            await super().mark_sent(*arguments)
        if self.dozing:
            raise DatabaseError("the server is away")


@pytest.mark.parametrize("late", [False, True])
def test_f14_database_away_between_the_two_writes(late: bool) -> None:
    """Written down, perhaps marked, and not sent: when the store is back it says so, and the money is free."""

    async def steps() -> None:
        world = scene()
        store = DozingStore(world.database, ACCOUNT)
        engine = await opened(world, store=store)
        store.dozing, store.late = True, late
        await engine.on_intents([world.intent(NORMAL)])
        assert not posts(world)
        assert (await store.load()).reservations
        store.dozing = False
        await asyncio.sleep(3.0)
        first = (await orders(world))[0]
        assert first.status is (Status.REJECTED if late else Status.NEVER_SENT)
        assert first.cid not in (await store.load()).reservations
        await engine.quiesce()
        assert first.cid not in posts(world)
        await check(world, engine)

    virtually(steps)


def test_f15_a_close_that_nobody_can_book() -> None:
    """Streams and questions are silent at a close: what may have filled is not known, so nothing is bought there."""

    async def steps() -> None:
        world = scene(entry="maker", maker_life_bars=1, maker_tries=1, maker_fallback="give_up")
        engine = await opened(world)
        await engine.on_intents([world.intent(NORMAL)])
        await world.play(engine)

        async def silent(request: object) -> None:
            raise ConnectionResetError

        world.before = silent
        await engine.on_close({world.symbol: world.close()})
        (verdict,) = (await engine.on_intents([world.intent(NORMAL)])).values()
        assert isinstance(verdict, Denied)
        assert verdict.code is DenialCode.STATE_UNKNOWN
        world.before = None
        await engine.quiesce()
        assert len(posts(world)) == 1
        await check(world, engine)

    virtually(steps)


def test_f16_a_close_that_was_left_out() -> None:
    """Its candle had a gap or could not be: a wish that was made on it meets an older close, and nothing is bought."""

    async def steps() -> None:
        world = scene()
        engine = await opened(world)
        await world.play(engine)
        (verdict,) = (await engine.on_intents([world.intent(NORMAL)])).values()
        assert isinstance(verdict, Denied)
        assert verdict.code is DenialCode.STALE_DATA
        assert not posts(world)
        await world.turn(engine, NORMAL)
        assert protected(engine, world), "the next close is whole"
        await check(world, engine)

    virtually(steps)


def test_f18_a_halted_market_takes_no_orders() -> None:
    """A definite refusal: the money is free, nothing is sent again; when the market opens, the next close buys."""

    async def steps() -> None:
        world = scene()
        engine = await opened(world)
        world.exchange.faults = Faults(halted=("AAAUSDT",))
        await engine.on_intents([world.intent(NORMAL)])
        await asyncio.sleep(30.0)
        assert [order.status for order in await orders(world)] == [Status.REJECTED]
        assert not (await world.store().load()).reservations
        assert len(posts(world)) == 1
        world.exchange.faults = Faults()
        await world.turn(engine, NORMAL)
        assert protected(engine, world)
        await check(world, engine)

    virtually(steps)


def test_f18_an_order_that_is_there_already_is_adopted() -> None:
    """The venue answers "Duplicate order sent.": the order is looked up by its id, booked and protected."""

    async def steps() -> None:
        world = scene()
        answers, carry = ["Duplicate order sent."], world.carry

        async def duplicate(method: str, url: str, headers: Any, body: str | None) -> WireReply:
            reply = await carry(method, url, headers, body)
            if method == "POST" and answers:
                return WireReply(400, {}, json.dumps({"code": -2010, "msg": answers.pop()}))
            return reply

        world.carry = duplicate  # type: ignore[method-assign]
        engine = await opened(world)
        await engine.on_intents([world.intent(NORMAL)])
        await engine.quiesce()
        assert (await orders(world))[0].status is Status.FILLED
        assert protected(engine, world)
        assert len(posts(world)) == 2
        await check(world, engine)

    virtually(steps)


def test_f23_a_decision_comes_twice_late_or_never() -> None:
    """Whoever decides may die and be asked again: one order of one decision, none of a close that has passed."""

    async def entries(world: World) -> int:
        return sum(order.draft.list_cid is None for order in await orders(world))

    async def steps() -> None:
        world = scene()
        engine = await opened(world)
        late = world.intent(NORMAL)
        await world.turn(engine)
        assert await entries(world) == 0, "never"
        (verdict,) = (await engine.on_intents([late])).values()
        assert isinstance(verdict, Denied)
        assert verdict.code is DenialCode.STALE_DATA
        assert await entries(world) == 0, "late"
        world.exchange.script(ScriptedFault(FaultKind.MARKET_REMAINDER))
        for _ in range(3):
            await engine.on_intents([world.intent(NORMAL)])
        await engine.quiesce()
        assert [order.status for order in await orders(world)] == [Status.EXPIRED], "three times"
        await world.turn(engine, NORMAL)
        await engine.on_intents([world.intent(NORMAL)])
        assert await entries(world) == 2, "the next close is another decision"
        await check(world, engine)

    virtually(steps)

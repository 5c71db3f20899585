"""The inbox: what others wrote down is noticed, judged again and carried out at most once, or ended with a reason."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from huracan.errors import FencedError
from huracan.execution.engine import Engine
from huracan.execution.ids import intent_id
from huracan.execution.memory_store import MemoryStore
from huracan.execution.model import Intent, IntentKind, IntentStatus, Lease
from huracan.execution.ports import Verdict
from huracan.risk.live import Approval, DenialCode, Denied
from huracan.trader.inbox import EXPIRED, MALFORMED, Inbox
from huracan.trading import ExitReason
from huracan.venue.orders import Side
from tests.execution.scenes import EXIT, NORMAL, bury, opened, posts, scene
from tests.execution.test_decisions import ShutGate
from tests.execution.world import Killed, World, virtually
from tests.trader.inside import SYMBOL, inside, really

NOTICED_S = 0.5
NEVER = '{"at": "2000-01-01T00:00:00", "symbol": "BTC/USDT", "action": "EXIT"}'
"""A script that names a market and decides nothing."""


class Desk:
    """An inbox over an engine, and what it was told of."""

    def __init__(self, world: World, engine: Engine, store: Any = None) -> None:
        self.told: list[tuple[Intent, Verdict]] = []
        self.forced: dict[str, ExitReason] = {}
        self.closing = asyncio.Lock()
        self.world = world
        self.inbox = Inbox(
            engine, store or world.store(), world.market.base_ms, self._close_ms, self.closing, lambda: self.forced,
            self._tell,
        )  # fmt: skip

    def _close_ms(self) -> int:
        return int(self.world.market.bars[self.world.row, 0] + 1) * self.world.market.base_ms

    def _tell(self, intent: Intent, verdicts: Mapping[str, Verdict], forced: Mapping[str, ExitReason]) -> None:
        self.told.append((intent, verdicts.get(intent.intent_id)))


async def written(world: World, intent: Intent) -> Intent:
    """Return an intent as the database has it."""
    found = await world.store().intent(intent.intent_id)
    assert found is not None
    return found


def orders_of(world: World, intent: Intent) -> int:
    """Return how many orders of an entry were POSTed; its bracket is not one of them."""
    return sum(count for cid, count in posts(world).items() if cid.startswith(f"h{intent.intent_id}-"))


def test_an_entry_of_the_last_close_is_judged_and_ordered_once() -> None:
    """Another process wrote it; the holder orders, and nothing more when it is found or written again."""

    async def steps() -> None:
        world = scene()
        engine = await opened(world)
        desk, intent = Desk(world, engine), world.intent(NORMAL)
        await world.store().put_intent(intent)
        await desk.inbox.look()
        assert [(row, type(verdict)) for row, verdict in desk.told] == [(intent, Approval)]
        assert orders_of(world, intent) == 1
        await world.store().put_intent(intent)
        await desk.inbox.look()
        await engine.on_intents([intent])
        assert len(desk.told) == 1
        assert orders_of(world, intent) == 1
        assert set(posts(world).values()) == {1}
        await engine.stop()

    virtually(steps)


def test_what_is_older_than_the_last_close_expires_and_what_is_newer_waits() -> None:
    """Nothing is sent for either; the newer one is carried out when its close has come here."""

    async def steps() -> None:
        world = scene()
        engine = await opened(world)
        desk = Desk(world, engine)
        newer, older = world.intent(NORMAL, world.row + 1), world.intent(EXIT, world.row)
        older = _of_candle(older, older.candle_ms - world.market.base_ms)
        for intent in (newer, older):
            await world.store().put_intent(intent)
        await desk.inbox.look()
        assert (await written(world, older)).status is IntentStatus.GIVEN_UP
        assert (await written(world, older)).code == EXPIRED
        assert (await written(world, newer)).status is IntentStatus.OPEN
        assert not posts(world)
        await world.play(engine)
        await engine.on_close({world.symbol: world.close()})
        await desk.inbox.look()
        assert orders_of(world, newer) == 1
        await engine.stop()

    virtually(steps)


def _of_candle(intent: Intent, candle_ms: int) -> Intent:
    name = intent_id(intent.account, intent.symbol, candle_ms, intent.kind)
    return replace(intent, intent_id=name, candle_ms=candle_ms)


@pytest.mark.parametrize(
    "changes",
    [{"action": EXIT}, {"action": None}, {"side": Side.SELL}, {"action": 0}, {"action": 5}],
    ids=["an exit that is an entry", "no action", "a sale", "nothing", "hold"],
)
def test_contradictions_are_given_up(changes: dict[str, Any]) -> None:
    """Kind, side and action must say the same: the name of an intent is made of its kind."""

    async def steps() -> None:
        world = scene()
        engine = await opened(world)
        intent = replace(world.intent(NORMAL), **changes)
        await world.store().put_intent(intent)
        await Desk(world, engine).inbox.look()
        found = await written(world, intent)
        assert (found.status, found.code) == (IntentStatus.GIVEN_UP, MALFORMED)
        assert not posts(world)
        await engine.stop()

    virtually(steps)


def test_risk_is_asked_again() -> None:
    """Whatever the writer was told: a denial is stored with its code, and nothing is sent."""

    async def steps() -> None:
        world = scene()
        world.gate = ShutGate()
        engine = await opened(world)
        desk, intent = Desk(world, engine), world.intent(NORMAL)
        await world.store().put_intent(intent)
        await desk.inbox.look()
        assert desk.told == [(intent, Denied(DenialCode.HEAT, 1.0, 0.5))]
        assert (await written(world, intent)).code == "HEAT"
        assert not posts(world)
        await engine.stop()

    virtually(steps)


def test_a_market_that_risk_sells_and_a_close_under_way_are_left_alone() -> None:
    """What is forced out is not entered; in the middle of a close nothing is read at all."""

    async def steps() -> None:
        world = scene()
        engine = await opened(world)
        desk, intent = Desk(world, engine), world.intent(NORMAL)
        await world.store().put_intent(intent)
        desk.forced = {world.symbol: ExitReason.RISK_EXIT}
        await desk.inbox.look()
        assert (await written(world, intent)).status is IntentStatus.OPEN
        desk.forced = {}
        async with desk.closing:
            looking = asyncio.ensure_future(desk.inbox.look())
            await asyncio.sleep(1.0)
            assert not posts(world)
        await looking
        assert orders_of(world, intent) == 1
        await engine.stop()

    virtually(steps)


class Mortal(MemoryStore):
    """A store whose process is killed right after one of its transactions."""

    killer = ""

    async def begin_entry(self, *arguments: Any) -> Any:
        """Write, then die."""
        done = await super().begin_entry(*arguments)
        self._strike("begin_entry")
        return done

    async def update_intent(self, *arguments: Any, **named: Any) -> Any:
        """Die before writing."""
        self._strike("update_intent")
        return await super().update_intent(*arguments, **named)

    def _strike(self, name: str) -> None:
        if self.killer == name:
            raise Killed(name)


def test_killed_between_the_claim_and_the_order_it_is_given_up() -> None:
    """The next start finds that nothing was ever sent of it: it and its sells end, and the inbox leaves them alone."""

    async def steps() -> None:
        world = scene()
        store = Mortal(world.database, "anna")
        engine = await opened(world, store=store)
        intent = world.intent(NORMAL)
        await world.store().put_intent(intent)
        store.killer = "begin_entry"
        with pytest.raises(Killed):
            await Desk(world, engine, store).inbox.look()
        assert (await written(world, intent)).quantity is not None
        await bury(engine)
        engine = await opened(world, holder="two")
        assert (await world.store().load()).intents == {} or all(
            row.status is not IntentStatus.OPEN for row in (await world.store().load()).intents.values()
        )
        found = await written(world, intent)
        assert (found.status, found.code) == (IntentStatus.GIVEN_UP, "NEVER_SENT")
        await Desk(world, engine).inbox.look()
        assert not posts(world)
        await engine.stop()

    virtually(steps)


def test_killed_before_the_claim_it_is_carried_out_by_the_next_process() -> None:
    """Written down and not acted on: as long as its close is the last one, whoever has the lease goes on."""

    async def steps() -> None:
        world = scene()
        engine = await opened(world)
        intent = world.intent(NORMAL)
        await world.store().put_intent(intent)
        await bury(engine)
        engine = await opened(world, holder="two")
        await Desk(world, engine).inbox.look()
        assert orders_of(world, intent) == 1
        await engine.stop()

    virtually(steps)


def test_killed_after_an_exit_was_sent_the_next_process_sells_nothing_more() -> None:
    """The exit still stands open and is obeyed again: what is there was sold, once."""

    async def steps() -> None:
        world = scene()
        store = Mortal(world.database, "anna")
        engine = await opened(world, store=store)
        await world.turn(engine, NORMAL)
        await world.turn(engine)
        intent = world.intent(EXIT)
        await world.store().put_intent(intent)
        store.killer = "update_intent"
        with pytest.raises(Killed):
            await Desk(world, engine, store).inbox.look()
        assert (await written(world, intent)).status is IntentStatus.OPEN
        sold = [row for row in world.exchange.trades("anna") if not row["isBuyer"]]
        await bury(engine)
        engine = await opened(world, holder="two")
        await Desk(world, engine).inbox.look()
        assert (await written(world, intent)).status is IntentStatus.DONE
        await world.play(engine)
        sales = [row for row in world.exchange.trades("anna") if not row["isBuyer"]]
        assert sales[: len(sold)] == sold
        bought = sum(float(row["qty"]) for row in world.exchange.trades("anna") if row["isBuyer"])
        assert sum(float(row["qty"]) for row in sales) <= bought
        assert set(posts(world).values()) == {1}
        await engine.stop()

    virtually(steps)


def test_without_the_lease_nothing_is_touched() -> None:
    """Someone else has the account: what is here is theirs."""

    async def steps() -> None:
        world = scene()
        engine = await opened(world)
        intent = world.intent(NORMAL)
        await world.store().put_intent(intent)
        world.database.tables("anna").lease = None
        assert isinstance(await world.store().acquire("two", 60.0), Lease)
        with pytest.raises(FencedError):
            await Desk(world, engine).inbox.look()
        assert not posts(world)
        assert (await written(world, intent)).status is IntentStatus.OPEN
        await bury(engine)

    virtually(steps)


def test_a_running_trader_notices_within_half_a_second(tmp_path: Path) -> None:
    """A row that another connection writes becomes an order at the exchange before a person has looked up."""

    async def steps() -> None:
        async with (
            inside(tmp_path, speed=10.0) as world,
            world.trading(NEVER) as trader,
        ):
            begun = trader.market_ms
            await world.until("a close", lambda: trader.market_ms > begun)
            candle_ms = trader.market_ms - 60_000
            kind = IntentKind.ENTER
            row = Intent(
                intent_id("main", SYMBOL, candle_ms, kind), "main", SYMBOL, candle_ms, kind, Side.BUY,
                trader.market_ms, action=2, policy="by-hand", confidence=0.5, state=bytes(320),
            )  # fmt: skip
            begun_s = time.perf_counter()
            await world.store.put_intent(row)
            await world.until("an entry", lambda: world.exchange.orders("main"), NOTICED_S)
            print(f"noticed and ordered after {time.perf_counter() - begun_s:.3f} s")

    really(steps)

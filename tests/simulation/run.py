"""One seed from beginning to end: a safety phase under faults, a liveness phase without, and what was found."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from huracan.execution.book import unclaimed
from huracan.execution.invariants import Violation, check, check_recovery
from huracan.execution.invariants import World as Instant
from huracan.execution.memory_store import MemoryStore
from huracan.execution.model import EventLog
from huracan.paper.faults import NO_FAULTS
from huracan.risk.live import TradingState
from tests.simulation.checks import truth_of
from tests.simulation.flaky_store import Outage
from tests.simulation.plan import ACCOUNT, BASE_MS, draw_plan
from tests.simulation.processes import SimulationLoop
from tests.simulation.steps import resume, take_step
from tests.simulation.world import Trader, World

__all__ = ["Found", "run_seed"]

LIVENESS_S = 1_800.0
"""Within this much virtual time after the last fault everything must have converged."""
_ROUND_S = 15.0
_START_S = 120.0
"""Within this much virtual time a start must be ready at the slowest venue that a plan draws."""
_RESTARTS_MAX = 12


@dataclass(frozen=True, slots=True)
class Found:
    """What a run came to.

    Attributes:
        seed, steps: which run.
        violations: of invariants; empty when all is well.
        digest: hash of every request, reply and step.
        met: coverage.
        requests, orders, trades: how much happened.
    """

    seed: int
    steps: int
    violations: tuple[Violation, ...]
    digest: str
    met: Counter[str] = field(default_factory=Counter)
    requests: int = 0
    orders: int = 0
    trades: int = 0


def run_seed(seed: int, steps: int, thorough: bool = False, show: Callable[[str], None] | None = None) -> Found:
    """Run one seed.

    Args:
        seed: of everything.
        steps: of the safety phase.
        show: told of every line of the trace.
        thorough: ask `huracan.execution.invariants` after every step as well.
    """
    with asyncio.Runner(loop_factory=SimulationLoop) as runner:
        return runner.run(_run(seed, steps, thorough, show))


async def _run(seed: int, steps: int, thorough: bool, show: Callable[[str], None] | None) -> Found:
    rng = random.Random(seed)
    loop = asyncio.get_running_loop()
    assert isinstance(loop, SimulationLoop)
    world = World(seed, draw_plan(rng), loop)
    world.show = show
    taken = 0
    try:
        await _start(world)
        while taken < steps:
            taken += 1
            await asyncio.sleep(take_step(world, rng))
            world.check()
            if thorough:
                world.violations += await _instant(world, converged=False)
            if world.violations:
                break
        else:
            await _converge(world)
    finally:
        world.close()
    return Found(
        seed=seed,
        steps=taken,
        violations=tuple(world.violations),
        digest=world.digest,
        met=world.met,
        requests=world.network.count,
        orders=len(world.account.orders),
        trades=len(world.account.trades),
    )


async def _start(world: World) -> None:
    world.boot()
    await asyncio.sleep(1.0)
    if world.plan.stormy:
        world.exchange.faults = world.plan.faults


async def _log(world: World) -> EventLog:
    return await MemoryStore(world.database, ACCOUNT).log()


async def _instant(world: World, converged: bool) -> tuple[Violation, ...]:
    """Ask the product's own invariants; I9 is asked at every send, where the halt's policy is known."""
    instant = Instant(
        log=await _log(world),
        intents=dict(world.tables.book.intents),
        truth=truth_of(world.account, world.by_venue),
        sent=tuple(world.network.sent),
        states=(),
        now_ms=world.now_ms,
        grids={m.symbol: (m.instrument.tick, m.instrument.step) for m in world.plan.markets},
        flight_max_ms=10**9,
    )
    return check(instant, converged)


async def _converge(world: World) -> None:
    """Take every fault away; in bounded time nothing is unknown, everything is sold, and the books agree."""
    _still(world)
    until_s = asyncio.get_running_loop().time() + LIVENESS_S
    restarts = refusals = 0
    while asyncio.get_running_loop().time() < until_s:
        trader = world.trader
        if trader is None:
            restarts += 1
            last = world.traders[-1] if world.traders else None
            refusals = refusals + 1 if last is not None and last.refused else 0
            if refusals > 1 and last is not None and _for_a_person(world, last.refused):
                return
            if refusals > 3 or restarts > _RESTARTS_MAX:
                words = last.refused if last is not None else ""
                world.violate("LIVENESS", f"{restarts} starts, {refusals} refused one after the other: {words}")
                return
            trader = world.boot()
        await asyncio.sleep(_ROUND_S)
        world.check()
        if world.violations:
            return
        if trader.alive and trader.ready and await _tended(world, trader) and _settled(world, trader):
            break
    else:
        world.violate("LIVENESS", f"not settled after {LIVENESS_S} s: {_state(world)}")
        return
    await _final(world, trader)


def _for_a_person(world: World, words: str) -> bool:
    """Return whether a refusal is the right end: after a stranger's trade no start may explain the position away."""
    names = {order.order_id for order in world.account.orders.values() if order.cid.startswith("hand-")}
    traded = any(trade.order_id in names for trade in world.account.trades)
    right = traded and ("the ledger needs a look" in words or "the fate of orders is still unknown" in words)
    world.meet("F20 start refused after a stranger's trade", right)
    return right


def _still(world: World) -> None:
    world.trace("* calm")
    world.calm = True
    world.late_frac = 0.0
    world.exchange.faults = NO_FAULTS
    world.exchange._core.state.script.clear()
    world.exchange._core.state.limiters.clear()
    world.outage, world.outage_at = Outage.NONE, ""
    for trader in world.traders:
        trader.process.arms.clear()
        trader.process.resume()


async def _tended(world: World, trader: Trader) -> bool:
    """Do what an operator does; returns whether nothing was left to do."""
    world.exchange.faults = NO_FAULTS
    world.outage = Outage.NONE
    store = MemoryStore(world.database, ACCOUNT)
    if world.disturbed > world.accepted or await store.locks():
        world.disturbed = world.accepted + 1
        for lock in await store.locks():
            await store.end_lock(lock.lock_id, "anna", "looked at", world.now_ms)
        await _tidy(world, trader)
        trader.call(trader.stop())
        return False
    if trader.engine.state is not TradingState.ACTIVE:
        resume(world, trader)
        return False
    return True


async def _tidy(world: World, trader: Trader) -> None:
    """Cancel what a stranger's hand has left."""
    for key in list(world.account.open_orders):
        order = world.account.orders[key]
        if order.cid.startswith("hand-"):
            world.exchange._desk.cancel(order, "anna")
    world.drain()


def _settled(world: World, trader: Trader) -> bool:
    """Return whether nothing is at work, wanted or unknown, and nothing is held that can be sold."""
    return (
        all(desk.planner.idle for desk in trader.engine.desks.values())
        and all(order.complete for order in world.tables.book.orders.values())
        and not world.account.open_orders
        and not list(world.folder.iterdir())
    )


def _state(world: World) -> str:
    open_orders = [
        f"{order.cid} {order.status} sent {order.sent_ms}"
        for order in world.tables.book.orders.values()
        if not order.complete
    ]
    theirs = [
        f"{world.account.orders[key].cid} {world.account.orders[key].status}" for key in world.account.open_orders
    ]
    trader = world.trader
    held = [
        f"{symbol} coins {int(desk.planner.position.slot.coins)} want {int(desk.planner.position.slot.want)} "
        f"exit {int(desk.planner.position.slot.exit_mode)} entry {desk.planner.entry} sale {desk.planner.sale} "
        f"idle {desk.planner.idle}"
        for symbol, desk in (trader.engine.desks.items() if trader is not None else ())
    ]
    return f"ours {open_orders}, theirs {theirs}, {held}, journal {list(world.folder.iterdir())}"


async def _final(world: World, trader: Trader) -> None:
    """Compare everything in full; then two more starts must find nothing to do (I11)."""
    await asyncio.sleep(2 * world.plan.engine.trades_s)
    world.check()
    world.violations += await _instant(world, converged=True)
    for intent in filter(unclaimed, world.tables.book.intents.values()):
        if intent.candle_ms + BASE_MS < trader.close_ms:
            world.violate("INBOX", f"{intent.intent_id} of {intent.candle_ms} is open after {trader.close_ms}")
    logs = []
    for _ in range(2):
        trader.call(trader.stop())
        await asyncio.sleep(20.0)
        trader = world.boot()
        for _ in range(round(_START_S / _ROUND_S)):
            await asyncio.sleep(_ROUND_S)
            if trader.ready or not trader.alive:
                break
        await asyncio.sleep(_ROUND_S)
        if not (trader.ready and trader.alive):
            world.violate("I11", f"a start without any fault failed: {trader.refused}")
            return
        logs.append(await _log(world))
    world.check()
    world.violations += check_recovery(logs[0], logs[1])
    world.meet("dust", any(0 < row.holding < 1 for row in logs[1].positions.values()))
    world.trace(repr((logs[1].orders, logs[1].fills, logs[1].entries, logs[1].alarms)))

"""What a step of the safety phase may be: one thing that happens to the world, then some time."""

import asyncio
import random
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any, Final

from huracan.execution.failpoints import Failpoint
from huracan.execution.model import StateChange
from huracan.paper import FaultKind, PaperMarket, ScriptedFault
from huracan.paper.faults import NO_FAULTS
from huracan.risk.live import HaltPolicy, TradingState
from huracan.trader.inbox import EXPIRED
from tests.simulation.flaky_store import Outage
from tests.simulation.plan import ACCOUNT, draw_faults
from tests.simulation.world import FAILPOINTS, Trader, World

__all__ = ["STEPS", "take_step"]

POST = ("POST /api/v3/order", "POST /api/v3/orderList/oco", "")
SCRIPTED = (
    FaultKind.REQUEST_LOST,
    FaultKind.RESPONSE_LOST,
    FaultKind.RESPONSE_LOST,
    FaultKind.ERROR_BEFORE,
    FaultKind.ERROR_AFTER,
    FaultKind.READ_ERROR,
    FaultKind.CANCEL_RACE,
    FaultKind.CANCEL_TIMEOUT,
    FaultKind.MARKET_REMAINDER,
    FaultKind.STREAM_DUPLICATE,
    FaultKind.STREAM_REORDER,
    FaultKind.STREAM_DROP,
)
_PAUSES_S = (0.0, 0.05, 0.5, 2.0, 5.0, 10.0, 20.0, 40.0)
_WEIGHTS = (2, 2, 3, 3, 3, 3, 2, 1)
_ILLEGAL: Final = (6, -1, True, 2.0, float("nan"), "2")


def wait(world: World) -> None:
    """Let time pass."""


def script(world: World) -> None:
    """Let a fault strike the next fitting request."""
    kind = world.rng.choice(SCRIPTED)
    route = "" if kind.value.startswith(("STREAM", "CANCEL", "READ", "MARKET")) else world.rng.choice(POST)
    world.exchange.script(ScriptedFault(kind, route, skip=world.rng.choice((0, 0, 1, 2))))


def storm(world: World) -> None:
    """Let faults strike by chance from now on, or no more."""
    calm, rng = world.exchange.faults.request_lost + world.exchange.faults.response_lost == 0, world.rng
    faults = rng.choice((world.plan.faults, draw_faults(rng))) if calm else NO_FAULTS
    world.exchange.faults = faults


def store(world: World) -> None:
    """Let the store be away for a while."""
    if world.rng.random() < 0.4:
        world.outage_at = world.rng.choice(("begin_order", "mark_sent", "record", "put_intent", "begin_entry"))
        world._loop.call_later(world.rng.choice((30.0, 60.0)), lambda: setattr(world, "outage", Outage.NONE))
        return
    outage = world.rng.choice((Outage.AWAY, Outage.AWAY, Outage.TORN, Outage.SLOW))
    world.outage = outage

    def back() -> None:
        if world.outage is outage:
            world.outage = Outage.NONE

    world._loop.call_later(world.rng.choice((0.5, 3.0, 8.0, 30.0)), back)


def kill(world: World) -> None:
    """SIGKILL."""
    if world.trader is not None:
        world.trader.process.kill()


def kill_at_failpoint(world: World) -> None:
    """SIGKILL at one of the named places of the protocol."""
    if world.trader is None:
        return
    place, left = world.rng.choice(tuple(Failpoint)), [world.rng.choice((0, 0, 1, 2))]

    def arm(name: str) -> bool:
        if name == place.value:
            left[0] -= 1
            world.meet(FAILPOINTS[place], left[0] < 0)
        return left[0] < 0

    world.trader.process.arms.append(arm)


def kill_at_door(world: World) -> None:
    """SIGKILL just before or after a request leaves or a transaction is made."""
    if world.trader is None:
        return
    kinds = (
        "before record",
        "after record",
        "after begin_order",
        "after mark_sent",
        "sent POST",
        "sent DELETE",
        "reply",
    )
    kind, left = world.rng.choice(kinds), [world.rng.choice((0, 1, 3))]

    def arm(name: str) -> bool:
        if name == kind:
            left[0] -= 1
            world.meet("F4 killed inside a transaction", left[0] < 0 and "record" in kind)
        return left[0] < 0

    world.trader.process.arms.append(arm)


def pause(world: World) -> None:
    """SIGSTOP now or at a place of the protocol; another process takes over, and the first one wakes up again."""
    trader = world.trader
    if trader is None or not trader.ready:
        return
    place = world.rng.choice(("", Failpoint.AFTER_T1.value, Failpoint.AFTER_T2.value, "before record"))
    if not place:
        _suspend(world, trader)
        return

    def arm(name: str) -> bool:
        if name == place and not trader.process.paused:
            trader.process.arms.remove(arm)
            _suspend(world, trader)
        return False

    trader.process.arms.append(arm)


def _suspend(world: World, trader: Trader) -> None:
    trader.process.pause()
    world._loop.call_later(world.rng.choice((3.0, 20.0, 60.0)), trader.process.resume)
    if world.rng.random() < 0.8:
        world._loop.call_later(1.0, lambda: world.boot() if world.trader in (trader, None) else None)


def stop(world: World) -> None:
    """SIGTERM, at any time or just when an order leaves."""
    trader = world.trader
    if trader is None or not trader.ready:
        return
    if world.rng.random() < 0.5:
        trader.call(trader.stop())
    else:
        _at_post(trader, lambda: trader.call(trader.stop()))


def _at_post(trader: Trader, what: Callable[[], Any]) -> None:
    """Do something when the next order has just left."""

    def arm(name: str) -> bool:
        if name == "sent POST":
            trader.process.arms.remove(arm)
            asyncio.get_running_loop().call_soon(lambda: what() if trader.alive else None)
        return False

    trader.process.arms.append(arm)


def halt(world: World) -> None:
    """Halt, in the process or by a row in the store; or trade again."""
    trader, rng = world.trader, world.rng
    if trader is None or not trader.ready:
        return
    if world.tables.states and world.tables.states[-1].state != "ACTIVE":
        resume(world, trader)
        return
    policy = rng.choice(tuple(HaltPolicy))
    if rng.random() < 0.5:
        world.meet("halt in process", True)
        trader.ordered = (TradingState.HALTED, policy)
        trader.call(trader.engine.halt(policy, "anna", "drawn"))
    else:
        world.meet("halt by the store", True)
        seq = len(world.tables.states) + 1
        world.tables.states.append(StateChange(seq, "HALTED", "anna", "drawn", world.clock.now_ms()))
    world._loop.call_later(rng.choice((20.0, 90.0)), lambda: resume(world, world.trader))


def resume(world: World, trader: Trader | None) -> None:
    """Trade again, an operator says."""
    if trader is not None and trader.ready and trader.alive:
        world.meet("resume", True)
        trader.ordered = None
        trader.call(trader.engine.resume("anna", "drawn"))


def reduce(world: World) -> None:
    """Let positions only shrink."""
    trader = world.trader
    if trader is not None and trader.ready and trader.engine.state is TradingState.ACTIVE:
        world.meet("reduce", True)
        trader.ordered = (TradingState.REDUCING, None)
        trader.call(trader.engine.reduce("anna", "drawn"))
        world._loop.call_later(60.0, lambda: resume(world, trader))


def skew(world: World) -> None:
    """Set the venue's clock before or after ours."""
    ahead_ms = world.rng.choice((0, 400, -400, 1_500, -1_500, 30_000, -30_000))
    if world.exchange.faults.get_lag and abs(ahead_ms) > 10_000:
        return  # the exchange would hide its news for half a minute when its clock is set right again
    world.exchange.faults = replace(world.exchange.faults, clock_skew_ms=ahead_ms)
    world._loop.call_later(
        world.rng.choice((10.0, 60.0)),
        lambda: setattr(world.exchange, "faults", replace(world.exchange.faults, clock_skew_ms=0)),
    )


def external(world: World) -> None:
    """Somebody else orders on the account; before the first start it would be history, which no ledger has."""
    if not any(trader.ready for trader in world.traders):
        return
    rng, market = world.rng, world.rng.choice(world.plan.markets)
    world.disturbed += 1
    shape: dict[str, Any] = {
        "symbol": market.venue_symbol,
        "quantity": "1",
        "newClientOrderId": f"hand-{rng.getrandbits(32)}",
    }
    if rng.random() < 0.8:
        shape |= {"side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "price": _far(market, world)}
    else:
        shape |= {"side": rng.choice(("BUY", "SELL")), "type": "MARKET"}
    done = world.exchange.external_order(ACCOUNT, shape)
    world.meet("F20 order of a stranger", done.status == 200)
    world.drain()


def _far(market: PaperMarket, world: World) -> str:
    """Return a price at which a buy rests for long."""
    shown = world.exchange._core.state.markets[market.venue_symbol].shown
    return str(shown * 97 // 100 * market.instrument.tick)


def deposit(world: World) -> None:
    """Money comes from nowhere, or nearly all of it goes there just before an order arrives."""
    trader = world.trader
    if trader is not None and trader.ready and world.rng.random() < 0.4:
        _before_post(trader, lambda: _withdraw(world))
        return
    world.disturbed += 1
    world.meet("F20 deposit", True)
    asset = world.rng.choice(("USDT", "USDT", "AAA"))
    world.exchange.deposit(ACCOUNT, asset, world.rng.choice(("12.5", "0.004")))


def _withdraw(world: World) -> None:
    free = world.account.money["USDT"].free
    if free > 1:
        world.disturbed += 1
        world.exchange.deposit(ACCOUNT, "USDT", str(Decimal(1) - free))


def _before_post(trader: Trader, what: Callable[[], Any]) -> None:
    """Do something when the next order is about to leave."""

    def arm(name: str) -> bool:
        if name == "send POST":
            trader.process.arms.remove(arm)
            what()
        return False

    trader.process.arms.append(arm)


def liar(world: World) -> None:
    """Let the stream tell a trade once more, with another quantity."""
    world.exchange.script(ScriptedFault(FaultKind.TRADE_ID_REPEAT))


def look(world: World) -> None:
    """Let an operator look at the alarms, end the locks, and start again."""
    trader = world.trader
    if trader is not None and trader.ready and world.tables.locks:
        world.tables.locks.clear()
        world.disturbed += 1
        trader.call(trader.stop())


def force(world: World) -> None:
    """Let risk force a market out at the next close."""
    world.forced.add(world.rng.choice(world.plan.markets).symbol)


def repeat(world: World) -> None:
    """Let an intent come again."""
    world.repeat = True


def outside(world: World) -> None:
    """Let another process write down what it wants; whoever has the account looks now, and once more later."""
    book = world.tables.book
    intent = world.outside()
    book.intents.setdefault(intent.intent_id, intent)
    for wait_s in (0.1, world.rng.choice((1.0, 10.0))):
        world._loop.call_later(wait_s, lambda: _look_in(world, intent.intent_id))


def _look_in(world: World, intent_id: str) -> None:
    world.meet("outside intent expired", world.tables.book.intents[intent_id].code == EXPIRED)
    for trader in world.traders:
        if trader.ready and trader.alive and not trader.process.paused:
            trader.call(trader.inbox.look())


def illegal(world: World) -> None:
    """Let the policy want what is no action."""
    world.illegal = world.rng.choice(_ILLEGAL)


def cancel_caller(world: World) -> None:
    """Cancel whoever waits for the engine."""
    trader = world.trader

    def cancel() -> None:
        if trader is not None and trader.turn is not None and not trader.turn.done():
            world.meet("F24 caller cancelled", True)
            trader.turn.cancel()

    if trader is not None and world.rng.random() < 0.5:
        _at_post(trader, cancel)
    else:
        cancel()


def poll(world: World) -> None:
    """Let the engine ask for everything."""
    trader = world.trader
    if trader is not None and trader.ready:
        trader.call(trader.engine.poll())


def break_off(world: World) -> None:
    """Close a market for a while."""
    halted = (world.rng.choice(world.plan.markets).venue_symbol,)
    world.exchange.faults = replace(world.exchange.faults, halted=halted)
    world._loop.call_later(
        world.rng.choice((10.0, 70.0)),
        lambda: setattr(world.exchange, "faults", replace(world.exchange.faults, halted=())),
    )


def retell(world: World) -> None:
    """Let the stream tell old events again."""
    for event in world.rng.sample(world.told, min(3, len(world.told))):
        world.tell(event)


STEPS: Final[dict[str, Callable[[World], None]]] = {
    "wait": wait,
    "script": script,
    "storm": storm,
    "store": store,
    "kill": kill,
    "kill_at_failpoint": kill_at_failpoint,
    "kill_at_door": kill_at_door,
    "pause": pause,
    "stop": stop,
    "halt": halt,
    "reduce": reduce,
    "skew": skew,
    "external": external,
    "deposit": deposit,
    "liar": liar,
    "look": look,
    "force": force,
    "repeat": repeat,
    "outside": outside,
    "illegal": illegal,
    "cancel_caller": cancel_caller,
    "poll": poll,
    "break": break_off,
    "retell": retell,
}


def take_step(world: World, rng: random.Random) -> float:
    """Let something happen, and return how long to wait afterwards, s."""
    names = tuple(world.plan.weights)
    name = rng.choices(names, tuple(world.plan.weights.values()))[0]
    world.trace(f"* {world.now_ms} {name}")
    if world.trader is None and rng.random() < 0.5:
        world.boot()
    STEPS[name](world)
    return rng.choices(_PAUSES_S, _WEIGHTS)[0]

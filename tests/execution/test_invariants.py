"""The invariants: silent about a sound world, and each one speaks of its own damage."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from huracan.execution.invariants import INVARIANTS, Sent, Truth, World, check, check_recovery, check_step
from huracan.execution.memory_store import MemoryDatabase, MemoryStore
from huracan.execution.model import (
    Alarm,
    AlarmCode,
    Balances,
    EventLog,
    Fill,
    IntentKind,
    Order,
    StateChange,
    Status,
    Trigger,
)
from huracan.venue.orders import Balance, Side, VenueOrder, VenueStatus, VenueTrade
from tests.execution.samples import NOW_MS, SYMBOL, D, Desk, awaited, bracket, buy, fact, fill, intent
from tests.execution.test_memory_store import HandClock

STATUS = {
    Status.FILLED: VenueStatus.FILLED,
    Status.ACCEPTED: VenueStatus.NEW,
    Status.PARTIALLY_FILLED: VenueStatus.PARTIALLY_FILLED,
    Status.EXPIRED: VenueStatus.EXPIRED,
}


def _at_venue(order: Order) -> VenueOrder:
    draft = order.draft
    return VenueOrder(
        order.cid, "v" + order.cid, draft.symbol, draft.side, draft.kind, STATUS[order.status], draft.quantity,
        draft.price, draft.stop_price, order.filled, order.cost, draft.list_cid, NOW_MS, NOW_MS,
    )  # fmt: skip


def _trade(made: Fill) -> VenueTrade:
    return VenueTrade(
        made.trade_id, f"v{made.cid}", made.symbol, made.side, made.quantity, made.price, made.commission,
        made.commission_asset, made.maker, made.at_ms,
    )  # fmt: skip


async def sound() -> World:
    """Return a bought position with a working bracket, as both sides have it; trading is ACTIVE."""
    desk = await Desk.open(MemoryStore(MemoryDatabase(HandClock()), "main"))
    enter, parent = intent(), intent(kind=IntentKind.PROTECT)
    await desk.bought(enter)
    await desk.store.put_intent(parent)
    legs = bracket(parent, 0, "2.9", "110", "90")
    await desk.submit(*legs)
    await desk.book(fill(legs[0], "3", "1", price="110"), facts=tuple(fact(leg, Trigger.ACCEPT) for leg in legs))
    log = await desk.store.log()
    rows = {asset: Balance(row.free, row.locked) for asset, row in log.balances.items()}
    truth = Truth(tuple(map(_at_venue, log.orders)), tuple(map(_trade, log.fills)), rows)
    sent = (
        Sent(NOW_MS + 1, True, (log.orders[0].cid,), Side.BUY),
        Sent(NOW_MS + 2, True, tuple(leg.cid for leg in legs), Side.SELL),
    )
    intents = {parent.intent_id: parent for parent in (enter, parent)}
    states = (StateChange(1, "ACTIVE", "ann", "start", NOW_MS - 1),)
    return World(log, intents, truth, sent, states, NOW_MS + 1000, {SYMBOL: (D("0.01"), D("0.001"))})


@awaited
async def test_a_sound_world_has_no_violation() -> None:
    """Nothing is said of a world in order, at an instant and converged, nor without the venue's truth."""
    world = await sound()
    assert check(world, converged=True) == ()
    assert check(replace(world, truth=None), converged=True) == ()


def _log(**changes: Callable[[EventLog], object]) -> Callable[[World], World]:
    return lambda world: replace(
        world, log=replace(world.log, **{name: change(world.log) for name, change in changes.items()})  # type: ignore[arg-type]
    )  # fmt: skip


def _first_order(**changes: object) -> Callable[[World], World]:
    return _log(orders=lambda log: (replace(log.orders[0], **changes), *log.orders[1:]))  # type: ignore[arg-type]


def _truth(change: Callable[[Truth], Truth]) -> Callable[[World], World]:
    return lambda world: replace(world, truth=change(world.truth)) if world.truth else world


def _stranger(cid: str, status: VenueStatus = VenueStatus.NEW, side: Side = Side.SELL) -> Callable[[World], World]:
    return _truth(
        lambda truth: replace(
            truth, orders=(*truth.orders, replace(truth.orders[0], cid=cid, status=status, side=side, filled=D(0)))
        )
    )


def _halted(state: str, at_ms: int) -> Callable[[World], World]:
    return lambda world: replace(world, states=(*world.states, StateChange(2, state, "ann", "test", at_ms)))


CID = buy(intent()).cid
OTHER_INTENT = "h00000000000000ab-0"

DAMAGE: dict[str, tuple[str, Callable[[World], World]]] = {
    "accounts do not sum to zero": ("I1", _log(balances=lambda log: {**log.balances, "BNB": Balances(free=D(1))})),
    "locked is negative": (
        "I1",
        _log(balances=lambda log: {**log.balances, "BNB": Balances(locked=D(-1), external=D(1))}),
    ),
    "free is negative and nobody knows": (
        "I1",
        _log(balances=lambda log: {**log.balances, "BNB": Balances(free=D(-1), external=D(1))}),
    ),
    "the venue holds less": (
        "I1",
        _truth(lambda truth: replace(truth, balances={**truth.balances, "USDT": Balance(D(1), D(0))})),
    ),
    "a position is not its fills": (
        "I2",
        _log(positions=lambda log: {SYMBOL: replace(log.positions[SYMBOL], bought=D(9))}),
    ),
    "a position is gone": ("I2", _log(positions=lambda log: {})),
    "an order's sum is not its fills'": ("I3", _first_order(filled=D("2.5"))),
    "an overfill without alarm": (
        "I3",
        lambda world: _first_order(draft=replace(world.log.orders[0].draft, quantity=D(2)))(world),
    ),
    "a cid is POSTed twice": ("I4", lambda world: replace(world, sent=(*world.sent, world.sent[0]))),
    "an intent gets more than it wants": (
        "I4",
        lambda world: replace(
            world, intents={key: replace(value, quantity=D("0.5")) for key, value in world.intents.items()}
        ),
    ),
    "two orders of an intent at once": (
        "I4",
        lambda world: replace(
            world,
            truth=replace(
                world.truth,  # type: ignore[type-var]
                orders=tuple(replace(item, status=VenueStatus.NEW) for item in world.truth.orders),  # type: ignore[union-attr]
            ),
            log=replace(
                world.log,
                orders=tuple(replace(item, draft=replace(item.draft, list_cid=None)) for item in world.log.orders),
            ),
        ),
    ),
    "a venue's trade is not booked": (
        "I5",
        _truth(lambda truth: replace(truth, trades=(*truth.trades, replace(truth.trades[0], trade_id="9")))),
    ),
    "a trade has other figures": (
        "I5",
        _truth(lambda truth: replace(truth, trades=(replace(truth.trades[0], price=D(1)), *truth.trades[1:]))),
    ),
    "an order under our name without a row": ("I6", _stranger(OTHER_INTENT, VenueStatus.FILLED)),
    "a stranger's order nobody was told of": ("I6", _stranger("stranger")),
    "an order waits too long": (
        "I6",
        lambda world: replace(_first_order(status=Status.UNKNOWN)(world), now_ms=NOW_MS + 100_000),
    ),
    "an order the venue does not know": ("I7", _truth(lambda truth: replace(truth, orders=truth.orders[1:]))),
    "sent without being marked": ("I7", _first_order(sent_ms=None)),
    "rejected here, filled there": ("I7", _first_order(status=Status.REJECTED)),
    "the venue may buy what risk does not count": ("I8", _stranger(OTHER_INTENT, VenueStatus.NEW, Side.BUY)),
    "an order leaves while halted": ("I9", _halted("HALTED", NOW_MS)),
    "a buy leaves while reducing": ("I9", _halted("REDUCING", NOW_MS)),
    "an event is missing": ("I10", _log(events=lambda log: (log.events[0], *log.events[2:]))),
    "a ledger that fills do not explain": ("I12", _log(entries=lambda log: log.entries[:-1])),
    "a float": ("I13", _first_order(cost=300.0)),
    "a price off the grid": (
        "I13",
        lambda world: _first_order(draft=replace(world.log.orders[0].draft, price=D("100.001")))(world),
    ),
    "a quantity off the grid": (
        "I13",
        lambda world: replace(world, grids={SYMBOL: (D("0.01"), D("0.7"))}),
    ),
}


@pytest.mark.parametrize("damage", DAMAGE)
@awaited
async def test_damage_is_found_by_its_invariant(damage: str) -> None:
    """One thing wrong, and the invariant that is about it says so."""
    name, change = DAMAGE[damage]
    assert name in {violation.name for violation in check(change(await sound()), converged=True)}


def test_every_invariant_is_damaged_by_some_test() -> None:
    """No check without a case in which it speaks; I10 over time and I11 are tested below."""
    assert {name for name, _, _ in INVARIANTS} == {name for name, _ in DAMAGE.values()}


@awaited
async def test_what_was_alarmed_is_not_a_violation() -> None:
    """A person knows: overfills, short balances and external orders that were alarmed are no violations."""
    world = await sound()
    told = (
        Alarm(AlarmCode.EXTERNAL_ORDER, SYMBOL, NOW_MS, "stranger rests"),
        Alarm(AlarmCode.BALANCE_SHORT, "", NOW_MS, "BNB: 1 taken"),
    )
    damaged = _stranger("stranger")(_log(alarms=lambda log: told)(world))
    assert check(damaged, converged=True) == ()
    short = _log(balances=lambda log: {**log.balances, "BNB": Balances(free=D(-1), external=D(1))})(damaged)
    assert "I1" not in {item.name for item in check(short, converged=False)}


@awaited
async def test_halt_lets_go_what_left_before() -> None:
    """What was sent before the halt, within its slack, or after it ended, is fine; sells are while reducing."""
    world = await sound()
    assert check(_halted("HALTED", NOW_MS + 2)(world), converged=True) == ()
    assert check(replace(_halted("HALTED", NOW_MS)(world), halt_slack_ms=2), converged=True) == ()
    over = replace(_halted("HALTED", NOW_MS - 1)(world))
    over = replace(over, states=(*over.states, StateChange(3, "ACTIVE", "ann", "on", NOW_MS)))
    assert check(over, converged=True) == ()
    assert check(_halted("REDUCING", NOW_MS + 1)(world), converged=True) == ()


@awaited
async def test_history_only_grows() -> None:
    """From one instant to the next nothing is lost, lowered or rewritten (I10)."""
    log = (await sound()).log
    cursors = ({SYMBOL: "9"}, {SYMBOL: "10"})
    assert check_step(log, log, cursors) == ()
    assert check_step(replace(log, events=log.events[:-1], fills=log.fills[:-1]), log, cursors) == ()
    first = log.orders[0]
    for then in (
        replace(log, orders=log.orders[1:]),
        replace(log, orders=(replace(first, filled=D(1)), *log.orders[1:])),
        replace(log, orders=(replace(first, filled=D(9), seq=1), *log.orders[1:])),
        replace(log, orders=(replace(first, sent_ms=NOW_MS + 7), *log.orders[1:])),
        replace(log, orders=(replace(first, status=Status.CANCELED), *log.orders[1:])),
        replace(log, orders=(replace(first, status=Status.ACCEPTED), *log.orders[1:])),
        replace(log, events=log.events[1:]),
        replace(log, fills=(replace(log.fills[0], price=D(1)), *log.fills[1:])),
        replace(log, entries=log.entries[1:]),
    ):
        assert {item.name for item in check_step(log, then, cursors)} == {"I10"}
    assert check_step(log, log, (cursors[1], cursors[0])) != ()
    assert check_step(log, log, (cursors[0], {})) != ()


@awaited
async def test_a_second_recovery_writes_nothing() -> None:
    """I11: recovery repeated is recovery done."""
    log = (await sound()).log
    assert check_recovery(log, log) == ()
    (violation,) = check_recovery(replace(log, events=log.events[:-1]), log)
    assert violation.name == "I11"

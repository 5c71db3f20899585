"""The invariants I1 to I13 as pure checks over our history, the venue's truth and what was sent; violations are values.

The simulator asks after every step, the monitor in production. Most hold at every instant; those that compare with the
venue in full need that nothing is in flight: no fault for a while, everything read back.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from decimal import Decimal, localcontext
from typing import Any, Final

from huracan.execution.book import newer
from huracan.execution.ids import parse_child
from huracan.execution.machine import RANK
from huracan.execution.model import (
    TERMINAL,
    Account,
    AlarmCode,
    EventLog,
    Intent,
    Order,
    StateChange,
    Status,
    assets_of,
)
from huracan.execution.money import EXACT
from huracan.execution.replay import differences
from huracan.venue.orders import TERMINAL as VENUE_TERMINAL
from huracan.venue.orders import Balance, Side, VenueOrder, VenueStatus, VenueTrade

__all__ = [
    "INVARIANTS",
    "Sent",
    "Truth",
    "Violation",
    "World",
    "check",
    "check_recovery",
    "check_step",
]

_AT_VENUE = frozenset(
    {Status.ACCEPTED, Status.PARTIALLY_FILLED, Status.PENDING_CANCEL, Status.FILLED, Status.EXPIRED, Status.CANCELED}
)
_IN_FLIGHT = frozenset({Status.SUBMITTED, Status.UNKNOWN, Status.PENDING_CANCEL})


@dataclass(frozen=True, slots=True)
class Violation:
    """An invariant that does not hold: its name, `I1` to `I13`, and the figures."""

    name: str
    detail: str


@dataclass(frozen=True, slots=True)
class Sent:
    """One request that left for the venue.

    Attributes:
        at_ms: just before the socket write, wall clock.
        post: it creates an order or a list; otherwise it cancels.
        cids: the orders' ids; of a list both legs.
        side: of the orders.
    """

    at_ms: int
    post: bool
    cids: tuple[str, ...]
    side: Side


@dataclass(frozen=True, slots=True)
class Truth:
    """The venue as it is: every order that it ever took of this account, every trade, and the balances."""

    orders: tuple[VenueOrder, ...]
    trades: tuple[VenueTrade, ...]
    balances: Mapping[str, Balance]


@dataclass(frozen=True, slots=True)
class World:
    """Everything the invariants speak of, at one instant.

    Attributes:
        log: our history and projections.
        intents: by id, all that have orders.
        truth: of the venue; None: unknown, and what compares with it is not checked.
        sent: every request so far.
        states: history of the trading state.
        now_ms: wall clock.
        grids: tick and step by symbol.
        flight_max_ms: how long an order may be without an answer.
        halt_slack_ms: how long after a halt a request may still leave.
    """

    log: EventLog
    intents: Mapping[str, Intent]
    truth: Truth | None
    sent: tuple[Sent, ...]
    states: tuple[StateChange, ...]
    now_ms: int
    grids: Mapping[str, tuple[Decimal, Decimal]] = field(default_factory=dict)
    flight_max_ms: int = 60_000
    halt_slack_ms: int = 0


def money(world: World) -> Iterator[str]:
    """I1: per asset the accounts sum to zero, and free and locked are not negative unless that was alarmed."""
    for asset, row in world.log.balances.items():
        with localcontext(EXACT):
            total = sum((getattr(row, account.value.lower()) for account in Account), Decimal(0))
        if total != 0:
            yield f"the accounts of {asset} sum to {total}"
        if row.locked < 0 or (row.free < 0 and not _alarmed(world.log, AlarmCode.BALANCE_SHORT, asset)):
            yield f"{asset}: {row.free} free, {row.locked} locked"


def balances(world: World) -> Iterator[str]:
    """I1, converged: what we believe to hold is what the venue says."""
    if world.truth is None:
        return
    for asset in sorted(world.truth.balances.keys() | world.log.balances.keys()):
        theirs, row = world.truth.balances.get(asset), world.log.balances.get(asset)
        held = theirs.free + theirs.locked if theirs else Decimal(0)
        if held != (row.total if row else 0):
            yield f"{asset}: {row.total if row else 0} here, {held} at the venue"


def position(world: World) -> Iterator[str]:
    """I2: a position is the signed sum of its fills, and its coins are that less fees taken in coins."""
    with localcontext(EXACT):
        for symbol, row in world.log.positions.items():
            base, _ = assets_of(symbol)
            own = [fill for fill in world.log.fills if fill.symbol == symbol]
            quantity = sum((fill.quantity if fill.side is Side.BUY else -fill.quantity for fill in own), Decimal(0))
            fees = sum((fill.commission for fill in own if fill.commission_asset == base), Decimal(0))
            if (row.quantity, row.holding) != (quantity, quantity - fees):
                yield f"{symbol}: {row.quantity}, {row.holding} held; its fills say {quantity}, {quantity - fees}"
    if {fill.symbol for fill in world.log.fills} != set(world.log.positions):
        yield "there are fills without a position, or a position without fills"


def order_sums(world: World) -> Iterator[str]:
    """I3: an order's sums are its fills'; one that is overfilled is alarmed."""
    sums: dict[str, tuple[Decimal, Decimal]] = defaultdict(lambda: (Decimal(0), Decimal(0)))
    with localcontext(EXACT):
        for fill in world.log.fills:
            if fill.cid is not None:
                filled, cost = sums[fill.cid]
                sums[fill.cid] = filled + fill.quantity, cost + fill.quantity * fill.price
    for order in world.log.orders:
        if (order.filled, order.cost) != sums[order.cid]:
            yield f"{order.cid}: {order.filled} at a cost of {order.cost}, its fills sum to {sums[order.cid]}"
        if order.overfill > 0 and not _alarmed(world.log, AlarmCode.OVERFILL, order.cid):
            yield f"{order.cid}: {order.overfill} overfilled and nobody was alarmed"


def one_order(world: World) -> Iterator[str]:
    """I4: a cid is POSTed once; an intent has one live order (or list) at the venue, and gets no more than it wants."""
    posts = Counter(cid for request in world.sent if request.post for cid in request.cids)
    for cid, count in posts.items():
        if count > 1:
            yield f"{cid} was POSTed {count} times"
    drafts = {order.cid: order.draft for order in world.log.orders}
    live: dict[str, set[str]] = defaultdict(set)
    filled: dict[str, Decimal] = defaultdict(Decimal)
    for theirs in world.truth.orders if world.truth else ():
        name = parse_child(theirs.cid)
        if name is not None:
            filled[name.intent_id] += theirs.filled
            if theirs.status not in VENUE_TERMINAL and theirs.cid in drafts:
                live[name.intent_id].add(drafts[theirs.cid].ref)
    for intent_id, refs in live.items():
        if len(refs) > 1:
            yield f"intent {intent_id} has {sorted(refs)} at the venue at once"
    for intent_id, quantity in filled.items():
        wanted = world.intents[intent_id].quantity if intent_id in world.intents else None
        if wanted is not None and quantity > wanted:
            yield f"intent {intent_id} wants {wanted} and got {quantity}"


def no_lost_fill(world: World) -> Iterator[str]:
    """I5, converged: our trades are the venue's, with the same figures."""
    if world.truth is None:
        return
    ours = {fill.key: (fill.side, fill.quantity, fill.price, fill.commission) for fill in world.log.fills}
    theirs = {
        (trade.symbol, trade.trade_id): (trade.side, trade.quantity, trade.price, trade.commission)
        for trade in world.truth.trades
    }
    for key in sorted(ours.keys() | theirs.keys()):
        if ours.get(key) != theirs.get(key):
            yield f"trade {key[1]} of {key[0]}: {ours.get(key)} here, {theirs.get(key)} at the venue"


def no_orphan(world: World) -> Iterator[str]:
    """I6: no order is at the venue under our name without a row here, and none waits for an answer too long."""
    known = {order.cid for order in world.log.orders}
    for theirs in world.truth.orders if world.truth else ():
        if parse_child(theirs.cid) is not None and theirs.cid not in known:
            yield f"{theirs.cid} is at the venue and was never written down"
    for order in world.log.orders:
        since_ms = max(order.updated_ms, order.sent_ms or 0)
        if order.status in _IN_FLIGHT and world.now_ms - since_ms > world.flight_max_ms:
            yield f"{order.cid} is {order.status} for {world.now_ms - since_ms} ms"


def no_stranger(world: World) -> Iterator[str]:
    """I6, converged: what rests at the venue is working here too, or alarmed as external."""
    working = {order.cid for order in world.log.orders if not order.terminal}
    for theirs in world.truth.orders if world.truth else ():
        if theirs.status not in VENUE_TERMINAL and theirs.cid not in working:
            codes = (AlarmCode.EXTERNAL_ORDER, AlarmCode.REVIVED)
            if not any(_alarmed(world.log, code, theirs.cid) for code in codes):
                yield f"{theirs.cid} rests at the venue and is unknown here"


def no_phantom(world: World) -> Iterator[str]:
    """I7: nothing is at the venue by our word alone; what was not marked as sent was not sent."""
    posted = {cid for request in world.sent if request.post for cid in request.cids}
    theirs = {order.cid: order for order in world.truth.orders} if world.truth else {}
    for order in world.log.orders:
        if order.sent_ms is None and (order.cid in posted or order.cid in theirs):
            yield f"{order.cid} is {order.status} without a time of sending, and the venue has seen it"
        if world.truth is None:
            continue
        if order.status in _AT_VENUE and order.cid not in theirs:
            yield f"{order.cid} is {order.status} and the venue does not know it"
        found = theirs.get(order.cid)
        if order.status is Status.REJECTED and found is not None and found.status is not VenueStatus.REJECTED:
            yield f"{order.cid} is taken for rejected, the venue has it as {found.status}"


def exposure(world: World) -> Iterator[str]:
    """I8: what risk counts, working and unknown buys included, is at least what the venue could make us hold."""
    if world.truth is None:
        return
    counted: dict[str, Decimal] = defaultdict(Decimal)
    real: dict[str, Decimal] = defaultdict(Decimal)
    with localcontext(EXACT):
        for symbol, row in world.log.positions.items():
            counted[symbol] += row.quantity
        for order in world.log.orders:
            if order.draft.side is Side.BUY and not order.complete:
                counted[order.draft.symbol] += order.leaves
        for trade in world.truth.trades:
            real[trade.symbol] += trade.quantity if trade.side is Side.BUY else -trade.quantity
        for theirs in world.truth.orders:
            if theirs.side is Side.BUY and theirs.status not in VENUE_TERMINAL and parse_child(theirs.cid):
                real[theirs.symbol] += theirs.quantity - theirs.filled
    external = {alarm.symbol for alarm in world.log.alarms if alarm.code is AlarmCode.EXTERNAL_FILL}
    for symbol, quantity in real.items():
        if quantity > counted[symbol] and symbol not in external:
            yield f"{symbol}: risk counts {counted[symbol]} coins, the venue has or may buy {quantity}"


def halt(world: World) -> Iterator[str]:
    """I9: no order leaves while HALTED, only sells leave while REDUCING; cancels always do."""
    changes = sorted(world.states, key=lambda change: change.seq)
    for number, change in enumerate(changes):
        until_ms = changes[number + 1].at_ms if number + 1 < len(changes) else None
        for request in world.sent:
            inside = request.at_ms > change.at_ms + world.halt_slack_ms and (
                until_ms is None or request.at_ms < until_ms
            )
            forbidden = change.state == "HALTED" or (change.state == "REDUCING" and request.side is Side.BUY)
            if request.post and inside and forbidden:
                yield f"{', '.join(request.cids)} left at {request.at_ms}, {change.state} since {change.at_ms}"


def gap_free(world: World) -> Iterator[str]:
    """I10, at an instant: the events of each order are numbered without gap, and the last one is the order's."""
    numbers: dict[str, list[int]] = defaultdict(list)
    for event in world.log.events:
        numbers[event.cid].append(event.seq)
    for order in world.log.orders:
        if numbers[order.cid] != list(range(1, order.seq + 1)):
            yield f"{order.cid} has events {numbers[order.cid]}, its seq is {order.seq}"


def equal_worlds(world: World) -> Iterator[str]:
    """I12: replaying the history gives the projections."""
    yield from differences(world.log)


def numbers(world: World) -> Iterator[str]:
    """I13: every figure is a finite Decimal; prices and quantities are positive and on the market's grid."""
    log = world.log
    rows: list[Any] = [*log.fills, *log.entries, *log.orders, *(order.draft for order in log.orders)]
    for row in (*rows, *log.reservations.values(), *log.positions.values(), *log.balances.values()):
        for column in fields(row):
            value = getattr(row, column.name)
            if isinstance(value, float) or (isinstance(value, Decimal) and not value.is_finite()):
                yield f"{column.name} of {row} is {value!r}"
    for draft in (order.draft for order in world.log.orders):
        tick, step = world.grids.get(draft.symbol, (None, None))
        for value, unit in ((draft.price, tick), (draft.stop_price, tick), (draft.quantity, step)):
            if value is not None and (value <= 0 or (unit is not None and value % unit != 0)):
                yield f"{draft.cid}: {value} is not positive or no multiple of {unit}"


INVARIANTS: Final[tuple[tuple[str, Callable[[World], Iterator[str]], bool], ...]] = (
    ("I1", money, True),
    ("I1", balances, False),
    ("I2", position, True),
    ("I3", order_sums, True),
    ("I4", one_order, True),
    ("I5", no_lost_fill, False),
    ("I6", no_orphan, True),
    ("I6", no_stranger, False),
    ("I7", no_phantom, True),
    ("I8", exposure, True),
    ("I9", halt, True),
    ("I10", gap_free, True),
    ("I12", equal_worlds, True),
    ("I13", numbers, True),
)
"""Name, check, and whether it holds at every instant; I10 over time is `check_step`, I11 `check_recovery`."""


def check(world: World, converged: bool) -> tuple[Violation, ...]:
    """Return every violation; with `converged` also of what holds only when nothing is in flight."""
    return tuple(
        Violation(name, detail)
        for name, invariant, always in INVARIANTS
        if always or converged
        for detail in invariant(world)
    )


def check_step(
    before: EventLog, after: EventLog, cursors: tuple[Mapping[str, str], Mapping[str, str]]
) -> tuple[Violation, ...]:
    """Return violations of I10 between two instants: history grows, sums and cursors do not fall, ends stay ends."""
    out = []
    now: dict[str, Order] = {order.cid: order for order in after.orders}
    for order in before.orders:
        then = now.get(order.cid)
        if then is None or then.draft != order.draft:
            out.append(f"{order.cid} is gone or another order")
        elif any(
            getattr(then, name) < getattr(order, name) for name in ("filled", "cost", "seq", "venue_filled")
        ) or order.sent_ms not in (None, then.sent_ms):
            out.append(f"{order.cid} went back from {order} to {then}")
        elif order.status in TERMINAL and RANK.get(then.status, 0) < RANK[order.status]:
            out.append(f"{order.cid} was {order.status} and is {then.status}")
    for what, old, new in (
        ("events", set(before.events), set(after.events)),
        ("fills", set(before.fills), set(after.fills)),
    ):
        if not old <= new:
            out.append(f"{what} are gone or changed: {sorted(map(str, old - new))[:3]}")
    if after.entries[: len(before.entries)] != before.entries:
        out.append("the ledger's past has changed")
    for symbol, trade_id in cursors[0].items():
        if symbol not in cursors[1] or newer(trade_id, cursors[1][symbol]):
            out.append(f"the cursor of {symbol} went back from {trade_id} to {cursors[1].get(symbol)}")
    return tuple(Violation("I10", detail) for detail in out)


def check_recovery(first: EventLog, second: EventLog) -> tuple[Violation, ...]:
    """Return violations of I11: after one recovery, another one must find nothing to write."""
    if first == second:
        return ()
    more = [event for event in second.events if event not in set(first.events)]
    return (Violation("I11", f"a second recovery wrote {len(more)} events, e.g. {more[:1]}"),)


def _alarmed(log: EventLog, code: AlarmCode, word: str) -> bool:
    return any(alarm.code is code and word in alarm.detail for alarm in log.alarms)

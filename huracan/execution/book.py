"""The book of one account as pure functions: a request and what is known give what changes, or a refusal.

Both stores write what comes out of here, so an order means the same in simulation and in Postgres. Nothing in a `Book`
changes until `Book.commit`, which a store calls after its own write has succeeded.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal, localcontext

from huracan.errors import InvariantError
from huracan.execution.ids import intent_id
from huracan.execution.ledger import (
    book_entry,
    book_position,
    fill_entries,
    lock_entry,
    release_entry,
    transfer_entry,
)
from huracan.execution.machine import advance, fill_event, state_event, submit_event
from huracan.execution.model import (
    Alarm,
    AlarmCode,
    Balances,
    Booked,
    Draft,
    Fill,
    Intent,
    IntentKind,
    IntentStatus,
    LedgerEntry,
    Lock,
    Order,
    OrderEvent,
    OrderFact,
    Position,
    Record,
    Reservation,
    Shortfall,
    SlotRow,
    Status,
    Trigger,
)
from huracan.execution.money import EXACT
from huracan.memory import TradeRows

__all__ = [
    "Book",
    "Delta",
    "begin",
    "check_intent",
    "check_trades",
    "check_words",
    "halts",
    "mark",
    "newer",
    "record",
    "settle",
    "unclaimed",
]

QUIET = frozenset({AlarmCode.BALANCE_SHORT, AlarmCode.CLOCK})
_ABSENT = frozenset({Status.REJECTED, Status.NEVER_SENT})
_REVIVING = frozenset({Trigger.ACCEPT, Trigger.CANCEL_REFUSED, Trigger.CANCEL, Trigger.EXPIRE})


@dataclass(slots=True)
class Book:
    """What is known of one account; a store that keeps the rest on disk holds what is not over."""

    intents: dict[str, Intent] = field(default_factory=dict)
    orders: dict[str, Order] = field(default_factory=dict)
    children: dict[str, list[str]] = field(default_factory=dict)
    reservations: dict[str, Reservation] = field(default_factory=dict)
    balances: dict[str, Balances] = field(default_factory=dict)
    positions: dict[str, Position] = field(default_factory=dict)
    cursors: dict[str, str] = field(default_factory=dict)
    slots: dict[str, SlotRow] = field(default_factory=dict)

    def add_order(self, order: Order) -> None:
        """Put an order in, new or changed."""
        if order.cid not in self.orders:
            self.children.setdefault(order.draft.intent_id, []).append(order.cid)
        self.orders[order.cid] = order

    def of_intent(self, intent_id: str) -> tuple[Order, ...]:
        """Return the known children of an intent, oldest first."""
        return tuple(self.orders[cid] for cid in self.children.get(intent_id, ()))

    def commit(self, delta: "Delta") -> None:
        """Make a change that has been written."""
        for order in delta.orders.values():
            self.add_order(order)
        for ref, reservation in delta.reservations.items():
            if reservation is None:
                self.reservations.pop(ref, None)
            else:
                self.reservations[ref] = reservation
        self.balances.update(delta.balances)
        self.positions.update(delta.positions)
        self.cursors.update(delta.cursors)
        self.slots.update({slot.symbol: slot for slot in delta.slots})

    def forget(self, intent_id: str) -> None:
        """Let go of a closed intent whose orders are all complete: they can be read again when they are asked for."""
        if all(order.complete for order in self.of_intent(intent_id)):
            for cid in self.children.pop(intent_id, []):
                del self.orders[cid]
            self.intents.pop(intent_id, None)


@dataclass(slots=True)
class Delta:
    """What a request changes: rows to add, and rows as they are afterwards (a reservation of None is to go)."""

    book: Book
    orders: dict[str, Order] = field(default_factory=dict)
    events: list[OrderEvent] = field(default_factory=list)
    fills: list[Fill] = field(default_factory=list)
    entries: list[LedgerEntry] = field(default_factory=list)
    reservations: dict[str, Reservation | None] = field(default_factory=dict)
    balances: dict[str, Balances] = field(default_factory=dict)
    positions: dict[str, Position] = field(default_factory=dict)
    cursors: dict[str, str] = field(default_factory=dict)
    slots: tuple[SlotRow, ...] = ()
    alarms: list[Alarm] = field(default_factory=list)
    locks: list[Lock] = field(default_factory=list)

    def order(self, cid: str) -> Order:
        """Return an order as changed so far."""
        found = self.orders.get(cid) or self.book.orders.get(cid)
        if found is None:
            raise InvariantError(f"there is no order {cid}")
        return found

    def reservation(self, ref: str) -> Reservation | None:
        """Return a reservation as changed so far."""
        return self.reservations[ref] if ref in self.reservations else self.book.reservations.get(ref)

    def enter(self, entry: LedgerEntry) -> None:
        """Book one entry; a free balance that turns negative is an alarm, not an error: the money did move."""
        before = self.balances.get(entry.asset) or self.book.balances.get(entry.asset, Balances())
        after = self.balances[entry.asset] = book_entry(before, entry)
        self.entries.append(entry)
        if after.free < 0 <= before.free:
            detail = f"{entry.asset}: {entry.amount} taken from {before.free} free"
            self.alarms.append(Alarm(AlarmCode.BALANCE_SHORT, entry.symbol, entry.at_ms, detail))

    def happen(self, event: OrderEvent, draft: Draft, fill: Fill | None = None) -> None:
        """Append an event and make it so."""
        before = None if event.trigger is Trigger.SUBMIT else self.order(event.cid)
        self.orders[event.cid] = advance(before, event, draft, fill)
        self.events.append(event)

    def booked(self, locks: tuple[Lock, ...]) -> Booked:
        """Return what a caller is told, with the locks as they were written."""
        return Booked(tuple(self.orders.values()), tuple(self.events), tuple(self.fills), tuple(self.alarms), locks)


def settle(intent: Intent | None, name: str, status: IntentStatus, code: str, quantity: Decimal | None) -> Intent:
    """Return an intent as `Store.update_intent` leaves it.

    Raises:
        InvariantError: there is none, or its quantity is already another one.
    """
    if intent is None:
        raise InvariantError(f"there is no intent {name}")
    if quantity is not None and intent.quantity not in (None, quantity):
        raise InvariantError(f"intent {name} wants {intent.quantity}, that cannot become {quantity}")
    return replace(
        intent,
        status=status,
        code=code,
        quantity=intent.quantity if quantity is None else quantity,
        state=b"" if status is IntentStatus.DONE else intent.state,
    )


def begin(book: Book, drafts: Sequence[Draft], reservation: Reservation) -> Delta | Shortfall | tuple[Order, ...]:
    """T1: return the change that writes the orders down, the shortfall, or the orders when they already are.

    Raises:
        InvariantError: see `Store.begin_order`.
    """
    known = tuple(book.orders[draft.cid] for draft in drafts if draft.cid in book.orders)
    if known:
        if tuple(order.draft for order in known) != tuple(drafts):
            raise InvariantError(f"{known[0].cid} is another order already; a client order id is used once")
        return known
    _check_drafts(book, drafts, reservation)
    free = book.balances.get(reservation.asset, Balances()).free
    if free < reservation.amount:
        return Shortfall(reservation.asset, free, reservation.amount)
    delta = Delta(book)
    for draft in drafts:
        delta.happen(submit_event(draft), draft)
    delta.enter(lock_entry(reservation, drafts[0].created_ms))
    delta.reservations[reservation.ref] = reservation
    return delta


def _check_drafts(book: Book, drafts: Sequence[Draft], reservation: Reservation) -> None:
    """Pair assertion of I4: one live order per intent, and never more than the intent wants."""
    first, refs = drafts[0], {draft.ref for draft in drafts}
    same = {(draft.intent_id, draft.symbol, draft.side, draft.quantity) for draft in drafts}
    if len(drafts) > 2 or (len(drafts) == 2) != (first.list_cid is not None) or len(refs) != 1 or len(same) != 1:
        raise InvariantError(f"{first.cid}: an order alone, or the two legs of one list with the same quantity")
    if (reservation.ref, reservation.intent_id, reservation.symbol) != (first.ref, first.intent_id, first.symbol):
        raise InvariantError(f"{first.cid}: reservation {reservation.ref} of {reservation.symbol} is not its own")
    if reservation.ref in book.reservations:
        raise InvariantError(f"{first.cid}: {reservation.ref} is reserved already")
    intent = book.intents.get(first.intent_id)
    if intent is None or intent.status is not IntentStatus.OPEN or intent.quantity is None:
        raise InvariantError(f"{first.cid}: its intent does not exist, is not open, or has no quantity")
    if (intent.symbol, intent.side) != (first.symbol, first.side):
        raise InvariantError(f"{first.cid}: {first.side} {first.symbol} of an intent to {intent.side} {intent.symbol}")
    others = book.of_intent(first.intent_id)
    if live := [order.cid for order in others if not order.complete]:
        raise InvariantError(f"{first.cid}: {', '.join(live)} of the same intent is not over")
    with localcontext(EXACT):
        most = sum((order.filled for order in others), first.quantity)
    if most > intent.quantity:
        raise InvariantError(f"{first.cid}: {most} could fill where the intent wants {intent.quantity}")


def mark(book: Book, cids: Sequence[str], at_ms: int) -> tuple[Order, ...]:
    """T2: return the orders as sent at `at_ms`.

    Raises:
        InvariantError: see `Store.mark_sent`.
    """
    marked = []
    for cid in cids:
        order = book.orders.get(cid)
        if order is None or order.status is not Status.SUBMITTED or order.sent_ms is not None:
            raise InvariantError(f"{cid} is not to be sent: {order.status if order else 'no such order'}")
        marked.append(replace(order, sent_ms=at_ms))
    return tuple(marked)


def record(book: Book, request: Record, known: Mapping[tuple[str, str], Fill]) -> Delta:
    """T3: return the change that books everything new in `request`.

    Args:
        book: must hold every order that the request names.
        request: facts, fills and the rest.
        known: the booked fills among those of the request, by key.

    Raises:
        InvariantError: see `Store.record`.
    """
    delta = Delta(book, slots=request.slots, alarms=list(request.alarms), locks=list(request.locks))
    for transfer in request.transfers:
        delta.enter(transfer_entry(transfer))
    touched: dict[str, int] = {}
    for fact in request.facts:
        order = delta.order(fact.cid)
        touched[order.draft.ref] = fact.at_ms
        _state(delta, order, fact)
    booked = dict(known)
    for fill in request.fills:
        if fill.key in booked:
            _repeated(delta, booked[fill.key], fill, {slot.symbol for slot in request.slots})
            continue
        booked[fill.key] = fill
        if fill.cid is None:
            _external(delta, fill)
        else:
            touched[delta.order(fill.cid).draft.ref] = fill.at_ms
            _fill(delta, delta.order(fill.cid), fill)
    for ref, at_ms in touched.items():
        _release(delta, ref, at_ms)
    for symbol, trade_id in request.cursors.items():
        if newer(trade_id, book.cursors.get(symbol)):
            delta.cursors[symbol] = trade_id
    return delta


def _state(delta: Delta, order: Order, fact: OrderFact) -> None:
    if order.status in _ABSENT and fact.trigger in _REVIVING:
        detail = f"{order.cid} was {order.status} ({order.reason}), the venue says {fact.trigger}"
        delta.alarms.append(Alarm(AlarmCode.REVIVED, order.draft.symbol, fact.at_ms, detail))
    event = state_event(order, fact)
    if event is not None:
        delta.happen(event, order.draft)


def _fill(delta: Delta, order: Order, fill: Fill) -> None:
    if (order.draft.symbol, order.draft.side) != (fill.symbol, fill.side):
        raise InvariantError(f"trade {fill.trade_id} {fill.side} {fill.symbol} is no fill of {order.cid}")
    delta.happen(fill_event(order, fill), order.draft, fill)
    after = delta.order(order.cid)
    if order.status in _ABSENT or (order.status is Status.EXPIRED and after.filled > after.venue_filled):
        detail = f"{order.cid} was {order.status} with {order.venue_filled} executed, now {after.filled} are filled"
        delta.alarms.append(Alarm(AlarmCode.FILL_AFTER_END, fill.symbol, fill.at_ms, detail))
    if after.overfill > 0:
        detail = f"{order.cid} filled {after.filled} of {order.draft.quantity}"
        delta.alarms.append(Alarm(AlarmCode.OVERFILL, fill.symbol, fill.at_ms, detail))
    _book_fill(delta, fill, order.draft.ref)


def _external(delta: Delta, fill: Fill) -> None:
    detail = f"trade {fill.trade_id}: {fill.side} {fill.quantity} at {fill.price} by no order of ours"
    delta.alarms.append(Alarm(AlarmCode.EXTERNAL_FILL, fill.symbol, fill.at_ms, detail))
    _book_fill(delta, fill, "")


def _book_fill(delta: Delta, fill: Fill, ref: str) -> None:
    before = delta.reservation(ref)
    entries, after = fill_entries(fill, before)
    for entry in entries:
        delta.enter(entry)
    if after is not before:
        delta.reservations[ref] = after
    position = delta.positions.get(fill.symbol) or delta.book.positions.get(fill.symbol, Position(fill.symbol))
    delta.positions[fill.symbol] = book_position(position, fill)
    delta.fills.append(fill)


def _repeated(delta: Delta, first: Fill, fill: Fill, slotted: set[str]) -> None:
    if fill.symbol in slotted:
        raise InvariantError(f"trade {fill.trade_id} of {fill.symbol} is booked already: its slot would count it twice")
    if first.figures != fill.figures:
        detail = f"trade {fill.trade_id} was {_shown(first)}, now it is said to be {_shown(fill)}"
        delta.alarms.append(Alarm(AlarmCode.TRADE_CHANGED, fill.symbol, fill.at_ms, detail))


def _shown(fill: Fill) -> str:
    return f"{fill.cid} {fill.side} {fill.quantity:f} at {fill.price:f} fee {fill.commission:f} {fill.commission_asset}"


def _release(delta: Delta, ref: str, at_ms: int) -> None:
    """Free what is left once every order of the reservation is complete: until then it may still be spent."""
    reservation = delta.reservation(ref)
    if reservation is None:
        return
    siblings = delta.book.of_intent(reservation.intent_id)
    if all(delta.order(order.cid).complete for order in siblings if order.draft.ref == ref):
        entry = release_entry(reservation, at_ms)
        if entry is not None:
            delta.enter(entry)
        delta.reservations[ref] = None


def halts(delta: Delta, in_force: Sequence[Lock]) -> None:
    """Lock every symbol that an alarm names until a person has looked; drop alarms that already did so.

    Args:
        delta: its alarms and locks are completed.
        in_force: locks that nobody ended.
    """
    held = {(lock.symbol, lock.code, lock.detail) for lock in in_force}
    kept: list[Alarm] = []
    for alarm in delta.alarms:
        if alarm.code in QUIET or not alarm.symbol:
            kept.append(alarm)
        elif (key := (alarm.symbol, alarm.code.value, alarm.detail)) not in held:
            held.add(key)
            kept.append(alarm)
            delta.locks.append(Lock(alarm.symbol, alarm.code, alarm.detail, "ledger", alarm.at_ms, None))
    delta.alarms = kept


def check_intent(intent: Intent, account: str) -> None:
    """Refuse an intent of another account, or under a name that is not its own."""
    named = intent_id(intent.account, intent.symbol, intent.candle_ms, intent.kind)
    if intent.account != account or intent.intent_id != named:
        raise InvariantError(f"intent {intent.intent_id} of {intent.account} is no intent of {account}: it is {named}")


def unclaimed(intent: Intent) -> bool:
    """Return whether an entry or exit was written down and nobody has acted on it yet."""
    wanted = intent.kind in (IntentKind.ENTER, IntentKind.EXIT)
    return wanted and intent.status is IntentStatus.OPEN and intent.quantity is None


def check_trades(trades: TradeRows | None, account: str) -> None:
    """Refuse closed trades of another account, or of shadow trading."""
    if trades is not None and (set(trades.account) - {account} or "shadow" in trades.mode):
        raise InvariantError(f"closed trades of {sorted(set(trades.account))} are no trades of account {account}")


def check_words(author: str, reason: str) -> None:
    """Refuse a change by nobody or for no reason."""
    if not author.strip() or not reason.strip():
        raise InvariantError("a change of locks or of the trading state needs an author and a reason")


def newer(trade_id: str, than: str | None) -> bool:
    """Return whether a trade id comes after another; venues number them, and a longer number is a later one."""
    return than is None or (len(trade_id), trade_id) > (len(than), than)

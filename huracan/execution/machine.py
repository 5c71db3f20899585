"""The order state machine: one table from (status, trigger) to status, and what an event makes of an order.

Venues report out of order and more than once, so the table is built for every order of arrival to end the same: fills
add up whatever the status, and of two words on an order's end the higher one stays, in the order NEVER_SENT, REJECTED,
CANCELED, EXPIRED, FILLED. Only a fill that completes an order, or a higher word, changes a terminal status.
"""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal, localcontext
from typing import Final

from huracan.errors import InvariantError
from huracan.execution.model import Draft, Fill, Order, OrderEvent, OrderFact, Status, Trigger
from huracan.execution.money import EXACT

__all__ = ["RANK", "TRANSITIONS", "advance", "fill_event", "next_status", "state_event", "submit_event"]

S, T = Status, Trigger

# fmt: off
TRANSITIONS: Final[Mapping[tuple[Status, Trigger], Status]] = {
    (S.SUBMITTED, T.LOSE): S.UNKNOWN,
    (S.SUBMITTED, T.ACCEPT): S.ACCEPTED,
    (S.SUBMITTED, T.FILL_PART): S.PARTIALLY_FILLED,  # the fill overtook the acknowledgement
    (S.SUBMITTED, T.FILL_ALL): S.FILLED,  # likewise
    (S.SUBMITTED, T.CANCEL_SENT): S.SUBMITTED,  # whether it arrived matters more than that it is to go
    (S.SUBMITTED, T.CANCEL_REFUSED): S.ACCEPTED,  # it rests, so it had arrived
    (S.SUBMITTED, T.CANCEL): S.CANCELED,  # the acknowledgement was lost
    (S.SUBMITTED, T.EXPIRE): S.EXPIRED,  # IOC, FOK and market orders end in their first answer
    (S.SUBMITTED, T.REJECT): S.REJECTED,
    (S.SUBMITTED, T.ABANDON): S.NEVER_SENT,  # only while `sent_ms` is None, which `advance` demands

    (S.UNKNOWN, T.LOSE): S.UNKNOWN,
    (S.UNKNOWN, T.ACCEPT): S.ACCEPTED,
    (S.UNKNOWN, T.FILL_PART): S.PARTIALLY_FILLED,  # a fill proves that it arrived
    (S.UNKNOWN, T.FILL_ALL): S.FILLED,
    (S.UNKNOWN, T.CANCEL_SENT): S.UNKNOWN,  # a cancel by the resolver does not make it known
    (S.UNKNOWN, T.CANCEL_REFUSED): S.ACCEPTED,
    (S.UNKNOWN, T.CANCEL): S.CANCELED,
    (S.UNKNOWN, T.EXPIRE): S.EXPIRED,
    (S.UNKNOWN, T.REJECT): S.REJECTED,  # the resolver's proof of absence

    (S.ACCEPTED, T.LOSE): S.ACCEPTED,  # the stream was faster than the timeout: known beats unknown
    (S.ACCEPTED, T.ACCEPT): S.ACCEPTED,
    (S.ACCEPTED, T.FILL_PART): S.PARTIALLY_FILLED,
    (S.ACCEPTED, T.FILL_ALL): S.FILLED,
    (S.ACCEPTED, T.CANCEL_SENT): S.PENDING_CANCEL,
    (S.ACCEPTED, T.CANCEL_REFUSED): S.ACCEPTED,
    (S.ACCEPTED, T.CANCEL): S.CANCELED,
    (S.ACCEPTED, T.EXPIRE): S.EXPIRED,
    (S.ACCEPTED, T.REJECT): S.REJECTED,  # venues may refuse after acknowledging

    (S.PARTIALLY_FILLED, T.LOSE): S.PARTIALLY_FILLED,
    (S.PARTIALLY_FILLED, T.ACCEPT): S.PARTIALLY_FILLED,  # the acknowledgement came after the fill
    (S.PARTIALLY_FILLED, T.FILL_PART): S.PARTIALLY_FILLED,
    (S.PARTIALLY_FILLED, T.FILL_ALL): S.FILLED,
    (S.PARTIALLY_FILLED, T.CANCEL_SENT): S.PENDING_CANCEL,
    (S.PARTIALLY_FILLED, T.CANCEL_REFUSED): S.PARTIALLY_FILLED,
    (S.PARTIALLY_FILLED, T.CANCEL): S.CANCELED,
    (S.PARTIALLY_FILLED, T.EXPIRE): S.EXPIRED,
    (S.PARTIALLY_FILLED, T.REJECT): S.PARTIALLY_FILLED,  # a fill disproves it

    (S.PENDING_CANCEL, T.LOSE): S.PENDING_CANCEL,
    (S.PENDING_CANCEL, T.ACCEPT): S.PENDING_CANCEL,  # late: says nothing about the cancel
    (S.PENDING_CANCEL, T.FILL_PART): S.PENDING_CANCEL,  # fills race cancels
    (S.PENDING_CANCEL, T.FILL_ALL): S.FILLED,
    (S.PENDING_CANCEL, T.CANCEL_SENT): S.PENDING_CANCEL,  # a repeated cancel is harmless
    (S.PENDING_CANCEL, T.CANCEL_REFUSED): S.ACCEPTED,  # `advance` makes it PARTIALLY_FILLED when it has fills
    (S.PENDING_CANCEL, T.CANCEL): S.CANCELED,
    (S.PENDING_CANCEL, T.EXPIRE): S.EXPIRED,
    (S.PENDING_CANCEL, T.REJECT): S.REJECTED,

    # From here on the order is over; what still arrives is late, and fills are booked all the same.
    (S.FILLED, T.LOSE): S.FILLED,
    (S.FILLED, T.ACCEPT): S.FILLED,
    (S.FILLED, T.FILL_PART): S.FILLED,  # overfill: booked, alarmed, the symbol halts
    (S.FILLED, T.FILL_ALL): S.FILLED,  # likewise
    (S.FILLED, T.CANCEL_SENT): S.FILLED,
    (S.FILLED, T.CANCEL_REFUSED): S.FILLED,
    (S.FILLED, T.CANCEL): S.FILLED,
    (S.FILLED, T.EXPIRE): S.FILLED,
    (S.FILLED, T.REJECT): S.FILLED,

    (S.EXPIRED, T.LOSE): S.EXPIRED,
    (S.EXPIRED, T.ACCEPT): S.EXPIRED,
    (S.EXPIRED, T.FILL_PART): S.EXPIRED,  # its trades came after its status; beyond what it expired with: alarm
    (S.EXPIRED, T.FILL_ALL): S.FILLED,
    (S.EXPIRED, T.CANCEL_SENT): S.EXPIRED,
    (S.EXPIRED, T.CANCEL_REFUSED): S.EXPIRED,
    (S.EXPIRED, T.CANCEL): S.EXPIRED,  # the venue's own ending is the better word
    (S.EXPIRED, T.EXPIRE): S.EXPIRED,
    (S.EXPIRED, T.REJECT): S.EXPIRED,

    (S.CANCELED, T.LOSE): S.CANCELED,
    (S.CANCELED, T.ACCEPT): S.CANCELED,
    (S.CANCELED, T.FILL_PART): S.CANCELED,  # the fill happened before the cancel and was told after it
    (S.CANCELED, T.FILL_ALL): S.FILLED,  # likewise, and nothing was left to cancel
    (S.CANCELED, T.CANCEL_SENT): S.CANCELED,
    (S.CANCELED, T.CANCEL_REFUSED): S.CANCELED,
    (S.CANCELED, T.CANCEL): S.CANCELED,
    (S.CANCELED, T.EXPIRE): S.EXPIRED,  # see (EXPIRED, CANCEL)
    (S.CANCELED, T.REJECT): S.CANCELED,

    (S.REJECTED, T.LOSE): S.REJECTED,
    (S.REJECTED, T.ACCEPT): S.REJECTED,  # it was taken for absent: alarm, the symbol halts, the orphan is canceled
    (S.REJECTED, T.FILL_PART): S.REJECTED,  # alarm, and booked: money wins over labels
    (S.REJECTED, T.FILL_ALL): S.FILLED,  # likewise
    (S.REJECTED, T.CANCEL_SENT): S.REJECTED,
    (S.REJECTED, T.CANCEL_REFUSED): S.REJECTED,
    (S.REJECTED, T.CANCEL): S.CANCELED,  # the venue knew it after all: alarm
    (S.REJECTED, T.EXPIRE): S.EXPIRED,  # likewise
    (S.REJECTED, T.REJECT): S.REJECTED,

    (S.NEVER_SENT, T.ACCEPT): S.NEVER_SENT,  # impossible unless someone else uses our ids: alarm
    (S.NEVER_SENT, T.FILL_PART): S.NEVER_SENT,  # likewise, and booked
    (S.NEVER_SENT, T.FILL_ALL): S.FILLED,  # likewise
    (S.NEVER_SENT, T.CANCEL): S.CANCELED,  # likewise
    (S.NEVER_SENT, T.EXPIRE): S.EXPIRED,  # likewise
    (S.NEVER_SENT, T.ABANDON): S.NEVER_SENT,
}
# fmt: on

RANK: Final[Mapping[Status, int]] = {
    S.NEVER_SENT: 1,
    S.REJECTED: 2,
    S.CANCELED: 3,
    S.EXPIRED: 4,
    S.FILLED: 5,
}
"""How much a terminal status is worth: it changes for a higher one only."""


def next_status(order: Order, trigger: Trigger) -> Status:
    """Return where `trigger` takes the order.

    Raises:
        InvariantError: the table has no such row, or an order that may have been sent is to be abandoned.
    """
    found = TRANSITIONS.get((order.status, trigger))
    if found is None or (trigger is T.ABANDON and order.sent_ms is not None):
        raise InvariantError(f"order {order.cid} is {order.status}, sent at {order.sent_ms}: {trigger} is impossible")
    return S.PARTIALLY_FILLED if found is S.ACCEPTED and order.filled > 0 else found


def submit_event(draft: Draft) -> OrderEvent:
    """Return the first event of an order."""
    return OrderEvent(draft.cid, 1, T.SUBMIT, S.SUBMITTED, draft.created_ms)


def state_event(order: Order, fact: OrderFact) -> OrderEvent | None:
    """Return the event that a fact makes; None when it says nothing new.

    Raises:
        InvariantError: the order cannot get there, or the venue calls it by another id than before.
    """
    if fact.venue_id is not None and order.venue_id not in (None, fact.venue_id):
        raise InvariantError(
            f"order {order.cid} is {order.venue_id} at the venue, now it is said to be {fact.venue_id}"
        )
    status = next_status(order, fact.trigger)
    more = fact.venue_filled is not None and fact.venue_filled > order.venue_filled
    if status is order.status and not more and fact.venue_id in (None, order.venue_id):
        return None
    return OrderEvent(
        cid=order.cid,
        seq=order.seq + 1,
        trigger=fact.trigger,
        status=status,
        at_ms=fact.at_ms,
        venue_id=fact.venue_id if order.venue_id is None else None,
        venue_filled=fact.venue_filled if more else None,
        reason=fact.reason if status is not order.status else "",
    )


def fill_event(order: Order, fill: Fill) -> OrderEvent:
    """Return the event of a fill that is not booked yet."""
    with localcontext(EXACT):
        complete = order.filled + fill.quantity >= order.draft.quantity
    trigger = T.FILL_ALL if complete else T.FILL_PART
    status = next_status(order, trigger)
    return OrderEvent(order.cid, order.seq + 1, trigger, status, fill.at_ms, trade_id=fill.trade_id)


def advance(order: Order | None, event: OrderEvent, draft: Draft, fill: Fill | None) -> Order:
    """Return the order after its next event; None before the first one. Replay and booking both go through here.

    Args:
        order: before; None for the first event.
        event: the next one.
        draft: of the order.
        fill: the fill of a fill's event.

    Raises:
        InvariantError: the events have a gap, or do not belong together.
    """
    if order is None:
        if event.seq != 1 or event.trigger is not T.SUBMIT:
            raise InvariantError(f"order {event.cid} begins with event {event.seq} {event.trigger}")
        return Order(draft, S.SUBMITTED, updated_ms=event.at_ms)
    if event.seq != order.seq + 1 or event.cid != order.cid:
        raise InvariantError(f"order {order.cid}: event {event.seq} of {event.cid} follows {order.seq}")
    if (fill is not None) != (event.trade_id is not None):
        raise InvariantError(f"order {order.cid}: event {event.seq} and its fill do not belong together")
    filled, cost = order.filled, order.cost
    if fill is not None:
        with localcontext(EXACT):
            filled, cost = filled + fill.quantity, cost + fill.price * fill.quantity
    return replace(
        order,
        status=event.status,
        venue_id=order.venue_id or event.venue_id,
        filled=filled,
        cost=cost,
        venue_filled=max(order.venue_filled, event.venue_filled or Decimal(0)),
        seq=event.seq,
        updated_ms=max(order.updated_ms, event.at_ms),
        reason=event.reason or order.reason,
    )

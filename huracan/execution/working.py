"""What the venue has said of a child of ours, leg by leg: statuses only go forward, trades are counted once."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from huracan.execution.commands import Leg, Place
from huracan.execution.model import Fill, Order, OrderFact, Status, Trigger
from huracan.venue.orders import TERMINAL, OcoRequest, VenueOrder, VenueStatus, VenueTrade

__all__ = ["LegState", "Sorted", "Working", "Works", "fact_of", "fill_of", "working_of"]

_SEEN_MAX: Final = 20_000
_WORKS_MAX: Final = 64
_TRIGGERS: Final = {
    VenueStatus.CANCELED: Trigger.CANCEL,
    VenueStatus.EXPIRED: Trigger.EXPIRE,
    VenueStatus.EXPIRED_IN_MATCH: Trigger.EXPIRE,
    VenueStatus.REJECTED: Trigger.REJECT,
}
_ENDED: Final = {
    Status.FILLED: VenueStatus.FILLED,
    Status.CANCELED: VenueStatus.CANCELED,
    Status.EXPIRED: VenueStatus.EXPIRED,
    Status.REJECTED: VenueStatus.REJECTED,
    Status.NEVER_SENT: VenueStatus.REJECTED,
}


@dataclass(slots=True)
class LegState:
    """One order of a child.

    Attributes:
        cid: client order id.
        leg: which of the child's orders.
        venue_id: the venue's id, once stated.
        status: the venue's last word; None before the first.
        told: most that the venue said was executed, coins.
        filled: sum of the trades booked, coins.
        absent: how often in a row the venue said that there is no such order.
    """

    cid: str
    leg: Leg
    venue_id: str | None = None
    status: VenueStatus | None = None
    told: Decimal = Decimal(0)
    filled: Decimal = Decimal(0)
    absent: int = 0

    @property
    def over(self) -> bool:
        """Return whether it cannot fill any more."""
        return self.status in TERMINAL

    @property
    def complete(self) -> bool:
        """Return whether it is over and every trade that the venue spoke of is booked."""
        return self.over and self.filled >= self.told

    def hear(self, order: VenueOrder) -> bool:
        """Take over what the venue says; returns whether it is news. A terminal status is never taken back."""
        self.absent = 0
        before = (self.venue_id, self.status, self.told)
        self.venue_id = self.venue_id or order.venue_id
        if not self.over:
            self.status = order.status
        self.told = max(self.told, order.filled)
        return before != (self.venue_id, self.status, self.told)


@dataclass(slots=True)
class Working:
    """A child and its legs.

    Attributes:
        key: the child's.
        place: as it was sent.
        legs: by cid.
        sent_ms: wall clock of the send; 0 before.
        unknown: what came of the POST, or of a cancel, is not known.
        restored: it was sent before the last start; trades of it may be booked that nobody here has seen.
    """

    key: str
    place: Place
    legs: dict[str, LegState] = field(default_factory=dict)
    sent_ms: int = 0
    unknown: bool = False
    restored: bool = False

    @property
    def complete(self) -> bool:
        """Return whether all legs are."""
        return all(leg.complete for leg in self.legs.values())

    @property
    def heard(self) -> bool:
        """Return whether the venue has stated any leg."""
        return any(leg.status is not None for leg in self.legs.values())

    @property
    def lacking(self) -> tuple[LegState, ...]:
        """Return the legs of which trades are to be fetched."""
        return tuple(leg for leg in self.legs.values() if leg.filled < leg.told and leg.venue_id is not None)

    @property
    def verdict(self) -> VenueStatus:
        """Return the status the child ended with: filled when a leg filled, else that of its first leg."""
        statuses = [leg.status for leg in self.legs.values()]
        if VenueStatus.FILLED in statuses:
            return VenueStatus.FILLED
        assert statuses[0] is not None, f"{self.key} has not ended"
        return statuses[0]


@dataclass(slots=True)
class Sorted:
    """Venue trades after sorting.

    Attributes:
        fresh: new ones as the ledger books them, each with its child and leg (None: no order of ours).
        changed: known ids that came with other figures.
        complete: every trade could be placed; else some may belong to an order that nobody knows about.
    """

    fresh: list[tuple[VenueTrade, Fill, tuple[Working, LegState] | None]] = field(default_factory=list)
    changed: list[Fill] = field(default_factory=list)
    complete: bool = True


@dataclass(slots=True)
class Works:
    """All children of one market and the trades seen of them.

    Attributes:
        cursor: newest trade id up to which everything is booked; None before the first.
        by_key: children by key, oldest first.
        seen: fills booked beyond the cursor, by trade id.
        foreign: client ids of orders that are not ours.
    """

    cursor: str | None
    by_key: dict[str, Working] = field(default_factory=dict)
    seen: dict[str, Fill] = field(default_factory=dict)
    foreign: set[str] = field(default_factory=set)

    def leg(self, cid: str) -> tuple[Working, LegState] | None:
        """Return the child and leg of a client order id."""
        return next(((work, work.legs[cid]) for work in self.by_key.values() if cid in work.legs), None)

    def leg_of(self, trade: VenueTrade) -> tuple[Working, LegState] | None:
        """Return the child and leg of the order that a trade belongs to, as far as its id is known."""
        legs = ((work, leg) for work in self.by_key.values() for leg in work.legs.values())
        return next(((work, leg) for work, leg in legs if leg.venue_id == trade.venue_id), None)

    def fills_of(self, trades: Iterable[VenueTrade]) -> tuple[Fill, ...]:
        """Return venue trades as the ledger books them."""
        found = ((trade, self.leg_of(trade)) for trade in trades)
        return tuple(fill_of(trade, leg[1].cid if leg else None) for trade, leg in found)

    def doubtful(self, trades: Iterable[VenueTrade]) -> tuple[VenueTrade, ...]:
        """Return trades of strangers and of children from before the start that only the store may know."""
        new = ((trade, self.leg_of(trade)) for trade in trades if trade.trade_id not in self.seen)
        return tuple(trade for trade, owner in new if owner is None or owner[0].restored)

    def sort(self, trades: Iterable[VenueTrade]) -> Sorted:
        """Tell new trades from known ones, oldest first, and note the new ones as seen."""
        found = Sorted()
        doubt = any(
            leg.venue_id is None and not leg.over for work in self.by_key.values() for leg in work.legs.values()
        )
        for trade in sorted(trades, key=lambda row: int(row.trade_id)):
            owner, first = self.leg_of(trade), self.seen.get(trade.trade_id)
            passed = self.cursor is not None and int(trade.trade_id) <= int(self.cursor)
            lacking = owner is not None and owner[1].filled < owner[1].told
            if first is None and passed and not lacking:  # a venue may show a trade later than a newer one
                continue
            if owner is None and first is None and doubt:
                found.complete = False
                continue
            fill = fill_of(trade, owner[1].cid if owner else None)
            if first is None:
                self.seen[trade.trade_id] = fill
                found.fresh.append((trade, fill, owner))
            elif first.figures != fill.figures:
                found.changed.append(fill)
        while len(self.seen) > _SEEN_MAX:
            self.seen.pop(next(iter(self.seen)))
        return found

    def forget(self, alive: Iterable[Working]) -> None:
        """Let go of the oldest children beyond a bound."""
        kept = {work.key for work in alive}
        while len(self.by_key) > _WORKS_MAX:
            self.by_key.pop(next(key for key in self.by_key if key not in kept))


def working_of(place: Place, orders: Iterable[Order] = ()) -> Working:
    """Return a child about to be sent, or, with the store's rows of it, one that was."""
    request = place.request
    if isinstance(request, OcoRequest):
        legs = {request.above_cid: Leg.ABOVE, request.below_cid: Leg.BELOW}
    else:
        legs = {request.cid: Leg.SINGLE}
    work = Working(place.key, place, {cid: LegState(cid, leg) for cid, leg in legs.items()})
    for order in orders:
        work.restored = True
        leg = work.legs[order.cid]
        leg.venue_id, leg.filled, leg.told = order.venue_id, order.filled, order.venue_filled
        leg.status = _ENDED.get(order.status)
        work.sent_ms = max(work.sent_ms, order.sent_ms or 0)
        work.unknown |= not order.terminal
    return work


def fact_of(order: VenueOrder, at_ms: int) -> OrderFact:
    """Return what the venue's word on an order is to the ledger."""
    trigger = _TRIGGERS.get(order.status, Trigger.ACCEPT)
    return OrderFact(order.cid, trigger, at_ms, order.venue_id, order.filled, reason=order.status.value)


def fill_of(trade: VenueTrade, cid: str | None) -> Fill:
    """Return a venue trade as the ledger books it."""
    return Fill(
        symbol=trade.symbol,
        trade_id=trade.trade_id,
        cid=cid,
        side=trade.side,
        quantity=trade.quantity,
        price=trade.price,
        commission=trade.commission,
        commission_asset=trade.commission_asset,
        maker=trade.maker,
        at_ms=trade.time_ms,
    )

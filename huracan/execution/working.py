"""What the venue has said of a child of ours, leg by leg: statuses only go forward, trades are counted once."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from huracan.execution.model import Fill, Order, OrderFact, Status, Trigger
from huracan.execution.planner import Leg, Place
from huracan.venue.orders import TERMINAL, OcoRequest, VenueOrder, VenueStatus, VenueTrade

__all__ = ["LegState", "Working", "fact_of", "fill_of", "working_of"]

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
    """

    key: str
    place: Place
    legs: dict[str, LegState] = field(default_factory=dict)
    sent_ms: int = 0
    unknown: bool = False

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


def working_of(place: Place, orders: Iterable[Order] = ()) -> Working:
    """Return a child about to be sent, or, with the store's rows of it, one that was."""
    request = place.request
    if isinstance(request, OcoRequest):
        legs = {request.above_cid: Leg.ABOVE, request.below_cid: Leg.BELOW}
    else:
        legs = {request.cid: Leg.SINGLE}
    work = Working(place.key, place, {cid: LegState(cid, leg) for cid, leg in legs.items()})
    for order in orders:
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

"""The submit protocol: written down (T1), marked as sent (T2), sent once (S); the caller books what came of it (T3).

There is no other way from the engine to a POST. A client order id reaches `S` at most once, because T2 refuses an order
that is marked already and nothing here is repeated.
"""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from huracan.clock import Clock
from huracan.errors import DatabaseError
from huracan.execution.commands import Place
from huracan.execution.failpoints import Failpoint, Failpoints
from huracan.execution.journal import Journal
from huracan.execution.lease import LeaseKeeper
from huracan.execution.model import Draft, Reservation, Shortfall
from huracan.execution.store import Store
from huracan.venue.orders import OcoRequest, OrderKind, Outcome, RejectCode, Rejected, Side
from huracan.venue.protocol import TradingVenue

__all__ = ["NotSent", "Submitter", "drafts_of"]


@dataclass(frozen=True, slots=True)
class NotSent:
    """The order was provably never sent.

    Attributes:
        reason: why, one line.
        written: the store has it as SUBMITTED.
        marked: the store has it as sent.
    """

    reason: str
    written: bool
    marked: bool


@dataclass(frozen=True, slots=True)
class Submitter:
    """Carries one command through the protocol.

    Attributes:
        venue: the account at the venue.
        store: of the account.
        keeper: its lease.
        journal: takes doubts that the store must settle later.
        clock: wall clock.
        failpoints: where tests kill.
        allowed: asked just before the socket write, without anything in between: may this order still go?
    """

    venue: TradingVenue
    store: Store
    keeper: LeaseKeeper
    journal: Journal
    clock: Clock
    failpoints: Failpoints
    allowed: Callable[[Side], bool]

    async def send(self, place: Place, notional: Decimal, heat: Decimal, fee_frac: Decimal) -> Outcome | NotSent:
        """Take an order or a list through T1, T2 and S.

        Args:
            place: what to send.
            notional: what risk counts for it until it is over, quote currency.
            heat: loss at the stop that risk counts for it.
            fee_frac: part of a buy's value that its fee may take in quote currency.

        Raises:
            FencedError: the lease is someone else's; nothing was sent.
        """
        drafts = drafts_of(place, self.clock.now_ms())
        cids = tuple(draft.cid for draft in drafts)
        reservation = _reservation(drafts[0], notional, heat, fee_frac)
        try:
            begun = await self.store.begin_order(self.keeper.lease, drafts, reservation)
        except DatabaseError as error:
            return self._doubt(cids, f"T1 failed: {error}")
        if isinstance(begun, Shortfall):
            return Rejected(
                RejectCode.INSUFFICIENT_BALANCE, None, f"{begun.free} {begun.asset} free, {begun.needed} needed"
            )
        self.failpoints(Failpoint.AFTER_T1)
        if not self.allowed(drafts[0].side):
            return NotSent("not allowed any more", written=True, marked=False)
        try:
            await self.store.mark_sent(self.keeper.lease, cids, self.clock.now_ms())
        except DatabaseError as error:
            return self._doubt(cids, f"T2 failed: {error}")
        self.failpoints(Failpoint.AFTER_T2)
        if not (self.keeper.valid and self.allowed(drafts[0].side)):
            return NotSent("lease ran out or trading halted before the send", written=True, marked=True)
        if isinstance(place.request, OcoRequest):
            outcome = await self.venue.submit_oco(place.request)
        else:
            outcome = await self.venue.submit(place.request)
        self.failpoints(Failpoint.AFTER_ACCEPT)
        return outcome

    def _doubt(self, cids: tuple[str, ...], reason: str) -> NotSent:
        for cid in cids:
            self.journal.doubt(cid, reason, self.clock.now_ms())
        return NotSent(reason, written=False, marked=False)


def drafts_of(place: Place, at_ms: int) -> tuple[Draft, ...]:
    """Return the rows of an order, or of both legs of a list."""
    request = place.request
    if isinstance(request, OcoRequest):
        upper = Draft(
            cid=request.above_cid,
            intent_id=place.intent,
            symbol=request.symbol,
            side=Side.SELL,
            kind=OrderKind.POST_ONLY,
            quantity=request.quantity,
            price=request.target,
            stop_price=None,
            list_cid=request.list_cid,
            created_ms=at_ms,
        )
        lower = Draft(
            cid=request.below_cid,
            intent_id=place.intent,
            symbol=request.symbol,
            side=Side.SELL,
            kind=OrderKind.STOP,
            quantity=request.quantity,
            price=None,
            stop_price=request.stop,
            list_cid=request.list_cid,
            created_ms=at_ms,
        )
        return upper, lower
    return (
        Draft(
            cid=request.cid,
            intent_id=place.intent,
            symbol=request.symbol,
            side=request.side,
            kind=request.kind,
            quantity=request.quantity,
            price=request.price,
            stop_price=None,
            list_cid=None,
            created_ms=at_ms,
        ),
    )


def _reservation(draft: Draft, notional: Decimal, heat: Decimal, fee_frac: Decimal) -> Reservation:
    base, _, rest = draft.symbol.partition("/")
    asset, amount = base, draft.quantity
    if draft.side is Side.BUY:
        assert draft.price is not None, "a buy has a worst price"
        asset, amount = rest.partition(":")[0], draft.quantity * draft.price * (1 + fee_frac)
    return Reservation(
        ref=draft.ref,
        intent_id=draft.intent_id,
        symbol=draft.symbol,
        asset=asset,
        amount=amount,
        left=amount,
        notional=notional,
        heat=heat,
    )

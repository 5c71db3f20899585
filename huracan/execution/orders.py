"""Intents and orders as execution writes them down: what is wanted, what was sent, what came of it.

All of it is frozen. Prices and quantities are finite `Decimal`s; times are ms since the epoch (UTC). What follows from
fills (`filled`, `cost`) is written by the order machine alone.
"""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from huracan.errors import InvariantError
from huracan.execution.money import EXACT, ZERO, assets_of, not_negative, positive
from huracan.venue.orders import OrderKind, Side

__all__ = [
    "TERMINAL",
    "Draft",
    "Fill",
    "Intent",
    "IntentKind",
    "IntentStatus",
    "Order",
    "OrderEvent",
    "OrderFact",
    "Status",
    "Trigger",
]


class Status(StrEnum):
    """Where an order stands; `machine.TRANSITIONS` says how it gets there."""

    SUBMITTED = "SUBMITTED"  # written down; sent when `sent_ms` is set, otherwise the venue never saw it
    UNKNOWN = "UNKNOWN"  # sent, and nobody knows whether the venue has it
    ACCEPTED = "ACCEPTED"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    PENDING_CANCEL = "PENDING_CANCEL"
    FILLED = "FILLED"
    EXPIRED = "EXPIRED"
    CANCELED = "CANCELED"
    REJECTED = "REJECTED"  # refused by the venue, or proven never to have arrived
    NEVER_SENT = "NEVER_SENT"  # abandoned between being written down and being sent


TERMINAL = frozenset({Status.FILLED, Status.EXPIRED, Status.CANCELED, Status.REJECTED, Status.NEVER_SENT})
"""Statuses that an order leaves for a higher label only (`machine.TRANSITIONS`), never to work again."""


class Trigger(StrEnum):
    """What can happen to an order; the two kinds of fill are derived from fills and never stated by a caller."""

    SUBMIT = "SUBMIT"
    LOSE = "LOSE"  # the outcome of the POST is unknown
    ACCEPT = "ACCEPT"  # the venue has it
    FILL_PART = "FILL_PART"
    FILL_ALL = "FILL_ALL"
    CANCEL_SENT = "CANCEL_SENT"
    CANCEL_REFUSED = "CANCEL_REFUSED"  # the cancel failed and the venue says that the order still rests
    CANCEL = "CANCEL"
    EXPIRE = "EXPIRE"
    REJECT = "REJECT"  # definite refusal, or the resolver's proof of absence
    ABANDON = "ABANDON"  # never sent


class IntentKind(StrEnum):
    """What an intent wants; one of each per account, market and candle."""

    ENTER = "ENTER"  # its children buy
    PROTECT = "PROTECT"  # its children are all sells of the position that the ENTER of the same candle opens
    EXIT = "EXIT"  # a decision to leave; the sells stay children of PROTECT
    FLATTEN = "FLATTEN"  # the same, by an operator or the circuit breaker


class IntentStatus(StrEnum):
    """Where an intent stands."""

    OPEN = "OPEN"
    DONE = "DONE"
    DENIED = "DENIED"
    GIVEN_UP = "GIVEN_UP"


@dataclass(frozen=True, slots=True)
class Intent:
    """What is wanted of a market after a candle; orders are its children.

    Attributes:
        intent_id: `ids.intent_id` of the next four.
        account, symbol, candle_ms, kind: unique together; `candle_ms` is the open time of the deciding candle.
        side: which way its orders trade.
        created_ms: market clock.
        quantity: most that all children together may fill, coins; None until it is known, and no child before.
        action: the policy's action, 0 to 5; None where no policy decided.
        reason: why, e.g. an exit reason; may be empty.
        policy: version that decided; empty where none did.
        confidence: of the policy, 0 to 1.
        regime: market regime at the decision; -1: unknown.
        state: float32[80] as 320 little-endian bytes, the state it was decided on; empty where none, and once DONE:
            from then on the closed trade has it.
        layout: identifies the features behind the state (`huracan.patterns.state_layout`); 0: unknown, or no state.
        status, code: how it stands, and the denial or give-up code.
    """

    intent_id: str
    account: str
    symbol: str
    candle_ms: int
    kind: IntentKind
    side: Side
    created_ms: int
    quantity: Decimal | None = None
    action: int | None = None
    reason: str = ""
    policy: str = ""
    confidence: float = 0.0
    regime: int = -1
    state: bytes = b""
    layout: int = 0
    status: IntentStatus = IntentStatus.OPEN
    code: str = ""

    def __post_init__(self) -> None:
        if self.quantity is not None:
            positive(self.quantity, f"intent {self.intent_id}: quantity")
        if len(self.state) not in (0, 320):
            raise InvariantError(f"intent {self.intent_id}: a state of {len(self.state)} bytes instead of 320")


@dataclass(frozen=True, slots=True)
class Draft:
    """An order about to be written down; never changes afterwards.

    Attributes:
        cid: client order id (`ids.child_id`); POSTed at most once.
        intent_id: whose child it is.
        symbol, side, kind, quantity: as sent.
        price: limit; None for market orders and stops.
        stop_price: trigger of a `STOP`; None for others.
        list_cid: client id of its order list; None outside one.
        created_ms: wall clock.
    """

    cid: str
    intent_id: str
    symbol: str
    side: Side
    kind: OrderKind
    quantity: Decimal
    price: Decimal | None
    stop_price: Decimal | None
    list_cid: str | None
    created_ms: int

    def __post_init__(self) -> None:
        positive(self.quantity, f"{self.cid}: quantity")
        if (self.price is None) != (self.kind in (OrderKind.MARKET, OrderKind.STOP)):
            raise InvariantError(f"{self.cid}: a {self.kind} order with limit {self.price}")
        if (self.stop_price is None) != (self.kind is not OrderKind.STOP):
            raise InvariantError(f"{self.cid}: a {self.kind} order with trigger {self.stop_price}")
        for value in (self.price, self.stop_price):
            if value is not None:
                positive(value, f"{self.cid}: price")
        assets_of(self.symbol)

    @property
    def ref(self) -> str:
        """What its reservation is named by: the list it belongs to, or itself."""
        return self.list_cid or self.cid


@dataclass(frozen=True, slots=True)
class Order:
    """An order as its events and fills left it; everything but `draft` is derived from them.

    Attributes:
        draft: what was sent.
        status: where it stands.
        sent_ms: wall clock just before the socket write; None: provably never sent.
        venue_id: the venue's id, once known.
        filled: sum of fills, coins.
        cost: sum of price x quantity over fills, quote currency.
        venue_filled: most that the venue ever said was executed; more than `filled`: trades are to be fetched.
        seq: number of its last event, from 1.
        updated_ms: time of its last event.
        reason: the venue's or the resolver's word on its end.
    """

    draft: Draft
    status: Status
    sent_ms: int | None = None
    venue_id: str | None = None
    filled: Decimal = ZERO
    cost: Decimal = ZERO
    venue_filled: Decimal = ZERO
    seq: int = 1
    updated_ms: int = 0
    reason: str = ""

    @property
    def cid(self) -> str:
        """Client order id."""
        return self.draft.cid

    @property
    def leaves(self) -> Decimal:
        """What may still fill by the order's quantity, coins; never negative."""
        return max(EXACT.subtract(self.draft.quantity, self.filled), ZERO)

    @property
    def overfill(self) -> Decimal:
        """What was filled beyond the order's quantity, coins."""
        return max(EXACT.subtract(self.filled, self.draft.quantity), ZERO)

    @property
    def average(self) -> Decimal | None:
        """Mean fill price; None without a fill. For people: sums, not this, enter accounts."""
        return self.cost / self.filled if self.filled else None

    @property
    def terminal(self) -> bool:
        """It cannot work any more."""
        return self.status in TERMINAL

    @property
    def complete(self) -> bool:
        """It cannot work any more and every trade that the venue spoke of is booked: its reservation may go."""
        return self.terminal and self.filled >= self.venue_filled


@dataclass(frozen=True, slots=True)
class OrderEvent:
    """One line of an order's history, never changed.

    Attributes:
        cid: whose.
        seq: 1, 2, 3, ... without gap; 1 is `SUBMIT`.
        trigger: what happened.
        status: where it left the order.
        at_ms: when, by the clock of who stated it.
        venue_id: stated with it.
        trade_id: of a fill's event.
        venue_filled: what the venue said was executed; None: nothing said.
        reason: stated with it.
    """

    cid: str
    seq: int
    trigger: Trigger
    status: Status
    at_ms: int
    venue_id: str | None = None
    trade_id: str | None = None
    venue_filled: Decimal | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class OrderFact:
    """What a caller knows to have happened to an order; repeating one changes nothing.

    Attributes:
        cid: whose.
        trigger: any but `SUBMIT`, `FILL_PART` and `FILL_ALL`.
        at_ms: when.
        venue_id: the venue's id, if it was stated.
        venue_filled: the venue's executed quantity, if it was stated.
        reason: one line on an end.
    """

    cid: str
    trigger: Trigger
    at_ms: int
    venue_id: str | None = None
    venue_filled: Decimal | None = None
    reason: str = ""

    def __post_init__(self) -> None:
        if self.trigger in (Trigger.SUBMIT, Trigger.FILL_PART, Trigger.FILL_ALL):
            raise InvariantError(f"{self.cid}: {self.trigger} is not stated, it follows from what is written")
        if self.venue_filled is not None:
            not_negative(self.venue_filled, f"{self.cid}: executed quantity")


@dataclass(frozen=True, slots=True)
class Fill:
    """One venue trade of ours; unique by (account, symbol, trade_id), and an account is of one venue.

    Attributes:
        symbol, trade_id: its key.
        cid: the order's; None: no order of ours, an external trade.
        side: of our order.
        quantity: coins.
        price: quote currency.
        commission: fee in `commission_asset`; negative for a rebate.
        commission_asset: coin, quote currency, or a third asset.
        maker: our order was resting.
        at_ms: when.
    """

    symbol: str
    trade_id: str
    cid: str | None
    side: Side
    quantity: Decimal
    price: Decimal
    commission: Decimal
    commission_asset: str
    maker: bool
    at_ms: int

    def __post_init__(self) -> None:
        positive(self.quantity, f"trade {self.trade_id}: quantity")
        positive(self.price, f"trade {self.trade_id}: price")
        if type(self.commission) is not Decimal or not self.commission.is_finite():
            raise InvariantError(f"trade {self.trade_id}: commission is {self.commission!r}, not a finite Decimal")

    @property
    def key(self) -> tuple[str, str]:
        """Symbol and trade id."""
        return self.symbol, self.trade_id

    @property
    def figures(self) -> tuple[object, ...]:
        """What a repeated report must agree on; `maker` and time are filled in differently by different endpoints."""
        return self.cid, self.side, self.quantity, self.price, self.commission, self.commission_asset

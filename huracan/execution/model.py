"""What execution remembers: intents, orders with their events and fills, money in double entry, locks, slots.

All of it is frozen. Prices, quantities and money are finite `Decimal`s; times are ms since the epoch (UTC). What
follows from fills (`filled`, `cost`, positions, balances) is written by the ledger alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from huracan.errors import InvariantError
from huracan.memory import TradeRows
from huracan.venue.orders import OrderKind, Side

__all__ = [
    "EVERY_SYMBOL",
    "TERMINAL",
    "Account",
    "Alarm",
    "AlarmCode",
    "Balances",
    "Booked",
    "Draft",
    "EventLog",
    "Fill",
    "Held",
    "Intent",
    "IntentKind",
    "IntentStatus",
    "Lease",
    "LedgerEntry",
    "Lock",
    "Order",
    "OrderEvent",
    "OrderFact",
    "Position",
    "Record",
    "Reservation",
    "Shortfall",
    "SlotRow",
    "Snapshot",
    "StateChange",
    "Status",
    "Transfer",
    "Trigger",
    "assets_of",
]

EVERY_SYMBOL = "*"
ZERO = Decimal(0)


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


class Account(StrEnum):
    """The five accounts of each asset; their sum is zero, always."""

    FREE = "FREE"
    LOCKED = "LOCKED"
    VENUE = "VENUE"  # the other side of every fill
    FEES = "FEES"
    EXTERNAL = "EXTERNAL"  # the other side of deposits, withdrawals and the opening balance


class AlarmCode(StrEnum):
    """What a person must look at; all but `BALANCE_SHORT` and `CLOCK` halt the symbol they name."""

    TRADE_CHANGED = "TRADE_CHANGED"  # a trade id came again with other figures; the first is kept
    OVERFILL = "OVERFILL"  # more was filled than ordered
    FILL_AFTER_END = "FILL_AFTER_END"  # an order filled after it was refused, or beyond what it expired with
    REVIVED = "REVIVED"  # the venue has an order that was taken for absent
    EXTERNAL_FILL = "EXTERNAL_FILL"  # a trade of no order of ours
    EXTERNAL_ORDER = "EXTERNAL_ORDER"
    BALANCE_SHORT = "BALANCE_SHORT"  # a fill or fee took more than was there: money moved that nobody recorded
    BALANCE_MISMATCH = "BALANCE_MISMATCH"
    POSITION_MISMATCH = "POSITION_MISMATCH"
    SLOT_MISMATCH = "SLOT_MISMATCH"
    STUCK_ORDER = "STUCK_ORDER"
    INVARIANT = "INVARIANT"
    CLOCK = "CLOCK"


def assets_of(symbol: str) -> tuple[str, str]:
    """Return base and quote asset of a ccxt symbol: `BTC/USDT` is of BTC and USDT.

    Raises:
        InvariantError: not a symbol of two assets.
    """
    base, slash, quote = symbol.partition(":")[0].partition("/")
    if not (base and slash and quote):
        raise InvariantError(f"{symbol!r} is no symbol: expected BASE/QUOTE")
    return base, quote


def _positive(value: Decimal, what: str) -> None:
    if type(value) is not Decimal or not value.is_finite() or value <= 0:
        raise InvariantError(f"{what} is {value!r}, not a positive finite Decimal")


def _not_negative(value: Decimal, what: str) -> None:
    if type(value) is not Decimal or not value.is_finite() or value < 0:
        raise InvariantError(f"{what} is {value!r}, not a finite Decimal of at least 0")


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to write for an account, until someone else acquires a higher epoch.

    Attributes:
        account: whose.
        holder: who has it, e.g. host and process.
        epoch: fencing number; each acquisition adds one, and every write states it.
        expires_ms: from then on others may acquire it; the store's clock.
    """

    account: str
    holder: str
    epoch: int
    expires_ms: int


@dataclass(frozen=True, slots=True)
class Held:
    """The lease was not given: `holder` has it at `epoch` for `remaining_ms` more."""

    holder: str
    epoch: int
    remaining_ms: int


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
        state: float32[80] as 320 little-endian bytes, the state it was decided on; empty where none.
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
    status: IntentStatus = IntentStatus.OPEN
    code: str = ""

    def __post_init__(self) -> None:
        if self.quantity is not None:
            _positive(self.quantity, f"intent {self.intent_id}: quantity")
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
        _positive(self.quantity, f"{self.cid}: quantity")
        if (self.price is None) != (self.kind in (OrderKind.MARKET, OrderKind.STOP)):
            raise InvariantError(f"{self.cid}: a {self.kind} order with limit {self.price}")
        if (self.stop_price is None) != (self.kind is not OrderKind.STOP):
            raise InvariantError(f"{self.cid}: a {self.kind} order with trigger {self.stop_price}")
        for value in (self.price, self.stop_price):
            if value is not None:
                _positive(value, f"{self.cid}: price")
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
        return max(self.draft.quantity - self.filled, ZERO)

    @property
    def overfill(self) -> Decimal:
        """What was filled beyond the order's quantity, coins."""
        return max(self.filled - self.draft.quantity, ZERO)

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
            _not_negative(self.venue_filled, f"{self.cid}: executed quantity")


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
        _positive(self.quantity, f"trade {self.trade_id}: quantity")
        _positive(self.price, f"trade {self.trade_id}: price")
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


@dataclass(frozen=True, slots=True)
class Reservation:
    """What is set aside for an order or an order list until its outcome is known.

    Attributes:
        ref: cid, or list_cid for both legs together.
        intent_id, symbol: whose.
        asset: what is locked: quote currency to buy, coins to sell.
        amount: locked at the beginning, > 0.
        left: still locked.
        notional: exposure that risk counts until the order is complete, quote currency.
        heat: loss at the stop that risk counts, quote currency.
    """

    ref: str
    intent_id: str
    symbol: str
    asset: str
    amount: Decimal
    left: Decimal
    notional: Decimal = ZERO
    heat: Decimal = ZERO

    def __post_init__(self) -> None:
        _positive(self.amount, f"reservation {self.ref}: amount")
        for value in (self.left, self.notional, self.heat):
            _not_negative(value, f"reservation {self.ref}")


@dataclass(frozen=True, slots=True)
class Shortfall:
    """Nothing was written: `needed` of `asset` was asked for, `free` is there."""

    asset: str
    free: Decimal
    needed: Decimal


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """One movement of one asset between two of its accounts: the sum over them cannot change.

    Attributes:
        asset: what moved.
        amount: how much, > 0.
        source: account that lost it.
        target: account that got it.
        at_ms: when.
        ref: reservation that was locked or released; empty for others.
        symbol, trade_id: the fill that moved it; empty for others.
        reason: author and reason of an external movement; empty for others.
    """

    asset: str
    amount: Decimal
    source: Account
    target: Account
    at_ms: int
    ref: str = ""
    symbol: str = ""
    trade_id: str = ""
    reason: str = ""

    def __post_init__(self) -> None:
        _positive(self.amount, f"ledger entry of {self.asset}")
        if self.source is self.target:
            raise InvariantError(f"ledger entry of {self.asset} from {self.source} to itself")


@dataclass(frozen=True, slots=True)
class Transfer:
    """Money that came (amount > 0) or went (< 0) outside of trading; the opening balance is one."""

    asset: str
    amount: Decimal
    at_ms: int
    reason: str

    def __post_init__(self) -> None:
        _positive(abs(self.amount), f"transfer of {self.asset}")
        if not self.reason.strip():
            raise InvariantError(f"transfer of {self.asset} without a reason")


@dataclass(frozen=True, slots=True)
class Balances:
    """The five accounts of one asset; their sum is zero."""

    free: Decimal = ZERO
    locked: Decimal = ZERO
    venue: Decimal = ZERO
    fees: Decimal = ZERO
    external: Decimal = ZERO

    @property
    def total(self) -> Decimal:
        """What we hold: free and locked."""
        return self.free + self.locked


@dataclass(frozen=True, slots=True)
class Position:
    """Sums over all fills of one market.

    Attributes:
        symbol: which.
        bought, sold: coins.
        paid, received: quote currency, fees aside.
        fee_base, fee_quote: fees taken in coins and in quote currency.
    """

    symbol: str
    bought: Decimal = ZERO
    sold: Decimal = ZERO
    paid: Decimal = ZERO
    received: Decimal = ZERO
    fee_base: Decimal = ZERO
    fee_quote: Decimal = ZERO

    @property
    def quantity(self) -> Decimal:
        """Signed sum of fills, coins."""
        return self.bought - self.sold

    @property
    def holding(self) -> Decimal:
        """What trading left in coins: the signed sum of fills less fees taken in coins."""
        return self.bought - self.sold - self.fee_base


@dataclass(frozen=True, slots=True)
class Alarm:
    """Something a person must look at; kept for ever."""

    code: AlarmCode
    symbol: str
    at_ms: int
    detail: str


@dataclass(frozen=True, slots=True)
class Lock:
    """No entries in a market until a time, and why: persisted, expiring, explained.

    Attributes:
        symbol: which, or `*`.
        code: the protection or alarm that asked for it.
        detail: figures, for a person.
        author: who: a person, `risk`, `ledger`, `engine`.
        from_ms: since when, market clock.
        until_ms: first moment without it; None: until a person ends it.
        lock_id: number, given by the store; 0 before.
    """

    symbol: str
    code: str
    detail: str
    author: str
    from_ms: int
    until_ms: int | None
    lock_id: int = 0


@dataclass(frozen=True, slots=True)
class StateChange:
    """One line of the trading state's history; the last one is in force.

    Attributes:
        seq: 1, 2, 3, ... without gap.
        state: a value of `huracan.risk.state.TradingState`: ACTIVE, REDUCING or HALTED.
        author, reason: who and why; never empty.
        at_ms: wall clock.
    """

    seq: int
    state: str
    author: str
    reason: str
    at_ms: int


@dataclass(frozen=True, slots=True)
class SlotRow:
    """The kernel's slot of one market as bytes (`huracan.trading.SLOT`), as of bar `bar_no`."""

    symbol: str
    bar_no: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Record:
    """What is to be booked together, or not at all.

    Attributes:
        facts: what happened to orders, in order.
        fills: venue trades, new or repeated; orders and events of them are the ledger's to write.
        transfers: money from or to outside.
        cursors: newest trade id read, by symbol; an older one than stored changes nothing.
        slots: slots after all of this. With a slot, every fill of its symbol must be unseen (`Store.unseen`).
        trades: trades closed by these fills, for the trade memory.
        alarms: what a person must look at; each that names a symbol halts it.
        locks: protections triggered.
    """

    facts: tuple[OrderFact, ...] = ()
    fills: tuple[Fill, ...] = ()
    transfers: tuple[Transfer, ...] = ()
    cursors: Mapping[str, str] = field(default_factory=dict)
    slots: tuple[SlotRow, ...] = ()
    trades: TradeRows | None = None
    alarms: tuple[Alarm, ...] = ()
    locks: tuple[Lock, ...] = ()


@dataclass(frozen=True, slots=True)
class Booked:
    """What a `Record` changed; all empty when everything in it was known.

    Attributes:
        orders: changed orders as they stand now.
        events: new events.
        fills: fills that were new.
        alarms: alarms raised, the caller's and the ledger's own.
        locks: locks written, with their numbers.
    """

    orders: tuple[Order, ...] = ()
    events: tuple[OrderEvent, ...] = ()
    fills: tuple[Fill, ...] = ()
    alarms: tuple[Alarm, ...] = ()
    locks: tuple[Lock, ...] = ()


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything that a start needs, read in one transaction.

    Attributes:
        intents: open ones, by id.
        orders: all that are not complete, and all children of open intents, by cid.
        reservations: what is set aside, by ref.
        positions: by symbol.
        balances: by asset.
        cursors: newest trade id read, by symbol.
        slots: by symbol.
        locks: not ended by a person; whether one has expired is asked of the market clock.
        state: the trading state in force; None before the first.
    """

    intents: Mapping[str, Intent]
    orders: Mapping[str, Order]
    reservations: Mapping[str, Reservation]
    positions: Mapping[str, Position]
    balances: Mapping[str, Balances]
    cursors: Mapping[str, str]
    slots: Mapping[str, SlotRow]
    locks: tuple[Lock, ...]
    state: StateChange | None


@dataclass(frozen=True, slots=True)
class EventLog:
    """The whole history of an account, and the projections that must follow from it.

    Attributes:
        orders: all, in order of creation.
        events: by order, then seq.
        fills: in order of booking.
        entries: in order of booking.
        alarms: in order of being raised.
        reservations, positions, balances: as stored.
    """

    orders: tuple[Order, ...]
    events: tuple[OrderEvent, ...]
    fills: tuple[Fill, ...]
    entries: tuple[LedgerEntry, ...]
    alarms: tuple[Alarm, ...]
    reservations: Mapping[str, Reservation]
    positions: Mapping[str, Position]
    balances: Mapping[str, Balances]

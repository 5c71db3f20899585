"""What execution remembers, and what a store is handed and hands back; orders and money in modules of their own.

All of it is frozen. Prices, quantities and money are finite `Decimal`s; times are ms since the epoch (UTC).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from huracan.execution.money import (
    Account,
    Balances,
    LedgerEntry,
    Position,
    Reservation,
    Shortfall,
    Transfer,
    assets_of,
)
from huracan.execution.orders import (
    TERMINAL,
    Draft,
    Fill,
    Intent,
    IntentKind,
    IntentStatus,
    Order,
    OrderEvent,
    OrderFact,
    Status,
    Trigger,
)
from huracan.memory import TradeRows

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
        slots: slots after all of this. With a slot, every fill of its symbol must be unseen (`Store.unseen`), so that
            none is counted twice; trades told again are recorded without it, to be compared with the first telling.
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

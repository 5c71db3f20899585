"""Everything of the exchange that changes, as plain records: what a snapshot holds and a restart takes over."""

from dataclasses import dataclass, field
from decimal import Decimal
from enum import IntEnum, StrEnum

from huracan.paper.faults import Faults, ScriptedFault

__all__ = [
    "OPEN_STATUSES",
    "AccountState",
    "ClockState",
    "ExchangeState",
    "Limiter",
    "MarketState",
    "Money",
    "Order",
    "OrderList",
    "OrderType",
    "Phase",
    "Side",
    "Status",
    "Tif",
    "Trade",
]

ZERO = Decimal(0)


class Side(StrEnum):
    """Which way an order trades."""

    BUY = "BUY"
    SELL = "SELL"


class OrderType(StrEnum):
    """Order types of the venue."""

    LIMIT = "LIMIT"
    LIMIT_MAKER = "LIMIT_MAKER"
    MARKET = "MARKET"
    STOP_LOSS = "STOP_LOSS"
    STOP_LOSS_LIMIT = "STOP_LOSS_LIMIT"


class Tif(StrEnum):
    """How long an order stays."""

    GTC = "GTC"
    IOC = "IOC"
    FOK = "FOK"


class Status(StrEnum):
    """The venue's word on an order."""

    NEW = "NEW"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    FILLED = "FILLED"
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"
    EXPIRED_IN_MATCH = "EXPIRED_IN_MATCH"


OPEN_STATUSES = frozenset({Status.NEW, Status.PARTIALLY_FILLED})


class Phase(IntEnum):
    """Where a market stands in its bar; commands are taken in WINDOW, BUYS and FINAL, else they wait."""

    WINDOW = 0
    """The book of the bar's open; nothing of the bar is public."""
    BUYS = 1
    """Resting buys were matched (P1)."""
    STOPS = 2
    """Stops were matched (P2)."""
    SELLS = 3
    """Resting sells were matched (P3)."""
    GAP = 4
    """The bar has closed and the next one has not opened."""
    FINAL = 5
    """There is no next bar: the book of the last close stays."""


@dataclass(slots=True)
class Money:
    """What an account holds of one asset; neither part is ever negative."""

    free: Decimal = ZERO
    locked: Decimal = ZERO


@dataclass(slots=True)
class Order:
    """One order; quantities in steps, prices in ticks (0: none), `cost` in ticks x steps, times in market ms.

    Attributes:
        quote_limit: quoteOrderQty of a market order, 0 otherwise.
        lot: least quantity in which a resting order fills, steps.
        row, phase: bar and phase in which it was accepted; a limit accepted in BUYS rests from the next bar on.
        held: came between windows and waits for the next one.
        working: rests as a limit; False for a stop that was not triggered.
        locked: what it locks alone (0 as a leg of a list).
        hidden_until_ms: wall time before which GET does not see it.
    """

    order_id: int
    cid: str
    account: str
    symbol: str
    side: Side
    type: OrderType
    tif: Tif
    quantity: int
    limit: int
    stop: int
    quote_limit: Decimal
    stp: str
    lot: int
    row: int
    phase: Phase
    created_ms: int
    updated_ms: int
    working: bool
    status: Status = Status.NEW
    filled: int = 0
    cost: int = 0
    list_id: int = -1
    held: bool = False
    locked: Decimal = ZERO
    hidden_until_ms: int = 0

    @property
    def rest(self) -> int:
        """Return what is still to be filled, steps."""
        return self.quantity - self.filled

    @property
    def is_open(self) -> bool:
        """Return whether it can still fill."""
        return self.status in OPEN_STATUSES


@dataclass(slots=True)
class OrderList:
    """An OCO pair; `locked` is what both legs lock together."""

    list_id: int
    cid: str
    account: str
    symbol: str
    above_id: int
    below_id: int
    created_ms: int
    locked: Decimal = ZERO
    done: bool = False
    hidden_until_ms: int = 0


@dataclass(slots=True)
class Trade:
    """One execution of an account's order."""

    trade_id: int
    order_id: int
    list_id: int
    symbol: str
    side: Side
    price: int
    quantity: int
    commission: Decimal
    commission_asset: str
    maker: bool
    time_ms: int
    hidden_until_ms: int = 0


@dataclass(slots=True)
class AccountState:
    """One account: balances by asset, orders and lists by id, trades in order of time.

    Attributes:
        open_orders: the orders that can still fill, by id (the values mean nothing).
        newest: order id by "SYMBOL client id", the last one sent; `newest_list` list id by client id.
        seq: number of the last private event.
        chain, lots: by symbol, the client id prefix of the last purchase from flat, and its least lot, steps.
        order_windows: unfilled order counts by window length in seconds: (window number, count).
        updated_ms: market time of the last change.
    """

    name: str
    money: dict[str, Money]
    orders: dict[int, Order] = field(default_factory=dict)
    lists: dict[int, OrderList] = field(default_factory=dict)
    trades: list[Trade] = field(default_factory=list)
    open_orders: dict[int, bool] = field(default_factory=dict)
    newest: dict[str, int] = field(default_factory=dict)
    newest_list: dict[str, int] = field(default_factory=dict)
    seq: int = 0
    chain: dict[str, str] = field(default_factory=dict)
    lots: dict[str, int] = field(default_factory=dict)
    order_windows: dict[int, tuple[int, int]] = field(default_factory=dict)
    updated_ms: int = 0


@dataclass(slots=True)
class MarketState:
    """One market's place in its bars.

    Attributes:
        row: the bar whose window is open, or that is being matched; all rows before it are closed.
        phase: see `Phase`.
        shown: last public price, ticks; `shown_row` the bar whose costs its book has.
        last: last trade of the account in this bar, ticks, by account; absent: the open.
        prints: prices printed so far in the bar, ticks.
        fills: executions in this phase of the bar (their numbers).
        used: share of the bar's volume already given to resting orders, steps, by "account SIDE".
        update_id: last number of the depth stream.
        bids, asks: the book as last published: price in ticks -> steps.
        crossed: a false bid was published and is to be taken back: its price, 0 none.
        late: commands that came between windows and had to wait.
    """

    row: int
    phase: Phase
    shown: int
    shown_row: int
    last: dict[str, int] = field(default_factory=dict)
    prints: list[int] = field(default_factory=list)
    fills: int = 0
    used: dict[str, int] = field(default_factory=dict)
    update_id: int = 1
    bids: dict[int, int] = field(default_factory=dict)
    asks: dict[int, int] = field(default_factory=dict)
    crossed: int = 0
    late: int = 0


@dataclass(slots=True)
class ClockState:
    """Market time.

    Attributes:
        now_ms: the market clock.
        bar: bar number whose window is open or that is being matched.
        step: phases of it already done: 0 none, 1 resting buys, 2 stops, 3 resting sells; 4: it has not opened yet.
        closed: number of the last closed bar.
        stage: "close" or "fills"; "" in free run and after the end.
        waiting: accounts whose ack lock-step waits for.
        ended: every market's last bar has closed.
    """

    now_ms: int
    bar: int
    step: int
    closed: int
    stage: str = ""
    waiting: list[str] = field(default_factory=list)
    ended: bool = False


@dataclass(slots=True)
class Limiter:
    """Request weight of one address: the minute and what was used in it, and until when it is limited or banned."""

    minute: int = 0
    used: int = 0
    limited_until_ms: int = 0
    banned_until_ms: int = 0
    ignored: int = 0
    bans: int = 0


@dataclass(slots=True)
class ExchangeState:
    """All of it: what `snapshot` writes.

    Attributes:
        faults, script: probabilities, and one-shot faults that have not struck yet.
        random: state of each random generator, as text.
    """

    clock: ClockState
    markets: dict[str, MarketState]
    accounts: dict[str, AccountState]
    faults: Faults
    limiters: dict[str, Limiter] = field(default_factory=dict)
    script: list[ScriptedFault] = field(default_factory=list)
    next_order_id: int = 1
    next_list_id: int = 1
    random: dict[str, str] = field(default_factory=dict)

"""What is asked of a venue and what it answers: orders, lists, trades, balances, and the three kinds of outcome.

Every price, quantity and amount is a `Decimal`; every time is in ms since the epoch (UTC), on the venue's clock.
"""

import re
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from huracan.errors import InvariantError

__all__ = [
    "TERMINAL",
    "Accepted",
    "Balance",
    "BalanceUpdate",
    "ListStatus",
    "MarketFilters",
    "OcoRequest",
    "OrderKind",
    "OrderRequest",
    "Outcome",
    "RejectCode",
    "Rejected",
    "Side",
    "Unknown",
    "UserEvent",
    "VenueList",
    "VenueOrder",
    "VenueStatus",
    "VenueTrade",
]

_CID = re.compile(r"[a-zA-Z0-9\-_]{1,36}")


class Side(StrEnum):
    """Which way an order trades."""

    BUY = "BUY"
    SELL = "SELL"


class OrderKind(StrEnum):
    """How an order meets the book; `STOP` is the lower leg of an OCO; `OTHER` is an order not of ours."""

    FOK = "FOK"
    IOC = "IOC"
    POST_ONLY = "POST_ONLY"
    MARKET = "MARKET"
    LIMIT = "LIMIT"
    STOP = "STOP"
    OTHER = "OTHER"


class VenueStatus(StrEnum):
    """The venue's own word on an order."""

    NEW = "NEW"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    FILLED = "FILLED"
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"
    EXPIRED_IN_MATCH = "EXPIRED_IN_MATCH"
    REJECTED = "REJECTED"
    PENDING_NEW = "PENDING_NEW"


TERMINAL = frozenset(
    {
        VenueStatus.FILLED,
        VenueStatus.CANCELED,
        VenueStatus.EXPIRED,
        VenueStatus.EXPIRED_IN_MATCH,
        VenueStatus.REJECTED,
    }
)
"""Statuses after which an order cannot fill any more."""


class ListStatus(StrEnum):
    """The venue's own word on an order list."""

    EXECUTING = "EXECUTING"
    ALL_DONE = "ALL_DONE"
    REJECT = "REJECT"


class RejectCode(StrEnum):
    """Why the venue definitely did not do what was asked."""

    WOULD_MATCH = "WOULD_MATCH"
    INSUFFICIENT_BALANCE = "INSUFFICIENT_BALANCE"
    FILTER = "FILTER"
    BAD_REQUEST = "BAD_REQUEST"
    BAD_SYMBOL = "BAD_SYMBOL"
    MARKET_CLOSED = "MARKET_CLOSED"
    AUTH = "AUTH"
    CLOCK = "CLOCK"
    RATE_LIMIT = "RATE_LIMIT"
    BANNED = "BANNED"
    ORDER_LIMIT = "ORDER_LIMIT"
    STOP_WOULD_TRIGGER = "STOP_WOULD_TRIGGER"
    UNKNOWN_ORDER = "UNKNOWN_ORDER"
    PRICE_RELATION = "PRICE_RELATION"
    ORDER_REFUSED = "ORDER_REFUSED"


def _positive(value: Decimal, what: str) -> None:
    if not isinstance(value, Decimal) or not value.is_finite() or value <= 0:
        raise InvariantError(f"{what} is {value!r}, not a positive finite Decimal")


def _client_id(value: str, what: str) -> None:
    if not _CID.fullmatch(value):
        raise InvariantError(f"{what} {value!r} is no client id: 1 to 36 of a-z A-Z 0-9 - _")


@dataclass(frozen=True, slots=True)
class OrderRequest:
    """One order to send.

    Attributes:
        cid: client order id, 1 to 36 of a-z A-Z 0-9 - _; sent at most once.
        symbol: ccxt symbol.
        side: buy or sell.
        kind: any but `STOP` and `OTHER`.
        quantity: coins, on the venue's step.
        price: quote currency, on the venue's tick; None for `MARKET` and only there.

    Raises:
        InvariantError: such an order must never be built: it is a defect, not the venue's business.
    """

    cid: str
    symbol: str
    side: Side
    kind: OrderKind
    quantity: Decimal
    price: Decimal | None

    def __post_init__(self) -> None:
        _client_id(self.cid, "cid")
        _positive(self.quantity, f"{self.cid}: quantity")
        if self.kind in (OrderKind.STOP, OrderKind.OTHER):
            raise InvariantError(f"{self.cid}: an order of kind {self.kind} is never sent alone")
        if (self.price is None) != (self.kind is OrderKind.MARKET):
            raise InvariantError(f"{self.cid}: a {self.kind} order with price {self.price}")
        if self.price is not None:
            _positive(self.price, f"{self.cid}: price")


@dataclass(frozen=True, slots=True)
class OcoRequest:
    """The protective exit of a long position: a sell limit above and a stop below, one of which ends the other.

    Attributes:
        list_cid: client id of the list; sent at most once.
        above_cid: client order id of the limit (LIMIT_MAKER) at `target`.
        below_cid: client order id of the stop (STOP_LOSS) at `stop`.
        symbol: ccxt symbol.
        quantity: coins, the same for both legs.
        target: limit price of the upper leg, quote currency.
        stop: trigger price of the lower leg.

    Raises:
        InvariantError: the ids coincide, a number is not positive, or the stop is not below the target.
    """

    list_cid: str
    above_cid: str
    below_cid: str
    symbol: str
    quantity: Decimal
    target: Decimal
    stop: Decimal

    def __post_init__(self) -> None:
        for cid in (self.list_cid, self.above_cid, self.below_cid):
            _client_id(cid, "cid")
        if len({self.list_cid, self.above_cid, self.below_cid}) != 3:
            raise InvariantError(f"{self.list_cid}: the ids of a list and of its legs must differ")
        _positive(self.quantity, f"{self.list_cid}: quantity")
        _positive(self.target, f"{self.list_cid}: target")
        _positive(self.stop, f"{self.list_cid}: stop")
        if self.stop >= self.target:
            raise InvariantError(f"{self.list_cid}: stop {self.stop} is not below target {self.target}")


@dataclass(frozen=True, slots=True)
class VenueOrder:
    """An order as the venue states it.

    Attributes:
        cid: client order id.
        venue_id: the venue's id.
        symbol: ccxt symbol.
        side: buy or sell.
        kind: how it meets the book.
        status: the venue's word.
        quantity: coins ordered.
        price: limit price; None for market orders and stops.
        stop_price: trigger of a stop; None for others.
        filled: coins executed so far.
        cost: quote currency exchanged so far, fees excluded.
        list_id: the venue's id of the order list; None outside one.
        time_ms: when the venue accepted it; 0 where a reply does not say.
        update_ms: its last change; 0 where a reply does not say.
    """

    cid: str
    venue_id: str
    symbol: str
    side: Side
    kind: OrderKind
    status: VenueStatus
    quantity: Decimal
    price: Decimal | None
    stop_price: Decimal | None
    filled: Decimal
    cost: Decimal
    list_id: str | None
    time_ms: int
    update_ms: int


@dataclass(frozen=True, slots=True)
class VenueTrade:
    """One execution; `trade_id` is unique per venue and symbol.

    Attributes:
        trade_id: the venue's id of the execution.
        venue_id: the venue's id of the order.
        symbol: ccxt symbol.
        side: of our order.
        quantity: coins.
        price: quote currency per coin.
        commission: fee, in `commission_asset`; negative for a rebate.
        commission_asset: coin, quote currency or a discount token.
        maker: our order was resting.
        time_ms: when it happened.
    """

    trade_id: str
    venue_id: str
    symbol: str
    side: Side
    quantity: Decimal
    price: Decimal
    commission: Decimal
    commission_asset: str
    maker: bool
    time_ms: int


@dataclass(frozen=True, slots=True)
class VenueList:
    """An order list as the venue states it, with the client order ids of its legs."""

    list_id: str
    list_cid: str
    symbol: str
    status: ListStatus
    cids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Balance:
    """What an account holds of one asset: free to use, and locked in resting orders."""

    free: Decimal
    locked: Decimal


@dataclass(frozen=True, slots=True)
class BalanceUpdate:
    """One asset's balance as the user stream tells it."""

    asset: str
    balance: Balance
    time_ms: int


UserEvent = VenueOrder | VenueTrade | BalanceUpdate
"""What the user stream yields."""


@dataclass(frozen=True, slots=True)
class MarketFilters:
    """What the venue demands of orders in one market; a bound of None is not set.

    Attributes:
        symbol: ccxt symbol.
        market_id: the venue's name of it.
        base: coin.
        quote: quote currency.
        status: the venue's word; orders are taken in `TRADING` only.
        tick: price step.
        step: quantity step.
        price_min: least price.
        price_max: greatest price.
        quantity_min: least quantity.
        quantity_max: greatest quantity.
        market_quantity_max: greatest quantity of a market order.
        notional_min: least order value, quote currency.
        order_types: the venue's names of the types it takes here.
        oco_allowed: order lists are taken here.
    """

    symbol: str
    market_id: str
    base: str
    quote: str
    status: str
    tick: Decimal
    step: Decimal
    price_min: Decimal | None
    price_max: Decimal | None
    quantity_min: Decimal | None
    quantity_max: Decimal | None
    market_quantity_max: Decimal | None
    notional_min: Decimal
    order_types: tuple[str, ...]
    oco_allowed: bool


@dataclass(frozen=True, slots=True)
class Accepted:
    """The venue did it and says so: the orders as they stand now, and the executions of the same reply.

    Executions in a reply to a market or IOC order carry neither maker flag nor time: they are takers at the order's
    time. The same `trade_id` comes again from `trades`.
    """

    orders: tuple[VenueOrder, ...]
    trades: tuple[VenueTrade, ...] = ()


@dataclass(frozen=True, slots=True)
class Rejected:
    """The venue definitely did not do it.

    Attributes:
        code: the reason, ours.
        venue_code: the venue's number; None when it gave none.
        message: the venue's words, one line.
        retry_after_s: how long nothing may be sent; None: not said.
    """

    code: RejectCode
    venue_code: int | None
    message: str
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True)
class Unknown:
    """Nobody knows whether the venue did it: ask the venue, never send again.

    `DUPLICATE` means that an open order has this client order id: ask for it and adopt it.
    """

    reason: str


Outcome = Accepted | Rejected | Unknown
"""What came of a command; there is no fourth case, and everything that is not definite is `Unknown`."""

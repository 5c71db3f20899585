"""What trader and venue say to each other: commands one way, events the other, closed candles to both."""

from dataclasses import dataclass
from decimal import Decimal
from enum import Enum


class Side(Enum):
    """Which way an order or a venue trade goes."""

    BUY = "BUY"
    SELL = "SELL"


class Kind(Enum):
    """Order types of the venue; the two legs of an OCO order list are kinds of their own."""

    FOK = "LIMIT FOK"
    POST_ONLY = "LIMIT_MAKER"
    MARKET = "MARKET"
    UPPER_LEG = "OCO above LIMIT_MAKER"
    STOP_LEG = "OCO below STOP_LOSS"


class Refusal(Enum):
    """Why the venue would not take an order."""

    WOULD_MATCH = "order would immediately match and take"
    LIMIT_CROSSES = "upper leg is not above the last trade"
    STOP_CROSSES = "stop leg is not below the last trade"


class Ending(Enum):
    """How an order came to its end."""

    FILLED = "FILLED"
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"


@dataclass(frozen=True, slots=True)
class Candle:
    """One closed bar in exact decimals, quote currency and base currency."""

    bar_no: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal


@dataclass(frozen=True, slots=True)
class BookCost:
    """One day's row of the cost table: spread, ticks; largest order, steps; impact `a`, ticks per sqrt(step)."""

    spread: int
    qcap: int
    impact: float


@dataclass(frozen=True, slots=True)
class PlaceOrder:
    """POST order; `price` is None for MARKET."""

    cid: int
    side: Side
    kind: Kind
    quantity: Decimal
    price: Decimal | None = None


@dataclass(frozen=True, slots=True)
class PlaceOco:
    """POST orderList/oco SELL: a post-only limit above, a STOP_LOSS below."""

    cid: int
    quantity: Decimal
    limit: Decimal
    stop: Decimal


@dataclass(frozen=True, slots=True)
class Cancel:
    """DELETE of an order or an order list."""

    cid: int


Command = PlaceOrder | PlaceOco | Cancel


@dataclass(frozen=True, slots=True)
class Accepted:
    """The order rests."""

    cid: int


@dataclass(frozen=True, slots=True)
class Refused:
    """The order was never on the book."""

    cid: int
    why: Refusal


@dataclass(frozen=True, slots=True)
class Fill:
    """One venue trade with its own commission in `asset` ("base" or "quote")."""

    cid: int
    kind: Kind
    side: Side
    price: Decimal
    quantity: Decimal
    commission: Decimal
    asset: str


@dataclass(frozen=True, slots=True)
class Ended:
    """An order or order list is terminal; a partly filled upper leg stays open and is not."""

    cid: int
    how: Ending


Event = Accepted | Refused | Fill | Ended

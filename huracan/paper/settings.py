"""Everything the exchange is told before it opens: accounts, limits, latencies, and the rules of candle matching."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from huracan.paper.faults import NO_FAULTS, Faults

__all__ = ["Latency", "PaperAccount", "PaperSettings", "RateLimits"]


@dataclass(frozen=True, slots=True)
class Latency:
    """Wall-clock delays, ms: each is drawn as base + an exponential of the given mean, cut at ten means.

    Attributes:
        command_ms, command_mean_ms: from the client's send to the matching engine.
        ack_ms, ack_mean_ms: from the engine to the client's reply.
        event_ms, event_mean_ms: from the engine to the user stream; market streams have no delay.
    """

    command_ms: int = 0
    command_mean_ms: float = 0.0
    ack_ms: int = 0
    ack_mean_ms: float = 0.0
    event_ms: int = 0
    event_mean_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class RateLimits:
    """What one address and one account may do; Binance's published figures.

    Attributes:
        weight_1m: request weight per address and minute.
        orders_10s, orders_1d: unfilled new orders per account.
        ban_after: requests sent in spite of a 429, within its minute, that earn a ban.
        ban_s: length of the first ban; each further one is three times as long, at most three days.
    """

    weight_1m: int = 6_000
    orders_10s: int = 100
    orders_1d: int = 200_000
    ban_after: int = 10
    ban_s: int = 120


@dataclass(frozen=True, slots=True)
class PaperAccount:
    """One account of the exchange.

    Attributes:
        name: how streams and admin calls refer to it.
        api_key, secret: as sent in X-MBX-APIKEY, and the key of the HMAC.
        balances: free amounts at the start by asset.
        fee_asset: an asset that pays all commissions while the account has enough of it (BNB); None: the asset
            received, or quote where the instrument says so.
        fee_asset_price: value of one unit of `fee_asset` in every quote currency.
    """

    name: str
    api_key: str
    secret: str = field(repr=False)
    balances: Mapping[str, Decimal]
    fee_asset: str | None = None
    fee_asset_price: Decimal = Decimal(600)


@dataclass(frozen=True, slots=True)
class PaperSettings:
    """How the exchange runs.

    Attributes:
        start_ms: market clock at the opening: bars that closed by then are history, the next one is the first window.
        lockstep: True: market time moves by `ack` alone; False: by `advance`.
        share_num, share_den: share of the volume traded through a resting order that fills it.
        stop_slip_range_frac: kappa, slippage of a triggered stop as a share of the bar's range.
        latency, limits, faults: see there; `faults` can be replaced while running.
        stp_mode: default self-trade prevention: NONE, EXPIRE_TAKER, EXPIRE_MAKER or EXPIRE_BOTH.
        streams: kinds of market streams that are published: kline, trade, aggTrade, bookTicker, depth.
        intervals: timeframes of published candles beside that of the bars.
        book_levels: price levels of the book that can be seen, a side.
        position_max: MAX_POSITION by base asset; absent: no such filter.
    """

    start_ms: int
    lockstep: bool = False
    share_num: int = 1
    share_den: int = 10
    stop_slip_range_frac: float = 0.1
    latency: Latency = Latency()
    limits: RateLimits = RateLimits()
    faults: Faults = NO_FAULTS
    stp_mode: str = "EXPIRE_MAKER"
    streams: tuple[str, ...] = ("kline", "trade", "aggTrade", "bookTicker", "depth")
    intervals: tuple[str, ...] = ()
    book_levels: int = 20
    position_max: Mapping[str, Decimal] = field(default_factory=dict)

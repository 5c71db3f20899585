"""Every reason for which risk refuses an order, in the order in which the reasons are looked for."""

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["DenialCode", "Denied", "denial_table"]


class DenialCode(StrEnum):
    """Why an order was refused; each value is what is stored and served."""

    # the order itself is wrong: buys and sells
    SYMBOL_UNKNOWN = "SYMBOL_UNKNOWN"
    PRICE_INVALID = "PRICE_INVALID"
    QUANTITY_INVALID = "QUANTITY_INVALID"
    PRICE_PRECISION = "PRICE_PRECISION"
    QUANTITY_PRECISION = "QUANTITY_PRECISION"
    PRICE_RANGE = "PRICE_RANGE"
    QUANTITY_RANGE = "QUANTITY_RANGE"
    MIN_NOTIONAL = "MIN_NOTIONAL"
    DUPLICATE = "DUPLICATE"
    OVERSOLD = "OVERSOLD"
    # the account may not trade, or not this
    HALTED = "HALTED"
    REDUCING = "REDUCING"
    STATE_UNKNOWN = "STATE_UNKNOWN"
    LOCKED = "LOCKED"
    COIN_PAUSED = "COIN_PAUSED"
    PATTERN_PAUSED = "PATTERN_PAUSED"
    LOW_CONFIDENCE = "LOW_CONFIDENCE"
    SIZE_REDUCED = "SIZE_REDUCED"
    MARKET_CLOSED = "MARKET_CLOSED"
    STALE_DATA = "STALE_DATA"
    CLOCK_SKEW = "CLOCK_SKEW"
    THROTTLED = "THROTTLED"
    NO_MONITOR = "NO_MONITOR"
    # a limit in money: also in portfolio shadow
    DAILY_LOSS = "DAILY_LOSS"
    DAILY_PROFIT = "DAILY_PROFIT"
    DRAWDOWN = "DRAWDOWN"
    OPEN_TRADES = "OPEN_TRADES"
    SYMBOL_NOTIONAL = "SYMBOL_NOTIONAL"
    GROSS_EXPOSURE = "GROSS_EXPOSURE"
    HEAT = "HEAT"
    BALANCE = "BALANCE"
    # a limit in orders
    ORDER_RATE = "ORDER_RATE"
    ORDERS_IN_FLIGHT = "ORDERS_IN_FLIGHT"


_MEANING = {
    DenialCode.SYMBOL_UNKNOWN: ("the market is not among those this account trades", "both", "data.symbols"),
    DenialCode.PRICE_INVALID: (
        "a price is no positive finite decimal, a buy has none, or its stop is not below it",
        "both",
        "the order",
    ),
    DenialCode.QUANTITY_INVALID: ("the quantity is no positive finite decimal", "both", "the order"),
    DenialCode.PRICE_PRECISION: ("a price is no multiple of the venue's tick", "both", "the order"),
    DenialCode.QUANTITY_PRECISION: ("the quantity is no multiple of the venue's step", "both", "the order"),
    DenialCode.PRICE_RANGE: ("a price is outside the venue's bounds", "both", "the order"),
    DenialCode.QUANTITY_RANGE: ("the quantity is outside the venue's bounds", "both", "the order"),
    DenialCode.MIN_NOTIONAL: ("the order is worth less than the venue takes", "buys", "the order"),
    DenialCode.DUPLICATE: ("an order of this id is reserved already", "both", "the order"),
    DenialCode.OVERSOLD: ("more would be sold than is held and not being sold already", "sells", "the order"),
    DenialCode.HALTED: (
        "trading is halted; sells pass unless the halt says hold",
        "both",
        "`huracan resume`, after its cause is understood",
    ),
    DenialCode.REDUCING: ("positions may only be reduced", "buys", "`huracan resume`"),
    DenialCode.STATE_UNKNOWN: (
        "a figure is missing, not finite or impossible, or fills are not booked yet",
        "both; of a sell only position and trading state are asked for",
        "risk fails closed: find out which",
    ),
    DenialCode.LOCKED: ("the coin, or every coin, is locked for a while", "buys", "risk.protections, or by hand"),
    DenialCode.COIN_PAUSED: ("a remedy keeps entries out of the coin", "buys", "`huracan remedies ls`, `undo`"),
    DenialCode.PATTERN_PAUSED: (
        "a remedy keeps out entries whose state belongs to this pattern",
        "buys",
        "`huracan remedies ls`, `undo`",
    ),
    DenialCode.LOW_CONFIDENCE: (
        "the policy's confidence is below the least that an entry needs",
        "buys",
        "risk.confidence_min, `huracan remedies ls`",
    ),
    DenialCode.SIZE_REDUCED: ("a remedy allows smaller entries only", "buys", "`huracan remedies ls`, `undo`"),
    DenialCode.MARKET_CLOSED: ("the venue takes no orders in this market", "buys", "the venue"),
    DenialCode.STALE_DATA: (
        "the coin's last candle or the whole feed is too old",
        "buys",
        "risk.price_age_max_bars, risk.feed_age_max_s",
    ),
    DenialCode.CLOCK_SKEW: ("our clock and the venue's differ too much", "buys", "risk.clock_skew_max_ms"),
    DenialCode.THROTTLED: ("the venue asked for silence (429, 418)", "buys", "the venue's Retry-After"),
    DenialCode.NO_MONITOR: (
        "nobody watches: the monitor's heartbeat has been silent for too long where one is expected",
        "buys",
        "`huracan monitor status`; health.monitor_silent_s, health.monitor_expected",
    ),
    DenialCode.DAILY_LOSS: (
        "the UTC day's realised and unrealised loss reached its limit",
        "buys",
        "risk.daily_loss_max",
    ),
    DenialCode.DAILY_PROFIT: ("the UTC day's result reached its target", "buys", "risk.daily_profit_target"),
    DenialCode.DRAWDOWN: ("equity fell too far below its peak", "buys", "risk.drawdown_max_frac"),
    DenialCode.OPEN_TRADES: ("as many trades are open or reserved as allowed", "buys", "risk.max_open_trades"),
    DenialCode.SYMBOL_NOTIONAL: ("the symbol's notional would pass its limit", "buys", "risk.symbol_notional_max"),
    DenialCode.GROSS_EXPOSURE: (
        "the sum of notionals would pass its share of equity",
        "buys",
        "risk.gross_exposure_max_frac",
    ),
    DenialCode.HEAT: (
        "the loss if every stop is hit would pass its share of equity",
        "buys",
        "risk.heat_max_frac",
    ),
    DenialCode.BALANCE: ("free cash does not cover the order at its worst price", "buys", "the account's balance"),
    DenialCode.ORDER_RATE: (
        "too many orders within the window; the entry is denied, never queued",
        "buys",
        "risk.order_rate_max, risk.order_rate_window_s",
    ),
    DenialCode.ORDERS_IN_FLIGHT: ("too many orders wait for an answer", "buys", "risk.max_orders_in_flight"),
}


@dataclass(frozen=True, slots=True)
class Denied:
    """The order is refused.

    Attributes:
        code: the rule.
        value: the figure that broke it, NaN when unknown.
        limit: what it may be, NaN when unknown.
        detail: which figure, or why, where the code does not say it all.
    """

    code: DenialCode
    value: float
    limit: float
    detail: str = ""


def denial_table() -> str:
    """Return the codes as a Markdown table, as the documentation shows them."""
    rows = ["| code | meaning | refuses | setting or remedy |", "|---|---|---|---|"]
    rows += [f"| `{code}` | {' | '.join(_MEANING[code])} |" for code in DenialCode]
    return "\n".join(rows) + "\n"

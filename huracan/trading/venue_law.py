"""Venue law: what one bar does to orders. It knows prices, quantities and costs, no positions and no reasons.

The paper exchange calls these functions for its candle matching; the kernel calls the same ones. All prices are
integer ticks, quantities integer steps. Three floats meet a rule (impact, stop slippage and, in the trader's law, the
levels); each is rounded once, by the same operations in the same order everywhere.
"""

import math
from typing import NamedTuple

from huracan.trading.compiled import hot_law, law

__all__ = [
    "Bar",
    "Terms",
    "best_ask",
    "best_bid",
    "buy_prices",
    "ceil_div",
    "fee_base",
    "fee_quote",
    "fok_fills",
    "impact",
    "maker_quantity",
    "oco_refused",
    "post_only_refused",
    "sell_prices",
    "stop_level",
    "stop_touch",
    "through_buy",
    "through_sell",
]


class Bar(NamedTuple):
    """One closed candle: open time / bar length, prices in ticks, volume in steps."""

    number: int
    open: int
    high: int
    low: int
    close: int
    volume: int


class Terms(NamedTuple):
    """What the venue charges in one market on one day.

    Attributes:
        spread: bid-ask spread, ticks.
        impact: a; an order of q steps moves the price by a * sqrt(q) ticks.
        maker_ppm: fee of a resting fill, parts per million; `taker_ppm` of a taking one.
        fee_in_quote: a buy pays in quote currency instead of the coin.
        step_units: one step in 1e-8 coin.
        quote_num: one tick x step is quote_num / quote_den units of 1e-8 quote.
        share_num: share of the traded volume that fills a resting order, numerator; `share_den` denominator.
        kappa: slippage of a stop, share of the bar's range.
    """

    spread: int
    impact: float
    maker_ppm: int
    taker_ppm: int
    fee_in_quote: bool
    step_units: int
    quote_num: int
    quote_den: int
    share_num: int
    share_den: int
    kappa: float


@law
def ceil_div(value: int, num: int, den: int) -> int:
    """Return ceil(value * num / den) without forming the product, which can exceed 63 bits; all >= 0, den > 0."""
    whole = value // den
    rest = value - whole * den
    return whole * num + (rest * num + den - 1) // den


@law
def fee_base(steps: int, ppm: int, terms: Terms) -> int:
    """Return the fee of a buy of `steps` in the coin received, 1e-8 coin, rounded up."""
    return ceil_div(steps * terms.step_units, ppm, 1_000_000)


@law
def fee_quote(value: int, ppm: int, terms: Terms) -> int:
    """Return the fee of a trade of `value` ticks x steps in quote currency, 1e-8 quote, rounded up."""
    return ceil_div(value, ppm * terms.quote_num, 1_000_000 * terms.quote_den)


@hot_law
def best_bid(last: int, terms: Terms) -> int:
    """Return the bid around the last trade: the smaller half of the spread below it."""
    return last - terms.spread // 2


@hot_law
def best_ask(last: int, terms: Terms) -> int:
    """Return the ask around the last trade: one spread above the bid."""
    return last - terms.spread // 2 + terms.spread


@law
def impact(steps: int, terms: Terms) -> tuple[int, int]:
    """Return (f, m): of `steps` taken, all slip f ticks beyond the touch and the last m one tick more.

    ceil(a * sqrt(q) * q) = f * q + m ticks x steps in all: the square-root law on whole ticks.
    """
    total = math.ceil(terms.impact * math.sqrt(steps) * steps)
    each = total // steps
    return each, total - each * steps


@law
def buy_prices(touch: int, steps: int, terms: Terms) -> tuple[int, int, int]:
    """Return (price, far price, steps at the far price) of a taking buy: one or two venue trades."""
    each, far = impact(steps, terms)
    return touch + each, touch + each + 1, far


@law
def sell_prices(touch: int, steps: int, terms: Terms) -> tuple[int, int, int]:
    """Return (price, far price, steps at the far price) of a taking sell; never below one tick."""
    each, far = impact(steps, terms)
    return max(1, touch - each), max(1, touch - each - 1), far


@law
def fok_fills(limit: int, touch: int, steps: int, terms: Terms) -> bool:
    """Return whether a fill-or-kill buy fills: its worst price stays within the limit."""
    price, far_price, far = buy_prices(touch, steps, terms)
    worst = far_price if far > 0 else price
    return worst <= limit


@law
def post_only_refused(limit: int, last: int, terms: Terms) -> bool:
    """Return whether a post-only buy is refused: it would meet the ask."""
    return limit >= best_ask(last, terms)


@law
def oco_refused(limit: int, last: int) -> bool:
    """Return whether the resting leg of a sell pair is refused: it does not lie above the last trade."""
    return limit <= last


@hot_law
def through_buy(limit: int, bar: Bar) -> int:
    """Return the volume traded below a resting buy, steps: 0 unless low <= limit - 1 (trade-through, not touch).

    The bar's volume is spread evenly over its range; a limit above the high has all of it below.
    """
    if bar.low > limit - 1:
        return 0
    if bar.high <= limit:
        return bar.volume
    return bar.volume * (limit - bar.low) // (bar.high - bar.low)


@hot_law
def through_sell(limit: int, bar: Bar) -> int:
    """Return the volume traded above a resting sell, steps: 0 unless high >= limit + 1."""
    if bar.high < limit + 1:
        return 0
    if bar.low >= limit:
        return bar.volume
    return bar.volume * (bar.high - limit) // (bar.high - bar.low)


@law
def maker_quantity(rest: int, through: int, lot: int, terms: Terms) -> int:
    """Return how much of a resting order's `rest` fills in a bar.

    At most a share of the volume traded through it; nothing when that is below a lot; all of it when less than a lot
    would be left, so that no fill and no remainder is too small to trade.
    """
    cap = through * terms.share_num // terms.share_den
    if cap < lot:
        return 0
    if rest - cap < lot:
        return rest
    return cap


@hot_law
def stop_touch(stop: int, bar: Bar) -> bool:
    """Return whether a sell stop triggers inside the bar: touching is enough."""
    return bar.low <= stop


@law
def stop_level(stop: int, bar: Bar, terms: Terms) -> int:
    """Return the touch at which a triggered stop sells, before impact.

    A gap (open at or below the stop) sells at the open's bid. Else the stop less the half-spread and kappa of the
    bar's range, but not below what the bar's low could have paid.
    """
    half = terms.spread // 2
    if bar.open <= stop:
        return bar.open - half
    slip = math.ceil(terms.kappa * (bar.high - bar.low))
    return max(stop - half - slip, bar.low - half)

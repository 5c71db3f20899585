"""Orders against one bar, in whole ticks and steps; every price, quantity and fee comes from the venue law."""

from collections.abc import Mapping
from decimal import Decimal
from typing import NamedTuple

from huracan.paper.market import PaperMarket
from huracan.paper.settings import PaperSettings
from huracan.paper.state import Side
from huracan.trading.venue_law import (
    Bar,
    Terms,
    best_ask,
    best_bid,
    buy_prices,
    ceil_div,
    fee_base,
    fee_quote,
    fok_fills,
    maker_quantity,
    sell_prices,
    stop_level,
    through_buy,
    through_sell,
)

__all__ = [
    "UNIT",
    "Part",
    "book_levels",
    "commission",
    "least_lot",
    "level_changes",
    "make_terms",
    "maker_fill",
    "stop_parts",
    "takeable",
    "taker_parts",
    "touch",
    "worst_within",
]

UNIT = Decimal("1e-8")
"""Fees are whole multiples of this, in any asset."""


class Part(NamedTuple):
    """One venue trade: price in ticks, quantity in steps."""

    price: int
    quantity: int


def make_terms(market: PaperMarket, row: int, settings: PaperSettings) -> Terms:
    """Return what the venue charges on the day of a bar."""
    day, instrument = market.day(row), market.instrument
    ratio = instrument.quote_ratio
    return Terms(
        spread=int(market.costs.spread[day]),
        impact=float(market.costs.impact[day]),
        maker_ppm=instrument.fee_maker_ppm,
        taker_ppm=instrument.fee_taker_ppm,
        fee_in_quote=instrument.fee_in_quote,
        step_units=instrument.step_units,
        quote_num=ratio.numerator,
        quote_den=ratio.denominator,
        share_num=settings.share_num,
        share_den=settings.share_den,
        kappa=settings.stop_slip_range_frac,
    )


def touch(side: Side, last: int, terms: Terms) -> int:
    """Return the price at which a taker of this side begins: the ask for a buy, the bid for a sell."""
    return best_ask(last, terms) if side is Side.BUY else best_bid(last, terms)


def taker_parts(side: Side, begin: int, quantity: int, terms: Terms) -> list[Part]:
    """Return the trades of `quantity` steps taken from the price `begin` on: one, or two on neighbouring ticks."""
    prices = buy_prices if side is Side.BUY else sell_prices
    near, far, further = prices(begin, quantity, terms)
    parts = [Part(near, quantity - further)]
    return [*parts, Part(far, further)] if further else parts


def worst_within(side: Side, limit: int, begin: int, quantity: int, terms: Terms) -> bool:
    """Return whether the worst of the trades stays within the limit."""
    if side is Side.BUY:
        return bool(fok_fills(limit, begin, quantity, terms))
    return taker_parts(side, begin, quantity, terms)[-1].price >= limit


def takeable(side: Side, limit: int, begin: int, quantity: int, terms: Terms) -> int:
    """Return how many of `quantity` steps can be taken within the limit: by bisection, since impact grows with size."""
    if worst_within(side, limit, begin, quantity, terms):
        return quantity
    fits, exceeds = 0, quantity
    while exceeds - fits > 1:
        middle = (fits + exceeds) // 2
        if worst_within(side, limit, begin, middle, terms):
            fits = middle
        else:
            exceeds = middle
    return fits


def maker_fill(side: Side, limit: int, rest: int, lot: int, used: int, bar: Bar, terms: Terms) -> int:
    """Return how much of a resting order fills in a bar, steps.

    `used` is what the account's other orders of the side, with better prices, have taken of this bar's share.
    """
    through = through_buy(limit, bar) if side is Side.BUY else through_sell(limit, bar)
    taken = ceil_div(used, terms.share_den, terms.share_num)
    return min(rest, maker_quantity(rest, max(0, through - taken), lot, terms))


def stop_parts(stop: int, quantity: int, bar: Bar, terms: Terms) -> list[Part]:
    """Return the trades of a sell stop that the bar has touched."""
    return taker_parts(Side.SELL, stop_level(stop, bar, terms), quantity, terms)


def commission(side: Side, part: Part, maker: bool, terms: Terms) -> tuple[Decimal, bool]:
    """Return (fee, whether it is in the base asset) of one trade, rounded up to 1e-8."""
    ppm = terms.maker_ppm if maker else terms.taker_ppm
    if side is Side.BUY and not terms.fee_in_quote:
        return fee_base(part.quantity, ppm, terms) * UNIT, True
    return fee_quote(part.price * part.quantity, ppm, terms) * UNIT, False


def least_lot(price: int, min_notional: int) -> int:
    """Return the least partial fill, steps: two steps and two least order values (both in ticks x steps) at a price."""
    return max(2, ceil_div(2 * min_notional, 1, price))


def book_levels(last: int, terms: Terms, count: int, quantity_max: int) -> tuple[dict[int, int], dict[int, int]]:
    """Return (bids, asks) around a price, ticks -> steps: the depth that the impact law implies.

    a * sqrt(q) ticks move the price, so that the n nearest ticks hold (n / a)^2 steps.
    """

    def depth(ticks: int) -> int:
        if terms.impact <= 0:
            return quantity_max
        return min(quantity_max, max(ticks, int((ticks / terms.impact) ** 2)))

    sizes = [max(1, depth(n + 1) - depth(n)) for n in range(count)]
    bid, ask = best_bid(last, terms), best_ask(last, terms)
    bids = {bid - n: size for n, size in enumerate(sizes) if bid - n >= 1}
    return bids, {ask + n: size for n, size in enumerate(sizes)}


def level_changes(before: Mapping[int, int], after: Mapping[int, int]) -> dict[int, int]:
    """Return what turns one side of a book into another; 0 takes a level away."""
    gone = {price: 0 for price in before if price not in after}
    return {**gone, **{price: size for price, size in after.items() if before.get(price) != size}}

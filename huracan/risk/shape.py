"""Is it an order at all? Prices and quantities that the venue would refuse, or that are no numbers, never leave."""

import math
from decimal import Decimal
from fractions import Fraction

from huracan.risk.codes import DenialCode, Denied
from huracan.risk.view import CoinView, OrderIntent, known, measured, usable
from huracan.venue.orders import MarketFilters, Side

__all__ = ["check_shape"]

_BOUNDS = ("price_min", "price_max", "quantity_min", "quantity_max", "market_quantity_max")


def check_shape(intent: OrderIntent, coin: CoinView | None) -> Denied | None:
    """Return why this is no order that the market could take, None when it is one.

    Least value is asked of buys alone: whether a remainder is too small to be sold is the venue's word, not ours.

    Args:
        intent: the order.
        coin: its market; None: not one of the account's.
    """
    if coin is None:
        return Denied(DenialCode.SYMBOL_UNKNOWN, math.nan, math.nan, intent.symbol)
    filters = coin.filters
    for bad in _unknown_filters(filters):
        return Denied(DenialCode.STATE_UNKNOWN, math.nan, math.nan, f"{intent.symbol}: {bad}")
    return _prices(intent, filters) or _quantity(intent, filters)


def _unknown_filters(filters: MarketFilters) -> list[str]:
    """Return the names of the figures that would let anything pass, since nothing is on a grid of NaN."""
    bad = [name for name in ("tick", "step") if not usable(getattr(filters, name))]
    bad += [name for name in _BOUNDS if getattr(filters, name) is not None and not known(getattr(filters, name))]
    return bad if known(filters.notional_min) else [*bad, "notional_min"]


def _prices(intent: OrderIntent, filters: MarketFilters) -> Denied | None:
    buying = intent.side is not Side.SELL
    if intent.price is None:
        return Denied(DenialCode.PRICE_INVALID, math.nan, math.nan, "a buy needs a worst price") if buying else None
    prices = {"price": intent.price} if intent.stop is None else {"price": intent.price, "stop": intent.stop}
    for name, price in prices.items():
        if not usable(price):
            return Denied(DenialCode.PRICE_INVALID, _figure(price), math.nan, name)
        if not _on_grid(price, filters.tick):
            return Denied(DenialCode.PRICE_PRECISION, float(price), float(filters.tick), name)
        if filters.price_min is not None and price < filters.price_min:
            return Denied(DenialCode.PRICE_RANGE, float(price), float(filters.price_min), name)
        if filters.price_max is not None and price > filters.price_max:
            return Denied(DenialCode.PRICE_RANGE, float(price), float(filters.price_max), name)
    if buying and intent.stop is not None and intent.stop >= intent.price:
        return Denied(DenialCode.PRICE_INVALID, float(intent.stop), float(intent.price), "stop not below the price")
    return None


def _quantity(intent: OrderIntent, filters: MarketFilters) -> Denied | None:
    quantity = intent.quantity
    if not usable(quantity):
        return Denied(DenialCode.QUANTITY_INVALID, _figure(quantity), math.nan)
    if not _on_grid(quantity, filters.step):
        return Denied(DenialCode.QUANTITY_PRECISION, float(quantity), float(filters.step))
    if filters.quantity_min is not None and quantity < filters.quantity_min:
        return Denied(DenialCode.QUANTITY_RANGE, float(quantity), float(filters.quantity_min))
    most = [filters.quantity_max] if intent.price is not None else [filters.quantity_max, filters.market_quantity_max]
    for bound in most:
        if bound is not None and quantity > bound:
            return Denied(DenialCode.QUANTITY_RANGE, float(quantity), float(bound))
    if intent.side is not Side.SELL and intent.price is not None and quantity * intent.price < filters.notional_min:
        return Denied(DenialCode.MIN_NOTIONAL, float(quantity * intent.price), float(filters.notional_min))
    return None


def _on_grid(figure: Decimal, unit: Decimal) -> bool:
    """Return True for a whole multiple; by fractions, since Decimal's remainder fails beyond its precision."""
    return (Fraction(figure) / Fraction(unit)).denominator == 1


def _figure(figure: object) -> float:
    """Return whatever was given as a number for the record, NaN when it is none."""
    return float(figure) if known(figure) or measured(figure) else math.nan

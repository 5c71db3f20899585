"""What GET exchangeInfo says: the weight limit, and what each market demands of orders."""

from collections.abc import Collection, Mapping
from decimal import Decimal
from typing import Any

from huracan.venue.orders import MarketFilters
from huracan.venue.wire import number

__all__ = ["parse_markets", "parse_symbols", "weight_limit"]


def weight_limit(body: Mapping[str, Any]) -> int | None:
    """Return the request weight per minute that the venue grants; None when it does not say."""
    for limit in body["rateLimits"]:
        if (limit["rateLimitType"], limit["interval"], limit["intervalNum"]) == ("REQUEST_WEIGHT", "MINUTE", 1):
            return int(limit["limit"])
    return None


def parse_symbols(body: Mapping[str, Any]) -> dict[str, str]:
    """Return the ccxt symbol of each market name."""
    return {row["symbol"]: f"{row['baseAsset']}/{row['quoteAsset']}" for row in body["symbols"]}


def parse_markets(body: Mapping[str, Any], symbols: Collection[str]) -> dict[str, MarketFilters]:
    """Return the demands of the markets asked for that exist, by ccxt symbol.

    Raises:
        ValueError: a market states no price or quantity step.
    """
    found = {}
    for row in body["symbols"]:
        symbol = f"{row['baseAsset']}/{row['quoteAsset']}"
        if symbol in symbols:
            found[symbol] = _parse_market(row, symbol)
    return found


def _parse_market(row: Mapping[str, Any], symbol: str) -> MarketFilters:
    filters = {entry["filterType"]: entry for entry in row["filters"]}
    price, lot, market = filters["PRICE_FILTER"], filters["LOT_SIZE"], filters.get("MARKET_LOT_SIZE", {})
    notional = filters.get("NOTIONAL") or filters.get("MIN_NOTIONAL") or {"minNotional": "0"}
    tick, step = number(price["tickSize"]), number(lot["stepSize"])
    if tick <= 0 or step <= 0:
        raise ValueError(f"{symbol}: tick {tick} and step {step} must be positive")
    return MarketFilters(
        symbol=symbol,
        market_id=row["symbol"],
        base=row["baseAsset"],
        quote=row["quoteAsset"],
        status=row["status"],
        tick=tick,
        step=step,
        price_min=_bound(price["minPrice"]),
        price_max=_bound(price["maxPrice"]),
        quantity_min=_bound(lot["minQty"]),
        quantity_max=_bound(lot["maxQty"]),
        market_quantity_max=_bound(market.get("maxQty", "0")),
        notional_min=number(notional["minNotional"]),
        order_types=tuple(row["orderTypes"]),
        oco_allowed=bool(row.get("ocoAllowed", False)),
    )


def _bound(value: Any) -> Decimal | None:
    """Return a filter's bound; zero switches it off."""
    return number(value) or None

"""Filters of a market, made from the shared instrument: what exchangeInfo shows is what an order is held against."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from huracan.paper.errors import filter_failure
from huracan.paper.market import PaperMarket
from huracan.paper.params import DECIMALS_MAX

__all__ = ["Filters", "decimals_of", "make_filters"]

_PRICE_TICKS_MAX = 10**9
_QUANTITY_STEPS_MAX = 4 * 10**9
_ORDERS_MAX = 200
_ALGO_ORDERS_MAX = 50
_PERCENT_UP, _PERCENT_DOWN = Decimal(5), Decimal("0.2")
AVG_PRICE_MINUTES = 5


def decimals_of(unit: Decimal) -> int:
    """Return how many decimals prices or quantities of a market may have: 8, or as many as its unit needs."""
    exponent = unit.normalize().as_tuple().exponent
    assert isinstance(exponent, int)
    return max(DECIMALS_MAX, -exponent)


@dataclass(frozen=True, slots=True)
class Filters:
    """Bounds of one market; prices in quote, quantities in base currency."""

    tick: Decimal
    price_max: Decimal
    step: Decimal
    quantity_max: Decimal
    notional_min: Decimal
    position_max: Decimal | None

    def price(self, price: Decimal) -> int:
        """Return a price in ticks.

        Raises:
            Refusal: it is out of bounds or between two ticks.
        """
        if not self.tick <= price <= self.price_max or price % self.tick != 0:
            raise filter_failure("PRICE_FILTER")
        return int(price / self.tick)

    def quantity(self, quantity: Decimal, market_order: bool = False) -> int:
        """Return a quantity in steps.

        Raises:
            Refusal: it is out of bounds or between two steps.
        """
        if not self.step <= quantity <= self.quantity_max or quantity % self.step != 0:
            raise filter_failure("LOT_SIZE")
        if market_order and quantity > self.quantity_max / 2:
            raise filter_failure("MARKET_LOT_SIZE")
        return int(quantity / self.step)

    def notional(self, price: Decimal, quantity: Decimal) -> None:
        """Refuse an order whose value is below the least one."""
        if price * quantity < self.notional_min:
            raise filter_failure("NOTIONAL")

    def percent_price(self, price: Decimal, average: Decimal) -> None:
        """Refuse a limit too far from the average price of the last minutes."""
        if not average * _PERCENT_DOWN <= price <= average * _PERCENT_UP:
            raise filter_failure("PERCENT_PRICE_BY_SIDE")

    def counts(self, orders: int, stops: int) -> None:
        """Refuse an order beyond the number of open ones allowed in a market, itself included."""
        if orders > _ORDERS_MAX:
            raise filter_failure("MAX_NUM_ORDERS")
        if stops > _ALGO_ORDERS_MAX:
            raise filter_failure("MAX_NUM_ALGO_ORDERS")

    def position(self, held: Decimal) -> None:
        """Refuse a buy after which the account would hold (with its open buys) more than is allowed."""
        if self.position_max is not None and held > self.position_max:
            raise filter_failure("MAX_POSITION")

    def payload(self) -> list[dict[str, Any]]:
        """Return the filters as exchangeInfo lists them."""
        up, down = f"{_PERCENT_UP:f}", f"{_PERCENT_DOWN:f}"
        shown: list[dict[str, Any]] = [
            {
                "filterType": "PRICE_FILTER",
                "minPrice": f"{self.tick:f}",
                "maxPrice": f"{self.price_max:f}",
                "tickSize": f"{self.tick:f}",
            },
            {
                "filterType": "LOT_SIZE",
                "minQty": f"{self.step:f}",
                "maxQty": f"{self.quantity_max:f}",
                "stepSize": f"{self.step:f}",
            },
            {
                "filterType": "MARKET_LOT_SIZE",
                "minQty": "0.00000000",
                "maxQty": f"{self.quantity_max / 2:f}",
                "stepSize": "0.00000000",
            },
            {
                "filterType": "PERCENT_PRICE_BY_SIDE",
                "bidMultiplierUp": up,
                "bidMultiplierDown": down,
                "askMultiplierUp": up,
                "askMultiplierDown": down,
                "avgPriceMins": AVG_PRICE_MINUTES,
            },
            {
                "filterType": "NOTIONAL",
                "minNotional": f"{self.notional_min:f}",
                "applyMinToMarket": True,
                "maxNotional": "9223372036.00000000",
                "applyMaxToMarket": False,
                "avgPriceMins": AVG_PRICE_MINUTES,
            },
            {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": _ORDERS_MAX},
            {"filterType": "MAX_NUM_ALGO_ORDERS", "maxNumAlgoOrders": _ALGO_ORDERS_MAX},
        ]
        if self.position_max is not None:
            shown.append({"filterType": "MAX_POSITION", "maxPosition": f"{self.position_max:f}"})
        return shown


def make_filters(market: PaperMarket, position_max: Decimal | None = None) -> Filters:
    """Return the filters of a market's instrument."""
    instrument = market.instrument
    return Filters(
        tick=instrument.tick.normalize(),
        price_max=_PRICE_TICKS_MAX * instrument.tick.normalize(),
        step=instrument.step.normalize(),
        quantity_max=_QUANTITY_STEPS_MAX * instrument.step.normalize(),
        notional_min=instrument.min_notional,
        position_max=position_max,
    )

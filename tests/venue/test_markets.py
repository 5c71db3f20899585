"""exchangeInfo: filters, names and the weight limit."""

from decimal import Decimal

import pytest

from huracan.venue.markets import parse_markets, parse_symbols, weight_limit
from huracan.venue.orders import MarketFilters
from huracan.venue.wire import MALFORMED
from tests.venue.replies import info_body


def test_filters_are_read_and_zero_means_no_bound():
    """Steps, bounds and the least value; a bound of zero is switched off."""
    found = parse_markets(info_body(), ["ADA/USDT", "NO/USDT"])
    assert found == {
        "ADA/USDT": MarketFilters(
            symbol="ADA/USDT",
            market_id="ADAUSDT",
            base="ADA",
            quote="USDT",
            status="TRADING",
            tick=Decimal("0.0001"),
            step=Decimal("0.1"),
            price_min=Decimal("0.0001"),
            price_max=Decimal(1000),
            quantity_min=Decimal("0.1"),
            quantity_max=Decimal(900_000),
            market_quantity_max=Decimal(60_000),
            notional_min=Decimal(5),
            order_types=("LIMIT", "LIMIT_MAKER", "MARKET", "STOP_LOSS", "STOP_LOSS_LIMIT"),
            oco_allowed=True,
        )
    }


def test_the_older_filter_of_the_least_value_counts_too():
    """MIN_NOTIONAL stands in for NOTIONAL where a venue still has it; without both there is no least value."""
    filters = [one for one in info_body()["symbols"][0]["filters"] if one["filterType"] != "NOTIONAL"]
    older = [*filters, {"filterType": "MIN_NOTIONAL", "minNotional": "10"}]
    assert parse_markets(info_body(filters=older), ["ADA/USDT"])["ADA/USDT"].notional_min == 10
    assert parse_markets(info_body(filters=filters), ["ADA/USDT"])["ADA/USDT"].notional_min == 0


@pytest.mark.parametrize("name", ["tickSize", "stepSize"])
@pytest.mark.parametrize("value", ["0", "-0.1", "NaN", "x"])
def test_a_market_without_steps_is_malformed(name, value):
    """Prices and quantities cannot be put on a step of zero, less, or nothing."""
    filters = [one | ({name: value} if name in one else {}) for one in info_body()["symbols"][0]["filters"]]
    with pytest.raises(MALFORMED):
        parse_markets(info_body(filters=filters), ["ADA/USDT"])


def test_names_and_the_limit_are_read():
    """Every market's ccxt symbol, and the request weight per minute."""
    assert parse_symbols(info_body()) == {"ADAUSDT": "ADA/USDT", "BTCUSDT": "BTC/USDT"}
    assert weight_limit(info_body()) == 1_200
    assert weight_limit({"rateLimits": []}) is None

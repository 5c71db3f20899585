"""Filters hold an order against the instrument by exact decimal arithmetic."""

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from huracan.paper.errors import Refusal
from huracan.paper.filters import decimals_of, make_filters
from tests.paper.world import FLAT, market

FILTERS = make_filters(market([FLAT]), position_max=Decimal(2))


def failure(action: object, *args: object) -> str:
    """Return the message with which a filter refuses."""
    with pytest.raises(Refusal) as caught:
        action(*args)  # type: ignore[operator]
    assert caught.value.code == -1013
    return caught.value.message.removeprefix("Filter failure: ")


@given(ticks=st.integers(1, 10**9), off=st.integers(1, 9_999))
@settings(max_examples=300, deadline=None)
def test_every_tick_passes_and_nothing_between(ticks: int, off: int) -> None:
    """Decimal modulo: 0.29 is 29 ticks of 0.01 and 0.290001 is none."""
    price = ticks * Decimal("0.01")
    assert FILTERS.price(price) == ticks
    assert failure(FILTERS.price, price + off * Decimal("0.000001")) == "PRICE_FILTER"


@given(steps=st.integers(1, 2 * 10**9), off=st.integers(1, 999))
@settings(max_examples=300, deadline=None)
def test_every_step_passes_and_nothing_between(steps: int, off: int) -> None:
    """The same for quantities."""
    quantity = steps * Decimal("0.001")
    assert FILTERS.quantity(quantity) == steps
    assert failure(FILTERS.quantity, quantity + off * Decimal("0.000001")) == "LOT_SIZE"


@pytest.mark.parametrize("price", ["0.001", "10000000.01"])
def test_prices_out_of_bounds(price: str) -> None:
    """Below a tick and beyond the largest."""
    assert failure(FILTERS.price, Decimal(price)) == "PRICE_FILTER"


def test_quantities_out_of_bounds() -> None:
    """Below a step, beyond the largest, and beyond the largest of a market order."""
    assert failure(FILTERS.quantity, Decimal("0.0001")) == "LOT_SIZE"
    assert failure(FILTERS.quantity, Decimal(4_000_001)) == "LOT_SIZE"
    assert failure(FILTERS.quantity, Decimal(2_000_001), True) == "MARKET_LOT_SIZE"
    assert FILTERS.quantity(Decimal(2_000_001)) == 2_000_001_000


def test_other_filters() -> None:
    """Least value, distance from the average, numbers of orders, largest position."""
    assert failure(FILTERS.notional, Decimal("4.99"), Decimal(1)) == "NOTIONAL"
    FILTERS.notional(Decimal(5), Decimal(1))
    assert failure(FILTERS.percent_price, Decimal("500.01"), Decimal(100)) == "PERCENT_PRICE_BY_SIDE"
    assert failure(FILTERS.percent_price, Decimal("19.99"), Decimal(100)) == "PERCENT_PRICE_BY_SIDE"
    FILTERS.percent_price(Decimal(500), Decimal(100))
    assert failure(FILTERS.counts, 201, 0) == "MAX_NUM_ORDERS"
    assert failure(FILTERS.counts, 200, 51) == "MAX_NUM_ALGO_ORDERS"
    assert failure(FILTERS.position, Decimal("2.001")) == "MAX_POSITION"
    FILTERS.position(Decimal(2))


def test_the_payload_shows_what_is_held_against() -> None:
    """What exchangeInfo shows are the bounds of the checks."""
    shown = {entry["filterType"]: entry for entry in FILTERS.payload()}
    assert shown["PRICE_FILTER"]["tickSize"] == "0.01"
    assert shown["LOT_SIZE"] == {
        "filterType": "LOT_SIZE",
        "minQty": "0.001",
        "maxQty": "4000000.000",
        "stepSize": "0.001",
    }
    assert shown["NOTIONAL"]["minNotional"] == "5"
    assert shown["MAX_POSITION"]["maxPosition"] == "2"


def test_a_fine_tick_is_written_without_an_exponent() -> None:
    """A client reads 0.0000000001, not 1E-10."""
    fine = make_filters(market([FLAT], tick=Decimal("1e-10")))
    assert fine.payload()[0]["tickSize"] == "0.0000000001"
    assert "position_max" not in {entry["filterType"] for entry in fine.payload()}


def test_a_fine_tick_needs_more_decimals() -> None:
    """SHIB's tick of 1e-10 cannot be written in eight."""
    assert decimals_of(Decimal("0.0000000001")) == 10
    assert decimals_of(Decimal("0.10")) == 8
    assert decimals_of(Decimal(100)) == 8

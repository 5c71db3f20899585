"""The shape of an order: on the grid, within the bounds, worth enough; judged exactly whatever the number."""

from dataclasses import replace
from decimal import Decimal as D

from hypothesis import given, settings
from hypothesis import strategies as st

from huracan.risk import DenialCode
from huracan.risk.shape import check_shape
from tests.risk.cases import BUY, COIN, FILTERS, SELL


@settings(deadline=None)
@given(st.integers(1, 9_000_000), st.integers(1, 99_999_999), st.integers(1, 10))
def test_only_multiples_of_tick_and_step_are_on_the_grid(steps: int, ticks: int, finer: int) -> None:
    """N steps at m ticks pass; a tenth of a step or tick more does not, however many digits the number has."""
    coin = replace(COIN, filters=replace(FILTERS, notional_min=D(0)))
    order = replace(BUY, quantity=steps * D("0.001"), price=ticks * D("0.01"), stop=None)
    assert check_shape(order, coin) is None
    off = D(1).scaleb(-3 - finer)
    for wrong, code in (
        (replace(order, quantity=order.quantity + off), DenialCode.QUANTITY_PRECISION),
        (replace(order, price=ticks * D("0.01") + off), DenialCode.PRICE_PRECISION),
    ):
        denied = check_shape(wrong, coin)
        assert denied is not None
        assert denied.code is code


def test_a_step_that_is_no_power_of_ten_counts() -> None:
    """A tick of 0.05 takes 100.05 and refuses 100.01; a step of 0.25 takes 0.75 and refuses 0.7."""
    coin = replace(COIN, filters=replace(FILTERS, tick=D("0.05"), step=D("0.25"), quantity_min=None, quantity_max=None))
    fine = replace(BUY, price=D("100.05"), quantity=D("0.75"), stop=None)
    assert check_shape(fine, coin) is None
    assert check_shape(replace(fine, price=D("100.01")), coin).code is DenialCode.PRICE_PRECISION  # type: ignore[union-attr]
    assert check_shape(replace(fine, quantity=D("0.7")), coin).code is DenialCode.QUANTITY_PRECISION  # type: ignore[union-attr]


def test_a_remainder_too_small_for_the_venue_may_still_be_sold() -> None:
    """The least value is asked of buys; whether an exit is too small is the venue's word."""
    assert check_shape(replace(SELL, quantity=D("0.001")), COIN) is None
    assert check_shape(replace(SELL, quantity=D("0.001"), price=D("0.01")), COIN) is None


def test_bounds_that_are_not_set_bind_nothing() -> None:
    """None is no bound, neither above nor below."""
    free = {"price_min": None, "price_max": None, "quantity_min": None, "quantity_max": None}
    coin = replace(COIN, filters=replace(FILTERS, market_quantity_max=None, **free))
    assert check_shape(replace(BUY, price=D("9999999.99"), quantity=D("99999.999")), coin) is None
    assert check_shape(replace(SELL, quantity=D("99999.999")), coin) is None


def test_a_limit_sale_has_the_bounds_of_limit_orders() -> None:
    """The market order's smaller bound does not bind a limit."""
    assert check_shape(replace(SELL, quantity=D(20), price=D(210)), COIN) is None

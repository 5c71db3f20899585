"""Requests that must never be built are refused where they are built."""

from dataclasses import replace
from decimal import Decimal

import pytest

from huracan.errors import InvariantError
from huracan.venue.orders import TERMINAL, OrderKind, OrderRequest, Side, VenueStatus
from tests.venue.replies import BUY, OCO


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-1", "0", "sNaN"])
@pytest.mark.parametrize("field", ["quantity", "price"])
def test_numbers_are_positive_and_finite(field, value):
    """NaN, infinite, negative and zero quantities and prices never become an order."""
    with pytest.raises(InvariantError):
        replace(BUY, **{field: Decimal(value)})


@pytest.mark.parametrize("field", ["quantity", "target", "stop"])
@pytest.mark.parametrize("value", [Decimal("NaN"), Decimal(0), Decimal(-1), 0.5])
def test_the_same_for_lists(field, value):
    """Order lists, too."""
    with pytest.raises(InvariantError):
        replace(OCO, **{field: value})


@pytest.mark.parametrize("quantity", [1.5, 1, "1"])
def test_only_decimals_are_money(quantity):
    """A float, an int or a text is no quantity."""
    with pytest.raises(InvariantError):
        replace(BUY, quantity=quantity)


@pytest.mark.parametrize("cid", ["", "a" * 37, "a b", "a/b", "ä", "a\n"])
def test_client_ids_are_the_venues(cid):
    """1 to 36 of letters, digits, dash and underscore."""
    with pytest.raises(InvariantError):
        replace(BUY, cid=cid)
    with pytest.raises(InvariantError):
        replace(OCO, above_cid=cid)


def test_prices_stand_where_they_belong():
    """A market order has none, every other has one; stops are not sent alone."""
    OrderRequest("c", "ADA/USDT", Side.SELL, OrderKind.MARKET, Decimal(1), None)
    for kind, price in (
        (OrderKind.MARKET, Decimal(1)),
        (OrderKind.FOK, None),
        (OrderKind.STOP, Decimal(1)),
        (OrderKind.OTHER, Decimal(1)),
    ):
        with pytest.raises(InvariantError):
            OrderRequest("c", "ADA/USDT", Side.SELL, kind, Decimal(1), price)


def test_lists_have_three_ids_and_a_stop_below():
    """Equal ids or a stop at or above the target are refused."""
    for changes in ({"above_cid": OCO.list_cid}, {"below_cid": OCO.above_cid}, {"stop": OCO.target}):
        with pytest.raises(InvariantError):
            replace(OCO, **changes)


def test_terminal_statuses_are_those_that_cannot_fill():
    """The others are resting or about to."""
    assert set(VenueStatus) - TERMINAL == {VenueStatus.NEW, VenueStatus.PARTIALLY_FILLED, VenueStatus.PENDING_NEW}

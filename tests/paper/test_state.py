"""Records of the exchange."""

from decimal import Decimal

import pytest

from huracan.paper.state import OPEN_STATUSES, Order, OrderType, Phase, Side, Status, Tif


def order(status: Status, filled: int = 0) -> Order:
    """Return an order of ten steps."""
    return Order(
        1, "a", "anna", "AAAUSDT", Side.BUY, OrderType.LIMIT, Tif.GTC, 10, 100, 0, Decimal(0), "NONE", 2, 0,
        Phase.WINDOW, 0, 0, True, status, filled,
    )  # fmt: skip


@pytest.mark.parametrize("status", list(Status))
def test_only_new_and_partly_filled_orders_are_open(status: Status) -> None:
    """Every other status is the last one."""
    assert order(status).is_open == (status in OPEN_STATUSES) == (status in (Status.NEW, Status.PARTIALLY_FILLED))


def test_the_rest_is_what_is_not_filled() -> None:
    """Steps."""
    assert order(Status.PARTIALLY_FILLED, 4).rest == 6

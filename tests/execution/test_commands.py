"""Commands: a child is known by the id that cancels it."""

from decimal import Decimal

from huracan.execution.commands import ENTRIES, Place, Role
from huracan.venue.orders import OcoRequest, OrderKind, OrderRequest, Side


def test_the_key_is_the_orders_id_or_the_lists() -> None:
    """Never a leg's."""
    order = OrderRequest("one", "AAA/USDT", Side.SELL, OrderKind.MARKET, Decimal(1), None)
    pair = OcoRequest("list", "up", "down", "AAA/USDT", Decimal(1), Decimal(2), Decimal(1))
    assert Place(order, "i", Role.EXIT).key == "one"
    assert Place(pair, "i", Role.BRACKET).key == "list"
    assert sorted(ENTRIES) == [1, 2, 3]

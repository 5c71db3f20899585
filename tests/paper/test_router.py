"""Routes and their weights."""

import pytest

from tests.paper.world import FLAT, World, market

PUBLIC = {
    "ping": ({}, 1),
    "time": ({}, 1),
    "exchangeInfo": ({}, 20),
    "depth": ({"symbol": "AAAUSDT"}, 5),
    "trades": ({"symbol": "AAAUSDT"}, 25),
    "aggTrades": ({"symbol": "AAAUSDT"}, 4),
    "klines": ({"symbol": "AAAUSDT", "interval": "1m"}, 2),
    "avgPrice": ({"symbol": "AAAUSDT"}, 2),
    "ticker/24hr": ({}, 80),
    "ticker/price": ({"symbol": "AAAUSDT"}, 2),
    "ticker/bookTicker": ({}, 4),
}
SIGNED = {
    "openOrders": ({}, 80),
    "allOrders": ({"symbol": "AAAUSDT"}, 20),
    "openOrderList": ({}, 6),
    "myTrades": ({"symbol": "AAAUSDT"}, 20),
    "account": ({}, 20),
    "account/commission": ({"symbol": "AAAUSDT"}, 20),
}


def used(here: World, path: str, signed: bool, **params: str) -> int:
    """Return the weight that a request adds."""
    reply = here.send("GET", f"/api/v3/{path}", signed=signed, **params)
    assert reply.status == 200, reply.body
    return int(reply.headers["X-MBX-USED-WEIGHT-1M"])


@pytest.mark.parametrize("path", PUBLIC)
def test_weights_of_market_data(path: str) -> None:
    """BN:rest-api.md."""
    params, weight = PUBLIC[path]
    assert used(World([market([FLAT] * 3)]), path, False, **params) == weight


@pytest.mark.parametrize("path", SIGNED)
def test_weights_of_account_routes(path: str) -> None:
    """BN:rest-api.md."""
    params, weight = SIGNED[path]
    assert used(World([market([FLAT] * 3)]), path, True, **params) == weight


@pytest.mark.parametrize(("limit", "weight"), [("100", 5), ("101", 25), ("1000", 50), ("5000", 250), ("many", 5)])
def test_a_deeper_book_weighs_more(limit: str, weight: int) -> None:
    """Also when it is then refused."""
    here = World([market([FLAT] * 3)])
    reply = here.send("GET", "/api/v3/depth", signed=False, symbol="AAAUSDT", limit=limit)
    assert int(reply.headers["X-MBX-USED-WEIGHT-1M"]) == weight


def test_narrow_questions_weigh_less() -> None:
    """One market, or one order."""
    here = World([market([FLAT] * 3)])
    assert used(here, "openOrders", True, symbol="AAAUSDT") == 6
    assert used(here, "myTrades", True, symbol="AAAUSDT", orderId="1") == 6 + 5


def test_orders_weigh_one() -> None:
    """New ones, cancels and lists alike, refused ones too."""
    here = World([market([FLAT] * 3)])
    for method, path in (("POST", "order"), ("DELETE", "order"), ("POST", "orderList/oco"), ("DELETE", "orderList")):
        here.send(method, f"/api/v3/{path}", symbol="AAAUSDT")
    assert used(here, "ping", False) == 5

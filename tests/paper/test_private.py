"""Account routes."""

from decimal import Decimal
from typing import Any

import pytest

from tests.paper.world import ANNA, BERT, FLAT, World, market, oco_params


def world(**settings: Any) -> World:
    """Return an exchange of two accounts and two markets."""
    return World([market([FLAT] * 6), market([FLAT] * 6, symbol="BBB/USDT")], [ANNA, BERT], **settings)


def resting(here: World, cid: str, **changes: str) -> Any:
    """Place a resting buy."""
    order = {"symbol": "AAAUSDT", "side": "BUY", "type": "LIMIT_MAKER", "quantity": "1", "price": "99"}
    return here.ok("POST", "/api/v3/order", **{**order, **changes}, newClientOrderId=cid)


def test_a_limit_maker_is_answered_with_an_ack_unless_asked_otherwise() -> None:
    """BN: LIMIT_MAKER defaults to ACK, MARKET and LIMIT to FULL."""
    here = world()
    assert "status" not in resting(here, "a")
    assert resting(here, "b", newOrderRespType="FULL")["status"] == "NEW"


def test_order_test_places_nothing() -> None:
    """Filters alone."""
    here = world()
    order = {"symbol": "AAAUSDT", "side": "BUY", "type": "MARKET", "quantity": "1"}
    assert here.ok("POST", "/api/v3/order/test", **order) == {}
    assert here.fails("POST", "/api/v3/order/test", **{**order, "quantity": "0.01"})[2] == "Filter failure: NOTIONAL"
    assert here.exchange.orders("anna") == []


def test_cancel_replace_is_refused() -> None:
    """Its 409 is a partial outcome nobody needs."""
    refused = world().fails("POST", "/api/v3/order/cancelReplace", symbol="AAAUSDT")
    assert refused == (400, -2010, "Order cancel-replace is not supported for this symbol.")


def test_orders_are_found_by_either_id() -> None:
    """In their own market and account only."""
    here = world()
    order_id = resting(here, "a")["orderId"]
    assert here.query("a")["orderId"] == order_id
    ask = {"symbol": "AAAUSDT", "orderId": order_id}
    assert here.ok("GET", "/api/v3/order", **ask)["clientOrderId"] == "a"
    assert here.fails("GET", "/api/v3/order", BERT, **ask)[1] == -2013
    assert here.fails("GET", "/api/v3/order", symbol="BBBUSDT", orderId=order_id)[1] == -2013
    assert here.fails("GET", "/api/v3/order", **ask, origClientOrderId="b")[1] == -2013
    assert here.fails("GET", "/api/v3/order", symbol="AAAUSDT")[1] == -1102
    assert here.fails("DELETE", "/api/v3/order", symbol="AAAUSDT", origClientOrderId="never")[1] == -2011


def test_cancel_restrictions() -> None:
    """ONLY_PARTIALLY_FILLED leaves a new order alone."""
    here = world()
    resting(here, "a")
    ask = {"symbol": "AAAUSDT", "origClientOrderId": "a"}
    assert here.fails("DELETE", "/api/v3/order", **ask, cancelRestrictions="ONLY_PARTIALLY_FILLED")[1] == -2011
    assert here.fails("DELETE", "/api/v3/order", **ask, cancelRestrictions="NEVER")[1] == -1145
    here.ok("DELETE", "/api/v3/order", **ask, cancelRestrictions="ONLY_NEW")


def test_cancel_all_takes_orders_and_lists_of_one_market() -> None:
    """Lists come as lists; another market's orders stay."""
    here = world()
    here.order("BUY", "MARKET", quantity="1.01")
    resting(here, "a")
    resting(here, "other", symbol="BBBUSDT")
    here.oco("1", "101", "99", listClientOrderId="pair")
    done = here.ok("DELETE", "/api/v3/openOrders", symbol="AAAUSDT")
    assert sorted("orderReports" in one for one in done) == [False, True]
    left = here.ok("GET", "/api/v3/openOrders")
    assert [one["clientOrderId"] for one in left] == ["other"]
    assert here.fails("DELETE", "/api/v3/openOrders", symbol="AAAUSDT") == (400, -2011, "Unknown order sent.")


def test_open_and_all_orders() -> None:
    """By market, from an id, the newest."""
    here = world()
    ids = [resting(here, f"a{n}")["orderId"] for n in range(4)]
    here.ok("DELETE", "/api/v3/order", symbol="AAAUSDT", orderId=ids[0])
    assert [one["orderId"] for one in here.ok("GET", "/api/v3/openOrders", symbol="AAAUSDT")] == ids[1:]
    asked = {"symbol": "AAAUSDT"}
    assert [one["orderId"] for one in here.ok("GET", "/api/v3/allOrders", **asked, limit=2)] == ids[2:]
    assert [one["orderId"] for one in here.ok("GET", "/api/v3/allOrders", **asked, orderId=ids[1], limit=2)] == ids[1:3]
    late = here.exchange.now_ms + 1
    assert here.ok("GET", "/api/v3/allOrders", **asked, startTime=late) == []


def test_lists_are_found_by_either_id_and_are_unique_while_open() -> None:
    """A second list of the same client id is a duplicate until the first has ended."""
    here = world()
    here.order("BUY", "MARKET", quantity="3")
    made = here.oco("1", "101", "99", listClientOrderId="pair")
    assert here.ok("GET", "/api/v3/orderList", origClientOrderId="pair")["orderListId"] == made["orderListId"]
    assert here.ok("GET", "/api/v3/orderList", orderListId=made["orderListId"])["listOrderStatus"] == "EXECUTING"
    again = {**oco_params("1", "101", "99"), "listClientOrderId": "pair"}
    assert here.fails("POST", "/api/v3/orderList/oco", **again) == (400, -2010, "Duplicate order sent.")
    assert here.fails("DELETE", "/api/v3/orderList", symbol="BBBUSDT", listClientOrderId="pair")[1] == -2011
    here.ok("DELETE", "/api/v3/orderList", symbol="AAAUSDT", listClientOrderId="pair")
    assert here.fails("DELETE", "/api/v3/orderList", symbol="AAAUSDT", listClientOrderId="pair")[1] == -2011
    here.ok("POST", "/api/v3/orderList/oco", **again)
    assert len(here.ok("GET", "/api/v3/allOrderList")) == 2
    assert len(here.ok("GET", "/api/v3/openOrderList")) == 1
    assert here.fails("GET", "/api/v3/orderList", origClientOrderId="none")[1] == -2018
    assert here.fails("GET", "/api/v3/orderList")[1] == -1102


def test_my_trades_by_order_id_and_time() -> None:
    """A cursor of trade ids misses nothing and repeats nothing."""
    here = world()
    first = here.order("BUY", "MARKET", quantity="1")["orderId"]
    here.bar()
    here.order("BUY", "MARKET", quantity="1")
    here.order("BUY", "MARKET", quantity="1")
    every = here.ok("GET", "/api/v3/myTrades", symbol="AAAUSDT")
    ids = [one["id"] for one in every]
    assert ids == sorted(set(ids))
    asked = {"symbol": "AAAUSDT"}
    assert here.ok("GET", "/api/v3/myTrades", **asked, orderId=first) == every[:1]
    assert here.ok("GET", "/api/v3/myTrades", **asked, fromId=ids[1]) == every[1:]
    assert here.ok("GET", "/api/v3/myTrades", **asked, fromId=ids[0], limit=2) == every[:2]
    assert here.ok("GET", "/api/v3/myTrades", **asked, limit=1) == every[-1:]
    assert here.ok("GET", "/api/v3/myTrades", **asked, startTime=every[1]["time"]) == every[1:]
    assert here.ok("GET", "/api/v3/myTrades", **asked, endTime=every[0]["time"]) == every[:1]
    assert here.ok("GET", "/api/v3/myTrades", symbol="BBBUSDT") == []
    assert here.fails("GET", "/api/v3/myTrades", **asked, fromId=1, startTime=1)[1] == -1128
    day = {"startTime": 0, "endTime": 86_400_001}
    assert here.fails("GET", "/api/v3/myTrades", **asked, **day)[1:] == (
        -1127,
        "More than 24 hours between startTime and endTime.",
    )


def test_the_account_shows_balances_and_rates() -> None:
    """Zero ones can be left out."""
    here = world()
    shown = here.ok("GET", "/api/v3/account", BERT)
    assert {one["asset"]: one["free"] for one in shown["balances"]} == {"AAA": "5.00000000", "USDT": "50000.00000000"}
    assert (shown["makerCommission"], shown["commissionRates"]["taker"]) == (10, "0.00100000")
    here.order("SELL", "MARKET", BERT, quantity="5")
    left = here.ok("GET", "/api/v3/account", BERT, omitZeroBalances="true")["balances"]
    assert [one["asset"] for one in left] == ["USDT"]


def test_fees_can_be_asked_for() -> None:
    """Of one market or all."""
    here = world()
    assert here.ok("GET", "/sapi/v1/asset/tradeFee", symbol="BBBUSDT") == [
        {"symbol": "BBBUSDT", "makerCommission": "0.001000", "takerCommission": "0.001000"}
    ]
    assert len(here.ok("GET", "/sapi/v1/asset/tradeFee")) == 2
    shown = here.ok("GET", "/api/v3/account/commission", symbol="AAAUSDT")
    assert shown["standardCommission"]["taker"] == "0.00100000"
    assert shown["discount"]["enabledForAccount"] is False


def test_order_counts_can_be_asked_for() -> None:
    """Unfilled ones; a list has two."""
    here = world()
    here.order("BUY", "MARKET", quantity="2")
    here.oco("1", "101", "99")
    resting(here, "a")
    counts = here.ok("GET", "/api/v3/rateLimit/order")
    assert [(one["interval"], one["count"]) for one in counts] == [("SECOND", 3), ("DAY", 3)]


@pytest.mark.parametrize(("quantity", "status"), [("0.999", 200), ("1.001", 400)])
def test_filters_look_at_what_is_there_already(quantity: str, status: int) -> None:
    """MAX_POSITION counts what is held (0.4995 after the fee) and what other buys would bring."""
    here = world(position_max={"AAA": Decimal(2)})
    resting(here, "a", quantity="0.5")
    here.order("BUY", "MARKET", quantity="0.5")
    order = {"symbol": "AAAUSDT", "side": "BUY", "type": "LIMIT_MAKER", "price": "99", "quantity": quantity}
    assert here.send("POST", "/api/v3/order", **order).status == status

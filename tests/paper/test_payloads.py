"""Shapes of replies and events."""

from decimal import Decimal

import pytest

from huracan.paper.payloads import (
    account_position,
    cancel_result,
    execution_report,
    list_result,
    list_status,
    money_text,
    my_trade,
    new_result,
    order_view,
    price_text,
    quantity_text,
)
from huracan.paper.state import AccountState, Money, Order, OrderList, OrderType, Phase, Side, Status, Tif, Trade
from tests.paper.world import FLAT, market

LISTED = market([FLAT])
ORDER = Order(
    7, "mine", "anna", "AAAUSDT", Side.SELL, OrderType.LIMIT, Tif.GTC, 2_000, 10_000, 0, Decimal(0), "NONE", 2, 0,
    Phase.WINDOW, 11, 12, True, Status.PARTIALLY_FILLED, 500, 5_000_000, 3,
)  # fmt: skip
TRADE = Trade(99, 7, 3, "AAAUSDT", Side.SELL, 10_000, 500, Decimal("0.05"), "USDT", True, 12)
PAIR = OrderList(3, "pair", "anna", "AAAUSDT", 7, 8, 11)


@pytest.mark.parametrize(
    ("value", "text"),
    [("1", "1.00000000"), ("1E+3", "1000.00000000"), ("0.0000000001", "0.0000000001"), ("0", "0.00000000")],
)
def test_numbers_have_eight_decimals_and_no_exponent(value: str, text: str) -> None:
    """More only where the market's tick is finer."""
    assert money_text(Decimal(value)) == text


def test_prices_and_quantities_come_from_whole_numbers() -> None:
    """Ticks of 0.01, steps of 0.001."""
    assert (price_text(10_001, LISTED), quantity_text(1, LISTED)) == ("100.01000000", "0.00100000")


def test_replies_to_a_new_order() -> None:
    """ACK has ids alone, RESULT the state, FULL the fills, which have no order, side or time."""
    ack = new_result(ORDER, LISTED, [TRADE], "ACK")
    assert set(ack) == {"symbol", "orderId", "orderListId", "clientOrderId", "transactTime"}
    assert "fills" not in new_result(ORDER, LISTED, [TRADE], "RESULT")
    full = new_result(ORDER, LISTED, [TRADE], "FULL")
    assert full["fills"] == [
        {
            "price": "100.00000000",
            "qty": "0.50000000",
            "commission": "0.05000000",
            "commissionAsset": "USDT",
            "tradeId": 99,
        }
    ]
    assert (full["status"], full["executedQty"], full["cummulativeQuoteQty"]) == (
        "PARTIALLY_FILLED",
        "0.50000000",
        "50.00000000",
    )


def test_a_query_has_no_fills() -> None:
    """Fees are to be had from myTrades alone."""
    shown = order_view(ORDER, LISTED)
    assert "fills" not in shown
    assert (shown["time"], shown["updateTime"], shown["isWorking"]) == (11, 12, True)


def test_a_cancel_shows_both_client_ids() -> None:
    """The unified `clientOrderId` is the cancel's own."""
    shown = cancel_result(ORDER, LISTED, "cancel-1")
    assert (shown["clientOrderId"], shown["origClientOrderId"]) == ("cancel-1", "mine")


def test_a_trade_report() -> None:
    """A fill: last and cumulative quantities, commission, maker flag."""
    shown = execution_report(ORDER, LISTED, "TRADE", 12, TRADE)
    wanted = {
        "e": "executionReport", "c": "mine", "C": "", "x": "TRADE", "X": "PARTIALLY_FILLED", "l": "0.50000000",
        "z": "0.50000000", "L": "100.00000000", "n": "0.05000000", "N": "USDT", "t": 99, "m": True, "g": 3, "w": True,
        "Y": "50.00000000", "Z": "50.00000000", "i": 7,
    }  # fmt: skip
    assert {name: shown[name] for name in wanted} == wanted


def test_a_cancel_report_swaps_the_ids() -> None:
    """`c` is the cancel's, `C` the order's."""
    shown = execution_report(ORDER, LISTED, "CANCELED", 12, cancel_cid="cancel-1")
    assert (shown["c"], shown["C"], shown["t"], shown["N"]) == ("cancel-1", "mine", -1, None)


def test_my_trades() -> None:
    """With the order, the side and the time that a create reply lacks."""
    shown = my_trade(TRADE, LISTED)
    assert (shown["orderId"], shown["isBuyer"], shown["isMaker"], shown["time"]) == (7, False, True, 12)
    assert shown["quoteQty"] == "50.00000000"


@pytest.mark.parametrize(("done", "status"), [(False, "EXECUTING"), (True, "ALL_DONE")])
def test_lists(done: bool, status: str) -> None:
    """In replies and events, with the client ids of the legs."""
    pair = OrderList(3, "pair", "anna", "AAAUSDT", 7, 8, 11, done=done)
    shown, event = list_result(pair, [ORDER], 12, [{"orderId": 7}]), list_status(pair, [ORDER], 12)
    assert (shown["listOrderStatus"], event["L"], event["C"]) == (status, status, "pair")
    assert shown["orders"] == [{"symbol": "AAAUSDT", "orderId": 7, "clientOrderId": "mine"}]
    assert shown["orderReports"] == [{"orderId": 7}]
    assert "orderReports" not in list_result(PAIR, [ORDER], 12)


def test_positions_show_the_assets_that_may_have_changed() -> None:
    """Free and locked."""
    state = AccountState("anna", {"USDT": Money(Decimal(5), Decimal(1))})
    shown = account_position(state, ["AAA", "USDT"], 12)
    assert shown["B"] == [{"a": "USDT", "f": "5.00000000", "l": "1.00000000"}]

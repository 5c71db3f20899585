"""The desk: every order type, its money, its end, and what the account is told."""

from decimal import Decimal
from typing import Any

import pytest

from huracan.paper.account import check_locks
from tests.paper.world import ANNA, FLAT, World, market, oco_params

ONE = Decimal(1)
UNSUPPORTED = "orders are not supported for this symbol."
DOWN = (10_000, 10_000, 9_900, 9_950, 1_000_000)
UP = (10_000, 10_100, 10_000, 10_050, 1_000_000)


def world(*bars: tuple[int, int, int, int, int], **settings: Any) -> World:
    """Return an exchange whose first window opens on the second bar: FLAT, then `bars`."""
    return World([market([FLAT, *bars, FLAT, FLAT], impact=settings.pop("impact", 0.0))], **settings)


def holding(here: World, quantity: str = "1.002") -> World:
    """Buy at the ask of 100.01; with the fee in coin one and a little remain."""
    here.order("BUY", "MARKET", quantity=quantity)
    return here


def reports(here: World) -> list[tuple[str, str, str]]:
    """Return (type, execution, status) of the drained executionReports."""
    events = here.drained("anna")
    return [(e.payload["o"], e.payload["x"], e.payload["X"]) for e in events if e.payload["e"] == "executionReport"]


def test_a_market_order_fills_at_the_touch_with_its_fee_in_coin() -> None:
    """100.01 is the ask of 100.00 with a spread of two ticks; 0.1 % of the coins is the fee."""
    here = world(FLAT)
    done = here.order("BUY", "MARKET", quantity="2")
    assert (done["status"], done["cummulativeQuoteQty"]) == ("FILLED", "200.02000000")
    assert [(f["price"], f["qty"], f["commission"], f["commissionAsset"]) for f in done["fills"]] == [
        ("100.01000000", "2.00000000", "0.00200000", "AAA")
    ]
    assert here.money("USDT") == (Decimal("99799.98"), 0)
    assert here.money("AAA") == (Decimal("1.998"), 0)
    assert reports(here) == [("MARKET", "NEW", "NEW"), ("MARKET", "TRADE", "FILLED")]


def test_impact_makes_two_trades_on_neighbouring_ticks() -> None:
    """The square-root law in whole ticks: part of the order one tick further, each with its own fee."""
    done = world(FLAT, impact=0.05).order("BUY", "MARKET", quantity="1")
    prices = [Decimal(fill["price"]) for fill in done["fills"]]
    assert len(prices) == 2
    assert prices[1] - prices[0] == Decimal("0.01")
    assert sum(Decimal(fill["qty"]) for fill in done["fills"]) == 1


def test_quote_order_quantity_is_never_exceeded() -> None:
    """A buy spends at most what was said, and as much of it as whole steps allow."""
    done = world(FLAT, impact=0.05).order("BUY", "MARKET", quoteOrderQty="1000")
    spent = Decimal(done["cummulativeQuoteQty"])
    assert Decimal("999.8") < spent <= 1000
    assert done["status"] == "FILLED"


def test_fok_is_all_or_expired() -> None:
    """Below the ask nothing fills and nothing stays locked."""
    here = world(FLAT)
    late = here.order("BUY", "LIMIT", timeInForce="FOK", quantity="1", price="100.00")
    assert (late["status"], late["fills"]) == ("EXPIRED", [])
    assert here.money("USDT") == (Decimal(100_000), 0)
    done = here.order("BUY", "LIMIT", timeInForce="FOK", quantity="1", price="100.01")
    assert done["status"] == "FILLED"


def test_ioc_takes_what_its_limit_allows_and_expires_the_rest() -> None:
    """With impact only a part fits below the limit."""
    here = world(FLAT, impact=0.05)
    done = here.order("BUY", "LIMIT", timeInForce="IOC", quantity="50", price="100.03")
    assert done["status"] == "EXPIRED"
    assert 0 < Decimal(done["executedQty"]) < 50
    assert max(Decimal(fill["price"]) for fill in done["fills"]) <= Decimal("100.03")
    assert here.money("USDT")[1] == 0


def test_gtc_takes_what_it_can_and_rests() -> None:
    """The rest locks its price."""
    here = world(FLAT, impact=0.05)
    done = here.order("BUY", "LIMIT", timeInForce="GTC", quantity="50", price="100.03")
    assert done["status"] == "PARTIALLY_FILLED"
    rest = 50 - Decimal(done["executedQty"])
    assert here.money("USDT")[1] == rest * Decimal("100.03")


POOR = "Account has insufficient balance for requested action."
CROSSES = "Order would immediately match and take."


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"side": "BUY", "type": "LIMIT_MAKER", "price": "100.01"}, CROSSES),
        ({"side": "SELL", "type": "LIMIT_MAKER", "price": "99.99"}, CROSSES),
        ({"side": "SELL", "type": "STOP_LOSS", "stopPrice": "100.00"}, "Stop price would trigger immediately."),
        ({"side": "BUY", "type": "STOP_LOSS", "stopPrice": "101"}, f"Stop loss {UNSUPPORTED}"),
        ({"side": "SELL", "type": "TAKE_PROFIT", "stopPrice": "101"}, f"Take profit {UNSUPPORTED}"),
        ({"side": "BUY", "type": "MARKET", "quantity": "1001"}, POOR),
        ({"side": "SELL", "type": "MARKET", "quantity": "2"}, POOR),
        ({"side": "BUY", "type": "LIMIT_MAKER", "price": "99", "quantity": "1011"}, POOR),
    ],
)
def test_what_the_book_does_not_admit_is_refused_and_changes_nothing(params: dict[str, str], message: str) -> None:
    """-2010 with the venue's words; balances, orders and the order count as before."""
    here = holding(world(FLAT))
    before = here.exchange.balances("anna"), len(here.exchange.orders("anna"))
    refused = here.fails("POST", "/api/v3/order", **{"symbol": "AAAUSDT", "quantity": "1", **params})
    assert refused == (400, -2010, message)
    assert (here.exchange.balances("anna"), len(here.exchange.orders("anna"))) == before
    check_locks(here.state())


def test_a_resting_buy_fills_only_when_the_bar_trades_through_it() -> None:
    """A low on the limit is a touch; a tick below it fills at the limit, as a maker."""
    here = world((10_000, 10_000, 9_950, 9_990, 1_000_000), (9_990, 10_000, 9_949, 9_990, 1_000_000))
    here.order("BUY", "LIMIT_MAKER", quantity="1", price="99.50", newClientOrderId="a")
    here.bar()
    assert here.query("a")["status"] == "NEW"
    assert here.money("USDT") == (Decimal("99900.5"), Decimal("99.5"))
    here.bar()
    assert here.query("a")["status"] == "FILLED"
    assert here.money("USDT") == (Decimal("99900.5"), 0)
    (trade,) = here.exchange.trades("anna")
    assert (trade["price"], trade["isMaker"], trade["isBuyer"]) == ("99.50000000", True, True)


def test_several_orders_share_one_bar_best_price_first() -> None:
    """A tenth of the volume below the limits goes round once: 9.90 for the better, what is left for the next."""
    here = world((10_000, 10_000, 9_900, 9_950, 198_000))
    here.order("BUY", "LIMIT_MAKER", quantity="9", price="99.50", newClientOrderId="low")
    here.order("BUY", "LIMIT_MAKER", quantity="9", price="99.50", newClientOrderId="late")
    here.bar()
    assert here.query("low")["status"] == "FILLED"
    assert Decimal(here.query("late")["executedQty"]) == Decimal("0.9")


def test_client_ids_are_unique_among_open_orders_only() -> None:
    """An id of an ended order may come again, and GET then shows the newer: a resend after a fill buys twice."""
    here = world(FLAT)
    here.order("BUY", "LIMIT_MAKER", quantity="1", price="99", newClientOrderId="same")
    twice = {"symbol": "AAAUSDT", "side": "BUY", "type": "MARKET", "quantity": "1", "newClientOrderId": "same"}
    assert here.fails("POST", "/api/v3/order", **twice) == (400, -2010, "Duplicate order sent.")
    here.ok("DELETE", "/api/v3/order", symbol="AAAUSDT", origClientOrderId="same")
    first = here.ok("POST", "/api/v3/order", **twice)
    second = here.ok("POST", "/api/v3/order", **twice)
    assert first["orderId"] != second["orderId"]
    assert here.query("same")["orderId"] == second["orderId"]
    assert here.money("AAA")[0] == Decimal("1.998")


def test_a_cancel_frees_exactly_and_says_both_ids() -> None:
    """In the report `c` is the cancel's id and `C` the order's own."""
    here = world(FLAT)
    here.order("BUY", "LIMIT_MAKER", quantity="1", price="99", newClientOrderId="a")
    here.drained()
    done = here.ok("DELETE", "/api/v3/order", symbol="AAAUSDT", origClientOrderId="a", newClientOrderId="x")
    assert (done["origClientOrderId"], done["clientOrderId"], done["status"]) == ("a", "x", "CANCELED")
    assert here.money("USDT") == (Decimal(100_000), 0)
    report, position = here.drained("anna")
    assert (report.payload["c"], report.payload["C"], report.payload["x"]) == ("x", "a", "CANCELED")
    assert position.payload["B"][-1] == {"a": "USDT", "f": "100000.00000000", "l": "0.00000000"}
    assert here.fails("DELETE", "/api/v3/order", symbol="AAAUSDT", origClientOrderId="a") == (
        400,
        -2011,
        "Unknown order sent.",
    )


def test_a_pair_locks_its_coins_once_and_the_stop_ends_the_limit() -> None:
    """Touching the stop sells at its price less the half-spread and the slippage; the list is ALL_DONE."""
    here = holding(world(DOWN))
    here.oco("1", "101", "99.50", aboveClientOrderId="up", belowClientOrderId="down", listClientOrderId="pair")
    assert here.money("AAA")[1] == ONE
    here.drained()
    here.bar()
    assert (here.query("up")["status"], here.query("down")["status"]) == ("EXPIRED", "FILLED")
    trade = here.exchange.trades("anna")[-1]
    assert Decimal(trade["price"]) == Decimal("99.50") - Decimal("0.01") - Decimal("0.10")
    states = [e.payload["L"] for e in here.drained("anna") if e.payload["e"] == "listStatus"]
    assert states == ["ALL_DONE"]
    assert here.ok("GET", "/api/v3/openOrderList") == []
    assert here.money("AAA")[1] == 0


def test_a_partial_fill_of_the_limit_ends_the_stop_and_keeps_the_rest() -> None:
    """The upper leg stays open for what is left; DELETE orderList then ends the list."""
    here = holding(world((10_000, 10_101, 10_000, 10_050, 202_000)), "30.1")
    here.oco("30", "101", "95", aboveClientOrderId="up", belowClientOrderId="down", listClientOrderId="pair")
    here.bar()
    up = here.query("up")
    assert (up["status"], here.query("down")["status"]) == ("PARTIALLY_FILLED", "EXPIRED")
    rest = 30 - Decimal(up["executedQty"])
    assert here.money("AAA")[1] == rest
    done = here.ok("DELETE", "/api/v3/orderList", symbol="AAAUSDT", listClientOrderId="pair")
    assert done["listOrderStatus"] == "ALL_DONE"
    assert here.money("AAA")[1] == 0


def test_cancelling_one_leg_cancels_the_pair() -> None:
    """BN: an individual leg cannot be cancelled alone."""
    here = holding(world(FLAT))
    here.oco("1", "101", "99", aboveClientOrderId="up", belowClientOrderId="down")
    here.ok("DELETE", "/api/v3/order", symbol="AAAUSDT", origClientOrderId="down")
    assert here.query("up")["status"] == "CANCELED"
    assert here.money("AAA")[1] == 0


@pytest.mark.parametrize(
    ("target", "stop", "message"),
    [
        ("101", "100", "Stop price would trigger immediately."),
        ("100", "99", "The relationship of the prices for the orders is not correct."),
        ("99", "99.5", "The relationship of the prices for the orders is not correct."),
    ],
)
def test_pairs_around_the_wrong_price_are_refused(target: str, stop: str, message: str) -> None:
    """SELL: limit > last trade > stop."""
    here = holding(world(FLAT))
    refused = here.fails("POST", "/api/v3/orderList/oco", **oco_params("1", target, stop))
    assert refused == (400, -2010, message)
    assert here.money("AAA")[1] == 0


def test_a_bracket_sent_on_a_resting_fill_is_live_as_a_stop_but_not_as_a_limit() -> None:
    """Accepted after P1, the bar's high does not fill its limit, and the next bar's does."""
    wild = (10_000, 10_200, 9_900, 10_000, 1_000_000)
    here = world(wild, wild)
    here.order("BUY", "LIMIT_MAKER", quantity="1.002", price="99.50")
    here.step()
    assert here.exchange.stage is not None
    assert here.exchange.stage.stage == "fills"
    here.oco("1", "101", "98", aboveClientOrderId="up")
    here.step()
    assert here.query("up")["status"] == "NEW"
    here.bar()
    assert here.query("up")["status"] == "FILLED"


def test_a_bracket_sent_on_a_resting_fill_can_be_stopped_in_the_same_bar() -> None:
    """P2 follows P1."""
    here = world((10_000, 10_200, 9_900, 10_000, 1_000_000))
    here.order("BUY", "LIMIT_MAKER", quantity="1.002", price="99.50")
    here.step()
    here.oco("1", "101", "99.20", belowClientOrderId="down")
    here.step()
    assert here.query("down")["status"] == "FILLED"


def test_after_a_resting_fill_the_last_trade_is_its_price() -> None:
    """A stop above that price would trigger at once, though the open lies higher."""
    here = world((10_000, 10_000, 9_900, 9_950, 1_000_000))
    here.order("BUY", "LIMIT_MAKER", quantity="1.002", price="99.50")
    here.step()
    refused = here.fails("POST", "/api/v3/orderList/oco", **oco_params("1", "101", "99.60"))
    assert refused[2] == "Stop price would trigger immediately."


def test_a_stop_limit_takes_within_its_limit_or_rests_from_the_next_bar() -> None:
    """Triggered at 99.39 with a limit of 99.60 it waits for a buyer."""
    here = holding(world(DOWN, (9_950, 9_970, 9_940, 9_950, 1_000_000)))
    stop = {"stopPrice": "99.50", "timeInForce": "GTC", "quantity": "0.5"}
    here.order("SELL", "STOP_LOSS_LIMIT", price="99.00", newClientOrderId="takes", **stop)
    here.order("SELL", "STOP_LOSS_LIMIT", price="99.60", newClientOrderId="rests", **stop)
    here.bar()
    assert here.query("takes")["status"] == "FILLED"
    rests = here.query("rests")
    assert (rests["status"], rests["isWorking"]) == ("NEW", True)
    here.bar()
    assert here.query("rests")["status"] == "FILLED"


@pytest.mark.parametrize(
    ("mode", "taker", "maker"),
    [
        ("EXPIRE_MAKER", "FILLED", "EXPIRED_IN_MATCH"),
        ("EXPIRE_TAKER", "EXPIRED_IN_MATCH", "NEW"),
        ("EXPIRE_BOTH", "EXPIRED_IN_MATCH", "EXPIRED_IN_MATCH"),
        ("NONE", "FILLED", "NEW"),
    ],
)
def test_an_account_does_not_trade_with_itself(mode: str, taker: str, maker: str) -> None:
    """A buy that reaches the account's own resting sell ends one, the other or both, by its mode."""
    here = holding(world(FLAT))
    here.order("SELL", "LIMIT_MAKER", quantity="0.5", price="100.00", newClientOrderId="maker")
    buy = {"timeInForce": "IOC", "quantity": "1", "price": "100.05", "selfTradePreventionMode": mode}
    moved = here.order("BUY", "LIMIT", newClientOrderId="taker", **buy)
    assert (moved["status"], here.query("maker")["status"]) == (taker, maker)
    check_locks(here.state())


def test_a_self_trade_beyond_the_own_order_is_prevented() -> None:
    """Impact lifts the buy past the own sell at 100.02: it is met on the way."""
    here = world(FLAT, impact=0.05)
    holding(here)
    here.order("SELL", "LIMIT_MAKER", quantity="0.5", price="100.02", newClientOrderId="maker")
    here.order("BUY", "MARKET", quantity="5")
    assert here.query("maker")["status"] == "EXPIRED_IN_MATCH"


def test_fees_in_a_third_asset_while_it_lasts() -> None:
    """BNB pays until there is too little of it; then the asset received does."""
    account = type(ANNA)("anna", ANNA.api_key, ANNA.secret, {"USDT": Decimal(100_000), "BNB": Decimal("0.0002")}, "BNB")
    here = World([market([FLAT] * 4)], [account])
    first = here.order("BUY", "MARKET", quantity="1")["fills"][0]
    assert (first["commission"], first["commissionAsset"]) == ("0.00016669", "BNB")
    assert here.money("AAA")[0] == ONE
    second = here.order("BUY", "MARKET", quantity="1")["fills"][0]
    assert (second["commission"], second["commissionAsset"]) == ("0.00100000", "AAA")


def test_fees_in_quote_are_locked_with_the_order() -> None:
    """With fees in quote a resting buy of all the money cannot fail to pay its fee."""
    listed = market([FLAT, DOWN, FLAT], fee_in_quote=True)
    here = World([listed])
    price, rate = Decimal("99.50"), Decimal("0.001")
    most = (Decimal(100_000) / (price * (1 + rate))).quantize(Decimal("0.001")) - Decimal("0.001")
    here.order("BUY", "LIMIT_MAKER", quantity=f"{most}", price="99.50", newClientOrderId="all")
    here.bar()
    filled = Decimal(here.query("all")["executedQty"])
    assert here.money("AAA")[0] == filled > 0
    check_locks(here.state())
    here.ok("DELETE", "/api/v3/order", symbol="AAAUSDT", origClientOrderId="all")
    assert here.money("USDT") == (100_000 - filled * price * (1 + rate), 0)


def test_a_command_between_windows_waits_for_the_next_one() -> None:
    """In free run the window is the bar's first quarter; what comes in its second half meets the next open."""
    here = World([market([FLAT, FLAT, UP, FLAT])], lockstep=False)
    start = here.exchange.now_ms
    here.exchange.advance(start + 10_000)
    assert here.order("BUY", "MARKET", quantity="1")["status"] == "FILLED"
    here.exchange.advance(start + 35_000)
    late = here.order("BUY", "MARKET", quantity="1", newClientOrderId="late")
    assert late["status"] == "NEW"
    here.exchange.advance(start + 60_000)
    assert here.query("late")["status"] == "FILLED"
    assert here.exchange._core.state.markets["AAAUSDT"].late == 1


def test_a_late_post_only_that_would_match_expires_in_the_window() -> None:
    """It was accepted under the public price; the next open has fallen through its limit."""
    here = World([market([FLAT, FLAT, (9_900, 9_900, 9_900, 9_900, 10_000), FLAT])], lockstep=False)
    start = here.exchange.now_ms
    here.exchange.advance(start + 40_000)
    here.order("BUY", "LIMIT_MAKER", quantity="1", price="99.50", newClientOrderId="late")
    here.exchange.advance(start + 61_000)
    assert here.query("late")["status"] == "EXPIRED"
    check_locks(here.state())


def test_the_attempts_of_one_intent_share_the_lot_of_the_first() -> None:
    """Ids that differ after the last dash are one intent; its least fill is fixed by the close before the first."""
    listed = market([FLAT, (5_000, 5_000, 5_000, 5_000, 1_000_000), FLAT, FLAT], min_notional=Decimal(50))
    here = World([listed])
    here.order("BUY", "LIMIT_MAKER", quantity="2", price="49", newClientOrderId="h1-1")
    here.bar()
    again = here.order("BUY", "LIMIT_MAKER", quantity="2", price="49", newClientOrderId="h1-2")
    fresh = here.order("BUY", "LIMIT_MAKER", quantity="3", price="49", newClientOrderId="h2-1")
    orders = here.state().orders
    assert orders[again["orderId"]].lot == 1_000
    assert orders[fresh["orderId"]].lot == 2_000

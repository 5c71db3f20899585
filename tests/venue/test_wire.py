"""Numbers to exact text and back; replies to our types; nothing that is not exact gets through."""

import json
from decimal import Decimal, localcontext
from urllib.parse import parse_qsl

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from huracan.venue.binance import BinanceVenue
from huracan.venue.client import InProcessBinance, WireReply, client_config
from huracan.venue.orders import (
    Balance,
    BalanceUpdate,
    ListStatus,
    OcoRequest,
    OrderKind,
    OrderRequest,
    Side,
    VenueStatus,
    VenueTrade,
)
from huracan.venue.wire import (
    MALFORMED,
    cancel_reply,
    decimal_text,
    new_oco_reply,
    new_order_reply,
    number,
    oco_params,
    order_params,
    parse_balances,
    parse_list,
    parse_order,
    parse_trade,
    parse_user_event,
    plain_text,
)
from tests.venue.replies import (
    BUY,
    OCO,
    cancel_body,
    cancel_list_body,
    oco_reply,
    order_reply,
    query_body,
    trade_body,
)
from tests.venue.scripted import CREDENTIALS, run

exact = st.builds(
    lambda digits, exponent: Decimal(digits).scaleb(exponent), st.integers(1, 10**18), st.integers(-12, 6)
)


@given(exact)
def test_text_is_exact_and_plain(value):
    """Every positive number has a text of digits and at most one point that reads back as the same number."""
    with localcontext() as context:
        context.prec = 3  # the text must not depend on anybody's rounding
        text = decimal_text(value)
    assert Decimal(text) == value
    assert set(text) <= set("0123456789.")
    assert not (("." in text) and text.endswith(("0", ".")))


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity", "0", "-1", "-0.1", "sNaN"])
def test_what_is_no_positive_number_has_no_text(value):
    """NaN, infinities, zero and less are never written for a venue."""
    with pytest.raises(ValueError, match="is no positive number"):
        decimal_text(Decimal(value))


async def _on_the_wire(request):
    """Return the parameters that leave the client for an order."""
    bodies = []

    async def transport(method, url, headers, body):
        bodies.append(body)
        return WireReply(200, {}, '{"serverTime": 1700000000000}')

    class Still:
        def now_ms(self):
            return 1_700_000_000_000

    client = InProcessBinance(client_config("http://inside", CREDENTIALS), transport)
    venue = BinanceVenue(CREDENTIALS, client=client, clock=Still())
    await (venue.submit_oco(request) if isinstance(request, OcoRequest) else venue.submit(request))
    await venue.close()
    return dict(parse_qsl(bodies[-1], strict_parsing=True))


@settings(deadline=None)
@given(quantity=exact, price=exact, kind=st.sampled_from(["FOK", "IOC", "POST_ONLY", "LIMIT", "MARKET"]))
def test_numbers_reach_the_wire_unchanged(quantity, price, kind):
    """Whatever the quantity and price, what is sent reads back as them: no rounding, no exponent, no float."""
    kind = OrderKind(kind)
    request = OrderRequest("c-1", "ADA/USDT", Side.SELL, kind, quantity, None if kind is OrderKind.MARKET else price)
    sent = run(lambda: _on_the_wire(request))
    assert Decimal(sent["quantity"]) == quantity
    assert "e" not in sent["quantity"].lower()
    assert ("price" in sent) == (kind is not OrderKind.MARKET)
    if "price" in sent:
        assert Decimal(sent["price"]) == price
        assert "e" not in sent["price"].lower()


@settings(deadline=None)
@given(quantity=exact, stop=exact, distance=exact)
def test_both_prices_of_a_list_reach_the_wire_unchanged(quantity, stop, distance):
    """The same for order lists."""
    with localcontext() as context:
        context.prec = 60
        target = stop + distance
    request = OcoRequest("l", "a", "b", "ADA/USDT", quantity, target, stop)
    sent = run(lambda: _on_the_wire(request))
    assert [Decimal(sent[name]) for name in ("quantity", "abovePrice", "belowStopPrice")] == [quantity, target, stop]


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=0, places=8, max_value=10**15))
def test_numbers_come_in_unchanged(value):
    """A reply's text, or its number without quotes, is the number it says."""
    assert number(format(value, "f")) == value
    assert number(json.loads(format(value, "f"), parse_float=Decimal)) == value


@pytest.mark.parametrize("value", ["NaN", "inf", "-Infinity", "", "1,5", "0x1", None, True, 0.1, [], "9" * 41])
def test_what_is_no_exact_number_is_malformed(value):
    """Floats, flags, nothing, infinities and endless digits are refused."""
    with pytest.raises(MALFORMED):
        number(value)


@pytest.mark.parametrize(
    ("kind", "type_", "time_in_force"),
    [
        (OrderKind.FOK, "LIMIT", "FOK"),
        (OrderKind.IOC, "LIMIT", "IOC"),
        (OrderKind.LIMIT, "LIMIT", "GTC"),
        (OrderKind.POST_ONLY, "LIMIT_MAKER", None),
        (OrderKind.MARKET, "MARKET", None),
    ],
)
def test_each_kind_has_its_words(kind, type_, time_in_force):
    """Type and time in force are the venue's for each kind, and come back as the same kind."""
    price = None if kind is OrderKind.MARKET else Decimal("0.4567")
    request = OrderRequest("c-1", "ADA/USDT", Side.BUY, kind, Decimal("10"), price)
    params = order_params(request)
    assert (params["type"], params.get("timeInForce")) == (type_, time_in_force)
    assert (params["symbol"], params["side"], params["newClientOrderId"]) == ("ADAUSDT", "BUY", "c-1")
    assert params["newOrderRespType"] == "FULL"
    assert new_order_reply(order_reply(request, "NEW"), request).orders[0].kind is kind


def test_a_filled_order_brings_its_executions():
    """Executions of the reply carry the order's id, side and time, and are takers."""
    found = new_order_reply(order_reply(), BUY)
    order = found.orders[0]
    assert (order.status, order.filled, order.cost) == (VenueStatus.FILLED, Decimal("12.3"), Decimal("5.61741"))
    assert (order.list_id, order.stop_price, order.time_ms) == (None, None, 1_507_725_176_595)
    assert [trade.trade_id for trade in found.trades] == ["56", "57"]
    assert found.trades[0] == VenueTrade(
        "56",
        "28",
        "ADA/USDT",
        Side.BUY,
        Decimal("3.075"),
        Decimal("0.4567"),
        Decimal("0.00123"),
        "BNB",
        False,
        order.time_ms,
    )


def test_a_list_brings_both_legs():
    """The upper leg comes first, whatever the order of the reply, and both name their list."""
    params = oco_params(OCO)
    assert (params["aboveType"], params["belowType"], params["side"]) == ("LIMIT_MAKER", "STOP_LOSS", "SELL")
    above, below = new_oco_reply(oco_reply(), OCO).orders
    assert (above.cid, above.kind, above.price, above.stop_price) == ("habove-1", OrderKind.POST_ONLY, OCO.target, None)
    assert (below.cid, below.kind, below.price, below.stop_price) == ("hbelow-1", OrderKind.STOP, None, OCO.stop)
    assert (above.list_id, below.list_id) == ("1", "1")


@pytest.mark.parametrize(
    "spoil",
    [
        lambda body: body.pop("orderReports"),
        lambda body: body["orderReports"].pop(),
        lambda body: body["orderReports"].append(body["orderReports"][0] | {"clientOrderId": "third"}),
        lambda body: body["orderReports"][0].update(stopPrice="0.41"),
        lambda body: body["orderReports"][1].update(price="0.61"),
        lambda body: body["orderReports"][1].update(origQty="12.2"),
        lambda body: body["orderReports"][1].update(orderListId=2),
        lambda body: body["orderReports"][1].update(side="BUY"),
        lambda body: body.update(listClientOrderId="another"),
        lambda body: body.update(symbol="BTCUSDT"),
        lambda body: body.update(listOrderStatus="PERHAPS"),
    ],
)
def test_a_list_that_is_not_ours_is_malformed(spoil):
    """A reply about another list, or with legs other than sent, is refused."""
    body = json.loads(json.dumps(oco_reply()))
    spoil(body)
    with pytest.raises(MALFORMED):
        new_oco_reply(body, OCO)


def test_a_cancelled_order_keeps_its_id_and_its_fills():
    """The reply's own client id is that of the cancel; ours is the original one."""
    found = cancel_reply(cancel_body(), "ADA/USDT", BUY.cid).orders[0]
    assert (found.cid, found.status, found.filled) == (BUY.cid, VenueStatus.CANCELED, Decimal("2.3"))


def test_a_cancelled_list_brings_both_legs():
    """By the list's id or by that of a leg, the reply to a cancel tells of both."""
    for cid in (OCO.list_cid, OCO.above_cid):
        orders = cancel_reply(cancel_list_body(), "ADA/USDT", cid).orders
        assert {order.cid: order.status for order in orders} == dict.fromkeys(
            (OCO.above_cid, OCO.below_cid), VenueStatus.CANCELED
        )


@pytest.mark.parametrize(
    "body", [cancel_body("another"), cancel_body(status="NEW"), cancel_list_body(orderReports=[]), "<html>", None, []]
)
def test_a_cancel_that_does_not_say_so_is_malformed(body):
    """Another order, one that rests, no order at all: not a cancellation."""
    with pytest.raises(MALFORMED):
        cancel_reply(body, "ADA/USDT", BUY.cid)


def test_orders_of_others_are_read_too():
    """An order of a type that we never send is shown as OTHER, with all its numbers."""
    found = parse_order(query_body(type="TAKE_PROFIT_LIMIT", stopPrice="0.5"), "ADA/USDT")
    assert (found.kind, found.stop_price, found.price) == (OrderKind.OTHER, Decimal("0.5"), Decimal("0.4567"))
    assert (found.time_ms, found.update_ms) == (1_499_827_319_559, 1_499_827_319_999)


def test_executions_and_balances_are_read():
    """Maker flag, side, commission with its asset, rebates; balances of what is held only."""
    found = parse_trade(trade_body(7, isBuyer=False, commission="-0.001", commissionAsset="USDT"), "ADA/USDT")
    assert (found.trade_id, found.side, found.commission, found.maker) == ("7", Side.SELL, Decimal("-0.001"), True)
    rows = [("ADA", "1.5", "0"), ("USDT", "0", "2"), ("BTC", "0.00000000", "0.00000000")]
    body = {"balances": [{"asset": asset, "free": free, "locked": locked} for asset, free, locked in rows]}
    assert parse_balances(body) == {
        "ADA": Balance(Decimal("1.5"), Decimal(0)),
        "USDT": Balance(Decimal(0), Decimal(2)),
    }
    assert parse_list(oco_reply(), "ADA/USDT").status is ListStatus.EXECUTING


@pytest.mark.parametrize(
    "row", [{"free": "-1"}, {"locked": "NaN"}, {"free": 0.1}, {"asset": ""}, {"asset": "USDT"}, {"free": None}]
)
def test_a_balance_that_cannot_be_is_malformed(row):
    """Negative, NaN, float, nameless or doubled balances are refused."""
    good = {"asset": "USDT", "free": "1", "locked": "0"}
    with pytest.raises(MALFORMED):
        parse_balances({"balances": [good, {"asset": "ADA", "free": "1", "locked": "0"} | row]})


EXECUTION = {
    "e": "executionReport", "E": 3, "s": "ADAUSDT", "c": "h-1", "S": "BUY", "o": "LIMIT_MAKER", "f": "GTC", "q": "10",
    "p": "0.4", "P": "0", "g": -1, "C": "", "x": "TRADE", "X": "PARTIALLY_FILLED", "i": 5, "l": "4", "z": "4",
    "L": "0.4", "n": "0.004", "N": "ADA", "T": 2, "t": 9, "m": True, "O": 1, "Z": "1.6",
}  # fmt: skip
NAMES = {"ADAUSDT": "ADA/USDT"}


def test_events_tell_what_replies_tell():
    """An execution is an order and a trade; a cancel carries our id; a position is a balance; the rest is nothing."""
    order, trade = parse_user_event(EXECUTION, NAMES)
    assert (order.cid, order.filled, order.cost, order.time_ms, order.update_ms) == ("h-1", 4, Decimal("1.6"), 1, 2)
    assert (trade.trade_id, trade.venue_id, trade.quantity, trade.maker) == ("9", "5", Decimal(4), True)
    (gone,) = parse_user_event(EXECUTION | {"x": "CANCELED", "X": "CANCELED", "c": "theCancel", "C": "h-1"}, NAMES)
    assert (gone.cid, gone.status) == ("h-1", VenueStatus.CANCELED)
    position = {"e": "outboundAccountPosition", "E": 3, "u": 2, "B": [{"a": "ADA", "f": "1", "l": "2"}]}
    assert parse_user_event(position, NAMES) == (BalanceUpdate("ADA", Balance(Decimal(1), Decimal(2)), 2),)
    assert parse_user_event({"e": "balanceUpdate"}, NAMES) == ()
    with pytest.raises(MALFORMED):
        parse_user_event(EXECUTION, {})


def test_plain_text_has_every_digit_and_no_exponent() -> None:
    """What people read of figures that may be zero or negative."""
    told = {"0E-7": "0", "100.5000": "100.5", "-3.10": "-3.1", "1E+3": "1000", "0.00000001": "0.00000001"}
    assert {text: plain_text(Decimal(text)) for text in told} == told

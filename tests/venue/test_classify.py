"""Every row of the outcome table, as exact bytes on a real socket, under both addresses; no POST ever twice."""

import asyncio
import json

import ccxt
import pytest

from huracan.venue.classify import classify_error, classify_facts
from huracan.venue.client import WireFacts
from huracan.venue.orders import Accepted, RejectCode, Rejected, Unknown
from tests.venue.replies import BUY, OCO, cancel_body, cancel_list_body, oco_reply, order_reply
from tests.venue.scripted import BASES, Answer, client_of, error, reply, run, serving, venue_at

HTML = "<html><body><h1>502 Bad Gateway</h1></body></html>"
LACKING = "Account has insufficient balance for requested action."

# wire bytes -> what it means, and what ccxt raises on either address (None: it raises nothing)
DEFINITE = {
    "balance": (error(400, -2010, LACKING), RejectCode.INSUFFICIENT_BALANCE, ccxt.InsufficientFunds),
    "would match": (
        error(400, -2010, "Order would immediately match and take."),
        RejectCode.WOULD_MATCH,
        ccxt.OrderImmediatelyFillable,
    ),
    "would trigger": (
        error(400, -2010, "Order would trigger immediately."),
        RejectCode.STOP_WOULD_TRIGGER,
        ccxt.OrderImmediatelyFillable,
    ),
    "relation": (
        error(400, -2010, "The relationship of the prices for the orders is not correct."),
        RejectCode.PRICE_RELATION,
        ccxt.InvalidOrder,
    ),
    "closed": (error(400, -2010, "Market is closed."), RejectCode.MARKET_CLOSED, None),
    "disabled": (error(400, -2010, "This action is disabled on this account."), RejectCode.AUTH, None),
    "lot": (error(400, -1013, "Filter failure: LOT_SIZE"), RejectCode.FILTER, ccxt.InvalidOrder),
    "tick": (error(400, -1013, "Filter failure: PRICE_FILTER"), RejectCode.FILTER, ccxt.InvalidOrder),
    "percent": (error(400, -1013, "Filter failure: PERCENT_PRICE_BY_SIDE"), RejectCode.FILTER, ccxt.InvalidOrder),
    "notional": (error(400, -1013, "Filter failure: NOTIONAL"), RejectCode.FILTER, ccxt.BadRequest),
    "min notional": (error(400, -1013, "Filter failure: MIN_NOTIONAL"), RejectCode.FILTER, ccxt.BadRequest),
    "clock": (
        error(400, -1021, "Timestamp for this request is outside of the recvWindow."),
        RejectCode.CLOCK,
        ccxt.InvalidNonce,
    ),
    "signature": (
        error(400, -1022, "Signature for this request is not valid."),
        RejectCode.AUTH,
        ccxt.AuthenticationError,
    ),
    "characters": (error(400, -1100, "Illegal characters found."), RejectCode.BAD_REQUEST, ccxt.BadRequest),
    "missing": (error(400, -1102, "Mandatory parameter."), RejectCode.BAD_REQUEST, ccxt.BadRequest),
    "precision": (error(400, -1111, "Too much precision."), RejectCode.BAD_REQUEST, ccxt.BadRequest),
    "combination": (error(400, -1128, "Bad combination."), RejectCode.BAD_REQUEST, ccxt.BadRequest),
    "symbol": (error(400, -1121, "Invalid symbol."), RejectCode.BAD_SYMBOL, ccxt.BadSymbol),
    "key": (error(401, -2015, "Invalid API-key, IP, or permissions."), RejectCode.AUTH, None),
    "key format": (error(401, -2014, "API-key format invalid."), RejectCode.AUTH, ccxt.AuthenticationError),
    "429": (error(429, -1003, "Too many.", Retry_After="1"), RejectCode.RATE_LIMIT, ccxt.DDoSProtection),
    "429 html": (Answer(429, HTML, {"Retry-After": "1"}), RejectCode.RATE_LIMIT, ccxt.DDoSProtection),
    "429 orders": (error(429, -1015, "Too many new orders."), RejectCode.ORDER_LIMIT, ccxt.DDoSProtection),
    "418": (error(418, -1003, "IP banned.", Retry_After="120"), RejectCode.BANNED, ccxt.DDoSProtection),
    "400 too many": (error(400, -1003, "Too much request weight used."), RejectCode.RATE_LIMIT, ccxt.RateLimitExceeded),
}
JSON = {"Content-Type": "application/json"}
UNKNOWN = {
    "duplicate": (error(400, -2010, "Duplicate order sent."), ccxt.InvalidOrder),
    "-2010 without words": (error(400, -2010, "NEW_ORDER_REJECTED"), None),
    "-1006": (error(500, -1006, "Unexpected response."), ccxt.OperationFailed),
    "-1007": (error(504, -1007, "Timeout waiting for response from backend server."), ccxt.RequestTimeout),
    "-1007 as 400": (error(400, -1007, "Timeout."), ccxt.RequestTimeout),
    "-1000": (error(500, -1000, "An unknown error occurred."), ccxt.OperationFailed),
    "-1001": (error(500, -1001, "Internal error."), ccxt.OperationFailed),
    "-1008": (error(503, -1008, "Server is currently overloaded."), ccxt.OperationFailed),
    "-1004": (error(400, -1004, "Server is busy."), None),
    "-2011": (error(400, -2011, "Unknown order."), None),
    "-2021": (error(409, -2021, "Order cancel-replace partially failed."), None),
    "a code nobody knows": (error(400, -7777, "?"), ccxt.ExchangeError),
    "a definite code on 500": (error(500, -2010, LACKING), ccxt.InsufficientFunds),
    "a definite code on 200": (error(200, -2010, LACKING), ccxt.InsufficientFunds),
    "a code as text": (Answer(400, json.dumps({"code": "-2010", "msg": LACKING}), JSON), ccxt.InsufficientFunds),
    "500 html": (Answer(500, HTML), ccxt.ExchangeNotAvailable),
    "502 html": (Answer(502, HTML), ccxt.ExchangeNotAvailable),
    "503 html": (Answer(503, HTML), ccxt.ExchangeNotAvailable),
    "504 html": (Answer(504, HTML), ccxt.RequestTimeout),
    "403 waf": (Answer(403, HTML), ccxt.ExchangeNotAvailable),
    "409 html": (Answer(409, HTML), ccxt.ExchangeNotAvailable),
    "no reply": (Answer(fate="hang"), ccxt.RequestTimeout),
    "reset": (Answer(fate="reset"), ccxt.ExchangeNotAvailable),
    "closed": (Answer(fate="close"), ccxt.ExchangeNotAvailable),
    "cut": (Answer(body=json.dumps(order_reply()), headers=JSON, fate="cut"), ccxt.ExchangeError),
    "half a body": (Answer(body=json.dumps(order_reply())[:150], headers=JSON), None),
    "200 html": (Answer(body=HTML, headers={"Content-Type": "text/html"}), None),
    "200 html as json": (Answer(body=HTML, headers=JSON), None),
    "200 without a type": (Answer(body=HTML), None),
    "200 empty": (Answer(body="", headers=JSON), None),
    "200 null": (Answer(body="null", headers=JSON), None),
    "200 list": (reply([]), None),
    "200 {}": (reply({}), None),
    "redirect": (Answer(307, "", {"Location": "/api/v3/order"}), ccxt.ExchangeError),
    "moved": (Answer(302, "", {"Location": "/api/v3/order"}), ccxt.ExchangeError),
    "deep": (Answer(body="[" * 100_000, headers=JSON), None),
}
# replies about the order that do not say enough, or something else
ODD_ORDERS = {
    "acknowledgement": {"status": None, "type": None, "origQty": None, "executedQty": None, "price": None},
    "no id": {"orderId": None},
    "an id as text": {"orderId": "28"},
    "another order": {"clientOrderId": "somebody-else"},
    "another market": {"symbol": "BTCUSDT"},
    "another side": {"side": "SELL"},
    "another quantity": {"origQty": "12.40000000"},
    "another price": {"price": "0.45680000"},
    "another kind": {"timeInForce": "GTC"},
    "a status nobody knows": {"status": "PONDERING"},
    "NaN": {"executedQty": "NaN"},
    "infinity": {"cummulativeQuoteQty": "Infinity"},
    "negative": {"executedQty": "-1"},
    "executions that do not add up": {"executedQty": "12.20000000"},
    "executions of zero": {
        "fills": [{"price": "1", "qty": "0", "commission": "0", "commissionAsset": "X", "tradeId": 1}]
    },
    "no executions list": {"fills": None},
}


async def _submitted(answer, base, what="order"):
    """Return the outcome of one command, the requests seen, and the exception ccxt raises for the same bytes."""
    async with serving(answer) as server, venue_at(server, base, timeout_ms=400) as venue:
        commands = {
            "order": lambda: venue.submit(BUY),
            "oco": lambda: venue.submit_oco(OCO),
            "cancel": lambda: venue.cancel("ADA/USDT", BUY.cid),
            "cancel list": lambda: venue.cancel_oco("ADA/USDT", OCO.list_cid),
        }
        outcome = await commands[what]()
        return outcome, [one for one in server.seen if one.method != "GET"]


async def _raised(answer, base):
    """Return the class of what ccxt's wrapper raises for these bytes, None if it takes them."""
    async with serving(answer) as server:
        client = client_of(base, server, timeout_ms=400)
        try:
            await client.private_post_order({"symbol": "ADAUSDT"})
        except ccxt.BaseError as raised:
            return type(raised)
        finally:
            await client.close()
        return None


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("row", DEFINITE)
def test_a_definite_reply_is_a_rejection(row, base):
    """Replies of the allow-list are rejections with our code and the venue's, on either address, after one POST."""
    answer, code, _ = DEFINITE[row]
    outcome, sent = run(lambda: _submitted(answer, base))
    assert isinstance(outcome, Rejected)
    assert outcome.code is code
    assert len(sent) == 1
    if answer.body.startswith("{"):
        body = json.loads(answer.body)
        assert (outcome.venue_code, outcome.message) == (body["code"], body["msg"])
    assert outcome.retry_after_s == (float(answer.headers["Retry-After"]) if "Retry-After" in answer.headers else None)


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("row", UNKNOWN)
def test_everything_else_is_unknown(row, base):
    """Whatever is not on the allow-list leaves the order unknown, on either address, after one POST."""
    outcome, sent = run(lambda: _submitted(UNKNOWN[row][0], base))
    assert isinstance(outcome, Unknown), outcome
    assert (outcome.reason == "DUPLICATE") == (row == "duplicate")
    assert len(sent) == 1


@pytest.mark.parametrize("row", ODD_ORDERS)
def test_a_reply_that_does_not_say_enough_is_unknown(row):
    """A 200 that is not exactly the order we sent, with all that matters, is unknown."""
    outcome, sent = run(lambda: _submitted(reply(order_reply(**ODD_ORDERS[row])), "local"))
    assert isinstance(outcome, Unknown)
    assert outcome.reason.startswith("MALFORMED")
    assert len(sent) == 1


@pytest.mark.parametrize("row", {**DEFINITE, **UNKNOWN})
def test_ccxt_raises_the_same_on_either_address(row):
    """The wrapper's exceptions do not depend on the address; where the reference names a class it is that one."""
    answer, expected = {**DEFINITE, **UNKNOWN}[row][0], {**DEFINITE, **UNKNOWN}[row][-1]
    local, real = run(lambda: _raised(answer, "local")), run(lambda: _raised(answer, "binance.com"))
    assert local is real
    assert expected is None or (real is not None and issubclass(real, expected))


@pytest.mark.parametrize("what", ["oco", "cancel", "cancel list"])
@pytest.mark.parametrize("row", ["balance", "symbol", "418", "-1007", "502 html", "cut", "200 html", "redirect"])
def test_the_other_commands_follow_the_same_table(row, what):
    """Order lists and cancels are judged as orders are; the list's POST is not repeated either."""
    answer = {**DEFINITE, **UNKNOWN}[row][0]
    outcome, sent = run(lambda: _submitted(answer, "local", what))
    assert isinstance(outcome, Rejected if row in DEFINITE else Unknown)
    assert len(sent) == 1


@pytest.mark.parametrize(("what", "requests"), [("oco", 1), ("cancel", 2), ("cancel list", 2)])
def test_a_lost_connection_repeats_a_cancel_at_most(what, requests):
    """On a kept connection that breaks, the HTTP client asks again for a DELETE, once; never for a POST."""

    async def steps():
        broken = Answer(fate="reset")
        async with serving(*[broken] * requests) as server, venue_at(server) as venue:
            await venue.sync_clock()
            commands = {
                "oco": lambda: venue.submit_oco(OCO),
                "cancel": lambda: venue.cancel("ADA/USDT", BUY.cid),
                "cancel list": lambda: venue.cancel_oco("ADA/USDT", OCO.list_cid),
            }
            return await commands[what]()

    assert isinstance(run(steps), Unknown)


@pytest.mark.parametrize("what", ["cancel", "cancel list"])
def test_a_cancel_of_nothing_says_so(what):
    """-2011 "Unknown order sent." is the venue's word that nothing rests; other words are not."""
    outcome, _ = run(lambda: _submitted(error(400, -2011, "Unknown order sent."), "local", what))
    assert outcome == Rejected(RejectCode.UNKNOWN_ORDER, -2011, "Unknown order sent.")
    outcome, _ = run(
        lambda: _submitted(error(400, -2011, "Order was not canceled due to cancel restrictions."), "local", what)
    )
    assert isinstance(outcome, Unknown)


@pytest.mark.parametrize("base", BASES)
def test_what_the_venue_did_is_accepted(base):
    """Proper replies to each of the four commands are accepted."""
    answers = {
        "order": reply(order_reply()),
        "oco": reply(oco_reply()),
        "cancel": reply(cancel_body()),
        "cancel list": reply(cancel_list_body()),
    }
    for what, answer in answers.items():
        outcome, sent = run(lambda answer=answer, what=what: _submitted(answer, base, what))
        assert isinstance(outcome, Accepted), (what, outcome)
        assert len(sent) == 1


def test_no_listener_at_all_is_unknown():
    """A refused connection is unknown, like every other lack of a reply."""

    async def steps():
        async with serving() as server, venue_at(server) as venue:
            await venue.sync_clock()
            venue._client.urls["api"]["private"] = "http://127.0.0.1:9/api/v3"
            return await venue.submit(BUY)

    assert isinstance(run(steps), Unknown)


def test_errors_without_facts_are_unknown():
    """Whatever an exception is called, without a reply it says nothing about the order."""
    for raised in (ccxt.InsufficientFunds("x"), ccxt.InvalidOrder("x"), RuntimeError("x"), asyncio.CancelledError()):
        assert isinstance(classify_error(raised), Unknown)


def test_only_client_errors_are_definite():
    """The allow-list holds for HTTP 400 and 401 alone: the same words with any other status are unknown."""
    definite = [s for s in range(100, 600) if isinstance(classify_facts(WireFacts(s, -2010, LACKING)), Rejected)]
    assert definite == [400, 401, 418, 429]

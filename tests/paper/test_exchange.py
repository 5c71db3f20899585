"""The front door: routing, headers, every fault of a request, same bytes from the same seed, and coming back."""

import json
from decimal import Decimal
from typing import Any

import pytest

from huracan.errors import ConfigError, DataError
from huracan.paper import DropHow, FaultKind, Faults, Latency, RateLimits, Request, ScriptedFault
from huracan.paper.faults import ERROR_CODES, LOST_HOW
from tests.paper.world import ANNA, BERT, FLAT, START_MS, World, market

DOWN = (10_000, 10_000, 9_900, 9_950, 1_000_000)
POST = "POST /api/v3/order"
BUY = {"symbol": "AAAUSDT", "side": "BUY", "type": "MARKET", "quantity": "1", "newClientOrderId": "a"}
REST = {"symbol": "AAAUSDT", "side": "BUY", "type": "LIMIT_MAKER", "quantity": "1", "price": "99"}


def world(**settings: Any) -> World:
    """Return an exchange of a few bars that fall once."""
    return World([market([FLAT, FLAT, DOWN, FLAT, FLAT])], **settings)


def test_an_unknown_route_is_404() -> None:
    """In the venue's own form."""
    assert world().fails("GET", "/api/v3/nothing") == (404, -1020, "This operation is not supported.")


def test_headers_show_weight_orders_and_sequence() -> None:
    """What a careful client steers by."""
    here = world()
    here.get("/api/v3/depth", symbol="AAAUSDT", limit=1000)
    reply = here.send("POST", "/api/v3/order", **BUY)
    assert reply.headers["X-MBX-USED-WEIGHT-1M"] == "51"
    assert reply.headers["X-MBX-ORDER-COUNT-10S"] == "0"
    assert reply.headers["X-PAPER-SEQ"] == str(here.exchange.seq("anna")) == "4"
    rests = here.send("POST", "/api/v3/order", **REST)
    assert rests.headers["X-MBX-ORDER-COUNT-1D"] == "1"


def test_weight_over_the_limit_is_429_then_418_and_nothing_is_carried_out() -> None:
    """Retry-After counts down; the log shows who did not wait."""
    here = world(limits=RateLimits(weight_1m=5, ban_after=2))
    for _ in range(5):
        here.get("/api/v3/ping")
    statuses = [here.send("POST", "/api/v3/order", **BUY) for _ in range(3)]
    assert [reply.status for reply in statuses] == [429, 429, 418]
    assert all(int(reply.headers["Retry-After"]) > 0 for reply in statuses)
    assert here.exchange.orders("anna") == []
    here.clock.ms += 120_000
    here.ok("POST", "/api/v3/order", **BUY)
    assert len(here.exchange.request_log) == 9


def test_too_many_unfilled_orders_are_1015() -> None:
    """A refused order does not count; a filled one is given back."""
    here = world(limits=RateLimits(orders_10s=2))
    here.order("BUY", "MARKET", quantity="1")
    here.fails("POST", "/api/v3/order", **{**REST, "price": "101"})
    here.ok("POST", "/api/v3/order", **REST)
    here.ok("POST", "/api/v3/order", **REST)
    status, code, message = here.fails("POST", "/api/v3/order", **REST)
    assert (status, code, message) == (429, -1015, "Too many new orders; current limit is 2 orders per 10 SECOND.")


# ---- faults of a request (F5, F6, F10, F11, F12, F13, F18) -----------------------------------------------------------


@pytest.mark.parametrize("how", LOST_HOW)
def test_f5_the_order_is_there_and_its_reply_is_lost(how: str) -> None:
    """Accepted and filled; the client sees a timeout, a reset, half a body, a page, or nothing."""
    here = world()
    here.exchange.script(ScriptedFault(FaultKind.RESPONSE_LOST, POST, how=how))
    reply = here.send("POST", "/api/v3/order", **BUY)
    assert here.query("a")["status"] == "FILLED"
    if how in tuple(DropHow):
        assert reply.drop is DropHow(how)
    else:
        assert reply.status == 200
        with pytest.raises(json.JSONDecodeError):
            json.loads(reply.body)


@pytest.mark.parametrize("how", LOST_HOW[:2])
def test_f6_the_request_is_lost_and_the_order_is_not_there(how: str) -> None:
    """Nothing was accepted, and the client cannot tell this from F5."""
    here = world()
    here.exchange.script(ScriptedFault(FaultKind.REQUEST_LOST, how=how))
    assert here.send("POST", "/api/v3/order", **BUY).drop is DropHow(how)
    assert here.exchange.orders("anna") == []


@pytest.mark.parametrize("code", list(ERROR_CODES))
@pytest.mark.parametrize("accepted", [False, True])
def test_f12_errors_leave_the_execution_unknown(code: int, accepted: bool) -> None:
    """503, -1008, -1007, -1006, -1001, -1000: with and without the order behind them, byte for byte the same."""
    here = world()
    kind = FaultKind.ERROR_AFTER if accepted else FaultKind.ERROR_BEFORE
    here.exchange.script(ScriptedFault(kind, POST, how=str(code)))
    reply = here.send("POST", "/api/v3/order", **BUY)
    assert reply.status == ERROR_CODES[code][0]
    assert len(here.exchange.orders("anna")) == accepted
    if code:
        assert json.loads(reply.body) == {"code": code, "msg": ERROR_CODES[code][1]}


def test_f12_reads_fail_too() -> None:
    """A GET answers an error once, then as always."""
    here = world()
    here.exchange.script(ScriptedFault(FaultKind.READ_ERROR, "GET /api/v3/account", how="-1001"))
    assert here.fails("GET", "/api/v3/account")[:2] == (500, -1001)
    here.ok("GET", "/api/v3/account")


def test_f10_a_cancel_times_out_and_the_order_still_rests() -> None:
    """No reply, no cancel."""
    here = world()
    here.ok("POST", "/api/v3/order", **REST, newClientOrderId="a")
    here.exchange.script(ScriptedFault(FaultKind.CANCEL_TIMEOUT))
    lost = here.send("DELETE", "/api/v3/order", symbol="AAAUSDT", origClientOrderId="a")
    assert lost.drop is DropHow.TIMEOUT
    assert here.query("a")["status"] == "NEW"


def test_f9_a_cancel_races_a_fill() -> None:
    """-2011, and the order is found FILLED."""
    here = world()
    here.ok("POST", "/api/v3/order", **REST, newClientOrderId="a")
    here.exchange.script(ScriptedFault(FaultKind.CANCEL_RACE))
    refused = here.fails("DELETE", "/api/v3/order", symbol="AAAUSDT", origClientOrderId="a")
    assert refused == (400, -2011, "Unknown order sent.")
    assert here.query("a")["status"] == "FILLED"
    assert here.exchange.trades("anna")[0]["isMaker"]


@pytest.mark.parametrize(("kind", "status"), [(FaultKind.RATE_LIMITED, 429), (FaultKind.BANNED, 418)])
def test_f11_an_address_is_limited_or_banned_for_its_seconds(kind: FaultKind, status: int) -> None:
    """Every request until then gets the same answer, and none is carried out."""
    here = world()
    here.exchange.script(ScriptedFault(kind, how="30"))
    first = here.send("POST", "/api/v3/order", **BUY)
    assert (first.status, first.headers["Retry-After"]) == (status, "30")
    assert json.loads(first.body)["code"] == -1003
    here.clock.ms += 29_000
    assert here.send("GET", "/api/v3/account").status == status
    here.clock.ms += 1_000
    here.ok("POST", "/api/v3/order", **BUY)


@pytest.mark.parametrize("skew_ms", [-30_000, -5_001, 1_500, 30_000])
def test_f13_a_skewed_clock_refuses_orders_with_1021(skew_ms: int) -> None:
    """GET time shows the skew, so that a client can find it."""
    here = world()
    here.exchange.faults = Faults(clock_skew_ms=skew_ms)
    assert here.get("/api/v3/time")["serverTime"] == here.clock.ms + skew_ms
    stale = skew_ms > 5_000 or skew_ms < -1_000
    reply = here.send("POST", "/api/v3/order", **BUY)
    assert (reply.status == 400 and json.loads(reply.body)["code"] == -1021) == stale


def test_f18_a_halted_market_takes_no_orders() -> None:
    """Status BREAK in exchangeInfo, -1013 on orders, and resting ones do not fill."""
    here = world()
    here.ok("POST", "/api/v3/order", **{**REST, "price": "99.50"}, newClientOrderId="b")
    here.exchange.faults = Faults(halted=("AAAUSDT",))
    assert here.fails("POST", "/api/v3/order", **BUY) == (400, -1013, "Market is closed.")
    assert here.get("/api/v3/exchangeInfo")["symbols"][0]["status"] == "BREAK"
    here.bar()
    here.bar()
    assert here.query("b")["status"] == "NEW"


def test_an_expired_key_is_2015() -> None:
    """Only the account named."""
    here = World([market([FLAT] * 3)], [ANNA, BERT])
    here.exchange.faults = Faults(expired_keys=("anna",))
    assert here.fails("GET", "/api/v3/account")[:2] == (401, -2015)
    here.ok("GET", "/api/v3/account", BERT)


def test_get_lag_hides_what_has_just_happened() -> None:
    """-2013 for a while after the POST, and no trade either; cancels see the order at once."""
    here = world()
    here.exchange.faults = Faults(get_lag=1.0, get_lag_ms=800)
    here.ok("POST", "/api/v3/order", **BUY)
    here.ok("POST", "/api/v3/order", **REST, newClientOrderId="b")
    asked = {"symbol": "AAAUSDT", "origClientOrderId": "a"}
    assert here.fails("GET", "/api/v3/order", **asked) == (400, -2013, "Order does not exist.")
    assert here.ok("GET", "/api/v3/myTrades", symbol="AAAUSDT") == []
    assert here.ok("GET", "/api/v3/openOrders", symbol="AAAUSDT") == []
    here.clock.ms += 800
    assert here.query("a")["status"] == "FILLED"
    assert len(here.ok("GET", "/api/v3/myTrades", symbol="AAAUSDT")) == 1
    here.exchange.faults = Faults(get_lag=1.0, get_lag_ms=800)
    here.ok("POST", "/api/v3/order", **REST, newClientOrderId="c")
    here.ok("DELETE", "/api/v3/order", symbol="AAAUSDT", origClientOrderId="c")


def test_a_thin_book_leaves_a_remainder() -> None:
    """MARKET: half is filled, the rest EXPIRED; FOK: nothing."""
    here = world()
    here.exchange.faults = Faults(market_remainder=1.0)
    done = here.ok("POST", "/api/v3/order", **BUY)
    assert (done["status"], done["executedQty"]) == ("EXPIRED", "0.50000000")
    fok = here.order("BUY", "LIMIT", timeInForce="FOK", quantity="1", price="100.05")
    assert (fok["status"], fok["executedQty"]) == ("EXPIRED", "0.00000000")
    assert here.money("USDT")[1] == 0


# ---- latency, seeds, snapshots ------------------------------------------------------------------------------------


def test_latencies_are_drawn_one_by_one() -> None:
    """Command, acknowledgement and event each have their own; a mean draws around its base."""
    here = world(latency=Latency(command_ms=20, ack_ms=30, event_ms=40, event_mean_ms=10.0))
    request = Request("GET", "/api/v3/ping", headers={"X-MBX-APIKEY": ANNA.api_key})
    assert here.exchange.begin(request) == 20
    assert here.exchange.handle(request).delay_ms == 30
    here.exchange.end(request)
    here.ok("POST", "/api/v3/order", **BUY)
    delays = [event.delay_ms for event in here.drained("anna")]
    assert min(delays) >= 40
    assert max(delays) > 40


def trace(seed: int) -> list[str]:
    """Return every reply and event of a busy minute under a swarm of faults."""
    swarm = Faults(
        request_lost=0.1, response_lost=0.1, error_before=0.05, error_after=0.05, cancel_race=0.2, get_lag=0.3,
        get_lag_ms=500, stream_duplicate=0.1, stream_reorder=0.1, trade_id_repeat=0.1, market_remainder=0.2,
    )  # fmt: skip
    here = World([market([FLAT, DOWN, FLAT, DOWN, FLAT], impact=0.05)], seed=seed, faults=swarm)
    out = []
    for n in range(40):
        order = {**(BUY if n % 3 else REST), "newClientOrderId": f"n-{n}"}
        out.append(str(here.send("POST", "/api/v3/order", **order)))
        out.append(str(here.send("DELETE", "/api/v3/order", symbol="AAAUSDT", origClientOrderId=f"n-{n}")))
        out.append(str(here.send("GET", "/api/v3/myTrades", symbol="AAAUSDT")))
        here.clock.ms += 300
        if n % 10 == 9:
            here.bar()
        out += [str(event) for event in here.drained()]
    return out


def test_the_same_seed_and_requests_give_the_same_bytes() -> None:
    """And another seed other ones."""
    assert trace(7) == trace(7)
    assert trace(7) != trace(8)


def test_a_killed_exchange_comes_back_where_it_was() -> None:
    """Snapshot in the middle of a bar; a fresh exchange restored from it goes on to the same bytes."""

    def go_on(here: World) -> list[str]:
        out = []
        for n in range(6):
            out.append(str(here.send("POST", "/api/v3/order", **{**BUY, "newClientOrderId": f"later-{n}"})))
            if here.exchange.stage is not None:
                here.step()
            out += [str(event) for event in here.drained()]
        return [*out, str(here.exchange.balances("anna")), str(here.exchange.orders("anna"))]

    def fresh() -> World:
        return World([market([FLAT, FLAT, DOWN, FLAT, FLAT], impact=0.05)], faults=Faults(response_lost=0.3))

    first = fresh()
    first.send("POST", "/api/v3/order", **{**REST, "price": "99.50"}, newClientOrderId="rests")
    first.step()
    first.exchange.script(ScriptedFault(FaultKind.ERROR_AFTER, POST, skip=1))
    first.drained()
    saved = first.exchange.snapshot()
    second = fresh()
    second.exchange.restore(saved)
    assert second.exchange.snapshot() == saved
    assert go_on(first) == go_on(second)


@pytest.mark.parametrize("data", [b"", b"{}", b"[1]", b'{"format": 2, "state": {}}', b'{"format": 1, "state": {}}'])
def test_what_is_no_snapshot_is_refused(data: bytes) -> None:
    """And the exchange stays as it was."""
    here = world()
    before = here.exchange.snapshot()
    with pytest.raises(DataError, match="snapshot"):
        here.exchange.restore(data)
    assert here.exchange.snapshot() == before


def test_a_snapshot_of_other_accounts_is_refused() -> None:
    """It would give their money to somebody else."""
    other = World([market([FLAT] * 5)], [BERT])
    with pytest.raises(DataError, match="other markets or accounts"):
        world().exchange.restore(other.exchange.snapshot())


def test_foreign_hands() -> None:
    """F20: an order the trader did not send, and a deposit, show in streams and balances."""
    here = world()
    done = here.exchange.external_order("anna", BUY | {"newClientOrderId": "web_1"})
    assert done.status == 200
    here.exchange.deposit("anna", "USDT", "5.5")
    kinds = [event.payload["e"] for event in here.drained("anna")]
    assert kinds.count("executionReport") == 2
    assert kinds[-2:] == ["balanceUpdate", "outboundAccountPosition"]
    assert here.money("USDT")[0] == Decimal(100_000) - Decimal("100.01") + Decimal("5.5")
    assert here.exchange.orders("anna")[0]["clientOrderId"] == "web_1"


def test_an_ack_is_refused_while_a_request_is_open() -> None:
    """Time stands still until every reply is out."""
    here = world()
    request = Request("GET", "/api/v3/account", headers={"X-MBX-APIKEY": ANNA.api_key})
    here.exchange.begin(request)
    stage = here.exchange.stage
    assert stage is not None
    refused = here.exchange.ack("anna", stage.bar, stage.stage, 0)
    assert (refused.accepted, refused.reason) == (False, "1 requests are open")
    here.exchange.end(request)
    assert here.exchange.ack("anna", stage.bar, stage.stage, 0).accepted


@pytest.mark.parametrize(
    ("markets", "accounts"),
    [
        ([], [ANNA]),
        ([market([FLAT] * 3)], []),
        ([market([FLAT] * 3), market([FLAT] * 3)], [ANNA]),
        ([market([FLAT] * 3, symbol="AAA/USDT:USDT")], [ANNA]),
        ([market([FLAT] * 3)], [ANNA, ANNA]),
    ],
)
def test_impossible_exchanges_are_refused(markets: list[Any], accounts: list[Any]) -> None:
    """No market, none that is traded, no account, two of one name."""
    with pytest.raises(ConfigError):
        World(markets, accounts)


def test_a_start_after_the_last_bar_is_refused() -> None:
    """There would be nothing to trade."""
    with pytest.raises(ConfigError, match="no bar opens"):
        World([market([FLAT] * 3)], start_ms=START_MS + 3 * 60_000)


def test_the_log_is_of_what_arrived() -> None:
    """Wall time and request, lost replies included."""
    here = world()
    here.exchange.script(ScriptedFault(FaultKind.RESPONSE_LOST, how="RESET"))
    here.send("POST", "/api/v3/order", **BUY)
    ((wall, request),) = here.exchange.request_log
    assert (wall, request.path) == (here.clock.ms, "/api/v3/order")

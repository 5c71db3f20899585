"""The operator's routes."""

import json
from decimal import Decimal
from typing import Any

import pytest

from huracan.errors import UsageError
from huracan.paper import FaultKind, Request, ScriptedFault
from tests.paper.world import BASE_MS, FLAT, START_MS, World, market


def admin(here: World, method: str, path: str, body: Any = None, query: str = "") -> tuple[int, Any]:
    """Send one admin request; return (status, JSON)."""
    text = "" if body is None else body if isinstance(body, str) else json.dumps(body)
    reply = here.exchange.handle(Request(method, f"/admin/{path}", query=query, body=text))
    return reply.status, json.loads(reply.body)


@pytest.fixture
def here() -> World:
    """A lock-step exchange."""
    return World([market([FLAT] * 4)])


def test_faults_are_set_and_shown(here: World) -> None:
    """What is not named stays as it was."""
    status, shown = admin(here, "POST", "faults", {"response_lost": 0.25, "script": [{"kind": "BANNED"}]})
    assert (status, shown["response_lost"]) == (200, 0.25)
    admin(here, "POST", "faults", {"get_lag_ms": 5})
    assert admin(here, "GET", "faults")[1]["response_lost"] == 0.25
    assert here.exchange.faults.get_lag_ms == 5
    assert here.send("GET", "/api/v3/ping", signed=False).status == 418


def test_acks_over_the_wire(here: World) -> None:
    """200 and the next stage, or 409 and the one that is waited for."""
    ack = {"account": "anna", "bar": START_MS // BASE_MS, "stage": "close", "seq": 0}
    status, shown = admin(here, "POST", "ack", {**ack, "seq": 4})
    assert (status, shown["accepted"], shown["seq"]) == (409, False, 0)
    status, shown = admin(here, "POST", "ack", ack)
    assert (status, shown["accepted"], shown["bar"], shown["stage"]) == (200, True, ack["bar"] + 1, "close")


def test_the_state(here: World) -> None:
    """Where time stands, who is waited for, and an account's last event."""
    here.order("BUY", "MARKET", quantity="1")
    _, shown = admin(here, "GET", "state", query="account=anna")
    assert shown == {
        "now_ms": START_MS + BASE_MS,
        "ended": False,
        "bar": START_MS // BASE_MS,
        "stage": "close",
        "waiting": ["anna"],
        "late_commands": {"AAAUSDT": 0},
        "seq": 4,
    }


def test_foreign_orders_and_deposits(here: World) -> None:
    """Refusals keep the venue's code."""
    order = {"symbol": "AAAUSDT", "side": "BUY", "type": "MARKET", "quantity": "1"}
    assert admin(here, "POST", "external", {"account": "anna", "order": order})[1]["status"] == "FILLED"
    refused = admin(here, "POST", "external", {"account": "anna", "order": {**order, "quantity": "0"}})
    assert (refused[0], refused[1]["code"]) == (400, -1130)
    assert admin(here, "POST", "deposit", {"account": "anna", "asset": "AAA", "amount": "-0.5"})[0] == 200
    assert here.money("AAA")[0] == Decimal("0.499")


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "faults", "nonsense"),
        ("POST", "ack", "[]"),
        ("POST", "ack", {"account": "anna"}),
        ("POST", "external", {"account": "carl", "order": {}}),
        ("POST", "deposit", {"account": "anna", "asset": "AAA", "amount": "nan"}),
        ("POST", "deposit", {"account": "anna", "asset": "AAA", "amount": "much"}),
        ("POST", "deposit", {"account": "anna", "asset": "AAA", "amount": "0.123456789"}),
        ("POST", "deposit", {"account": "anna", "asset": "AAA", "amount": "-1"}),
    ],
)
def test_bad_requests_are_400_and_say_why(here: World, method: str, path: str, body: Any) -> None:
    """And change nothing."""
    before = here.exchange.snapshot()
    status, shown = admin(here, method, path, body)
    assert status == 400
    assert shown["error"]
    assert here.exchange.snapshot() == before


def test_unknown_routes_are_404(here: World) -> None:
    """An admin call that does nothing would hide a mistake."""
    assert admin(here, "POST", "nothing", {})[0] == 404


def test_the_script_is_bounded(here: World) -> None:
    """Ten thousand faults are enough."""
    for _ in range(10_000):
        here.exchange.script(ScriptedFault(FaultKind.BANNED))
    with pytest.raises(UsageError, match="waiting already"):
        here.exchange.script(ScriptedFault(FaultKind.BANNED))

"""The routes over real HTTP: every answer is the contract's, every refusal has one shape, and the document says so."""

import http.client
import json
import re
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.config import SchemathesisConfig
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from huracan.config import ServeSettings
from huracan.signals.api import create_app, exposition
from huracan.signals.auth import Scope, TokenBook, add_token
from huracan.signals.contract import STATUS, ErrorCode, Metric
from tests.signals.endpoint import Client, serving
from tests.signals.stand_ins import SYMBOLS, World

SETTINGS = ServeSettings(symbols_max=5, body_max_bytes=4_096, requests_ongoing_max=2, requests_queued_max=2)
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


class Desk:
    """An endpoint over a made-up account, and one client for each kind of token."""

    def __init__(self, world: World, folder: Path) -> None:
        self.world = world
        self.path = folder / "serve" / "tokens.json"
        self.trade_token = add_token(self.path, "trader", Scope.TRADE, 0)
        self.read_token = add_token(self.path, "reader", Scope.READ, 0)
        self.app = create_app(world.service(), TokenBook(self.path), SETTINGS)

    def at(self, place: tuple[str, int]) -> "Desk":
        """Know where it is served."""
        self.trader = Client(*place, self.trade_token)
        self.reader = Client(*place, self.read_token)
        self.nobody = Client(*place, None)
        return self


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """An endpoint in which everything works."""
    found = Desk(World(), tmp_path)
    with serving(found.app) as place:
        yield found.at(place)


# ---- answers ------------------------------------------------------------------------------------------------------


def test_signals_for_all_markets(desk: Desk) -> None:
    """An empty object, and no body at all, ask for everything."""
    for answer in (desk.reader.post("/v1/signals", {}), desk.reader.post("/v1/signals")):
        assert answer.status == 200
        assert [row["symbol"] for row in answer.json["signals"]] == list(SYMBOLS)
        assert {row["standing"] for row in answer.json["signals"]} == {"shadow: UNPROVEN"}
    assert desk.world.ledger.intents == {}


def test_execute_writes_intents_once(desk: Desk) -> None:
    """Two requests at one candle have the same ids."""
    first, second = (desk.trader.post("/v1/signals", {"execute": True}).json for _ in range(2))
    ids = [row["intent_id"] for row in first["signals"]]
    assert ids == [row["intent_id"] for row in second["signals"]]
    assert set(ids) == set(desk.world.ledger.intents)
    assert len(set(ids)) == 3


@pytest.mark.parametrize("path", ["health", "status", "positions", "orders", "trades", "models", "metrics"])
def test_every_read_answers_a_reader(desk: Desk, path: str) -> None:
    """A token of scope read is enough."""
    assert desk.reader.get(f"/v1/{path}").status == 200


def test_halt_and_resume(desk: Desk) -> None:
    """By name of the token that asked."""
    halted = desk.trader.post("/v1/halt", {"reason": "looks odd", "policy": "flatten"})
    assert (halted.status, halted.json["state"], halted.json["proven"]) == (200, "HALTED", True)
    assert desk.world.execution.halts == [("flatten", "http:trader", "looks odd")]
    assert desk.trader.post("/v1/resume", {"reason": "looked"}).json["state"] == "ACTIVE"


def test_a_request_keeps_its_id(desk: Desk) -> None:
    """A plain one of the caller's own is taken, another is not, and there is always one."""
    assert desk.reader.get("/v1/status", headers={"X-Request-Id": "mine-1"}).headers["x-request-id"] == "mine-1"
    odd = desk.reader.get("/v1/status", headers={"X-Request-Id": "a b{}"}).headers["x-request-id"]
    assert re.fullmatch("[0-9a-f]{16}", odd)
    assert re.fullmatch("[0-9a-f]{16}", desk.nobody.get("/v1/status").headers["x-request-id"])


def test_figures_are_json_or_prometheus(desk: Desk) -> None:
    """Whoever accepts text gets Prometheus' format; both tell the same."""
    desk.reader.post("/v1/signals", {})
    rows = desk.reader.get("/v1/metrics").json["metrics"]
    assert any(
        row["name"] == "huracan_http_requests_total" and row["labels"]["route"] == "/v1/signals" and row["value"] == 1
        for row in rows
    )
    text = desk.reader.get("/v1/metrics", headers={"Accept": "text/plain;version=0.0.4"})
    assert text.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert 'huracan_http_requests_total{route="/v1/signals",method="POST",status="200"} 1' in text.body.decode()


def test_labels_cannot_break_a_line() -> None:
    """A scope or version of any name stays inside its quotes."""
    metric = Metric(name="x", kind="gauge", help="h", labels={"a": 'b"\\\nc'}, value=1.5)
    assert exposition([metric]) == '# HELP x h\n# TYPE x gauge\nx{a="b\\"\\\\\\nc"} 1.5\n'


# ---- keys ---------------------------------------------------------------------------------------------------------


def test_a_repeated_key_has_the_same_intents_after_the_next_candle(desk: Desk) -> None:
    """And with another body it is a conflict."""
    key = {"Idempotency-Key": "order-1"}
    first = desk.trader.post("/v1/signals", {"execute": True}, headers=key)
    desk.world.next_close()
    again = desk.trader.post("/v1/signals", {"execute": True}, headers=key)
    assert again.json == first.json
    assert len(desk.world.ledger.intents) == 3
    other = desk.trader.post("/v1/signals", {"execute": False}, headers=key)
    assert (other.status, other.code) == (409, "KEY_REUSED")


@pytest.mark.parametrize("key", ["", "x" * 129, "a b", "ä"])
def test_odd_keys_are_refused(desk: Desk, key: str) -> None:
    """A key is up to 128 visible ASCII characters."""
    answer = desk.trader.post("/v1/signals", {}, headers={"Idempotency-Key": key})
    assert (answer.status, answer.code) == (422, "INVALID")


# ---- who may ask --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("given", [None, "", "Bearer", "Bearer ", "Bearer wrong", "Basic {token}", "{token}"])
def test_without_a_token_nothing_is_told(desk: Desk, given: str | None) -> None:
    """401 with the scheme, whatever the path and whatever the body."""
    headers = {} if given is None else {"Authorization": given.format(token=desk.read_token)}
    for method, path in (
        ("GET", "/v1/status"),
        ("POST", "/v1/signals"),
        ("POST", "/v1/halt"),
        ("GET", "/v1/no"),
        ("GET", "/"),
    ):
        answer = desk.nobody.ask(method, path, headers=headers, raw=b"{" if method == "POST" else None)
        assert (answer.status, answer.code) == (401, "UNAUTHENTICATED")
        assert answer.headers["www-authenticate"] == 'Bearer realm="huracan"'


def test_a_reader_may_not_trade(desk: Desk) -> None:
    """Neither execute, nor halt, nor resume; and the answer says which scope it takes."""
    for path, body in (("signals", {"execute": True}), ("halt", {"reason": "x"}), ("resume", {"reason": "x"})):
        answer = desk.reader.post(f"/v1/{path}", body)
        assert (answer.status, answer.code) == (403, "FORBIDDEN")
        assert "scope trade" in answer.json["message"]
        assert 'error="insufficient_scope"' in answer.headers["www-authenticate"]
    assert desk.world.execution.state == "ACTIVE"
    assert desk.world.ledger.intents == {}


def test_the_document_needs_no_token(desk: Desk) -> None:
    """It tells nothing that the repository does not."""
    assert desk.nobody.get("/openapi.json").status == 200


def test_no_event_holds_a_token(desk: Desk, capfd: pytest.CaptureFixture[str]) -> None:
    """Whatever is asked, and however wrongly, the secret stands in no line of the process's output."""
    desk.trader.post("/v1/signals", {"execute": True}, headers={"Idempotency-Key": desk.trade_token})
    desk.nobody.get("/v1/status", headers={"Authorization": f"Basic {desk.trade_token}"})
    desk.trader.get(f"/v1/{desk.trade_token}")
    desk.trader.post("/v1/signals", raw=desk.trade_token.encode())
    out = capfd.readouterr()
    assert "http.request" in out.err
    assert desk.trade_token not in out.err + out.out


# ---- bad input ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "status", "code"),
    [
        (b"{", 400, "MALFORMED"),
        (b"\xff\xfe", 400, "MALFORMED"),
        (b'{"symbols": ["BTC/USDT"', 400, "MALFORMED"),
        (b"[" * 3_000, 400, "MALFORMED"),
        (b'{"execute": NaN}', 422, "INVALID"),
        (b'{"symbols": [Infinity]}', 422, "INVALID"),
        (b'{"symbols": ["\\ud800/USDT"]}', 422, "INVALID"),
        (b'{"\\ud800": 1}', 422, "INVALID"),
        (b'{"a\\u0000": 1}', 422, "INVALID"),
        (b"null", 422, "INVALID"),
        (b"[]", 422, "INVALID"),
        (b'"x"', 422, "INVALID"),
        (b"1e999", 422, "INVALID"),
        (b'{"symbols": ["BTCUSDT"]}', 422, "INVALID"),
        (b'{"symbols": ["BTC/USDT", "BTC/USDT"]}', 422, "INVALID"),
        (b'{"symbols": [], "leverage": 5}', 422, "INVALID"),
        (b'{"symbols": ["NOPE/USDT"]}', 404, "UNKNOWN_SYMBOL"),
        (b'{"symbols": ["A/B", "B/B", "C/B", "D/B", "E/B", "F/B"]}', 422, "TOO_MANY_SYMBOLS"),
    ],
)
def test_bad_bodies_have_a_code(desk: Desk, raw: bytes, status: int, code: str) -> None:
    """One line that any terminal shows, and no defect."""
    answer = desk.reader.post("/v1/signals", raw=raw)
    assert (answer.status, answer.code) == (status, code)
    assert answer.json["message"].isascii()
    assert answer.json["message"].isprintable()
    assert len(answer.json["message"]) < 500


def test_another_content_type_is_no_request(desk: Desk) -> None:
    """A form is not JSON."""
    answer = desk.reader.post(
        "/v1/signals", raw=b"symbols=BTC", headers={"Content-Type": "application/x-www-form-urlencoded"}
    )
    assert (answer.status, answer.code) == (422, "INVALID")


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=1001", "limit=x", "since_ms=-1", "since_ms=99999999999999", "page=2"]
)
def test_bad_queries_have_a_code(desk: Desk, query: str) -> None:
    """Unknown parameters as well: whoever misspells one believes to have asked for it."""
    answer = desk.reader.get(f"/v1/trades?{query}")
    assert (answer.status, answer.code) == (422, "INVALID")


def test_unknown_paths_and_methods(desk: Desk) -> None:
    """In the one shape."""
    assert (answer := desk.reader.get("/v1/nothing")).status == 404
    assert answer.code == "NOT_FOUND"
    answer = desk.reader.ask("DELETE", "/v1/signals")
    assert (answer.status, answer.code, answer.headers["allow"]) == (405, "METHOD_NOT_ALLOWED", "POST")


def test_a_huge_body_is_refused_before_it_is_read(desk: Desk) -> None:
    """By its announced length: the answer comes though nothing of it was sent."""
    connection = http.client.HTTPConnection(desk.reader.host, desk.reader.port, timeout=10)
    connection.putrequest("POST", "/v1/signals")
    connection.putheader("Authorization", f"Bearer {desk.read_token}")
    connection.putheader("Content-Length", str(10**15))
    connection.endheaders()
    answer = connection.getresponse()
    assert answer.status == 413
    assert json.loads(answer.read())["code"] == "TOO_LARGE"
    connection.close()


def test_a_body_without_length_is_cut_off_at_the_limit(desk: Desk) -> None:
    """Chunk after chunk, for ever: the server answers as soon as it is too much."""
    connection = http.client.HTTPConnection(desk.reader.host, desk.reader.port, timeout=10)
    connection.putrequest("POST", "/v1/signals")
    connection.putheader("Authorization", f"Bearer {desk.read_token}")
    connection.putheader("Transfer-Encoding", "chunked")
    connection.endheaders()
    sent = 0
    try:
        while sent < 10**8:
            connection.send(b"400\r\n" + b" " * 1_024 + b"\r\n")
            sent += 1_024
    except (BrokenPipeError, ConnectionResetError):
        pass
    assert sent < 10**7, "it went on reading"
    connection.close()
    assert desk.reader.post("/v1/signals", {}).status == 200


def test_a_body_at_the_limit_is_read(desk: Desk) -> None:
    """And one byte more is not."""
    limit = SETTINGS.body_max_bytes
    assert desk.reader.post("/v1/signals", raw=b"{}" + b" " * (limit - 2)).status == 200
    answer = desk.reader.post("/v1/signals", raw=b"{}" + b" " * (limit - 1))
    assert (answer.status, answer.code) == (413, "TOO_LARGE")


def test_a_caller_that_hangs_up_in_the_middle_harms_nobody(desk: Desk) -> None:
    """The next request is served."""
    for _ in range(5):
        with socket.create_connection((desk.reader.host, desk.reader.port)) as line:
            head = f"POST /v1/signals HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {desk.read_token}\r\n"
            line.sendall(f"{head}Content-Length: 100\r\n\r\n{{".encode())
    assert desk.reader.post("/v1/signals", {}).status == 200


# ---- what is away -------------------------------------------------------------------------------------------------


def _break(world: World, what: str) -> None:
    if what == "feed":
        world.market.down = "the feed does not answer"
    elif what == "data":
        world.clock.at_ms += 10**6
    elif what == "model":
        world.policies.book = replace(world.policies.book, served=())  # type: ignore[type-var]
    elif what == "execution":
        world.execution.down = ConnectionError("the execution process does not answer")
    else:
        world.ledger.down = True


@pytest.mark.parametrize(
    ("what", "code"),
    [
        ("feed", "FEED_DOWN"),
        ("data", "STALE_DATA"),
        ("model", "NO_VERSION"),
        ("execution", "EXECUTION_DOWN"),
        ("database", "DATABASE_DOWN"),
    ],
)
def test_what_is_away_is_a_503_with_its_code(desk: Desk, what: str, code: str) -> None:
    """And says when to ask again; health says the same, in the shape of health."""
    _break(desk.world, what)
    answer = desk.trader.post("/v1/signals", {"execute": True})
    assert (answer.status, answer.code, answer.headers["retry-after"]) == (503, code, "1")
    health = desk.reader.get("/v1/health")
    assert (health.status, health.json["code"], health.headers["retry-after"]) == (503, code, "1")
    assert [part["name"] for part in health.json["parts"] if not part["ok"]] == [what]


def test_a_defect_is_a_500_that_names_its_request(desk: Desk) -> None:
    """And no more than that; the next request is served."""

    async def broken() -> Any:
        raise ZeroDivisionError("secret figures")

    real, desk.world.ledger.status = desk.world.ledger.status, broken  # type: ignore[method-assign]
    answer = desk.reader.get("/v1/status", headers={"X-Request-Id": "r-9"})
    assert (answer.status, answer.code) == (500, "INTERNAL")
    assert "r-9" in answer.json["message"]
    assert "secret" not in answer.json["message"]
    desk.world.ledger.status = real  # type: ignore[method-assign]
    assert desk.reader.get("/v1/status").status == 200


def test_more_than_fits_is_refused_at_once_and_halting_passes(desk: Desk) -> None:
    """Two are worked on, two wait, the others are told to come again; the kill switch does not wait."""
    desk.world.execution.pause_s = 0.2
    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(desk.reader.post, "/v1/signals", {}) for _ in range(8)]
        halted = desk.trader.post("/v1/halt", {"reason": "now"})
        found = [one.result() for one in asked]
    assert halted.status == 200
    refused = [answer for answer in found if answer.status != 200]
    assert len(refused) >= 4
    assert {(answer.status, answer.code, answer.headers["retry-after"]) for answer in refused} == {
        (503, "OVERLOADED", "1")
    }
    desk.world.execution.pause_s = 0.0
    assert desk.reader.post("/v1/signals", {}).status == 200


# ---- the document -------------------------------------------------------------------------------------------------


def test_every_route_documents_every_refusal(desk: Desk) -> None:
    """401, 413, 422, 500 and 503 everywhere; each status's description names its codes; the scheme is there."""
    document = desk.nobody.get("/openapi.json").json
    assert document["components"]["securitySchemes"]["token"]["scheme"] == "bearer"
    assert document["security"] == [{"token": []}]
    assert {f"{method} {path}" for path, item in document["paths"].items() for method in item} == {
        "post /v1/signals", "get /v1/health", "get /v1/status", "get /v1/positions", "get /v1/orders",
        "get /v1/trades", "get /v1/models", "get /v1/metrics", "post /v1/halt", "post /v1/resume",
    }  # fmt: skip
    for path, item in document["paths"].items():
        for operation in item.values():
            assert {"200", "401", "413", "422", "500", "503"} <= set(operation["responses"]), path
            for status, response in operation["responses"].items():
                if status != "200" and path != "/v1/health":
                    named = {ErrorCode(code) for code in response["description"].split(", ")}
                    assert {STATUS[code] for code in named} == {int(status)}


def test_the_documents_schemas_refuse_unknown_keys(desk: Desk) -> None:
    """Clients generated from it send nothing else."""
    schemas = desk.nobody.get("/openapi.json").json["components"]["schemas"]
    assert schemas["SignalsRequest"]["additionalProperties"] is False
    assert set(schemas["ErrorCode"]["enum"]) == {str(code) for code in ErrorCode}


@pytest.fixture(scope="module")
def explored(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """An endpoint in which everything works, for as many questions as there are."""
    found = Desk(World(), tmp_path_factory.mktemp("explored"))
    with serving(found.app) as place:
        yield found.at(place)


@pytest.mark.parametrize("mode", ["positive", "negative"])
def test_nothing_that_the_document_allows_or_forbids_is_a_defect(explored: Desk, mode: str) -> None:
    """schemathesis: no 5xx; each answer has a documented status, content type, headers and schema."""
    config = SchemathesisConfig.from_dict({"generation": {"mode": mode}})
    schema = schemathesis.openapi.from_dict(explored.nobody.get("/openapi.json").json, config=config)
    base = f"http://{explored.trader.host}:{explored.trader.port}"
    seen: set[tuple[str, int]] = set()
    for found in schema.get_all_operations():
        operation = found.ok()
        cases = operation.as_strategy()

        _explore(cases, base, explored.trade_token, seen)
    assert {path for path, _ in seen} >= {"/v1/signals", "/v1/halt", "/v1/trades"}
    assert ("/v1/signals", 200) in seen or mode == "negative"
    assert ("/v1/signals", 422) in seen or mode == "positive"


def _explore(cases: Any, base: str, token: str, seen: set[tuple[str, int]]) -> None:
    @settings(max_examples=60, deadline=None, derandomize=True, database=None, suppress_health_check=[*HealthCheck])
    @given(case=cases)
    def ask(case: Any) -> None:
        answer = case.call(base_url=base, headers={"Authorization": f"Bearer {token}"})
        seen.add((case.path, answer.status_code))
        case.validate_response(answer, checks=CHECKS)

    ask()

"""The HTTP routes over a `Backend`: no Ray, no trading, nothing but the contract and its OpenAPI document."""

from collections.abc import Iterable
from typing import Annotated, Any, Final

from fastapi import FastAPI, Header, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from huracan.config import ServeSettings
from huracan.risk.live import HaltPolicy
from huracan.signals.auth import Scope, TokenBook
from huracan.signals.backend import Backend, Problem
from huracan.signals.contract import (
    STATUS,
    ErrorAnswer,
    ErrorCode,
    HaltRequest,
    HealthAnswer,
    Metric,
    MetricsAnswer,
    ModelsAnswer,
    OrdersAnswer,
    PositionsAnswer,
    ResumeRequest,
    SignalsAnswer,
    SignalsRequest,
    StateAnswer,
    StatusAnswer,
    TradesAnswer,
)
from huracan.signals.door import Door, DoorSettings, Tally, caller, error_headers, note_code

__all__ = ["create_app", "exposition"]

_TITLE: Final = "huracan"
_ABOUT: Final = (
    "Signals of the served policy versions, the account's state, and the kill switch. Every refusal is "
    '`{"code", "message"}`; a 503 says when to ask again in `Retry-After`. Versions that have not passed the '
    "promotion gate are labelled UNPROVEN in `standing`."
)
_ALWAYS: Final = (
    ErrorCode.UNAUTHENTICATED,
    ErrorCode.TOO_LARGE,
    ErrorCode.INVALID,
    ErrorCode.MALFORMED,
    ErrorCode.OVERLOADED,
    ErrorCode.INTERNAL,
)
_READS: Final = (ErrorCode.DATABASE_DOWN,)
_TIME_MAX_MS: Final = 4_102_444_800_000  # 2100
_SAID_MAX = 3
_WORDS_MAX = 120

_Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=128,
        pattern=r"^[!-~]+$",
        description="Repeat a request with the key and the body it had, and the answer is the one it had: the same "
        "intents, however many candles have closed since. Keys are kept for a day.",
    ),
]


class _TradesQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    since_ms: Annotated[int, Field(ge=0, le=_TIME_MAX_MS, description="Closed at or after it, ms UTC.")] = 0
    limit: Annotated[int, Field(ge=1, le=1_000, description="So many of the newest.")] = 100


class _NoQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")


def create_app(backend: Backend, tokens: TokenBook, settings: ServeSettings) -> FastAPI:
    """Return the ASGI application.

    Args:
        backend: answers.
        tokens: who may ask.
        settings: limits of requests.
    """
    app = FastAPI(title=_TITLE, version="1", description=_ABOUT, docs_url=None, redoc_url=None, redirect_slashes=False)
    tally = Tally()
    reply = _Reply(settings.retry_after_s)

    @app.post("/v1/signals", response_model=SignalsAnswer, summary="Decide", responses=_errors(
        ErrorCode.FORBIDDEN, ErrorCode.UNKNOWN_SYMBOL, ErrorCode.KEY_REUSED, ErrorCode.TOO_MANY_SYMBOLS,
        ErrorCode.STALE_DATA, ErrorCode.NO_VERSION, ErrorCode.FEED_DOWN, ErrorCode.DATABASE_DOWN,
        ErrorCode.EXECUTION_DOWN, ErrorCode.DECISION_LATE,
    ))  # fmt: skip
    async def signals(request: Request, body: SignalsRequest = SignalsRequest(), key: _Key = None) -> Response:  # noqa: B008
        """Decide for the markets named, or for all, at the last closed candle; risk's word on each is as of now.

        With `execute` each approved entry or exit becomes an intent, which the execution process acts on while its
        candle is the last one; a repeated decision at the same candle has the same intent.
        """
        who = caller(request.scope)
        if body.execute and not who.scope.allows(Scope.TRADE):
            return reply(request, Problem(ErrorCode.FORBIDDEN, "execute needs a token of scope trade"))
        return reply(request, await backend.signals(body, key, who.name))

    @app.get("/v1/health", response_model=HealthAnswer, summary="What works", responses=_errors() | {
        503: {"model": HealthAnswer, "description": "Something that signals depend on does not work.",
              "headers": _RETRY_AFTER},
    })  # fmt: skip
    async def health(request: Request, _query: Annotated[_NoQuery, Query()]) -> Response:
        """Say of feed, data, model, execution and database whether they work; 503 when one does not."""
        found = await backend.health()
        if found.code is None:
            return _json(found)
        note_code(request.scope, found.code)
        return _json(found, 503, error_headers(found.code, settings.retry_after_s))

    @app.get("/v1/status", response_model=StatusAnswer, summary="The account", responses=_errors(*_READS))
    async def status(request: Request, _query: Annotated[_NoQuery, Query()]) -> Response:
        """Return trading state, money, limits used, locks, and who trades."""
        return reply(request, await backend.status())

    @app.get("/v1/positions", response_model=PositionsAnswer, summary="What is held", responses=_errors(*_READS))
    async def positions(request: Request, _query: Annotated[_NoQuery, Query()]) -> Response:
        """Return coins held, at the last close the trader saw."""
        return reply(request, await backend.positions())

    @app.get("/v1/orders", response_model=OrdersAnswer, summary="Open orders", responses=_errors(*_READS))
    async def orders(request: Request, _query: Annotated[_NoQuery, Query()]) -> Response:
        """Return orders that are not over, as the ledger has them."""
        return reply(request, await backend.orders())

    @app.get("/v1/trades", response_model=TradesAnswer, summary="Closed trades", responses=_errors(*_READS))
    async def trades(request: Request, query: Annotated[_TradesQuery, Query()]) -> Response:
        """Return closed trades, newest first."""
        return reply(request, await backend.trades(query.since_ms, query.limit))

    @app.get("/v1/models", response_model=ModelsAnswer, summary="Versions", responses=_errors(*_READS))
    async def models(request: Request, _query: Annotated[_NoQuery, Query()]) -> Response:
        """Return the registry's versions, their standing, and which of them decide here."""
        return reply(request, await backend.models())

    @app.get("/v1/metrics", response_model=MetricsAnswer, summary="Figures", responses=_errors() | {
        200: {"description": "JSON, or Prometheus' text for a caller that accepts text/plain.",
              "content": {"text/plain": {"schema": {"type": "string"}}}},
    })  # fmt: skip
    async def metrics(
        _query: Annotated[_NoQuery, Query()], accept: Annotated[str, Header(include_in_schema=False)] = ""
    ) -> Response:
        """Return figures of the replica that answers."""
        found = (*(await backend.metrics()).metrics, *tally.metrics())
        if "text/plain" in accept:
            return Response(exposition(found), media_type="text/plain; version=0.0.4")
        return _json(MetricsAnswer(metrics=found))

    _state = (ErrorCode.FORBIDDEN, ErrorCode.EXECUTION_DOWN)

    @app.post("/v1/halt", response_model=StateAnswer, summary="Stop trading",
              responses=_errors(*_state, ErrorCode.HALT_NOT_PROVEN))  # fmt: skip
    async def halt(request: Request, body: HaltRequest) -> Response:
        """Halt, cancel, and answer when the venue has shown that nothing rests; a 503 says what is not proven."""
        policy = None if body.policy is None else HaltPolicy(body.policy)
        return reply(request, await backend.halt(policy, f"http:{caller(request.scope).name}", body.reason))

    @app.post("/v1/resume", response_model=StateAnswer, summary="Trade again",
              responses=_errors(*_state, ErrorCode.DATABASE_DOWN))  # fmt: skip
    async def resume(request: Request, body: ResumeRequest) -> Response:
        """Trade again after a halt or an open breaker; a person's decision."""
        return reply(request, await backend.resume(f"http:{caller(request.scope).name}", body.reason))

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        broken = any(item["type"] == "json_invalid" for item in error.errors())
        words = "the body is no JSON, or breaks off" if broken else _said(error.errors())
        return reply(request, Problem(ErrorCode.MALFORMED if broken else ErrorCode.INVALID, words))

    @app.exception_handler(HTTPException)
    async def refused(request: Request, error: HTTPException) -> Response:
        known = {404: ErrorCode.NOT_FOUND, 405: ErrorCode.METHOD_NOT_ALLOWED}
        code = known.get(error.status_code, ErrorCode.MALFORMED)
        words = "no such path" if code is ErrorCode.NOT_FOUND else str(error.detail)
        return reply(request, Problem(code, words), dict(error.headers or {}))

    app.add_middleware(
        Door,
        tokens=tokens,
        settings=DoorSettings(
            settings.body_max_bytes,
            settings.requests_ongoing_max,
            settings.requests_queued_max,
            settings.retry_after_s,
        ),
        tally=tally,
    )
    app.openapi = lambda: _document(app)  # type: ignore[method-assign]
    return app


def exposition(metrics: Iterable[Metric]) -> str:
    """Return figures in Prometheus' text format."""
    by_name: dict[str, list[Metric]] = {}
    for metric in metrics:
        by_name.setdefault(metric.name, []).append(metric)
    lines = []
    for name, rows in by_name.items():
        lines += [f"# HELP {name} {rows[0].help}", f"# TYPE {name} {rows[0].kind}"]
        for row in rows:
            labels = ",".join(f'{key}="{_escaped(value)}"' for key, value in row.labels.items())
            lines.append(f"{name}{{{labels}}} {row.value:.17g}" if labels else f"{name} {row.value:.17g}")
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


class _Reply:
    """Turns what the backend returns into a response."""

    def __init__(self, retry_after_s: int) -> None:
        self._retry_after_s = retry_after_s

    def __call__(self, request: Request, found: BaseModel | Problem, headers: dict[str, str] | None = None) -> Response:
        if not isinstance(found, Problem):
            return _json(found)
        note_code(request.scope, found.code)
        told = error_headers(found.code, self._retry_after_s) | (headers or {})
        return _json(ErrorAnswer(code=found.code, message=found.message), STATUS[found.code], told)


def _json(answer: BaseModel, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(answer.model_dump_json(), status, headers, "application/json")


def _said(errors: Iterable[Any]) -> str:
    """Return where the request is wrong and how, in characters that any terminal shows."""
    rows = list(errors)
    parts = [f"{'.'.join(str(part) for part in row['loc'][1:]) or row['loc'][0]}: {row['msg']}" for row in rows]
    more = f" and {len(rows) - _SAID_MAX} more" if len(rows) > _SAID_MAX else ""
    return "; ".join(_plain(part) for part in parts[:_SAID_MAX]) + more


def _plain(text: str) -> str:
    return ascii(text[:_WORDS_MAX])[1:-1]


_RETRY_AFTER: Final = {"Retry-After": {"description": "Seconds.", "schema": {"type": "integer"}}}
_CHALLENGE: Final = {"WWW-Authenticate": {"schema": {"type": "string"}}}


def _errors(*codes: ErrorCode) -> dict[int | str, dict[str, Any]]:
    """Return the error responses of a route for its OpenAPI document: one for each status, naming its codes."""
    by_status: dict[int, list[ErrorCode]] = {}
    for code in (*_ALWAYS, *codes):
        by_status.setdefault(STATUS[code], []).append(code)
    found: dict[int | str, dict[str, Any]] = {}
    for status, named in sorted(by_status.items()):
        found[status] = {"model": ErrorAnswer, "description": ", ".join(named)}
        if status == 503:
            found[status]["headers"] = _RETRY_AFTER
        elif status in (401, 403):
            found[status]["headers"] = _CHALLENGE
    return found


def _document(app: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI document, made once, with the security scheme that the door enforces."""
    if not app.openapi_schema:
        document = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
        document["components"]["securitySchemes"] = {
            "token": {"type": "http", "scheme": "bearer", "description": "`huracan serve token new`"}
        }
        document["security"] = [{"token": []}]
        app.openapi_schema = document
    return app.openapi_schema

"""The door of the endpoint: who asks, how much, how many at once; one event and one figure for each request.

It stands before the routes, so that nothing of a body is read for a caller without a token, and no more of it than the
limit for one with. Halting passes it however many wait.
"""

import asyncio
import re
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from huracan.logs import get_logger
from huracan.signals.auth import Scope as TokenScope
from huracan.signals.auth import Token, TokenBook
from huracan.signals.backend import Problem
from huracan.signals.contract import STATUS, ErrorAnswer, ErrorCode, Metric

__all__ = ["PUBLIC_PATHS", "Door", "DoorSettings", "Tally", "caller", "error_headers", "note_code"]

PUBLIC_PATHS: Final = frozenset({"/openapi.json"})
_TRADE_PATHS: Final = frozenset({"/v1/halt", "/v1/resume"})
_UNCOUNTED_PATHS: Final = frozenset({"/v1/halt", "/v1/resume", "/v1/health", *PUBLIC_PATHS})
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


@dataclass(frozen=True, slots=True)
class DoorSettings:
    """What passes.

    Attributes:
        body_max_bytes: of a request.
        ongoing_max: requests worked on at the same time.
        queued_max: requests that wait; more are refused.
        retry_after_s: what a 503 tells its caller.
    """

    body_max_bytes: int
    ongoing_max: int
    queued_max: int
    retry_after_s: int


class Tally:
    """What was answered, by route, method and status."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, str, int], list[float]] = {}

    def add(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count one answer."""
        row = self._rows.setdefault((route, method, status), [0.0, 0.0])
        row[0] += 1
        row[1] += seconds

    def metrics(self) -> tuple[Metric, ...]:
        """Return the figures so far."""
        found = []
        for (route, method, status), (count, seconds) in sorted(self._rows.items()):
            labels = {"route": route, "method": method, "status": str(status)}
            for name, words, value in (
                ("huracan_http_requests_total", "Requests answered.", count),
                ("huracan_http_request_seconds_total", "Time spent on them.", seconds),
            ):
                found.append(Metric(name=name, kind="counter", help=words, labels=labels, value=value))
        return tuple(found)


def caller(scope: Scope) -> Token:
    """Return whose request it is; the door has seen to it that somebody's it is."""
    token = scope["state"]["token"]
    assert isinstance(token, Token)
    return token


def note_code(scope: Scope, code: ErrorCode) -> None:
    """Have the request's event name why it was refused."""
    scope["state"]["code"] = code


def error_headers(code: ErrorCode, retry_after_s: int) -> dict[str, str]:
    """Return what an error's headers tell: how to authenticate, or when to ask again."""
    if code is ErrorCode.UNAUTHENTICATED:
        return {"WWW-Authenticate": 'Bearer realm="huracan"'}
    if code is ErrorCode.FORBIDDEN:
        return {"WWW-Authenticate": 'Bearer realm="huracan", error="insufficient_scope"'}
    return {"Retry-After": str(retry_after_s)} if STATUS[code] == 503 else {}


class Door:
    """ASGI middleware.

    Args:
        app: the routes.
        tokens: who may ask.
        settings: what passes.
        tally: counts answers.
    """

    def __init__(self, app: ASGIApp, tokens: TokenBook, settings: DoorSettings, tally: Tally) -> None:
        self._app, self._tokens, self._settings, self._tally = app, tokens, settings, tally
        self._free = asyncio.Semaphore(settings.ongoing_max)
        self._waiting = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or let it pass."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        state: dict[str, Any] = scope.setdefault("state", {})
        request_id = _request_id(_header(scope, b"x-request-id"))
        begun_s, status = time.perf_counter(), 0

        async def tell(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message = {**message, "headers": [*message.get("headers", ()), (b"x-request-id", request_id.encode())]}
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                problem = await self._pass(scope, receive, tell)
                if problem is not None:
                    await self._refuse(scope, problem, tell)
            except Exception as error:  # the supervisor of the routes: the caller is told, the next request is served
                get_logger().exception("http.defect", path=_plain(scope["path"]), reason=type(error).__name__)
                if status:
                    raise
                words = f"a defect; the log has it under request {request_id}"
                await self._refuse(scope, Problem(ErrorCode.INTERNAL, words), tell)
            self._end(scope, state, status, time.perf_counter() - begun_s)

    async def _pass(self, scope: Scope, receive: Receive, send: Send) -> Problem | None:
        """Let the request through, or return why not."""
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        if path not in PUBLIC_PATHS:
            token = self._tokens.find(_bearer(scope))
            if token is None:
                words = "a token is needed: `Authorization: Bearer <token>`; `huracan serve token new` makes one"
                return Problem(ErrorCode.UNAUTHENTICATED, words)
            scope["state"]["token"] = token
            if path in _TRADE_PATHS and not token.scope.allows(TokenScope.TRADE):
                return Problem(ErrorCode.FORBIDDEN, "this needs a token of scope trade")
        if path in _UNCOUNTED_PATHS:
            return await self._serve(scope, receive, send)
        if self._free.locked() and self._waiting >= self._settings.queued_max:
            return Problem(ErrorCode.OVERLOADED, f"{self._waiting} requests wait already; ask again later")
        self._waiting += 1
        try:
            await self._free.acquire()
        finally:
            self._waiting -= 1
        try:
            return await self._serve(scope, receive, send)
        finally:
            self._free.release()

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> Problem | None:
        body = await self._body(scope, receive)
        if body is None:
            return Problem(ErrorCode.TOO_LARGE, f"the body is larger than {self._settings.body_max_bytes} bytes")
        first = True

        async def replay() -> Message:
            nonlocal first
            if first:
                first = False
                return {"type": "http.request", "body": body, "more_body": False}
            return await receive()

        await self._app(scope, replay, send)
        return None

    async def _body(self, scope: Scope, receive: Receive) -> bytes | None:
        """Return the body, None as soon as it is larger than allowed."""
        limit = self._settings.body_max_bytes
        told = _header(scope, b"content-length")
        if told.isdigit() and int(told[:20]) > limit:
            return None
        body = bytearray()
        while True:
            message = await receive()
            if message["type"] != "http.request":  # gone; what came is no request, and nobody waits for the answer
                return bytes(body)
            body += message.get("body", b"")
            if len(body) > limit:
                return None
            if not message.get("more_body", False):
                return bytes(body)

    async def _refuse(self, scope: Scope, problem: Problem, send: Send) -> None:
        note_code(scope, problem.code)
        body = ErrorAnswer(code=problem.code, message=problem.message).model_dump_json().encode()
        headers = {"Content-Type": "application/json", "Content-Length": str(len(body)), "Connection": "close"}
        headers |= error_headers(problem.code, self._settings.retry_after_s)
        if problem.code not in (ErrorCode.TOO_LARGE, ErrorCode.UNAUTHENTICATED, ErrorCode.OVERLOADED):
            del headers["Connection"]  # the body was read: the connection can go on
        rows = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": STATUS[problem.code], "headers": rows})
        await send({"type": "http.response.body", "body": body})

    def _end(self, scope: Scope, state: Mapping[str, Any], status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "other")
        method = scope["method"] if scope["method"] in ("GET", "POST") else "other"
        self._tally.add(route, method, status, seconds)
        token = state.get("token")
        get_logger().info(
            "http.request",
            method=method,
            route=route,
            status=status,
            code=str(state.get("code", "")),
            ms=round(1e3 * seconds, 2),
            caller="" if token is None else token.name,
        )


def _header(scope: Scope, name: bytes) -> str:
    found = next((value for key, value in scope["headers"] if key == name), b"")
    assert isinstance(found, bytes)
    return found.decode("latin-1")


def _bearer(scope: Scope) -> str:
    kind, _, token = _header(scope, b"authorization").partition(" ")
    return token.strip() if kind.lower() == "bearer" else ""


def _request_id(given: str) -> str:
    """Return the caller's own name of the request when it is a plain one, else a new one."""
    return given if _REQUEST_ID.fullmatch(given) else secrets.token_hex(8)


def _plain(text: str, most: int = 100) -> str:
    return ascii(text[:most])

"""The door by itself: what it lets through, and what it does when its caller or the application fails."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from huracan.signals.auth import Scope, TokenBook, add_token
from huracan.signals.contract import ErrorCode
from huracan.signals.door import Door, DoorSettings, Tally, error_headers

SETTINGS = DoorSettings(body_max_bytes=8, ongoing_max=1, queued_max=0, retry_after_s=3)


class Caller:
    """One request by hand: the messages that it sends, and those it got."""

    def __init__(self, *messages: dict[str, Any]) -> None:
        self.waiting, self.got = [*messages], list[dict[str, Any]]()

    async def receive(self) -> dict[str, Any]:
        """Give the next message; after the last the caller is gone."""
        return self.waiting.pop(0) if self.waiting else {"type": "http.disconnect"}

    async def send(self, message: dict[str, Any]) -> None:
        """Take an answer's part."""
        self.got.append(message)

    @property
    def status(self) -> int:
        """Return the answer's status."""
        return int(self.got[0]["status"])


def part(body: bytes, more: bool = False) -> dict[str, Any]:
    """Return a part of a body."""
    return {"type": "http.request", "body": body, "more_body": more}


@pytest.fixture
def tokens(tmp_path: Path) -> TokenBook:
    """A book with the token that `scope` presents."""
    path = tmp_path / "serve" / "tokens.json"
    global SECRET
    SECRET = add_token(path, "desk", Scope.TRADE, 0)
    return TokenBook(path)


SECRET = ""


def scope(path: str = "/v1/signals", **headers: str) -> dict[str, Any]:
    """Return a POST with the token."""
    told = {"authorization": f"Bearer {SECRET}", **{key.replace("_", "-"): value for key, value in headers.items()}}
    rows = [(key.encode(), value.encode()) for key, value in told.items()]
    return {"type": "http", "method": "POST", "path": path, "headers": rows}


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Answer with the body as it came."""
    message = await receive()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": message["body"]})


def test_a_body_in_parts_reaches_the_routes_in_one(tokens: TokenBook) -> None:
    """Up to the limit."""
    asker = Caller(part(b"abc", True), part(b"", True), part(b"defgh"))
    asyncio.run(Door(echo, tokens, SETTINGS, Tally())(scope(), asker.receive, asker.send))
    assert (asker.status, asker.got[1]["body"]) == (200, b"abcdefgh")


def test_parts_beyond_the_limit_are_not_asked_for(tokens: TokenBook) -> None:
    """The answer comes with the part that is too much; what would follow stays unread."""
    asker = Caller(part(b"abcdefgh", True), part(b"i", True), part(b"never read", True))
    asyncio.run(Door(echo, tokens, SETTINGS, Tally())(scope(), asker.receive, asker.send))
    assert asker.status == 413
    assert len(asker.waiting) == 1


def test_without_a_token_nothing_is_read(tokens: TokenBook) -> None:
    """Not one part."""
    asker, stranger = Caller(part(b"x")), scope()
    stranger["headers"] = []
    asyncio.run(Door(echo, tokens, SETTINGS, Tally())(stranger, asker.receive, asker.send))
    assert asker.status == 401
    assert len(asker.waiting) == 1


def test_a_failure_in_the_middle_of_an_answer_is_not_hidden(tokens: TokenBook) -> None:
    """The answer has begun: the server must cut the connection, or the caller takes half of it for all."""

    async def breaks(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise ZeroDivisionError

    asker = Caller(part(b""))
    with pytest.raises(ZeroDivisionError):
        asyncio.run(Door(breaks, tokens, SETTINGS, Tally())(scope(), asker.receive, asker.send))
    assert [message["type"] for message in asker.got] == ["http.response.start"]


def test_a_place_is_free_again_after_a_failure_and_after_a_cancellation(tokens: TokenBook) -> None:
    """Otherwise the door would close for good after as many of them as fit."""
    fail = True

    async def sometimes(scope: Any, receive: Any, send: Any) -> None:
        if fail:
            await asyncio.sleep(0.01)
            raise ZeroDivisionError
        await echo(scope, receive, send)

    async def run() -> list[int]:
        nonlocal fail
        door, found = Door(sometimes, tokens, SETTINGS, Tally()), []
        for cancelled in (False, True):
            asker = Caller(part(b""))
            task = asyncio.ensure_future(door(scope(), asker.receive, asker.send))
            await asyncio.sleep(0.001)
            if cancelled:
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
            else:
                await task
                found.append(asker.status)
        fail = False
        asker = Caller(part(b""))
        await door(scope(), asker.receive, asker.send)
        return [*found, asker.status]

    assert asyncio.run(run()) == [500, 200]


def test_a_full_house_refuses_at_once_but_never_the_kill_switch(tokens: TokenBook) -> None:
    """Health and halt are not counted."""

    async def run() -> list[int]:
        leave = asyncio.Event()

        async def stays(scope: Any, receive: Any, send: Any) -> None:
            if scope["path"] == "/v1/signals":
                await leave.wait()
            await echo(scope, receive, send)

        door, found = Door(stays, tokens, SETTINGS, Tally()), []
        first = Caller(part(b""))
        task = asyncio.ensure_future(door(scope(), first.receive, first.send))
        await asyncio.sleep(0)
        for path in ("/v1/signals", "/v1/status", "/v1/halt", "/v1/health"):
            asker = Caller(part(b""))
            await door(scope(path), asker.receive, asker.send)
            found.append(asker.status)
        leave.set()
        await task
        return [*found, first.status]

    assert asyncio.run(run()) == [503, 503, 200, 200, 200]


def test_what_is_no_http_passes(tokens: TokenBook) -> None:
    """The server's own start and stop."""
    seen = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["type"])

    asyncio.run(Door(app, tokens, SETTINGS, Tally())({"type": "lifespan"}, None, None))  # type: ignore[arg-type]
    assert seen == ["lifespan"]


def test_headers_tell_what_to_do() -> None:
    """Authenticate, get another scope, or come back later."""
    assert error_headers(ErrorCode.FEED_DOWN, 3) == {"Retry-After": "3"}
    assert error_headers(ErrorCode.INVALID, 3) == {}
    assert "insufficient_scope" in error_headers(ErrorCode.FORBIDDEN, 3)["WWW-Authenticate"]


def test_methods_and_paths_of_strangers_make_no_figures_of_their_own() -> None:
    """Labels are of a closed set: nobody fills the memory by asking for paths that are not there."""
    tally = Tally()
    tally.add("other", "other", 404, 0.1)
    assert {row.labels["route"] for row in tally.metrics()} == {"other"}

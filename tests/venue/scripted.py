"""A loopback server that answers with exact bytes, and clients that reach it under either address."""

import asyncio
import contextlib
import json
import random
import struct
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from socket import SO_LINGER, SOL_SOCKET
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from pydantic import SecretStr

from huracan.clock import WallClock
from huracan.venue.binance import BinanceVenue
from huracan.venue.budget import WeightBudget
from huracan.venue.client import AsyncBinance, client_config
from huracan.venue.credentials import Credentials

API_KEY = "kkkkKEYkkkk0123456789"
SECRET = "ssssSECRETssss0123456789"
CREDENTIALS = Credentials(SecretStr(API_KEY), SecretStr(SECRET))
REAL = "https://api.binance.com"
BASES = ("local", "binance.com")


@dataclass(frozen=True)
class Answer:
    """What the server does with one request: status, headers and body, or `fate`.

    `fate`: "reset" (RST before any byte), "close" (FIN before any byte), "cut" (fewer bytes than announced),
    "hang" (accepts and never answers).
    """

    status: int = 200
    body: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    fate: str = ""
    delay_s: float = 0.0


def error(status: int, code: int, message: str, **headers: str) -> Answer:
    """Return the venue's answer for an error; underscores in header names become dashes."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, json.dumps({"code": code, "msg": message}), {"Content-Type": "application/json", **named})


def reply(body: Any) -> Answer:
    """Return a JSON answer."""
    return Answer(200, json.dumps(body), {"Content-Type": "application/json"})


@dataclass(frozen=True)
class Seen:
    """A request that came in, with its parameters wherever they stood, and when (loop time, s)."""

    method: str
    path: str
    params: dict[str, str]
    headers: dict[str, str]
    at_s: float


class ScriptedServer:
    """Answers `answers` in turn; GET time by the machine's clock plus `ahead_ms` unless `script_time`."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = deque(answers)
        self.seen: list[Seen] = []
        self.ahead_ms = 0
        self.script_time = False
        self.url = ""
        self._held: set[asyncio.StreamWriter] = set()

    def sent(self, method: str, path: str = "") -> list[Seen]:
        """Return the requests of a method, of one path if given."""
        return [one for one in self.seen if one.method == method and one.path.endswith(path)]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection until it is closed."""
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while await self._one(reader, writer):
                pass
        if writer not in self._held:
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        method, target, _ = head[0].split(" ")
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in head[1:] if line)}
        body = (await reader.readexactly(int(headers.get("content-length", "0")))).decode()
        split = urlsplit(target)
        params = dict(parse_qsl(split.query, keep_blank_values=True)) | dict(parse_qsl(body, keep_blank_values=True))
        self.seen.append(Seen(method, split.path, params, headers, asyncio.get_running_loop().time()))
        if split.path.endswith("/time") and not self.script_time:
            answer = reply({"serverTime": WallClock().now_ms() + self.ahead_ms})
        else:
            answer = self.answers.popleft()
        await asyncio.sleep(answer.delay_s)
        return await self._answer(answer, writer)

    async def _answer(self, answer: Answer, writer: asyncio.StreamWriter) -> bool:
        if answer.fate == "hang":
            self._held.add(writer)
            return False
        if answer.fate == "reset":
            writer.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
            return False
        if answer.fate == "close":
            return False
        payload = answer.body.encode()
        lines = [f"HTTP/1.1 {answer.status} X", f"Content-Length: {len(payload)}"]
        lines += [f"{name}: {value}" for name, value in answer.headers.items()]
        half = payload[: len(payload) // 2] if answer.fate == "cut" else payload
        writer.write("\r\n".join([*lines, "", ""]).encode() + half)
        await writer.drain()
        return answer.fate != "cut"


@contextlib.asynccontextmanager
async def serving(*answers: Answer) -> AsyncIterator[ScriptedServer]:
    """Yield a server with this script; every answer must have been used up at the end."""
    scripted = ScriptedServer(*answers)
    server = await asyncio.start_server(scripted.serve, "127.0.0.1", 0)
    scripted.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield scripted
        assert not scripted.answers, f"{len(scripted.answers)} answers were not asked for"
    finally:
        server.close()
        for writer in scripted._held:
            writer.close()


class Rerouted(AsyncBinance):
    """Believes that it talks to api.binance.com; every byte goes to the loopback server."""

    def __init__(self, config: dict[str, Any], url: str) -> None:
        super().__init__(config)
        self._loopback = url

    async def fetch(self, url, method="GET", headers=None, body=None):
        """Send to the loopback server, or not at all."""
        assert url.startswith(REAL + "/api/v3/"), url
        return await super().fetch(url.replace(REAL, self._loopback), method, headers, body)

    def handle_errors(self, code, reason, url, method, headers, body, response, request_headers, request_body):
        """Judge the reply as one of api.binance.com."""
        real = url.replace(self._loopback, REAL)
        super().handle_errors(code, reason, real, method, headers, body, response, request_headers, request_body)


def client_of(base: str, server: ScriptedServer, timeout_ms: int = 2_000) -> AsyncBinance:
    """Return a client of the server under one of `BASES`."""
    if base == "local":
        return AsyncBinance(client_config(server.url, CREDENTIALS, timeout_ms))
    return Rerouted(client_config(None, CREDENTIALS, timeout_ms), server.url)


@contextlib.asynccontextmanager
async def venue_at(
    server: ScriptedServer, base: str = "local", timeout_ms: int = 2_000, budget: WeightBudget | None = None
) -> AsyncIterator[BinanceVenue]:
    """Yield a venue over the server, closed at the end."""
    venue = BinanceVenue(
        CREDENTIALS,
        budget=budget,
        rng=random.Random(1),
        client=client_of(base, server, timeout_ms),
        timeout_ms=timeout_ms,
    )
    try:
        yield venue
    finally:
        await venue.close()


def run(steps: Callable[[], Awaitable[Any]], limit_s: float = 60.0) -> Any:
    """Run an asynchronous test; one that hangs fails."""

    async def bounded() -> Any:
        async with asyncio.timeout(limit_s):
            return await steps()

    return asyncio.run(bounded())

"""Feed and execution of a made-up account as Ray actors, and callers that never stop asking."""

import asyncio
import http.client
import json
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import ray

from huracan.risk.live import HaltPolicy
from huracan.signals.backend import AccountStates, Asked, Quotes
from huracan.signals.model import MarketClose
from tests.signals.stand_ins import MINUTE_MS, OneAccount, market_close

__all__ = ["Load", "Reply", "StandInExecution", "StandInFeed", "call", "now_ms"]


@ray.remote(num_cpus=0)
class StandInFeed:
    """A feed whose candles close when the test says so."""

    def __init__(self, symbols: tuple[str, ...], fits: tuple[str, ...], close_ms: int = 0) -> None:
        self._newest = market_close(close_ms or _minute(), symbols, fits, now_ms())

    async def newest(self) -> MarketClose:
        """Return the newest close."""
        return self._newest

    async def closes(self, after_ms: int, timeout_s: float = 1.0) -> tuple[MarketClose, ...]:
        """Return the newest close when it is later than a position, nothing after a while."""
        for _ in range(int(timeout_s / 0.02)):
            if self._newest.close_ms > after_ms:
                return (self._newest,)
            await asyncio.sleep(0.02)
        return ()

    async def close(self) -> int:
        """Close the next candle."""
        self._newest = replace(self._newest, close_ms=self._newest.close_ms + MINUTE_MS, heard_ms=now_ms())
        return self._newest.close_ms

    async def serve(self, fits: tuple[str, ...]) -> None:
        """Have rows of other fits from the next close on."""
        self._newest = replace(market_close(self._newest.close_ms, self._newest.symbols, fits, now_ms()))


@ray.remote(num_cpus=0)
class StandInExecution:
    """An execution process whose account approves everything."""

    def __init__(self, symbols: tuple[str, ...], fit: str, close_ms: int) -> None:
        self._account = OneAccount(close_ms=close_ms, symbols=symbols, fit=fit)

    async def states(self) -> AccountStates:
        """See `Execution`."""
        return await self._account.states()

    async def quote(self, asked: Sequence[Asked]) -> Quotes:
        """See `Execution`."""
        return await self._account.quote(asked)

    async def halt(self, policy: HaltPolicy, author: str, reason: str) -> None:
        """See `Execution`."""
        await self._account.halt(policy, author, reason)

    async def resume(self, author: str, reason: str) -> None:
        """See `Execution`."""
        await self._account.resume(author, reason)

    async def stand_at(self, close_ms: int) -> None:
        """Carry out a close."""
        self._account.close_ms = close_ms


def now_ms() -> int:
    """Return the wall time, ms UTC."""
    return time.time_ns() // 1_000_000


def _minute() -> int:
    return now_ms() // MINUTE_MS * MINUTE_MS


@dataclass(frozen=True)
class Reply:
    """What came back; status 0: the connection broke, and nobody knows what became of it."""

    status: int
    body: bytes
    headers: Mapping[str, str]

    @property
    def json(self) -> Any:
        """Return the body as JSON."""
        return json.loads(self.body)


def call(
    port: int, token: str, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None
) -> Reply:
    """Ask once on a connection of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        return _ask(connection, token, method, path, body, headers or {})
    finally:
        connection.close()


def _ask(
    connection: http.client.HTTPConnection,
    token: str,
    method: str,
    path: str,
    body: object,
    headers: Mapping[str, str],
) -> Reply:
    told = {"Authorization": f"Bearer {token}", "Content-Type": "application/json", **headers}
    connection.request(method, path, None if body is None else json.dumps(body), told)
    answer = connection.getresponse()
    return Reply(answer.status, answer.read(), {name.lower(): value for name, value in answer.getheaders()})


@dataclass
class Load:
    """Callers that ask for signals as fast as they are answered, each on one connection.

    A caller whose request broke, or was refused with 503, repeats it with the same key, as a careful client does.
    """

    port: int
    token: str
    callers: int = 16
    execute: bool = False
    replies: list[tuple[str, Reply]] = field(default_factory=list)
    broken: int = 0
    _stop: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def running(self) -> Iterator["Load"]:
        """Ask during the block."""
        threads = [threading.Thread(target=self._ask_on, args=(number,)) for number in range(self.callers)]
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            self._stop.set()
            for thread in threads:
                thread.join(90)
            assert not any(thread.is_alive() for thread in threads)

    def _ask_on(self, number: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        turn = 0
        while not self._stop.is_set():
            key = f"caller-{number}-{turn}"
            while True:
                reply = self._once(connection, key)
                self.replies.append((key, reply))
                if reply.status in (0, 500, 503) and not self._stop.is_set():
                    self.broken += 1
                    time.sleep(0.05)
                    continue
                break
            turn += 1
        connection.close()

    def _once(self, connection: http.client.HTTPConnection, key: str) -> Reply:
        headers = {"Idempotency-Key": key} if self.execute else {}
        try:
            return _ask(connection, self.token, "POST", "/v1/signals", {"execute": self.execute}, headers)
        except (OSError, http.client.HTTPException):
            connection.close()
            return Reply(0, b"", {})

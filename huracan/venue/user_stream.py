"""Account events over ccxt.pro, as fast as they come; an accelerator only, for events may be missing or come twice."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import ccxt.pro

from huracan.logs import get_logger
from huracan.venue.client import WireMixin
from huracan.venue.orders import UserEvent
from huracan.venue.wire import MALFORMED, parse_user_event

__all__ = ["UserStream"]

_QUEUE_MAX = 10_000
_BACKOFF_FIRST_S = 0.5
_BACKOFF_MAX_S = 30.0
_ANSWER_S = 10.0
_OURS = ("executionReport", "outboundAccountPosition", "eventStreamTerminated")


class _ProBinance(WireMixin, ccxt.pro.binance):
    """ccxt.pro's binance that hands account events over raw, before they become floats."""

    timeout_on_exit = 0

    def __init__(self, config: dict[str, Any], on_event: Callable[[Mapping[str, Any]], None]) -> None:
        super().__init__(config)
        self._on_event = on_event

    def handle_message(self, client: Any, message: Any) -> None:
        """Take account events out of the stream; ccxt gets the replies to requests, and nothing that could trip it."""
        event = message.get("event", message) if isinstance(message, dict) else None
        if isinstance(event, dict) and event.get("e") in _OURS:
            self._on_event(event)
        elif isinstance(event, dict) and event.get("id") is not None:
            super().handle_message(client, message)


class UserStream:
    """Iterates over an account's events until closed; a lost connection is made anew, waiting longer each time.

    Args:
        config: of `client_config`, with credentials.
        symbol_of: ccxt symbol of each market name; events of others are dropped.
        now_ms: the venue's clock, as well as we know it.
        rng: spreads reconnections.

    Attributes:
        connections: how often the stream was subscribed; whoever iterates must ask for what was missed in between.
        dropped: events lost because they were not taken, or could not be read.
    """

    def __init__(
        self, config: dict[str, Any], symbol_of: Mapping[str, str], now_ms: Callable[[], int], rng: random.Random
    ) -> None:
        self._config, self._symbol_of, self._now_ms, self._rng = config, symbol_of, now_ms, rng
        self._events: asyncio.Queue[UserEvent] = asyncio.Queue(_QUEUE_MAX)
        self._ended = asyncio.Event()
        self._closed = asyncio.Event()
        self._runner: asyncio.Task[None] | None = None
        self.connections = 0
        self.dropped = 0

    async def __aiter__(self) -> AsyncIterator[UserEvent]:
        """Yield events as they come."""
        if self._runner is None:
            self._runner = asyncio.ensure_future(self._run())
        closed = asyncio.ensure_future(self._closed.wait())
        try:
            while not self._closed.is_set():
                event = asyncio.ensure_future(self._events.get())
                await asyncio.wait((event, closed), return_when=asyncio.FIRST_COMPLETED)
                if not event.done():
                    event.cancel()
                    return
                yield event.result()
        finally:
            closed.cancel()

    async def close(self) -> None:
        """Close the connection and end the iteration."""
        self._closed.set()
        if self._runner is not None:
            await self._runner

    async def _run(self) -> None:
        """Keep one connection subscribed until closed."""
        failures = 0
        while not self._closed.is_set():
            client = _ProBinance(self._config, self._take)
            client.now_ms = self._now_ms
            self._ended.clear()
            try:
                await self._subscribe(client)
                failures = 0
                await self._until_lost(client)
                reason = "closed"
            except Exception as error:  # ccxt raises all sorts of things; whatever it was, a new connection follows
                reason = type(error).__name__
            finally:
                await client.close()
            if self._closed.is_set():
                return
            get_logger().warning("venue.stream_lost", reason=reason, failures=failures)
            pause_s = min(_BACKOFF_FIRST_S * 2 ** min(failures, 10), _BACKOFF_MAX_S) * (0.5 + self._rng.random() / 2)
            failures += 1
            await self._pause(pause_s)

    async def _subscribe(self, client: _ProBinance) -> None:
        async with asyncio.timeout(_ANSWER_S):
            await client.authenticate({"type": "spot"})
        self.connections += 1

    async def _until_lost(self, client: _ProBinance) -> None:
        """Return when closed or terminated by the venue; raise what ccxt says of a lost connection."""
        url = client.urls["api"]["ws"]["ws-api"]["spot"]
        lost = asyncio.ensure_future(client.client(url).future("huracan:lost"))
        waits = [lost, *(asyncio.ensure_future(event.wait()) for event in (self._closed, self._ended))]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            if lost.done():
                lost.result()
        finally:
            for wait in waits:
                wait.cancel()

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._closed.wait()
        except TimeoutError:
            return

    def _take(self, event: Mapping[str, Any]) -> None:
        """Queue what an event says; what cannot be read or kept is dropped and counted, REST will tell."""
        if event["e"] == "eventStreamTerminated":
            self._ended.set()
            return
        try:
            found = parse_user_event(event, self._symbol_of)
            for one in found:
                self._events.put_nowait(one)
        except (*MALFORMED, asyncio.QueueFull) as error:
            self.dropped += 1
            get_logger().warning("venue.stream_dropped", reason=f"{type(error).__name__}: {error}"[:200])

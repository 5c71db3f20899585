"""WebSocket connections of the exchange: bounded queues, pings, and who listens to which stream.

A client that does not keep up is cut off; it never makes the exchange or another client wait.
"""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import WSMsgType, web

from huracan.errors import UsageError
from huracan.paper.exchange import PaperExchange
from huracan.paper.wire import StreamEvent

__all__ = ["DEFAULT_SOCKETS", "Connection", "Hub", "SocketSettings"]

MESSAGE_BYTES_MAX = 64 * 1024
"""Longest message that a client may send."""


@dataclass(frozen=True, slots=True)
class SocketSettings:
    """How connections are kept; the defaults are Binance's.

    Attributes:
        queue_events: messages that may wait for a slow client before it is cut off.
        ping_s: pause between pings.
        pong_s: a client that has answered no ping for so long is cut off.
        life_s: a connection ends after this.
    """

    queue_events: int = 2_000
    ping_s: float = 20.0
    pong_s: float = 60.0
    life_s: float = 86_400.0

    def __post_init__(self) -> None:
        if self.queue_events < 1 or min(self.ping_s, self.pong_s, self.life_s) <= 0:
            raise UsageError("queue, ping, pong and life of connections must be above 0")


DEFAULT_SOCKETS = SocketSettings()


class Connection:
    """One client: everything it is sent passes one bounded queue, in order."""

    def __init__(self, settings: SocketSettings) -> None:
        self._settings = settings
        self._queue: asyncio.Queue[tuple[float, str]] = asyncio.Queue(settings.queue_events)
        self._socket = web.WebSocketResponse(autoping=False, max_msg_size=MESSAGE_BYTES_MAX, compress=False)
        self._transport: asyncio.Transport | None = None
        self._heard_s = 0.0
        self.streams: dict[str, str] = {}
        """Streams it hears: the exchange's name to the name the client used."""
        self.combined = False
        """Whether public events come in an envelope with the stream's name."""
        self.subscriptions: dict[int, str] = {}
        """User streams it hears: number of the subscription to account."""
        self.next_subscription = 0
        self.slow = False
        """Whether it was cut off because its queue was full."""

    @property
    def open(self) -> bool:
        """Return False once the connection has been cut."""
        return self._transport is not None

    def send(self, text: str, delay_ms: float = 0) -> None:
        """Queue a message, to be sent no sooner than `delay_ms` from now; a full queue ends the connection."""
        if self._transport is None:
            return
        try:
            self._queue.put_nowait((asyncio.get_running_loop().time() + delay_ms / 1_000, text))
        except asyncio.QueueFull:
            self.slow = True
            self.cut()

    def cut(self) -> None:
        """End the connection at once; what waits in the queue is lost."""
        if self._transport is not None:
            self._transport.abort()
            self._transport = None

    async def serve(self, request: web.Request, on_text: Callable[[str], None]) -> web.WebSocketResponse:
        """Upgrade a request and call `on_text` with each message until either side ends the connection."""
        await self._socket.prepare(request)
        self._transport = request.transport
        self._heard_s = asyncio.get_running_loop().time()
        helpers = [asyncio.create_task(self._write()), asyncio.create_task(self._keep())]
        try:
            async for message in self._socket:
                if message.type is WSMsgType.TEXT:
                    on_text(message.data)
                elif message.type is WSMsgType.PING:
                    await self._socket.pong(message.data)
                elif message.type is WSMsgType.PONG:
                    self._heard_s = asyncio.get_running_loop().time()
        except ConnectionError:
            pass  # it went away while we answered its ping
        finally:
            for helper in helpers:
                helper.cancel()
            await asyncio.gather(*helpers, return_exceptions=True)
            self._transport = None
        return self._socket

    async def _write(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while self.open:
                due_s, text = await self._queue.get()
                wait_s = due_s - loop.time()
                if wait_s > 0:
                    await asyncio.sleep(wait_s)
                await self._socket.send_str(text)
        except ConnectionError:
            self.cut()

    async def _keep(self) -> None:
        """Ping now and then, and end the connection when no answer comes or its time is over."""
        loop = asyncio.get_running_loop()
        end_s = loop.time() + self._settings.life_s
        try:
            while self.open and loop.time() < end_s:
                await asyncio.sleep(min(self._settings.ping_s, end_s - loop.time()))
                if loop.time() - self._heard_s > self._settings.pong_s:
                    break
                await self._socket.ping(str(int(loop.time() * 1_000)).encode())
        except ConnectionError:
            pass  # cut off below, like one that does not answer
        self.cut()


class Hub:
    """Hands the exchange's events to the connections that listen."""

    def __init__(self, exchange: PaperExchange) -> None:
        self._exchange = exchange
        self._connections: dict[Connection, None] = {}
        self.slow = 0
        """Connections cut off so far because they did not keep up."""

    @property
    def connections(self) -> int:
        """Return the number of open connections."""
        return len(self._connections)

    def add(self, connection: Connection) -> None:
        """Count a connection among the listeners."""
        self._connections[connection] = None

    def remove(self, connection: Connection) -> None:
        """Forget a connection that has ended."""
        self._connections.pop(connection, None)
        self.slow += connection.slow

    def publish(self) -> None:
        """Queue every event that the exchange has had since the last call."""
        for event in self._exchange.drain():
            if event.account is None:
                self._publish_public(event)
            else:
                self._publish_private(event, event.account)

    def terminate_user_streams(self, now_ms: int) -> int:
        """End every user subscription with `eventStreamTerminated`; return how many there were."""
        ended = 0
        for connection in self._connections:
            for number in connection.subscriptions:
                event = {"e": "eventStreamTerminated", "E": now_ms}
                connection.send(json.dumps({"subscriptionId": number, "event": event}))
                ended += 1
            connection.subscriptions.clear()
        return ended

    def cut_all(self) -> int:
        """Cut every connection; return how many there were."""
        for connection in self._connections:
            connection.cut()
        return len(self._connections)

    def _publish_public(self, event: StreamEvent) -> None:
        text = ""
        for connection in self._connections:
            name = connection.streams.get(event.stream)
            if name is None:
                continue
            text = text or json.dumps(event.payload)
            whole = f'{{"stream":{json.dumps(name)},"data":{text}}}' if connection.combined else text
            connection.send(whole, event.delay_ms)

    def _publish_private(self, event: StreamEvent, account: str) -> None:
        for connection in self._connections:
            for number, name in connection.subscriptions.items():
                if name == account:
                    whole = {"subscriptionId": number, "event": event.payload, "seq": event.seq}
                    connection.send(json.dumps(whole), event.delay_ms)

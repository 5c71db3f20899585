"""The exchange on the network: HTTP to `PaperExchange.handle`, spoilt replies included, and the WebSocket doors.

It binds to loopback unless told otherwise. Whoever may read the keys' file may administrate it: every /admin request
needs `Authorization: Bearer TOKEN`.

GET  /admin/status      where the market stands, who is connected
POST /admin/snapshot    save the state now
POST /admin/disconnect  {"streams": "user" | "all"}: end the user streams, or cut every WebSocket connection
     /admin/...         the rest is the exchange's own: faults, ack, external, state
"""

import asyncio
import errno
import hmac
import json
import socket
import struct
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

from huracan.errors import UsageError
from huracan.paper.exchange import PaperExchange
from huracan.paper.replay import Replay
from huracan.paper.sockets import DEFAULT_SOCKETS, Connection, Hub, SocketSettings
from huracan.paper.streams import MarketStreams
from huracan.paper.wire import DropHow, Reply, Request
from huracan.paper.ws_api import WebSocketApi

__all__ = ["PaperServer", "ServerSettings"]

_RST = struct.pack("ii", 1, 0)
_LIFE_CHECK_S = 0.05


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """How the exchange is reached.

    Attributes:
        admin_token: for /admin.
        host: address to bind to.
        port: 0 takes a free one.
        speed: market seconds per wall second; None: market time moves by /admin/ack alone.
        silence_s: how long a lost reply keeps its connection open at most.
        stop_s: how long requests under way may take at the end.
        sockets: how WebSocket connections are kept.
    """

    admin_token: str = field(repr=False)
    host: str = "127.0.0.1"
    port: int = 0
    speed: float | None = None
    silence_s: float = 600.0
    stop_s: float = 2.0
    sockets: SocketSettings = DEFAULT_SOCKETS


class PaperServer:
    """One exchange behind one port.

    Args:
        exchange: lock-step when `settings.speed` is None.
        settings: see there.
        save: writes the exchange's state and returns the file; None: there is none to write to.
    """

    def __init__(
        self, exchange: PaperExchange, settings: ServerSettings, save: Callable[[], Path] | None = None
    ) -> None:
        self._exchange = exchange
        self._settings = settings
        self._save = save
        self.hub = Hub(exchange)
        self._replay = None if settings.speed is None else Replay(exchange, settings.speed, self.hub.publish)
        self._replaying: asyncio.Task[None] | None = None
        self._runner: web.AppRunner | None = None
        self._port = settings.port
        self._failed: asyncio.Future[None] | None = None

    @property
    def url(self) -> str:
        """Return the REST base, "http://127.0.0.1:8080"."""
        return f"http://{self._host}:{self._port}"

    @property
    def ws_url(self) -> str:
        """Return the WebSocket base, "ws://127.0.0.1:8080"."""
        return f"ws://{self._host}:{self._port}"

    @property
    def _host(self) -> str:
        return f"[{self._settings.host}]" if ":" in self._settings.host else self._settings.host

    async def start(self) -> None:
        """Open the port and set the market clock going.

        Raises:
            UsageError: the port is in use, or the address is not this machine's.
        """
        settings = self._settings
        self._failed = asyncio.get_running_loop().create_future()
        self._runner = web.AppRunner(
            self._application(), access_log=None, handle_signals=False, shutdown_timeout=settings.stop_s
        )
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, settings.host, settings.port).start()
        except OSError as error:
            await self._runner.cleanup()
            raise UsageError(_cannot_bind(error, settings)) from None
        self._port = self._runner.addresses[0][1]
        if self._replay is not None:
            self._replaying = asyncio.create_task(self._replay.run())
            self._replaying.add_done_callback(self._replay_ended)

    async def wait_failed(self) -> None:
        """Wait for a defect of the exchange, and raise it; returns never."""
        assert self._failed is not None, "start it first"
        await self._failed

    async def stop(self) -> None:
        """Stop the market clock, cut the connections and close the port; the exchange keeps its state."""
        assert self._runner is not None, "start it first"
        if self._replaying is not None:
            self._replaying.cancel()
            await asyncio.gather(self._replaying, return_exceptions=True)
        self.hub.cut_all()
        await self._runner.cleanup()

    async def carry_out(self, request: Request) -> Reply:
        """Carry out a request with its latencies and return the reply, which is the caller's to send or to spoil.

        It counts as open until then: whoever has read a reply may acknowledge a lock-step stage.
        """
        wait_ms = self._exchange.begin(request)
        try:
            if wait_ms > 0:
                await asyncio.sleep(wait_ms / 1_000)
            reply = self._handle(request)
            if reply.delay_ms > 0:
                await asyncio.sleep(reply.delay_ms / 1_000)
        finally:
            self._exchange.end(request)
        return reply

    def check(self, params: Mapping[str, Any]) -> str | Reply:
        """Check a signed subscription to a user stream; return the account's name, or the refusal."""
        with self._guarded():
            return self._exchange.subscribe(params)

    def _handle(self, request: Request) -> Reply:
        with self._guarded():
            reply = self._exchange.handle(request)
            self.hub.publish()
        return reply

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        """Report a defect of the exchange to whoever waits in `wait_failed`, who ends the process."""
        try:
            yield
        except Exception as error:
            self._fail(error)
            raise

    def _fail(self, error: BaseException) -> None:
        if self._failed is not None and not self._failed.done():
            self._failed.set_exception(error)

    def _replay_ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._fail(error)

    def _application(self) -> web.Application:
        app = web.Application()
        for path in ("/ws", "/ws/{streams:.*}", "/stream/ws", "/stream/ws/{streams:.*}"):
            app.router.add_get(path, self._raw_streams)
        app.router.add_get("/stream", self._combined_streams)
        app.router.add_get("/ws-api/v3", self._ws_api)
        app.router.add_get("/admin/status", self._status)
        app.router.add_post("/admin/snapshot", self._snapshot)
        app.router.add_post("/admin/disconnect", self._disconnect)
        app.router.add_route("*", "/admin/{rest:.*}", self._admin)
        app.router.add_route("*", "/{rest:.*}", self._rest)
        return app

    # REST

    async def _rest(self, request: web.Request) -> web.StreamResponse:
        reply = await self.carry_out(await _read(request))
        if reply.drop is None:
            return _response(reply)
        if reply.drop is DropHow.TRUNCATED:
            return await _send_half(request, reply)
        if reply.drop is DropHow.RESET:
            return _reset(request)
        return await self._keep_silent(request)

    async def _keep_silent(self, request: web.Request) -> web.StreamResponse:
        """Send nothing until the client has gone."""
        loop = asyncio.get_running_loop()
        end_s = loop.time() + self._settings.silence_s
        while loop.time() < end_s and request.transport is not None and not request.transport.is_closing():
            await asyncio.sleep(_LIFE_CHECK_S)
        return _reset(request)

    # WebSockets

    async def _raw_streams(self, request: web.Request) -> web.StreamResponse:
        return await self._serve_streams(request, request.match_info.get("streams", ""), combined=False)

    async def _combined_streams(self, request: web.Request) -> web.StreamResponse:
        return await self._serve_streams(request, request.query.get("streams", ""), combined=True)

    async def _serve_streams(self, request: web.Request, names: str, combined: bool) -> web.StreamResponse:
        if not _upgrades(request):
            return _not_a_socket()
        connection = Connection(self._settings.sockets)
        streams = MarketStreams(connection, combined)
        streams.open_with(names)
        return await self._serve(request, connection, streams.hear)

    async def _ws_api(self, request: web.Request) -> web.StreamResponse:
        if not _upgrades(request):
            return _not_a_socket()
        connection = Connection(self._settings.sockets)
        api = WebSocketApi(connection, request.remote or "", self.carry_out, self.check)
        response = await self._serve(request, connection, api.hear)
        await api.finish()
        return response

    async def _serve(
        self, request: web.Request, connection: Connection, hear: Callable[[str], None]
    ) -> web.StreamResponse:
        self.hub.add(connection)
        try:
            return await connection.serve(request, hear)
        finally:
            self.hub.remove(connection)

    # administration

    def _may(self, request: web.Request) -> bool:
        given = request.headers.get("Authorization", "").removeprefix("Bearer ")
        return hmac.compare_digest(given.encode(), self._settings.admin_token.encode())

    async def _admin(self, request: web.Request) -> web.StreamResponse:
        if not self._may(request):
            return _unauthorised()
        return _response(self._handle(await _read(request)))

    async def _status(self, request: web.Request) -> web.StreamResponse:
        if not self._may(request):
            return _unauthorised()
        stage = self._exchange.stage
        waiting = None if stage is None else {"bar": stage.bar, "stage": stage.stage, "waiting": list(stage.waiting)}
        return web.json_response(
            {
                "now_ms": self._exchange.now_ms,
                "ended": self._exchange.ended,
                "mode": "lockstep" if self._replay is None else "replay",
                "speed": self._settings.speed,
                "behind_ms": 0 if self._replay is None else round(self._replay.behind_ms),
                "stage": waiting,
                "connections": self.hub.connections,
                "slow_connections": self.hub.slow,
            }
        )

    async def _snapshot(self, request: web.Request) -> web.StreamResponse:
        if not self._may(request):
            return _unauthorised()
        if self._save is None:
            return web.json_response({"error": "no file for the state; start with --state FILE"}, status=409)
        return web.json_response({"saved": str(self._save())})

    async def _disconnect(self, request: web.Request) -> web.StreamResponse:
        if not self._may(request):
            return _unauthorised()
        try:
            which = json.loads(await request.text())["streams"]
        except (ValueError, TypeError, KeyError):
            which = None
        if which == "user":
            return web.json_response({"ended": self.hub.terminate_user_streams(self._exchange.now_ms)})
        if which == "all":
            return web.json_response({"ended": self.hub.cut_all()})
        return web.json_response({"error": 'give {"streams": "user"} or {"streams": "all"}'}, status=400)


async def _read(request: web.Request) -> Request:
    path, _, query = request.raw_path.partition("?")
    return Request(
        method=request.method,
        path=path,
        query=query,
        body=(await request.read()).decode("utf-8", errors="replace"),
        headers=dict(request.headers),
        client=request.remote or "",
    )


def _response(reply: Reply) -> web.Response:
    headers = dict(reply.headers)
    headers.setdefault("Content-Type", "application/json;charset=UTF-8")
    return web.Response(status=reply.status, body=reply.body.encode(), headers=headers)


async def _send_half(request: web.Request, reply: Reply) -> web.StreamResponse:
    body = reply.body.encode()
    response = web.StreamResponse(status=reply.status, headers=dict(reply.headers))
    response.content_length = len(body)
    await response.prepare(request)
    await response.write(body[: len(body) // 2])
    if request.transport is not None:
        request.transport.close()
    return response


def _reset(request: web.Request) -> web.StreamResponse:
    """Cut the connection so that the client sees a reset, not an end."""
    transport = request.transport
    if transport is not None:
        raw = transport.get_extra_info("socket")
        if raw is not None:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RST)
        transport.abort()
    return web.Response()


def _upgrades(request: web.Request) -> bool:
    return request.headers.get("Upgrade", "").lower() == "websocket"


def _not_a_socket() -> web.Response:
    return web.json_response({"code": -1000, "msg": "This address speaks WebSocket only."}, status=400)


def _unauthorised() -> web.Response:
    message = {"error": "wrong or no admin token; send Authorization: Bearer TOKEN, it stands in the keys' file"}
    return web.json_response(message, status=401)


def _cannot_bind(error: OSError, settings: ServerSettings) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {settings.port} of {settings.host} is in use; give another --port, or 0 for a free one"
    if error.errno == errno.EACCES:
        return f"port {settings.port} of {settings.host} is not allowed; give one above 1023, or 0 for a free one"
    return f"cannot bind to {settings.host}:{settings.port}: {error.strerror or error}; give an address of this machine"

"""A relay of TCP between a trader and the exchange: notes what left, holds replies back, and can be cut."""

import asyncio
import contextlib
import re
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar
from urllib.parse import parse_qs, urlsplit

from huracan.execution.invariants import Sent
from huracan.venue.orders import Side

__all__ = ["Relay", "relaying"]

T = TypeVar("T")

_CHUNK = 65_536
_RST = struct.pack("ii", 1, 0)
_WAIT_S = 10.0
_POST_CIDS = ("newClientOrderId", "aboveClientOrderId", "belowClientOrderId")
_CANCEL_CIDS = ("origClientOrderId", "listClientOrderId")


class Relay:
    """Passes bytes on between one port of loopback and another one; used through `relaying`.

    Attributes:
        target: port of the exchange.
        sent: commands of each API key as they left the trader, oldest first.
        requests: number of HTTP requests that left.
        held: replies to a POST that are held back now.
    """

    def __init__(self, target: int) -> None:
        self.target = target
        self.sent: dict[str, list[Sent]] = {}
        self.requests = 0
        self.held = 0
        self.port = 0
        self._holding = False
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._server: asyncio.Server | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    @property
    def url(self) -> str:
        """Return the REST base that a trader is given."""
        return f"http://127.0.0.1:{self.port}"

    def hold(self) -> None:
        """Hold back the reply to every POST from now on; the POST itself goes through."""
        self._holding = True

    def let_go(self) -> None:
        """Pass on what was held back, and hold nothing any more."""
        self._holding = False

    def open(self) -> None:
        """Take connections, at the same port as before."""
        self._call(self._open)

    def shut(self) -> None:
        """Reset every connection and refuse new ones."""
        self._call(self._shut)

    def close(self) -> None:
        """Shut, and end the thread."""
        self.shut()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_WAIT_S)
        self._loop.close()

    def _call(self, work: Callable[[], Any]) -> None:
        if not self._thread.is_alive():
            self._thread.start()
        asyncio.run_coroutine_threadsafe(work(), self._loop).result(_WAIT_S)

    async def _open(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _shut(self) -> None:
        if self._server is not None:
            self._server.close()
        self._server = None
        for writer in tuple(self._writers):
            _reset(writer)
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._writers.add(writer)
        try:
            await self._pass_on(reader, writer)
        except (OSError, asyncio.CancelledError):
            _reset(writer)
        finally:
            self._writers.discard(writer)
            self._tasks.discard(task)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass both directions on until one ends; an exchange that refuses or resets is a reset for the trader."""
        their_reader, their_writer = await asyncio.open_connection("127.0.0.1", self.target)
        self._writers.add(their_writer)
        asked = _Asked()
        there = asyncio.ensure_future(self._commands(reader, their_writer, asked))
        back = asyncio.ensure_future(self._replies(their_reader, writer, asked))
        try:
            done, _ = await asyncio.wait((there, back), return_when=asyncio.FIRST_COMPLETED)
            for one in done:
                one.result()
        finally:
            there.cancel()
            back.cancel()
            await asyncio.gather(there, back, return_exceptions=True)
            self._writers.discard(their_writer)
            their_writer.close()
        writer.close()

    async def _commands(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, asked: "_Asked") -> None:
        while data := await reader.read(_CHUNK):
            for head, body in asked.hear(data):
                self._note(head, body)
            writer.write(data)
            await writer.drain()

    async def _replies(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, asked: "_Asked") -> None:
        while data := await reader.read(_CHUNK):
            if asked.post and self._holding:
                self.held += 1
                while self._holding:
                    await asyncio.sleep(0.01)
                self.held -= 1
            writer.write(data)
            await writer.drain()

    def _note(self, head: str, body: str) -> None:
        """Write down what leaves, just before it is passed on."""
        self.requests += 1
        method, target, _ = head.split(" ", 2)
        if method not in ("POST", "DELETE"):
            return
        fields = parse_qs(urlsplit(target).query + "&" + body)
        names = _POST_CIDS if method == "POST" else _CANCEL_CIDS
        cids = tuple(fields[name][0] for name in names if name in fields)
        side = Side(fields["side"][0]) if "side" in fields else Side.SELL
        key = _header(head, "X-MBX-APIKEY")
        self.sent.setdefault(key, []).append(Sent(time.time_ns() // 1_000_000, method == "POST", cids, side))


class _Asked:
    """The requests of one connection, cut out of its bytes; after an upgrade there are none.

    Attributes:
        post: the last one was a POST.
    """

    def __init__(self) -> None:
        self.post = False
        self._left = b""
        self._upgraded = False

    def hear(self, data: bytes) -> Iterator[tuple[str, str]]:
        """Yield (head, body) of each request that is whole now."""
        if self._upgraded:
            return
        self._left += data
        while b"\r\n\r\n" in self._left:
            raw, _, rest = self._left.partition(b"\r\n\r\n")
            head = raw.decode("latin-1")
            length = int(_header(head, "Content-Length") or 0)
            if len(rest) < length:
                return
            self._left = rest[length:]
            self._upgraded = bool(_header(head, "Upgrade"))
            self.post = head.startswith("POST ")
            yield head, rest[:length].decode("latin-1")


def _header(head: str, name: str) -> str:
    found = re.search(rf"^{name}: *(.*?)\r?$", head, re.I | re.M)
    return found[1] if found else ""


def _reset(writer: asyncio.StreamWriter) -> None:
    raw = writer.get_extra_info("socket")
    if raw is not None:
        with contextlib.suppress(OSError):
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RST)
    writer.transport.abort()


@contextmanager
def relaying(target: int) -> Iterator[Relay]:
    """Run a relay to a port while the block runs."""
    relay = Relay(target)
    relay.open()
    try:
        yield relay
    finally:
        relay.let_go()
        relay.close()

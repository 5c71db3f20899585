"""The network between engines and the exchange: requests travel on by themselves, whatever becomes of who sent them.

Everything that leaves a process is noted here, just before the socket write: this log is what invariants I4, I7 and I9
are checked against, together with the exchange's own.
"""

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from huracan.execution.invariants import Sent
from huracan.paper import Request
from huracan.paper.wire import DropHow, Reply
from huracan.venue.client import WireReply
from huracan.venue.orders import Side
from tests.simulation.processes import Process

if TYPE_CHECKING:
    from tests.simulation.world import World

__all__ = ["Network"]

_PLACES = ("/api/v3/order", "/api/v3/orderList/oco")
_LATE_S = (1.0, 9.0)


class Network:
    """Carries requests.

    Attributes:
        sent: commands that left, oldest first.
        count: requests that left.
        open_posts: POSTs on their way.
        silence: per process name, when it was told to be silent (429, 418), and until when.
    """

    def __init__(self, world: "World") -> None:
        self._world = world
        self.sent: list[Sent] = []
        self.count = 0
        self.open_posts = 0
        self.silence: dict[str, tuple[int, int]] = {}

    async def carry(
        self, process: Process, method: str, url: str, headers: Mapping[str, str], body: str | None
    ) -> WireReply:
        """Carry one request of a process, and its reply back."""
        await process.door(f"send {method}")
        world, parts = self._world, urlsplit(url)
        request = Request(method, parts.path, parts.query, body or "", dict(headers))
        self._note(process, request)
        arrived: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        delay_s = world.exchange.begin(request) / 1_000
        if world.rng.random() < world.late_frac:
            delay_s += world.rng.uniform(*_LATE_S)
            world.meet("F6 request late", method == "POST")
        if delay_s > 0:
            asyncio.get_running_loop().call_later(delay_s, self._arrive, request, arrived)
        else:
            self._arrive(request, arrived)
        if method == "POST":
            self.open_posts += 1
        try:
            process.strike(f"sent {method}")
            reply = await arrived
            await process.door("reply")
        finally:
            if method == "POST":
                self.open_posts -= 1
        if reply.drop is not None:
            raise ConnectionResetError
        if reply.status in (418, 429) and reply.headers.get("Retry-After"):
            until_ms = world.now_ms + 1_000 * int(reply.headers["Retry-After"])
            told_ms, before_ms = self.silence.get(process.name, (world.now_ms, 0))
            self.silence[process.name] = (
                told_ms if world.now_ms < before_ms else world.now_ms,
                max(until_ms, before_ms),
            )
        return WireReply(reply.status, reply.headers, reply.body)

    def _note(self, process: Process, request: Request) -> None:
        """Write down what leaves, and what must not."""
        world = self._world
        self.count += 1
        world.trace(f"> {world.now_ms} {process.name} {request.method} {request.path}?{request.query}&{request.body}")
        told_ms, until_ms = self.silence.get(process.name, (0, 0))
        if told_ms < world.now_ms < until_ms:  # what leaves in the same instant was on its way already
            world.violate("F11", f"{request.method} {request.path} left {process.name}, which was told to be silent")
        if request.method == "GET":
            return
        fields = parse_qs(request.query + "&" + request.body)
        post, names = request.method == "POST", ("newClientOrderId", "aboveClientOrderId", "belowClientOrderId")
        if not post:
            names = ("origClientOrderId", "listClientOrderId")
        cids = tuple(fields[name][0] for name in names if name in fields)
        side = Side(fields["side"][0]) if "side" in fields else Side.SELL
        sent = Sent(world.now_ms, post, cids, side)
        self.sent.append(sent)
        world.check_sent(process, sent)

    def _arrive(self, request: Request, arrived: "asyncio.Future[Reply]") -> None:
        """Let the exchange carry a request out, and send the reply on its way."""
        world = self._world
        world.tick()
        orders = len(world.account.orders)
        reply = world.exchange.handle(request)
        world.trace(f"< {reply.status} {reply.drop} {reply.body}")
        world.drain()
        _meet(world, request, reply, len(world.account.orders) > orders)
        loop = asyncio.get_running_loop()

        def back() -> None:
            world.exchange.end(request)
            if reply.drop is not DropHow.TIMEOUT and not arrived.done():
                arrived.set_result(reply)

        if reply.delay_ms > 0:
            loop.call_later(reply.delay_ms / 1_000, back)
        else:
            back()


_CODES = {
    "Order would immediately match and take.": "F18 would match",
    "Account has insufficient balance for requested action.": "F18 no balance",
    "Market is closed.": "F18 market closed",
    "Duplicate order sent.": "F18 duplicate",
}


def _meet(world: "World", request: Request, reply: Reply, taken: bool) -> None:
    """Note which fault a reply is."""
    meet, post = world.meet, request.method == "POST"
    lost = reply.drop is not None or (reply.status == 200 and not reply.body.startswith(("{", "[")))
    if post:
        meet("F5 answer lost, order taken", lost and taken)
        meet("F6 request lost", lost and not taken)
        meet("F12 error that leaves a POST unknown", reply.status >= 500)
        if reply.status == 400:
            for words, name in _CODES.items():
                meet(name, words in reply.body)
    elif request.method == "DELETE":
        meet("F10 cancel without an answer", lost)
        if reply.status == 400 and "-2011" in reply.body:
            fields = parse_qs(request.query)
            cid = fields.get("origClientOrderId", [""])[0]
            key = world.account.newest.get(f"{fields['symbol'][0]} {cid}")
            if key is not None and world.account.orders[key].status.value == "FILLED":
                meet("F9 cancel finds a filled order", True)
    else:
        meet("F12 error on a question", reply.status >= 500)
    meet("F11 asked to wait (429)", reply.status == 429)
    meet("F11 banned (418)", reply.status == 418)
    meet("F13 clock refused (-1021)", reply.status == 400 and "-1021" in reply.body)

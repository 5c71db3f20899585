"""The user stream over a real WebSocket: events as they come, and as often as the connection breaks."""

import asyncio
import contextlib
import hashlib
import hmac
import json
import random
from decimal import Decimal
from urllib.parse import urlencode

import aiohttp.web

from huracan.venue.client import client_config
from huracan.venue.orders import Balance, BalanceUpdate, VenueOrder, VenueTrade
from huracan.venue.user_stream import UserStream
from tests.venue.scripted import API_KEY, CREDENTIALS, SECRET, run
from tests.venue.test_wire import EXECUTION, NAMES

POSITION = {"e": "outboundAccountPosition", "E": 3, "u": 2, "B": [{"a": "ADA", "f": "1", "l": "2"}]}
UPDATE = BalanceUpdate("ADA", Balance(Decimal(1), Decimal(2)), 2)
DROP = "drop the connection"
REFUSE = "refuse the subscription"


class StreamServer:
    """Accepts subscriptions and plays one script per connection: events, `DROP`, or `REFUSE` as the first word."""

    def __init__(self, *scripts):
        self.scripts = list(scripts)
        self.subscriptions = []
        self.url = ""

    async def serve(self, request):
        """Serve one connection."""
        socket = aiohttp.web.WebSocketResponse()
        await socket.prepare(request)
        script = self.scripts.pop(0) if self.scripts else []
        asked = json.loads((await socket.receive()).data)
        self.subscriptions.append(asked)
        if script[:1] == [REFUSE]:
            await socket.send_json({"id": asked["id"], "status": 400, "error": {"code": -1022, "msg": "signature"}})
        else:
            await socket.send_json({"id": asked["id"], "status": 200, "result": {"subscriptionId": 0}})
            for step in script:
                if step == DROP:
                    await socket.close()
                    return socket
                text = step if isinstance(step, str) else json.dumps({"subscriptionId": 0, "event": step})
                await socket.send_str(text)
        async for _ in socket:
            pass
        return socket


@contextlib.asynccontextmanager
async def streaming(*scripts):
    """Yield a server and a stream connected to it, both closed at the end."""
    server = StreamServer(*scripts)
    app = aiohttp.web.Application()
    app.router.add_get("/ws-api/v3", server.serve)
    runner = aiohttp.web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = aiohttp.web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server.url = f"ws://127.0.0.1:{runner.addresses[0][1]}"
    config = client_config("http://127.0.0.1:9", CREDENTIALS, ws_url=server.url)
    stream = UserStream(config, NAMES, lambda: 1_700_000_000_000, random.Random(1))
    try:
        yield server, stream
    finally:
        await stream.close()
        await runner.cleanup()


async def _take(stream, count):
    """Return the next `count` events."""
    found = []
    async for event in stream:
        found.append(event)
        if len(found) == count:
            break
    return found


def test_events_arrive_in_order():
    """An execution is an order and a trade, a position a balance; the subscription is signed with the venue's time."""

    async def steps():
        async with streaming([EXECUTION, POSITION]) as (server, stream):
            return await _take(stream, 3), server.subscriptions

    (order, trade, update), (subscription,) = run(steps)
    assert isinstance(order, VenueOrder)
    assert isinstance(trade, VenueTrade)
    assert (order.cid, trade.trade_id, update) == ("h-1", "9", UPDATE)
    assert subscription["method"] == "userDataStream.subscribe.signature"
    params = subscription["params"]
    assert (params["apiKey"], params["timestamp"]) == (API_KEY, 1_700_000_000_000)
    signature = params.pop("signature")
    query = urlencode(sorted(params.items()))
    assert signature == hmac.new(SECRET.encode(), query.encode(), hashlib.sha256).hexdigest()


def test_a_lost_connection_is_made_anew():
    """After a drop, and after the venue ends the stream, events go on over a new subscription."""
    ended = {"e": "eventStreamTerminated", "E": 1}

    async def steps():
        async with streaming([POSITION, DROP], [POSITION, ended], [POSITION]) as (server, stream):
            return await _take(stream, 3), stream.connections, len(server.subscriptions)

    events, connections, subscriptions = run(steps)
    assert events == [UPDATE] * 3
    assert (connections, subscriptions) == (3, 3)


def test_a_refused_subscription_is_tried_again():
    """A refusal is no end: the stream asks again, and does not count it as a connection."""

    async def steps():
        async with streaming([REFUSE], [POSITION]) as (server, stream):
            return await _take(stream, 1), stream.connections, len(server.subscriptions)

    assert run(steps) == ([UPDATE], 1, 2)


def test_what_cannot_be_read_is_dropped_and_counted():
    """Events of markets that we do not know, with impossible numbers, or garbage do not stop the stream."""
    odd = [
        EXECUTION | {"s": "XYZUSDT"},
        EXECUTION | {"z": "NaN"},
        {"e": "executionReport"},
        {"e": "somethingNew"},
        "garbage",
        "[1, 2]",
    ]

    async def steps():
        async with streaming([*odd, POSITION]) as (_, stream):
            return await _take(stream, 1), stream.dropped, stream.connections

    assert run(steps) == ([UPDATE], 3, 1)


def test_closing_ends_the_iteration():
    """An iteration that waits ends when the stream is closed, whether or not it was ever connected."""

    async def steps():
        async with streaming([]) as (server, stream):
            waiting = asyncio.ensure_future(_take(stream, 1))
            while not server.subscriptions:
                await asyncio.sleep(0.01)
            await stream.close()
            nobody = UserStream(client_config("http://127.0.0.1:9", CREDENTIALS), NAMES, lambda: 0, random.Random(1))
            alone = asyncio.ensure_future(_take(nobody, 1))
            await asyncio.sleep(0.1)
            await nobody.close()
            return await waiting, await alone, nobody.connections

    assert run(steps) == ([], [], 0)

"""Connections: order kept, slow and dead clients cut off, events to those who listen and to nobody else."""

import asyncio
import base64
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import ClientSession, ClientWebSocketResponse, WSMsgType, web

from huracan.errors import UsageError
from huracan.paper.sockets import Connection, SocketSettings
from tests.paper.serving import exchange, place, serving, user_stream

Feed = Callable[[Connection], Awaitable[None]]


@asynccontextmanager
async def fed(settings: SocketSettings, feed: Feed) -> AsyncIterator[tuple[str, list[Connection]]]:
    """Serve connections that `feed` writes to; yield the address and the connections made so far."""
    made: list[Connection] = []

    async def handle(request: web.Request) -> web.StreamResponse:
        connection = Connection(settings)
        made.append(connection)
        task = asyncio.create_task(feed(connection))
        try:
            return await connection.serve(request, connection.send)
        finally:
            task.cancel()

    app = web.Application()
    app.router.add_get("/", handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/", made
    finally:
        await runner.cleanup()


async def nothing(connection: Connection) -> None:
    """Feed nothing."""


async def dead_client(address: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Open a WebSocket by hand that reads no further than the handshake, and so answers no ping."""
    host, _, port = address.removeprefix("http://").strip("/").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port), limit=1_024)
    key = base64.b64encode(os.urandom(16)).decode()
    head = f"GET / HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    writer.write(f"{head}Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode())
    assert b"101" in await reader.readline()
    return reader, writer


async def until(what: Callable[[], bool], limit_s: float = 10.0) -> None:
    """Wait for something to become true."""
    async with asyncio.timeout(limit_s):
        while not what():
            await asyncio.sleep(0.01)


def test_a_slow_client_is_cut_off_and_a_quick_one_gets_everything() -> None:
    """400 messages of 100 kB: whoever does not read loses the connection, whoever reads loses nothing."""
    count, text = 400, "x" * 100_000

    async def feed(connection: Connection) -> None:
        for _ in range(50):  # until `serve` has made the handshake
            if connection.open:
                break
            await asyncio.sleep(0.01)
        for _ in range(count):
            connection.send(text)
            await asyncio.sleep(0.002)

    async def scenario() -> None:
        async with fed(SocketSettings(queue_events=60), feed) as (address, made), ClientSession() as session:
            _, writer = await dead_client(address)
            async with session.ws_connect(address) as quick:
                got = [len((await quick.receive(10)).data) for _ in range(count)]
            await until(lambda: not made[0].open)
            assert made[0].slow
            assert not made[1].slow
            assert got == [len(text)] * count
            writer.close()

    asyncio.run(scenario())


def test_a_burst_longer_than_the_queue_ends_the_connection() -> None:
    """The bound holds within one call too; sending to a cut connection is harmless."""

    async def feed(connection: Connection) -> None:
        await until(lambda: connection.open)
        for number in range(5):
            connection.send(str(number))

    async def scenario() -> None:
        async with fed(SocketSettings(queue_events=4), feed) as (address, made), ClientSession() as session:
            async with session.ws_connect(address) as client:
                assert (await client.receive(10)).type in (WSMsgType.CLOSED, WSMsgType.CLOSE, WSMsgType.ERROR)
            assert made[0].slow

    asyncio.run(scenario())


def test_messages_keep_their_order_and_their_delay() -> None:
    """A delayed message holds back those behind it: one stream never shows an effect before its cause."""

    async def feed(connection: Connection) -> None:
        await until(lambda: connection.open)
        connection.send("late", delay_ms=120)
        connection.send("soon")

    async def scenario() -> None:
        async with fed(SocketSettings(), feed) as (address, _), ClientSession() as session:
            began = asyncio.get_running_loop().time()
            async with session.ws_connect(address) as client:
                assert [(await client.receive(10)).data for _ in range(2)] == ["late", "soon"]
            assert asyncio.get_running_loop().time() - began >= 0.12

    asyncio.run(scenario())


def test_a_client_that_answers_no_ping_is_cut_off() -> None:
    """One that answers stays, and its own ping is answered."""

    async def scenario() -> None:
        settings = SocketSettings(ping_s=0.05, pong_s=0.3)
        async with fed(settings, nothing) as (address, made), ClientSession() as session:
            _, writer = await dead_client(address)
            async with session.ws_connect(address, autoping=False) as alive:
                await alive.ping(b"mine")
                answered = False
                for _ in range(12):
                    message = await alive.receive(10)
                    if message.type is WSMsgType.PING:
                        await alive.pong(message.data)
                    answered |= message.type is WSMsgType.PONG and bytes(message.data) == b"mine"
                assert answered
                assert not made[0].open
                assert made[1].open
            assert not made[0].slow
            writer.close()

    asyncio.run(scenario())


def test_a_connection_has_an_end() -> None:
    """After its life it is cut off, whatever it does."""

    async def scenario() -> None:
        async with fed(SocketSettings(life_s=0.2), nothing) as (address, _), ClientSession() as session:
            began = asyncio.get_running_loop().time()
            async with session.ws_connect(address) as client:
                assert (await client.receive(10)).type is not WSMsgType.TEXT
            assert 0.15 < asyncio.get_running_loop().time() - began < 5

    asyncio.run(scenario())


@pytest.mark.parametrize("name", ["queue_events", "ping_s", "pong_s", "life_s"])
def test_settings_are_checked(name: str) -> None:
    """A queue of none and times of zero are refused."""
    with pytest.raises(UsageError, match="must be above 0"):
        SocketSettings(**{name: 0})


async def texts(client: ClientWebSocketResponse, count: int) -> list[dict]:
    """Return the next messages."""
    return [json.loads((await client.receive(10)).data) for _ in range(count)]


def test_public_events_go_to_those_who_listen() -> None:
    """By name, raw on /ws and in an envelope with the name asked for on /stream; and nothing else."""

    async def scenario() -> None:
        served = exchange()
        async with serving(served) as server, ClientSession() as session:
            base = server.url
            async with (
                session.ws_connect(f"{base}/ws/btcusdt@kline_1m") as raw,
                session.ws_connect(f"{base}/stream?streams=btcusdt@kline_1m/adausdt@depth@100ms") as combined,
            ):
                await until(lambda: server.hub.connections == 2)
                for _ in range(8):  # two bars
                    served.advance(served.next_ms())
                    server.hub.publish()
                first = (await texts(raw, 1))[0]
                assert (first["e"], first["s"]) == ("kline", "BTCUSDT")
                wrapped = await texts(combined, 4)
                assert {one["stream"] for one in wrapped} == {"btcusdt@kline_1m", "adausdt@depth@100ms"}
                assert {one["data"]["e"] for one in wrapped} == {"kline", "depthUpdate"}

    asyncio.run(scenario())


def test_private_events_go_to_their_account_alone() -> None:
    """With the number of the subscription, and the exchange's own number of the event."""

    async def scenario() -> None:
        served = exchange(names=("main", "other"))
        async with (
            serving(served) as server,
            ClientSession() as session,
            user_stream(session, server, "main") as mine,
            user_stream(session, server, "other") as others,
        ):
            await place(session, server, symbol="BTCUSDT", side="BUY", type="LIMIT_MAKER", quantity="1", price="50")
            events = await texts(mine, 2)
            assert {one["subscriptionId"] for one in events} == {0}
            assert [one["seq"] for one in events] == [1, 2]
            assert {one["event"]["e"] for one in events} == {"executionReport", "outboundAccountPosition"}
            with pytest.raises(TimeoutError):
                await others.receive(0.1)

    asyncio.run(scenario())


def test_user_streams_can_be_ended_from_our_side() -> None:
    """`eventStreamTerminated` for each subscription; afterwards nothing more comes."""

    async def scenario() -> None:
        served = exchange()
        async with serving(served) as server, ClientSession() as session, user_stream(session, server) as mine:
            assert server.hub.terminate_user_streams(123) == 1
            assert (await texts(mine, 1))[0] == {
                "subscriptionId": 0,
                "event": {"e": "eventStreamTerminated", "E": 123},
            }
            await place(session, server, symbol="BTCUSDT", side="BUY", type="LIMIT_MAKER", quantity="1", price="50")
            with pytest.raises(TimeoutError):
                await mine.receive(0.1)
            assert server.hub.cut_all() == 1
            assert (await mine.receive(10)).type is not WSMsgType.TEXT

    asyncio.run(scenario())

"""The exchange over HTTP: replies, spoilt replies, latencies, administration, and an end in good order."""

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import ClientSession, ClientTimeout

from huracan.errors import InvariantError, UsageError
from huracan.paper import FaultKind, Latency, PaperExchange, Reply, Request, ScriptedFault
from huracan.paper.server import PaperServer, ServerSettings
from tests.paper.serving import TOKEN, ask, exchange, place, serving, signed, user_stream

ROUTE = "POST /api/v3/order"
ORDER = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT_MAKER", "quantity": "1", "price": "50"}
ADMIN = {"Authorization": f"Bearer {TOKEN}"}

Talk = Callable[[ClientSession, PaperServer], Awaitable[None]]


def talking(talk: Talk, served: PaperExchange | None = None, save: Any = None, **settings: Any) -> None:
    """Run a conversation with a server of an exchange in lock-step."""

    async def scenario() -> None:
        async with (
            serving(served or exchange(lockstep=True), save, **settings) as server,
            ClientSession(timeout=ClientTimeout(10)) as session,
        ):
            await talk(session, server)

    asyncio.run(scenario())


def test_requests_reach_the_exchange_as_they_were_sent() -> None:
    """Signed in the query or in the body, with the weight counted and told in a header."""

    async def talk(session: ClientSession, server: PaperServer) -> None:
        async with session.get(f"{server.url}/api/v3/ping") as reply:
            assert (reply.status, await reply.json()) == (200, {})
            assert int(reply.headers["X-MBX-USED-WEIGHT-1M"]) >= 1
        assert (await place(session, server, **ORDER))["symbol"] == "BTCUSDT"
        assert (await ask(session, server, "GET", "/api/v3/nothing"))[0] == 404
        status, body = await ask(session, server, "POST", "/api/v3/order", **{**ORDER, "symbol": "NONE"})
        assert (status, body["code"]) == (400, -1121)

    talking(talk)


def test_a_reply_lost_in_silence() -> None:
    """The order is there, nothing comes back, and the exchange does not wait for the client to give up."""
    served = exchange(lockstep=True)

    async def talk(session: ClientSession, server: PaperServer) -> None:
        served.script(ScriptedFault(FaultKind.RESPONSE_LOST, ROUTE, how="TIMEOUT"))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(place(session, server, **ORDER, newClientOrderId="unheard"), 0.3)
        status, body = await ask(session, server, "GET", "/api/v3/order", symbol="BTCUSDT", origClientOrderId="unheard")
        assert (status, body["status"]) == (200, "NEW")

    talking(talk, served)


def test_silence_has_an_end() -> None:
    """A client that never gives up is cut off after `silence_s`."""
    served = exchange(lockstep=True)

    async def talk(session: ClientSession, server: PaperServer) -> None:
        served.script(ScriptedFault(FaultKind.REQUEST_LOST, ROUTE, how="TIMEOUT"))
        with pytest.raises(aiohttp.ClientConnectionError):
            await place(session, server, **ORDER)

    talking(talk, served, silence_s=0.2)
    assert served.orders("main") == []


def test_a_client_that_waits_in_silence_does_not_hold_up_the_end() -> None:
    """Stopping cuts it off after `stop_s`."""
    served = exchange(lockstep=True)

    async def scenario() -> float:
        loop = asyncio.get_running_loop()
        async with ClientSession() as session:
            async with serving(served, stop_s=0.2) as server:
                served.script(ScriptedFault(FaultKind.REQUEST_LOST, ROUTE, how="TIMEOUT"))
                waiting = asyncio.create_task(place(session, server, **ORDER))
                await asyncio.sleep(0.2)
                began = loop.time()
            with pytest.raises(aiohttp.ClientConnectionError):
                await asyncio.wait_for(waiting, 10)
            return loop.time() - began

    assert asyncio.run(scenario()) < 5


@pytest.mark.parametrize(
    ("how", "error"),
    [("RESET", aiohttp.ClientOSError), ("TRUNCATED", aiohttp.ClientPayloadError), ("EMPTY", json.JSONDecodeError)],
)
def test_replies_spoilt_after_the_order_was_accepted(how: str, error: type[Exception]) -> None:
    """A reset, half a body and no body are what the client sees; the order exists each time."""
    served = exchange(lockstep=True)

    async def talk(session: ClientSession, server: PaperServer) -> None:
        served.script(ScriptedFault(FaultKind.RESPONSE_LOST, ROUTE, how=how))
        with pytest.raises(error):
            json.loads(await text_of(session, server))

    async def text_of(session: ClientSession, server: PaperServer) -> str:
        address = f"{server.url}/api/v3/order?{signed(ORDER)}"
        async with session.post(address, headers={"X-MBX-APIKEY": "key-of-main"}) as reply:
            return await reply.text()

    talking(talk, served)
    assert [one["status"] for one in served.orders("main")] == ["NEW"]


def test_latencies_are_real_time() -> None:
    """Command and acknowledgement are waited for, others are served meanwhile."""
    served = exchange(lockstep=True, latency=Latency(command_ms=150, ack_ms=100))

    async def talk(session: ClientSession, server: PaperServer) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        await asyncio.gather(*(place(session, server, **ORDER) for _ in range(5)))
        assert 0.25 <= loop.time() - began < 1.0

    talking(talk, served)


@pytest.mark.parametrize(
    ("verb", "path"),
    [
        ("GET", "/admin/status"),
        ("POST", "/admin/snapshot"),
        ("POST", "/admin/disconnect"),
        ("POST", "/admin/faults"),
        ("POST", "/admin/ack"),
        ("GET", "/admin/state"),
        ("GET", "/admin/no-such-thing"),
    ],
)
def test_administration_needs_the_token(verb: str, path: str) -> None:
    """Without it, and with a wrong one, nothing is told and nothing happens."""

    async def talk(session: ClientSession, server: PaperServer) -> None:
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {TOKEN}é"}):
            async with session.request(verb, server.url + path, headers=headers, data="{}") as reply:
                assert reply.status == 401
                assert TOKEN not in await reply.text()

    talking(talk)


def test_status_tells_where_the_market_stands() -> None:
    """Lock-step with its stage, or a replay with its speed."""

    async def lockstep(session: ClientSession, server: PaperServer) -> None:
        async with session.get(f"{server.url}/admin/status", headers=ADMIN) as reply:
            told = await reply.json()
        assert (told["mode"], told["speed"], told["ended"]) == ("lockstep", None, False)
        assert told["stage"]["waiting"] == ["main"]

    async def replay(session: ClientSession, server: PaperServer) -> None:
        async with (
            session.ws_connect(f"{server.url}/ws"),
            session.get(f"{server.url}/admin/status", headers=ADMIN) as reply,
        ):
            told = await reply.json()
        assert (told["mode"], told["speed"], told["stage"]) == ("replay", 60.0, None)
        assert told["connections"] == 1

    talking(lockstep)
    talking(replay, exchange(), speed=60.0)


def test_faults_are_set_over_http() -> None:
    """From then on the exchange shows them, and a wrong name changes nothing."""

    async def talk(session: ClientSession, server: PaperServer) -> None:
        async with session.post(f"{server.url}/admin/faults", headers=ADMIN, json={"halted": ["BTCUSDT"]}) as reply:
            assert reply.status == 200
        status, body = await ask(session, server, "POST", "/api/v3/order", **ORDER)
        assert (status, body["code"]) == (400, -1013)
        async with session.post(f"{server.url}/admin/faults", headers=ADMIN, json={"haltet": []}) as reply:
            assert reply.status == 400

    talking(talk)


def test_lock_step_moves_by_acknowledgement_over_http() -> None:
    """Refused while a request is open or an event unseen; accepted once replies are out, lost ones included."""
    served = exchange(lockstep=True, latency=Latency(ack_ms=150))

    async def talk(session: ClientSession, server: PaperServer) -> None:
        async def ack(seq: int) -> tuple[int, Any]:
            assert served.stage is not None
            body = {"account": "main", "bar": served.stage.bar, "stage": served.stage.stage, "seq": seq}
            async with session.post(f"{server.url}/admin/ack", headers=ADMIN, json=body) as reply:
                return reply.status, await reply.json()

        async with session.ws_connect(f"{server.url}/ws/btcusdt@kline_1m") as client:
            before_ms = served.now_ms
            placing = asyncio.create_task(place(session, server, **ORDER))
            await asyncio.sleep(0.05)
            status, told = await ack(served.seq("main"))
            assert (status, told["reason"]) == (409, "1 requests are open")
            await placing
            status, told = await ack(0)
            assert (status, told["reason"]) == (409, f"the last private event is {served.seq('main')}, not 0")
            served.script(ScriptedFault(FaultKind.RESPONSE_LOST, ROUTE, how="TIMEOUT"))
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(place(session, server, **ORDER), 0.4)
            assert served.now_ms == before_ms
            assert (await ack(served.seq("main")))[0] == 200
            assert served.now_ms > before_ms
            closed = [await client.receive_json(timeout=10) for _ in range(4)][-1]
            assert (closed["k"]["x"], closed["k"]["T"]) == (True, before_ms + 59_999)

    talking(talk, served)


def test_the_state_is_saved_on_request(tmp_path: Path) -> None:
    """Into the file that the server was given; without one the answer says how to give one."""

    async def unable(session: ClientSession, server: PaperServer) -> None:
        async with session.post(f"{server.url}/admin/snapshot", headers=ADMIN) as reply:
            assert reply.status == 409
            assert "--state" in await reply.text()

    def save() -> Path:
        return tmp_path / "state"

    async def able(session: ClientSession, server: PaperServer) -> None:
        async with session.post(f"{server.url}/admin/snapshot", headers=ADMIN) as reply:
            assert (reply.status, await reply.json()) == (200, {"saved": str(tmp_path / "state")})

    talking(unable)
    talking(able, save=save)


def test_connections_are_ended_on_request() -> None:
    """User streams politely, all connections rudely."""

    async def talk(session: ClientSession, server: PaperServer) -> None:
        async def end(body: object) -> tuple[int, Any]:
            async with session.post(f"{server.url}/admin/disconnect", headers=ADMIN, json=body) as reply:
                return reply.status, await reply.json()

        async with user_stream(session, server) as mine:
            assert await end({"streams": "user"}) == (200, {"ended": 1})
            assert (await mine.receive_json(timeout=10))["event"]["e"] == "eventStreamTerminated"
            assert await end({"streams": "all"}) == (200, {"ended": 1})
            assert (await mine.receive(10)).type is not aiohttp.WSMsgType.TEXT
        for wrong in ({}, [], {"streams": "some"}):
            assert (await end(wrong))[0] == 400

    talking(talk)


def test_socket_doors_refuse_plain_requests() -> None:
    """A browser that opens a stream's address gets a line, not a hanging page."""

    async def talk(session: ClientSession, server: PaperServer) -> None:
        for path in ("/ws", "/stream", "/stream/ws/0", "/ws-api/v3"):
            async with session.get(server.url + path) as reply:
                assert reply.status == 400

    talking(talk)


def test_a_port_in_use_and_a_foreign_address_are_refused() -> None:
    """In one line that says what to do."""

    async def scenario(settings: ServerSettings, line: str) -> None:
        with pytest.raises(UsageError, match=line):
            await PaperServer(exchange(), settings).start()

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        asyncio.run(scenario(ServerSettings("t", port=port), f"port {port} of 127.0.0.1 is in use; give another"))
    asyncio.run(scenario(ServerSettings("t", host="192.0.2.1"), "cannot bind to 192.0.2.1:0: .*; give an address"))


class Broken(PaperExchange):
    """An exchange with a defect."""

    def handle(self, request: Request) -> Reply:
        """Fail as a broken rule does."""
        raise InvariantError("money appeared from nowhere")

    def advance(self, to_ms: int) -> None:
        """Fail as a broken rule does."""
        raise InvariantError("a bar went missing")


@pytest.mark.filterwarnings("ignore")
def test_a_defect_ends_the_exchange() -> None:
    """Whoever runs the server learns of it: a wrong exchange must not go on answering."""

    async def asked() -> None:
        async with serving(exchange(kind=Broken)) as server, ClientSession() as session:
            async with session.get(f"{server.url}/api/v3/ping") as reply:
                assert reply.status == 500
            with pytest.raises(InvariantError, match="from nowhere"):
                await asyncio.wait_for(server.wait_failed(), 10)

    async def replayed() -> None:
        async with serving(exchange(kind=Broken), speed=1e6) as server:
            with pytest.raises(InvariantError, match="went missing"):
                await asyncio.wait_for(server.wait_failed(), 10)

    asyncio.run(asked())
    asyncio.run(replayed())


def test_the_replay_moves_the_market_and_publishes() -> None:
    """At 60,000x a minute passes every millisecond, and who listens hears closed bars."""

    async def talk(session: ClientSession, server: PaperServer) -> None:
        async with session.ws_connect(f"{server.url}/ws/btcusdt@kline_1m") as client:
            closed = 0
            while closed < 3:
                closed += (await client.receive_json(timeout=10))["k"]["x"]

    talking(talk, exchange(), speed=60_000.0)


def test_addresses() -> None:
    """As clients write them, IPv6 in brackets."""
    four = PaperServer(exchange(), ServerSettings("t", port=1))
    six = PaperServer(exchange(), ServerSettings("t", host="::1", port=1))
    assert (four.url, four.ws_url, six.url) == ("http://127.0.0.1:1", "ws://127.0.0.1:1", "http://[::1]:1")

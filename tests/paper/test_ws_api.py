"""The WebSocket API: REST's requests under other names, their errors, and user streams by signature."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp import ClientSession, ClientWebSocketResponse, WSMsgType

from huracan.paper import FaultKind, Latency, PaperExchange, ScriptedFault
from huracan.paper.ws_api import IN_FLIGHT_MAX, METHODS, as_request
from tests.paper.serving import call, exchange, serving

ORDER = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT_MAKER", "quantity": "1", "price": "50"}


def talking(talk: Callable[[ClientWebSocketResponse], Awaitable[None]], served: PaperExchange | None = None) -> None:
    """Run a conversation on one connection."""

    async def scenario() -> None:
        async with (
            serving(served or exchange(lockstep=True)) as server,
            ClientSession() as session,
            session.ws_connect(f"{server.url}/ws-api/v3") as client,
        ):
            await talk(client)

    asyncio.run(scenario())


async def asked(client: ClientWebSocketResponse, message: object) -> dict[str, Any]:
    """Send a message and return the answer to it, passing over events."""
    await (client.send_str(message) if isinstance(message, str) else client.send_json(message))
    for _ in range(10):
        answer = await client.receive_json(timeout=10)
        if "event" not in answer:
            return answer
    raise AssertionError("events only")


def test_an_order_lives_over_one_socket() -> None:
    """Placed, asked for, listed, cancelled; each answer carries the id of its question."""

    async def talk(client: ClientWebSocketResponse) -> None:
        placed = await asked(client, call("order.place", 1, **ORDER, newClientOrderId="mine"))
        assert (placed["id"], placed["status"]) == (1, 200)
        assert placed["result"]["clientOrderId"] == "mine"
        status = await asked(client, call("order.status", 2, symbol="BTCUSDT", origClientOrderId="mine"))
        assert (status["result"]["status"], status["result"]["origQty"]) == ("NEW", "1.00000000")
        listed = await asked(client, call("openOrders.status", 3, symbol="BTCUSDT"))
        assert [one["clientOrderId"] for one in listed["result"]] == ["mine"]
        ended = await asked(client, call("order.cancel", 4, symbol="BTCUSDT", origClientOrderId="mine"))
        assert (ended["result"]["status"], ended["result"]["origClientOrderId"]) == ("CANCELED", "mine")
        account = await asked(client, call("account.status", 5))
        held = {one["asset"]: one for one in account["result"]["balances"]}
        assert float(held["USDT"]["free"]) == 100_000

    talking(talk)


def test_errors_have_status_code_and_message() -> None:
    """As REST's, in the envelope of the WebSocket API."""

    async def talk(client: ClientWebSocketResponse) -> None:
        unknown = await asked(client, call("order.cancel", "a", symbol="BTCUSDT", origClientOrderId="none"))
        assert unknown == {"id": "a", "status": 400, "error": {"code": -2011, "msg": "Unknown order sent."}}
        forged = call("order.place", "b", **ORDER)
        forged["params"]["signature"] = "0" * 64
        assert (await asked(client, forged))["error"]["code"] == -1022
        assert (await asked(client, {"id": "c", "method": "dance"}))["status"] == 400
        for wrong in ("no JSON", "[]", "{}", '{"method": 3}', '{"method": "time", "params": [1]}'):
            answer = await asked(client, wrong)
            assert (answer["status"], answer["error"]["code"]) == (400, -1100)
        assert (await asked(client, {"id": "d", "method": "ping"})) == {"id": "d", "status": 200, "result": {}}

    talking(talk)


def test_user_streams_are_subscribed_once_and_left() -> None:
    """A second subscription of the account on a connection, and leaving one that is not there, are refused."""
    subscribe = "userDataStream.subscribe.signature"

    async def talk(client: ClientWebSocketResponse) -> None:
        assert (await asked(client, call(subscribe, 1)))["result"] == {"subscriptionId": 0}
        assert (await asked(client, call(subscribe, 2)))["error"]["code"] == -2035
        assert (await asked(client, call(subscribe, 3, name="other")))["result"] == {"subscriptionId": 1}
        leave = {"id": 4, "method": "userDataStream.unsubscribe", "params": {"subscriptionId": 0}}
        assert (await asked(client, leave))["status"] == 200
        assert (await asked(client, leave))["error"]["code"] == -2036
        assert (await asked(client, {"id": 5, "method": "userDataStream.unsubscribe"}))["status"] == 200
        forged = call(subscribe, 6)
        forged["params"]["signature"] = "0" * 64
        answer = await asked(client, forged)
        assert (answer["id"], answer["error"]["code"]) == (6, -1022)

    talking(talk, exchange(lockstep=True, names=("main", "other")))


def test_a_slow_request_does_not_hold_up_the_next() -> None:
    """Answers come when they are ready, and too many at a time are refused."""

    async def talk(client: ClientWebSocketResponse) -> None:
        for number in range(IN_FLIGHT_MAX + 1):
            await client.send_json({"id": number, "method": "time"})
        first = await client.receive_json(timeout=10)
        assert (first["id"], first["status"], first["error"]["code"]) == (IN_FLIGHT_MAX, 429, -1003)
        rest = [await client.receive_json(timeout=10) for _ in range(IN_FLIGHT_MAX)]
        assert sorted(answer["id"] for answer in rest) == list(range(IN_FLIGHT_MAX))

    talking(talk, exchange(lockstep=True, latency=Latency(ack_ms=400)))


def test_lost_answers() -> None:
    """Silence: the order is there, the answer never comes; a cut connection; a page instead of an answer."""
    served = exchange(lockstep=True)
    route = "POST /api/v3/order"

    async def silence(client: ClientWebSocketResponse) -> None:
        served.script(ScriptedFault(FaultKind.RESPONSE_LOST, route, how="TIMEOUT"))
        await client.send_json(call("order.place", 1, **ORDER, newClientOrderId="unheard"))
        answer = await asked(client, call("order.status", 2, symbol="BTCUSDT", origClientOrderId="unheard"))
        assert (answer["id"], answer["result"]["status"]) == (2, "NEW")
        served.script(ScriptedFault(FaultKind.RESPONSE_LOST, route, how="HTML"))
        await client.send_json(call("order.place", 3, **ORDER))
        page = await client.receive(10)
        with pytest.raises(ValueError, match="Expecting value"):
            json.loads(page.data)
        served.script(ScriptedFault(FaultKind.RESPONSE_LOST, route, how="RESET"))
        await client.send_json(call("order.place", 4, **ORDER))
        assert (await client.receive(10)).type is not WSMsgType.TEXT

    talking(silence, served)
    assert len(served.orders("main")) == 3


def test_a_message_is_the_request_that_was_signed() -> None:
    """Parameters by name, the signature last, flags as JSON writes them, the key in its header."""
    params = {"symbol": "BTCUSDT", "signature": "s", "apiKey": "k", "isolated": True, "limit": 5}
    request = as_request("order.place", params, "1.2.3.4")
    assert (request.method, request.path, request.client) == ("POST", "/api/v3/order", "1.2.3.4")
    assert request.query == "apiKey=k&isolated=true&limit=5&symbol=BTCUSDT&signature=s"
    assert request.header("x-mbx-apikey") == "k"
    assert as_request("time", {}, "").headers == {}
    assert {verb.split(" ")[0] for verb in METHODS.values()} == {"GET", "POST", "DELETE"}

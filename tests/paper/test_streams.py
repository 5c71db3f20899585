"""SUBSCRIBE and its kin over a real connection: ids echoed, names kept, mistakes told in Binance's form."""

import asyncio
from typing import Any

import pytest
from aiohttp import ClientSession

from huracan.paper.streams import STREAMS_MAX
from tests.paper.serving import exchange, serving


def talk(path: str, *messages: object) -> list[Any]:
    """Return the answers to messages (a text is sent as it is) on one connection."""

    async def scenario() -> list[Any]:
        answers = []
        async with (
            serving(exchange(lockstep=True)) as server,
            ClientSession() as session,
            session.ws_connect(server.url + path) as client,
        ):
            for message in messages:
                await (client.send_str(message) if isinstance(message, str) else client.send_json(message))
                answers.append(await client.receive_json(timeout=10))
        return answers

    return asyncio.run(scenario())


def asks(method: str, *params: object, number: object = 1) -> dict[str, Any]:
    """Return one message."""
    return {"method": method, "params": list(params), "id": number}


LIST = {"method": "LIST_SUBSCRIPTIONS", "id": 99}


def test_streams_are_subscribed_listed_and_left() -> None:
    """Ids are echoed whatever their kind; a stream asked for twice is one."""
    answers = talk(
        "/ws",
        asks("SUBSCRIBE", "btcusdt@trade", "btcusdt@depth@100ms", number=7),
        asks("SUBSCRIBE", "btcusdt@trade", number="seven"),
        LIST,
        asks("UNSUBSCRIBE", "btcusdt@depth@100ms", "btcusdt@kline_1m", number=None),
        LIST,
    )
    assert answers == [
        {"result": None, "id": 7},
        {"result": None, "id": "seven"},
        {"result": ["btcusdt@trade", "btcusdt@depth@100ms"], "id": 99},
        {"result": None, "id": None},
        {"result": ["btcusdt@trade"], "id": 99},
    ]


@pytest.mark.parametrize(
    ("path", "listed"),
    [
        ("/ws/btcusdt@trade", ["btcusdt@trade"]),
        ("/ws/btcusdt@trade/adausdt@kline_1m", ["btcusdt@trade", "adausdt@kline_1m"]),
        ("/stream?streams=btcusdt@trade/adausdt@depth", ["btcusdt@trade", "adausdt@depth"]),
        ("/stream", []),
        ("/stream/ws", []),
        ("/stream/ws/0", []),  # the number that ccxt appends is no stream
        ("/ws/", []),
    ],
)
def test_streams_named_in_the_address(path: str, listed: list[str]) -> None:
    """As /ws/a/b, and as /stream?streams=a/b."""
    assert talk(path, LIST) == [{"result": listed, "id": 99}]


def test_the_envelope_is_a_property() -> None:
    """Off on /ws, on at /stream, and the client may change it."""
    get, on = asks("GET_PROPERTY", "combined"), asks("SET_PROPERTY", "combined", True, number=2)
    assert talk("/ws", get, on, get) == [
        {"result": False, "id": 1},
        {"result": None, "id": 2},
        {"result": True, "id": 1},
    ]
    assert talk("/stream", get)[0]["result"] is True


@pytest.mark.parametrize(
    ("message", "code", "number"),
    [
        ("no JSON", 3, None),
        ("[1]", 2, None),
        ({"method": "SUBSCRIBE", "params": ["btcusdt@trade"], "id": {}}, 2, None),
        ({"method": "SUBSCRIBE", "params": ["btcusdt@trade"], "id": "x" * 37}, 2, None),
        ({"method": "SUBSCRIBE", "params": "btcusdt@trade", "id": 4}, 1, 4),
        (asks("SUBSCRIBE", number=4), 2, 4),
        (asks("SUBSCRIBE", "btcusdt", number=4), 2, 4),
        (asks("SUBSCRIBE", "btcusdt@trade", 5, number=4), 2, 4),
        (asks("UNSUBSCRIBE", "BTCUSDT@trade", number=4), 2, 4),
        (asks("SUBSCRIBE", *(f"c{number}usdt@trade" for number in range(STREAMS_MAX + 1)), number=4), 2, 4),
        (asks("DANCE", number=4), 2, 4),
        (asks("GET_PROPERTY", "colour", number=4), 0, 4),
        (asks("SET_PROPERTY", "combined", 1, number=4), 0, 4),
    ],
)
def test_mistakes_are_told_and_change_nothing(message: object, code: int, number: object) -> None:
    """{"error": {"code", "msg"}, "id"}; the connection goes on with what it had."""
    told, listed = talk("/ws/adausdt@trade", message, LIST)
    assert told["error"]["code"] == code
    assert told["error"]["msg"]
    assert told["id"] == number
    assert listed == {"result": ["adausdt@trade"], "id": 99}

"""The WebSocket API, /ws-api/v3: user streams by signature, and REST's requests by their WebSocket names."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from huracan.paper.sockets import Connection
from huracan.paper.wire import DropHow, Reply, Request

__all__ = ["METHODS", "WebSocketApi"]

METHODS = {
    "ping": "GET /api/v3/ping",
    "time": "GET /api/v3/time",
    "exchangeInfo": "GET /api/v3/exchangeInfo",
    "depth": "GET /api/v3/depth",
    "klines": "GET /api/v3/klines",
    "trades.recent": "GET /api/v3/trades",
    "trades.aggregate": "GET /api/v3/aggTrades",
    "ticker.24hr": "GET /api/v3/ticker/24hr",
    "ticker.price": "GET /api/v3/ticker/price",
    "ticker.book": "GET /api/v3/ticker/bookTicker",
    "order.place": "POST /api/v3/order",
    "order.test": "POST /api/v3/order/test",
    "order.status": "GET /api/v3/order",
    "order.cancel": "DELETE /api/v3/order",
    "openOrders.status": "GET /api/v3/openOrders",
    "openOrders.cancelAll": "DELETE /api/v3/openOrders",
    "orderList.place.oco": "POST /api/v3/orderList/oco",
    "orderList.status": "GET /api/v3/orderList",
    "orderList.cancel": "DELETE /api/v3/orderList",
    "openOrderLists.status": "GET /api/v3/openOrderList",
    "allOrders": "GET /api/v3/allOrders",
    "myTrades": "GET /api/v3/myTrades",
    "account.status": "GET /api/v3/account",
}
"""WebSocket method -> the REST request it is. Signatures hold: both are over `name=value&...` in the order sent."""

IN_FLIGHT_MAX = 200
"""Requests of one connection under way at the same time."""

SUBSCRIPTIONS_MAX = 100
"""User streams of one connection."""

Ask = Callable[[Request], Awaitable[Reply]]
"""Carries out a request with its latencies (`PaperServer.carry_out`)."""

Check = Callable[[Mapping[str, Any]], str | Reply]
"""Checks a signed subscription (`PaperServer.check`)."""


class WebSocketApi:
    """One connection to the WebSocket API.

    Args:
        connection: answers and user events are queued there.
        client: address whose request weight is counted.
        ask: carries out a request.
        check: checks a signed subscription; returns the account's name, or the refusal.
    """

    def __init__(self, connection: Connection, client: str, ask: Ask, check: Check) -> None:
        self._connection = connection
        self._client = client
        self._ask = ask
        self._check = check
        self._tasks: set[asyncio.Task[None]] = set()

    def hear(self, text: str) -> None:
        """Begin to carry out one message; a slow request does not hold up the next one."""
        try:
            asked = json.loads(text)
            number, method, params = asked.get("id"), asked["method"], asked.get("params", {})
            if not isinstance(params, dict) or not isinstance(method, str):
                raise TypeError
        except (ValueError, TypeError, KeyError, AttributeError):
            self._fail(None, 400, -1100, "Illegal characters found in a parameter.")
            return
        if method in METHODS:
            if len(self._tasks) >= IN_FLIGHT_MAX:
                self._fail(number, 429, -1003, f"Too much request weight used; at most {IN_FLIGHT_MAX} at a time.")
                return
            task = asyncio.create_task(self._forward(number, method, params))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        elif method == "userDataStream.subscribe.signature":
            self._subscribe(number, params)
        elif method == "userDataStream.unsubscribe":
            self._unsubscribe(number, params)
        else:
            self._fail(number, 400, -1006, f"Unknown method {method[:60]!r}.")

    async def finish(self) -> None:
        """Wait until what was begun has been carried out: an order in flight outlives its connection."""
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _forward(self, number: Any, method: str, params: dict[str, Any]) -> None:
        reply = await self._ask(as_request(method, params, self._client))
        if reply.drop is None:
            self._connection.send(_answer(number, reply))
        elif reply.drop is not DropHow.TIMEOUT:
            self._connection.cut()

    def _subscribe(self, number: Any, params: dict[str, Any]) -> None:
        found = self._check(params)
        if isinstance(found, Reply):
            self._connection.send(_answer(number, found))
            return
        if len(self._connection.subscriptions) >= SUBSCRIPTIONS_MAX or found in self._connection.subscriptions.values():
            self._fail(number, 400, -2035, "User Data Stream subscription already active.")
            return
        subscription = self._connection.next_subscription
        self._connection.next_subscription += 1
        self._connection.subscriptions[subscription] = found
        self._succeed(number, {"subscriptionId": subscription})

    def _unsubscribe(self, number: Any, params: dict[str, Any]) -> None:
        held = self._connection.subscriptions
        wanted = params.get("subscriptionId")
        if wanted is not None and wanted not in held:
            self._fail(number, 400, -2036, "User Data Stream subscription not active.")
            return
        for subscription in list(held) if wanted is None else [wanted]:
            del held[subscription]
        self._succeed(number, {})

    def _succeed(self, number: Any, result: object) -> None:
        self._connection.send(json.dumps({"id": number, "status": 200, "result": result}))

    def _fail(self, number: Any, status: int, code: int, message: str) -> None:
        error = {"code": code, "msg": message}
        self._connection.send(json.dumps({"id": number, "status": status, "error": error}))


def as_request(method: str, params: dict[str, Any], client: str) -> Request:
    """Return the REST request of a WebSocket one: parameters by name, as they are signed, the signature last."""
    verb, path = METHODS[method].split(" ")
    named = [(name, _text(value)) for name, value in sorted(params.items()) if name != "signature"]
    if "signature" in params:
        named.append(("signature", str(params["signature"])))
    key = params.get("apiKey")
    return Request(
        method=verb,
        path=path,
        query="&".join(f"{name}={value}" for name, value in named),
        headers={} if key is None else {"X-MBX-APIKEY": str(key)},
        client=client,
    )


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _answer(number: Any, reply: Reply) -> str:
    """Return a reply in the WebSocket API's envelope; what a fault made of a body goes out as it is."""
    try:
        body = json.loads(reply.body)
    except ValueError:
        return reply.body
    what = "result" if reply.status < 400 else "error"
    return json.dumps({"id": number, "status": reply.status, what: body})

"""The market streams' protocol: SUBSCRIBE and its kin on /ws and /stream, as Binance spot speaks it."""

import json
import re
from typing import Any

from huracan.paper.sockets import Connection

__all__ = ["MarketStreams"]

STREAMS_MAX = 1_024
"""Streams of one connection."""

_NAME = re.compile(r"[a-z0-9]{2,30}@[A-Za-z0-9_@]{1,40}")
_PACE = re.compile(r"(@depth)@(?:100|1000)ms$")


class MarketStreams:
    """What one connection asked to hear.

    Args:
        connection: its `streams` and `combined` are kept here.
        combined: True on /stream: events come as {"stream": ..., "data": ...}.
    """

    def __init__(self, connection: Connection, combined: bool) -> None:
        self._connection = connection
        connection.combined = combined

    def open_with(self, names: str) -> None:
        """Subscribe to the names in the address, separated by slashes; what is no stream is passed over."""
        wanted = [name for name in names.split("/") if _NAME.fullmatch(name)]
        self._subscribe(wanted[:STREAMS_MAX])

    def hear(self, text: str) -> None:
        """Carry out one message of the client and queue the answer."""
        self._connection.send(json.dumps(self._answer(text)))

    def _answer(self, text: str) -> dict[str, Any]:
        try:
            asked = json.loads(text)
        except ValueError:
            return _error(3, "Invalid JSON: expected value", None)
        if not isinstance(asked, dict):
            return _error(2, "Invalid request: request must be an object", None)
        number = asked.get("id")
        if not (number is None or type(number) is int or (isinstance(number, str) and len(number) <= 36)):
            return _error(2, "Invalid request: request ID must be an integer or a string", None)
        return self._carry_out(asked, number)

    def _carry_out(self, asked: dict[str, Any], number: int | str | None) -> dict[str, Any]:
        method, params = asked.get("method"), asked.get("params", [])
        if not isinstance(params, list):
            return _error(1, "Invalid value type: expected params to be a list", number)
        if method == "LIST_SUBSCRIPTIONS":
            return {"result": list(self._connection.streams.values()), "id": number}
        if method in ("SUBSCRIBE", "UNSUBSCRIBE"):
            return self._change(method == "SUBSCRIBE", params, number)
        if method == "SET_PROPERTY" and len(params) == 2 and params[0] == "combined" and type(params[1]) is bool:
            self._connection.combined = params[1]
            return {"result": None, "id": number}
        if method == "GET_PROPERTY" and params == ["combined"]:
            return {"result": self._connection.combined, "id": number}
        if method in ("SET_PROPERTY", "GET_PROPERTY"):
            return _error(0, "Unknown property", number)
        return _error(2, f"Invalid request: unknown variant {str(method)[:40]!r}", number)

    def _change(self, more: bool, params: list[Any], number: int | str | None) -> dict[str, Any]:
        bad = [name for name in params if not (isinstance(name, str) and _NAME.fullmatch(name))]
        if bad or not params:
            return _error(2, f"Invalid request: no stream {str(bad[0])[:60]!r}" if bad else "Missing params", number)
        if more:
            if len({*self._connection.streams, *map(_canonical, params)}) > STREAMS_MAX:
                return _error(2, f"Invalid request: more than {STREAMS_MAX} streams", number)
            self._subscribe(params)
        else:
            for name in params:
                self._connection.streams.pop(_canonical(name), None)
        return {"result": None, "id": number}

    def _subscribe(self, names: list[str]) -> None:
        for name in names:
            self._connection.streams[_canonical(name)] = name


def _canonical(name: str) -> str:
    """Return the exchange's name of a stream: its depth updates come at their own pace whatever is asked for."""
    return _PACE.sub(r"\1", name)


def _error(code: int, message: str, number: int | str | None) -> dict[str, Any]:
    return {"error": {"code": code, "msg": message}, "id": number}

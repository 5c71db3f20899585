"""What crosses the exchange's door: one request in, one reply out, and events on streams; no sockets here."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

__all__ = ["DropHow", "Reply", "Request", "StreamEvent"]


class DropHow(StrEnum):
    """How a transport spoils a reply instead of sending it."""

    TIMEOUT = "TIMEOUT"
    """Nothing is sent and the connection stays open until the client gives up."""
    RESET = "RESET"
    """The connection is cut before the first byte."""
    TRUNCATED = "TRUNCATED"
    """The headers promise the whole body, half of it is sent, then the connection is cut."""


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request as it came from the wire.

    Attributes:
        method: upper case, "GET".
        path: without query, "/api/v3/order".
        query: raw query string, percent-encoded, without "?".
        body: raw body (`application/x-www-form-urlencoded`; JSON for /admin).
        headers: names in any case.
        client: address whose request weight is counted.
    """

    method: str
    path: str
    query: str = ""
    body: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    client: str = "127.0.0.1"

    def header(self, name: str) -> str | None:
        """Return a header by its name in any case, None when absent."""
        wanted = name.lower()
        return next((value for key, value in self.headers.items() if key.lower() == wanted), None)


@dataclass(frozen=True, slots=True)
class Reply:
    """One HTTP reply.

    Attributes:
        status: HTTP status.
        headers: to be sent with it.
        body: JSON, or what a fault made of it.
        delay_ms: wall time that the transport waits before it sends (latency of the acknowledgement).
        drop: how the transport spoils it; None sends it.
    """

    status: int
    headers: dict[str, str]
    body: str
    delay_ms: int = 0
    drop: DropHow | None = None


@dataclass(frozen=True, slots=True)
class StreamEvent:
    """One event of a public stream or of an account's user stream.

    Attributes:
        stream: "btcusdt@trade", "btcusdt@kline_1m", "btcusdt@bookTicker", "btcusdt@depth", "btcusdt@aggTrade";
            "user" for the user stream.
        account: name of the account the event belongs to; None: public.
        payload: the event as Binance sends it, without an envelope.
        delay_ms: wall time that the transport waits before it sends, from when it was drained.
        seq: number of the event among the account's private ones, from 1; 0 for public events.
    """

    stream: str
    account: str | None
    payload: dict[str, Any]
    delay_ms: int = 0
    seq: int = 0

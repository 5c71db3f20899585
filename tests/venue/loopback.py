"""A small real HTTP server that speaks Binance's public REST, with faults injected by request number."""

import contextlib
import json
import threading
from collections import deque
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

import numpy as np

from huracan.market import TIMEFRAMES, Candles


@dataclass
class FakeTime:
    """A clock that only moves when someone sleeps, and notes for how long."""

    now: int = 1_750_000_000_000
    slept_s: list[float] = field(default_factory=list)

    def now_ms(self) -> int:
        """Return the current time, ms."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Let time pass at once."""
        self.slept_s.append(seconds)
        self.now += max(int(seconds * 1_000), 1)


class LoopbackExchange:
    """Serves klines, exchangeInfo and time of given histories.

    `faults` are used up one per klines request, None meaning a proper answer:
    `"429"`, `"429-unspecified"`, `"418-ban"`, `"500"`, `"html"`, `"reset"`, `"cut"` (fewer bytes than announced),
    `"short"` (half of the page), `"garbage"`, `"shuffled"`, `"403"`.
    `hang_after` klines requests, the next one waits until the exchange stops.
    """

    def __init__(self, candles: list[Candles], now_ms: int, perpetuals: tuple[str, ...] = ()) -> None:
        self.histories = {(c.symbol.split(":")[0].replace("/", ""), c.timeframe): c for c in candles}
        self.symbols = [c.symbol for c in candles]
        self.perpetuals = perpetuals
        self.now_ms = now_ms
        self.faults: deque[str | None] = deque()
        self.used_weight: int | None = None
        self.hang_after: int | None = None
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.hanging = threading.Event()
        self._released = threading.Event()
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        exchange = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_GET(self) -> None:
                exchange.answer(self)

            def log_message(self, format: str, *args: object) -> None:
                """Keep the tests' output quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        return self

    def __exit__(self, *raised: object) -> None:
        self._released.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def klines_requests(self) -> list[dict[str, str]]:
        """Parameters of every klines request that came in."""
        return [params for path, params in self.requests if path.endswith("/klines")]

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        """Answer one request, or fail as told."""
        split = urlsplit(handler.path)
        params = {name: values[0] for name, values in parse_qs(split.query).items()}
        with self._lock:
            self.requests.append((split.path, params))
            is_klines = split.path.endswith("/klines")
            fault = self.faults.popleft() if is_klines and self.faults else None
            hang = is_klines and self.hang_after is not None and len(self.klines_requests) > self.hang_after
        if hang:
            self.hanging.set()
            self._released.wait()
        status, headers, body = self._respond(split.path, params)
        if fault is not None:
            status, headers, body = self._spoil(fault, handler, status, headers, body)
        if self.used_weight is not None:
            headers["X-MBX-USED-WEIGHT-1M"] = str(self.used_weight)
        with contextlib.suppress(ConnectionError):  # the client may have been killed in the meantime
            self._send(handler, status, headers, body)
        if fault in ("cut", "reset"):
            handler.close_connection = True

    def _send(self, handler: BaseHTTPRequestHandler, status: int, headers: dict[str, str], body: bytes) -> None:
        handler.send_response(status)
        for name, text in {"Content-Length": str(len(body)), **headers}.items():
            handler.send_header(name, text)
        handler.end_headers()
        handler.wfile.write(body)

    def _spoil(
        self, fault: str, handler: BaseHTTPRequestHandler, status: int, headers: dict[str, str], body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        if fault == "429":
            return 429, {"Retry-After": "7"}, b'{"code":-1003,"msg":"Too many requests."}'
        if fault == "429-unspecified":
            return 429, {}, b'{"code":-1003,"msg":"Too many requests."}'
        if fault == "418-ban":
            return 418, {"Retry-After": "7200"}, b'{"code":-1003,"msg":"Way too many requests; IP banned."}'
        if fault == "500":
            return 500, {}, b'{"code":-1000,"msg":"An unknown error occurred."}'
        if fault == "403":
            return 403, {}, b"<html>WAF</html>"
        if fault == "html":
            return 200, {}, b"<html>maintenance</html>"
        if fault == "garbage":
            return 200, {}, b'[[1, "x"]]'
        if fault == "reset":
            handler.connection.shutdown(2)
            return status, headers, b""
        if fault == "cut":
            return status, {"Content-Length": str(len(body))}, body[: len(body) // 2]
        rows = json.loads(body)
        rows = rows[: len(rows) // 2] if fault == "short" else rows[::-1]
        return status, headers, json.dumps(rows).encode()

    def _respond(self, path: str, params: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        name = path.rsplit("/", 1)[1]
        futures = path.startswith("/fapi/")
        if name == "time":
            return 200, {}, json.dumps({"serverTime": self.now_ms}).encode()
        if name == "exchangeInfo":
            return 200, {}, json.dumps(self._info(futures)).encode()
        key = (params["symbol"], params["interval"])
        if key not in self.histories:
            return 400, {}, b'{"code":-1121,"msg":"Invalid symbol."}'
        return 200, {}, json.dumps(self._klines(self.histories[key], params)).encode()

    def _info(self, futures: bool) -> dict[str, Any]:
        markets = []
        for symbol in self.symbols:
            pair, _, settle = symbol.partition(":")
            base, quote = pair.split("/")
            if bool(settle) != futures:
                continue
            market = {"symbol": base + quote, "status": "TRADING", "baseAsset": base, "quoteAsset": quote}
            if futures:
                market |= {"contractType": "PERPETUAL", "marginAsset": settle}
                markets.append({**market, "symbol": f"{base}{quote}_260327", "contractType": "CURRENT_QUARTER"})
            markets.append(market)
        limit = {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 1_000}
        return {"serverTime": self.now_ms, "rateLimits": [limit], "symbols": markets}

    def _klines(self, candles: Candles, params: dict[str, str]) -> list[list[Any]]:
        bar_ms = TIMEFRAMES[candles.timeframe]
        start, end = int(params["startTime"]), int(params.get("endTime", 2**62))
        wanted = (candles.timestamp >= start) & (candles.timestamp <= end) & (candles.timestamp <= self.now_ms)
        return [
            [
                int(candles.timestamp[row]),
                *(repr(float(getattr(candles, name)[row])) for name in ("open", "high", "low", "close", "volume")),
                int(candles.timestamp[row]) + bar_ms - 1,
                repr(float(candles.quote_volume[row])),  # type: ignore[index]
                int(candles.trades[row]),  # type: ignore[index]
                repr(float(candles.taker_buy_volume[row])),  # type: ignore[index]
                "0",
                "0",
            ]
            for row in np.flatnonzero(wanted)[: int(params.get("limit", 500))]
        ]

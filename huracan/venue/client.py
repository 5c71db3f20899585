"""ccxt's binance, mended: the same errors on any address, each with the facts of the reply, and no way around us.

What ccxt leaves open and is closed here: exceptions carry only text; error classes depend on the address; numbers
become floats; timestamps come from the machine's clock; debug logs hold the API key; redirects are followed, which
would send an order twice; addresses that were not overridden reach the real exchange.
"""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import ccxt
import ccxt.async_support

from huracan.errors import ConfigError
from huracan.venue.credentials import Credentials

__all__ = [
    "RECV_WINDOW_MS",
    "AsyncBinance",
    "InProcessBinance",
    "SyncBinance",
    "Transport",
    "WireFacts",
    "WireMixin",
    "WireReply",
    "client_config",
    "facts_of",
    "header",
]

RECV_WINDOW_MS = 5_000
"""How long after its timestamp the venue may still admit a request, unless told otherwise."""

_MESSAGE_MAX = 200

_SILENT = logging.getLogger("huracan.venue.silent")
_SILENT.disabled = True


@dataclass(frozen=True, slots=True)
class WireFacts:
    """What came back with an error: HTTP status, the venue's code and words, and how long it asks us to wait."""

    status: int | None = None
    code: int | None = None
    message: str = ""
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True)
class WireReply:
    """One HTTP reply as an in-process venue gives it."""

    status: int
    headers: Mapping[str, str]
    body: str


Transport = Callable[[str, str, Mapping[str, str], str | None], Awaitable[WireReply]]
"""Carries method, address, headers and body to a venue in the same process. `ConnectionError` stands for a lost
connection; not returning within the client's timeout stands for silence."""


def header(headers: Mapping[str, str], name: str) -> str | None:
    """Return a header whatever the case of its name; ccxt copies them into a plain dictionary."""
    wanted = name.lower()
    return next((value for key, value in headers.items() if key.lower() == wanted), None)


def facts_of(error: BaseException) -> WireFacts:
    """Return the facts of the reply behind an exception; empty when no reply came."""
    facts = getattr(error, "facts", None)
    return facts if isinstance(facts, WireFacts) else WireFacts()


def client_config(
    base_url: str | None,
    credentials: Credentials | None = None,
    timeout_ms: int = 10_000,
    ws_url: str | None = None,
    recv_window_ms: int = RECV_WINDOW_MS,
) -> dict[str, Any]:
    """Return the constructor's argument for any of the clients.

    Args:
        base_url: a server that speaks Binance's REST; every address that ccxt knows is moved there. None: Binance.
        credentials: what signs; None for public data.
        timeout_ms: of one request.
        ws_url: a server that speaks its WebSocket API under `/ws-api/v3`; None: Binance, unless `base_url` is given.
        recv_window_ms: how long after its timestamp the venue may still admit a signed request.

    Raises:
        ConfigError: an address is none.
    """
    _refuse_no_address(base_url, ("http://", "https://"), "http://host:port")
    _refuse_no_address(ws_url, ("ws://", "wss://"), "ws://host:port")
    urls: dict[str, Any] = {}
    if base_url is not None:
        known = ccxt.binance().urls["api"]
        urls |= {name: base_url.rstrip("/") + urlsplit(url).path for name, url in known.items() if isinstance(url, str)}
    if base_url is not None or ws_url is not None:
        # without an address of its own, a local REST server must not be paired with the real exchange's stream
        root = (ws_url or "ws://127.0.0.1:9").rstrip("/")
        urls["ws"] = {"spot": f"{root}/stream/ws", "ws-api": {"spot": f"{root}/ws-api/v3"}}
    config: dict[str, Any] = {
        "enableRateLimit": False,  # WeightBudget does it, for all clients of this address together
        "timeout": timeout_ms,
        "options": {
            "defaultType": "spot",
            "fetchMarkets": {"types": ["spot"]},
            "fetchCurrencies": False,
            "fetchMargins": False,
            "recvWindow": recv_window_ms,
        },
    }
    if urls:
        config["urls"] = {"api": urls}
    if credentials is not None:
        config["apiKey"] = credentials.api_key.get_secret_value()
        config["secret"] = credentials.secret.get_secret_value()
    return config


def _refuse_no_address(url: str | None, schemes: tuple[str, ...], example: str) -> None:
    if url is not None and (not url.startswith(schemes) or not urlsplit(url).netloc):
        raise ConfigError(f"{url!r} is no address; write {example}")


class WireMixin:
    """What the three clients share; comes before ccxt's class in the list of bases.

    Attributes:
        on_reply: told status and headers of every reply before it is judged.
        now_ms: our clock, corrected to the venue's; None: the machine's.
    """

    on_reply: Callable[[int, Mapping[str, str]], None] | None = None
    now_ms: Callable[[], int] | None = None
    logger = _SILENT  # ccxt logs headers, the API key among them

    def describe(self) -> dict[str, Any]:
        """Return ccxt's description with spot's error table for addresses that are not Binance's, too."""
        found: dict[str, Any] = super().describe()  # type: ignore[misc]
        spot = found["exceptions"]["spot"]["exact"]
        return self.deep_extend(found, {"exceptions": {"exact": spot}})  # type: ignore[attr-defined]

    def nonce(self) -> int:
        """Return the timestamp to sign, ms."""
        return self.now_ms() if self.now_ms is not None else super().nonce()  # type: ignore[misc]

    def on_json_response(self, body: str) -> Any:
        """Return a reply with exact numbers; NaN and infinities are no JSON."""
        try:
            return json.loads(body, parse_float=Decimal, parse_constant=_refuse_constant)
        except RecursionError:
            raise ValueError("nested without end") from None

    def handle_errors(  # type: ignore[no-untyped-def]
        self, code, reason, url, method, headers, body, response, request_headers, request_body
    ):
        """Raise what ccxt raises for a reply, also for its status alone, with the facts attached."""
        if self.on_reply is not None:
            self.on_reply(code, headers)
        try:
            super().handle_errors(  # type: ignore[misc]
                code, reason, url, method, headers, body, response, request_headers, request_body
            )
            self.handle_http_status_code(code, reason, url, method, body)  # type: ignore[attr-defined]
        except ccxt.BaseError as error:
            error.facts = self._facts(code, headers, response)
            raise

    def _facts(self, status: int, headers: Mapping[str, str], response: Any) -> WireFacts:
        code, message = None, ""
        if isinstance(response, dict):
            found = response.get("code")
            code = found if isinstance(found, int) and not isinstance(found, bool) else None
            message = " ".join(str(response.get("msg", "")).split())[:_MESSAGE_MAX]
        for secret in (self.apiKey, self.secret):  # type: ignore[attr-defined]
            if secret:
                message = message.replace(secret, "***")
        text = header(headers, "Retry-After") or ""
        return WireFacts(status, code, message, float(text) if text.isdecimal() else None)


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


class SyncBinance(WireMixin, ccxt.binance):
    """Blocking client, for downloads."""


class AsyncBinance(WireMixin, ccxt.async_support.binance):
    """Client of an event loop, for an account."""

    timeout_on_exit = 0

    def open(self, lazy: bool = False) -> None:
        """Open the session; redirects are faults, for following one would send the request again elsewhere."""
        before = self.session
        super().open(lazy)
        if self.session is not before and self.session is not None:
            guard = aiohttp.TraceConfig()
            guard.on_request_redirect.append(_refuse_redirect)
            guard.freeze()
            self.session.trace_configs.append(guard)


async def _refuse_redirect(
    session: aiohttp.ClientSession, context: SimpleNamespace, redirect: aiohttp.TraceRequestRedirectParams
) -> None:
    redirect.response.close()
    raise aiohttp.ClientPayloadError("redirected")


class InProcessBinance(AsyncBinance):
    """The same client over a venue in the same process: signing, parsing and errors are ccxt's, the network is not.

    Args:
        config: of `client_config`.
        transport: carries requests; see `Transport`.
    """

    def __init__(self, config: dict[str, Any], transport: Transport) -> None:
        super().__init__(config)
        self._transport = transport

    async def fetch(  # type: ignore[no-untyped-def]
        self, url, method="GET", headers=None, body=None
    ):
        """Carry one request and judge its reply as ccxt does."""
        sent = self.prepare_request_headers(headers)
        try:
            async with asyncio.timeout(self.timeout / 1_000):
                reply = await self._transport(method, url, sent, body)
        except TimeoutError as error:
            raise ccxt.RequestTimeout(f"{self.id} {method}") from error
        except ConnectionError as error:
            raise ccxt.ExchangeNotAvailable(f"{self.id} {method}") from error
        text = reply.body.strip()
        parsed = self.parse_json(text)
        self.handle_errors(  # type: ignore[no-untyped-call]
            reply.status, "", url, method, dict(reply.headers), text, parsed, sent, body
        )
        return parsed if parsed is not None else text

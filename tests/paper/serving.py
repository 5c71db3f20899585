"""Exchanges over small made-up markets, and servers of them inside a test's own event loop or in a thread."""

import asyncio
import hashlib
import hmac
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from aiohttp import ClientSession, ClientWebSocketResponse
from yarl import URL

from huracan.clock import WallClock
from huracan.config import TradingSettings
from huracan.market import Candles, CandleStore, MarketShape, martingale
from huracan.paper import PaperAccount, PaperExchange, PaperMarket, PaperSettings, paper_market
from huracan.paper.server import PaperServer, ServerSettings
from huracan.trading import build_cost_table, infer_instrument, resolve_settings

SYMBOLS = ("ADA/USDT", "BTC/USDT")
PERPETUAL = "ADA/USDT:USDT"
BARS = 3_000
TOKEN = "token-of-the-administrator"


@cache
def candles(symbol: str) -> Candles:
    """Return two days of one-minute candles on which nothing is planted."""
    return martingale(MarketShape(symbol, "1m"), BARS, seed=(*SYMBOLS, PERPETUAL).index(symbol))


@cache
def market(symbol: str) -> PaperMarket:
    """Return a symbol's market under the default rules."""
    kernel = resolve_settings(TradingSettings(), "1m")
    instrument = infer_instrument(candles(symbol), kernel)
    return paper_market(candles(symbol), instrument, build_cost_table(candles(symbol), instrument, kernel))


def account(name: str = "main") -> PaperAccount:
    """Return an account with 100,000 USDT."""
    return PaperAccount(name, f"key-of-{name}", f"secret-of-{name}", {"USDT": Decimal(100_000)})


def start_ms() -> int:
    """Return the middle of the candles."""
    return market("BTC/USDT").open_ms(BARS // 2)


def exchange(
    lockstep: bool = False,
    names: tuple[str, ...] = ("main",),
    kind: type[PaperExchange] = PaperExchange,
    symbols: tuple[str, ...] = SYMBOLS,
    **rules: object,
) -> PaperExchange:
    """Return an exchange that opens in the middle of the candles."""
    settings = PaperSettings(start_ms=start_ms(), lockstep=lockstep, **rules)
    return kind(settings, [market(symbol) for symbol in symbols], [account(name) for name in names], 7, WallClock())


def write_store(root: Path) -> Path:
    """Write the candles as a store and return the folder of their timeframe."""
    store = CandleStore(root)
    for symbol in SYMBOLS:
        store.write(candles(symbol))
    return root / "1m"


@asynccontextmanager
async def serving(served: PaperExchange, save: object = None, **settings: object) -> AsyncIterator[PaperServer]:
    """Serve an exchange on a free port of loopback while the block runs."""
    server = PaperServer(served, ServerSettings(admin_token=TOKEN, **settings), save)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


@contextmanager
def serving_in_a_thread(served: PaperExchange, **settings: object) -> Iterator[PaperServer]:
    """Serve an exchange from a thread, for clients that block."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    server = PaperServer(served, ServerSettings(admin_token=TOKEN, **settings))
    asyncio.run_coroutine_threadsafe(server.start(), loop).result(10)
    try:
        yield server
    finally:
        asyncio.run_coroutine_threadsafe(server.stop(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


def signed(params: dict[str, Any], name: str = "main") -> str:
    """Return the query of a signed request of an account, made now."""
    query = urlencode({**params, "timestamp": time.time_ns() // 1_000_000})
    return f"{query}&signature={sign(query, name)}"


def sign(payload: str, name: str = "main") -> str:
    """Return the signature of an account."""
    return hmac.new(f"secret-of-{name}".encode(), payload.encode(), hashlib.sha256).hexdigest()


async def ask(
    session: ClientSession, server: PaperServer, verb: str, path: str, name: str = "main", **params: Any
) -> tuple[int, Any]:
    """Send a signed request and return status and body."""
    address = f"{server.url}{path}?{signed(params, name)}"
    async with session.request(verb, URL(address, encoded=True), headers={"X-MBX-APIKEY": f"key-of-{name}"}) as reply:
        return reply.status, await reply.json()


async def place(session: ClientSession, server: PaperServer, **params: Any) -> dict[str, Any]:
    """Place an order for `main`, and see to it that it was accepted."""
    status, body = await ask(session, server, "POST", "/api/v3/order", **params)
    assert status == 200, body
    return body


def call(method: str, number: int, name: str = "main", **params: Any) -> dict[str, Any]:
    """Return a signed message of the WebSocket API."""
    whole = {**params, "apiKey": f"key-of-{name}", "timestamp": time.time_ns() // 1_000_000}
    payload = "&".join(f"{key}={value}" for key, value in sorted(whole.items()))
    return {"id": number, "method": method, "params": {**whole, "signature": sign(payload, name)}}


@asynccontextmanager
async def user_stream(
    session: ClientSession, server: PaperServer, name: str = "main"
) -> AsyncIterator[ClientWebSocketResponse]:
    """Connect to the WebSocket API and subscribe to an account's events."""
    async with session.ws_connect(f"{server.url}/ws-api/v3") as client:
        await client.send_json(call("userDataStream.subscribe.signature", 1, name))
        assert await client.receive_json(timeout=10) == {"id": 1, "status": 200, "result": {"subscriptionId": 0}}
        yield client

"""Exchanges over small made-up markets, and servers of them inside a test's own event loop or in a thread."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from decimal import Decimal
from functools import cache
from pathlib import Path

from huracan.clock import WallClock
from huracan.config import TradingSettings
from huracan.market import Candles, CandleStore, MarketShape, martingale
from huracan.paper import PaperAccount, PaperExchange, PaperMarket, PaperSettings, paper_market
from huracan.paper.server import PaperServer, ServerSettings
from huracan.trading import build_cost_table, infer_instrument, resolve_settings

SYMBOLS = ("ADA/USDT", "BTC/USDT")
BARS = 3_000
TOKEN = "token-of-the-administrator"
KEY, SECRET = "key-of-main", "secret-of-main"


@cache
def candles(symbol: str) -> Candles:
    """Return two days of one-minute candles on which nothing is planted."""
    return martingale(MarketShape(symbol, "1m"), BARS, seed=SYMBOLS.index(symbol))


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


def exchange(lockstep: bool = False, names: tuple[str, ...] = ("main",), **rules: object) -> PaperExchange:
    """Return an exchange that opens in the middle of the candles."""
    settings = PaperSettings(start_ms=start_ms(), lockstep=lockstep, **rules)
    return PaperExchange(settings, [market(symbol) for symbol in SYMBOLS], [account(n) for n in names], 7, WallClock())


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

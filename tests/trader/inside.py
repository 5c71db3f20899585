"""A trader inside the test's own process: over a paper exchange on loopback, with its memory in memory."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from huracan.clock import WallClock
from huracan.config import Settings, TradingSettings, load_settings
from huracan.execution.failpoints import no_failpoints
from huracan.execution.memory_store import MemoryDatabase, MemoryStore
from huracan.paper import PaperAccount, PaperExchange, PaperMarket, PaperSettings, paper_market
from huracan.trader.access import Access
from huracan.trader.pulse import MemoryPulse
from huracan.trader.restricting import MemoryRestrictions
from huracan.trader.script import parse_script
from huracan.trader.service import Trader
from huracan.trader.views import MemoryViews
from huracan.trader.wiring import Setup, open_trader
from huracan.trading import build_cost_table, infer_instrument, resolve_settings
from huracan.venue.credentials import Credentials
from tests.paper.serving import serving
from tests.trader.processes import ENTER, SYMBOLS, candles

SYMBOL = "BTC/USDT"
KEY = "key-of-main"
START_ROW = 6_000
CREDENTIALS = Credentials(SecretStr(KEY), SecretStr("secret-of-main"))


@cache
def market(symbol: str) -> PaperMarket:
    """Return a symbol's market under the default rules."""
    kernel = resolve_settings(TradingSettings(), "1m")
    instrument = infer_instrument(candles(symbol), kernel)
    return paper_market(candles(symbol), instrument, build_cost_table(candles(symbol), instrument, kernel))


@dataclass
class Inside:
    """One exchange and what a trader remembers.

    Attributes:
        exchange: the paper exchange itself.
        url: its address.
        settings: whole configuration.
        database, views: the account's memory, which outlives traders.
        home: folder for the journal.
    """

    exchange: PaperExchange
    url: str
    settings: Settings
    database: MemoryDatabase
    views: MemoryViews
    home: Path

    @property
    def store(self) -> MemoryStore:
        """Return a new connection to the account's memory."""
        return MemoryStore(self.database, "main")

    def setup(self, script: str = ENTER, **changes: Any) -> Setup:
        """Return what a trader is made of."""
        plain: dict[str, Any] = {
            "settings": self.settings,
            "access": Access("main", "paper", self.url, "ws" + self.url.removeprefix("http"), CREDENTIALS),
            "script": parse_script(script, 60_000),
            "store": self.store,
            "views": self.views,
            "home": self.home,
            "clock": WallClock(),
            "rng": random.Random(1),
            "failpoints": no_failpoints,
            "restricting": MemoryRestrictions(),
            "pulses": MemoryPulse(),
            "lease_wait_s": 0.0,
            "accept_balances": False,
        }
        return Setup(**{**plain, **changes})

    @asynccontextmanager
    async def trading(self, script: str = ENTER, **changes: Any) -> AsyncIterator[Trader]:
        """Run a trader while the block runs, then stop it as a signal does."""
        stop = asyncio.Event()
        async with open_trader(self.setup(script, **changes)) as trader:
            running = asyncio.ensure_future(trader.run(stop))
            try:
                yield trader
            finally:
                stop.set()
                await running

    def resting(self) -> list[dict[str, Any]]:
        """Return the account's orders that rest at the exchange; one that fills at once or not at all never does."""
        rows = [row for row in self.exchange.orders("main") if row["status"] in ("NEW", "PARTIALLY_FILLED")]
        return [row for row in rows if row["timeInForce"] != "FOK"]

    async def until(self, what: str, find: Callable[[], Any], wait_s: float = 30.0) -> Any:
        """Return what `find` finds, asking until it is there."""
        give_up = asyncio.get_running_loop().time() + wait_s
        while not (found := find()):
            assert asyncio.get_running_loop().time() < give_up, f"{what}: not within {wait_s:g} s"
            await asyncio.sleep(0.05)
        return found


@asynccontextmanager
async def inside(home: Path, quote: str = "100000", speed: float = 240.0, **settings: Any) -> AsyncIterator[Inside]:
    """Open an exchange for two markets; `settings` are dotted keys with two underscores for the dot."""
    markets = [market(symbol) for symbol in SYMBOLS]
    rules = PaperSettings(start_ms=markets[0].open_ms(START_ROW))
    account = PaperAccount("main", KEY, "secret-of-main", {"USDT": Decimal(quote)})
    exchange = PaperExchange(rules, markets, [account], 7, WallClock())
    overrides = {"execution.account": "main", "execution.lease_ttl_s": 3.0, "execution.candles_check_interval_s": 0.05}
    overrides |= {name.replace("__", "."): value for name, value in settings.items()}
    async with serving(exchange, speed=speed) as server:
        yield Inside(
            exchange, server.url, load_settings(None, overrides, {}), MemoryDatabase(WallClock()), MemoryViews(), home
        )


def really(steps: Callable[[], Any], limit_s: float = 60.0) -> None:
    """Run a coroutine in real time, not longer than a minute."""

    async def bounded() -> None:
        async with asyncio.timeout(limit_s):
            await steps()

    asyncio.run(bounded())

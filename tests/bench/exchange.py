"""A paper exchange in a process of its own, a database of its own, and engines that trade between the two.

The exchange runs in lock-step and its market stands still, so that every run meets the same book; the engine's bars go
on, each with the candle at which the exchange stands.
"""

import random
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy
from pydantic import SecretStr

from huracan.clock import WallClock
from huracan.config import DatabaseSettings, Settings
from huracan.execution.commands import Close
from huracan.execution.engine import Engine
from huracan.execution.feed import ClosedCandle, close_of
from huracan.execution.ids import intent_id
from huracan.execution.memory_store import MemoryDatabase, MemoryStore
from huracan.execution.model import Intent, IntentKind
from huracan.execution.ports import EngineSettings, Market
from huracan.execution.postgres_store import PostgresStore
from huracan.execution.store import Store
from huracan.market import CandleStore
from huracan.memory import EmbeddedServer, database_url, open_database, open_run
from huracan.paper.keys import open_keys
from huracan.paper.load import LoadedMarkets, default_start_ms, load_markets
from huracan.trading import ExitReason
from huracan.venue.binance import BinanceVenue
from huracan.venue.budget import WeightBudget
from huracan.venue.client import AsyncBinance, client_config
from huracan.venue.credentials import Credentials
from huracan.venue.orders import Side
from tests.bench.markets import martingales
from tests.execution.world import OpenGate
from tests.trader.processes import World

__all__ = ["ACCOUNTS", "COINS", "Desk", "Floor", "Round", "open_floor"]

COINS, BARS, SIGMA = 25, 6_000, 1e-3
ACCOUNTS = ("postgres", "memory", "raw", "recovery")
NORMAL, NO_LIMIT, LEASE_S = 2, 10**9, 5.0


class TimedBinance(AsyncBinance):
    """The client, noting when it hands each signed POST to the HTTP library; `posts` are (path, perf_counter, s)."""

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__(config)
        self.posts: list[tuple[str, float]] = []

    async def fetch(self, url, method="GET", headers=None, body=None):  # type: ignore[no-untyped-def]
        """Note and send."""
        if method == "POST":
            self.posts.append((url.partition("/api/v3/")[2], time.perf_counter()))
        return await super().fetch(url, method, headers, body)


@dataclass(frozen=True, slots=True)
class Round:
    """Entries with their brackets in some markets at one close, then all of it sold at market.

    Attributes:
        seconds: how long it took.
        posts: orders and order lists that were sent.
        waits_s: from the candle's close being told to each entry's POST.
    """

    seconds: float
    posts: int
    waits_s: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Floor:
    """What all measurements share.

    Attributes:
        url: of the exchange.
        home: HURACAN_HOME of the exchange.
        markets: as the exchange has them.
        row: the last closed bar.
        database: of the ledger.
        run_id: which closed trades belong to.
    """

    url: str
    home: Path
    markets: LoadedMarkets
    row: int
    database: sqlalchemy.Engine
    run_id: int

    @property
    def symbols(self) -> tuple[str, ...]:
        """Return every market."""
        return tuple(market.symbol for market in self.markets.markets)

    def config(self, account: str) -> dict[str, Any]:
        """Return the configuration of an account's ccxt client."""
        return client_config(self.url, self.credentials(account))

    def credentials(self, account: str) -> Credentials:
        """Return what signs for an account."""
        key = open_keys(self.home / "paper" / "keys.json", ()).accounts[account]
        return Credentials(SecretStr(key.api_key), SecretStr(key.secret))

    def postgres(self, account: str) -> PostgresStore:
        """Return a store in the database."""
        return PostgresStore(self.database, account, self.run_id)

    @staticmethod
    def memory(account: str) -> MemoryStore:
        """Return a store in memory."""
        return MemoryStore(MemoryDatabase(WallClock()), account)


@dataclass(slots=True)
class Desk:
    """One engine at the exchange, and the bar at which it stands.

    Attributes:
        floor: where it trades.
        account: whose orders.
        store: its ledger.
        bar: how many bars have closed here.
    """

    floor: Floor
    account: str
    store: Store
    bar: int = 0
    client: TimedBinance = field(init=False)
    venue: BinanceVenue = field(init=False)
    engine: Engine = field(init=False)

    def __post_init__(self) -> None:
        floor, clock = self.floor, WallClock()
        self.client = TimedBinance(floor.config(self.account))
        self.venue = BinanceVenue(
            floor.credentials(self.account),
            floor.url,
            clock=clock,
            budget=WeightBudget(NO_LIMIT),
            rng=random.Random(1),
            client=self.client,
        )
        self.engine = Engine(
            markets={one.symbol: Market(one.instrument, floor.markets.kernel) for one in floor.markets.markets},
            venue=self.venue,
            store=self.store,
            clock=clock,
            risk=OpenGate(),
            settings=EngineSettings(lease_ttl_s=LEASE_S, lease_wait_s=4 * LEASE_S),
            holder=f"bench-{id(self)}",
            folder=floor.home,
        )

    async def enter(self, symbols: Sequence[str]) -> tuple[float, ...]:
        """Close a bar and buy in each market; returns the seconds to each entry's POST once all is at the exchange."""
        self.bar += 1
        closes = {symbol: self._close(symbol) for symbol in self.floor.symbols}
        intents = [self._intent(symbol) for symbol in symbols]
        self.client.posts.clear()
        begun = time.perf_counter()
        await self.engine.on_close(closes)
        await self.engine.on_intents(intents)
        await self.engine.quiesce()
        return tuple(at - begun for path, at in self.client.posts if path == "order")

    async def leave(self, symbols: Sequence[str]) -> None:
        """Sell everything at market."""
        await self.engine.on_intents([], dict.fromkeys(symbols, ExitReason.RISK_EXIT))
        await self.engine.quiesce()

    async def round(self, symbols: Sequence[str]) -> Round:
        """Enter and leave.

        Raises:
            RuntimeError: an order was not sent or is not over: the figures would not be those of the whole protocol.
        """
        begun = time.perf_counter()
        waits_s = await self.enter(symbols)
        await self.leave(symbols)
        seconds, posts = time.perf_counter() - begun, len(self.client.posts)
        if len(waits_s) != len(symbols) or posts != 3 * len(symbols):
            raise RuntimeError(f"{posts} POSTs, {len(waits_s)} of them entries, in {len(symbols)} markets")
        if any(desk.alive for desk in self.engine.desks.values()):
            raise RuntimeError("an order is left after everything was sold")
        return Round(seconds, posts, waits_s)

    async def close(self) -> None:
        """Close the connections."""
        await self.venue.close()
        await self.store.close()

    def _close(self, symbol: str) -> Close:
        market = next(one for one in self.floor.markets.markets if one.symbol == symbol)
        tick, step, bar = market.instrument.tick, market.instrument.step, market.bars[self.floor.row].tolist()
        candle = ClosedCandle(
            symbol, self._open_ms, bar[1] * tick, bar[2] * tick, bar[3] * tick, bar[4] * tick, bar[5] * step, SIGMA
        )
        return close_of(candle, market.instrument, market.costs, self.floor.markets.kernel)

    def _intent(self, symbol: str) -> Intent:
        return Intent(
            intent_id=intent_id(self.account, symbol, self._open_ms, IntentKind.ENTER),
            account=self.account,
            symbol=symbol,
            candle_ms=self._open_ms,
            kind=IntentKind.ENTER,
            side=Side.BUY,
            created_ms=self._open_ms + self.floor.markets.kernel.base_ms,
            action=NORMAL,
        )

    @property
    def _open_ms(self) -> int:
        base_ms = self.floor.markets.kernel.base_ms
        return self.floor.markets.markets[0].open_ms(self.floor.row) + (self.bar - 1) * base_ms


@contextmanager
def open_floor() -> Iterator[Floor]:
    """Run exchange and database while the block runs; nothing of them is left afterwards."""
    home = Path(tempfile.mkdtemp(prefix="huracan-"))
    try:
        database = open_database(DatabaseSettings(), home)
        candles = CandleStore(home / "candles")
        for one in martingales(COINS, BARS).values():
            candles.write(one)
        markets = load_markets(home / "candles" / "1m", Settings())
        row = (default_start_ms(markets, None) - markets.first_ms) // markets.kernel.base_ms - 1
        world = World(home, database_url(DatabaseSettings(), home).get_secret_value())
        words = ["--lockstep", "--balance", f"USDT={NO_LIMIT}"]
        words += ["--weight-limit", str(NO_LIMIT), "--order-limit", str(NO_LIMIT)]
        words += [word for account in ACCOUNTS for word in ("--account", account)]
        with world.exchange(home / "candles" / "1m", *words):
            run_id = open_run(database, "bench", Settings(), "bench", "bench")
            yield Floor(world.url, home, markets, row, database, run_id)
        database.dispose()
    finally:
        EmbeddedServer(home).stop()
        shutil.rmtree(home)

"""Real processes: a paper exchange, traders and commands of `huracan`, over loopback and the session's Postgres."""

import asyncio
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from pydantic import SecretStr

from huracan.clock import WallClock
from huracan.market import Candles, CandleStore, MarketShape, martingale
from huracan.memory import connect
from huracan.paper.keys import open_keys
from huracan.trader.accounts import stored_account
from huracan.trader.status import Status, read_status
from huracan.venue.binance import BinanceVenue
from huracan.venue.budget import WeightBudget
from huracan.venue.credentials import Credentials
from huracan.venue.orders import VenueList, VenueOrder, VenueTrade

PROGRAM = str(Path(sys.executable).with_name("huracan"))
SYMBOLS = ("ADA/USDT", "BTC/USDT")
BARS = 9_000
START = "2025-01-05T12:00:00"
ENTER = '{"every": 1, "symbol": "BTC/USDT", "action": "ENTER_LONG_NORMAL"}'
ROUND_TRIPS = """
{"every": 3, "offset": 0, "symbol": "BTC/USDT", "action": "ENTER_LONG_NORMAL"}
{"every": 3, "offset": 2, "symbol": "BTC/USDT", "action": "EXIT"}
{"every": 2, "symbol": "ADA/USDT", "action": "ENTER_LONG_SMALL"}
"""
WAIT_S = 60.0

T = TypeVar("T")


@cache
def candles(symbol: str) -> Candles:
    """Return six days of one-minute candles on which nothing is planted."""
    return martingale(MarketShape(symbol, "1m"), BARS, seed=SYMBOLS.index(symbol))


def write_candles(root: Path) -> Path:
    """Write the candles as a store and return the folder of their timeframe."""
    store = CandleStore(root)
    for symbol in SYMBOLS:
        store.write(candles(symbol))
    return root / "1m"


def until(what: str, find: Callable[[], T | None], wait_s: float = WAIT_S) -> T:
    """Return what `find` finds, asking until it is there."""
    give_up = time.monotonic() + wait_s
    while True:
        found = find()
        if found:
            return found
        assert time.monotonic() < give_up, f"{what}: not within {wait_s:g} s"
        time.sleep(0.1)


@dataclass
class World:
    """One home with one exchange and one database.

    Attributes:
        home: HURACAN_HOME.
        database_url: of the database.
        url: of the exchange.
    """

    home: Path
    database_url: str
    url: str = ""

    @property
    def environment(self) -> dict[str, str]:
        """Return the environment of its processes."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("HURACAN")}
        own = {"HURACAN_HOME": str(self.home), "HURACAN__DATABASE__URL": self.database_url, "OMP_NUM_THREADS": "1"}
        return kept | own | {"PATH": f"{Path(PROGRAM).parent}:{kept['PATH']}"}

    def run(self, *words: str, told: str | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a command of `huracan` to its end."""
        return subprocess.run(
            [PROGRAM, *words],
            env=self.environment | environment,
            input=told if told is not None else "",
            capture_output=True,
            text=True,
            timeout=WAIT_S,
        )

    def status(self, account: str) -> Status:
        """Return what `trade status` shows."""

        async def read() -> Status:
            async with stored_account(engine, account, 10.0) as found:
                return await read_status(found.store, found.views, WallClock().now_ms())

        engine = connect(self.database_url)
        try:
            return asyncio.run(read())
        finally:
            engine.dispose()

    @contextmanager
    def exchange(self, folder: Path, *words: str) -> Iterator[subprocess.Popen[str]]:
        """Run a paper exchange, and know its address."""
        with self._running(["paper-exchange", "--json", "--data", str(folder), "--port", "0", *words]) as started:
            process, facts = started
            self.url = facts["url"]
            yield process

    @contextmanager
    def program(self, *words: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
        """Run a command of `huracan` that goes on, and yield it with its first line."""
        with self._running(words) as started:
            yield started

    @contextmanager
    def trader(
        self, account: str, script: str, *words: str, **environment: str
    ) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
        """Run a trader that has started, and yield it with its first line; killed at the end when it still runs."""
        path = self.home / f"{account}.jsonl"
        path.write_text(script, encoding="utf-8")
        given = ["trade", "start", "--paper", "--json", "--script", str(path), "--account", account, "--url", self.url]
        with self._running([*given, *words], environment) as started:
            yield started

    @contextmanager
    def _running(
        self, words: Sequence[str], environment: dict[str, str] | None = None
    ) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
        errors = self.home / f"{time.monotonic_ns()}.err"
        with errors.open("w") as file:
            process = subprocess.Popen(
                [PROGRAM, *words],
                env=self.environment | (environment or {}),
                stdout=subprocess.PIPE,
                stderr=file,
                text=True,
            )
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line, errors.read_text()
            yield process, json.loads(line)
        finally:
            process.kill()
            process.wait(WAIT_S)
            process.stdout.close()

    def ask(self, account: str, question: Callable[[BinanceVenue], Any]) -> Any:
        """Ask the exchange itself, as the account."""
        key = open_keys(self.home / "paper" / "keys.json", ()).accounts[account]
        credentials = Credentials(SecretStr(key.api_key), SecretStr(key.secret))

        async def asked() -> Any:
            venue = BinanceVenue(credentials, self.url, None, WallClock(), WeightBudget(6_000), random.Random(1))
            try:
                return await question(venue)
            finally:
                await venue.close()

        return asyncio.run(asked())

    def resting(self, account: str, symbol: str = "BTC/USDT") -> tuple[VenueOrder, ...]:
        """Return the account's open orders at the exchange."""
        found: tuple[VenueOrder, ...] = self.ask(account, lambda venue: venue.open_orders(symbol))
        return found

    def lists(self, account: str) -> tuple[VenueList, ...]:
        """Return the account's open order lists at the exchange."""
        found: tuple[VenueList, ...] = self.ask(account, lambda venue: venue.open_lists())
        return found

    def trades(self, account: str, symbol: str = "BTC/USDT") -> tuple[VenueTrade, ...]:
        """Return the account's trades as the exchange has them."""
        found: tuple[VenueTrade, ...] = self.ask(account, lambda venue: venue.trades(symbol))
        return found

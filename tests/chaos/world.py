"""One exchange, its relay and one database as a chaos test sees them: what was sent, what is written, what is true."""

import asyncio
import hashlib
import hmac
import json
import subprocess
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.parse import urlencode, urlsplit
from urllib.request import Request, urlopen

from huracan.execution.invariants import Sent, Truth, Violation, World, check
from huracan.execution.model import EventLog, Order
from huracan.memory import connect
from huracan.paper.keys import Keys, open_keys
from huracan.trader.accounts import stored_account
from huracan.venue.wire import market_id, parse_balances, parse_order, parse_trade
from tests.chaos.relay import Relay, relaying
from tests.trader import processes
from tests.trader.processes import ENTER, SYMBOLS, until

__all__ = ["BOTH", "HASTY", "QUICK", "SPEED", "Chaos", "chaotic", "exchange_words"]

SPEED = "120x"
HASTY = ("--set", "execution.recv_window_ms=1000", "--set", "execution.timeout_ms=2000")
"""Answers are given up after two seconds, and absence is proven after six."""
QUICK = (*HASTY, "--set", "execution.lease_ttl_s=5", "--wait", "20")
"""The same, and a dead trader's lease ends soon."""
BOTH = ("--symbol", "ADA/USDT")
"""For a script of one market after one of both."""
_HTTP_S = 10.0


def exchange_words(accounts: Sequence[str]) -> list[str]:
    """Return the words of an exchange with these accounts, the same market and the same draws at every start."""
    given = ["--speed", SPEED, "--start", processes.START, "--weight-limit", "1000000", "--seed", "7"]
    return [*given, *(word for name in accounts for word in ("--account", name))]


@dataclass
class Chaos(processes.World):
    """A home, an exchange behind a relay, and a database.

    Attributes:
        symbols: markets.
        exchange_url: of the exchange itself; `url` is the relay's.
        relays: every one that was opened.
        process: the exchange.
    """

    symbols: tuple[str, ...] = SYMBOLS
    exchange_url: str = ""
    relays: list[Relay] = field(default_factory=list)
    process: subprocess.Popen[str] | None = None

    # ---- the exchange's word --------------------------------------------------------------------------------------

    @property
    def keys(self) -> Keys:
        """Return the keys of the exchange."""
        return open_keys(self.home / "paper" / "keys.json", ())

    def admin(self, method: str, path: str, body: Any = None) -> Any:
        """Send a request of the operator, and return the reply."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {self.keys.admin_token}"}
        return _http(f"{self.exchange_url}/admin/{path}", method, data, headers)

    def lose(self, account: str, how: str) -> None:
        """Let the reply to the account's next order be lost."""
        fault = {"kind": "RESPONSE_LOST", "route": "POST /api/v3/order", "account": account, "how": how}
        self.admin("POST", "faults", {"script": [fault]})

    def market_ms(self) -> int:
        """Return the exchange's market time."""
        return int(self.admin("GET", "status")["now_ms"])

    def _signed(self, account: str, path: str, **params: str) -> Any:
        key = self.keys.accounts[account]
        query = urlencode({**params, "timestamp": time.time_ns() // 1_000_000})
        signature = hmac.new(key.secret.encode(), query.encode(), hashlib.sha256).hexdigest()
        url = f"{self.exchange_url}/api/v3/{path}?{query}&signature={signature}"
        return _http(url, headers={"X-MBX-APIKEY": key.api_key})

    def truth(self, account: str) -> Truth:
        """Return the exchange's own record of an account, asked at its own door."""
        orders, trades = [], []
        for symbol in self.symbols:
            name = market_id(symbol)
            orders += [
                parse_order(row, symbol) for row in self._signed(account, "allOrders", symbol=name, limit="1000")
            ]
            trades += [parse_trade(row, symbol) for row in self._signed(account, "myTrades", symbol=name, limit="1000")]
        return Truth(tuple(orders), tuple(trades), parse_balances(self._signed(account, "account")))

    def sent(self, account: str) -> tuple[Sent, ...]:
        """Return every command of an account that left, oldest first."""
        key = self.keys.accounts[account].api_key
        return tuple(sorted((one for relay in self.relays for one in relay.sent.get(key, ())), key=lambda x: x.at_ms))

    def posts(self, account: str) -> Counter[str]:
        """Return how often each client order id was POSTed."""
        return Counter(cid for one in self.sent(account) if one.post for cid in one.cids)

    # ---- the database's word --------------------------------------------------------------------------------------

    def log(self, account: str) -> EventLog:
        """Return the account's whole history from Postgres."""
        return self._read(account)[0]

    def orders(self, account: str) -> tuple[Order, ...]:
        """Return the account's rows, in order of creation."""
        return self.log(account).orders

    def _read(self, account: str) -> tuple[EventLog, dict[str, Any], tuple[Any, ...]]:
        async def read() -> tuple[EventLog, dict[str, Any], tuple[Any, ...]]:
            async with stored_account(engine, account, 10.0) as found:
                log = await found.store.log()
                names = dict.fromkeys(order.draft.intent_id for order in log.orders)
                intents = {name: await found.store.intent(name) for name in names}
                return log, {name: row for name, row in intents.items() if row}, await found.store.state_history()

        engine = connect(self.database_url)
        try:
            return asyncio.run(read())
        finally:
            engine.dispose()

    # ---- both together --------------------------------------------------------------------------------------------

    def violations(self, account: str, converged: bool = True) -> tuple[Violation, ...]:
        """Return which of I1 to I13 do not hold; what changed between two looks at the database counts as one."""
        log, intents, states = self._read(account)
        truth = self.truth(account)
        sent, now_ms = self.sent(account), time.time_ns() // 1_000_000
        if self.log(account) != log:
            return (Violation("I12", "it is changing just now"),)
        return check(World(log, intents, truth, sent, states, now_ms, self.grids), converged)

    @property
    def grids(self) -> dict[str, Any]:
        """Return tick and step of each market."""
        found: dict[str, Any] = {}
        for symbol in self.symbols:
            rules = _http(f"{self.exchange_url}/api/v3/exchangeInfo?symbol={market_id(symbol)}")
            filters = {row["filterType"]: row for row in rules["symbols"][0]["filters"]}
            tick, step = filters["PRICE_FILTER"]["tickSize"], filters["LOT_SIZE"]["stepSize"]
            found[symbol] = (Decimal(tick), Decimal(step))
        return found

    def converge(self, account: str, orders: int = 1, wait_s: float = 30.0) -> EventLog:
        """Wait until nothing is in flight, I1 to I13 hold and every trade of the venue is booked; return the history.

        Args:
            account: whose.
            orders: so many must have been POSTed at least, that the checks speak of something.
            wait_s: longest wait.
        """
        give_up = time.monotonic() + wait_s
        while found := self.violations(account):
            assert time.monotonic() < give_up, f"not converged within {wait_s:g} s: {found}"
            time.sleep(0.3)
        posts, log = self.posts(account), self.log(account)
        assert len(posts) >= orders
        assert set(posts.values()) == {1}, f"POSTed more than once: {posts}"
        assert set(posts) <= {order.cid for order in log.orders}, "an order left without its row"
        return log

    def bracketed(self, account: str) -> EventLog:
        """Wait until something is held and its bracket rests at the venue; return the history, converged."""
        until("a bracket", lambda: self.lists(account))
        return self.converge(account)

    def die(self, account: str, failpoint: str, script: str = ENTER, *words: str) -> int:
        """Run a trader until it dies at a failpoint, and return how it ended."""
        with self.trader(account, script, *QUICK, *words, HURACAN_FAILPOINT=failpoint) as (process, _):
            return process.wait(processes.WAIT_S)

    @contextmanager
    def relayed(self) -> Iterator[Relay]:
        """Open another relay; traders that start in the block go through it."""
        before = self.url
        port = urlsplit(self.exchange_url).port
        assert port is not None
        with relaying(port) as relay:
            self.relays.append(relay)
            self.url = relay.url
            try:
                yield relay
            finally:
                self.url = before


@contextmanager
def chaotic(home: Path, database_url: str, candles: Path, accounts: Sequence[str], *words: str) -> Iterator[Chaos]:
    """Run an exchange behind a relay."""
    world = Chaos(home, database_url)
    print(f"market seeds {tuple(range(len(SYMBOLS)))}, exchange seed 7, from {processes.START} at {SPEED}")
    with world.exchange(candles, *exchange_words(accounts), *words) as process:
        world.exchange_url, world.process = world.url, process
        with world.relayed():
            yield world


def _http(url: str, method: str = "GET", data: bytes | None = None, headers: Mapping[str, str] | None = None) -> Any:
    request = Request(url, data, dict(headers or {}), method=method)  # noqa: S310 - loopback
    try:
        with urlopen(request, timeout=_HTTP_S) as reply:  # noqa: S310 - loopback
            return json.loads(reply.read())
    except URLError as error:
        raise AssertionError(f"{method} {url}: {error}") from error

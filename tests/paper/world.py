"""A small exchange to test against: markets from whole ticks, a clock that stands still, and a client that signs."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import numpy as np

from huracan.paper import (
    PaperAccount,
    PaperExchange,
    PaperMarket,
    PaperSettings,
    Reply,
    Request,
)
from huracan.paper.signing import sign
from huracan.paper.state import AccountState
from huracan.trading import Instrument
from huracan.trading.costs import make_cost_table

START_MS = 1_749_600_000_000
BASE_MS = 60_000
DAY_MS = 86_400_000
KEY, SECRET = "the-key", "the-secret"
ANNA = PaperAccount("anna", KEY, SECRET, {"USDT": Decimal(100_000)})
BERT = PaperAccount("bert", "other-key", "other-secret", {"USDT": Decimal(50_000), "AAA": Decimal(5)})


@dataclass(slots=True)
class StillClock:
    """A wall clock moved by hand."""

    ms: int = 1_790_000_000_000

    def now_ms(self) -> int:
        """Return the time it was set to."""
        return self.ms


def instrument(symbol: str = "AAA/USDT", **changes: Any) -> Instrument:
    """Return an instrument of tick 0.01 and step 0.001."""
    plain = Instrument(symbol, Decimal("0.01"), Decimal("0.001"), Decimal(5), 1000, 1000, False)
    return replace(plain, **changes)


def market(
    bars: Sequence[tuple[int, int, int, int, int]],
    symbol: str = "AAA/USDT",
    spread: int = 2,
    impact: float = 0.0,
    missing: Sequence[int] = (),
    **changes: Any,
) -> PaperMarket:
    """Return a market of (open, high, low, close, volume) in ticks and steps, one a minute from `START_MS`.

    `missing` are minutes left out; `changes` are fields of the instrument.
    """
    minutes = [n for n in range(len(bars) + len(missing)) if n not in missing]
    first = START_MS // BASE_MS
    rows = np.array([(first + n, *bar) for n, bar in zip(minutes, bars, strict=True)], np.int64)
    days = np.arange(START_MS, START_MS + (len(rows) // 1440 + 2) * DAY_MS, DAY_MS, dtype=np.int64)
    costs = make_cost_table(
        symbol,
        days,
        np.full(len(days), spread, np.int64),
        np.full(len(days), 10**6, np.int64),
        np.full(len(days), impact),
    )
    return PaperMarket(instrument(symbol, **changes), "1m", BASE_MS, rows, costs)


FLAT = (10_000, 10_000, 10_000, 10_000, 1_000_000)
"""A bar at 100.00 with volume 1,000."""


class World:
    """One exchange with its clock, and a client for each account."""

    def __init__(
        self,
        markets: Sequence[PaperMarket],
        accounts: Sequence[PaperAccount] = (ANNA,),
        seed: int = 1,
        **settings: Any,
    ) -> None:
        self.clock = StillClock()
        self.settings = PaperSettings(**{"start_ms": START_MS + BASE_MS, "lockstep": True, **settings})
        self.markets, self.accounts, self.seed = markets, accounts, seed
        self.exchange = PaperExchange(self.settings, markets, accounts, seed, self.clock)
        self.events: list[Any] = []

    def send(
        self, method: str, path: str, account: PaperAccount | None = None, /, signed: bool = True, **params: Any
    ) -> Reply:
        """Send one signed request of an account (the first one by default)."""
        account = account or self.accounts[0]
        values = {name: str(value) for name, value in params.items() if value is not None}
        headers = {}
        if signed:
            values.setdefault("timestamp", str(self.clock.ms))
            headers["X-MBX-APIKEY"] = account.api_key
            values["signature"] = sign(urlencode(values), account.secret)
        text = urlencode(values)
        inside = method == "POST"
        request = Request(method, path, query="" if inside else text, body=text if inside else "", headers=headers)
        return self.exchange.handle(request)

    def ok(self, method: str, path: str, account: PaperAccount | None = None, /, **params: Any) -> Any:
        """Send a signed request that must succeed; return its JSON."""
        reply = self.send(method, path, account, **params)
        assert reply.status == 200, reply.body
        assert reply.drop is None
        return json.loads(reply.body)

    def get(self, path: str, **params: Any) -> Any:
        """Read market data."""
        reply = self.send("GET", path, signed=False, **params)
        assert reply.status == 200, reply.body
        return json.loads(reply.body)

    def fails(
        self, method: str, path: str, account: PaperAccount | None = None, /, **params: Any
    ) -> tuple[int, int, str]:
        """Send a signed request that must be refused; return (status, code, message)."""
        reply = self.send(method, path, account, **params)
        assert reply.status != 200, reply.body
        body = json.loads(reply.body)
        return reply.status, body["code"], body["msg"]

    def order(self, side: str, kind: str, account: PaperAccount | None = None, /, **params: Any) -> Any:
        """Place an order that must be taken."""
        return self.ok("POST", "/api/v3/order", account, symbol="AAAUSDT", side=side, type=kind, **params)

    def oco(self, quantity: str, target: str, stop: str, account: PaperAccount | None = None, /, **params: Any) -> Any:
        """Place a sell list that must be taken."""
        return self.ok("POST", "/api/v3/orderList/oco", account, **oco_params(quantity, target, stop), **params)

    def query(self, cid: str, account: PaperAccount | None = None, /) -> Any:
        """Return an order by its client id."""
        return self.ok("GET", "/api/v3/order", account, symbol="AAAUSDT", origClientOrderId=cid)

    def step(self, *names: str) -> None:
        """Ack the stage at hand for the given accounts, else for every one that is waited for."""
        stage = self.exchange.stage
        assert stage is not None
        for name in names or stage.waiting:
            done = self.exchange.ack(name, stage.bar, stage.stage, self.exchange.seq(name))
            assert done.accepted, done.reason

    def bar(self) -> None:
        """Ack until the next bar has closed."""
        before = self.exchange.now_ms
        self.step()
        stage = self.exchange.stage
        if stage is not None and stage.stage == "fills":
            self.step()
        assert self.exchange.now_ms > before

    def drained(self, account: str | None = None) -> list[Any]:
        """Return the events since the last call, of one account's user stream or all."""
        events = self.exchange.drain()
        return events if account is None else [event for event in events if event.account == account]

    def state(self, account: str = "anna") -> AccountState:
        """Return an account's record."""
        return self.exchange._core.account(account)

    def money(self, asset: str, account: str = "anna") -> tuple[Decimal, Decimal]:
        """Return (free, locked)."""
        free, locked = self.exchange.balances(account).get(asset, ("0", "0"))
        return Decimal(free), Decimal(locked)


def oco_params(quantity: str, target: str, stop: str) -> dict[str, str]:
    """Return the parameters of a sell list: LIMIT_MAKER above, STOP_LOSS below."""
    return {
        "symbol": "AAAUSDT",
        "side": "SELL",
        "quantity": quantity,
        "aboveType": "LIMIT_MAKER",
        "abovePrice": target,
        "belowType": "STOP_LOSS",
        "belowStopPrice": stop,
    }

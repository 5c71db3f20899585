"""The engine over the real ccxt code over the paper exchange, all in one process and in virtual time."""

import asyncio
import random
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import SecretStr

from huracan.execution.commands import Close
from huracan.execution.engine import Engine
from huracan.execution.failpoints import Failpoint, Failpoints, no_failpoints
from huracan.execution.ids import intent_id
from huracan.execution.memory_store import MemoryDatabase, MemoryStore
from huracan.execution.model import Intent, IntentKind
from huracan.execution.ports import EngineSettings, Market
from huracan.paper import PaperAccount, PaperExchange, PaperMarket, PaperSettings, RateLimits, Request
from huracan.paper.wire import DropHow
from huracan.risk.live import Approval, Denied, OrderIntent, Reservation
from huracan.trading import KernelSettings
from huracan.trading.settings import View
from huracan.trading.venue_law import Bar, Terms
from huracan.venue.binance import BinanceVenue
from huracan.venue.budget import WeightBudget
from huracan.venue.client import InProcessBinance, WireReply, client_config
from huracan.venue.credentials import Credentials
from huracan.venue.orders import Side
from tests.venue.virtual import LoopClock, VirtualLoop

ACCOUNT = "anna"
KEY, SECRET = "the-key", "the-secret"
NO_LIMITS = RateLimits(weight_1m=10**9, orders_10s=10**9, orders_1d=10**9)
CREDENTIALS = Credentials(SecretStr(KEY), SecretStr(SECRET))


class Killed(BaseException):
    """Stands for SIGKILL: no handler of the code under test may survive it."""


class OpenGate:
    """A risk port that approves everything and remembers what it was told."""

    def __init__(self) -> None:
        self.denied: set[str] = set()
        self.reserved: dict[str, Decimal] = {}
        self.over: list[str] = []

    def check(self, intent: OrderIntent) -> Approval | Denied:
        """Approve, reserving the whole quantity at its cap."""
        assert intent.price is not None
        self.reserved[intent.key] = intent.quantity
        return Approval(
            intent,
            Reservation(
                key=intent.key,
                symbol=intent.symbol,
                side=Side.BUY,
                quantity=intent.quantity,
                price=intent.price,
                stop=intent.stop,
                fee_frac=Decimal("0.001"),
                at_ms=0,
            ),
        )

    def filled(self, key: str, quantity: Decimal) -> None:
        """Release what was filled."""
        self.reserved[key] -= quantity

    def ended(self, key: str, filled: Decimal) -> None:
        """Release the rest."""
        self.reserved.pop(key)
        self.over.append(key)


@dataclass
class World:
    """One exchange, one database, and engines that come and go."""

    market: PaperMarket
    settings: KernelSettings
    start_row: int
    quote: Decimal = Decimal(1_000_000)
    seed: int = 1
    engine_settings: EngineSettings = field(default_factory=EngineSettings)
    folder: Path = field(default_factory=lambda: Path(tempfile.mkdtemp()))
    fee_asset: str | None = None
    extra: dict[str, Decimal] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.clock = LoopClock()
        account = PaperAccount(ACCOUNT, KEY, SECRET, {"USDT": self.quote, **self.extra}, fee_asset=self.fee_asset)
        self.exchange = PaperExchange(
            PaperSettings(
                start_ms=int(self.market.bars[self.start_row, 0] + 1) * self.market.base_ms,
                lockstep=True,
                share_num=self.settings.share_num,
                share_den=self.settings.share_den,
                stop_slip_range_frac=self.settings.stop_slip_range_frac,
                limits=NO_LIMITS,
                streams=(),
            ),
            [self.market],
            [account],
            self.seed,
            self.clock,
        )
        self.database = MemoryDatabase(self.clock)
        self.gate = OpenGate()
        self.row = self.start_row
        self.sent: list[tuple[str, str, str]] = []
        self.before: Callable[[Request], Awaitable[None]] | None = None

    @property
    def symbol(self) -> str:
        """Return the market."""
        return self.market.symbol

    async def carry(self, method: str, url: str, headers: Any, body: str | None) -> WireReply:
        """Carry one request as the network does, spoilt replies included."""
        parts = urlsplit(url)
        request = Request(method, parts.path, parts.query, body or "", dict(headers))
        if self.before is not None:
            await self.before(request)
        self.sent.append((method, parts.path, parts.query + "&" + (body or "")))
        wait_ms = self.exchange.begin(request)
        try:
            await asyncio.sleep(wait_ms / 1_000)
            reply = self.exchange.handle(request)
            self.exchange.drain()
            await asyncio.sleep(reply.delay_ms / 1_000)
        finally:
            self.exchange.end(request)
        if reply.drop is DropHow.TIMEOUT:
            await asyncio.sleep(1e6)
        if reply.drop is not None:
            raise ConnectionResetError
        return WireReply(reply.status, reply.headers, reply.body)

    def venue(self) -> BinanceVenue:
        """Return a new connection to the exchange."""
        client = InProcessBinance(client_config("http://inside", CREDENTIALS, 5_000), self.carry)
        budget = WeightBudget(10**9)
        return BinanceVenue(CREDENTIALS, clock=self.clock, budget=budget, rng=random.Random(1), client=client)

    def store(self) -> MemoryStore:
        """Return a new connection to the database."""
        return MemoryStore(self.database, ACCOUNT)

    def engine(self, failpoints: Failpoints = no_failpoints, holder: str = "one", store: Any = None) -> Engine:
        """Return a new engine, not started."""
        return Engine(
            markets={self.symbol: Market(self.market.instrument, self.settings)},
            venue=self.venue(),
            store=store or self.store(),
            clock=self.clock,
            risk=self.gate,
            settings=self.engine_settings,
            holder=holder,
            folder=self.folder,
            failpoints=failpoints,
        )

    def close(self, row: int | None = None, sigma: float | None = None) -> Close:
        """Return a closed bar as the engine takes it."""
        row = self.row if row is None else row
        market, instrument, day = self.market, self.market.instrument, self.market.day(row)
        terms = Terms(
            spread=int(market.costs.spread[day]),
            impact=float(market.costs.impact[day]),
            maker_ppm=instrument.fee_maker_ppm,
            taker_ppm=instrument.fee_taker_ppm,
            fee_in_quote=instrument.fee_in_quote,
            step_units=instrument.step_units,
            quote_num=instrument.quote_ratio.numerator,
            quote_den=instrument.quote_ratio.denominator,
            share_num=self.settings.share_num,
            share_den=self.settings.share_den,
            kappa=self.settings.stop_slip_range_frac,
        )
        view = View(
            sigma=1e-4 if sigma is None else sigma,
            qcap=int(market.costs.qcap[day]),
            stake=instrument.stake_ticks_steps(self.settings.stake_quote),
            min_notional=instrument.min_notional_ticks_steps,
        )
        return Close(Bar(*market.bars[row].tolist()), terms, view)

    def intent(self, action: int, row: int | None = None) -> Intent:
        """Return the policy's wish at the close of a row."""
        candle_ms = int(self.market.bars[self.row if row is None else row, 0]) * self.market.base_ms
        kind = IntentKind.ENTER if action in (1, 2, 3) else IntentKind.EXIT
        return Intent(
            intent_id=intent_id(ACCOUNT, self.symbol, candle_ms, kind),
            account=ACCOUNT,
            symbol=self.symbol,
            candle_ms=candle_ms,
            kind=kind,
            side=Side.BUY if kind is IntentKind.ENTER else Side.SELL,
            created_ms=candle_ms + self.market.base_ms,
            action=action,
        )

    def step(self) -> str | None:
        """Acknowledge the stage at hand; return the next one."""
        stage = self.exchange.stage
        assert stage is not None
        for name in stage.waiting:
            done = self.exchange.ack(name, stage.bar, stage.stage, self.exchange.seq(name))
            assert done.accepted, done.reason
        self.exchange.drain()
        return self.exchange.stage.stage if self.exchange.stage is not None else None

    async def play(self, engine: Engine) -> None:
        """Let the next bar pass, the engine answering its fills."""
        if self.step() == "fills":
            await engine.poll()
            await engine.quiesce()
            self.step()
        self.row += 1

    async def turn(self, engine: Engine, action: int | None = None) -> None:
        """Play a bar, close it, and decide."""
        await self.play(engine)
        await engine.on_close({self.symbol: self.close()})
        await engine.on_intents([] if action is None else [self.intent(action)])
        await engine.quiesce()


def dying_at(place: Failpoint, skip: int = 0) -> Failpoints:
    """Return failpoints that end the process at the n-th pass of a place."""
    left = [skip]

    def hit(here: Failpoint) -> None:
        if here is place:
            left[0] -= 1
            if left[0] < 0:
                raise Killed(place)

    return hit


def virtually(steps: Callable[[], Awaitable[Any]], limit_s: float = 1e7) -> Any:
    """Run a coroutine in virtual time."""

    async def bounded() -> Any:
        async with asyncio.timeout(limit_s):
            return await steps()

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(bounded())

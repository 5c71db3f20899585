"""Feed, execution, policies and database of a made-up account, small and real: they keep what they are told."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from huracan.errors import DatabaseError
from huracan.execution.model import Intent
from huracan.risk.live import DenialCode, Denied, HaltPolicy
from huracan.signals.backend import AccountStates, Asked, Book, Kept, Problem, Quote, Quotes
from huracan.signals.contract import (
    ErrorCode,
    ModelRow,
    ModelsAnswer,
    OrdersAnswer,
    PositionsAnswer,
    StatusAnswer,
    TradeRow,
    TradesAnswer,
)
from huracan.signals.model import Decisions, FitRows, MarketClose, ServedVersion
from huracan.signals.service import Limits, SignalService
from huracan.trading import Action

MINUTE_MS = 60_000
CLOSE_MS = 1_750_000_020_000
SYMBOLS = ("ADA/USDT", "BTC/USDT", "ETH/USDT")


def version(name: str = "v1", fit: str = "fit-a", scope: str = "*") -> ServedVersion:
    """Return a version that has proven nothing."""
    return ServedVersion(name, scope, "shadow", False, "0" * 64, fit, 77)


def market_close(
    close_ms: int = CLOSE_MS,
    symbols: tuple[str, ...] = SYMBOLS,
    fits: Sequence[str] = ("fit-a",),
    heard_ms: int | None = None,
) -> MarketClose:
    """Return a close whose market rows say which fit they are by: 1 for the first, 2 for the next."""
    count = len(symbols)
    rows = {
        fit: FitRows(
            np.full((count, 52), number, np.float32),
            np.ones(count, np.bool_),
            np.zeros(count, np.float32),
            np.full(count, 1e-3),
            np.ones(count, np.bool_),
        )
        for number, fit in enumerate(fits, 1)
    }
    return MarketClose(close_ms, False, symbols, {}, rows, close_ms if heard_ms is None else heard_ms)


@dataclass
class SetClock:
    """A wall clock that is set by hand."""

    at_ms: int = CLOSE_MS + 1_000

    def now_ms(self) -> int:
        """Return the time it was set to."""
        return self.at_ms


@dataclass
class HeldMarket:
    """The feed as this process has heard it."""

    newest: MarketClose | None = field(default_factory=market_close)
    down: str = ""


@dataclass
class OneAccount:
    """An execution process: approves everything but what it is told to deny, and counts what it is asked."""

    close_ms: int = CLOSE_MS
    symbols: tuple[str, ...] = SYMBOLS
    denied: dict[str, Denied] = field(default_factory=dict)
    void: set[str] = field(default_factory=set)
    fit: str = "fit-a"
    down: BaseException | None = None
    state: str = "ACTIVE"
    halts: list[tuple[HaltPolicy, str, str]] = field(default_factory=list)
    asked: list[tuple[tuple[str, ...], tuple[int, ...]]] = field(default_factory=list)
    decided: list[Asked] = field(default_factory=list)
    memory: tuple[float, ...] = ()
    largest: int = 3
    moves: list[int] = field(default_factory=list)
    pause_s: float = 0.0

    async def states(self) -> AccountStates:
        """Return states whose market rows are all 1, as the first fit's."""
        await self._answer()
        states = np.zeros((len(self.symbols), 80), np.float32)
        states[:, :52] = 1
        states[:, 52 : 52 + len(self.memory)] = self.memory
        return AccountStates("main", self.close_ms, self.symbols, states, (self.fit,) * len(self.symbols))

    async def quote(self, asked: Sequence[Asked]) -> Quotes:
        """Judge; a move that stands ready closes the next candle first."""
        await self._answer()
        self.asked.append((tuple(one.symbol for one in asked), tuple(one.action for one in asked)))
        self.decided += asked
        if self.moves:
            self.close_ms = self.moves.pop(0)
        rows = []
        for one in asked:
            symbol, action = one.symbol, min(one.action, self.largest) if one.action in (1, 2, 3) else one.action
            buys = action in (1, 2, 3) and symbol not in self.void
            quantity, price = (Decimal(action) / 2, Decimal("100.5")) if buys else (None, None)
            rows.append(Quote(symbol, action, quantity, price, self.denied.get(symbol)))
        return Quotes(self.close_ms, tuple(rows))

    async def halt(self, policy: HaltPolicy, author: str, reason: str) -> None:
        """Halt."""
        await self._answer()
        self.state = "HALTED"
        self.halts.append((policy, author, reason))

    async def resume(self, author: str, reason: str) -> None:
        """Trade again."""
        await self._answer()
        self.state = "ACTIVE"

    async def _answer(self) -> None:
        if self.pause_s:
            await asyncio.sleep(self.pause_s)
        if self.down is not None:
            raise self.down


@dataclass(frozen=True)
class RuleBook:
    """A book that enters with one action where the first market entry of the state is what its fit makes it."""

    served: tuple[ServedVersion, ...] = (version(),)
    action: int = Action.ENTER_LONG_NORMAL
    expects: float = 1.0

    @property
    def versions(self) -> Mapping[str, ServedVersion]:
        """Return what decides."""
        return {one.version: one for one in self.served}

    def version_of(self, symbol: str) -> ServedVersion | None:
        """Return the coin's own version, else that of all coins."""
        own = next((one for one in self.served if one.scope == symbol), None)
        return own or next((one for one in self.served if one.scope == "*"), None)

    async def decide(self, close_ms: int, symbols: Sequence[str], states: NDArray[np.float32]) -> Decisions:
        """Decide; another version's rows give another action, which the tests see."""
        right = (states[:, 0] == self.expects) & (states[:, 51] == self.expects)
        action = np.where(right, self.action, int(Action.HOLD)).astype(np.int64)
        probs = np.zeros((len(symbols), 6), np.float32)
        probs[np.arange(len(symbols)), action] = 0.75
        found = [self.version_of(symbol) for symbol in symbols]
        names = tuple("" if one is None else one.version for one in found)
        return Decisions(tuple(symbols), action, probs, np.full(len(symbols), 0.75, np.float32), names)


@dataclass
class HeldPolicies:
    """What is served, replaced by hand."""

    book: Book = field(default_factory=RuleBook)
    problem: str = ""


@dataclass
class MemoryLedger:
    """The database in memory; `down` makes it go away."""

    rows: dict[str, Kept] = field(default_factory=dict)
    intents: dict[str, Intent] = field(default_factory=dict)
    states: list[tuple[str, str]] = field(default_factory=list)
    down: bool = False
    fails_before_intents: bool = False

    async def keep(self, key: str, kept: Kept) -> Kept:
        """Store, or return what stands there."""
        self._answer()
        return self.rows.setdefault(key, kept)

    async def kept(self, key: str) -> Kept | None:
        """Return what stands there."""
        self._answer()
        return self.rows.get(key)

    async def put_intents(self, intents: Sequence[Intent]) -> None:
        """Write down what is not there yet."""
        self._answer()
        if self.fails_before_intents:
            self.fails_before_intents = False
            raise DatabaseError("died in between")
        for intent in intents:
            self.intents.setdefault(intent.intent_id, intent)

    async def halt(self, author: str, reason: str) -> None:
        """Write the state down."""
        self._answer()
        self.states.append((author, reason))

    async def ping(self) -> None:
        """Answer."""
        self._answer()

    async def status(self) -> StatusAnswer:
        """Return an account that nobody trades."""
        self._answer()
        return StatusAnswer(
            account="main", mode="paper", state="ACTIVE", state_author="huracan", state_reason="never changed",
            state_ms=None, breaker=None, holder=None, holder_for_s=0.0, seen_ms=None, market_ms=None, currency="USDT",
            equity="100000", cash="100000", day_result=0.0, limits=(), locks=(), unknown_orders=0,
        )  # fmt: skip

    async def positions(self) -> PositionsAnswer:
        """Return none."""
        self._answer()
        return PositionsAnswer(account="main", market_ms=None, positions=())

    async def orders(self) -> OrdersAnswer:
        """Return none."""
        self._answer()
        return OrdersAnswer(account="main", orders=())

    async def trades(self, since_ms: int, limit: int) -> TradesAnswer:
        """Return one, when it was closed late enough."""
        self._answer()
        row = TradeRow(
            symbol="BTC/USDT", mode="paper", version="v1", entry_ms=CLOSE_MS, exit_ms=CLOSE_MS, entry_price=1.0,
            exit_price=1.0, quantity=1.0, net=0.0, fee=0.0, exit_reason="time_limit", confidence=0.5,
        )  # fmt: skip
        found = (row,) if since_ms <= row.exit_ms else ()
        return TradesAnswer(account="main", trades=found[:limit], more=False)

    async def models(self) -> ModelsAnswer:
        """Return two, one of which is served."""
        self._answer()
        rows = [
            ModelRow(
                version=name, scope="*", stage="shadow", standing="shadow: UNPROVEN", sha256="0" * 64,
                created_time="2025-06-15T15:07:00.000Z", served=False,
            )
            for name in ("v2", "v1")
        ]  # fmt: skip
        return ModelsAnswer(models=tuple(rows), problem="")

    def _answer(self) -> None:
        if self.down:
            raise DatabaseError("database postgresql://h@db/huracan is unreachable: connection refused")


LIMITS = Limits(
    base_ms=MINUTE_MS,
    symbols_max=5,
    decision_timeout_s=0.5,
    feed_age_max_s=180.0,
    ask_timeout_s=0.2,
    halt_policy=HaltPolicy.CANCEL,
)


@dataclass
class World:
    """Everything behind the endpoint."""

    market: HeldMarket = field(default_factory=HeldMarket)
    execution: OneAccount = field(default_factory=OneAccount)
    policies: HeldPolicies = field(default_factory=HeldPolicies)
    ledger: MemoryLedger = field(default_factory=MemoryLedger)
    clock: SetClock = field(default_factory=SetClock)
    limits: Limits = LIMITS

    def service(self) -> SignalService:
        """Return the service over these parts; they may be changed afterwards."""
        return SignalService(self.market, self.execution, self.policies, self.ledger, self.clock, self.limits)

    def next_close(self, account_too: bool = True) -> int:
        """Close the next candle and return when."""
        assert self.market.newest is not None
        at_ms = self.market.newest.close_ms + MINUTE_MS
        self.clock.at_ms += MINUTE_MS
        self.market.newest = replace(self.market.newest, close_ms=at_ms, heard_ms=self.clock.at_ms)
        if account_too:
            self.execution.close_ms = at_ms
        return at_ms


def denied(code: DenialCode, detail: str = "") -> Denied:
    """Return risk's refusal."""
    return Denied(code, float("nan"), float("nan"), detail)


def code(found: object) -> ErrorCode:
    """Return why there is no answer, which there must not be."""
    assert isinstance(found, Problem), found
    return found.code


# ---- what can be wrong ----


def stale(world: World) -> None:
    """A candle is overdue."""
    world.clock.at_ms += 241_000


def no_candle(world: World) -> None:
    """None has come yet."""
    world.market.newest = None


def feed_down(world: World) -> None:
    """The feed does not answer."""
    world.market.down = "the feed does not answer"


def nothing_served(world: World) -> None:
    """No version is served."""
    world.policies.book = RuleBook(served=())


def execution_down(world: World) -> None:
    """Nobody trades."""
    world.execution.down = ConnectionError("the execution process does not answer")


def execution_slow(world: World) -> None:
    """Whoever trades takes too long to answer."""
    world.execution.pause_s = 3.0


def database_down(world: World) -> None:
    """The database is away."""
    world.ledger.down = True


def tampered(world: World) -> None:
    """An artefact was changed."""
    world.policies.problem = "v2: policy.safetensors was changed after export"

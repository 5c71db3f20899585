"""What stands behind the HTTP routes, and what that asks of feed, execution, policies and database.

`Backend` is what the routes call. The four ports are what its implementation (`huracan.signals.service`) is made of:
actors asked by handle, or plain objects in one process. A port that does not answer raises `ConnectionError` or
`TimeoutError`, the database `DatabaseError`; whoever asks turns them into a `Problem`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from huracan.execution.model import Intent
from huracan.risk.live import Denied, HaltPolicy
from huracan.signals.contract import (
    ErrorCode,
    HealthAnswer,
    MetricsAnswer,
    ModelsAnswer,
    OrdersAnswer,
    PositionsAnswer,
    SignalsAnswer,
    SignalsRequest,
    StateAnswer,
    StatusAnswer,
    TradesAnswer,
)
from huracan.signals.model import Decisions, MarketClose, ServedVersion

__all__ = [
    "AccountStates",
    "Asked",
    "Backend",
    "Book",
    "Execution",
    "Kept",
    "Ledger",
    "Market",
    "Policies",
    "Problem",
    "Quote",
    "Quotes",
]


@dataclass(frozen=True, slots=True)
class Problem:
    """Why there is no answer, as a value; `code` says which HTTP status it is."""

    code: ErrorCode
    message: str


@dataclass(frozen=True, slots=True, eq=False)
class AccountStates:
    """The complete states of one account at a close.

    Attributes:
        account: name in the ledger.
        close_ms: which close, ms UTC, market clock.
        symbols: markets traded, sorted, one a row.
        states: float32[N, 80], as the trading loop decides on them.
        fits: sha256 of the feature fit that entries 0 to 51 and 79 of each row are made by.
    """

    account: str
    close_ms: int
    symbols: tuple[str, ...]
    states: NDArray[np.float32]
    fits: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Quote:
    """What an action would order now, and risk's word on it; nothing is reserved and nothing written.

    Attributes:
        symbol: market.
        action: what would be ordered; of an entry larger than remedies allow, the largest that is not.
        quantity: coins to be bought at most; None: nothing would be bought.
        price: worst price of the entry; None with `quantity`.
        denied: why risk refuses it; None: it does not.
    """

    symbol: str
    action: int
    quantity: Decimal | None
    price: Decimal | None
    denied: Denied | None


@dataclass(frozen=True, slots=True)
class Asked:
    """An action that somebody wants risk's word on.

    Attributes:
        symbol: market.
        action: code of `huracan.trading.Action`.
        policy: version that decided.
        confidence: 0 to 1.
        state: float32[80] that it was decided on, as 320 little-endian bytes.
    """

    symbol: str
    action: int
    policy: str
    confidence: float
    state: bytes


@dataclass(frozen=True, slots=True)
class Quotes:
    """Quotes of one question, as of the close at which the engine stands."""

    close_ms: int
    rows: tuple[Quote, ...]


@dataclass(frozen=True, slots=True)
class Kept:
    """What an `Idempotency-Key` stands for.

    Attributes:
        body_sha256: of the request that it came with first.
        answer: the answer, JSON.
        intents: to be written down with it; ids are functions of what they name, so writing them again changes nothing.
    """

    body_sha256: str
    answer: str
    intents: tuple[Intent, ...]


class Market(Protocol):
    """The feed, as this process has heard it."""

    @property
    def newest(self) -> MarketClose | None:
        """Return the newest close; None before the first."""
        ...

    @property
    def down(self) -> str:
        """Return why the feed does not answer; "" when it does."""
        ...


class Execution(Protocol):
    """The actor that trades the account. Each method may raise `ConnectionError` or `TimeoutError`."""

    async def states(self) -> AccountStates:
        """Return the account's states at the newest close that it has carried out."""
        ...

    async def quote(self, asked: Sequence[Asked]) -> Quotes:
        """Preview and judge actions at the last close, in the order of their symbols; nothing is reserved.

        Each approval counts for the ones after it, as in the trading loop.
        """
        ...

    async def halt(self, policy: HaltPolicy, author: str, reason: str) -> None:
        """Halt; returns when nothing rests at the venue any more, which was seen.

        Raises:
            TimeoutError: the state is HALTED, and the proof has not come in time.
        """
        ...

    async def resume(self, author: str, reason: str) -> None:
        """Trade again."""
        ...


class Book(Protocol):
    """Loaded versions that belong together; never changes, so that whoever holds one is not changed under."""

    @property
    def versions(self) -> Mapping[str, ServedVersion]:
        """Return by name what decides; empty: nothing is served."""
        ...

    def version_of(self, symbol: str) -> ServedVersion | None:
        """Return who decides on a market, None when nobody does."""
        ...

    async def decide(self, close_ms: int, symbols: Sequence[str], states: NDArray[np.float32]) -> Decisions:
        """See `huracan.signals.model.DecisionMaker`."""
        ...


class Policies(Protocol):
    """The served versions, loaded; `book` is replaced as a whole when the registry wants others."""

    @property
    def book(self) -> Book:
        """Return what decides now."""
        ...

    @property
    def problem(self) -> str:
        """Return why what decides is not what the registry wants served; "" when it is."""
        ...


class Ledger(Protocol):
    """The database of the account and of the models. Each method raises `DatabaseError` when it does not answer."""

    async def keep(self, key: str, kept: Kept) -> Kept:
        """Store what a key stands for, or return what it has stood for since it was first used; one transaction."""
        ...

    async def kept(self, key: str) -> Kept | None:
        """Return what a key stands for, None when it was never used."""
        ...

    async def put_intents(self, intents: Sequence[Intent]) -> None:
        """Write intents down as OPEN; those that are there already stay as they are."""
        ...

    async def halt(self, author: str, reason: str) -> None:
        """Write down that trading is halted; a trader obeys when it sees it."""
        ...

    async def ping(self) -> None:
        """Return when the database has answered."""
        ...

    async def status(self) -> StatusAnswer:
        """Return the account as the database has it."""
        ...

    async def positions(self) -> PositionsAnswer:
        """Return what is held."""
        ...

    async def orders(self) -> OrdersAnswer:
        """Return the orders that are not over."""
        ...

    async def trades(self, since_ms: int, limit: int) -> TradesAnswer:
        """Return closed trades, newest first."""
        ...

    async def models(self) -> ModelsAnswer:
        """Return the registry's versions, newest first."""
        ...


class Backend(Protocol):
    """What the routes ask; every refusal is a `Problem`."""

    async def signals(self, request: SignalsRequest, key: str | None, author: str) -> SignalsAnswer | Problem:
        """Decide for the markets asked for; with `execute` write down an intent for each approved one.

        Args:
            request: validated.
            key: of the request, by which a repetition is known; None: it has none.
            author: name of the caller's token; keys of different callers are different keys.
        """
        ...

    async def health(self) -> HealthAnswer:
        """Return what works and what does not."""
        ...

    async def status(self) -> StatusAnswer | Problem:
        """See `Ledger.status`."""
        ...

    async def positions(self) -> PositionsAnswer | Problem:
        """See `Ledger.positions`."""
        ...

    async def orders(self) -> OrdersAnswer | Problem:
        """See `Ledger.orders`."""
        ...

    async def trades(self, since_ms: int, limit: int) -> TradesAnswer | Problem:
        """See `Ledger.trades`."""
        ...

    async def models(self) -> ModelsAnswer | Problem:
        """See `Ledger.models`, with what this replica has loaded."""
        ...

    async def metrics(self) -> MetricsAnswer:
        """Return figures of this replica and of what it serves."""
        ...

    async def halt(self, policy: HaltPolicy | None, author: str, reason: str) -> StateAnswer | Problem:
        """Stop trading; None: as `risk.halt_policy` says."""
        ...

    async def resume(self, author: str, reason: str) -> StateAnswer | Problem:
        """Trade again."""
        ...

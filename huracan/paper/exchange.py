"""The exchange's front door: requests in, replies and stream events out, market time moved from outside."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from huracan.clock import Clock
from huracan.paper.faults import Faults, ScriptedFault
from huracan.paper.market import PaperMarket
from huracan.paper.settings import PaperAccount, PaperSettings
from huracan.paper.wire import Reply, Request, StreamEvent

__all__ = ["AckOutcome", "LockStage", "PaperExchange"]


@dataclass(frozen=True, slots=True)
class LockStage:
    """Where a lock-step exchange waits: `bar` and `stage` ("fills" or "close"), and for which accounts' acks."""

    bar: int
    stage: str
    waiting: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AckOutcome:
    """Answer to an ack: accepted (200), or why not (409)."""

    accepted: bool
    reason: str = ""


class PaperExchange:
    """A Binance-spot-compatible exchange over candles; see the package's first lines for its rules.

    Args:
        settings: how it runs.
        markets: at least one; venue symbols are unique.
        accounts: at least one; names and keys are unique.
        seed: of its random generators.
        clock: wall clock: signing, request weights, latencies. Market time is the exchange's own.

    A transport does, for each request: `wait = begin(request)`; sleep `wait` ms; `reply = handle(request)`; sleep
    `reply.delay_ms`; send or spoil it; `end(request)`. Afterwards (and after `advance`) it drains the events.
    """

    def __init__(
        self,
        settings: PaperSettings,
        markets: Sequence[PaperMarket],
        accounts: Sequence[PaperAccount],
        seed: int,
        clock: Clock,
    ) -> None: ...

    faults: Faults
    """Replace it at any time (or POST /admin/faults)."""

    request_log: Sequence[tuple[int, Request]]
    """(wall ms, request) of each one that reached the exchange, the newest 100,000."""

    @property
    def now_ms(self) -> int:
        """Return the market clock."""
        raise NotImplementedError

    @property
    def stage(self) -> LockStage | None:
        """Return where lock-step waits; None in free run and after the last bar."""
        raise NotImplementedError

    @property
    def ended(self) -> bool:
        """Return whether every market's last bar has closed."""
        raise NotImplementedError

    def begin(self, request: Request) -> int:
        """Note that a request is under way; return the latency of the command, wall ms."""
        raise NotImplementedError

    def handle(self, request: Request) -> Reply:
        """Carry out one request at once (also /admin/faults, /admin/ack, /admin/external, /admin/state)."""
        raise NotImplementedError

    def end(self, request: Request) -> None:
        """Note that the reply was sent or lost."""
        raise NotImplementedError

    def advance(self, to_ms: int) -> None:
        """Free run: move the market clock to `to_ms`, matching each phase on the way."""
        raise NotImplementedError

    def next_ms(self) -> int | None:
        """Free run: return the market time of the next phase, None after the last bar."""
        raise NotImplementedError

    def ack(self, account: str, bar: int, stage: str, seq: int) -> AckOutcome:
        """Lock-step: an account has finished with a stage; time moves when all have."""
        raise NotImplementedError

    def drain(self) -> list[StreamEvent]:
        """Return the events since the last call, in the order in which they are to be sent."""
        raise NotImplementedError

    def subscribe(self, params: Mapping[str, Any]) -> str | Reply:
        """Check a signed `userDataStream.subscribe.signature`; return the account's name, or the refusal."""
        raise NotImplementedError

    def script(self, fault: ScriptedFault) -> None:
        """Add a one-shot fault."""
        raise NotImplementedError

    def trades(self, account: str) -> list[dict[str, Any]]:
        """Return every trade of an account as myTrades shows it, with `symbol`: the truth for tests."""
        raise NotImplementedError

    def orders(self, account: str) -> list[dict[str, Any]]:
        """Return every order of an account as allOrders shows it: the truth for tests."""
        raise NotImplementedError

    def balances(self, account: str) -> dict[str, tuple[str, str]]:
        """Return (free, locked) by asset: the truth for tests."""
        raise NotImplementedError

    def external_order(self, account: str, params: Mapping[str, str]) -> Reply:
        """Place an order on the account that its trader did not send (parameters of POST /api/v3/order)."""
        raise NotImplementedError

    def deposit(self, account: str, asset: str, amount: str) -> None:
        """Add to (or with a minus take from) the free balance of an account."""
        raise NotImplementedError

    def snapshot(self) -> bytes:
        """Return the whole state as JSON bytes."""
        raise NotImplementedError

    def restore(self, state: bytes) -> None:
        """Take over a snapshot of an exchange made with the same arguments."""
        raise NotImplementedError

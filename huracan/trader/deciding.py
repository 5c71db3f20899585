"""Where decisions come from: a script, or the served versions, each decided on its own state and written down first."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

import numpy as np

from huracan.clock import Clock
from huracan.errors import DatabaseError, InvariantError
from huracan.execution.desk import Desk
from huracan.logs import get_logger
from huracan.policy import CERTAIN, Sureness
from huracan.shadow.trades import regime_of
from huracan.signals.model import DecisionMaker, MarketClose, ServedVersion
from huracan.signals.states import Seat, StateBook
from huracan.trader.decided import Decided, DecisionLog
from huracan.trader.script import Script
from huracan.trading import Action, Instrument, Limits
from huracan.trees import Remembers

__all__ = ["Decider", "PolicyDecider", "ScriptDecider", "Who", "Wish"]

_AGAIN_S = 0.2
_NO_OPS = (int(Action.DO_NOTHING), int(Action.HOLD))

Who = Callable[[str], ServedVersion | None]
"""Returns the version that decides on a market."""
Memory = Callable[[str], Remembers | None]
"""Returns what that version remembers."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What is wanted of one market at a close.

    Attributes:
        symbol: market.
        action: code of `Action`.
        policy: who decided.
        confidence: 0 to 1.
        regime: market regime of the state; -1: unknown.
        state: float32[80] as 320 little-endian bytes; empty where no state was decided on.
        decided_ms: wall clock at which it was decided; 0: by a script.
        layout: identifies the features behind the state (`huracan.patterns.state_layout`); 0: unknown, or no state.
    """

    symbol: str
    action: int
    policy: str
    confidence: float = 0.0
    regime: int = -1
    state: bytes = b""
    decided_ms: int = 0
    layout: int = 0

    @property
    def acts(self) -> bool:
        """Return whether it asks for anything."""
        return self.action not in _NO_OPS


class Decider(Protocol):
    """Whoever says what is wanted at a close."""

    async def decide(self, close: MarketClose, desks: Mapping[str, Desk]) -> tuple[Wish, ...]:
        """Return what is wanted, at most one wish a market; fills of the closed bars are booked."""
        ...


class ScriptDecider:
    """A script of decisions; it knows no state.

    Args:
        script: its steps.
        base_ms: length of a bar.
    """

    def __init__(self, script: Script, base_ms: int) -> None:
        self._script, self._base_ms = script, base_ms

    async def decide(self, close: MarketClose, desks: Mapping[str, Desk]) -> tuple[Wish, ...]:
        """See `Decider`."""
        due = self._script.due(close.close_ms, self._base_ms)
        return tuple(Wish(symbol, int(action), self._script.policy) for symbol, action in sorted(due.items()))


class PolicyDecider:
    """The served versions.

    A decision is written down before it is returned, with its states and the account that they were made of. Asked
    again for the same close, which only a trader that has died there does, it says the same.

    Args:
        maker: decides on states.
        who: the version of a market; its fit says which features its state is made of.
        memory: what that version remembers.
        log: where decisions are kept.
        instruments: every market of the account.
        limits: of the account.
        cash: quote currency that the account has; None: not known.
        clock: wall clock.
        timeout_s: from a close being heard until it must be decided on; None: time stands still until it is.
        sureness: what is made of a version's confidence, as in shadow.
    """

    def __init__(
        self,
        maker: DecisionMaker,
        who: Who,
        memory: Memory,
        log: DecisionLog,
        instruments: Mapping[str, Instrument],
        limits: Limits,
        cash: Callable[[], Decimal | None],
        clock: Clock,
        timeout_s: float | None,
        sureness: Sureness = CERTAIN,
    ) -> None:
        self.maker, self.who, self._memory = maker, who, memory
        self._log, self._limits, self._clock, self._timeout_s = log, limits, clock, timeout_s
        self._tick_step = {symbol: float(one.tick_step_quote) for symbol, one in instruments.items()}
        self._cash, self._sureness = cash, sureness
        self._book: StateBook | None = None
        self._last: Decided | None = None

    @property
    def book(self) -> StateBook | None:
        """Return the account of states; None before the first decision."""
        return self._book

    @property
    def last(self) -> Decided | None:
        """Return the last decision, None before the first."""
        return self._last

    async def open(self, anew: bool = False) -> None:
        """Go on where the account's last decision left it; `anew`: the balance was changed by hand, begin again.

        Raises:
            DatabaseError: the log does not answer.
        """
        found = None if anew else await self._log.newest()
        if found is not None:
            self._last = found
            self._book = StateBook.from_bytes(found.book, self._limits)

    def outlook(self, seats: Mapping[str, Seat]) -> StateBook | None:
        """Return the account of states to look at: before the first decision the one that it would begin with.

        None as long as the account's balance is not known.
        """
        return self._begin(seats) if self._book is None else self._book

    def seats(self, desks: Mapping[str, Desk]) -> dict[str, Seat]:
        """Return the account's markets as states are written from them."""
        found = {}
        for symbol, desk in desks.items():
            who, planner = self.who(symbol), desk.planner
            fit = None if who is None else who.fit
            worth, memory = self._tick_step[symbol], self._memory(symbol)
            found[symbol] = Seat(planner.position, planner.close, planner.rules, worth, fit, memory)
        return found

    def warm(self, close: MarketClose, seats: Mapping[str, Seat]) -> tuple[str, ...]:
        """Return the markets that can be decided on at a close: a bar, a version, warm machines."""
        return tuple(symbol for symbol in sorted(seats) if _row(close, symbol, seats[symbol], "ready"))

    async def decide(self, close: MarketClose, desks: Mapping[str, Desk]) -> tuple[Wish, ...]:
        """See `Decider`; nothing when the answer comes too late.

        Raises:
            DatabaseError: it could not be written down in time; nothing is to be sent.
        """
        if self._last is not None and self._last.close_ms >= close.close_ms:
            return self._wishes(self._last) if self._last.close_ms == close.close_ms else ()
        seats = self.seats(desks)
        due = tuple(s for s in self.warm(close, seats) if _row(close, s, seats[s], "due"))
        if not due:
            return ()
        book = self._begin(seats) if self._book is None else self._book.copy()
        if book is None:
            return ()
        states = book.write(close, seats, due)
        expected = {symbol: self.who(symbol) for symbol in due}
        left_s = self._left_s(close)
        if left_s is not None and left_s <= 0:
            get_logger().error("decision.too_late", close_ms=close.close_ms, heard_ms=close.heard_ms)
            return ()
        while True:
            try:
                async with asyncio.timeout(left_s):
                    found = await self.maker.decide(close.close_ms, due, states)
                break
            except (TimeoutError, ConnectionError) as error:
                get_logger().error("decision.missing", close_ms=close.close_ms, reason=str(error) or repr(error))
                if self._timeout_s is not None:
                    return ()
                await asyncio.sleep(_AGAIN_S)
        if found.symbols != due:
            raise InvariantError(f"decided on {found.symbols} instead of {due}")
        for symbol, version in zip(due, found.version, strict=True):
            one = expected[symbol]
            if one is None or version != one.version:  # its state is of another version's features
                get_logger().error("decision.of_another", symbol=symbol, close_ms=close.close_ms, version=version)
                return ()
        decided = Decided(
            close.close_ms,
            close.heard_ms or self._clock.now_ms(),
            self._clock.now_ms(),
            due,
            found.action,
            self._sureness.lowered(found.action, found.confidence, states),
            found.version,
            states,
            book.to_bytes(),
        )
        await self._keep(decided)
        self._last, self._book = decided, book
        return self._wishes(decided)

    def _wishes(self, decided: Decided) -> tuple[Wish, ...]:
        """Return what was decided; of a version that decides no more the layout is not known."""
        states, regimes = np.ascontiguousarray(decided.states, "<f4"), regime_of(decided.states)
        found = []
        for row, symbol in enumerate(decided.symbols):
            who, name = self.who(symbol), decided.version[row]
            wish = Wish(
                symbol=symbol,
                action=int(decided.action[row]),
                policy=name,
                confidence=float(decided.confidence[row]),
                regime=int(regimes[row]),
                state=states[row].tobytes(),
                decided_ms=decided.decided_ms,
                layout=who.layout if who is not None and who.version == name else 0,
            )
            found.append(wish)
        return tuple(found)

    def _left_s(self, close: MarketClose) -> float | None:
        """Return how long the answer may take: the time runs since the close was heard, not since the question."""
        if self._timeout_s is None or not close.heard_ms:
            return self._timeout_s
        return self._timeout_s - max(0, self._clock.now_ms() - close.heard_ms) / 1_000

    def _begin(self, seats: Mapping[str, Seat]) -> StateBook | None:
        """Return the account of states at its first decision; None as long as its balance is not known."""
        cash = self._cash()
        if cash is None:
            return None
        spent = sum(
            float(seat.position.slot.cash) * seat.tick_step - float(seat.position.slot.fee) * 1e-8
            for seat in seats.values()
        )
        return StateBook(self._limits, float(cash) - spent)

    async def _keep(self, decided: Decided) -> None:
        while True:
            try:
                return await self._log.keep(decided)
            except DatabaseError as error:
                if self._timeout_s is not None:
                    raise
                get_logger().warning("trader.waits", what="decisions", reason=str(error))
                await asyncio.sleep(_AGAIN_S)


def _row(close: MarketClose, symbol: str, seat: Seat, name: str) -> bool:
    """Return a flag of a market's row; False where there is no row, or no bar at this close."""
    rows = None if seat.fit is None else close.fits.get(seat.fit)
    if rows is None or symbol not in close.bars or seat.close is None:
        return False
    if (seat.close.bar.number + 1) * seat.position.base_ms != close.close_ms:  # its house is not in order yet
        return False
    return bool(getattr(rows, name)[close.symbols.index(symbol)])

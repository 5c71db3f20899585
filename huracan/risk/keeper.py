"""What risk remembers of one running account: the gate's view is completed from here, and every fact is told here.

The values are those of the pure modules; this is the one place that replaces them, so that an approval is reserved, a
state is obeyed and a breaker is reset in one way only. It stores nothing: what must be stored is returned.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from decimal import Decimal

from huracan.config import ProtectionSettings
from huracan.risk.breaker import Breaker, BreakerState, Fact, respond
from huracan.risk.codes import Denied
from huracan.risk.effects import Effect
from huracan.risk.gate import RiskGate
from huracan.risk.locks import LockBook, PairLock
from huracan.risk.protections import ClosedTrade, protect
from huracan.risk.rate import OrderRate
from huracan.risk.reservations import Reservation, ReservationBook
from huracan.risk.restrictions import Restrictions
from huracan.risk.state import HaltPolicy, StateRow, TradingState
from huracan.risk.view import Approval, OrderIntent, RiskView

__all__ = ["RiskKeeper"]


_UNRESTRICTED = Restrictions()


class RiskKeeper:
    """Judges orders of one account and remembers what that takes.

    Args:
        gate: the limits.
        breaker: its rules.
        breaker_policy: what a trip does.
        rate: window of the order rate.
        look: shows the account now: clocks, money, coins, feed, and in `in_flight` the orders begun without an answer.
            Its state, locks, restrictions, reservations and rate are replaced by what is remembered here.
        state: trading state as stored.
        locks: as stored.
        restrictions: as stored.
        reservations: of the intents that are not over, with what is booked of each.
    """

    def __init__(
        self,
        *,
        gate: RiskGate,
        breaker: Breaker,
        breaker_policy: HaltPolicy,
        rate: OrderRate,
        look: Callable[[], RiskView],
        state: StateRow,
        locks: Sequence[PairLock] = (),
        restrictions: Restrictions = _UNRESTRICTED,
        reservations: Sequence[Reservation] = (),
    ) -> None:
        self._gate = gate
        self._breaker = breaker
        self._breaker_policy = breaker_policy
        self._breaker_state = BreakerState()
        self._rate = rate
        self._look = look
        self._state = state
        self._locks = LockBook(tuple(locks))
        self._restrictions = restrictions
        self._reservations = ReservationBook()
        for reservation in reservations:
            self._reservations = self._reservations.held(reservation)
        self._waiting: frozenset[str] = frozenset()  # approved, its first order not begun: in no count of the engine's

    @property
    def state(self) -> StateRow:
        """Return the trading state that is obeyed."""
        return self._state

    @property
    def locks(self) -> LockBook:
        """Return the locks."""
        return self._locks

    @property
    def restrictions(self) -> Restrictions:
        """Return the restrictions of remedies."""
        return self._restrictions

    @property
    def reservations(self) -> ReservationBook:
        """Return what is reserved."""
        return self._reservations

    def view(self) -> RiskView:
        """Return the account as the gate sees it now."""
        seen = self._look()
        return replace(
            seen,
            state=self._state,
            locks=self._locks,
            restrictions=self._restrictions,
            reservations=self._reservations,
            rate=self._rate,
            in_flight=None if seen.in_flight is None else seen.in_flight + len(self._waiting),
        )

    def check(self, intent: OrderIntent) -> Approval | Denied:
        """Judge an order; an approval is reserved, and counts, before this returns."""
        view = self.view()
        verdict = self._gate.check(view, intent)
        if isinstance(verdict, Approval):
            self._reservations = self._reservations.held(verdict.reservation)
            self._rate = self._rate.recorded(view.rate_ms)
            self._waiting |= {intent.key}
        return verdict

    def judge(self, intents: Sequence[OrderIntent]) -> tuple[Approval | Denied, ...]:
        """Judge what somebody only asks about, one after the other as `check` would; nothing is reserved."""
        view, found = self.view(), []
        for intent in intents:
            verdict = self._gate.check(view, intent)
            if isinstance(verdict, Approval):
                view = view.after(verdict)
            found.append(verdict)
        return tuple(found)

    def begun(self, key: str) -> None:
        """Note that the intent's first order is written: from now on the engine counts it."""
        self._waiting -= {key}

    def filled(self, key: str, quantity: Decimal) -> None:
        """Note a booked fill of an intent, once per trade."""
        self._reservations = self._reservations.filled(key, quantity)

    def ended(self, key: str, filled: Decimal) -> None:
        """Note that no order of an intent can fill any more, and what the venue says was filled in all."""
        self._waiting -= {key}
        self._reservations = self._reservations.ended(key, filled)

    def obey(self, row: StateRow) -> None:
        """Obey a stored state; a looser one, which only a person can order, closes the breaker."""
        tightness = list(TradingState)
        if tightness.index(row.state) < tightness.index(self._state.state):
            self._breaker_state = BreakerState()
        self._state = row

    def restrict(self, restrictions: Restrictions) -> None:
        """Obey these restrictions, and no others, from now on."""
        self._restrictions = restrictions

    def observe(self, fact: Fact, at_ms: int) -> tuple[Effect, ...]:
        """Tell the breaker a fact; return what must be done, which is nothing as long as all is well."""
        self._breaker_state, trip = self._breaker.observe(self._breaker_state, fact)
        return () if trip is None else respond(trip, self._state, self._breaker_policy, at_ms)

    def protect(
        self,
        protections: Sequence[ProtectionSettings],
        trades: Sequence[ClosedTrade],
        closed: Collection[str],
        now_ms: int,
        base_ms: int,
    ) -> tuple[PairLock, ...]:
        """Lock what the protections say after trades ended, drop what expired, and return the rows to store."""
        before = self._locks
        self._locks = before.pruned(now_ms).added(*protect(protections, trades, closed, now_ms, base_ms))
        return self._locks.changed_since(before)

    def lock(self, lock: PairLock) -> tuple[PairLock, ...]:
        """Add a lock by hand, and return the rows to store."""
        before = self._locks
        self._locks = before.added(lock)
        return self._locks.changed_since(before)

    def unlock(self, symbol: str, by: str, now_ms: int) -> tuple[PairLock, ...]:
        """Lift the locks of a coin, or with `*` those of all coins, and return the rows to store."""
        before = self._locks
        self._locks = before.removed(symbol, by, now_ms)
        return self._locks.changed_since(before)

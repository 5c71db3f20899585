"""The circuit breaker: facts of trading in, a trip out when something is wrong; only a person resumes.

Single events that clear by themselves (old data, a skewed clock, one 429) deny entries in the gate; the breaker looks
for what should not go on. It only decides: the effects of a trip are values that the engine performs.
"""

import math
from dataclasses import dataclass, replace
from typing import assert_never

from huracan.config import BreakerTrigger, RiskSettings
from huracan.risk.effects import CancelOrders, CancelScope, Effect, SetState, halt_effects
from huracan.risk.limits import RiskLimits
from huracan.risk.state import Author, HaltPolicy, StateChange, StateRefused, StateRow, TradingState, transition
from huracan.trading import ExitReason
from huracan.venue.orders import Accepted, Outcome, RejectCode, Rejected, Unknown

__all__ = [
    "BREAKER",
    "AccountResult",
    "BalanceCheck",
    "Breaker",
    "BreakerState",
    "ClockSkew",
    "Fact",
    "FeedAge",
    "Slippage",
    "Trip",
    "respond",
    "trigger_table",
]

BREAKER = Author("breaker", person=False)

_HARMLESS = frozenset({RejectCode.WOULD_MATCH, RejectCode.UNKNOWN_ORDER, RejectCode.STOP_WOULD_TRIGGER})
"""Rejects that are part of trading: a maker order came too late, a cancel found nothing, the market passed a stop."""

_THROTTLES = frozenset({RejectCode.RATE_LIMIT, RejectCode.ORDER_LIMIT})


@dataclass(frozen=True, slots=True)
class Slippage:
    """A fill was worse than expected by `bps` basis points (negative: better)."""

    bps: float


@dataclass(frozen=True, slots=True)
class FeedAge:
    """The next candle is overdue by `age_s` seconds, on the wall clock."""

    age_s: float


@dataclass(frozen=True, slots=True)
class ClockSkew:
    """The venue's clock differs from ours by `skew_ms`."""

    skew_ms: float


@dataclass(frozen=True, slots=True)
class BalanceCheck:
    """A confirmed comparison of the ledger with the venue: `difference` of one asset, 0 when they agree."""

    asset: str
    difference: float


@dataclass(frozen=True, slots=True)
class AccountResult:
    """The account at a base close: fall from its peak as a share of the peak, and the UTC day's result."""

    drawdown_frac: float
    day_pnl: float


Fact = Outcome | Slippage | FeedAge | ClockSkew | BalanceCheck | AccountResult
"""What the breaker is told: every outcome of a command to the venue, and measurements."""


@dataclass(frozen=True, slots=True)
class Trip:
    """Why the breaker opened.

    Attributes:
        trigger: the rule.
        value: the figure; NaN when unknown, which trips as well.
        limit: what it may be.
        detail: which asset, which answer.
    """

    trigger: BreakerTrigger
    value: float
    limit: float
    detail: str = ""

    @property
    def reason(self) -> str:
        """Return one line for the trading state."""
        return f"breaker: {self.trigger} {self.value:g}, limit {self.limit:g}{' ' if self.detail else ''}{self.detail}"


@dataclass(frozen=True, slots=True)
class BreakerState:
    """What the breaker remembers; a value. A person's resume starts a new one.

    Attributes:
        unknown_outcomes: commands in a row whose outcome is unknown.
        rejects: commands rejected in a row.
        throttles: answers 429 in a row.
        trip: why it is open; None while it is closed.
    """

    unknown_outcomes: int = 0
    rejects: int = 0
    throttles: int = 0
    trip: Trip | None = None


# trigger -> (state it leads to, what it watches). A throttled venue takes no order at all: reducing is what is left.
_TRIGGERS: dict[BreakerTrigger, tuple[TradingState, str, str]] = {
    "unknown_outcomes": (TradingState.HALTED, "unknown outcomes in a row", "risk.breaker_unknown_outcomes"),
    "rejects": (TradingState.HALTED, "rejects in a row, or one bad key", "risk.breaker_rejects"),
    "slippage": (TradingState.HALTED, "slippage beyond the cost model", "risk.breaker_slippage_bps"),
    "stale_data": (TradingState.HALTED, "how long a candle is overdue", "risk.breaker_feed_age_s"),
    "clock_skew": (TradingState.HALTED, "difference of the clocks", "risk.breaker_clock_skew_ms"),
    "throttled": (TradingState.REDUCING, "answers 429 in a row, or one ban (418)", "risk.breaker_throttles"),
    "balance_mismatch": (TradingState.HALTED, "a confirmed difference of ledger and venue", "none allowed"),
    "drawdown": (TradingState.HALTED, "fall from the peak of equity", "risk.drawdown_max_frac"),
    "daily_loss": (TradingState.HALTED, "loss of the UTC day", "risk.daily_loss_max"),
}


class Breaker:
    """The rules of the breaker for one account; pure, its memory is a `BreakerState`.

    Args:
        risk: thresholds and the triggers that are switched on.
        limits: drawdown and daily loss in quote currency.
    """

    def __init__(self, risk: RiskSettings, limits: RiskLimits) -> None:
        self._risk = risk
        self._limits = limits

    def observe(self, state: BreakerState, fact: Fact) -> tuple[BreakerState, Trip | None]:
        """Return what is remembered after a fact, and a trip when this fact opened the breaker.

        An open breaker trips again only when that is worse: from reducing to a halt.
        """
        state, measures = self._measured(state, fact)
        for trip, fine in measures:
            if fine or trip.trigger not in self._risk.breaker_triggers:
                continue
            if state.trip is None or _worse(trip, state.trip):
                return replace(state, trip=trip), trip
        return state, None

    def _measured(self, state: BreakerState, fact: Fact) -> tuple[BreakerState, tuple[tuple[Trip, bool], ...]]:
        """Return the counts after the fact, and each figure as the trip it would be, with True when it is fine."""
        risk = self._risk
        match fact:
            case Accepted():
                return replace(state, unknown_outcomes=0, rejects=0, throttles=0), ()
            case Unknown(reason):
                state = replace(state, unknown_outcomes=state.unknown_outcomes + 1)
                return state, (
                    _at_least("unknown_outcomes", state.unknown_outcomes, risk.breaker_unknown_outcomes, reason),
                )
            case Rejected():
                return self._rejected(state, fact)
            case Slippage(bps):
                return state, (_at_least("slippage", bps, risk.breaker_slippage_bps),)
            case FeedAge(age_s):
                return state, (_at_least("stale_data", age_s, risk.breaker_feed_age_s),)
            case ClockSkew(skew_ms):
                return state, (_at_least("clock_skew", abs(skew_ms), risk.breaker_clock_skew_ms),)
            case BalanceCheck(asset, difference):
                return state, ((Trip("balance_mismatch", difference, 0.0, asset), difference == 0.0),)
            case AccountResult(drawdown_frac, day_pnl):
                return state, (
                    _at_least("drawdown", drawdown_frac, self._limits.drawdown_max_frac),
                    _at_least("daily_loss", -day_pnl, self._limits.daily_loss_max),
                )
            case _:
                assert_never(fact)

    def _rejected(self, state: BreakerState, fact: Rejected) -> tuple[BreakerState, tuple[tuple[Trip, bool], ...]]:
        risk, code = self._risk, fact.code
        if code in _HARMLESS:
            return state, ()
        if code is RejectCode.BANNED:
            return state, ((Trip("throttled", 1, 1, code), False),)
        if code in _THROTTLES:
            state = replace(state, throttles=state.throttles + 1)
            return state, (_at_least("throttled", state.throttles, risk.breaker_throttles, code),)
        state = replace(state, rejects=state.rejects + 1)
        if code is RejectCode.AUTH:  # a key that is refused once is refused always
            return state, ((Trip("rejects", 1, 1, code), False),)
        return state, (_at_least("rejects", state.rejects, risk.breaker_rejects, code),)


def respond(trip: Trip, row: StateRow, policy: HaltPolicy, at_ms: int) -> tuple[Effect, ...]:
    """Return what a trip does to the account: the state, and by policy cancels and sales.

    `cancel` takes the entries back and leaves the protective stops at the venue; `flatten` sells everything, save
    after a figure that is unknown, since selling blindly is a risk of its own; `hold` touches nothing.
    """
    if policy is HaltPolicy.FLATTEN and math.isnan(trip.value):
        policy = HaltPolicy.CANCEL
    if _TRIGGERS[trip.trigger][0] is TradingState.REDUCING:
        if row.state is not TradingState.ACTIVE:
            return ()
        reduced = transition(row, StateChange.REDUCE, BREAKER, trip.reason, at_ms)
        assert not isinstance(reduced, StateRefused), reduced
        return (
            (SetState(reduced),)
            if policy is HaltPolicy.HOLD
            else (SetState(reduced), CancelOrders(CancelScope.ENTRIES))
        )
    halted = transition(row, StateChange.HALT, BREAKER, trip.reason, at_ms, policy)
    assert not isinstance(halted, StateRefused), halted
    if halted == row:  # halted already: whoever did that decided what becomes of orders and positions
        return ()
    return halt_effects(halted, ExitReason.RISK_EXIT, CancelScope.ENTRIES)


def trigger_table() -> str:
    """Return the triggers as a Markdown table, as the documentation shows them."""
    on = RiskSettings().breaker_triggers
    rows = ["| trigger | watches | limit | leads to | by default |", "|---|---|---|---|---|"]
    for trigger, (state, watches, limit) in _TRIGGERS.items():
        rows.append(f"| `{trigger}` | {watches} | {limit} | {state} | {'on' if trigger in on else 'off'} |")
    return "\n".join(rows) + "\n"


def _at_least(trigger: BreakerTrigger, value: float, limit: float, detail: str = "") -> tuple[Trip, bool]:
    """Return the trip of a figure that must stay below its limit; NaN is not below it."""
    return Trip(trigger, value, limit, detail), value < limit


def _worse(trip: Trip, than: Trip) -> bool:
    return _TRIGGERS[trip.trigger][0] is TradingState.HALTED and _TRIGGERS[than.trigger][0] is TradingState.REDUCING

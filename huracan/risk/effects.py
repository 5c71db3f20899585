"""What risk wants done, as values: the engine does it, `perform` is the only wire between them."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, assert_never

from huracan.risk.day import DayBook
from huracan.risk.state import Author, HaltPolicy, StateChange, StateRefused, StateRow, TradingState, transition
from huracan.trading import ExitReason

__all__ = [
    "CancelOrders",
    "CancelScope",
    "Effect",
    "Flatten",
    "Performer",
    "SetState",
    "day_effects",
    "kill",
    "perform",
]


class CancelScope(StrEnum):
    """Which working orders are cancelled."""

    ENTRIES = "entries"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class SetState:
    """Store this row, and obey it from now on."""

    row: StateRow


@dataclass(frozen=True, slots=True)
class CancelOrders:
    """Cancel working orders: entries alone leave the protective stops at the venue, all takes them too."""

    scope: CancelScope


@dataclass(frozen=True, slots=True)
class Flatten:
    """Force every position and working entry out, at this and every further base close until the account is flat."""

    reason: ExitReason


Effect = SetState | CancelOrders | Flatten


class Performer(Protocol):
    """Whoever carries effects out: the engine."""

    async def set_state(self, row: StateRow) -> None:
        """Store the row and obey it before anything else is sent."""
        ...

    async def cancel_orders(self, scope: CancelScope) -> None:
        """Cancel working orders and wait for the venue's word on each."""
        ...

    async def flatten(self, reason: ExitReason) -> None:
        """Force all positions out for this reason."""
        ...


async def perform(effects: Sequence[Effect], performer: Performer) -> None:
    """Have the performer carry out each effect, in order: the state first, so that nothing new is sent meanwhile."""
    for effect in effects:
        match effect:
            case SetState(row):
                await performer.set_state(row)
            case CancelOrders(scope):
                await performer.cancel_orders(scope)
            case Flatten(reason):
                await performer.flatten(reason)
            case _:
                assert_never(effect)


def halt_effects(row: StateRow, reason: ExitReason, scope: CancelScope) -> tuple[Effect, ...]:
    """Return what follows from a stored change for the worse.

    Args:
        row: the state that was reached.
        reason: of the positions sold when the policy is to flatten.
        scope: what the policy `cancel` cancels.
    """
    match row.policy:
        case HaltPolicy.HOLD:
            return (SetState(row),)
        case HaltPolicy.FLATTEN:
            return (SetState(row), CancelOrders(CancelScope.ALL), Flatten(reason))
        case HaltPolicy.CANCEL | None:
            return (SetState(row), CancelOrders(scope))
        case _:
            assert_never(row.policy)


def kill(
    row: StateRow, policy: HaltPolicy, author: Author, reason: str, at_ms: int
) -> tuple[Effect, ...] | StateRefused:
    """Return what the kill switch does: no entry from now on, every order cancelled, positions sold if so decided.

    Repeating it is safe, and cancels once more: an order may have been accepted in between.
    """
    halted = transition(row, StateChange.HALT, author, reason, at_ms, policy)
    if isinstance(halted, StateRefused):
        return halted
    assert halted.state is TradingState.HALTED
    return halt_effects(halted, ExitReason.KILL_SWITCH, CancelScope.ALL)


def day_effects(book: DayBook) -> tuple[Effect, ...]:
    """Return what the day's result demands at a base close: after a breach of the daily loss everything is sold.

    Entries of the rest of the day are denied by `DayBook.judged_pnl`; midnight opens the next day without a person.
    """
    return (Flatten(ExitReason.RISK_EXIT),) if book.breached else ()

"""ACTIVE, REDUCING or HALTED: who may move between them, and what may be sent in each.

The state is one row, kept by the store, with an author and a reason. A machine may only tighten; what it tightened, a
person loosens.
"""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

__all__ = [
    "BY_ITSELF",
    "MONITOR",
    "Author",
    "CommandKind",
    "HaltPolicy",
    "StateChange",
    "StateRefused",
    "StateRow",
    "TradingState",
    "permits",
    "reduces",
    "state_table",
    "transition",
]


class TradingState(StrEnum):
    """What the account may do."""

    ACTIVE = "ACTIVE"
    REDUCING = "REDUCING"
    HALTED = "HALTED"


class StateChange(StrEnum):
    """What is asked for."""

    RESUME = "RESUME"
    REDUCE = "REDUCE"
    HALT = "HALT"


class HaltPolicy(StrEnum):
    """What becomes of orders and positions when trading halts."""

    CANCEL = "cancel"
    FLATTEN = "flatten"
    HOLD = "hold"


class CommandKind(StrEnum):
    """What the engine is about to send."""

    ENTRY = "ENTRY"
    EXIT = "EXIT"
    CANCEL = "CANCEL"


@dataclass(frozen=True, slots=True)
class Author:
    """Who changes the state: a person by name, or a part of the program."""

    name: str
    person: bool


MONITOR = Author("monitor", person=False)
"""Who tightens the state as a remedy; its halt leaves the protective stops at the venue."""

BY_ITSELF = frozenset({"breaker", "engine", "trader", MONITOR.name})
"""Authors of stored states that are no persons: what they write tightens, and never loosens."""


@dataclass(frozen=True, slots=True)
class StateRow:
    """The state of one account as it is stored.

    Attributes:
        state: what the account may do.
        policy: of the halt; None unless HALTED.
        author: name of who brought it here.
        reason: why, one line.
        at_ms: when, ms UTC, on the wall clock.
    """

    state: TradingState
    policy: HaltPolicy | None
    author: str
    reason: str
    at_ms: int


@dataclass(frozen=True, slots=True)
class StateRefused:
    """The change is not allowed; `reason` says what to do instead."""

    reason: str


_ANYONE, _PERSON = False, True

# (from, asked) -> (to, a person is needed). Asking for the state one is in is never wrong: both repeat and crash.
_TRANSITIONS: dict[tuple[TradingState, StateChange], tuple[TradingState, bool]] = {
    (TradingState.ACTIVE, StateChange.RESUME): (TradingState.ACTIVE, _PERSON),
    (TradingState.ACTIVE, StateChange.REDUCE): (TradingState.REDUCING, _ANYONE),
    (TradingState.ACTIVE, StateChange.HALT): (TradingState.HALTED, _ANYONE),
    (TradingState.REDUCING, StateChange.RESUME): (TradingState.ACTIVE, _PERSON),
    (TradingState.REDUCING, StateChange.REDUCE): (TradingState.REDUCING, _ANYONE),
    (TradingState.REDUCING, StateChange.HALT): (TradingState.HALTED, _ANYONE),
    (TradingState.HALTED, StateChange.RESUME): (TradingState.ACTIVE, _PERSON),
    (TradingState.HALTED, StateChange.REDUCE): (TradingState.REDUCING, _PERSON),  # looser than a halt
    (TradingState.HALTED, StateChange.HALT): (TradingState.HALTED, _ANYONE),  # of a machine: the first halt stands
}

_ALL = frozenset(CommandKind)
_NO_ENTRY = frozenset({CommandKind.EXIT, CommandKind.CANCEL})
_PERMITTED: dict[tuple[TradingState, HaltPolicy | None], frozenset[CommandKind]] = {
    (TradingState.ACTIVE, None): _ALL,
    (TradingState.REDUCING, None): _NO_ENTRY,
    (TradingState.HALTED, HaltPolicy.CANCEL): _NO_ENTRY,
    (TradingState.HALTED, HaltPolicy.FLATTEN): _NO_ENTRY,
    (TradingState.HALTED, HaltPolicy.HOLD): frozenset({CommandKind.CANCEL}),
}


def transition(
    row: StateRow,
    change: StateChange,
    author: Author,
    reason: str,
    at_ms: int,
    policy: HaltPolicy = HaltPolicy.CANCEL,
) -> StateRow | StateRefused:
    """Return the row after a change, or why there is none.

    Args:
        row: the state now.
        change: what is asked for.
        author: who asks.
        reason: why; needed.
        at_ms: wall time, ms UTC.
        policy: of a halt.
    """
    if not author.name.strip() or not reason.strip():
        return StateRefused("a change of the trading state needs an author and a reason")
    after, person_needed = _TRANSITIONS[row.state, change]
    if person_needed and not author.person:
        return StateRefused(f"{row.state} is left by a person only: `huracan resume`, after its cause is understood")
    if after is row.state and not author.person:
        return row
    halted = policy if after is TradingState.HALTED else None
    return StateRow(after, halted, author.name, " ".join(reason.split()), at_ms)


def permits(row: StateRow, kind: CommandKind) -> bool:
    """Return True when a command of this kind may be sent in this state.

    After a halt no entry goes out, cancels always do, and exits unless the halt says hold.
    """
    return kind in _PERMITTED.get((row.state, row.policy), frozenset())


def reduces(before: Decimal, change: Decimal) -> bool:
    """Return True when `change` makes a position smaller or leaves it, without turning it: REDUCING lets it pass.

    |before + change| <= |before|, and no change of sign.
    """
    after = before + change
    return abs(after) <= abs(before) and before * after >= 0


def state_table() -> str:
    """Return transitions and permissions as two Markdown tables, as the documentation shows them."""
    rows = ["| from | asked | to | by |", "|---|---|---|---|"]
    for (state, change), (after, person_needed) in _TRANSITIONS.items():
        rows.append(f"| {state} | {change} | {after} | {'a person' if person_needed else 'a person or the program'} |")
    rows += ["", "| state | entries | exits | cancels |", "|---|---|---|---|"]
    for (state, policy), kinds in _PERMITTED.items():
        cells = ["sent" if kind in kinds else "refused" for kind in CommandKind]
        rows.append(f"| {state}{f', policy {policy}' if policy else ''} | {' | '.join(cells)} |")
    return "\n".join(rows) + "\n"

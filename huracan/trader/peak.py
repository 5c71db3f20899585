"""When the peak of equity begins anew: a person has resumed after a trip of the drawdown, and nothing else moves it.

The breaker measures the fall from the peak at each close. With the peak left where it was, whoever resumes would be
halted again at the next close, for ever. What a person resumed is read from the history of the trading state, so that a
process that died in between, or did not run, finds it at its next start.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from huracan.execution.model import StateChange
from huracan.risk.live import BY_ITSELF, TradingState

__all__ = ["Rebased", "rebased_from", "rebased_report", "resumed_after_drawdown", "tripped_by"]

_BREAKER = "breaker"


@dataclass(frozen=True, slots=True)
class Rebased:
    """The last time that the peak began anew.

    Attributes:
        seq: number of the person's resume in the history of the trading state.
        author: who resumed.
        reason: why, as the person said it.
        before: the peak until then, quote currency, as decimal text.
        after: the peak from then on: what the account was worth.
    """

    seq: int
    author: str
    reason: str
    before: str
    after: str


def tripped_by(rows: Sequence[StateChange]) -> frozenset[str]:
    """Return the breaker's triggers that the state in force after these rows came about by; none while it is ACTIVE.

    Args:
        rows: history of one account's trading state, oldest first.
    """
    found: frozenset[str] = frozenset()
    for row in rows:
        found = _after(found, row)
    return found


def resumed_after_drawdown(rows: Sequence[StateChange], seq: int) -> StateChange | None:
    """Return the last resume of a person, later than number `seq`, that ended a state a drawdown trip had caused.

    Args:
        rows: as for `tripped_by`, from the first one on.
        seq: what is known already; 0: nothing.
    """
    found, triggers = None, frozenset[str]()
    for row in rows:
        if "drawdown" in triggers and _resumes(row) and row.seq > seq:
            found = row
        triggers = _after(triggers, row)
    return found


def rebased_report(rebased: Rebased | None) -> dict[str, Any]:
    """Return what the account's view keeps of it."""
    return {} if rebased is None else {"peak_rebased": asdict(rebased)}


def rebased_from(report: Mapping[str, Any]) -> Rebased | None:
    """Return what an account's view has kept."""
    kept = report.get("peak_rebased")
    return None if kept is None else Rebased(**kept)


def _resumes(row: StateChange) -> bool:
    return row.state == TradingState.ACTIVE and row.author not in BY_ITSELF


def _after(triggers: frozenset[str], row: StateChange) -> frozenset[str]:
    """Return the triggers after one more row; a program's row that loosens is not obeyed, and ends nothing."""
    if _resumes(row):
        return frozenset()
    words = row.reason.split()
    if row.author == _BREAKER and len(words) > 1 and words[0] == "breaker:":
        return triggers | {words[1]}
    return triggers

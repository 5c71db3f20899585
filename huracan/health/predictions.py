"""Does a version still decide as it did? Its entries against shadow's, and all its decisions against its first weeks.

Entries have an action and a confidence in shadow as well. Of decisions that are no entries shadow keeps nothing, so
these are held against the version's own first two weeks on the account.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from huracan.errors import InvariantError
from huracan.health.drift import binned, stability_index
from huracan.health.windows import DAY_MS, windows_of
from huracan.memory import TradeRows

__all__ = ["ACTIONS", "BINS", "DecisionDays", "PredictionShift", "decision_shift", "entry_shift"]

ENTRIES_MIN: Final = 50
REFERENCE_DAYS: Final = 14
DAYS_MIN: Final = 10
ACTIONS: Final = 6
BINS: Final = 20
BACK_MAX: Final = 26

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class PredictionShift:
    """Decisions that are distributed otherwise.

    Attributes:
        part: what moved most: actions or confidence.
        stability: population stability index of it.
        p_value: of the stronger of both, times two.
        since_ms: start of the first of the windows in a row in which they are, ms UTC.
        observed, claimed: share of the commonest action then, or mean confidence, now and in the reference.
        decisions: in the newest window.
    """

    part: str
    stability: float
    p_value: float
    since_ms: int
    observed: float
    claimed: float
    decisions: int


@dataclass(frozen=True, slots=True, eq=False)
class DecisionDays:
    """A version's decisions by UTC day.

    Attributes:
        day_ms: int64[D], starts of the days, rising.
        actions: int64[D, 6].
        confidence: int64[D, 20], by twentieths.
    """

    day_ms: Ints
    actions: Ints
    confidence: Ints


def entry_shift(
    shadow: TradeRows, trades: TradeRows, began_ms: int, now_ms: int, false_alarm_days: float = 365.0
) -> PredictionShift | None:
    """Return how entries of the newest window differ from shadow's in action and confidence; None: they do not.

    Args:
        shadow: closed trades of the version's shadow.
        trades: of the version since.
        began_ms: when the version began to decide, ms UTC.
        now_ms: market time, ms UTC.
        false_alarm_days: days between two false words, on average.
    """
    days = shadow.entry_time // DAY_MS
    if len(shadow) < ENTRIES_MIN or len(np.unique(days)) < DAYS_MIN:
        return None
    trades = trades.rows(np.argsort(trades.entry_time, kind="stable").tolist())
    parts = windows_of(trades.entry_time, began_ms, now_ms, ENTRIES_MIN, false_alarm_days)
    found = None
    for part in reversed(parts[-BACK_MAX:]):
        first, last = np.searchsorted(trades.entry_time, (part.start_ms, part.end_ms))
        rows = trades.rows(range(int(first), int(last)))
        now_days = rows.entry_time // DAY_MS
        actions = _by_day(shadow.action, days), _by_day(rows.action, now_days)
        confidence = binned(shadow.confidence, days, rows.confidence, now_days)
        means = float(rows.confidence.mean()), float(shadow.confidence.mean())
        one = _shift(actions, confidence, means, part.start_ms, part.level, len(rows))
        if one is None:
            break
        found = one if found is None else _since(found, part.start_ms)
    return found


def decision_shift(days: DecisionDays, now_ms: int, false_alarm_days: float = 365.0) -> PredictionShift | None:
    """Return how decisions of the newest week differ from the version's first two weeks; None: they do not.

    Args:
        days: of the version.
        now_ms: market time, ms UTC.
        false_alarm_days: days between two false words, on average.
    """
    if not len(days.day_ms):
        return None
    end_ms = int(days.day_ms[0]) + REFERENCE_DAYS * DAY_MS
    before = days.day_ms < end_ms
    if before.sum() < DAYS_MIN:
        return None
    found = None
    for part in reversed(windows_of(days.day_ms, end_ms, now_ms, 3, false_alarm_days)[-BACK_MAX:]):
        mine = (days.day_ms >= part.start_ms) & (days.day_ms < part.end_ms)
        actions = days.actions[before], days.actions[mine]
        confidence = days.confidence[before], days.confidence[mine]
        middles = (np.arange(BINS) + 0.5) / BINS
        now, then = (float(table.sum(axis=0) @ middles / max(1, table.sum())) for table in reversed(confidence))
        one = _shift(actions, confidence, (now, then), part.start_ms, part.level, int(actions[1].sum()))
        if one is None:
            break
        found = one if found is None else _since(found, part.start_ms)
    return found


def _shift(
    actions: tuple[Ints, Ints],
    confidence: tuple[Ints, Ints],
    means: tuple[float, float],
    start_ms: int,
    level: float,
    count: int,
) -> PredictionShift | None:
    try:
        tests = {"actions": stability_index(*actions), "confidence": stability_index(*confidence)}
    except InvariantError:  # too few days
        return None
    part = min(tests, key=lambda name: tests[name].p_value)
    p_value = min(1.0, 2.0 * tests[part].p_value)
    if p_value > level:
        return None
    observed, claimed = means
    if part == "actions":
        then, now = (table.sum(axis=0) / max(1, table.sum()) for table in actions)
        common = int(then.argmax())
        observed, claimed = float(now[common]), float(then[common])
    return PredictionShift(part, tests[part].statistic, p_value, start_ms, observed, claimed, count)


def _by_day(action: Ints, day: Ints) -> Ints:
    _, rows = np.unique(day, return_inverse=True)
    table = np.zeros((int(rows.max()) + 1 if len(rows) else 0, ACTIONS), np.int64)
    np.add.at(table, (rows, action), 1)
    return table


def _since(found: PredictionShift, start_ms: int) -> PredictionShift:
    return PredictionShift(
        found.part, found.stability, found.p_value, start_ms, found.observed, found.claimed, found.decisions
    )

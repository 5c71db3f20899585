"""A best of several, found on early days and tested once on later ones: whoever chose never judges the choice.

On the early days the series with the highest lower bound of its mean is chosen; on the later days, the early trades
that could reach into them left out, its mean is tested once, at `ERROR` shared over all that is claimed together: by
the wider of two intervals, that of drawn blocks of days, which knows what days have in common, and Student's over days,
which knows how few they are.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student_t

from huracan.analysis.days import DayBlocks, DayMean
from huracan.patterns.by_day import DAYS_MIN, day_error
from huracan.shadow import DAY_MS

__all__ = ["DAYS_MIN", "ERROR", "TRADES_MIN", "HeldOut", "held_out"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Status = Literal["validated", "refused", "none", "undecided"]

EARLY_FRAC: Final = 0.6
"""Share of the days that something is found on."""
ERROR: Final = 0.05
"""Chance that any of the claims made together is validated although nothing is above zero, at most."""
FIND_LEVEL: Final = 0.9
"""Two-sided level of the interval that finds: its lower bound fails once in twenty."""
TRADES_MIN: Final = 30
"""Fewer trades, or trades on fewer than `DAYS_MIN` days, decide nothing on either part."""


@dataclass(frozen=True, slots=True)
class HeldOut:
    """What the early days chose and the later ones said of it.

    Attributes:
        status: `validated`: above zero on the later days too, by its bound; `refused`: not; `none`: none was above
            zero on the early days; `undecided`: too few trades or days on a part.
        chosen: number of the series; None: the early days are too few to choose.
        early, late: its mean on either part; None: not measured.
    """

    status: Status
    chosen: int | None
    early: DayMean | None
    late: DayMean | None


def held_out(
    series: Sequence[Floats], time_ms: Ints, *, purge_ms: int, claims: int, resamples: int, seed: int
) -> HeldOut:
    """Choose the best series on the early days and test it once on the later ones.

    Args:
        series: float64[N] each, one value a trade; NaN: unknown.
        time_ms: int64[N], entries.
        purge_ms: an early trade this near to the later days is left out.
        claims: how many such tests are made together; they share `ERROR`.
        resamples: draws of days.
        seed: of the draws.
    """
    if not series or not len(time_ms):
        return HeldOut("undecided", None, None, None)
    days = np.unique(time_ms // DAY_MS)
    border = int(days[min(len(days) - 1, math.ceil(EARLY_FRAC * len(days)))]) * DAY_MS
    early, late = time_ms < border - purge_ms, time_ms >= border
    best: tuple[float, int, DayMean] | None = None
    for number, values in enumerate(series):
        measured = _measure(values, early, time_ms, FIND_LEVEL, resamples, seed)
        if measured is None or measured.low is None or not _enough(measured):
            continue
        if best is None or measured.low > best[0]:
            best = measured.low, number, measured
    if best is None:
        return HeldOut("undecided", None, None, None)
    bound, number, found = best
    if bound <= 0.0:
        return HeldOut("none", number, found, None)
    tested = _measure(series[number], late, time_ms, 1.0 - 2.0 * ERROR / claims, resamples, seed)
    if tested is None or tested.low is None or not _enough(tested):
        return HeldOut("undecided", number, found, tested)
    tested = _careful(tested, series[number], late, time_ms, ERROR / claims)
    return HeldOut("validated" if tested.low is not None and tested.low > 0.0 else "refused", number, found, tested)


def _careful(tested: DayMean, values: Floats, part: NDArray[np.bool_], time_ms: Ints, tail: float) -> DayMean:
    """Return an interval that is at least as wide as Student's over days: on few of them draws miss the far tails."""
    assert tested.low is not None
    assert tested.high is not None
    kept = part & np.isfinite(values)
    error = day_error((values[kept] - tested.mean) / tested.trades, time_ms[kept] // DAY_MS)
    half = float(student_t.isf(tail, tested.days - 1)) * error
    return replace(tested, low=min(tested.low, tested.mean - half), high=max(tested.high, tested.mean + half))


def _measure(
    values: Floats, part: NDArray[np.bool_], time_ms: Ints, level: float, resamples: int, seed: int
) -> DayMean | None:
    kept = part & np.isfinite(values)
    if not kept.any():
        return None
    blocks = DayBlocks(time_ms[kept], values[kept], resamples=resamples, level=level, seed=seed)
    return blocks.mean(values[kept], time_ms[kept])


def _enough(found: DayMean) -> bool:
    return found.trades >= TRADES_MIN and found.days >= DAYS_MIN

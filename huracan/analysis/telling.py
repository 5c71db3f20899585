"""Which warnings tell losses from wins: tested over whole days, and all rules together.

A warning tells when it is up more often among the trades it speaks of than among the others by more than chance. Trades
of a day share its weather, so the error of that difference is the larger of two: the one over days that is seen
(`huracan.patterns.by_day`), and the one that unrelated warnings and results would have, which a few agreements by
chance do not make small. With N trades, n of a day, shares p up and q of its own, and covariances c of warnings and k
of results between two trades of a day, that is (Moulton 1986)

    error^2 = [N p (1 - p) q (1 - q) + max(0, c k) sum n (n - 1)] / [N q (1 - q)]^2

Of the rules asked at once Benjamini and Hochberg's step-up rule keeps the expected share of false claims at a rate;
where no warning tells, that is the chance of any claim.
"""

from collections.abc import Mapping
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.stats import false_discovery_control
from scipy.stats import t as student_t

from huracan.patterns.by_day import DAYS_MIN, day_error

__all__ = ["FALSE_RATE", "telling"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Rule = TypeVar("Rule")

FALSE_RATE: Final = 0.05
"""Expected share of false claims among all that are made; where no warning tells, the chance of any."""


def telling(asked: Mapping[Rule, tuple[Floats, Bools]], day: Ints) -> frozenset[Rule]:
    """Return the rules whose warning separates their trades from the others, all tested together.

    Args:
        asked: by rule, float64[N] of warnings (1 up, 0 not, NaN: could not be asked) and bool[N], the trades that the
            rule speaks of: losses of a cause, wins of a factor. A rule that was never asked counts for nothing.
        day: int64[N], the trades' days.
    """
    p_values = {
        rule: _p_value(warned[known], mine[known], day[known])
        for rule, (warned, mine) in asked.items()
        if (known := np.isfinite(warned)).any()
    }
    if not p_values:
        return frozenset()
    q_values = false_discovery_control(list(p_values.values()))
    return frozenset(rule for rule, q_value in zip(p_values, q_values, strict=True) if q_value <= FALSE_RATE)


def _p_value(warned: Floats, mine: Bools, day: Ints) -> float:
    """Return how often chance separates so well; 1 where either part has too few days, or nothing differs."""
    days = min(len(np.unique(day[mine])), len(np.unique(day[~mine])))
    if days < DAYS_MIN:
        return 1.0
    count, others = int(mine.sum()), int((~mine).sum())
    share, base, pooled = warned[mine].mean(), warned[~mine].mean(), warned.mean()
    influence = np.where(mine, (warned - share) / count, (base - warned) / others)
    own, up = mine - mine.mean(), warned - pooled
    sizes = np.unique(day, return_counts=True)[1]
    pairs = float((sizes * (sizes - 1)).sum())
    shared = max(0.0, _together(own, day) * _together(up, day) / pairs) if pairs else 0.0
    unrelated = np.sqrt(len(day) * np.mean(up**2) * np.mean(own**2) + shared) / (len(day) * np.mean(own**2))
    error = max(day_error(influence, day), float(unrelated))
    return float(student_t.sf((share - base) / error, days - 1)) if error > 0.0 else 1.0


def _together(values: Floats, day: Ints) -> float:
    """Return the sum of the products of all pairs of different trades of one day."""
    daily = np.bincount(np.unique(day, return_inverse=True)[1], values)
    return float((daily**2).sum() - (values**2).sum())

"""Whether a group of trades really differs: tests over whole days, and what many of them together are worth.

Trades of one day share its weather, so a day is one observation: the standard error of a mean is that of its daily
sums of influences (cluster-robust, with the days' small-sample factor), judged by Student's t with one degree of
freedom less than the group has days. Of many groups tested at once Benjamini and Hochberg's step-up rule keeps the
expected share of false claims at a rate; where nothing differs, that is the chance of any claim at all.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta, false_discovery_control, norm
from scipy.stats import t as student_t

from huracan.patterns.by_day import DAYS_MIN, day_error
from huracan.patterns.statistics import PRIOR_TRADES

__all__ = ["CLAIM_RATE", "Judged", "Stage", "judge", "shrunk_rate", "wilson"]

CLAIM_RATE: Final = 0.1
"""Expected share of false claims among all claims; where nothing differs, the chance of any."""

Stage = Literal["good", "bad", "unclear"]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Judged:
    """What the tests say of one group.

    Attributes:
        stage: good: it wins, and more than the other trades; bad: it loses, and more than they do; else unclear.
        p_value: of the better supported direction; 1 where it was not tested.
        q_value: after the correction for all groups and both directions.
    """

    stage: Stage
    p_value: float
    q_value: float


def judge(values: Floats, day: Ints, groups: Sequence[Bools], rate: float = CLAIM_RATE) -> list[Judged]:
    """Return what is borne out of each group, all tested together.

    A group is good when both its mean is above zero and above that of the others (each tested, the larger p counts),
    and bad likewise below. Groups may overlap; one that is everything has no others and stays unclear.

    Args:
        values: float64[N], results.
        day: int64[N], their days.
        groups: bool[N] each.
        rate: of false claims.
    """
    pairs = [_p_values(values, day, mine) for mine in groups]
    if not pairs:
        return []
    q_values = false_discovery_control(np.ravel(pairs)).reshape(-1, 2)
    found = []
    for (up, down), (q_up, q_down) in zip(pairs, q_values.tolist(), strict=True):
        stage: Stage = "good" if q_up <= rate and up < down else "bad" if q_down <= rate and down < up else "unclear"
        found.append(Judged(stage, min(up, down), min(q_up, q_down)))
    return found


def shrunk_rate(wins: int, trades: int, base: float, level: float) -> tuple[float, float, float]:
    """Return (mean, low, high) of a win rate that is drawn towards a base rate by ten trades' worth.

    The posterior of Beta(10 base, 10 (1 - base)) after the trades; the bounds are its two-sided quantiles.
    """
    base = min(max(base, 1e-3), 1 - 1e-3)
    a, b = wins + PRIOR_TRADES * base, trades - wins + PRIOR_TRADES * (1 - base)
    low, high = beta.ppf(((1 - level) / 2, (1 + level) / 2), a, b)
    return float(a / (a + b)), float(low), float(high)


def wilson(wins: int, trades: int, level: float) -> tuple[float, float]:
    """Return Wilson's interval of a share (Wilson 1927); (0, 1) of nothing."""
    if trades == 0:
        return 0.0, 1.0
    z, share = float(norm.ppf((1 + level) / 2)), wins / trades
    middle = (share + z * z / (2 * trades)) / (1 + z * z / trades)
    half = z / (1 + z * z / trades) * np.sqrt(share * (1 - share) / trades + z * z / (4 * trades * trades))
    return max(0.0, float(middle - half)), min(1.0, float(middle + half))


def _p_values(values: Floats, day: Ints, mine: Bools) -> tuple[float, float]:
    """Return the p-values of a group being good and of its being bad."""
    own, days = int(mine.sum()), len(np.unique(day[mine]))
    if days < DAYS_MIN or own == len(values):
        return 1.0, 1.0
    mean, rest = float(values[mine].mean()), float(values[~mine].mean())
    of_mean = np.where(mine, (values - mean) / own, 0.0)
    of_difference = of_mean - np.where(mine, 0.0, (values - rest) / (len(values) - own))
    scores = [
        _score(mean, of_mean[mine], day[mine]),
        _score(mean - rest, of_difference, day),
    ]
    up = max(float(student_t.sf(score, days - 1)) for score in scores)
    down = max(float(student_t.cdf(score, days - 1)) for score in scores)
    return up, down


def _score(estimate: float, influence: Floats, day: Ints) -> float:
    """Return an estimate over its standard error; 0 when it has none."""
    error = day_error(influence, day)
    return estimate / error if error > 0 else 0.0

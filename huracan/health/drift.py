"""Whether today's inputs are still those of shadow: a distance with a law, and how many of many tests to believe.

Numbers of observations are effective ones: observations that depend on each other count for less.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.stats import kstwo

from huracan.errors import InvariantError

__all__ = [
    "Drift",
    "discoveries",
    "effective_size",
    "kolmogorov_smirnov",
]

Floats = npt.NDArray[np.float64]
_LAGS_MAX: Final = 200


@dataclass(frozen=True, slots=True)
class Drift:
    """One comparison of a sample with its reference.

    Attributes:
        statistic: the largest distance of the distribution functions.
        p_value: probability of as much if nothing has changed.
        reference, sample: effective numbers of observations.
    """

    statistic: float
    p_value: float
    reference: float
    sample: float


def kolmogorov_smirnov(reference: Floats, sample: Floats) -> Drift:
    """Compare two samples by the largest distance of their distribution functions, with effective sizes in its law."""
    first, second = np.sort(np.asarray(reference, np.float64)), np.sort(np.asarray(sample, np.float64))
    if not len(first) or not len(second) or not (np.isfinite(first).all() and np.isfinite(second).all()):
        raise InvariantError("an empty sample, or one that is not finite, drifts nowhere")
    both = np.concatenate([first, second])
    gaps = np.searchsorted(first, both, "right") / len(first) - np.searchsorted(second, both, "right") / len(second)
    distance = float(np.abs(gaps).max())
    n, m = effective_size(np.asarray(reference, np.float64)), effective_size(np.asarray(sample, np.float64))
    return Drift(distance, float(kstwo.sf(distance, max(1, round(n * m / (n + m))))), n, m)


def effective_size(values: Floats) -> float:
    """Return N / (1 + 2 sum rho_k) by the initial positive sequence (Geyer 1992), at most N and at least 1.

    Args:
        values: float64[N], in their order of time.
    """
    count = len(values)
    centred = values - values.mean()
    variance = float(centred @ centred) / count
    if count < 4 or variance <= 0.0:
        return float(count)
    total, lags = 0.0, min(_LAGS_MAX, count // 2)
    rho = np.array([float(centred[: count - lag] @ centred[lag:]) / count / variance for lag in range(lags)])
    for lag in range(0, lags - 1, 2):
        pair = rho[lag] + rho[lag + 1]
        if pair <= 0.0:
            break
        total += pair
    return float(min(count, max(1.0, count / max(1.0, 2.0 * total - 1.0))))


def discoveries(p_values: Floats, rate: float) -> npt.NDArray[np.bool_]:
    """Return which of many tests are called (Benjamini & Hochberg 1995): false ones are at most `rate` of them."""
    values = np.asarray(p_values, np.float64)
    order = np.argsort(values)
    passed = np.flatnonzero(values[order] <= rate * np.arange(1, len(values) + 1) / max(1, len(values)))
    called = np.zeros(len(values), np.bool_)
    if len(passed):
        called[order[: passed[-1] + 1]] = True
    return called

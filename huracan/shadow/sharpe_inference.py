"""The newer inference on Sharpe ratios: variance at the hypothesis, autocorrelation, the best of many trials.

López de Prado, Lipton & Zoonekynd, "Sharpe Ratio Inference" (2025, SSRN 5520741): the variance is evaluated at the
ratio that is tested, over T, for an AR(1), and for the best of K trials times the variance of the largest of K normals.
Shown beside the primary form of `huracan.shadow.sharpe`.
"""

import math
from functools import lru_cache

import numpy as np
from scipy.stats import norm

from huracan.errors import EvidenceError
from huracan.shadow.sharpe import Moments

__all__ = [
    "error_at",
    "maximum_variance",
    "probability_above",
]


def error_at(ratio: float, moments: Moments, trials: int = 1) -> float:
    """Return the standard error of the estimate when the true ratio is `ratio` and it is the best of `trials`.

    V = (a - b g3 SR + c (g4 - 1) / 4 SR^2) / T with a = 1 + 2r/(1-r), b = 1 + r/(1-r) + r^2/(1-r^2),
    c = 1 + 2 r^2/(1-r^2), r the lag-1 autocorrelation.

    Raises:
        EvidenceError: the autocorrelation is not inside (-1, 1).
    """
    rho = moments.autocorrelation
    if not -1.0 < rho < 1.0:
        raise EvidenceError(f"an autocorrelation of {rho:g} is none of a stationary record; give returns, not levels")
    first, second = rho / (1.0 - rho), rho**2 / (1.0 - rho**2)
    a, b, c = 1.0 + 2.0 * first, 1.0 + first + second, 1.0 + 2.0 * second
    spread = a - b * moments.skewness * ratio + c * (moments.kurtosis - 1.0) / 4.0 * ratio**2
    return math.sqrt(max(spread, 1e-12) / moments.periods * maximum_variance(trials))


def probability_above(moments: Moments, benchmark: float = 0.0, trials: int = 1) -> float:
    """Return the probability that the true ratio exceeds `benchmark`, its variance taken there."""
    return float(norm.cdf((moments.sharpe - benchmark) / error_at(benchmark, moments, trials)))


@lru_cache(maxsize=256)
def maximum_variance(trials: int) -> float:
    """Return the variance of the largest of K independent standard normals, by quadrature; 1 for K = 1."""
    if trials < 1:
        raise EvidenceError(f"{trials} trials: count at least 1")
    if trials == 1:
        return 1.0
    grid, step = np.linspace(-12.0, 12.0, 48_001, retstep=True)
    density = trials * np.exp(norm.logpdf(grid) + (trials - 1) * norm.logcdf(grid)) * step
    mean = float(np.sum(grid * density))
    return float(np.sum((grid - mean) ** 2 * density))

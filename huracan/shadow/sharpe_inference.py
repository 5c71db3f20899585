"""The newer inference on Sharpe ratios: variance at the hypothesis, autocorrelation, power and false discoveries.

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
    "critical_ratio",
    "discovery_rate_observed",
    "discovery_rate_planned",
    "error_at",
    "maximum_variance",
    "power",
    "probability_above",
    "record_needed",
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


def record_needed(moments: Moments, benchmark: float = 0.0, confidence: float = 0.95) -> float:
    """Return the periods needed to show that the true ratio exceeds `benchmark`; infinite when it does not."""
    excess = moments.sharpe - benchmark
    if excess <= 0.0:
        return math.inf
    one = error_at(benchmark, moments) * math.sqrt(moments.periods)
    return (one * float(norm.ppf(confidence)) / excess) ** 2


def critical_ratio(moments: Moments, benchmark: float = 0.0, level: float = 0.05) -> float:
    """Return the estimate above which `benchmark` is rejected at `level`."""
    return benchmark + float(norm.ppf(1.0 - level)) * error_at(benchmark, moments)


def power(moments: Moments, alternative: float, benchmark: float = 0.0, level: float = 0.05) -> float:
    """Return the probability of rejecting `benchmark` when the true ratio is `alternative`."""
    beyond = (critical_ratio(moments, benchmark, level) - alternative) / error_at(alternative, moments)
    return float(norm.sf(beyond))


def discovery_rate_planned(prior: float, level: float, found: float) -> float:
    """Return pFDR: the share of rejections that are false; `prior` of the strategies have skill, power is `found`."""
    return 1.0 / (1.0 + found * prior / (level * (1.0 - prior)))


def discovery_rate_observed(moments: Moments, alternative: float, prior: float, benchmark: float = 0.0) -> float:
    """Return oFDR: the probability that the observed ratio is no discovery, with `prior` of skill."""
    without = 1.0 - probability_above(moments, benchmark)
    skilled = 1.0 - probability_above(moments, alternative)
    return without * (1.0 - prior) / (without * (1.0 - prior) + skilled * prior)


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

"""The few laws of probability that charts and comparisons need, from `scipy.special`.

`scipy.stats` has the same and a hundred others, and takes tens of megabytes that the monitor would hold for ever.
"""

import math

from scipy.special import betainc, fdtrc, pdtr, pdtrc, smirnov, stdtrit

__all__ = ["distance_tail", "f_tail", "negative_binomial_limit", "negative_binomial_tails", "poisson_tails", "student"]


def poisson_tails(count: int, mean: float) -> tuple[float, float]:
    """Return (probability of at most `count`, probability of at least `count`)."""
    return float(pdtr(count, mean)), float(pdtrc(count - 1, mean)) if count > 0 else 1.0


def negative_binomial_tails(count: int, number: float, chance: float) -> tuple[float, float]:
    """Return (probability of at most `count`, probability of at least `count`) failures before `number` successes.

    Args:
        count: failures.
        number: successes, above 0, any real number.
        chance: of a success, in (0, 1).
    """
    above = float(betainc(count, number, 1.0 - chance)) if count > 0 else 1.0
    return float(betainc(number, count + 1.0, chance)), above


def negative_binomial_limit(level: float, number: float, chance: float) -> int:
    """Return the least count that is exceeded with a probability of at most `level`; arguments as above."""
    low, high = -1, 1  # more than `low` is too likely; more than `high` is not, once it has been found
    while negative_binomial_tails(high + 1, number, chance)[1] > level:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        if negative_binomial_tails(middle + 1, number, chance)[1] > level:
            low = middle
        else:
            high = middle
    return high


def distance_tail(distance: float, size: int) -> float:
    """Return the probability of a Kolmogorov-Smirnov distance of at least `distance`, from either side.

    Twice the exact one-sided law (Smirnov 1944): never less than the two-sided one, and within a part in 50,000 of it
    wherever that is below one in twenty.

    Args:
        distance: of an empirical distribution function, 0 to 1.
        size: observations, at least 1.
    """
    return min(1.0, 2.0 * float(smirnov(size, min(1.0, max(0.0, distance)))))


def f_tail(ratio: float, freedom: float, of: float) -> float:
    """Return the probability of at least this ratio of mean squares, with their degrees of freedom."""
    return float(fdtrc(freedom, of, max(0.0, ratio))) if math.isfinite(ratio) else 0.0


def student(probability: float, freedom: float) -> float:
    """Return Student's quantile."""
    return float(stdtrit(freedom, probability))

"""How long a control chart runs before it alarms: the numbers that its parameters are chosen by.

The run length of a chart whose statistic is a Markov process solves a Fredholm equation of the second kind; for
normal observations it is solved by Gauss-Legendre quadrature (Nystrom; Crowder 1987, Champ & Rigdon 1991), for an
observed sample by the Markov chain of Brook & Evans (1972). All are zero-state: the chart starts at its best value.
"""

import math
from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq
from scipy.stats import norm

from huracan.errors import InvariantError

__all__ = [
    "WINSOR",
    "cusum_interval",
    "cusum_run_length",
    "ewma_limit",
    "ewma_run_length",
    "sample_cusum_interval",
    "sample_cusum_run_length",
    "two_sided",
    "winsorised",
]

Floats = npt.NDArray[np.float64]

NODES: Final = 160
STATES: Final = 200
WINSOR: Final = 3.0
"""Standardised results beyond this many deviations are cut to it: one wild trade is no change of all of them."""
_INTERVAL_MAX: Final = 200.0


def cusum_run_length(reference: float, interval: float, shift: float = 0.0, start: float = 0.0) -> float:
    """Return the mean run length of the upper CUSUM of normal observations with variance 1.

    C_t = max(0, C_{t-1} + z_t - k), alarm when C_t > h.

    Args:
        reference: k, half of the shift to be found.
        interval: h, the decision interval.
        shift: mean of z.
        start: C_0, the head start.

    Returns:
        Observations until the alarm, on average; the alarm's own counts.
    """
    nodes, weights = _legendre(0.0, interval)
    density = norm.pdf(nodes[None, :] + reference - nodes[:, None] - shift) * weights[None, :]
    zero = norm.cdf(reference - nodes - shift)  # falls back to 0
    # unknowns: L at each node, and L(0)
    size = len(nodes)
    matrix = np.eye(size + 1)
    matrix[:size, :size] -= density
    matrix[:size, size] -= zero
    matrix[size, :size] -= norm.pdf(nodes + reference - shift) * weights
    matrix[size, size] -= norm.cdf(reference - shift)
    found = np.linalg.solve(matrix, np.ones(size + 1))
    if start <= 0.0:
        return float(found[size])
    step = norm.pdf(nodes + reference - start - shift) * weights
    return float(1.0 + norm.cdf(reference - start - shift) * found[size] + step @ found[:size])


def two_sided(upper: float, lower: float) -> float:
    """Return the mean run length of two one-sided CUSUMs together, 1 / L = 1 / L+ + 1 / L- (exact for h >= k)."""
    return 1.0 / (1.0 / upper + 1.0 / lower)


def cusum_interval(reference: float, run_length: float) -> float:
    """Return h of the one-sided CUSUM that alarms once in `run_length` normal observations when nothing is wrong.

    Raises:
        InvariantError: no interval up to 200 deviations runs as long.
    """
    return _solve(lambda interval: cusum_run_length(reference, interval), run_length)


def ewma_run_length(weight: float, limit: float, shift: float = 0.0) -> float:
    """Return the mean run length of the two-sided EWMA with fixed limits of normal observations with variance 1.

    E_t = (1 - l) E_{t-1} + l z_t, alarm when |E_t| > L sqrt(l / (2 - l)).

    Args:
        weight: l, of the newest observation, in (0, 1].
        limit: L, in deviations of E.
        shift: mean of z.
    """
    edge = limit * math.sqrt(weight / (2.0 - weight))
    nodes, weights = _legendre(-edge, edge)
    density = norm.pdf((nodes[None, :] - (1.0 - weight) * nodes[:, None]) / weight - shift) / weight
    found = np.linalg.solve(np.eye(len(nodes)) - density * weights[None, :], np.ones(len(nodes)))
    first = norm.pdf(nodes / weight - shift) / weight * weights
    return float(1.0 + first @ found)


def ewma_limit(weight: float, run_length: float) -> float:
    """Return L of the two-sided EWMA that alarms once in `run_length` normal observations when nothing is wrong."""
    return float(brentq(lambda limit: math.log(ewma_run_length(weight, limit) / run_length), 0.1, 6.0, xtol=1e-10))


def winsorised(values: Floats, mean: float, deviation: float) -> Floats:
    """Return (values - mean) / deviation, cut at three deviations."""
    return np.clip((np.asarray(values, np.float64) - mean) / deviation, -WINSOR, WINSOR)


def sample_cusum_run_length(sample: Floats, reference: float, interval: float, shift: float = 0.0) -> float:
    """Return the mean run length of the upper CUSUM of observations drawn from a sample.

    The statistic is put on a grid of 200 states (Brook & Evans 1972): state 0 holds what falls to 0 or below.

    Args:
        sample: float64[N], the observations when nothing is wrong, in deviations.
        reference: k.
        interval: h.
        shift: added to every observation.
    """
    width = 2.0 * interval / (2.0 * STATES - 1.0)
    centers = width * np.arange(STATES)
    ordered = np.sort(np.asarray(sample, np.float64) + shift - reference)

    def below(values: Floats) -> Floats:
        return np.searchsorted(ordered, values, side="right") / len(ordered)

    upper = below(centers[None, :] + width / 2.0 - centers[:, None])
    chances = np.diff(upper, axis=1, prepend=0.0)
    return float(np.linalg.solve(np.eye(STATES) - chances, np.ones(STATES))[0])


def sample_cusum_interval(sample: Floats, reference: float, run_length: float) -> float:
    """Return the least h whose CUSUM of observations drawn from a sample runs at least as long when nothing is wrong.

    Raises:
        InvariantError: no interval up to 200 deviations runs as long.
    """
    return _solve(lambda interval: sample_cusum_run_length(sample, reference, interval), run_length)


def _solve(length: Callable[[float], float], wanted: float) -> float:
    """Bisect for the interval: a sample's run length has steps, where a root finder of smooth functions gets lost."""
    low, high = 0.0, 1.0
    while length(high) < wanted:
        low, high = high, 2.0 * high
        if high > _INTERVAL_MAX:
            raise InvariantError(f"no decision interval up to {_INTERVAL_MAX:g} runs {wanted:g} observations")
    for _ in range(30):
        middle = (low + high) / 2.0
        low, high = (low, middle) if length(middle) >= wanted else (middle, high)
    return high


def _legendre(low: float, high: float) -> tuple[Floats, Floats]:
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    half = (high - low) / 2.0
    return half * nodes + (high + low) / 2.0, half * weights

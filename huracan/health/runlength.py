"""How long a control chart runs before it alarms: the numbers that its parameters are chosen by.

The run length of a chart whose statistic is a Markov process solves a Fredholm equation of the second kind. An EWMA's,
of normal observations, is solved by Gauss-Legendre quadrature (Crowder 1987), a CUSUM's over an observed sample by the
Markov chain of Brook & Evans (1972). Both are zero-state: the chart starts at its best value.
"""

import math
from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq

from huracan.errors import InvariantError

__all__ = [
    "WINSOR",
    "ewma_limit",
    "ewma_run_length",
    "sample_cusum_interval",
    "sample_cusum_run_length",
    "winsorised",
]

Floats = npt.NDArray[np.float64]

NODES: Final = 160
STATES: Final = 200
WINSOR: Final = 3.0
"""Standardised results beyond this many deviations are cut to it: one wild trade is no change of all of them."""
_INTERVAL_MAX: Final = 200.0


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
    density = _normal((nodes[None, :] - (1.0 - weight) * nodes[:, None]) / weight - shift) / weight
    found = np.linalg.solve(np.eye(len(nodes)) - density * weights[None, :], np.ones(len(nodes)))
    first = _normal(nodes / weight - shift) / weight * weights
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
    for _ in range(18):  # a hundred-thousandth of the interval
        middle = (low + high) / 2.0
        low, high = (low, middle) if length(middle) >= wanted else (middle, high)
    return high


def _legendre(low: float, high: float) -> tuple[Floats, Floats]:
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    half = (high - low) / 2.0
    return half * nodes + (high + low) / 2.0, half * weights


def _normal(z: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the normal density."""
    return np.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi)

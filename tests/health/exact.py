"""Charts by another way than the product: the CUSUM of normal observations, and Wald's test followed exactly."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import norm

from huracan.health.sprt import RateTest

Floats = npt.NDArray[np.float64]
NODES = 160


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


@dataclass(frozen=True, slots=True)
class Operating:
    """What a test does at one true rate.

    Attributes:
        bad: probability that it ends with "the rate is the bad one".
        trades: mean number of trades until it ends.
        open: probability that it has not ended within the trades looked at.
    """

    bad: float
    trades: float
    open: float


def operating(test: RateTest, rate: float, trades_max: int = 20_000) -> Operating:
    """Return what the test does at a true rate, by following every number of wins, exactly up to `trades_max`."""
    chance = np.array([1.0])  # of each number of wins, the test still open
    bad, trades = 0.0, 0.0
    for count in range(1, trades_max + 1):
        after = np.zeros(count + 1)
        after[:count] += chance * (1.0 - rate)
        after[1:] += chance * rate
        wins = np.arange(count + 1)
        ratio = wins * test.win + (count - wins) * test.loss
        ended_bad, ended_good = ratio >= test.upper, ratio <= test.lower
        bad += float(after[ended_bad].sum())
        ended = float(after[ended_bad | ended_good].sum())
        trades += count * ended
        chance = np.where(ended_bad | ended_good, 0.0, after)
        left = float(chance.sum())
        if left < 1e-12:
            return Operating(bad, trades, 0.0)
    return Operating(bad, trades + trades_max * left, left)


def _legendre(low: float, high: float) -> tuple[Floats, Floats]:
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    half = (high - low) / 2.0
    return half * nodes + (high + low) / 2.0, half * weights

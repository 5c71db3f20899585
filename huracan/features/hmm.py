"""A Gaussian hidden Markov model of the regime: fitted by EM on the training window, read by its forward filter only.

The filter's probabilities at row t use rows up to t. Smoothed or Viterbi states would look ahead and are never computed
outside the fit. Source: Rabiner (1989), scaled forward-backward; diagonal covariances.
"""

import math
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["STATES", "Hmm", "filter_step", "fit_hmm"]

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]

STATES = 3
VARIANCE_MIN = 1e-3
RESTARTS, SHORT_ITERATIONS, LONG_ITERATIONS = 4, 8, 60
TOLERANCE = 1e-6  # log-likelihood per row


@dataclass(frozen=True, slots=True, eq=False)
class Hmm:
    """Parameters of K states over D observed numbers, states in the order of growing second mean (volatility).

    Attributes:
        start: float64[K] probabilities before the first row of a segment.
        transition: float64[K, K], row: from, column: to.
        mean: float64[K, D].
        variance: float64[K, D].
        log_likelihood: of the fitted rows, per row.
    """

    start: Vector
    transition: Matrix
    mean: Matrix
    variance: Matrix
    log_likelihood: float


@njit(cache=True, nogil=True)
def _emission(x: Vector, mean: Matrix, variance: Matrix, out: Vector) -> float:
    """Write the densities of x per state, scaled so that the largest is 1; return the log of the scale."""
    top = -math.inf
    for k in range(mean.shape[0]):
        log_density = 0.0
        for d in range(mean.shape[1]):
            gap = x[d] - mean[k, d]
            log_density -= 0.5 * (math.log(2.0 * math.pi * variance[k, d]) + gap * gap / variance[k, d])
        out[k] = log_density
        top = max(top, log_density)
    for k in range(mean.shape[0]):
        out[k] = math.exp(out[k] - top)
    return top


@njit(cache=True, nogil=True)
def filter_step(
    prob: Vector, fresh: bool, x: Vector, start: Vector, transition: Matrix, mean: Matrix, variance: Matrix
) -> float:
    """Update P(state | rows so far) by one row; return the row's log-likelihood.

    Args:
        prob: float64[K], the filter before the row, changed in place.
        fresh: the row is the first of its segment: begin from `start`.
        x: float64[D] observation.
        start: as in `Hmm`; likewise `transition`, `mean` and `variance`.
        transition: see `start`.
        mean: see `start`.
        variance: see `start`.
    """
    states = prob.shape[0]
    density = np.empty(states)
    scale = _emission(x, mean, variance, density)
    joint = np.empty(states)
    total = 0.0
    for k in range(states):
        predicted = start[k]
        if not fresh:
            predicted = 0.0
            for j in range(states):
                predicted += prob[j] * transition[j, k]
        joint[k] = predicted * density[k]
        total += joint[k]
    if total <= 0.0:  # a state with probability 0 would be the only one to explain x
        return -math.inf
    for k in range(states):
        prob[k] = joint[k] / total
    return scale + math.log(total)


@njit(cache=True, nogil=True)
def _em_step(
    obs: Matrix, fresh: NDArray[np.bool_], start: Vector, transition: Matrix, mean: Matrix, variance: Matrix
) -> float:
    """Improve all parameters in place by one EM step, sequences begin where `fresh`; return the log-likelihood."""
    rows, dims = obs.shape
    states = start.shape[0]
    alpha = np.empty((rows, states))
    prob = start.copy()
    log_likelihood = 0.0
    for t in range(rows):
        log_likelihood += filter_step(prob, fresh[t], obs[t], start, transition, mean, variance)
        alpha[t] = prob
    weight, first = np.zeros(states), np.zeros(states)
    total, square = np.zeros((states, dims)), np.zeros((states, dims))
    moves = np.zeros((states, states))
    gamma = np.empty(states)
    for t in range(rows - 1, -1, -1):
        if t == rows - 1 or fresh[t + 1]:
            gamma[:] = alpha[t]
        else:
            _smooth(alpha[t], transition, gamma, moves)
        for k in range(states):
            weight[k] += gamma[k]
            first[k] += gamma[k] if fresh[t] else 0.0
            for d in range(dims):
                total[k, d] += gamma[k] * obs[t, d]
                square[k, d] += gamma[k] * obs[t, d] * obs[t, d]
    for k in range(states):
        start[k] = (first[k] + 1.0) / (first.sum() + states)
        transition[k] = (moves[k] + 1.0) / (moves[k].sum() + states)
        if weight[k] > 1.0:
            for d in range(dims):
                mean[k, d] = total[k, d] / weight[k]
                variance[k, d] = max(square[k, d] / weight[k] - mean[k, d] ** 2, VARIANCE_MIN)
    return log_likelihood


@njit(cache=True, nogil=True)
def _smooth(alpha: Vector, transition: Matrix, gamma: Vector, moves: Matrix) -> None:
    """Turn gamma of row t + 1 into gamma of row t (Rauch form) and add the expected transitions to moves."""
    states = alpha.shape[0]
    before = np.zeros(states)
    for j in range(states):
        predicted = 0.0
        for i in range(states):
            predicted += alpha[i] * transition[i, j]
        ratio = gamma[j] / predicted if predicted > 0.0 else 0.0
        for i in range(states):
            joint = alpha[i] * transition[i, j] * ratio
            moves[i, j] += joint
            before[i] += joint
    gamma[:] = before / before.sum()


def fit_hmm(obs: Matrix, fresh: NDArray[np.bool_], seed: int) -> Hmm:
    """Fit by EM from several random starts and return the likeliest.

    Args:
        obs: float64[N, D] rows of all training sequences one after another, finite; D = 2: scaled return, log
            volatility.
        fresh: bool[N], true where a sequence begins; fresh[0] is true.
        seed: of the random starts.
    """
    rng = np.random.default_rng(seed)
    spread = np.maximum(obs.var(axis=0), VARIANCE_MIN)
    best: tuple[float, tuple[Vector, Matrix, Matrix, Matrix]] | None = None
    for _ in range(RESTARTS):
        sticky = np.full((STATES, STATES), 0.05 / (STATES - 1))
        np.fill_diagonal(sticky, 0.95)
        centres = obs[rng.choice(len(obs), STATES, replace=len(obs) < STATES)].copy()
        trial = (np.full(STATES, 1.0 / STATES), sticky, centres, np.tile(spread, (STATES, 1)))
        likelihood = _iterate(obs, fresh, trial, SHORT_ITERATIONS)
        if best is None or likelihood > best[0]:
            best = likelihood, trial
    assert best is not None
    start, transition, mean, variance = best[1]
    likelihood = _iterate(obs, fresh, best[1], LONG_ITERATIONS)
    order = np.argsort(mean[:, -1], kind="stable")
    return Hmm(start[order], transition[np.ix_(order, order)], mean[order], variance[order], likelihood / len(obs))


def _iterate(
    obs: Matrix, fresh: NDArray[np.bool_], parameters: tuple[Vector, Matrix, Matrix, Matrix], iterations: int
) -> float:
    last = -math.inf
    for _ in range(iterations):
        likelihood = float(_em_step(obs, fresh, *parameters))
        if likelihood - last < TOLERANCE * len(obs):
            return likelihood
        last = likelihood
    return last

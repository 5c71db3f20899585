"""The regime: a hidden Markov model of two independent two-state chains, volatility (low, high) and trend (down, up).

State 2 v + d has mean return -m_v (d = 0) or +m_v (d = 1), log volatility l_v, and diagonal variances of its volatility
state. The symmetry keeps the trend chain from explaining volatility: where returns do not persist, m goes to 0 and both
trend states become alike. Fitted by EM on the training window (Rabiner 1989, scaled forward-backward); afterwards only
the forward filter is read, whose probabilities at row t use rows up to t. Smoothed states would look ahead.
"""

import math
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["STATES", "Hmm", "filter_step", "fit_hmm", "high_vol", "trend"]

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]

STATES = 4
RETURN, LEVEL = 0, 1  # columns of an observation
VARIANCE_MIN = 1e-3
RESTARTS, SHORT_ITERATIONS, LONG_ITERATIONS = 3, 6, 40
TOLERANCE = 1e-5  # log-likelihood per row
STAY_PRIOR = 0.95
PRIOR_ROWS = 2.0
"""Weight of the prior of a transition row, in rows."""


@dataclass(frozen=True, slots=True, eq=False)
class Hmm:
    """Parameters of the four states over (scaled return, log volatility).

    Attributes:
        start: float64[4] probabilities before the first row of a segment.
        transition: float64[4, 4], row: from, column: to.
        mean: float64[4, 2].
        variance: float64[4, 2].
        log_likelihood: of the fitted rows, per row.
    """

    start: Vector
    transition: Matrix
    mean: Matrix
    variance: Matrix
    log_likelihood: float


@njit(cache=True, nogil=True)
def high_vol(prob: Vector) -> float:
    """Return P(high volatility) of a filter."""
    return prob[2] + prob[3]


@njit(cache=True, nogil=True)
def trend(prob: Vector, mean: Matrix) -> float:
    """Return P(mean return above 0) - P(below 0) of a filter."""
    net = 0.0
    for k in range(STATES):
        net += prob[k] if mean[k, RETURN] > 0.0 else (-prob[k] if mean[k, RETURN] < 0.0 else 0.0)
    return net


@njit(cache=True, nogil=True)
def _emission(x: Vector, mean: Matrix, variance: Matrix, out: Vector) -> float:
    """Write the densities of x per state, scaled so that the largest is 1; return the log of the scale."""
    top = -math.inf
    for k in range(STATES):
        log_density = 0.0
        for d in range(2):
            gap = x[d] - mean[k, d]
            log_density -= 0.5 * (math.log(2.0 * math.pi * variance[k, d]) + gap * gap / variance[k, d])
        out[k] = log_density
        top = max(top, log_density)
    for k in range(STATES):
        out[k] = math.exp(out[k] - top)
    return top


@njit(cache=True, nogil=True)
def filter_step(
    prob: Vector, fresh: bool, x: Vector, start: Vector, transition: Matrix, mean: Matrix, variance: Matrix
) -> float:
    """Update P(state | rows so far) by one row; return the row's log-likelihood.

    Args:
        prob: float64[4], the filter before the row, changed in place.
        fresh: the row is the first of its segment: begin from `start`.
        x: float64[2] observation, finite.
        start: as in `Hmm`, all positive; likewise `transition`, `mean` and `variance`.
        transition: see `start`.
        mean: see `start`.
        variance: see `start`.
    """
    joint = np.empty(STATES)
    scale = _emission(x, mean, variance, joint)
    total = 0.0
    for k in range(STATES):
        predicted = start[k]
        if not fresh:
            predicted = 0.0
            for j in range(STATES):
                predicted += prob[j] * transition[j, k]
        joint[k] *= predicted
        total += joint[k]
    for k in range(STATES):
        prob[k] = joint[k] / total
    return scale + math.log(total)


@njit(cache=True, nogil=True)
def _expect(
    obs: Matrix,
    fresh: NDArray[np.bool_],
    start: Vector,
    transition: Matrix,
    mean: Matrix,
    variance: Matrix,
    gamma: Matrix,
    moves: Matrix,
) -> float:
    """Write P(state | all rows) to gamma[N, 4], expected transitions to moves[4, 4]; return the log-likelihood."""
    rows = obs.shape[0]
    prob = start.copy()
    log_likelihood = 0.0
    for t in range(rows):
        log_likelihood += filter_step(prob, fresh[t], obs[t], start, transition, mean, variance)
        gamma[t] = prob
    moves[:] = 0.0
    predicted, ratio = np.empty(STATES), np.empty(STATES)
    for t in range(rows - 2, -1, -1):
        if fresh[t + 1]:
            continue
        for j in range(STATES):
            predicted[j] = 0.0
            for i in range(STATES):
                predicted[j] += gamma[t, i] * transition[i, j]
            ratio[j] = gamma[t + 1, j] / predicted[j] if predicted[j] > 0.0 else 0.0
        for i in range(STATES):
            smoothed = 0.0
            for j in range(STATES):
                joint = gamma[t, i] * transition[i, j] * ratio[j]
                moves[i, j] += joint
                smoothed += joint
            gamma[t, i] = smoothed
    return log_likelihood


def _maximise(obs: Matrix, fresh: NDArray[np.bool_], gamma: Matrix, moves: Matrix) -> Hmm:
    """Return the parameters that the expected states make likeliest, under the structure of the module's head."""
    mean, variance = np.empty((STATES, 2)), np.empty((STATES, 2))
    for v in (0, 1):
        down, up = gamma[:, 2 * v], gamma[:, 2 * v + 1]
        both = down + up
        weight = both.sum() + 1e-9
        drift = float((up - down) @ obs[:, RETURN] / weight)
        level = float(both @ obs[:, LEVEL] / weight)
        around = up @ (obs[:, RETURN] - drift) ** 2 + down @ (obs[:, RETURN] + drift) ** 2
        spread = both @ (obs[:, LEVEL] - level) ** 2
        mean[2 * v], mean[2 * v + 1] = (-drift, level), (drift, level)
        variance[2 * v : 2 * v + 2] = max(around / weight, VARIANCE_MIN), max(spread / weight, VARIANCE_MIN)
    pairs = moves.reshape(2, 2, 2, 2)  # from v, from d, to v, to d
    vol_moves, trend_moves = pairs.sum(axis=(1, 3)), pairs.sum(axis=(0, 2))
    prior = PRIOR_ROWS * np.array([[STAY_PRIOR, 1.0 - STAY_PRIOR], [1.0 - STAY_PRIOR, STAY_PRIOR]])
    vol = vol_moves + prior
    vol /= vol.sum(axis=1, keepdims=True)
    both_ways = trend_moves + trend_moves[::-1, ::-1] + prior
    direction = both_ways / both_ways.sum(axis=1, keepdims=True)
    high = (gamma[fresh][:, 2:].sum() + 1.0) / (np.count_nonzero(fresh) + 2.0)
    start = np.array([1.0 - high, 1.0 - high, high, high]) / 2.0
    return Hmm(start, np.kron(vol, direction), mean, variance, -math.inf)


def _first_guess(obs: Matrix, rng: np.random.Generator) -> Hmm:
    """Return a random start: volatility levels around two quantiles, a weak persistent trend."""
    low, high = np.quantile(obs[:, LEVEL], rng.uniform((0.15, 0.6), (0.4, 0.9)))
    drift = float(rng.uniform(0.2, 0.6) * obs[:, RETURN].std())
    chain = np.array([[STAY_PRIOR, 1.0 - STAY_PRIOR], [1.0 - STAY_PRIOR, STAY_PRIOR]])
    mean = np.array([[-drift, low], [drift, low], [-drift, high], [drift, high]])
    variance = np.tile(np.maximum(obs.var(axis=0), VARIANCE_MIN), (STATES, 1))
    return Hmm(np.full(STATES, 0.25), np.kron(chain, chain), mean, variance, -math.inf)


def fit_hmm(obs: Matrix, fresh: NDArray[np.bool_], seed: int) -> Hmm:
    """Fit by EM from several random starts and return the likeliest, high volatility in states 2 and 3.

    Args:
        obs: float64[N, 2] of all training sequences one after another: scaled return, log volatility; finite.
        fresh: bool[N], true where a sequence begins; fresh[0] is true.
        seed: of the random starts.
    """
    rng = np.random.default_rng(seed)
    trials = [_iterate(obs, fresh, _first_guess(obs, rng), SHORT_ITERATIONS) for _ in range(RESTARTS)]
    best = _iterate(obs, fresh, max(trials, key=lambda h: h.log_likelihood), LONG_ITERATIONS)
    order = np.array([2, 3, 0, 1] if best.mean[0, LEVEL] > best.mean[2, LEVEL] else [0, 1, 2, 3])
    transition = np.ascontiguousarray(best.transition[np.ix_(order, order)])
    return Hmm(best.start[order], transition, best.mean[order], best.variance[order], best.log_likelihood)


def _iterate(obs: Matrix, fresh: NDArray[np.bool_], h: Hmm, iterations: int) -> Hmm:
    """Return the model after EM steps, until the likelihood stops growing; its likelihood is the last one measured."""
    gamma, moves = np.empty((len(obs), STATES)), np.empty((STATES, STATES))
    last = -math.inf
    for _ in range(iterations):
        reached = _expect(obs, fresh, h.start, h.transition, h.mean, h.variance, gamma, moves) / len(obs)
        better = _maximise(obs, fresh, gamma, moves)
        h = Hmm(better.start, better.transition, better.mean, better.variance, float(reached))
        if reached - last < TOLERANCE:
            break
        last = reached
    return h

"""The exact optimum of markets with a planted predictor and a linear cost: what a perfect trader would earn.

The problem, in all cases: at each bar a signal is seen, a position a is chosen, a times the expected return of the next
bar is earned and `cost` is paid per unit of position changed. The optimum is the greatest mean gain per bar. Sources:
de Lataillade, Deremble, Potters, Bouchaud (2012) for the threshold form; relative value iteration for the grids.
Units are the caller's: `cost`, signal and value share one (basis points, say).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq, minimize_scalar
from scipy.sparse import csr_array
from scipy.special import dawsn, erfi, ndtr

from huracan.errors import InvariantError

__all__ = [
    "LONG_FLAT",
    "LONG_SHORT",
    "Ar1Problem",
    "Grid",
    "GridSolution",
    "Optimum",
    "ar1_grid",
    "ar1_optimum",
    "continuous_optimum",
    "hidden_regime_grid",
    "mean_reverting_price",
    "policy_value",
    "regime_optimum",
    "solve_grid",
    "threshold_value",
]

LONG_FLAT = (0.0, 1.0)
LONG_SHORT = (-1.0, 1.0)

_NODES_MIN = 80
_RESTART = 1e-8
"""Chance per bar that `policy_value`'s chain starts anew: makes its long-run mean unique, at a bias of that order."""


@dataclass(frozen=True, slots=True)
class Ar1Problem:
    """Predictor p' = rho p + innovation * N(0,1), E[next return | p] = p, paid `cost` per unit traded.

    Attributes:
        rho: in [0, 1); the continuous limit needs rho > 0.
        innovation: > 0, in the unit of the value per bar.
        cost: >= 0, per unit of position changed (one side), same unit.
    """

    rho: float
    innovation: float
    cost: float

    @property
    def sd(self) -> float:
        """Stationary standard deviation of the predictor."""
        return self.innovation / math.sqrt(1.0 - self.rho**2)

    @property
    def free_value(self) -> float:
        """Long/short value per bar if trading were free: E|p|."""
        return self.sd * math.sqrt(2.0 / math.pi)


@dataclass(frozen=True, slots=True)
class Optimum:
    """The best rule: long at p >= threshold, short (or flat) at p <= -threshold, else keep.

    Attributes:
        value: mean gain per bar.
        threshold: in the predictor's unit.
    """

    value: float
    threshold: float


@dataclass(frozen=True, slots=True)
class Grid:
    """A signal on finitely many points.

    Attributes:
        points: float64[n], the signal.
        payoff: float64[n], expected return of the next bar per unit of position.
        transition: float64[n, n] or sparse, rows sum to 1.
    """

    points: NDArray[np.float64]
    payoff: NDArray[np.float64]
    transition: NDArray[np.float64] | csr_array


@dataclass(frozen=True, slots=True)
class GridSolution:
    """The optimal policy on a grid.

    Attributes:
        value: mean gain per bar.
        choice: int64[n, K], index of the best position at each point, given the index held.
        advantage: float64[n, K, K], what each choice is worth, less the value.
    """

    value: float
    choice: NDArray[np.int64]
    advantage: NDArray[np.float64]


def mean_reverting_price(rho: float, sd: float, cost: float) -> Ar1Problem:
    """Return the problem of a price whose deviation x' = rho x + e, of standard deviation `sd`, is seen.

    E[next return | x] = -(1 - rho) x, so the predictor is p = -(1 - rho) x; a threshold q on p is q / (1 - rho) on |x|.
    """
    return Ar1Problem(rho, (1.0 - rho) * sd * math.sqrt(1.0 - rho**2), cost)


def continuous_optimum(problem: Ar1Problem) -> Optimum:
    """Return the closed form of the continuous-time limit, long/short, with the same decay and stationary law.

    With e = -ln rho and b = sd sqrt(2 e), the threshold q solves e*cost = q - (b/sqrt(e)) D(q sqrt(e)/b), D Dawson's
    function; the value is 2 (q - e cost) / (sqrt(2 pi) Int_0^z exp(u^2/2) du), z = q sqrt(2e)/b. Free trading: E|p|.
    """
    e = -math.log(problem.rho)
    b = problem.sd * math.sqrt(2.0 * e)
    if problem.cost == 0.0:
        return Optimum(problem.free_value, 0.0)
    gap = e * problem.cost

    def excess(q: float) -> float:
        return q - b / math.sqrt(e) * float(dawsn(q * math.sqrt(e) / b)) - gap

    threshold = float(brentq(excess, 0.0, gap + b / math.sqrt(e), xtol=1e-14))
    z = threshold * math.sqrt(2.0 * e) / b
    integral = math.sqrt(math.pi / 2.0) * float(erfi(z / math.sqrt(2.0)))
    return Optimum(2.0 * (threshold - gap) / (math.sqrt(2.0 * math.pi) * integral), threshold)


def ar1_optimum(problem: Ar1Problem, positions: tuple[float, float] = LONG_SHORT) -> Optimum:
    """Return the exact optimum in discrete time, to about 1e-9, without a grid: the best threshold rule.

    Args:
        problem: predictor and cost.
        positions: (low, high); the value scales with high - low, the threshold does not depend on it.
    """
    if problem.cost == 0.0:
        return Optimum(threshold_value(problem, 0.0, positions), 0.0)
    top = min(problem.cost + problem.innovation, 8.0 * problem.sd)
    found = minimize_scalar(
        lambda q: -threshold_value(problem, q, positions), bounds=(0.0, top), method="bounded", options={"xatol": 1e-10}
    )
    return Optimum(max(-float(found.fun), 0.0), float(found.x))


def threshold_value(problem: Ar1Problem, threshold: float, positions: tuple[float, float] = LONG_SHORT) -> float:
    """Return the mean gain per bar of the rule: high at p >= threshold, low at p <= -threshold, else keep. Exact.

    w(p) = P(high | p) is 1 above, 0 below, and between solves w = Phi((rho p - q)/s) + Int k(p -> y) w(y) dy (the
    stationary AR(1) is reversible), by Gauss-Legendre quadrature.
    """
    q, rho, s, sd = threshold, problem.rho, problem.innovation, problem.sd
    count = max(_NODES_MIN, math.ceil(8.0 * q / s))
    nodes, weights = np.polynomial.legendre.leggauss(count)
    inside, inside_w = nodes * q, weights * q
    reach = 12.0 * sd
    above, above_w = q + (nodes + 1.0) * reach / 2.0, weights * reach / 2.0

    def density(x: NDArray[np.float64], scale: float) -> NDArray[np.float64]:
        return np.asarray(np.exp(-0.5 * (x / scale) ** 2) / (scale * math.sqrt(2.0 * math.pi)))

    kernel = density(inside[None, :] - rho * inside[:, None], s) * inside_w
    w = np.linalg.solve(np.eye(count) - kernel, ndtr((rho * inside - q) / s))
    mean_p_high = float(np.sum(inside_w * inside * w * density(inside, sd))) + sd**2 * float(density(np.array(q), sd))
    both_above = float(np.sum(above_w * density(above, sd) * ndtr((rho * above - q) / s)))
    held_above = float(np.sum(inside_w * density(inside, sd) * w * ndtr((rho * inside - q) / s)))
    flips_up = float(ndtr(-q / sd)) - both_above - held_above
    return (positions[1] - positions[0]) * (mean_p_high - 2.0 * problem.cost * flips_up)


def ar1_grid(problem: Ar1Problem, points: int = 801, width_sds: float = 6.5) -> Grid:
    """Return the predictor on an even grid of +-width_sds: the probability of each cell, tails in the end cells."""
    x = np.linspace(-width_sds * problem.sd, width_sds * problem.sd, points)
    edges = np.concatenate(([-np.inf], (x[1:] + x[:-1]) / 2.0, [np.inf]))
    transition = np.diff(ndtr((edges[None, :] - problem.rho * x[:, None]) / problem.innovation), axis=1)
    return Grid(x, x, transition)


def solve_grid(grid: Grid, positions: Sequence[float], cost: float, span: float = 1e-10) -> GridSolution:
    """Return the optimum by relative value iteration: h <- max_a { a payoff - cost |a - held| + P h } - const.

    Args:
        grid: signal.
        positions: K positions that may be held.
        cost: per unit traded, one side.
        span: stop when the bounds of the value per bar lie this close.

    Raises:
        InvariantError: no convergence in 50,000 sweeps: the chain is periodic or reducible.
    """
    held = np.asarray(positions, float)
    gain = grid.payoff[:, None] * held[None, :]  # [n, a]
    fee = cost * np.abs(held[None, :] - held[:, None])  # [held, a]
    h = np.zeros_like(gain)
    for _ in range(50_000):
        after = gain + grid.transition @ h
        new = np.stack([(after - fee[k]).max(axis=1) for k in range(len(held))], axis=1)
        change = new - h
        h = new - new[0, 0]
        low, high = float(change.min()), float(change.max())
        if high - low < span:
            advantage = (gain + grid.transition @ h)[:, None, :] - fee[None] - h[:, :, None] - (low + high) / 2.0
            return GridSolution((low + high) / 2.0, advantage.argmax(axis=2), advantage)
    raise InvariantError(f"relative value iteration has not converged: span {high - low:.3g} per bar")


def policy_value(
    grid: Grid, positions: Sequence[float], cost: float, probabilities: NDArray[np.float64], start: int = 0
) -> float:
    """Return the exact mean gain per bar of any policy on a grid, from the stationary law of its chain.

    Args:
        grid: signal.
        positions: K positions that may be held.
        cost: per unit traded, one side.
        probabilities: float64[n, K, K]: chance of choosing each position at each point, given the index held; a
            deterministic policy has one 1 per row.
        start: index of the position held at the beginning (it matters only to policies that never leave a position).
    """
    held = np.asarray(positions, float)
    n, k = len(grid.points), len(held)
    transition = grid.transition if isinstance(grid.transition, np.ndarray) else grid.transition.toarray()
    # chain[(i, held), (j, chosen)] = probability of choosing in i given held, times P[i, j]
    chain = (probabilities[:, :, None, :] * transition[:, None, :, None]).reshape(n * k, n * k)
    first = np.zeros((n, k))
    first[n // 2, start] = 1.0
    law = np.linalg.solve(np.eye(n * k) - (1.0 - _RESTART) * chain.T, _RESTART * first.ravel()).reshape(n, k)
    gain = grid.payoff[:, None, None] * held[None, None, :] - cost * np.abs(held[None, :] - held[:, None])[None]
    return float(np.sum(law[:, :, None] * probabilities * gain))


def regime_optimum(edge: float, switch: float, cost: float, positions: tuple[float, float] = LONG_SHORT) -> float:
    """Return the value per bar of an observed two-state regime: E[next return] = +-edge, switch probability `switch`.

    Following the regime earns edge - 2 cost switch per bar (long/short); where that is negative, flat is best.
    """
    return (positions[1] - positions[0]) / 2.0 * max(0.0, edge - 2.0 * cost * switch)


def hidden_regime_grid(edge: float, sigma: float, switch: float, points: int = 2_001, nodes: int = 61) -> Grid:
    """Return the belief b = P(regime up) of a hidden regime as a grid, even in logit(b).

    The next return is N(+-edge, sigma); after it, Bayes: post = b f(r - m) / (b f(r - m) + (1 - b) f(r + m)), then the
    regime may switch: b' = post (1 - switch) + (1 - post) switch. Gauss-Hermite over r, linear interpolation over b'.
    """
    bound = math.log((1.0 - switch) / switch)
    logit = np.linspace(-bound, bound, points)
    belief = 1.0 / (1.0 + np.exp(-logit))
    z, weight = np.polynomial.hermite_e.hermegauss(nodes)
    weight = weight / weight.sum()
    rows, columns, values = [], [], []
    for chance, mean in ((belief, edge), (1.0 - belief, -edge)):
        returns = mean + sigma * z
        posterior = 1.0 / (1.0 + np.exp(-(logit[:, None] + 2.0 * edge * returns[None, :] / sigma**2)))
        after = posterior * (1.0 - switch) + (1.0 - posterior) * switch
        place = (np.log(after / (1.0 - after)) + bound) / (2.0 * bound) * (points - 1)
        low = np.clip(np.floor(place).astype(np.int64), 0, points - 2)
        share = np.clip(place - low, 0.0, 1.0)
        mass = chance[:, None] * weight[None, :]
        row = np.broadcast_to(np.arange(points)[:, None], low.shape)
        rows += [row.ravel(), row.ravel()]
        columns += [low.ravel(), low.ravel() + 1]
        values += [(mass * (1.0 - share)).ravel(), (mass * share).ravel()]
    entries = (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns)))
    return Grid(belief, edge * (2.0 * belief - 1.0), csr_array(entries, shape=(points, points)))

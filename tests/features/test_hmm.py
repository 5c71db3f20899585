"""The regime model: EM finds planted parameters, the filter is the exact posterior, and it is the online one."""

import itertools
import math

import numpy as np
import pytest
from numpy.typing import NDArray

from huracan.features.hmm import STATES, Hmm, filter_step, fit_hmm, high_vol, trend


def simulate(
    rows: int, drift: float, seed: int, stay_vol: float = 0.99, stay_trend: float = 0.98
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """Return observations and the hidden volatility and trend states."""
    rng = np.random.default_rng(seed)
    vol = np.cumsum(rng.random(rows) > stay_vol) % 2
    up = np.cumsum(rng.random(rows) > stay_trend) % 2
    x = np.column_stack([rng.normal((2 * up - 1) * drift, 1.0), rng.normal(0.8 * vol - 0.4, 0.2)])
    return x, vol, up


def filtered(h: Hmm, x: NDArray[np.float64], fresh: NDArray[np.bool_]) -> tuple[NDArray[np.float64], float]:
    """Return the filter after each row and the total log-likelihood."""
    prob, out, total = h.start.copy(), np.empty((len(x), STATES)), 0.0
    for t in range(len(x)):
        total += filter_step(prob, bool(fresh[t]), x[t], h.start, h.transition, h.mean, h.variance)
        out[t] = prob
    return out, total


def first_only(rows: int) -> NDArray[np.bool_]:
    """Return the marks of a single sequence."""
    return np.arange(rows) == 0


def toy() -> Hmm:
    """Return a model with known parameters."""
    chain = np.kron([[0.9, 0.1], [0.2, 0.8]], [[0.7, 0.3], [0.3, 0.7]])
    mean = np.array([[-0.4, -0.5], [0.4, -0.5], [-0.2, 0.6], [0.2, 0.6]])
    return Hmm(np.array([0.3, 0.3, 0.2, 0.2]), chain, mean, np.tile([1.1, 0.3], (4, 1)), 0.0)


def test_filter_is_the_posterior_by_enumeration() -> None:
    """Over five rows the filter equals the sum over all 4^5 state paths, and so does the likelihood."""
    h, x = toy(), np.random.default_rng(1).normal(0, 1, (5, 2))
    weight = np.zeros(STATES)
    for path in itertools.product(range(STATES), repeat=5):
        p = h.start[path[0]]
        for t, k in enumerate(path):
            p *= h.transition[path[t - 1], k] if t else 1.0
            for d in range(2):
                v = h.variance[k, d]
                p *= math.exp(-((x[t, d] - h.mean[k, d]) ** 2) / (2 * v)) / math.sqrt(2 * math.pi * v)
        weight[path[-1]] += p
    found, log_likelihood = filtered(h, x, first_only(5))
    assert found[-1] == pytest.approx(weight / weight.sum(), rel=1e-12)
    assert log_likelihood == pytest.approx(math.log(weight.sum()), rel=1e-12)


def test_filter_online_is_the_filter_of_every_prefix() -> None:
    """The probabilities at row t are the same bytes whether later rows exist or not."""
    h, (x, _, _) = toy(), simulate(60, 0.3, seed=2)
    whole, _ = filtered(h, x, first_only(60))
    for t in (1, 17, 59):
        assert filtered(h, x[: t + 1], first_only(t + 1))[0][-1].tobytes() == whole[t].tobytes()


def test_em_finds_planted_regimes() -> None:
    """With a persistent trend, EM recovers drift, levels, variances and persistence, and the filter the states."""
    x, vol, up = simulate(20_000, 0.5, seed=3)
    h = fit_hmm(x, first_only(len(x)), seed=1)
    assert h.mean[[1, 3], 0] == pytest.approx([0.5, 0.5], abs=0.05)
    assert h.mean[[0, 2], 1] == pytest.approx([-0.4, 0.4], abs=0.02)
    assert h.variance[:, 0] == pytest.approx(np.ones(4), abs=0.05)
    assert h.transition[0, 0] == pytest.approx(0.99 * 0.98, abs=0.01)
    prob, _ = filtered(h, x, first_only(len(x)))
    assert np.mean((np.array([high_vol(p) for p in prob]) > 0.5) == vol) > 0.99
    assert np.mean((np.array([trend(p, h.mean) for p in prob]) > 0) == up) > 0.85


def test_em_sees_no_trend_where_there_is_none() -> None:
    """Without drift the trend states become alike: the trend entry stays near zero."""
    x, _, _ = simulate(20_000, 0.0, seed=4)
    h = fit_hmm(x, first_only(len(x)), seed=1)
    prob, _ = filtered(h, x, first_only(len(x)))
    assert np.std([trend(p, h.mean) for p in prob]) < 0.3


def test_em_never_makes_the_likelihood_worse_than_the_truth() -> None:
    """The fitted likelihood reaches that of the parameters that made the data."""
    x, _, _ = simulate(5_000, 0.5, seed=5)
    chain = np.kron([[0.99, 0.01], [0.01, 0.99]], [[0.98, 0.02], [0.02, 0.98]])
    mean = np.array([[-0.5, -0.4], [0.5, -0.4], [-0.5, 0.4], [0.5, 0.4]])
    truth = Hmm(np.full(4, 0.25), chain, mean, np.tile([1.0, 0.04], (4, 1)), 0.0)
    h = fit_hmm(x, first_only(len(x)), seed=1)
    assert h.log_likelihood * len(x) > filtered(truth, x, first_only(len(x)))[1] - 5.0


def test_fit_depends_on_its_seed_only_through_its_starts() -> None:
    """The same seed gives the same bytes, and broken sequences are not joined."""
    x, _, _ = simulate(2_000, 0.3, seed=6)
    one, two = (fit_hmm(x, first_only(len(x)), seed=9) for _ in range(2))
    assert one.mean.tobytes() == two.mean.tobytes()
    broken = first_only(len(x)) | (np.arange(len(x)) % 2 == 0)
    assert fit_hmm(x, broken, seed=9).transition[0, 0] != one.transition[0, 0]
    prob, _ = filtered(one, x, broken)
    assert prob[1000].tobytes() == filtered(one, x[1000:1001], np.array([True]))[0][0].tobytes()

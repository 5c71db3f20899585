"""Efficiency ratio, variance ratio, jumps and semivariance on paths whose answer is known."""

import math

import numpy as np
import pytest

from huracan.features import WindowTable, windows_for
from huracan.features.machines.returns import (
    efficiency_ratio,
    returns_emit,
    returns_init,
    returns_over,
    returns_update,
)
from tests.features.markets import SMALL

W: WindowTable = windows_for("1m", SMALL.windows)


def fed(log_close: np.ndarray) -> np.ndarray:
    """Return the machine's state after a path of log closes."""
    s = returns_init(W)
    for x in log_close:
        returns_update(s, float(x))
    return s


def emitted(log_close: np.ndarray) -> np.ndarray:
    """Return the row after a path, with a sigma of 1 %."""
    out = np.zeros(52)
    returns_emit(fed(log_close), 0.01, out)
    return out


def test_efficiency_by_hand() -> None:
    """Up, up, down: a net move of one over a path of three; a straight path is 1 and its mirror -1."""
    s = fed(np.array([0.0, 0.01, 0.02, 0.01]))
    assert efficiency_ratio(s, 3) == pytest.approx(1 / 3, rel=1e-12)
    assert efficiency_ratio(fed(0.01 * np.arange(50)), 8) == 1.0
    assert emitted(-0.01 * np.arange(60.0))[[16, 17]].tolist() == [-1.0, -1.0]


def test_variance_ratio_of_known_processes() -> None:
    """A random walk has VR 1 on average; an alternating path nearly 0 at lag 2; a smooth one above 1."""
    rng = np.random.default_rng(3)
    walks = np.array([emitted(np.cumsum(rng.normal(0, 0.01, 60)))[[18, 19]] for _ in range(800)])
    assert walks.mean(axis=0) == pytest.approx([0.0, 0.0], abs=0.05)
    seesaw = emitted(0.01 * (np.arange(60) % 2))
    assert seesaw[18] == pytest.approx(-1.0, abs=0.05)
    noise = np.convolve(rng.normal(0, 0.01, 80), np.ones(8), "valid")
    assert emitted(np.cumsum(noise))[18] > 0.5


def test_one_jump_is_seen_as_a_jump_and_steady_moves_are_not() -> None:
    """A single large move among equal small ones has a jump share near 1; equal moves have none."""
    steady = np.cumsum(np.tile([0.001, -0.001], 40))
    assert emitted(steady)[12] == 0.0
    jumped = steady.copy()
    jumped[-5:] += 0.05
    assert emitted(jumped)[12] > 0.9
    assert emitted(jumped)[13] > 0.9
    assert emitted(-jumped)[13] < -0.9


def test_semivariance_by_hand() -> None:
    """Half the moves +2, half -1: (4 - 1) / (4 + 1)."""
    steps = np.tile([0.02, -0.01], 40)
    assert emitted(np.cumsum(steps))[13] == pytest.approx(0.6, rel=1e-12)


def test_returns_are_scaled_by_the_root_of_their_horizon_and_cut_at_five() -> None:
    """A steady rise of half a sigma per bar is sqrt(n) / 2 standard deviations over n bars, at most 5."""
    out = emitted(0.005 * np.arange(80))
    assert out[:6] == pytest.approx([min(0.5 * math.sqrt(n), 5.0) for n in W.returns], rel=1e-9)
    assert emitted(0.5 * np.arange(80))[:6].tolist() == [5.0] * 6


def test_horizons_longer_than_the_history_are_zero() -> None:
    """Before n + 1 closes are known the n-bar return is 0."""
    s = fed(np.array([0.0, 0.1, 0.3]))
    assert returns_over(s, 2) == pytest.approx(0.3)
    assert returns_over(s, 3) == 0.0


def test_running_sums_do_not_drift() -> None:
    """After a move of 300 % and 100,000 bars of a hundredth of a basis point, the variance ratio is exact."""
    rng = np.random.default_rng(4)
    path = np.concatenate([[0.0, 3.0], 3.0 + np.cumsum(rng.normal(0, 1e-6, 100_000))])
    n, q = W.variance_ratio, W.vr_lags[1]
    x = path[-n - 1 :]
    mu = (x[-1] - x[0]) / n
    one = ((np.diff(x) - mu) ** 2).sum() / (n - 1)
    many = ((x[q:] - x[:-q] - q * mu) ** 2).sum() / (q * (n - q + 1) * (1 - q / n))
    assert emitted(path)[19] == pytest.approx(many / one - 1, rel=1e-6)

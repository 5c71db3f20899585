"""Points: the training window is white in them, and a state's point depends on the state alone."""

import numpy as np
import pytest

from huracan.errors import DataError
from huracan.features import MARKET_SIZE, Scaler
from huracan.patterns import EMBEDDED
from huracan.patterns.embedding import DIMENSIONS, Embedding
from tests.patterns.worlds import SCALER, states


def correlated(count: int, seed: int) -> np.ndarray:
    """Return float32[count, 52] whose entries say much the same thing, in different units."""
    rng = np.random.default_rng(seed)
    mixed = rng.standard_normal((count, 12)) @ rng.standard_normal((12, MARKET_SIZE))
    return (0.2 * mixed).astype(np.float32)


def test_the_training_window_is_white() -> None:
    """Mean 0 and unit covariance along the axes there are; the rest is exactly 0."""
    rows = correlated(4_000, 1)
    points = Embedding.fit(rows, SCALER).points(rows).astype(np.float64)
    used = np.flatnonzero(points.any(axis=0))
    assert used.tolist() == list(range(12))
    assert np.abs(points.mean(axis=0)).max() < 1e-5
    assert np.allclose(points[:, used].T @ points[:, used] / len(points), np.eye(12), atol=1e-4)
    assert points.shape == (4_000, DIMENSIONS)


def test_a_point_is_what_the_formula_says() -> None:
    """clip((x - center) / scale) - mean, times the axes; entries outside the embedded ones do not count."""
    scaler = Scaler(np.full(80, 0.5, np.float32), np.full(80, 2.0, np.float32), np.full(80, 1.0, np.float32))
    rows = states(500, 2)
    found = Embedding.fit(rows, scaler)
    z = np.clip((rows[:, EMBEDDED].astype(np.float64) - 0.5) / 2.0, -1.0, 1.0)
    assert np.allclose(found.points(rows), (z - z.mean(axis=0)) @ found.axes, atol=1e-5)
    changed = rows.copy()
    changed[:, np.setdiff1d(np.arange(MARKET_SIZE), EMBEDDED)] = 99.0
    assert np.array_equal(found.points(changed), found.points(rows))


def test_one_row_and_many_give_the_same_bits() -> None:
    """Alone, in a batch, from a read-only array or out of a wider state: the same 32 numbers."""
    rows = correlated(300, 3)
    found = Embedding.fit(rows, SCALER)
    many = found.points(rows)
    wide = np.zeros((300, 80), np.float32)
    wide[:, :MARKET_SIZE] = rows
    wide.setflags(write=False)
    assert np.array_equal(found.points(wide), many)
    for row in range(300):
        assert np.array_equal(found.points(rows[row : row + 1])[0], many[row])


def test_too_little_to_whiten_by_is_refused() -> None:
    """Few rows, or rows that are all the same."""
    with pytest.raises(DataError, match="50 rows"):
        Embedding.fit(states(50, 1), SCALER)
    with pytest.raises(DataError, match="do not vary"):
        Embedding.fit(np.ones((500, MARKET_SIZE), np.float32), SCALER)

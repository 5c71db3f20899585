"""The worth of correlated trials: published effective ranks, and the two ends of each measure."""

import numpy as np
import pytest

from huracan.errors import EvidenceError
from huracan.shadow.trial_count import effective_rank, independent_trials


@pytest.mark.parametrize(
    ("matrix", "expected", "tolerance"),
    [
        (np.eye(3), 3.0, 1e-9),
        (np.array([[10, 1], [1, 10]]) / 10, 2.0, 0.02),
        (np.array([[10, 1, 7], [1, 10, 8], [7, 8, 10]]) / 10, 1.84, 0.01),
    ],
)
def test_effective_ranks_are_the_published_ones(matrix: np.ndarray, expected: float, tolerance: float) -> None:
    """The last matrix has an eigenvalue below 0, which is left out."""
    assert effective_rank(matrix) == pytest.approx(expected, abs=tolerance)


def test_equal_trials_are_one_and_independent_ones_are_all() -> None:
    """At correlations 1 and 0, and in between."""
    assert effective_rank(np.ones((6, 6))) == pytest.approx(1.0)
    assert effective_rank(np.eye(6)) == pytest.approx(6.0)
    assert 1.0 < effective_rank(0.5 * np.eye(6) + 0.5) < 6.0


def test_trials_are_counted_by_their_daily_results() -> None:
    """Three strategies in four sizes each are worth three; one that never traded counts for nothing."""
    net = np.random.default_rng(3).standard_normal((5_000, 3))
    copies = np.concatenate([size * net for size in (1.0, 2.0, 5.0, 0.1)] + [np.zeros((5_000, 1))], axis=1)
    assert independent_trials(copies) == pytest.approx(3.0, abs=0.01)
    assert independent_trials(copies[:, -2:]) is None


def test_damaged_correlations_are_refused() -> None:
    """A constant trial has no correlation."""
    with pytest.raises(EvidenceError, match="not finite"):
        effective_rank(np.full((2, 2), np.nan))
    with pytest.raises(EvidenceError, match="no positive eigenvalue"):
        effective_rank(np.zeros((2, 2)))

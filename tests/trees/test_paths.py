"""CPCV says how much of a result is the accident of one division of time."""

import numpy as np
import pytest

from huracan.errors import DataError
from huracan.trees import cpcv_paths
from tests.trees.worlds import START_MS, end_of, made_labels


def test_every_path_finds_planted_skill() -> None:
    """Fifteen splits make five paths, each with skill and a profit."""
    labels = made_labels(6_000, 1, 1.5)
    found = cpcv_paths(labels, START_MS, end_of(labels), 1)
    assert (found.splits, len(found.auc)) == (15, 5)
    assert min(found.auc) > 0.7
    assert found.losing_share == 0.0
    assert 0 < found.sharpe_low <= found.sharpe_median
    assert min(found.trades) > 100


def test_paths_through_noise_show_no_skill() -> None:
    """Over six null windows the mean AUC of the paths is a half within three standard errors."""
    found = [
        np.mean(cpcv_paths(labels, START_MS, end_of(labels), 1, groups=4).auc)
        for labels in (made_labels(1_600, 300 + seed, 0.0) for seed in range(6))
    ]
    assert abs(np.mean(found) - 0.5) < 3 * np.std(found, ddof=1) / np.sqrt(6) + 0.01


def test_a_window_that_is_too_small_is_refused() -> None:
    """The message counts what there is."""
    labels = made_labels(100, 2, 1.0)
    with pytest.raises(DataError, match="100 labels"):
        cpcv_paths(labels, START_MS, end_of(labels), 1)

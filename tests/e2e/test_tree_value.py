"""What the tree model is worth, through candles, features, kernel and labels: planted truth is found, chance is not."""

import numpy as np
import pytest

from tests.e2e.tree_value import Found, interval, worlds

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1_500)]


@pytest.fixture(scope="module")
def planted() -> list[Found]:
    """Six worlds of mean-reverting coins."""
    return worlds(planted=True, count=6)


def test_planted_truth_is_found(planted: list[Found]) -> None:
    """On unseen days it orders entries nearly as the deviation itself does, and its chances beat the base rate."""
    assert all(found.enters for found in planted)
    for found in planted:
        assert found.best_auc is not None
        assert found.auc > 0.5 + 0.75 * (found.best_auc - 0.5)
    mean, low, _ = interval([found.base - found.brier for found in planted])
    print(mean, low)
    assert low > 0.0


def test_markets_without_an_edge_show_none() -> None:
    """Over twelve worlds hardly one is entered, nothing is earned, and no chance is told better than by the base rate.

    The order of the chances says little here: how likely a stop is hit hangs on the volatility, which can be foretold
    where no profit can.
    """
    found = worlds(planted=False, count=12)
    assert sum(one.enters for one in found) <= 2
    assert np.mean([one.net for one in found]) <= 0.0
    assert np.mean([one.base - one.brier for one in found]) < 0.002
    assert np.mean([one.auc for one in found]) < 0.56

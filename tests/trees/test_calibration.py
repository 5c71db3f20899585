"""Probabilities mean what they say: recovered from planted truth, and honest where there is none."""

import numpy as np
import pytest
from scipy.special import expit

from huracan.errors import DataError
from huracan.trees import auc, brier, fit_platt, reliability


def test_a_planted_sigmoid_is_recovered() -> None:
    """Slope 0.6 and offset -0.3 within five standard errors of 40,000 rows."""
    rng = np.random.default_rng(1)
    score = rng.normal(0.5, 2.0, 40_000)
    won = rng.random(score.size) < expit(0.6 * score - 0.3)
    found = fit_platt(score, won, np.ones(score.size))
    assert found.slope == pytest.approx(0.6, abs=0.05)
    assert found.offset == pytest.approx(-0.3, abs=0.06)
    told = reliability(found.probability(score), won)
    assert told.ece < 0.012
    assert told.brier == pytest.approx(float(np.mean(won - expit(0.6 * score - 0.3)) ** 2 + told.brier), abs=1e-3)
    assert told.skill > 0.15


def test_scores_without_information_give_the_base_rate() -> None:
    """Backward and constant scores alike: slope 0, and the share of wins."""
    rng = np.random.default_rng(2)
    score = rng.normal(0, 1, 5_000)
    won = rng.random(score.size) < expit(-score - 1.0)
    for told in (score, np.zeros(score.size)):
        found = fit_platt(told, won, np.ones(score.size))
        assert found.slope == 0.0
        assert found.probability(told)[0] == pytest.approx(won.mean(), abs=1e-3)


def test_weights_count_like_repeated_rows() -> None:
    """A row of weight 2 is two rows."""
    rng = np.random.default_rng(3)
    score = rng.normal(0, 1, 400)
    won = rng.random(400) < expit(score)
    twice = fit_platt(np.repeat(score, 2), np.repeat(won, 2), np.ones(800))
    heavy = fit_platt(score, won, np.full(400, 2.0))
    assert heavy.slope == pytest.approx(twice.slope, rel=1e-6)


def test_auc_and_brier_by_hand() -> None:
    """Three of four pairs in order, one of them a tie; a half for a coin's toss."""
    won = np.array([True, False, True, False])
    assert auc(np.array([0.9, 0.1, 0.4, 0.4]), won) == 0.875
    assert auc(np.zeros(4), won) == 0.5
    assert brier(np.array([1.0, 0.0, 0.5, 0.5]), won) == 0.125


def test_reliability_by_hand() -> None:
    """Two bins: said 0.2 and 0.8, happened 0 and 0.5."""
    told = reliability(np.array([0.2, 0.2, 0.8, 0.8]), np.array([False, False, True, False]), bins=2)
    assert told.said == pytest.approx((0.2, 0.8))
    assert told.happened == (0.0, 0.5)
    assert told.ece == pytest.approx(0.25)


def test_bad_input_is_refused() -> None:
    """One class, scores that are not finite, too few rows, and what is no probability."""
    ones = np.ones(20)
    with pytest.raises(DataError, match="one outcome"):
        fit_platt(ones, ones > 0, ones)
    with pytest.raises(DataError, match="not finite"):
        fit_platt(np.full(20, np.nan), ones > 0, ones)
    with pytest.raises(DataError, match="both are needed"):
        auc(ones, ones > 0)
    with pytest.raises(DataError, match="15 bins"):
        reliability(ones[:10], ones[:10] > 0)
    with pytest.raises(DataError, match="outside"):
        reliability(2 * ones, ones > 0)

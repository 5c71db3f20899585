"""The inference of 2025: the published figures, and that its test rejects as often as promised."""

import numpy as np
import pytest
from scipy.stats import norm

from huracan.errors import EvidenceError
from huracan.shadow.sharpe import Moments, expected_maximum
from huracan.shadow.sharpe_inference import (
    error_at,
    maximum_variance,
    probability_above,
)

PAPER = Moments(0.036 / 0.079, 24, -2.448, 10.164)


def test_error_and_probability_are_the_published_ones() -> None:
    """24 months of mean 3.6 % and deviation 7.9 %: error, and PSR against 0 and 0.1."""
    assert error_at(PAPER.sharpe, PAPER) == pytest.approx(0.329, abs=5e-4)
    assert error_at(PAPER.sharpe, Moments(PAPER.sharpe, 24)) == pytest.approx(0.214, abs=5e-4)
    assert probability_above(PAPER) == pytest.approx(0.987, abs=5e-4)
    assert probability_above(PAPER, 0.1) == pytest.approx(0.939, abs=5e-4)


def test_the_figures_of_ten_trials_are_the_published_ones() -> None:
    """The best of 10 trials whose ratios vary by 0.1: hurdle, deflated ratio with both variances."""
    best = np.sqrt(0.1) * expected_maximum(10)
    assert best == pytest.approx(0.498, abs=5e-4)
    assert probability_above(PAPER, best, trials=10) == pytest.approx(0.416, abs=5e-4)
    assert probability_above(PAPER, best) == pytest.approx(0.451, abs=5e-4)


def test_an_autocorrelated_record_is_worth_less() -> None:
    """A lag-1 autocorrelation of 0.2: wider error, as published."""
    alike = Moments(PAPER.sharpe, 24, PAPER.skewness, PAPER.kurtosis, 0.2)
    assert error_at(PAPER.sharpe, alike) == pytest.approx(0.379, abs=6e-4)
    with pytest.raises(EvidenceError, match="stationary"):
        error_at(0.0, Moments(0.1, 20, autocorrelation=1.0))


def test_the_variance_of_the_largest_is_what_simulation_finds() -> None:
    """Of 10 and of 50 normals; of one it is 1."""
    rng = np.random.default_rng(3)
    for count in (10, 50):
        assert maximum_variance(count) == pytest.approx(
            rng.standard_normal((40_000, count)).max(axis=1).var(), rel=0.03
        )
    assert maximum_variance(1) == 1.0
    with pytest.raises(EvidenceError, match="at least 1"):
        maximum_variance(0)


def test_what_is_called_above_is_so_as_often_as_promised() -> None:
    """Normal days over 250 days: without skill 5 % are above 0 with 95 %, with 0.15 as many as power says."""
    seed = 4
    print(f"seed {seed}")
    for ratio in (0.0, 0.15):
        days = np.random.default_rng(seed).standard_normal((4_000, 250)) + ratio
        found = days.mean(axis=1) / days.std(axis=1, ddof=1)
        above = np.mean([probability_above(Moments(float(one), 250)) >= 0.95 for one in found])
        null, skilled = error_at(0.0, Moments(ratio, 250)), error_at(ratio, Moments(ratio, 250))
        assert above == pytest.approx(norm.sf((norm.isf(0.05) * null - ratio) / skilled), abs=0.02)

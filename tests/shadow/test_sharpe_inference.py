"""The inference of 2025: the published figures, and that its power is what simulation finds."""

import numpy as np
import pytest
from scipy.stats import norm

from huracan.errors import EvidenceError
from huracan.shadow.sharpe import Moments, expected_maximum
from huracan.shadow.sharpe_inference import (
    critical_ratio,
    discovery_rate_observed,
    discovery_rate_planned,
    error_at,
    maximum_variance,
    power,
    probability_above,
    record_needed,
)

PAPER = Moments(0.036 / 0.079, 24, -2.448, 10.164)


def test_error_probability_and_record_are_the_published_ones() -> None:
    """24 months of mean 3.6 % and deviation 7.9 %: error, PSR against 0 and 0.1, and the record needed."""
    assert error_at(PAPER.sharpe, PAPER) == pytest.approx(0.329, abs=5e-4)
    assert error_at(PAPER.sharpe, Moments(PAPER.sharpe, 24)) == pytest.approx(0.214, abs=5e-4)
    assert record_needed(PAPER) == pytest.approx(13.029, abs=5e-4)
    assert probability_above(PAPER) == pytest.approx(0.987, abs=5e-4)
    assert probability_above(PAPER, 0.1) == pytest.approx(0.939, abs=5e-4)


def test_power_and_false_discoveries_are_the_published_ones() -> None:
    """An alternative of 0.5, one strategy in 20 with skill."""
    found = power(PAPER, 0.5)
    assert 1 - found == pytest.approx(0.315, abs=5e-4)
    assert discovery_rate_planned(0.05, 0.05, found) == pytest.approx(0.581, abs=5e-4)
    assert discovery_rate_observed(PAPER, 0.5, 0.05) == pytest.approx(0.306, abs=5e-4)


def test_the_figures_of_ten_trials_are_the_published_ones() -> None:
    """The best of 10 trials whose ratios vary by 0.1: hurdle, deflated ratio with both variances, critical ratio."""
    best = np.sqrt(0.1) * expected_maximum(10)
    assert best == pytest.approx(0.498, abs=5e-4)
    assert probability_above(PAPER, best, trials=10) == pytest.approx(0.416, abs=5e-4)
    assert probability_above(PAPER, best) == pytest.approx(0.451, abs=5e-4)
    assert critical_ratio(PAPER, level=0.1) == pytest.approx(0.262, abs=5e-4)
    found = power(PAPER, 0.5, level=0.1)
    assert found == pytest.approx(0.758, abs=5e-4)
    assert discovery_rate_planned(0.1, 0.1, found) == pytest.approx(0.543, abs=5e-4)
    assert discovery_rate_observed(PAPER, 0.5, 0.1) == pytest.approx(0.173, abs=5e-4)


def test_an_autocorrelated_record_is_worth_less() -> None:
    """A lag-1 autocorrelation of 0.2: wider error, longer record, as published."""
    alike = Moments(PAPER.sharpe, 24, PAPER.skewness, PAPER.kurtosis, 0.2)
    assert error_at(PAPER.sharpe, alike) == pytest.approx(0.379, abs=6e-4)
    assert record_needed(alike, confidence=0.9) == pytest.approx(11.863, abs=6e-4)
    assert record_needed(PAPER, confidence=0.9) == pytest.approx(7.909, abs=5e-4)
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


def test_the_power_is_what_simulation_finds() -> None:
    """Normal days of ratio 0.15 over 250 days: the test of 0 rejects as often as promised."""
    seed = 4
    print(f"seed {seed}")
    days = np.random.default_rng(seed).standard_normal((4_000, 250)) + 0.15
    ratios = days.mean(axis=1) / days.std(axis=1, ddof=1)
    planned = Moments(0.15, 250)
    assert np.mean(ratios > critical_ratio(planned)) == pytest.approx(power(planned, 0.15), abs=0.02)


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

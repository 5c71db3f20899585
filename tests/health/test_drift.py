"""Drift has a law: false alarms come as often as said, and dependence is accounted for."""

import numpy as np
import pytest

from huracan.errors import InvariantError
from huracan.health.drift import (
    Bins,
    calibration_of,
    discoveries,
    effective_size,
    kolmogorov_smirnov,
    psi_critical,
)


def test_psi_follows_its_chi_square_law() -> None:
    """N = 5,000, M = 500, B = 10: mean .0200 and 99 % quantile .0477 by theory; as often below .01 as said."""
    rng = np.random.default_rng(7)
    assert psi_critical(5_000, 500, 10, 0.01) == pytest.approx(0.0477, abs=1e-4)
    assert psi_critical(100_000, 1_440, 10, 0.01) == pytest.approx(0.0153, abs=5e-4)
    bins = Bins.of(rng.standard_normal(5_000))
    found = [bins.psi(rng.standard_normal(500)) for _ in range(400)]
    assert np.mean([one.statistic for one in found]) == pytest.approx(0.020, abs=0.002)
    assert np.mean([one.p_value < 0.05 for one in found]) == pytest.approx(0.05, abs=0.04)


def test_a_shift_is_found_and_a_rule_of_thumb_would_not_have_found_it() -> None:
    """A fifth of a deviation in a day of minutes: PSI about .04, below the .10 of the rule, and no chance."""
    rng = np.random.default_rng(8)
    bins = Bins.of(rng.standard_normal(100_000))
    drift = bins.psi(rng.standard_normal(1_440) + 0.2)
    assert drift.statistic < 0.10
    assert drift.p_value < 1e-6
    assert kolmogorov_smirnov(rng.standard_normal(5_000), rng.standard_normal(1_440) + 0.2).p_value < 1e-6


def test_dependent_observations_count_for_less() -> None:
    """An autoregression of .9 has (1 - .9) / (1 + .9) of the observations; without that, drift would be everywhere."""
    rng = np.random.default_rng(9)

    def walk(count: int) -> np.ndarray:
        noise, out = rng.standard_normal(count), np.zeros(count)
        for t in range(1, count):
            out[t] = 0.9 * out[t - 1] + noise[t]
        return out

    assert effective_size(walk(20_000)) == pytest.approx(20_000 / 19.0, rel=0.25)
    assert effective_size(rng.standard_normal(20_000)) == pytest.approx(20_000, rel=0.1)
    reference = walk(20_000)
    false = [kolmogorov_smirnov(reference, walk(1_000)).p_value < 0.01 for _ in range(60)]
    assert np.mean(false) <= 0.10


def test_few_are_called_of_many() -> None:
    """Benjamini and Hochberg's own example: of fifteen tests at five in a hundred the first four are called."""
    low = [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459]
    values = np.array([*low, 0.3240, 0.4262, 0.5719, 0.6528, 0.7590, 1.0])
    assert discoveries(values, 0.05).tolist() == [True] * 4 + [False] * 11
    assert not discoveries(np.array([]), 0.05).any()
    assert discoveries(values[::-1], 0.05).tolist() == [False] * 11 + [True] * 4


def test_calibration_is_taken_apart() -> None:
    """Honest probabilities have no reliability term; overconfident ones have; the parts make up the score."""
    rng = np.random.default_rng(10)
    honest = rng.random(60_000)
    outcome = rng.random(60_000) < honest
    good = calibration_of(honest, outcome)
    assert good.reliability < 1e-3
    assert good.ece < 0.01
    assert good.brier == pytest.approx(good.reliability - good.resolution + good.uncertainty, abs=0.002)
    loud = np.clip(honest + 0.2 * np.sign(honest - 0.5), 0.0, 1.0)
    assert calibration_of(loud, outcome).ece > 0.1


def test_nonsense_is_refused() -> None:
    """Too little, constant, not finite, or no probability."""
    for values in (np.zeros(50), np.ones(1_000), np.full(1_000, np.nan)):
        with pytest.raises(InvariantError):
            Bins.of(values)
    bins = Bins.of(np.arange(1_000.0))
    with pytest.raises(InvariantError):
        bins.psi(np.array([]))
    with pytest.raises(InvariantError):
        kolmogorov_smirnov(np.array([]), np.ones(3))
    with pytest.raises(InvariantError):
        calibration_of(np.full(100, 1.5), np.ones(100, bool))

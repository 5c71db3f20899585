"""Drift has a law: false alarms come as often as said, and dependence is accounted for."""

import numpy as np
import pytest

from huracan.errors import InvariantError
from huracan.health.drift import discoveries, effective_size, kolmogorov_smirnov


def test_a_shift_of_a_fifth_of_a_deviation_is_found() -> None:
    """In a day of minutes it is no chance; without it the law's level is kept."""
    rng = np.random.default_rng(8)
    reference = rng.standard_normal(5_000)
    assert kolmogorov_smirnov(reference, rng.standard_normal(1_440) + 0.2).p_value < 1e-6
    false = [
        kolmogorov_smirnov(rng.standard_normal(2_000), rng.standard_normal(500)).p_value < 0.05 for _ in range(400)
    ]
    assert np.mean(false) == pytest.approx(0.05, abs=0.04)


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


def test_nonsense_is_refused() -> None:
    """Nothing, or what is not finite."""
    for values in (np.array([]), np.full(10, np.nan)):
        with pytest.raises(InvariantError):
            kolmogorov_smirnov(values, np.ones(3))

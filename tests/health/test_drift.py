"""Drift has a law: false alarms come as often as said, and dependence is accounted for."""

import numpy as np
import pytest
from scipy.stats import chi2

from huracan.errors import InvariantError
from huracan.health.drift import (
    binned,
    discoveries,
    discoveries_dependent,
    effective_size,
    kolmogorov_smirnov,
    stability_index,
)


def by_day(rng: np.random.Generator, days: int, each: int, common: float) -> tuple[np.ndarray, np.ndarray]:
    """Return (values, day) that share a part of their day's luck."""
    day = np.repeat(np.arange(days), each)
    own = rng.standard_normal(days * each)
    return np.sqrt(common) * rng.standard_normal(days)[day] + np.sqrt(1.0 - common) * own, day


def test_the_stability_index_has_its_published_law() -> None:
    """N = 5,000, M = 500, ten bins: mean .0200, 99 of 100 below .0477 (Yurdakul & Naranjo); a day of minutes .0063."""
    rng = np.random.default_rng(61)
    for n, m, mean, most in ((5_000, 500, 0.0200, 0.0477), (20_000, 1_440, 0.0067, 0.0161)):
        drawn = []
        for _ in range(400):
            values = rng.standard_normal(n), rng.standard_normal(m)
            days = np.arange(n) % 50, np.arange(m) % 10
            drawn.append(stability_index(*binned(values[0], days[0], values[1], days[1])).statistic)
        assert np.mean(drawn) == pytest.approx(mean, rel=0.06)
        assert np.quantile(drawn, 0.99) == pytest.approx(most, rel=0.15)


@pytest.mark.parametrize("common", [0.0, 0.5])
def test_false_alarms_of_the_index_are_as_rare_as_said_though_days_differ(common: float) -> None:
    """Sixty days against seven, 400 times: at five in a hundred no more than that, three deviations allowed.

    The chi-square law of independent observations would call one in three where half of the luck is the day's.
    """
    rng, called, plain = np.random.default_rng(62), 0, 0
    for _ in range(400):
        then, now = by_day(rng, 60, 20, common), by_day(rng, 7, 20, common)
        drift = stability_index(*binned(*then, *now))
        called += drift.p_value < 0.05
        plain += drift.statistic > (1 / 1_200 + 1 / 140) * chi2.ppf(0.95, 9)
    print(f"common {common}: {called} of 400 called, {plain} by the chi-square law")
    assert called <= 20 + 13
    if common:
        assert plain > 120


def test_a_shift_is_found_by_the_index_too() -> None:
    """A deviation of one, in a week of twenty a day; and cells of names: an action that is chosen no more."""
    rng = np.random.default_rng(63)
    then, now = by_day(rng, 60, 20, 0.2), by_day(rng, 7, 20, 0.2)
    assert stability_index(*binned(*then, now[0] + 1.0, now[1])).p_value < 1e-3
    counts = rng.multinomial(50, (0.6, 0.3, 0.1, 0.0), 60)
    assert stability_index(counts, rng.multinomial(50, (0.6, 0.3, 0.1, 0.0), 7)).p_value > 0.01
    assert stability_index(counts, rng.multinomial(50, (0.9, 0.0, 0.1, 0.0), 7)).p_value < 1e-6
    assert stability_index(counts[:, :1], counts[:7, :1]).p_value == 1.0
    with pytest.raises(InvariantError, match="drift nowhere"):
        stability_index(counts[:2], counts)


def test_dependent_tests_pay_for_it() -> None:
    """Benjamini and Yekutieli: the rate is divided by 1 + 1/2 + ... + 1/m."""
    values = np.array([0.001, 0.02, 0.03, 0.9])
    assert discoveries(values, 0.05).tolist() == [True, True, True, False]
    assert discoveries_dependent(values, 0.05).tolist() == [True, False, False, False]


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

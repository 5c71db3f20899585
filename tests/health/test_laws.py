"""The laws are those of `scipy.stats`, to the last digits that matter."""

import numpy as np
import pytest
from scipy import stats

from huracan.health.laws import (
    distance_tail,
    f_tail,
    negative_binomial_limit,
    negative_binomial_tails,
    poisson_tails,
    student,
)


@pytest.mark.parametrize("mean", [0.01, 0.7, 12.0, 900.0])
@pytest.mark.parametrize("count", [0, 1, 5, 40, 1_000])
def test_tails_of_counts(count: int, mean: float) -> None:
    """Poisson, and the negative binomial whose days vary three times as much; a count belongs to both tails."""
    assert poisson_tails(count, mean) == pytest.approx(
        (stats.poisson.cdf(count, mean), stats.poisson.sf(count - 1, mean))
    )
    number, chance = mean / 2.0, 1.0 / 3.0
    law = stats.nbinom(number, chance)
    assert negative_binomial_tails(count, number, chance) == pytest.approx((law.cdf(count), law.sf(count - 1)))


def test_the_limit_of_a_count_is_the_least_that_is_exceeded_as_seldom_as_said() -> None:
    """Against the library's, over levels from one in two to one in a thousand million."""
    rng = np.random.default_rng(1)
    for _ in range(300):
        level, number, chance = 10.0 ** -rng.uniform(0.3, 9.0), 10.0 ** rng.uniform(-1.0, 3.0), rng.uniform(0.01, 0.99)
        found, law = negative_binomial_limit(level, number, chance), stats.nbinom(number, chance)
        assert law.sf(found) <= level * (1 + 1e-9)
        assert found == 0 or law.sf(found - 1) > level * (1 - 1e-9)


def test_a_distance_is_judged_by_the_exact_law_where_anything_is_called() -> None:
    """Below one in twenty within a part in 50,000 of the two-sided law, elsewhere never below it; at most 1."""
    for size in (1, 2, 7, 50, 400, 20_000):
        for distance in np.linspace(0.0, 1.0, 101).tolist():
            exact, found = float(stats.kstwo.sf(distance, size)), distance_tail(distance, size)
            assert exact * (1 - 1e-6) <= found <= 1.0
            if exact < 0.05:
                assert found == pytest.approx(exact, rel=2e-5)


def test_quantiles_and_ratios() -> None:
    """Student's and Fisher's, with degrees of freedom that are no whole numbers."""
    for freedom in (1.0, 3.7, 19.0, 400.0):
        assert student(0.99, freedom) == pytest.approx(stats.t.ppf(0.99, freedom))
        for ratio in (0.0, 0.4, 1.0, 8.0):
            assert f_tail(ratio, freedom, 59.0) == pytest.approx(stats.f.sf(ratio, freedom, 59.0))
    assert f_tail(float("inf"), 3.0, 59.0) == 0.0

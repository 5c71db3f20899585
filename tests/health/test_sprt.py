"""Wald's test of a rate: its figures, and what it really does."""

import numpy as np
import pytest

from huracan.errors import InvariantError
from huracan.health.sprt import RateTest
from tests.health.exact import operating


@pytest.mark.parametrize(
    ("good", "bad", "alpha", "beta", "expected"),
    [
        (0.55, 0.50, 0.01, 0.05, (581, 831)),
        (0.55, 0.45, 0.01, 0.10, (111, 190)),
        (0.55, 0.48, 0.01, 0.05, (297, 425)),
        (0.60, 0.50, 0.01, 0.05, (145, 205)),
    ],
)
def test_walds_mean_numbers(good: float, bad: float, alpha: float, beta: float, expected: tuple[int, int]) -> None:
    """Thresholds of the first: A = 4.5539, B = -2.9857."""
    test = RateTest(good, bad, alpha, beta)
    assert (round(test.expected_trades(good)), round(test.expected_trades(bad))) == expected
    first = RateTest(0.55, 0.50)
    assert (round(first.upper, 4), round(first.lower, 4)) == (4.5539, -2.9857)


def test_the_exact_figures_are_those_of_a_simulation() -> None:
    """Size and power keep to what was asked; trades are a little more than Wald's approximation (591 and 835)."""
    test = RateTest(0.55, 0.50, 0.01, 0.05)
    null, real = operating(test, 0.55), operating(test, 0.50)
    assert null.bad <= 0.0115
    assert real.bad >= 0.948
    assert (null.trades, real.trades) == (pytest.approx(591, rel=0.02), pytest.approx(835, rel=0.02))
    quick = RateTest(0.55, 0.45, 0.01, 0.10)
    assert operating(quick, 0.55).bad == pytest.approx(0.008, abs=0.002)
    assert operating(quick, 0.45).bad == pytest.approx(0.908, abs=0.01)
    rng = np.random.default_rng(5)
    ended = []
    for _ in range(2_000):
        total = 0.0
        while quick.lower < total < quick.upper:
            total += quick.win if rng.random() < 0.45 else quick.loss
        ended.append(total >= quick.upper)
    assert abs(np.mean(ended) - operating(quick, 0.45).bad) < 4.0 * np.sqrt(0.09 * 0.91 / 2_000)


@pytest.mark.parametrize(
    ("good", "bad", "alpha"), [(0.5, 0.5, 0.01), (0.4, 0.5, 0.01), (1.0, 0.5, 0.01), (0.5, 0.4, 0.5)]
)
def test_what_is_no_test_is_refused(good: float, bad: float, alpha: float) -> None:
    """Rates the wrong way round, or an error that is no error."""
    with pytest.raises(InvariantError, match="no test"):
        RateTest(good, bad, alpha)

"""How long trials live: by hand, and against Ray's own scheduler on trials that differ by chance."""

import numpy as np
import pytest
from ray.tune.schedulers import TrialScheduler
from ray.tune.schedulers.async_hyperband import _Bracket

from huracan.errors import ConfigError
from huracan.plan.halving import passing, steps_per_trial


def test_the_first_always_passes_and_later_ones_seldom() -> None:
    """One trial passes; of two the second in half of all cases; of many every third."""
    assert passing(0, 3) == 0
    assert passing(1, 3) == 1
    assert passing(2, 3) == pytest.approx(1.5)
    assert passing(3_000, 3) / 3_000 == pytest.approx(1 / 3, rel=0.01)


@pytest.mark.parametrize(("trials", "factor"), [(4, 3), (20, 3), (100, 4)])
def test_rays_scheduler_passes_as_many(trials: int, factor: int) -> None:
    """Over 300 searches of uniform objectives Ray's bracket lets as many go on as expected, within 5 %."""
    rng, passed, searches = np.random.default_rng(1), 0, 300
    print("seed 1")
    for _ in range(searches):
        bracket = _Bracket(min_t=1, max_t=1_000, reduction_factor=factor, s=0)
        for number in range(trials):

            class Named:
                trial_id = str(number)

            passed += bracket.on_result(Named(), 1, float(rng.random())) == TrialScheduler.CONTINUE
    assert passed / searches == pytest.approx(passing(trials, factor), rel=0.05)


def test_a_search_of_one_trial_runs_it_whole() -> None:
    """150,000 steps in batches of 8,192, a report every 50,000: three reports, whole updates each."""
    found = steps_per_trial(1, 150_000, 50_000, 3, 8_192)
    assert found.steps == 19 * 8_192
    assert found.reports == 3


def test_many_trials_cost_little_more_than_the_first_rung() -> None:
    """Of 81 trials a third goes on past each rung; a trial takes less than half of its full length."""
    found = steps_per_trial(81, 900, 100, 3, 100)
    assert 81 * found.steps == pytest.approx(
        81 * 100 + 200 * passing(81, 3) + 600 * passing(passing(81, 3), 3), rel=1e-9
    )
    assert found.steps < 450


def test_no_search_takes_nothing_and_nonsense_is_refused() -> None:
    """Zero trials: zero steps; a factor of one, no steps, a negative number: one line."""
    assert steps_per_trial(0, 100, 10, 3, 10).steps == 0
    for figures in ((-1, 100, 10, 3, 10), (4, 0, 10, 3, 10), (4, 100, 10, 1, 10), (4, 100, 0, 3, 10)):
        with pytest.raises(ConfigError, match="cannot be"):
            steps_per_trial(*figures)

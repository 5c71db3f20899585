"""What is borne out: planted differences are found, noise is not called anything, and bounds hold what they promise."""

import numpy as np
import pytest
from scipy.stats import binomtest

from huracan.insights.evidence import CLAIM_RATE, judge, shrunk_rate, wilson


def _world(seed: int, means: tuple[float, ...], days: int, day_spread: float) -> list[str]:
    rng = np.random.default_rng(seed)
    count = 400
    group, day = rng.integers(0, len(means), count), rng.integers(0, days, count)
    weather = rng.normal(0, day_spread, (days, len(means)))
    values = np.array(means)[group] + rng.standard_t(4, count) + weather[day, group]
    return [said.stage for said in judge(values, day, [group == number for number in range(len(means))])]


@pytest.mark.parametrize("day_spread", [0.0, 0.5])
@pytest.mark.parametrize("days", [14, 60])
def test_where_nothing_differs_claims_are_as_rare_as_stated(days: int, day_spread: float) -> None:
    """In 600 worlds without a difference a claim of any kind is made in no more than one in ten, weather or not."""
    worlds = 600
    claimed = sum(
        any(stage != "unclear" for stage in _world(seed, (0.0,) * 4, days, day_spread)) for seed in range(worlds)
    )
    low = binomtest(claimed, worlds).proportion_ci(0.99, method="exact").low
    print(f"{days} days, weather {day_spread}: {claimed} of {worlds} claim something")
    assert low <= CLAIM_RATE


def test_what_differs_by_enough_is_found_and_called_by_its_name() -> None:
    """A group of 100 that wins 0.7 R and one that loses as much are found in nine of ten worlds, never mistaken."""
    found = [_world(seed, (0.7, -0.7, 0.0, 0.0), 60, 0.2) for seed in range(100)]
    assert sum(stages[0] == "good" and stages[1] == "bad" for stages in found) >= 90
    assert not any(stages[0] == "bad" or stages[1] == "good" for stages in found)


def test_losing_like_everything_else_is_not_a_bad_pattern() -> None:
    """Where all trades lose alike the market at entry tells nothing: no group is worse than the others."""
    claimed = sum(any(s != "unclear" for s in _world(seed, (-0.5,) * 3, 60, 0.0)) for seed in range(200))
    assert claimed <= 30


def test_few_days_are_no_evidence() -> None:
    """However clear the figures, a group seen on fewer than ten days is unclear; so is one that is everything."""
    day = np.arange(90) % 9
    mine = np.arange(90) % 2 == 0
    values = np.where(mine, 3.0, -3.0) + np.random.default_rng(1).normal(0, 0.1, 90)
    assert [said.stage for said in judge(values, day, [mine])] == ["unclear"]
    days = np.arange(90)
    assert [said.stage for said in judge(values, days, [mine])] == ["good"]
    assert [said.stage for said in judge(values, days, [np.ones(90, bool)])] == ["unclear"]
    assert judge(values, days, []) == []


def test_wilson_is_the_published_interval() -> None:
    """0 of 20 and 10 of 20 at 95 %: [0, 0.1611] and [0.2993, 0.7007]; of nothing: everything."""
    assert wilson(0, 20, 0.95) == pytest.approx((0.0, 0.1611), abs=1e-4)
    assert wilson(10, 20, 0.95) == pytest.approx((0.2993, 0.7007), abs=1e-4)
    assert wilson(0, 0, 0.95) == (0.0, 1.0)


def test_a_shrunk_rate_lies_between_base_and_share() -> None:
    """Three wins of three is no certainty; with many trades the share itself remains."""
    rate, low, high = shrunk_rate(3, 3, 0.4, 0.9)
    assert rate == pytest.approx(7 / 13)
    assert low < 0.4 < rate < high < 0.8
    assert shrunk_rate(6_000, 10_000, 0.4, 0.9)[0] == pytest.approx(0.6, abs=1e-3)
    assert shrunk_rate(0, 5, 0.0, 0.9)[1] >= 0.0

"""Size and power of the promotion gate as a whole; the table in docs/evaluation.md is `python -m tests.gate`.

The quick version asks a few worlds a few times, with bounds so wide that only a broken gate misses them; the slow one
asks all of them 2,000 times and holds the exact intervals.
"""

from pathlib import Path

import numpy as np
import pytest

from huracan.shadow.sharpe import moments_of
from tests.gate.power import EDGES, NULLS, Rate, measure
from tests.gate.worlds import World, evidence_of, unkind

DOCUMENT = Path(__file__).parents[2] / "docs" / "evaluation.md"


def test_the_days_are_as_unkind_as_they_are_said_to_be() -> None:
    """Variance 1, heavy tails, volatility that clusters, a weak autocorrelation."""
    days = unkind(np.random.default_rng(1), 20_000, 3)
    assert days.std(axis=0) == pytest.approx(1.0, abs=0.05)
    assert moments_of(days[:, 0]).autocorrelation == pytest.approx(0.1, abs=0.03)
    assert moments_of(days[:, 0]).kurtosis > 7
    assert moments_of(np.abs(days[:, 0])).autocorrelation > 0.05


def test_a_world_has_the_edge_that_it_says() -> None:
    """The best of a world's candidates earns its edge, the others nothing; the market its drift."""
    evidence = evidence_of(World(20_000, 4, edge=0.2, drift=0.1), np.random.default_rng(2))
    assert moments_of(evidence.policy).sharpe == pytest.approx(0.2 + 0.5 * 0.1, abs=0.03)
    held = next(row for row in evidence.baselines if row.name == "buy_and_hold")
    assert moments_of(held.net).sharpe == pytest.approx(0.1, abs=0.03)
    assert all(abs(one.sharpe - 0.05) < 0.04 for one in evidence.tried)


@pytest.mark.parametrize(
    ("happened", "of", "low", "high"), [(0, 20, 0.0, 0.1684), (20, 20, 0.8316, 1.0), (5, 100, 0.0164, 0.1128)]
)
def test_intervals_are_clopper_and_pearsons(happened: int, of: int, low: float, high: float) -> None:
    """Published values of the exact interval."""
    rate = Rate(happened, of)
    assert (rate.low, rate.high) == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize(
    "name", ["best of 50 without skill", "one as good as holding", "one alone, rules and market lose"]
)
def test_what_has_no_skill_is_seldom_promoted(name: str) -> None:
    """60 markets: a gate of size 5 % promotes more than 9 of them once in 1,000 suites."""
    assert measure(NULLS[name], 60).promoted.happened <= 9


@pytest.mark.parametrize("name", ["one of 10 has 0.35 a day, 365 days", "all of 50 have 0.22 a day, 365 days"])
def test_what_has_skill_is_mostly_promoted(name: str) -> None:
    """40 markets: a gate of power 90 % promotes less than 30 of them once in 1,000 suites."""
    assert measure(EDGES[name], 40).promoted.happened >= 30


@pytest.mark.parametrize("name", [*NULLS, *EDGES])
def test_every_world_of_the_table_is_in_the_document(name: str) -> None:
    """docs/evaluation.md shows the size and power of each."""
    assert f"| {name} | " in DOCUMENT.read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.timeout(3_600)
@pytest.mark.parametrize("name", NULLS)
def test_the_size_is_at_most_five_per_cent(name: str) -> None:
    """2,000 markets without skill: even the upper end of the exact interval stays below 5 %."""
    assert measure(NULLS[name], 2_000).promoted.high <= 0.05


@pytest.mark.slow
@pytest.mark.timeout(3_600)
@pytest.mark.parametrize("name", EDGES)
def test_the_power_is_at_least_ninety_per_cent(name: str) -> None:
    """2,000 markets with the stated edge: even the lower end of the exact interval is above 90 %."""
    assert measure(EDGES[name], 2_000).promoted.low >= 0.9

"""Entries 52 to 60 against their formulas written out by hand."""

import math

import numpy as np
import pytest

from huracan.patterns.statistics import NEIGHBOURS, describe
from tests.patterns.worlds import BASE_MS, START_MS

HOLD_MS = 60 * BASE_MS
GRID = np.linspace(0.0, 10.0, 101)


def said(
    result: list[float],
    squares: list[float],
    ages: list[int] | None = None,
    neighbours: int | None = None,
    half_life_ms: float = 1e9,
    middle: float = 2.0,
) -> np.ndarray:
    """Return float32[10] of trades in the order of their exits, the first `neighbours` of which are found."""
    count = len(result)
    held = count if neighbours is None else neighbours
    exit_ms = START_MS - np.array(ages if ages is not None else [0] * count)[:count]
    r = np.array(result)
    found = np.zeros((1, NEIGHBOURS), np.int64)
    found[0, :held] = np.arange(held)
    square = np.full((1, NEIGHBOURS), np.inf, np.float32)
    square[0, :held] = squares
    totals = np.vstack([np.zeros(3), np.cumsum(np.column_stack([r > 0, r, r**2]), axis=0)])
    out = np.full((1, 10), 9, np.float32)
    now = np.array([START_MS + 10 * BASE_MS])
    known = np.full(count, START_MS)
    hold = np.full(count, HOLD_MS // 4)
    held_array = np.array([held])
    describe(
        found,
        square,
        held_array,
        now,
        known,
        exit_ms,
        hold,
        r,
        r + 1,
        r - 1,
        totals,
        HOLD_MS,
        half_life_ms,
        middle,
        GRID,
        out,
    )
    return out[0]


def test_equal_weights_give_plain_statistics() -> None:
    """Eight neighbours of one distance and age: mean, shrunk win rate, lower bound and the rest by hand."""
    result = [1.5, 1.5, 1.5, -1.0, -1.0, 1.5, -1.0, 1.5]
    found = said(result, [4.0] * 8)
    mean, sd, base = np.mean(result), np.std(result), (5 + 1) / (8 + 2)
    assert found[0] == pytest.approx(mean, abs=1e-6)
    assert found[1] == pytest.approx((5 + 10 * base) / (8 + 10) - base, abs=1e-6)
    assert found[2] == pytest.approx(mean - 1.64 * sd / math.sqrt(8), abs=1e-6)  # v0 = v: all trades are neighbours
    assert found[3] == pytest.approx(sd, abs=1e-6)
    assert found[4] == pytest.approx(8 / 32, abs=1e-6)
    assert found[5] == pytest.approx(0.2, abs=1e-6)  # distance 2 of a grid to 10
    assert found[6] == pytest.approx(mean + 1, abs=1e-6)
    assert found[7] == pytest.approx(mean - 1, abs=1e-6)
    assert found[8] == pytest.approx(0.25, abs=1e-6)
    assert found[9] == 0.0


@pytest.mark.parametrize("wins", [0, 3, 6])
def test_the_win_rate_is_shrunk_as_the_closed_form_says(wins: int) -> None:
    """Six neighbours among a hundred trades of which half won: n / (n + 10) of the way from the base rate."""
    rest = [1.0] * (50 - wins) + [-1.0] * (44 + wins)
    result = [1.0] * wins + [-1.0] * (6 - wins) + rest
    found = said(result, [1.0] * 6, neighbours=6)
    base = (50 + 1) / (100 + 2)
    assert found[1] == pytest.approx(6 / 16 * (wins / 6 - base), abs=1e-6)


def test_the_lower_bound_does_not_believe_a_handful() -> None:
    """Five equal wins have no spread of their own; the bound takes the spread of all trades by ten of them."""
    result = [1.0] * 5 + [1.0, -1.0] * 50
    found = said(result, [1.0] * 5, neighbours=5)
    mean = np.mean(result)
    overall = np.mean(np.square(result)) - mean**2
    assert found[3] == 0.0
    assert found[2] == pytest.approx(1.0 - 1.64 * math.sqrt(10 * overall / 15 / 5), abs=1e-6)


def test_near_trades_weigh_more_and_old_ones_less() -> None:
    """Weights are 1 / (1 + d^2 / b^2), halved with each half-life since the youngest neighbour."""
    result = [1.0, -1.0, 2.0, 0.5, -0.5]
    squares, ages = [0.0, 4.0, 12.0, 12.0, 60.0], [0, 0, 1_000, 2_000, 0]
    weights = np.array([1.0, 0.5, 0.25 / 2, 0.25 / 4, 1 / 16])
    found = said(result, squares, ages, half_life_ms=1_000.0)
    mean = np.average(result, weights=weights)
    number = weights.sum() ** 2 / (weights**2).sum()
    assert found[0] == pytest.approx(mean, abs=1e-6)
    assert found[3] == pytest.approx(math.sqrt(np.average((result - mean) ** 2, weights=weights)), abs=1e-6)
    assert found[4] == pytest.approx(number / 32, abs=1e-6)
    older = said(result, squares, [age + 10**9 for age in ages], half_life_ms=1_000.0)
    assert np.array_equal(older, found)  # a frozen memory grows old as a whole


def test_fewer_than_five_neighbours_are_no_evidence() -> None:
    """Everything is 0, the count among it."""
    assert said([1.0] * 4, [1.0] * 4).tolist() == [0.0] * 10
    assert said([1.0] * 5, [1.0] * 5)[4] > 0


def test_everything_stays_within_its_bounds() -> None:
    """Whatever the results: 53 in [-1, 1], 55 >= 0, 56, 57 and 60 in [0, 1], all finite; 54 <= 52."""
    rng = np.random.default_rng(4)
    for _ in range(200):
        count = int(rng.integers(5, 33))
        squares = np.sort(rng.uniform(0, 400, count)).tolist()
        found = said(rng.normal(0, 3, count).tolist(), squares, rng.integers(0, 10**10, count).tolist())
        assert np.isfinite(found).all()
        assert -1 <= found[1] <= 1
        assert found[3] >= 0
        assert (found[[4, 5, 8]] >= 0).all()
        assert (found[[4, 5, 8]] <= 1).all()
        assert found[2] <= found[0]

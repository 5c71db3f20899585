"""Intervals of daily results: reproducible, honest in coverage, joint over coins."""

from typing import Literal

import numpy as np
import pytest
from arch.bootstrap import optimal_block_length

from huracan.shadow.bootstrap import (
    Resampler,
    block_days,
    daily_sharpe,
    equity_band,
    max_drawdown,
    mean,
    permutation_p_value,
    stationary_indices,
)


def ar1(seed: int, days: int, phi: float, mu: float = 0.0) -> np.ndarray:
    """Return an AR(1) series with mean mu and unit innovations."""
    shocks = np.random.default_rng(seed).normal(size=days + 50)
    values = np.zeros(days + 50)
    for i in range(1, days + 50):
        values[i] = phi * values[i - 1] + shocks[i]
    return values[50:] + mu


def test_blocks_are_runs_of_days_with_the_asked_mean_length() -> None:
    """Successive drawn days follow each other (around the end) but for a share 1/block of restarts."""
    indices = stationary_indices(100, 5.0, 400, seed=3)
    follows = indices[:, 1:] == (indices[:, :-1] + 1) % 100
    assert follows.mean() == pytest.approx(1 - (1 / 5) * (1 - 1 / 100), abs=0.01)
    assert np.bincount(indices.ravel(), minlength=100) == pytest.approx(np.full(100, 400), rel=0.35)
    assert np.array_equal(indices, stationary_indices(100, 5.0, 400, seed=3))
    assert not np.array_equal(indices, stationary_indices(100, 5.0, 400, seed=4))


def test_block_length_is_politis_white_and_bounded() -> None:
    """Blocks follow (2 g^2 n / d)^(1/3), 10.4 days for AR(1) with phi 0.6; short or flat series get single days."""
    series = ar1(1, 300, 0.5)
    assert block_days(series) == pytest.approx(float(optimal_block_length(series)["stationary"].iloc[0]))
    theory = ((2 * 0.6 / (1 - 0.6**2)) ** 2 * 320) ** (1 / 3)
    assert np.mean([block_days(ar1(seed, 320, 0.6)) for seed in range(40)]) == pytest.approx(theory, rel=0.25)
    assert block_days(np.zeros(50)) == block_days(np.arange(4.0)) == 1.0
    assert 1.0 <= block_days(ar1(5, 12, 0.95)) <= 4.0


@pytest.mark.parametrize("method", ["percentile", "bca"])
def test_interval_of_a_dependent_mean_covers_the_truth(method: Literal["percentile", "bca"]) -> None:
    """On 60 AR(1) days with phi 0.2 a 90 % interval holds the true mean in 83 to 96 % of 400 samples."""
    hits = 0
    for seed in range(400):
        days = ar1(seed, 60, 0.2, mu=0.3)
        interval = Resampler(days, resamples=300, level=0.9, seed=9_000 + seed).interval(days, mean, method)
        hits += interval.low <= 0.3 <= interval.high
    assert 332 <= hits <= 384


def test_a_fortnight_gets_a_wider_interval_than_its_quantiles() -> None:
    """13 independent normal days: a 90 % interval covers the mean in at least 86 % of 400 samples."""
    hits = 0
    for seed in range(400):
        days = np.random.default_rng(seed).normal(1.0, 1.0, 13)
        interval = Resampler(days, resamples=400, level=0.9, seed=9_000 + seed).interval(days)
        hits += interval.low <= 1.0 <= interval.high
    assert hits >= 344


def test_blocks_are_needed_for_dependent_days() -> None:
    """With blocks of one day the interval of a dependent mean is too narrow."""
    days = ar1(9, 300, 0.7)
    blocks = Resampler(days, resamples=1_000, level=0.95, seed=1)
    single = Resampler(np.zeros(300), resamples=1_000, level=0.95, seed=1)
    assert single.block_days == 1.0
    wide, narrow = blocks.interval(days), single.interval(days)
    assert wide.high - wide.low > 1.5 * (narrow.high - narrow.low)


def test_difference_uses_the_same_days_for_both() -> None:
    """A policy that beats its baseline by a constant has a difference without any uncertainty."""
    market = ar1(2, 120, 0.2)
    resampler = Resampler(market, resamples=200, level=0.95, seed=1)
    gap = resampler.difference(market + 0.5, market)
    assert (gap.estimate, gap.low, gap.high) == pytest.approx((0.5, 0.5, 0.5))
    assert gap.positive
    assert not gap.negative


def test_flat_series_gives_a_point_at_zero() -> None:
    """No trade, no uncertainty, and nothing divides by zero."""
    flat = np.zeros(30)
    resampler = Resampler(flat, resamples=100, level=0.95, seed=1)
    for statistic in (mean, daily_sharpe, max_drawdown):
        interval = resampler.interval(flat, statistic, "bca")
        assert (interval.low, interval.estimate, interval.high) == (0.0, 0.0, 0.0)
        assert not interval.positive
        assert not interval.negative


def test_equity_band_contains_the_curve_and_ends_like_the_total() -> None:
    """The band encloses the running sum and its last width is that of the total's interval."""
    days = ar1(4, 90, 0.3, mu=0.2)
    resampler = Resampler(days, resamples=2_000, level=0.95, seed=1)
    equity, low, high = equity_band(days, resampler)
    assert equity[-1] == pytest.approx(days.sum())
    assert np.all(low <= equity)
    assert np.all(equity <= high)
    total = resampler.interval(days)
    assert (high[-1] - low[-1]) == pytest.approx(90 * (total.high - total.low))


def test_p_value_of_the_permutation_test_counts_ties_and_is_never_zero() -> None:
    """(1 + #{null >= observed}) / (1 + B)."""
    null = np.array([0.0, 1.0, 2.0, 3.0])
    assert permutation_p_value(2.0, null) == 3 / 5
    assert permutation_p_value(9.0, null) == 1 / 5
    assert permutation_p_value(-1.0, null) == 1.0


def test_max_drawdown_by_hand() -> None:
    """From the start or the running peak to the trough: +3 -5 +1 -2 falls by 6, -1 -1 falls by 2."""
    assert max_drawdown(np.array([3.0, -5.0, 1.0, -2.0])) == 6.0
    assert max_drawdown(np.array([-1.0, -1.0])) == 2.0
    assert max_drawdown(np.array([1.0, 1.0])) == 0.0


def test_bca_agrees_with_percentile_on_symmetric_days_and_shifts_on_skewed_ones() -> None:
    """Normal days: both nearly equal; days with a rare large gain: BCa moves to the right, towards the gain."""
    symmetric = np.random.default_rng(5).normal(size=400)
    resampler = Resampler(symmetric, resamples=4_000, level=0.95, seed=2)
    plain, corrected = resampler.interval(symmetric), resampler.interval(symmetric, mean, "bca")
    assert corrected.low == pytest.approx(plain.low, abs=0.02)
    skewed = np.random.default_rng(6).exponential(size=60) ** 2
    plain, corrected = resampler_of(skewed).interval(skewed), resampler_of(skewed).interval(skewed, mean, "bca")
    assert corrected.low > plain.low
    assert corrected.high > plain.high


def resampler_of(days: np.ndarray) -> Resampler:
    """Return draws of independent days."""
    return Resampler(np.zeros(days.size), resamples=4_000, level=0.95, seed=2)


@pytest.mark.parametrize("days", [2, 3, 5, 8, 11, 19])
def test_an_interval_of_few_days_holds_the_truth_as_often_as_it_says(days: int) -> None:
    """600 samples of independent days: the 95 % interval of their mean holds 0 in at least 92 % of them."""
    rng = np.random.default_rng(days)
    held = 0
    for sample in rng.normal(0, 1, (600, days)):
        found = Resampler(sample, resamples=200, level=0.95, seed=1).interval(sample)
        held += found.low <= 0.0 <= found.high
    assert held / 600 >= 0.92


@pytest.mark.parametrize("truth", [0.0, 0.5, 1.0, 2.0, 5.0])
def test_a_single_day_gets_the_interval_of_a_single_observation(truth: float) -> None:
    """Whatever the mean in units of the deviation, the published bound holds it in 95 % of the samples."""
    rng = np.random.default_rng(7)
    held = 0
    for day in rng.normal(truth, 1, 1_000):
        found = Resampler(np.array([day]), resamples=5, level=0.95, seed=1).interval(np.array([day]))
        held += found.low <= truth <= found.high
    assert held / 1_000 >= 0.935

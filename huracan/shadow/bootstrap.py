"""Uncertainty of daily results: stationary block bootstrap over whole days, the same days for every coin and policy.

Days are drawn in blocks of geometric length, wrapped around the sample (Politis & Romano 1994), with the block length
of Politis & White (2004, corrected 2009). One drawn sequence of days serves all columns, so correlation across coins
and between a policy and its baseline survives in every resample. Percentiles are expanded for small samples (Hesterberg
2015, 3.3), counting blocks instead of days. They still cannot leave the range of the sample, so the mean of fewer than
`FEW_DAYS` days gets at least Student's interval, and a single day that of Wall, Boen & Tweedie (2001).
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from arch.bootstrap import optimal_block_length
from scipy.stats import norm
from scipy.stats import t as student_t

__all__ = [
    "Interval",
    "Resampler",
    "daily_sharpe",
    "equity_band",
    "max_drawdown",
    "mean",
    "permutation_p_value",
    "stationary_indices",
]

Floats = npt.NDArray[np.float64]
Statistic = Callable[[Floats], Floats]
BLOCK_DAYS_MAX_FRAC = 1 / 3
FEW_DAYS = 20
"""Below this a percentile interval of the mean is too short: with 2 days it holds the truth in half of all cases."""
SINGLE_DAY_WIDTH = 0.484
"""One observation x of a normal distribution: x -/+ 0.484 / (1 - level) |x| holds the mean (Wall, Boen & Tweedie)."""


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate with its two-sided confidence interval, all in the statistic's own unit."""

    estimate: float
    low: float
    high: float
    level: float

    @property
    def positive(self) -> bool:
        """Return True when the whole interval lies above zero."""
        return self.low > 0.0

    @property
    def negative(self) -> bool:
        """Return True when the whole interval lies below zero."""
        return self.high < 0.0


def mean(samples: Floats) -> Floats:
    """Return the mean over the last axis of float64[..., D]."""
    return np.mean(samples, axis=-1)


def daily_sharpe(samples: Floats) -> Floats:
    """Return mean / standard deviation (ddof 1) over the last axis, 0 where nothing varies, not annualised."""
    if samples.shape[-1] < 2:
        return np.zeros(samples.shape[:-1])
    deviation = np.std(samples, axis=-1, ddof=1)
    varies = deviation > 1e-12 * np.max(np.abs(samples), axis=-1, initial=0.0)
    return np.where(varies, np.mean(samples, axis=-1) / np.where(varies, deviation, 1.0), 0.0)


def max_drawdown(samples: Floats) -> Floats:
    """Return the largest fall of the running sum from its peak (the start counts as one), >= 0, in PnL units."""
    equity = np.cumsum(samples, axis=-1)
    peak = np.maximum(np.maximum.accumulate(equity, axis=-1), 0.0)
    return np.max(peak - equity, axis=-1, initial=0.0)


def block_days(daily: Floats) -> float:
    """Return the Politis-White block length of float64[D], in days, between 1 and a third of the sample."""
    longest = max(1.0, daily.size * BLOCK_DAYS_MAX_FRAC)
    if daily.size < 8 or np.ptp(daily) == 0.0:
        return 1.0
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        length = float(optimal_block_length(daily)["stationary"].iloc[0])
    return float(np.clip(length, 1.0, longest)) if np.isfinite(length) else 1.0


def stationary_indices(days: int, block: float, resamples: int, seed: int) -> npt.NDArray[np.int64]:
    """Return int64[resamples, days] day indices: a day follows its predecessor, a new block starts at rate 1/block."""
    generator = np.random.default_rng(seed)
    restart = generator.random((resamples, days)) < 1.0 / block
    restart[:, 0] = True
    fresh = generator.integers(0, days, (resamples, days))
    indices = np.empty((resamples, days), np.int64)
    current = fresh[:, 0]
    for day in range(days):
        current = np.where(restart[:, day], fresh[:, day], (current + 1) % days)
        indices[:, day] = current
    return indices


class Resampler:
    """Draws of days shared by everything that is compared.

    Args:
        reference: float64[D], the daily series whose serial dependence sets the block length.
        resamples: number of draws.
        level: confidence level of the intervals, in (0, 1).
        seed: seed of the draws.
    """

    def __init__(self, reference: Floats, *, resamples: int, level: float, seed: int) -> None:
        if reference.size == 0:
            raise ValueError("a bootstrap needs at least one day")
        self.level = level
        self.block_days = block_days(reference)
        self.tail = _expanded_tail(level, reference.size / self.block_days)
        self.indices = stationary_indices(reference.size, self.block_days, resamples, seed)

    def interval(
        self, daily: Floats, statistic: Statistic = mean, method: Literal["percentile", "bca"] = "percentile"
    ) -> Interval:
        """Return the estimate on float64[D] and its interval.

        Args:
            daily: one value per day, on the days of the reference.
            statistic: maps [..., D] to [...].
            method: percentile, or bias-corrected and accelerated (Efron 1987, acceleration by delete-one jackknife).
        """
        self._check(daily)
        estimate = float(statistic(daily))
        draws = statistic(daily[self.indices])
        probabilities = np.array([self.tail, 1.0 - self.tail])
        if method == "bca":
            probabilities = _bca_probabilities(daily, statistic, estimate, draws, probabilities)
        low, high = np.quantile(draws, probabilities)
        if statistic is mean and daily.size < FEW_DAYS:
            half = _half_width(daily, self.level)
            low, high = min(low, estimate - half), max(high, estimate + half)
        return Interval(estimate, float(low), float(high), self.level)

    def difference(self, daily: Floats, baseline: Floats) -> Interval:
        """Return the interval of the mean daily difference; both series are resampled on the same days."""
        return self.interval(daily - baseline)

    def _check(self, daily: Floats) -> None:
        if daily.shape != (self.indices.shape[1],):
            raise ValueError(f"expected {self.indices.shape[1]} days, found shape {daily.shape}")


def equity_band(daily: Floats, resampler: Resampler) -> tuple[Floats, Floats, Floats]:
    """Return (equity, low, high), float64[D] each: the running sum and where it could have been with other days.

    The band is the running sum plus the pointwise quantiles of the resampled sums about their expectation; it always
    contains the running sum.
    """
    equity = np.cumsum(daily)
    draws = np.cumsum(daily[resampler.indices], axis=1) - np.mean(daily) * np.arange(1, daily.size + 1)
    low, high = np.quantile(draws, (resampler.tail, 1.0 - resampler.tail), axis=0)
    return equity, equity + np.minimum(low, 0.0), equity + np.maximum(high, 0.0)


def permutation_p_value(observed: float, null: Floats) -> float:
    """Return (1 + #{null >= observed}) / (1 + B): how often chance does as well, never 0 (Phipson & Smyth 2010)."""
    return float((1 + np.count_nonzero(null >= observed)) / (1 + null.size))


def _half_width(daily: Floats, level: float) -> float:
    """Return half the width that the mean of a few days needs at least: Student's t, or the single day's bound."""
    if daily.size == 1:
        return float(SINGLE_DAY_WIDTH / (1.0 - level) * abs(daily[0]))
    quantile = student_t.ppf(1.0 - (1.0 - level) / 2.0, daily.size - 1)
    return float(quantile * np.std(daily, ddof=1) / np.sqrt(daily.size))


def _expanded_tail(level: float, blocks: float) -> float:
    """Return the tail probability that a percentile interval of few blocks needs: Phi(-sqrt(n/(n-1)) t_{n-1})."""
    blocks = max(blocks, 2.0)
    quantile = student_t.ppf(1.0 - (1.0 - level) / 2.0, blocks - 1.0)
    return float(norm.cdf(-np.sqrt(blocks / (blocks - 1.0)) * quantile))


def _bca_probabilities(
    daily: Floats, statistic: Statistic, estimate: float, draws: Floats, probabilities: Floats
) -> Floats:
    """Return the quantile levels that correct bias z0 and skewness a: Phi(z0 + (z0 + z) / (1 - a (z0 + z)))."""
    below = np.mean(draws < estimate) + 0.5 * np.mean(draws == estimate)
    if not 0.0 < below < 1.0 or daily.size < 3:
        return probabilities
    bias = norm.ppf(below)
    keep = ~np.eye(daily.size, dtype=np.bool_)
    left_out = statistic(np.broadcast_to(daily, (daily.size, daily.size))[keep].reshape(daily.size, -1))
    centred = left_out.mean() - left_out
    scale = 6.0 * np.sum(centred**2) ** 1.5
    acceleration = np.sum(centred**3) / scale if scale > 0.0 else 0.0
    shifted = bias + norm.ppf(probabilities)
    return np.asarray(norm.cdf(bias + shifted / (1.0 - acceleration * shifted)), dtype=np.float64)

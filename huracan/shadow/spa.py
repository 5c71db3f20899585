"""Superior predictive ability: is anything here better than the benchmark, once all that was tried is accounted for?

Hansen (2005), studentised, over a stationary bootstrap of whole days that all differences share. The variance behind
the studentisation is that of this very bootstrap in closed form (Politis & Romano 1994). `arch` 8.0.0 has the test
without the division by the deviation, which one loud column then dominates; this one divides. The deviation is
estimated from T / block blocks, which makes the observed statistic one of Student's rather than of a normal law; it is
taken to its normal equivalent before it meets the resamples, whose deviation is exact.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import norm
from scipy.stats import t as student_t

from huracan.errors import EvidenceError
from huracan.shadow.bootstrap import stationary_indices

__all__ = ["DayDraws", "SpaResult", "draw_days", "spa_test"]

Floats = npt.NDArray[np.float64]
DAYS_MIN = 8


@dataclass(frozen=True, slots=True, eq=False)
class DayDraws:
    """Resamples of whole days, shared by everything that is tested on these days.

    Attributes:
        block_days: mean length of a block.
        counts: float64[B, T], how often each resample has each day.
    """

    block_days: float
    counts: Floats


def draw_days(days: int, block: float, resamples: int, seed: int) -> DayDraws:
    """Return B stationary resamples of T days in blocks of mean length `block`."""
    indices = stationary_indices(days, block, resamples, seed)
    flat = (np.arange(resamples)[:, None] * days + indices).ravel()
    counts = np.bincount(flat, minlength=resamples * days).reshape(resamples, days)
    return DayDraws(block, counts.astype(np.float64))


@dataclass(frozen=True, slots=True, eq=False)
class SpaResult:
    """p-values of the hypothesis that no column beats the benchmark.

    Attributes:
        p_lower, p_consistent, p_upper: Hansen's three recentrings; the consistent one is the test.
        p_of: float64[K], of each column against the largest of all (single step, consistent): small where this very
            column beats the benchmark, whatever else was tried.
        statistics: float64[K], sqrt(n) mean / deviation.
    """

    p_lower: float
    p_consistent: float
    p_upper: float
    p_of: Floats
    statistics: Floats


def spa_test(differences: Floats, draws: DayDraws, what: str = "the policy") -> SpaResult:
    """Test float64[T, K], the daily results of K candidates minus those of the benchmark.

    Args:
        differences: candidate minus benchmark, the same days.
        draws: of these T days.
        what: names the candidates in a refusal.

    Raises:
        EvidenceError: too few days, a value is not finite, or a difference that is not 0 never varies.
    """
    days, count = differences.shape
    if days < DAYS_MIN or count == 0:
        raise EvidenceError(f"SPA of {what}: {days} days of {count} columns, at least {DAYS_MIN} days are needed")
    if not np.isfinite(differences).all():
        raise EvidenceError(f"SPA of {what}: a daily difference is not finite; trade it in shadow again")
    mean = differences.mean(axis=0)
    deviation = _deviation(differences - mean, draws.block_days)
    still = deviation <= 1e-12 * np.abs(differences).max(axis=0)
    if (still & (np.abs(mean) > 0.0)).any():
        column = int(np.argmax(still & (np.abs(mean) > 0.0)))
        raise EvidenceError(
            f"SPA of {what}: difference {column} is constant at {mean[column]:g} a day, which no test can weigh; "
            "judge a policy that trades"
        )
    scale = np.where(still, 1.0, deviation)
    root = math.sqrt(days)
    statistics = root * mean / scale
    drawn = root * (draws.counts @ differences / days) / scale
    threshold = -math.sqrt(2.0 * math.log(math.log(days)))
    consistent = np.where(statistics >= threshold, statistics, 0.0)
    observed = _normal_equivalent(statistics, days / draws.block_days)
    largest = max(0.0, float(observed.max()))
    centred = _maximum(drawn, consistent)
    return SpaResult(
        p_lower=_p_value(largest, _maximum(drawn, np.maximum(statistics, 0.0))),
        p_consistent=_p_value(largest, centred),
        p_upper=_p_value(largest, _maximum(drawn, statistics)),
        p_of=np.array([_p_value(max(0.0, float(one)), centred) for one in observed]),
        statistics=statistics,
    )


def _normal_equivalent(statistics: Floats, blocks: float) -> Floats:
    """Return what a normal law exceeds as often as Student's of `blocks` - 1 degrees of freedom exceeds these."""
    freedom = max(blocks - 1.0, 1.0)
    return np.asarray(norm.isf(student_t.sf(statistics * math.sqrt(freedom / (freedom + 1.0)), freedom)))


def _maximum(drawn: Floats, centre: Floats) -> Floats:
    """Return float64[B], the largest recentred statistic of each resample, at least 0."""
    return np.asarray(np.maximum((drawn - centre).max(axis=1), 0.0))


def _p_value(observed: float, null: Floats) -> float:
    return float((1 + np.count_nonzero(null >= observed - 1e-12)) / (1 + null.size))


def _deviation(centred: Floats, block: float) -> Floats:
    """Return float64[K], w: w^2 = g_0 + 2 sum_i kappa_i g_i, the variance of sqrt(T) times a resampled mean.

    kappa_i = (1 - i/T) (1 - p)^i + (i/T) (1 - p)^(T - i), p = 1 / block, g_i the autocovariances.
    """
    days = centred.shape[0]
    stay = 1.0 - 1.0 / block
    variance = np.mean(centred**2, axis=0)
    if stay <= 0.0:
        return np.sqrt(variance)
    size = 1 << (2 * days - 1).bit_length()
    spectrum = np.abs(np.fft.rfft(centred, size, axis=0)) ** 2
    covariance = np.fft.irfft(spectrum, size, axis=0)[1:days] / days
    lags = np.arange(1, days)
    weights = (1.0 - lags / days) * stay**lags + lags / days * stay ** (days - lags)
    return np.sqrt(np.maximum(variance + 2.0 * weights @ covariance, 0.0))

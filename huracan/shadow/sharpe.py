"""What a Sharpe ratio is worth: its error, PSR, the deflated ratio of many trials, and how long a record must be.

All ratios are per period (a day): an annual ratio never meets a number of days. The variance is that of Bailey &
López de Prado (2012, 2014), evaluated at the estimate; `huracan.shadow.sharpe_inference` has the form of 2025. Moments:
standard deviation with ddof 1, skewness and (non-excess) kurtosis biased.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import norm

from huracan.errors import EvidenceError

__all__ = [
    "Moments",
    "deflated_sharpe_ratio",
    "expected_maximum",
    "hurdle",
    "minimum_backtest_length",
    "minimum_track_record",
    "moments_of",
    "probabilistic_sharpe_ratio",
    "sharpe_error",
    "trials_deviation",
]

Floats = npt.NDArray[np.float64]
KNOWN_MIN = 10
"""Known ratios from which on their own spread says what the trials differ by."""
DAYS_MIN = 4
"""Fewer have no kurtosis worth the name."""


@dataclass(frozen=True, slots=True)
class Moments:
    """What the law of a Sharpe ratio depends on.

    Attributes:
        sharpe: per period, not annualised.
        periods: observations, T.
        skewness: third standardised moment.
        kurtosis: fourth standardised moment, 3 for a normal distribution.
        autocorrelation: of lag 1, in (-1, 1); only the form of 2025 uses it.
    """

    sharpe: float
    periods: int
    skewness: float = 0.0
    kurtosis: float = 3.0
    autocorrelation: float = 0.0


def moments_of(returns: Floats, what: str = "the daily results") -> Moments:
    """Return the moments of float64[T].

    Args:
        returns: per period, net.
        what: names the series in a refusal.

    Raises:
        EvidenceError: a value is not finite, there are fewer than 4, or nothing varies.
    """
    if not np.isfinite(returns).all():
        bad = int(np.count_nonzero(~np.isfinite(returns)))
        raise EvidenceError(f"{what}: {bad} of {returns.size} values are not finite; trade them in shadow again")
    if returns.size < DAYS_MIN:
        raise EvidenceError(f"{what}: {returns.size} days, at least {DAYS_MIN} are needed; give a longer test")
    deviation = float(np.std(returns, ddof=1))
    if deviation <= 1e-12 * float(np.max(np.abs(returns))):
        raise EvidenceError(
            f"{what}: constant at {returns[0]:g} over {returns.size} days, a Sharpe ratio needs some that differ; "
            "judge a policy that trades"
        )
    centred = returns - np.mean(returns)
    power = float(np.mean(centred**2))
    return Moments(
        sharpe=float(np.mean(returns)) / deviation,
        periods=returns.size,
        skewness=float(np.mean(centred**3)) / power**1.5,
        kurtosis=float(np.mean(centred**4)) / power**2,
        autocorrelation=float(np.mean(centred[1:] * centred[:-1])) / power,
    )


def sharpe_error(moments: Moments) -> float:
    """Return the standard error of a Sharpe ratio: sqrt((1 - g3 SR + (g4 - 1) / 4 SR^2) / (T - 1))."""
    return math.sqrt(_spread(moments) / (moments.periods - 1))


def probabilistic_sharpe_ratio(moments: Moments, benchmark: float = 0.0) -> float:
    """Return PSR: the probability that the true ratio exceeds `benchmark` (per period)."""
    return float(norm.cdf((moments.sharpe - benchmark) / sharpe_error(moments)))


def expected_maximum(trials: float) -> float:
    """Return E[max] of N independent standard normal ratios: (1 - g) Z(1 - 1/N) + g Z(1 - 1/(N e)); 0 for N = 1."""
    if trials < 1:
        raise EvidenceError(f"{trials:g} trials: the judged version is one itself; count at least 1")
    if trials == 1:
        return 0.0
    gamma = float(np.euler_gamma)
    return float((1.0 - gamma) * norm.ppf(1.0 - 1.0 / trials) + gamma * norm.ppf(1.0 - 1.0 / (trials * math.e)))


def hurdle(trials: float, deviation: float) -> float:
    """Return SR0, the ratio that the best of N trials without skill reaches; `deviation` is that of their ratios."""
    return deviation * expected_maximum(trials)


def deflated_sharpe_ratio(moments: Moments, trials: float, deviation: float) -> float:
    """Return DSR = PSR(SR0): the probability of skill once the number of trials is accounted for."""
    return probabilistic_sharpe_ratio(moments, hurdle(trials, deviation))


def minimum_track_record(moments: Moments, benchmark: float = 0.0, confidence: float = 0.95) -> float:
    """Return MinTRL: periods needed to show that the true ratio exceeds `benchmark`; infinite when it does not."""
    excess = moments.sharpe - benchmark
    if excess <= 0.0:
        return math.inf
    return 1.0 + _spread(moments) * (float(norm.ppf(confidence)) / excess) ** 2


def minimum_backtest_length(trials: float, sharpe: float) -> float:
    """Return MinBTL, the length below which the best of N trials without skill shows `sharpe`: (E[max] / SR)^2.

    An annual ratio gives years (Bailey, Borwein, Lopez de Prado & Zhu 2014), a daily one days.

    Raises:
        EvidenceError: the ratio is not positive.
    """
    if not sharpe > 0.0:
        raise EvidenceError(f"no length of a backtest explains a ratio of {sharpe:g}; give one above 0")
    return (expected_maximum(trials) / sharpe) ** 2


def trials_deviation(ratios: Sequence[float], periods: Sequence[int], judged: Moments, tried: int) -> float:
    """Return the standard deviation of the trials' Sharpe ratios, brought to the length of the judged record.

    The ratio of T periods without skill varies as 1 / T, and trials are measured over windows of other lengths than the
    test: each ratio is taken in its own standard errors, sqrt(T_n) SR_n, and their deviation over sqrt(T). It counts up
    to what independent trials without skill differ by, sqrt((1 + r) / (1 - r)) with the judged record's autocorrelation
    r, at least 1. Beyond that it is not luck that tells them apart: a trial that burnt its money, or the very edge that
    is judged, would else raise the hurdle beyond reach. Trials whose ratio is not known count with luck, and fewer than
    `KNOWN_MIN` that are known tell nothing of the others: two that happen to be alike would take the hurdle away.

    Args:
        ratios: per period, those that are known, the judged one among them.
        periods: of each.
        judged: the judged record.
        tried: all that were ever tried, known or not, the judged one among them.

    Raises:
        EvidenceError: a ratio is not finite.
    """
    scores = np.asarray(ratios, np.float64) * np.sqrt(np.asarray(periods, np.float64))
    if not np.isfinite(scores).all():
        raise EvidenceError("a trial's Sharpe ratio is not finite; remove the damaged trial, or repeat its run")
    rho = min(max(judged.autocorrelation, 0.0), 0.9)
    luck = (1.0 + rho) / (1.0 - rho)
    seen = min(float(np.var(scores, ddof=1)), luck) if scores.size >= KNOWN_MIN else luck
    known = min(scores.size / tried, 1.0)
    return math.sqrt((known * seen + (1.0 - known) * luck) / judged.periods)


def _spread(moments: Moments) -> float:
    """Return 1 - g3 SR + (g4 - 1) / 4 SR^2; positive for moments of any real sample."""
    ratio = moments.sharpe
    return max(1.0 - moments.skewness * ratio + (moments.kurtosis - 1.0) / 4.0 * ratio**2, 1e-12)

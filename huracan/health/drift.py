"""Whether today's inputs and opinions are still those of training: PSI, Kolmogorov-Smirnov, calibration.

PSI's rule of thumb (.10, .25) has no error rate; its law does (Yurdakul & Naranjo 2020): with the same distribution in
B bins, PSI / (1/N + 1/M) is chi-square with B - 1 degrees of freedom. N and M are effective numbers: observations that
depend on each other count for less.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.stats import chi2, kstwo

from huracan.errors import InvariantError

__all__ = [
    "Bins",
    "Calibration",
    "Drift",
    "calibration_of",
    "discoveries",
    "effective_size",
    "kolmogorov_smirnov",
    "psi_critical",
]

Floats = npt.NDArray[np.float64]
_FLOOR: Final = 1e-4
_LAGS_MAX: Final = 200


@dataclass(frozen=True, slots=True)
class Drift:
    """One comparison of a sample with its reference.

    Attributes:
        statistic: PSI, or the largest distance of the distribution functions.
        p_value: probability of as much if nothing has changed.
        reference, sample: effective numbers of observations.
    """

    statistic: float
    p_value: float
    reference: float
    sample: float


@dataclass(frozen=True, slots=True, eq=False)
class Bins:
    """The reference of a PSI: edges between equally likely bins, and the share of each.

    Attributes:
        edges: float64[B - 1], increasing.
        shares: float64[B], sum 1.
        size: effective number of observations behind them.
    """

    edges: Floats
    shares: Floats
    size: float

    @classmethod
    def of(cls, reference: Floats, bins: int = 10) -> "Bins":
        """Return the bins of a reference; values that many share give fewer of them.

        Raises:
            InvariantError: fewer than ten observations a bin, or they do not vary.
        """
        values = np.asarray(reference, np.float64)
        if len(values) < 10 * bins or not np.isfinite(values).all():
            raise InvariantError(f"{len(values)} observations are no reference of {bins} bins, or are not finite")
        edges = np.unique(np.quantile(values, np.arange(1, bins) / bins))
        edges = edges[(edges > values.min()) | (edges < values.max())]
        shares = _shares(values, edges)
        if (shares > 0).sum() < 2:
            raise InvariantError("the reference does not vary")
        return cls(edges, shares, effective_size(values))

    def psi(self, sample: Floats) -> Drift:
        """Compare a sample: PSI = sum (p - q) ln(p / q), empty bins counted as 1e-4."""
        values = np.asarray(sample, np.float64)
        if not len(values) or not np.isfinite(values).all():
            raise InvariantError("an empty sample, or one that is not finite, drifts nowhere")
        p, q = np.maximum(_shares(values, self.edges), _FLOOR), np.maximum(self.shares, _FLOOR)
        found, size = float(((p - q) * np.log(p / q)).sum()), effective_size(values)
        freedom = int((self.shares > 0).sum()) - 1
        return Drift(found, float(chi2.sf(found / (1.0 / self.size + 1.0 / size), freedom)), self.size, size)


def psi_critical(reference: float, sample: float, bins: int, level: float) -> float:
    """Return the PSI that the same distribution exceeds with probability `level`."""
    return float(chi2.isf(level, bins - 1)) * (1.0 / reference + 1.0 / sample)


def kolmogorov_smirnov(reference: Floats, sample: Floats) -> Drift:
    """Compare two samples by the largest distance of their distribution functions, with effective sizes in its law."""
    first, second = np.sort(np.asarray(reference, np.float64)), np.sort(np.asarray(sample, np.float64))
    if not len(first) or not len(second) or not (np.isfinite(first).all() and np.isfinite(second).all()):
        raise InvariantError("an empty sample, or one that is not finite, drifts nowhere")
    both = np.concatenate([first, second])
    gaps = np.searchsorted(first, both, "right") / len(first) - np.searchsorted(second, both, "right") / len(second)
    distance = float(np.abs(gaps).max())
    n, m = effective_size(np.asarray(reference, np.float64)), effective_size(np.asarray(sample, np.float64))
    return Drift(distance, float(kstwo.sf(distance, max(1, round(n * m / (n + m))))), n, m)


def effective_size(values: Floats) -> float:
    """Return N / (1 + 2 sum rho_k) by the initial positive sequence (Geyer 1992), at most N and at least 1.

    Args:
        values: float64[N], in their order of time.
    """
    count = len(values)
    centred = values - values.mean()
    variance = float(centred @ centred) / count
    if count < 4 or variance <= 0.0:
        return float(count)
    total, lags = 0.0, min(_LAGS_MAX, count // 2)
    rho = np.array([float(centred[: count - lag] @ centred[lag:]) / count / variance for lag in range(lags)])
    for lag in range(0, lags - 1, 2):
        pair = rho[lag] + rho[lag + 1]
        if pair <= 0.0:
            break
        total += pair
    return float(min(count, max(1.0, count / max(1.0, 2.0 * total - 1.0))))


def discoveries(p_values: Floats, rate: float) -> npt.NDArray[np.bool_]:
    """Return which of many tests are called (Benjamini & Hochberg 1995): false ones are at most `rate` of them."""
    values = np.asarray(p_values, np.float64)
    order = np.argsort(values)
    passed = np.flatnonzero(values[order] <= rate * np.arange(1, len(values) + 1) / max(1, len(values)))
    called = np.zeros(len(values), np.bool_)
    if len(passed):
        called[order[: passed[-1] + 1]] = True
    return called


@dataclass(frozen=True, slots=True)
class Calibration:
    """How good probabilities are.

    Attributes:
        brier: mean squared error, reliability - resolution + uncertainty (Murphy 1973) up to the spread inside bins.
        reliability: mean squared distance of a bin's rate from its mean probability; 0 is best.
        resolution: mean squared distance of a bin's rate from the base rate; more is better.
        uncertainty: variance of the outcome.
        ece: mean distance of a bin's rate from its mean probability.
    """

    brier: float
    reliability: float
    resolution: float
    uncertainty: float
    ece: float


def calibration_of(probability: Floats, outcome: npt.NDArray[np.bool_], bins: int = 15) -> Calibration:
    """Judge probabilities by what happened, in bins of equally many.

    Args:
        probability: float64[N] in [0, 1].
        outcome: bool[N].
        bins: at most so many.
    """
    p, y = np.asarray(probability, np.float64), np.asarray(outcome, np.float64)
    if len(p) < bins or len(p) != len(y) or not ((p >= 0.0) & (p <= 1.0)).all():
        raise InvariantError(f"{len(p)} probabilities and {len(y)} outcomes make no calibration of {bins} bins")
    parts = np.array_split(np.argsort(p, kind="stable"), bins)
    base = float(y.mean())
    weights = np.array([len(part) for part in parts]) / len(p)
    said, came = np.array([p[part].mean() for part in parts]), np.array([y[part].mean() for part in parts])
    return Calibration(
        brier=float(((p - y) ** 2).mean()),
        reliability=float(weights @ (came - said) ** 2),
        resolution=float(weights @ (came - base) ** 2),
        uncertainty=base * (1.0 - base),
        ece=float(weights @ np.abs(came - said)),
    )


def _shares(values: Floats, edges: Floats) -> Floats:
    return np.bincount(np.searchsorted(edges, values, side="right"), minlength=len(edges) + 1) / len(values)

"""Whether today's inputs are still those of shadow: distances with a law, and how many of many tests to believe.

Observations that depend on each other count for less: the Kolmogorov-Smirnov distance has effective numbers of them in
its law, the stability index the spread that days have among themselves.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from huracan.errors import InvariantError
from huracan.health.laws import distance_tail, f_tail

__all__ = [
    "Drift",
    "binned",
    "discoveries",
    "discoveries_dependent",
    "effective_size",
    "kolmogorov_smirnov",
    "stability_index",
]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
BINS: Final = 10
CELL_MIN: Final = 5
"""Observations that a cell of the reference has at least; smaller ones are put together."""
_LAGS_MAX: Final = 200


@dataclass(frozen=True, slots=True)
class Drift:
    """One comparison of a sample with its reference.

    Attributes:
        statistic: the largest distance of the distribution functions, or the stability index.
        p_value: probability of as much if nothing has changed.
        reference, sample: effective numbers of observations.
    """

    statistic: float
    p_value: float
    reference: float
    sample: float


def kolmogorov_smirnov(reference: Floats, sample: Floats) -> Drift:
    """Compare two samples by the largest distance of their distribution functions, with effective sizes in its law."""
    first, second = np.sort(np.asarray(reference, np.float64)), np.sort(np.asarray(sample, np.float64))
    if not len(first) or not len(second) or not (np.isfinite(first).all() and np.isfinite(second).all()):
        raise InvariantError("an empty sample, or one that is not finite, drifts nowhere")
    both = np.concatenate([first, second])
    gaps = np.searchsorted(first, both, "right") / len(first) - np.searchsorted(second, both, "right") / len(second)
    distance = float(np.abs(gaps).max())
    n, m = effective_size(np.asarray(reference, np.float64)), effective_size(np.asarray(sample, np.float64))
    return Drift(distance, distance_tail(distance, max(1, round(n * m / (n + m)))), n, m)


def stability_index(reference: Ints, sample: Ints) -> Drift:
    """Compare counts of cells by day: PSI = sum (q - p) ln(q / p), with its law.

    Of independent observations PSI / (1 / N + 1 / M) has the chi-square law of B - 1 degrees of freedom (Yurdakul &
    Naranjo 2020). Days that differ among themselves widen it: the covariance of the shares is taken from the
    reference's days, and the law's first two moments from it (Rao & Scott 1984), with the days' degrees of freedom.

    Args:
        reference: int64[D, B], counts by day and cell, at least three days with any.
        sample: int64[S, B], likewise, at least one.

    Raises:
        InvariantError: there are fewer days.
    """
    first, second = (np.asarray(counts, np.float64) for counts in (reference, sample))
    first, second = first[first.sum(axis=1) > 0], second[second.sum(axis=1) > 0]
    if len(first) < 3 or not len(second):
        raise InvariantError(f"{len(first)} days of a reference and {len(second)} of a sample drift nowhere")
    first, second = _joined(first, second)
    n, m, cells = float(first.sum()), float(second.sum()), first.shape[1]
    if cells < 2:
        return Drift(0.0, 1.0, n, m)
    p, q = ((counts.sum(axis=0) + 0.5) / (counts.sum() + 0.5 * cells) for counts in (first, second))
    index = float(((q - p) * np.log(q / p)).sum())
    away = first - first.sum(axis=1, keepdims=True) * (first.sum(axis=0) / n)[None, :]
    days = len(first)
    spread = away.T @ away / (n * n) * days / (days - 1.0)
    spread *= 1.0 + max(n / m, days / len(second))  # the sample's days are as wild as the reference's
    law = spread / p[:, None]
    whole, square = float(np.trace(law)), float(np.trace(law @ law))
    if whole <= 0.0:
        return Drift(index, 1.0 if index <= 1e-12 else 0.0, n, m)
    freedom = whole * whole / square
    effective = (cells - 1.0) / whole  # of (1 / N + 1 / M)^-1
    return Drift(
        index,
        f_tail(index / whole, freedom, days - 1.0),
        effective * (1.0 + n / m),
        effective * (1.0 + m / n),
    )


def binned(reference: Floats, day: Ints, sample: Floats, sample_day: Ints) -> tuple[Ints, Ints]:
    """Return counts by day and tenth of the reference, int64[D, B] and int64[S, B], for `stability_index`."""
    edges = np.unique(np.quantile(reference, np.arange(1, BINS) / BINS))

    def counts(values: Floats, days: Ints) -> Ints:
        cells = np.searchsorted(edges, values, side="left")
        _, rows = np.unique(days, return_inverse=True)
        table = np.zeros((int(rows.max()) + 1 if len(rows) else 0, len(edges) + 1), np.int64)
        np.add.at(table, (rows, cells), 1)
        return table

    return counts(reference, day), counts(sample, sample_day)


def _joined(first: Floats, second: Floats) -> tuple[Floats, Floats]:
    """Put cells that hardly occur in the reference together."""
    rare = first.sum(axis=0) < CELL_MIN
    if not rare.any():
        return first, second
    parts = [(table[:, ~rare], table[:, rare].sum(axis=1, keepdims=True)) for table in (first, second)]
    one, two = (np.concatenate(part, axis=1) for part in parts)
    keep = (one.sum(axis=0) + two.sum(axis=0)) > 0
    return one[:, keep], two[:, keep]


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


def discoveries_dependent(p_values: Floats, rate: float) -> npt.NDArray[np.bool_]:
    """Return which of many tests are called, however they depend on each other (Benjamini & Yekutieli 2001).

    The chance that any is called when nothing is wrong is at most `rate`.
    """
    return discoveries(p_values, rate / float((1.0 / np.arange(1, max(1, len(p_values)) + 1)).sum()))

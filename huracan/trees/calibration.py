"""From scores to probabilities that mean what they say: Platt's sigmoid, and the measures that judge it.

p = 1 / (1 + exp(-(slope s + offset))), fitted by maximum likelihood on scores of rows that the scoring model was not
trained on (Platt 1999, with his smoothed targets). The slope is never negative: where the scores order the held-out
rows backwards, they carry no information and the probability is the base rate.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from scipy.stats import rankdata

from huracan.errors import DataError

__all__ = ["Platt", "Reliability", "auc", "brier", "fit_platt", "reliability"]

Floats = NDArray[np.float64]
STEPS_MAX = 100
BINS = 15


@dataclass(frozen=True, slots=True)
class Platt:
    """A sigmoid over raw scores (log-odds of the forest): slope >= 0 and offset."""

    slope: float
    offset: float

    def probability(self, score: Floats) -> Floats:
        """Return float64[n] in (0, 1)."""
        return np.asarray(expit(self.slope * score + self.offset), np.float64)


@dataclass(frozen=True, slots=True)
class Reliability:
    """How probabilities compare with what came true, in bins of about equally many rows, lowest first.

    Attributes:
        count: rows by bin.
        said: mean probability by bin.
        happened: share that came true by bin.
        ece: expected calibration error, sum of count / n |said - happened|.
        brier: mean squared error of the probabilities.
        skill: 1 - brier / brier of the base rate.
    """

    count: tuple[int, ...]
    said: tuple[float, ...]
    happened: tuple[float, ...]
    ece: float
    brier: float
    skill: float


def fit_platt(score: Floats, won: NDArray[np.bool_], weight: Floats) -> Platt:
    """Fit the sigmoid on held-out scores by Newton's method.

    Args:
        score: float64[n].
        won: bool[n].
        weight: float64[n], positive.

    Raises:
        DataError: a score is not finite, or one class is empty.
    """
    if not np.isfinite(score).all():
        raise DataError(f"calibration: {int((~np.isfinite(score)).sum())} of {score.size} scores are not finite")
    ups, downs = float(weight[won].sum()), float(weight[~won].sum())
    if not (ups > 0 and downs > 0):
        raise DataError("calibration: all held-out rows have one outcome; a probability needs wins and losses")
    target = np.where(won, (ups + 1.0) / (ups + 2.0), 1.0 / (downs + 2.0))
    center = float(np.average(score, weights=weight))
    spread = float(np.sqrt(np.average((score - center) ** 2, weights=weight)))
    base = float(np.log((ups + 1.0) / (downs + 1.0)))
    if spread < 1e-12:
        return Platt(0.0, base)
    z = (score - center) / spread
    slope, offset = 0.0, base
    for _ in range(STEPS_MAX):
        p = expit(slope * z + offset)
        gap, curve = weight * (p - target), weight * np.maximum(p * (1.0 - p), 1e-12)
        gradient = np.array([float((gap * z).sum()), float(gap.sum())])
        cross = float((curve * z).sum())
        hessian = np.array([[float((curve * z * z).sum()) + 1e-9, cross], [cross, float(curve.sum())]])
        step = np.linalg.solve(hessian, gradient)
        slope, offset = slope - float(step[0]), offset - float(step[1])
        if np.abs(step).max() < 1e-10:
            break
    if slope <= 0.0:
        return Platt(0.0, base)
    return Platt(slope / spread, offset - slope * center / spread)


def brier(probability: Floats, won: NDArray[np.bool_]) -> float:
    """Return the mean squared error of probabilities."""
    return float(np.mean((probability - won) ** 2))


def auc(score: Floats, won: NDArray[np.bool_]) -> float:
    """Return the chance that a win scores above a loss, ties half: 0.5 without information.

    Raises:
        DataError: one class is empty.
    """
    ups = int(np.count_nonzero(won))
    downs = won.size - ups
    if not ups or not downs:
        raise DataError(f"auc: {ups} wins and {downs} losses; both are needed")
    return float((rankdata(score)[won].sum() - ups * (ups + 1) / 2) / (ups * downs))


def reliability(probability: Floats, won: NDArray[np.bool_], bins: int = BINS) -> Reliability:
    """Return the comparison in `bins` bins of equally many rows.

    Raises:
        DataError: there are fewer rows than bins, or a probability is not one.
    """
    if probability.size < bins:
        raise DataError(f"reliability: {probability.size} rows cannot fill {bins} bins")
    if not ((probability >= 0) & (probability <= 1)).all():
        raise DataError("reliability: a probability is NaN or outside [0, 1]")
    parts = np.array_split(np.argsort(probability, kind="stable"), bins)
    said = [float(probability[part].mean()) for part in parts]
    happened = [float(won[part].mean()) for part in parts]
    ece = sum(len(part) * abs(s - h) for part, s, h in zip(parts, said, happened, strict=True)) / probability.size
    base = float(won.mean())
    error, plain = brier(probability, won), base * (1.0 - base)
    return Reliability(
        count=tuple(len(part) for part in parts),
        said=tuple(said),
        happened=tuple(happened),
        ece=ece,
        brier=error,
        skill=1.0 - error / plain if plain > 0 else 0.0,
    )

"""The probability of backtest overfitting, by combinatorially symmetric cross-validation.

Bailey, Borwein, López de Prado & Zhu (2017): days are cut into S blocks; of every half of them the best configuration
is chosen and ranked among all on the other half. PBO is how often the choice falls below the median there. Whole days
of all configurations stay together, so that correlation across them survives.
"""

from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from typing import Literal

import numpy as np
import numpy.typing as npt

from huracan.errors import EvidenceError

__all__ = ["BLOCKS", "BLOCK_DAYS_MIN", "Overfit", "blocks_for", "overfit_probability"]

Floats = npt.NDArray[np.float64]
BLOCKS = 16
BLOCK_DAYS_MIN = 2
BLOCKS_MIN = 8
"""70 splits; 4 blocks have 6, and each of them would decide for a sixth."""
CHUNK = 2_048
"""Splits judged at once: bounds memory."""


@dataclass(frozen=True, slots=True)
class Overfit:
    """What the splits found.

    Attributes:
        probability: PBO, share of splits whose choice ranks below the median of the other half.
        loss_probability: share of splits whose choice does not earn in the other half.
        slope: of the choice's result there on its result here, least squares; negative: the better it looked.
        splits: C(S, S / 2).
        blocks: S.
        configurations: N.
        days: used; the first remainder of the blocks is left out.
        logits: float64[splits], ln(omega / (1 - omega)) of the relative ranks.
    """

    probability: float
    loss_probability: float
    slope: float
    splits: int
    blocks: int
    configurations: int
    days: int
    logits: Floats


def blocks_for(days: int) -> int:
    """Return the largest even number of blocks, at most 16, of at least 2 days each; 0 when that makes less than 8."""
    blocks = min(BLOCKS, days // BLOCK_DAYS_MIN)
    blocks -= blocks % 2
    return blocks if blocks >= BLOCKS_MIN else 0


def overfit_probability(
    results: Floats, blocks: int | None = None, metric: Literal["sharpe", "mean"] = "sharpe"
) -> Overfit:
    """Return PBO of float64[T, N], one column for every configuration tried.

    Args:
        results: net, per day.
        blocks: S, even; None: as many as the days allow, at most 16.
        metric: what the best is chosen by.

    Raises:
        EvidenceError: fewer than 2 configurations, too few days, or a value is not finite.
    """
    days, count = results.shape
    if not np.isfinite(results).all():
        bad = int(np.count_nonzero(~np.isfinite(results).all(axis=0)))
        raise EvidenceError(f"PBO: {bad} of {count} configurations have days that are not finite; trade them again")
    if count < 2:
        raise EvidenceError("PBO: one configuration leaves nothing to choose; give the results of all that were tried")
    chosen = blocks_for(days) if blocks is None else blocks
    if chosen < 2 or chosen % 2 or days < chosen:
        raise EvidenceError(
            f"PBO: {days} days of {count} configurations; at least {BLOCKS_MIN * BLOCK_DAYS_MIN} are needed (an even "
            f"number of blocks, {BLOCKS_MIN} of {BLOCK_DAYS_MIN} days); give a longer validation window "
            "(search.validation_frac), or more test days"
        )
    length = days // chosen
    cut = results[days - chosen * length :].reshape(chosen, length, count)
    sums, squares = cut.sum(axis=1), (cut**2).sum(axis=1)
    total, total_squares = sums.sum(axis=0), squares.sum(axis=0)
    halves, half_days = _halves(chosen), chosen * length // 2
    ranks, here, there, earned = [], [], [], []
    for first in range(0, len(halves), CHUNK):
        part = halves[first : first + CHUNK]
        inside, inside_squares = part @ sums, part @ squares
        outside, outside_squares = total - inside, total_squares - inside_squares
        seen = _metric(inside, inside_squares, half_days, metric)
        unseen = _metric(outside, outside_squares, half_days, metric)
        rows, best = np.arange(len(part)), np.argmax(seen, axis=1)
        own = unseen[rows, best][:, None]
        ranks.append(0.5 * (1 + (unseen < own).sum(axis=1) + (unseen <= own).sum(axis=1)))  # ties share their mean rank
        here.append(seen[rows, best])
        there.append(own[:, 0])
        earned.append(outside[rows, best])
    omega = np.concatenate(ranks) / (count + 1)
    logits = np.log(omega / (1.0 - omega))
    x, y = np.concatenate(here), np.concatenate(there)
    spread = float(np.sum((x - x.mean()) ** 2))
    return Overfit(
        probability=float(np.mean(logits < -1e-12)),
        loss_probability=float(np.mean(np.concatenate(earned) <= 0.0)),
        slope=float(np.sum((x - x.mean()) * (y - y.mean())) / spread) if spread > 1e-24 else 0.0,
        splits=logits.size,
        blocks=chosen,
        configurations=count,
        days=chosen * length,
        logits=logits,
    )


@lru_cache(maxsize=8)
def _halves(blocks: int) -> Floats:
    """Return float64[C(S, S/2), S], 1 where a block is in the half."""
    chosen = np.array(list(combinations(range(blocks), blocks // 2)))
    halves = np.zeros((len(chosen), blocks))
    np.put_along_axis(halves, chosen, 1.0, axis=1)
    return halves


def _metric(sums: Floats, squares: Floats, days: int, metric: Literal["sharpe", "mean"]) -> Floats:
    """Return mean, or mean over standard deviation, of each configuration; 0 where nothing varies."""
    mean = sums / days
    if metric == "mean" or days < 2:
        return mean
    variance = np.maximum(squares / days - mean**2, 0.0) * days / (days - 1)
    varies = variance > 1e-18 * np.maximum(squares / days, 1e-300)
    return np.where(varies, mean / np.sqrt(np.where(varies, variance, 1.0)), 0.0)

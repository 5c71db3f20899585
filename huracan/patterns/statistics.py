"""What the neighbours say: entries 52 to 60 of the state, each by its formula.

With weights w_i = 2^(-age_i / half-life) / (1 + d_i^2 / b^2) (recency times similarity; age counts from the youngest
neighbour, b is the median distance to the 5th neighbour in training), W = sum w, n = W^2 / sum w^2, and results R_i in
units of the trade's initial risk:

    52 mean     m = sum w R / W
    53 win rate (p n + a) / (n + a + b) - base, p = sum w [R > 0] / W, a = 10 base, b = 10 (1 - base)
    54 lower    m - 1.64 sqrt(v* / n), v* = (n v + 10 v0) / (n + 10), v = sum w (R - m)^2 / W
    55 sd       sqrt(v)
    56 count    n / k
    57 novelty  distance to the 5th neighbour, as its quantile in training
    58, 59      sum w MFE / W, sum w MAE / W, in R
    60 time     sum w min(1, time from entry to exit / longest hold) / W

`base` and v0 are win rate and variance of all trades known at that close, (wins + 1) / (trades + 2) for the rate: a
handful of neighbours cannot claim more certainty than all trades have. Fewer than five neighbours are no evidence:
all entries are 0, and 56 says so.
"""

from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from huracan.features.finish import quantile_of

__all__ = ["HALF_LIFE_HOLDS", "NEIGHBOURS", "NEIGHBOURS_MIN", "PRIOR_TRADES", "describe"]

NEIGHBOURS: Final = 32
NEIGHBOURS_MIN: Final = 5
PRIOR_TRADES: Final = 10.0
Z_LOWER: Final = 1.64
HALF_LIFE_HOLDS: Final = 180.0
"""After as many longest holds a trade counts half: a quarter of a year of one-minute candles."""


@njit(cache=True, nogil=True)
def describe(
    found: NDArray[np.int64],
    square: NDArray[np.float32],
    count: NDArray[np.int64],
    close_ms: NDArray[np.int64],
    known_ms: NDArray[np.int64],
    exit_ms: NDArray[np.int64],
    hold_ms: NDArray[np.int64],
    result: NDArray[np.float64],
    best: NDArray[np.float64],
    worst: NDArray[np.float64],
    totals: NDArray[np.float64],
    hold_max_ms: int,
    half_life_ms: float,
    middle: float,
    grid: NDArray[np.float64],
    out: NDArray[np.float32],
) -> None:
    """Write entries 52 to 61 of Q rows; 61 stays 0 here.

    Args:
        found: int64[Q, K], neighbours by distance.
        square: float32[Q, K], their squared distances.
        count: int64[Q], how many there are.
        close_ms: int64[Q].
        known_ms: int64[N] of the trades, increasing; likewise the columns up to `worst`.
        exit_ms: int64[N].
        hold_ms: int64[N].
        result: float64[N], R.
        best: float64[N], R.
        worst: float64[N], R.
        totals: float64[N + 1, 3], running sums of wins, R and R^2 over the trades in their order.
        hold_max_ms: longest hold of the rules in force.
        half_life_ms: of recency.
        middle: b, a distance.
        grid: float64[G], evenly spaced quantiles of the distance to the 5th neighbour in training.
        out: float32[Q, 10], written.
    """
    weights = np.empty(found.shape[1])
    for row in range(found.shape[0]):
        for entry in range(out.shape[1]):
            out[row, entry] = np.float32(0.0)
        held = count[row]
        if held < NEIGHBOURS_MIN:
            continue
        newest = exit_ms[found[row, 0]]
        for place in range(held):
            newest = max(newest, exit_ms[found[row, place]])
        weight_sum, weight_square, mean, wins, mfe, mae, taken = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
        for place in range(held):
            trade = found[row, place]
            recency = 2.0 ** (-(newest - exit_ms[trade]) / half_life_ms)
            weight = recency / (1.0 + np.float64(square[row, place]) / (middle * middle))
            weights[place] = weight
            weight_sum += weight
            weight_square += weight * weight
            mean += weight * result[trade]
            wins += weight if result[trade] > 0.0 else 0.0
            mfe += weight * best[trade]
            mae += weight * worst[trade]
            taken += weight * min(1.0, hold_ms[trade] / hold_max_ms)
        mean /= weight_sum
        spread = 0.0
        for place in range(held):
            spread += weights[place] * (result[found[row, place]] - mean) ** 2
        variance = spread / weight_sum
        number = weight_sum * weight_sum / weight_square
        known = np.searchsorted(known_ms, close_ms[row], side="right")
        base = (totals[known, 0] + 1.0) / (known + 2.0)
        overall = max(0.0, totals[known, 2] / known - (totals[known, 1] / known) ** 2)
        rate = (wins / weight_sum * number + PRIOR_TRADES * base) / (number + PRIOR_TRADES)
        careful = (number * variance + PRIOR_TRADES * overall) / (number + PRIOR_TRADES)
        out[row, 0] = np.float32(mean)
        out[row, 1] = np.float32(rate - base)
        out[row, 2] = np.float32(mean - Z_LOWER * np.sqrt(careful / number))
        out[row, 3] = np.float32(np.sqrt(variance))
        out[row, 4] = np.float32(number / found.shape[1])
        out[row, 5] = np.float32(quantile_of(grid, np.sqrt(np.float64(square[row, NEIGHBOURS_MIN - 1]))))
        out[row, 6] = np.float32(mfe / weight_sum)
        out[row, 7] = np.float32(mae / weight_sum)
        out[row, 8] = np.float32(taken / weight_sum)

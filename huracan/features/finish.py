"""From raw features to state entries: what the fold's fit adds, row by row, the same in batch and stream."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from huracan.features.hmm import filter_step, high_vol, trend
from huracan.features.layout import MARKET_SIZE
from huracan.features.machines.coin import IN_BOOK, IN_LEADER, IN_TAKER, IN_TRADES, WEEK_OFFSET_MS

__all__ = ["HOURS", "PROFILED", "QUANTILED", "finish_close", "finish_rows", "hour_of_week", "quantile_of"]

HOURS = 168
PROFILED = (11, 28, 29)
"""Entries from which the hour-of-week profile is taken off."""
QUANTILED = (15, 41)
"""Entries that become their quantile in the training window."""
HOUR_MS = 3_600_000


@njit(cache=True, nogil=True)
def hour_of_week(close_ms: int) -> int:
    """Return the hour of the week (0: Monday 00:00 UTC) in which a bar closing at `close_ms` traded last."""
    return ((close_ms - 1 + WEEK_OFFSET_MS) // HOUR_MS) % HOURS


@njit(cache=True, nogil=True)
def quantile_of(grid: NDArray[np.float64], x: float) -> float:
    """Return where x stands among evenly spaced quantiles, in [0, 1]; linear between them, the middle of equal ones."""
    n = grid.shape[0]
    below = np.searchsorted(grid, x, side="left")
    upto = np.searchsorted(grid, x, side="right")
    if upto > below:
        return 0.5 * (below + upto - 1) / (n - 1)
    if below == 0:
        return 0.0
    if below == n:
        return 1.0
    return (below - 1 + (x - grid[below - 1]) / (grid[below] - grid[below - 1])) / (n - 1)


@njit(cache=True, nogil=True)
def finish_rows(
    values: NDArray[np.float64],
    available: NDArray[np.bool_],
    close_ms: NDArray[np.int64],
    segment: NDArray[np.int32],
    allowed: NDArray[np.bool_],
    profiles: NDArray[np.float64],
    grids: NDArray[np.float64],
    start: NDArray[np.float64],
    transition: NDArray[np.float64],
    mean: NDArray[np.float64],
    variance: NDArray[np.float64],
    regime: NDArray[np.float64],
    out: NDArray[np.float32],
) -> None:
    """Finish M consecutive rows of one coin.

    Args:
        values: float64[M, 52] raw features.
        available: bool[M, 4] of the optional inputs.
        close_ms: int64[M].
        segment: int32[M]; the regime filter starts anew with each.
        allowed: bool[4] inputs that training had; the others are 0 with the flag down.
        profiles: float64[3, 168] hour-of-week levels of `PROFILED`.
        grids: float64[2, Q] quantiles of `QUANTILED`.
        start: regime model, as `transition`, `mean` and `variance`.
        transition: see `start`.
        mean: see `start`.
        variance: see `start`.
        regime: float64[K + 1] filter and the segment it belongs to (-1: none yet), changed in place.
        out: float32[M, 52], written.
    """
    states = start.shape[0]
    prob = regime[:states]
    for i in range(values.shape[0]):
        row = values[i].copy()
        hour = hour_of_week(close_ms[i])
        row[11] -= profiles[0, hour]
        row[28] -= profiles[1, hour]
        row[29] -= profiles[2, hour]
        row[15] = quantile_of(grids[0], row[15])
        row[41] = quantile_of(grids[1], row[41])
        fresh = regime[states] != segment[i]
        filter_step(prob, fresh, values[i, 25:27], start, transition, mean, variance)
        regime[states] = segment[i]
        row[25] = high_vol(prob)
        row[26] = trend(prob, mean)
        trades = available[i, IN_TRADES] and allowed[IN_TRADES]
        taker = available[i, IN_TAKER] and allowed[IN_TAKER]
        book = available[i, IN_BOOK] and allowed[IN_BOOK]
        if not trades:
            row[29] = 0.0
        if not taker:
            row[33], row[34], row[35], row[41] = 0.0, 0.0, 0.0, 0.0
        if not book:
            row[32], row[38], row[39], row[40] = 0.0, 0.0, 0.0, 0.0
        if not (available[i, IN_LEADER] and allowed[IN_LEADER]):
            row[42:47] = 0.0
        row[37] = ((1.0 if trades else 0.0) + (1.0 if taker else 0.0) + (1.0 if book else 0.0)) / 3.0
        for j in range(MARKET_SIZE):
            out[i, j] = row[j]


@njit(cache=True, nogil=True)
def finish_close(
    row_count: NDArray[np.int64],
    values: NDArray[np.float64],
    available: NDArray[np.bool_],
    close_ms: NDArray[np.int64],
    segment: NDArray[np.int32],
    allowed: NDArray[np.bool_],
    profiles: NDArray[np.float64],
    grids: NDArray[np.float64],
    start: NDArray[np.float64],
    transition: NDArray[np.float64],
    mean: NDArray[np.float64],
    variance: NDArray[np.float64],
    regimes: NDArray[np.float64],
    out: NDArray[np.float32],
) -> None:
    """Finish the rows that one close yielded for N coins: `finish_rows` for each coin that has one.

    Args:
        row_count: int64[N], 1 where a coin has a row.
        values: float64[N, R, 52], the row first; `available` bool[N, R, 4] likewise.
        available: see `values`.
        close_ms: int64[1].
        segment: int32[1, N].
        allowed: as in `finish_rows`, and so `profiles` to `variance`.
        profiles: see `allowed`.
        grids: see `allowed`.
        start: see `allowed`.
        transition: see `allowed`.
        mean: see `allowed`.
        variance: see `allowed`.
        regimes: float64[N, K + 1], changed in place.
        out: float32[N, 52], written where there is a row.
    """
    for n in range(row_count.shape[0]):
        if row_count[n] > 0:
            finish_rows(
                values[n, :1],
                available[n, :1],
                close_ms,
                segment[0, n : n + 1],
                allowed,
                profiles,
                grids,
                start,
                transition,
                mean,
                variance,
                regimes[n],
                out[n : n + 1],
            )

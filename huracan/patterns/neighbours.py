"""The nearest past trades as of a close: exact, in one fixed order of operations, for one state or for a history.

A trade is a candidate at close t when it is known at t (`Outcomes.known_ms` <= t). Of the same coin it must also have
ended more than the longest hold before t, and on an earlier UTC day than t's bar: what overlaps a state in time is no
other occasion. Of equally near trades the earlier known one counts.
"""

from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["BLOCK", "DAY_MS", "nearest"]

BLOCK: Final = 256
"""Trades whose distances are computed together: they stay in the first cache."""
DAY_MS: Final = 86_400_000


@njit(cache=True, nogil=True)
def nearest(
    points: NDArray[np.float32],
    close_ms: NDArray[np.int64],
    coin: int,
    trades: NDArray[np.float32],
    known_ms: NDArray[np.int64],
    exit_ms: NDArray[np.int64],
    coins: NDArray[np.int64],
    base_ms: int,
    purge_ms: int,
    found: NDArray[np.int64],
    square: NDArray[np.float32],
    count: NDArray[np.int64],
) -> None:
    """Find the nearest candidates of each row of one coin.

    Args:
        points: float32[Q, D] of the states; D is a multiple of 4.
        close_ms: int64[Q], their closes, ms UTC.
        coin: number of their coin among `coins`; -1: none of them.
        trades: float32[D, N], points of the trades, transposed.
        known_ms: int64[N], increasing.
        exit_ms: int64[N], open time of the last fill's bar.
        coins: int64[N].
        base_ms: length of a bar, ms.
        purge_ms: longest hold, ms.
        found: int64[Q, K], written: candidates by distance, the first `count` of a row.
        square: float32[Q, K], written: their squared distances.
        count: int64[Q], written.
    """
    size, keep = points.shape[1], found.shape[1]
    part = np.empty(BLOCK, np.float32)
    for row in range(points.shape[0]):
        now = close_ms[row]
        end = np.searchsorted(known_ms, now, side="right")
        today = (now - 1) // DAY_MS
        held = 0
        for first in range(0, end, BLOCK):
            width = min(BLOCK, end - first)
            for j in range(width):
                part[j] = np.float32(0.0)
            for d in range(0, size, 4):
                here0, here1, here2, here3 = points[row, d], points[row, d + 1], points[row, d + 2], points[row, d + 3]
                line0, line1 = trades[d, first : first + width], trades[d + 1, first : first + width]
                line2, line3 = trades[d + 2, first : first + width], trades[d + 3, first : first + width]
                for j in range(width):
                    away0, away1 = line0[j] - here0, line1[j] - here1
                    away2, away3 = line2[j] - here2, line3[j] - here3
                    part[j] = part[j] + away0 * away0 + away1 * away1 + away2 * away2 + away3 * away3
            for j in range(width):
                far = part[j]
                if held == keep and far >= square[row, keep - 1]:
                    continue
                trade = first + j
                if coins[trade] == coin:
                    ended = exit_ms[trade]
                    if ended + base_ms > now - purge_ms or ended // DAY_MS >= today:
                        continue
                place = held if held < keep else keep - 1
                while place > 0 and square[row, place - 1] > far:
                    square[row, place] = square[row, place - 1]
                    found[row, place] = found[row, place - 1]
                    place -= 1
                square[row, place] = far
                found[row, place] = trade
                if held < keep:
                    held += 1
        count[row] = held

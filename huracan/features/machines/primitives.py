"""What all machines are made of: compensated sums, bias-corrected EWMAs, monotonic deques, exponential means.

State lives in slices of one float64 array; integers in it (heads, counts, windows) are exact up to 2^53.
"""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = [
    "SIGMA_MIN",
    "clip",
    "comp_add",
    "comp_value",
    "deque_front",
    "deque_push",
    "deque_size",
    "ewma_add",
    "ewma_value",
    "ln_ratio",
    "power_of_two",
]

State = NDArray[np.float64]

SIGMA_MIN = 1e-6
"""Floor of every volatility per bar (0.01 bp): a stale market divides by this, never by zero."""


@njit(cache=True, nogil=True)
def clip(x: float, limit: float) -> float:
    """Return x bounded to [-limit, limit]."""
    return min(max(x, -limit), limit)


@njit(cache=True, nogil=True)
def comp_add(s: State, i: int, x: float) -> None:
    """Add x to the compensated sum (s[i], s[i + 1]): two-sum, so a running window does not drift.

    The error of adding and later subtracting the same values is of the order eps^2 of the largest one ever held,
    against eps for a plain sum (Ogita, Rump, Oishi 2005, Sum2).
    """
    high = s[i]
    total = high + x
    virtual = total - high
    s[i + 1] += (high - (total - virtual)) + (x - virtual)
    s[i] = total


@njit(cache=True, nogil=True)
def comp_value(s: State, i: int) -> float:
    """Return the value of the compensated sum at i."""
    return s[i] + s[i + 1]


@njit(cache=True, nogil=True)
def ewma_value(s: State, i: int) -> float:
    """Return the bias-corrected mean held as (rate, weighted sum, weight) at i; 0 before the first value."""
    return s[i + 1] / s[i + 2] if s[i + 2] > 0.0 else 0.0


@njit(cache=True, nogil=True)
def ewma_add(s: State, i: int, x: float) -> None:
    """Feed x to the EWMA (rate l, v, w) at i: v = (1 - l) v + l x, w = (1 - l) w + l; the mean is v / w."""
    rate = s[i]
    keep = 1.0 - rate
    s[i + 1] = keep * s[i + 1] + rate * x
    s[i + 2] = keep * s[i + 2] + rate


@njit(cache=True, nogil=True)
def ln_ratio(a: float, b: float, floor: float) -> float:
    """Return ln(a / b) bounded to [ln floor, -ln floor]; 0 where b is 0 (no level to compare with)."""
    if b <= 0.0:
        return 0.0
    return math.log(min(max(a / b, floor), 1.0 / floor))


def power_of_two(n: int) -> int:
    """Return the smallest power of two that is at least n: ring capacities, so that positions wrap by a mask."""
    return 1 << max(n - 1, 0).bit_length()


def deque_size(window: int) -> int:
    """Return the state floats of a monotonic deque over `window` bars."""
    return 3 + 2 * power_of_two(window + 1)


@njit(cache=True, nogil=True)
def deque_push(d: State, window: int, t: float, x: float) -> None:
    """Feed x of bar t to a deque whose front is the maximum of the last `window` bars; amortised O(1).

    Args:
        d: state; [0] front position, [1] number of entries, [2] mask of the capacity, then the bars, then the values.
        window: bars that count, t included.
        t: bar count, increasing by one.
        x: the value; feed -x for a minimum.
    """
    mask = int(d[2])
    capacity = mask + 1
    front, size = int(d[0]), int(d[1])
    while size > 0 and d[3 + capacity + ((front + size - 1) & mask)] <= x:
        size -= 1
    at = (front + size) & mask
    d[3 + at] = t
    d[3 + capacity + at] = x
    size += 1
    while d[3 + front] <= t - window:
        front = (front + 1) & mask
        size -= 1
    d[0], d[1] = float(front), float(size)


@njit(cache=True, nogil=True)
def deque_front(d: State) -> float:
    """Return the maximum of the window; at least one value must have been pushed."""
    return d[3 + int(d[2]) + 1 + int(d[0])]

"""Where the price stands in the last day: VWAP distance (22) and Donchian position (23)."""

import math

import numpy as np
from numba import njit

from huracan.features.machines.primitives import (
    State,
    clip,
    comp_add,
    comp_value,
    deque_front,
    deque_push,
    deque_size,
    power_of_two,
)
from huracan.features.windows import WindowTable

__all__ = ["levels_emit", "levels_init", "levels_update"]

N, COUNT, MASK, SUM_V, SUM_QV, TRADED, DEQUE, RING = 0, 1, 2, 3, 5, 7, 8, 9
CLIP = 5.0


def levels_init(w: WindowTable) -> State:
    """Return the machine's state before the first bar: header, volume ring, quote ring, two deques."""
    capacity = power_of_two(w.level + 1)
    size = deque_size(w.level)
    s = np.zeros(RING + 2 * capacity + 2 * size)
    s[N], s[MASK], s[DEQUE] = w.level, capacity - 1, size
    first = RING + 2 * capacity
    for start in (first, first + size):
        s[start + 2] = power_of_two(w.level + 1) - 1
    return s


@njit(cache=True, nogil=True)
def levels_update(s: State, log_high: float, log_low: float, volume: float, quote: float) -> None:
    """Feed one bar.

    Args:
        s: the machine's state.
        log_high: log of the high.
        log_low: log of the low.
        volume: traded base units.
        quote: traded quote units.
    """
    n, mask, count = int(s[N]), int(s[MASK]), int(s[COUNT])
    capacity = mask + 1
    if count >= n:
        at = RING + ((count - n) & mask)
        comp_add(s, SUM_V, -s[at])
        comp_add(s, SUM_QV, -s[at + capacity])
        s[TRADED] -= 1.0 if s[at] > 0.0 else 0.0
    at = RING + (count & mask)
    s[at], s[at + capacity] = volume, quote
    comp_add(s, SUM_V, volume)
    comp_add(s, SUM_QV, quote)
    s[TRADED] += 1.0 if volume > 0.0 else 0.0
    size, first = int(s[DEQUE]), RING + 2 * capacity
    deque_push(s[first : first + size], n, float(count), log_high)
    deque_push(s[first + size : first + 2 * size], n, float(count), -log_low)
    s[COUNT] = float(count + 1)


@njit(cache=True, nogil=True)
def levels_emit(s: State, log_close: float, sigma: float, out: State) -> None:
    """Write feature 22, (ln c - ln VWAP) / (sigma sqrt n), and 23, 2 (c - low) / (high - low) - 1 in logs."""
    n = int(s[N])
    out[22] = 0.0
    if s[TRADED] > 0.0:
        vwap = comp_value(s, SUM_QV) / comp_value(s, SUM_V)
        out[22] = clip((log_close - math.log(vwap)) / (sigma * math.sqrt(n)), CLIP)
    size, first = int(s[DEQUE]), RING + 2 * (int(s[MASK]) + 1)
    high = deque_front(s[first : first + size])
    low = -deque_front(s[first + size : first + 2 * size])
    out[23] = clip(2.0 * (log_close - low) / (high - low) - 1.0, 1.0) if high > low else 0.0

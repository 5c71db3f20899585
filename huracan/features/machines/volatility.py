"""Volatility of one coin: the EWMA bank behind sigma and features 8, 9, 11, 14, and the CUSUM of 27.

s_n^2 = EWMA of r^2 with l = 2 / (n + 1), divided by its weight, so that a young estimate is unbiased.
"""

import math

import numpy as np
from numba import njit

from huracan.features.machines.primitives import (
    SIGMA_MIN,
    State,
    clip,
    comp_add,
    comp_value,
    ewma_add,
    ewma_value,
    power_of_two,
)
from huracan.features.windows import WindowTable

__all__ = ["FAST", "LONG", "MID", "SIGMA", "SLOW", "vol_emit", "vol_init", "vol_of", "vol_update"]

FAST, MID, LONG, SIGMA, SLOW = 0, 3, 6, 9, 12  # (rate, value, weight) each
CUSUM_UP, CUSUM_DOWN = 15, 16
VV_N, VV_COUNT, VV_MASK, VV_SUM, VV_SUM2, VV_RING = 17, 18, 19, 20, 22, 24

CUSUM_SLACK = 0.5
CUSUM_SCALE = 5.0


def vol_init(w: WindowTable) -> State:
    """Return the machine's state before the first return."""
    capacity = power_of_two(w.vol_of_vol + 1)
    s = np.zeros(VV_RING + capacity)
    for at, span in zip(
        (FAST, MID, LONG, SIGMA, SLOW), (w.vol_fast, w.vol_mid, w.vol_long, w.sigma, w.slow), strict=True
    ):
        s[at] = 2.0 / (span + 1.0)
    s[VV_N], s[VV_MASK] = w.vol_of_vol, capacity - 1
    return s


@njit(cache=True, nogil=True)
def vol_of(s: State, which: int) -> float:
    """Return the EWMA standard deviation per bar of one span (FAST .. SLOW), at least SIGMA_MIN."""
    return max(math.sqrt(ewma_value(s, which)), SIGMA_MIN)


@njit(cache=True, nogil=True)
def vol_update(s: State, r: float) -> None:
    """Feed one log return.

    The CUSUM (Page 1954, slack 0.5) standardises r by the sigma known before it.
    """
    if s[SIGMA + 2] > 0.0:
        z = r / vol_of(s, SIGMA)
        s[CUSUM_UP] = min(max(0.0, s[CUSUM_UP] + z - CUSUM_SLACK), CUSUM_SCALE * CUSUM_SCALE)
        s[CUSUM_DOWN] = min(max(0.0, s[CUSUM_DOWN] - z - CUSUM_SLACK), CUSUM_SCALE * CUSUM_SCALE)
    square = r * r
    ewma_add(s, FAST, square)
    ewma_add(s, MID, square)
    ewma_add(s, LONG, square)
    ewma_add(s, SIGMA, square)
    ewma_add(s, SLOW, square)
    n, mask, count = int(s[VV_N]), int(s[VV_MASK]), int(s[VV_COUNT])
    if count >= n:
        old = s[VV_RING + ((count - n) & mask)]
        comp_add(s, VV_SUM, -old)
        comp_add(s, VV_SUM2, -old * old)
    level = math.log(vol_of(s, MID))
    s[VV_RING + (count & mask)] = level
    comp_add(s, VV_SUM, level)
    comp_add(s, VV_SUM2, level * level)
    s[VV_COUNT] = float(count + 1)


@njit(cache=True, nogil=True)
def vol_emit(s: State, out: State) -> None:
    """Write features 8, 9, 14, 27 and the raw value of 11 (ln s_mid - ln s_slow, before the profile is taken off)."""
    mid = math.log(vol_of(s, MID))
    out[8] = mid - math.log(vol_of(s, SLOW))
    out[9] = math.log(vol_of(s, FAST)) - math.log(vol_of(s, LONG))
    out[11] = out[8]
    n = min(s[VV_COUNT], s[VV_N])
    out[14] = 0.0
    if n > 1.0:
        mean = comp_value(s, VV_SUM) / n
        out[14] = math.sqrt(max(comp_value(s, VV_SUM2) / n - mean * mean, 0.0) * n / (n - 1.0))
    out[27] = clip((s[CUSUM_UP] - s[CUSUM_DOWN]) / CUSUM_SCALE, CUSUM_SCALE)

"""Returns of one coin: one ring of log closes behind features 0-5, 12, 13 and 16-19.

Windows of at most a few hundred bars are summed at emission from the ring, which is exact and cannot drift; the two
variance ratios look back a whole day and keep compensated running sums. r_t = ln c_t - ln c_{t-1}.
"""

import math

import numpy as np
from numba import njit

from huracan.features.machines.primitives import State, clip, comp_add, comp_value, power_of_two
from huracan.features.windows import WindowTable

__all__ = ["CLIP", "returns_back", "returns_emit", "returns_init", "returns_update"]

CLIP = 5.0
"""Bound of returns in units of their standard deviation."""

MASK, HEAD, COUNT = 0, 1, 2
HORIZONS = 3  # six of them
JUMP, ER_SHORT, ER_LONG, VR, LAG_A, LAG_B = 9, 10, 11, 12, 13, 14
SUM_R2 = 15  # compensated sums over the variance-ratio window: r^2, and for both lags q: r_q, r_q^2
SUM_A, SUM_A2, SUM_B, SUM_B2 = 17, 19, 21, 23
RING = 25


def returns_init(w: WindowTable) -> State:
    """Return the machine's state before the first bar."""
    longest = max(*w.returns, *w.ranks, *w.leader_returns, w.jump + 1, w.er_long, w.variance_ratio + 1)
    capacity = power_of_two(longest + 2)
    s = np.zeros(RING + capacity)
    s[MASK] = capacity - 1
    s[HEAD] = capacity - 1
    s[HORIZONS : HORIZONS + 6] = w.returns
    s[[JUMP, ER_SHORT, ER_LONG, VR]] = w.jump, w.er_short, w.er_long, w.variance_ratio
    s[LAG_A], s[LAG_B] = w.vr_lags
    return s


@njit(cache=True, nogil=True)
def returns_back(s: State, lag: int) -> float:
    """Return the log close `lag` bars ago (0: the last one); the ring must hold it."""
    return s[RING + ((int(s[HEAD]) - lag) & int(s[MASK]))]


@njit(cache=True, nogil=True)
def returns_over(s: State, n: int) -> float:
    """Return the log return over the last n bars; 0 while fewer are known."""
    return returns_back(s, 0) - returns_back(s, n) if s[COUNT] > n else 0.0


@njit(cache=True, nogil=True)
def returns_update(s: State, log_close: float) -> float:
    """Feed one log close; return the one-bar log return (0 at the first bar)."""
    head = (int(s[HEAD]) + 1) & int(s[MASK])
    s[HEAD] = float(head)
    s[RING + head] = log_close
    s[COUNT] += 1.0
    count, n = int(s[COUNT]), int(s[VR])
    if count < 2:
        return 0.0
    r = log_close - returns_back(s, 1)
    comp_add(s, SUM_R2, r * r)
    if count > n + 1:
        old = returns_back(s, n) - returns_back(s, n + 1)
        comp_add(s, SUM_R2, -old * old)
    _lag_update(s, int(s[LAG_A]), SUM_A, count, n)
    _lag_update(s, int(s[LAG_B]), SUM_B, count, n)
    return r


@njit(cache=True, nogil=True)
def _lag_update(s: State, q: int, i: int, count: int, n: int) -> None:
    """Roll sum and sum of squares of the overlapping q-bar returns that lie wholly inside the last n bars."""
    if count > q:
        new = returns_back(s, 0) - returns_back(s, q)
        comp_add(s, i, new)
        comp_add(s, i + 2, new * new)
    if count > n + 1:
        old = returns_back(s, n + 1 - q) - returns_back(s, n + 1)
        comp_add(s, i, -old)
        comp_add(s, i + 2, -old * old)


@njit(cache=True, nogil=True)
def variance_ratio(sum_r2: float, mean: float, sum_q: float, sum_q2: float, q: float, n: float) -> float:
    """Return the variance ratio VR(q) of Lo and MacKinlay (1988), overlapping and unbiased; 1 for a flat market.

    Args:
        sum_r2: sum of squared one-bar returns, n of them.
        mean: their mean.
        sum_q: sum of the n - q + 1 overlapping q-bar returns; `sum_q2` of their squares.
        sum_q2: see `sum_q`.
        q: lag in bars.
        n: number of one-bar returns.
    """
    var_1 = (sum_r2 - n * mean * mean) / (n - 1.0)
    if var_1 <= 1e-20:
        return 1.0
    terms = n - q + 1.0
    drift = q * mean
    var_q = (sum_q2 - 2.0 * drift * sum_q + terms * drift * drift) / (q * terms * (1.0 - q / n))
    return max(var_q, 0.0) / var_1


@njit(cache=True, nogil=True)
def efficiency_ratio(s: State, n: int) -> float:
    """Return Kaufman's signed efficiency ratio over n bars: net move / sum of absolute moves, in [-1, 1]."""
    if s[COUNT] <= n:
        return 0.0
    path = 0.0
    for lag in range(n):
        path += abs(returns_back(s, lag) - returns_back(s, lag + 1))
    return clip((returns_back(s, 0) - returns_back(s, n)) / path, 1.0) if path > 0.0 else 0.0


@njit(cache=True, nogil=True)
def returns_emit(s: State, sigma: float, out: State) -> None:
    """Write features 0-5, 12, 13 and 16-19 to out[0..51].

    Args:
        s: the machine's state.
        sigma: EWMA standard deviation per bar, positive.
        out: float64[52] row of the state.
    """
    for i in range(6):
        n = int(s[HORIZONS + i])
        out[i] = clip(returns_over(s, n) / (sigma * math.sqrt(n)), CLIP)
    n = int(s[JUMP])
    out[12] = 0.0
    out[13] = 0.0
    if s[COUNT] > n:
        up, down, bipower, before = 0.0, 0.0, 0.0, 0.0
        for lag in range(n - 1, -1, -1):
            r = returns_back(s, lag) - returns_back(s, lag + 1)
            if r > 0.0:
                up += r * r
            else:
                down += r * r
            bipower += abs(r) * before
            before = abs(r)
        total = up + down
        if total > 0.0:
            bipower *= 0.5 * math.pi * n / (n - 1.0)
            out[12] = max(0.0, 1.0 - bipower / total)
            out[13] = (up - down) / total
    out[16] = efficiency_ratio(s, int(s[ER_SHORT]))
    out[17] = efficiency_ratio(s, int(s[ER_LONG]))
    n = int(s[VR])
    out[18] = 0.0
    out[19] = 0.0
    if s[COUNT] > n:
        mean = (returns_back(s, 0) - returns_back(s, n)) / n
        squares = comp_value(s, SUM_R2)
        a, a2, b, b2 = comp_value(s, SUM_A), comp_value(s, SUM_A2), comp_value(s, SUM_B), comp_value(s, SUM_B2)
        out[18] = clip(variance_ratio(squares, mean, a, a2, s[LAG_A], float(n)) - 1.0, CLIP)
        out[19] = clip(variance_ratio(squares, mean, b, b2, s[LAG_B], float(n)) - 1.0, CLIP)

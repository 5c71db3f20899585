"""Volume and price impact from candles alone: features 28 (volume), 30 (Amihud), 36 (Kyle's lambda)."""

import math

import numpy as np
from numba import njit

from huracan.features.machines.primitives import State, clip, ewma_add, ewma_value, ln_ratio, power_of_two
from huracan.features.windows import WindowTable

__all__ = ["liquidity_emit", "liquidity_init", "liquidity_update"]

VOLUME_N, N, COUNT, MASK = 0, 1, 2, 3
SLOW_QUOTE, SLOW_ILLIQ = 4, 7  # EWMAs
RINGS = 10  # quote volume, |r| / quote volume (-1: no trade), signed quote volume, r

RATIO_FLOOR = 1e-4
KYLE_CLIP = 20.0


def liquidity_init(w: WindowTable) -> State:
    """Return the machine's state before the first return."""
    capacity = power_of_two(max(w.volume, w.liquidity))
    s = np.zeros(RINGS + 4 * capacity)
    s[VOLUME_N], s[N], s[MASK] = w.volume, w.liquidity, capacity - 1
    s[SLOW_QUOTE] = s[SLOW_ILLIQ] = 2.0 / (w.slow + 1.0)
    return s


@njit(cache=True, nogil=True)
def bulk_signed(quote: float, r: float, sigma: float) -> float:
    """Return signed volume by bulk classification: V (2 Phi(r / sigma) - 1) = V erf(r / (sigma sqrt 2)).

    Source: Easley, Lopez de Prado, O'Hara (2012). It needs no trade data, so the feature means the same on all candles.
    """
    return quote * math.erf(r / (sigma * math.sqrt(2.0))) if r != 0.0 else 0.0


@njit(cache=True, nogil=True)
def liquidity_update(s: State, r: float, quote: float, sigma_before: float) -> None:
    """Feed one bar.

    Args:
        s: the machine's state.
        r: log return of the bar.
        quote: its traded quote units.
        sigma_before: standard deviation per bar known before it.
    """
    mask, count = int(s[MASK]), int(s[COUNT])
    capacity = mask + 1
    at = RINGS + (count & mask)
    illiquidity = abs(r) / quote if quote > 0.0 else -1.0
    s[at] = quote
    s[at + capacity] = illiquidity
    s[at + 2 * capacity] = bulk_signed(quote, r, sigma_before)
    s[at + 3 * capacity] = r
    ewma_add(s, SLOW_QUOTE, quote)
    if illiquidity >= 0.0:
        ewma_add(s, SLOW_ILLIQ, illiquidity)
    s[COUNT] = float(count + 1)


@njit(cache=True, nogil=True)
def kyle_lambda(n: float, sum_r: float, sum_q: float, sum_rq: float, sum_q2: float) -> float:
    """Return cov(r, q) / var(q), the slope of Kyle (1985) with its sign; 0 where q does not vary."""
    var = sum_q2 - sum_q * sum_q / n
    return (sum_rq - sum_r * sum_q / n) / var if var > 1e-12 * sum_q2 else 0.0


@njit(cache=True, nogil=True)
def liquidity_emit(s: State, sigma: float, out: State) -> None:
    """Write 30, 36 and the raw value of 28 (ln mean quote volume over its slow mean, before the profile)."""
    mask, count = int(s[MASK]), int(s[COUNT])
    capacity = mask + 1
    n = min(int(s[VOLUME_N]), count)
    traded = 0.0
    for lag in range(n, 0, -1):
        traded += s[RINGS + ((count - lag) & mask)]
    slow = ewma_value(s, SLOW_QUOTE)
    out[28] = ln_ratio(traded / n, slow, RATIO_FLOOR) if n > 0 else 0.0
    n = min(int(s[N]), count)
    illiquidity, bars = 0.0, 0.0
    sum_r, sum_q, sum_rq, sum_q2, typical = 0.0, 0.0, 0.0, 0.0, 0.0
    for lag in range(n, 0, -1):
        at = RINGS + ((count - lag) & mask)
        ratio, q, r = s[at + capacity], s[at + 2 * capacity], s[at + 3 * capacity]
        if ratio >= 0.0:
            illiquidity += ratio
            bars += 1.0
        sum_r += r
        sum_q += q
        sum_rq += r * q
        sum_q2 += q * q
        typical += s[at]
    out[30] = ln_ratio(illiquidity / bars, ewma_value(s, SLOW_ILLIQ), RATIO_FLOOR) if bars > 0.0 else 0.0
    out[36] = 0.0
    if n > 1 and sum_q2 > 0.0:
        slope = kyle_lambda(float(n), sum_r, sum_q, sum_rq, sum_q2)
        out[36] = clip(slope * (typical / n) / sigma, KYLE_CLIP)

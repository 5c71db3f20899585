"""The middle and slow clocks (5 minutes and 1 hour on one-minute candles): features 6, 7, 10, 15, 20, 21, 24, 31.

Bars of both clocks are aggregated causally from base bars, aligned to the epoch; what stands on them changes only when
one closes and is held in between. A bar that was not seen from its start is left out.
"""

import math

import numpy as np
from numba import njit

from huracan.features.edge import MOMENTS, edge_from_moments, edge_moments
from huracan.features.machines.primitives import State, clip, ln_ratio
from huracan.features.windows import WindowTable

__all__ = ["clocks_emit", "clocks_init", "clocks_update"]

# One clock: its length, bars taken into the open bar, open, high, low, close of it (logs).
M_LENGTH, M_TAKEN, M_OPEN, M_HIGH, M_LOW, M_CLOSE = 0, 1, 2, 3, 4, 5
S_LENGTH, S_TAKEN, S_OPEN, S_HIGH, S_LOW, S_CLOSE = 6, 7, 8, 9, 10, 11
# Middle clock: bodies, Garman-Klass and close-close variances in rings; two EMAs of the log close.
BODY_N, RANGE_N, M_COUNT, M_LAST, M_EMA_FAST, M_EMA_SLOW, M_RATE_FAST, M_RATE_SLOW = 12, 13, 14, 15, 16, 17, 18, 19
M_LOCATION = 20
# Slow clock: EMAs, Wilder's directional movement.
S_COUNT, S_EMA_FAST, S_EMA_SLOW, S_RATE_FAST, S_RATE_SLOW, S_RANGE = 21, 22, 23, 24, 25, 26
ADX_N, ADX_BARS, ADX_TR, ADX_PLUS, ADX_MINUS, ADX_COUNT, ADX_VALUE = 27, 28, 29, 30, 31, 32, 33
P_HIGH, P_LOW, P_CLOSE = 34, 35, 36  # previous slow bar
# EDGE: moments of the open block, then a ring of whole blocks (one slow bar each).
E_BLOCKS, E_COUNT, E_SPREAD, E_BARS, E_HIGH, E_LOW, E_CLOSE, E_SEEN = 37, 38, 39, 40, 41, 42, 43, 44
SLOW_VOL_SPAN = 45
RINGS = 46

BPS = 1e4
LN_FLOOR = math.exp(-5.0)


def clocks_init(w: WindowTable) -> State:
    """Return the machine's state before the first bar."""
    s = np.zeros(RINGS + w.body + 2 * w.range_vol + (MOMENTS + 1) * (w.edge + 1) + MOMENTS)
    s[M_LENGTH], s[S_LENGTH] = w.middle_clock, w.slow_clock
    s[BODY_N], s[RANGE_N], s[ADX_N], s[E_BLOCKS] = w.body, w.range_vol, w.adx, w.edge
    s[M_RATE_FAST], s[M_RATE_SLOW] = 2.0 / (w.ema_fast + 1.0), 2.0 / (w.ema_slow + 1.0)
    s[S_RATE_FAST], s[S_RATE_SLOW] = 2.0 / (w.slow_ema_fast + 1.0), 2.0 / (w.slow_ema_slow + 1.0)
    s[SLOW_VOL_SPAN] = math.sqrt(w.slow_clock)
    return s


@njit(cache=True, nogil=True)
def clock_take(s: State, i: int, bar_no: int, o: float, hi: float, lo: float, c: float) -> bool:
    """Take a base bar into the clock at i; return whether a whole clock bar closed with it."""
    length = int(s[i])
    phase = bar_no % length
    if phase == 0:
        s[i + 1], s[i + 2], s[i + 3], s[i + 4] = 0.0, o, hi, lo
    s[i + 3] = max(s[i + 3], hi)
    s[i + 4] = min(s[i + 4], lo)
    s[i + 5] = c
    s[i + 1] += 1.0
    return phase == length - 1 and int(s[i + 1]) == length


@njit(cache=True, nogil=True)
def clocks_update(s: State, bar_no: int, o: float, hi: float, lo: float, c: float) -> None:
    """Feed one base bar.

    Args:
        s: the machine's state.
        bar_no: open time / bar length: the grid all clocks align to.
        o: log open; `hi`, `lo`, `c` likewise.
        hi: log high.
        lo: log low.
        c: log close.
    """
    _edge_take(s, o, hi, lo, c)
    if clock_take(s, M_LENGTH, bar_no, o, hi, lo, c):
        _middle_close(s)
    if clock_take(s, S_LENGTH, bar_no, o, hi, lo, c):
        _slow_close(s)
    elif bar_no % int(s[S_LENGTH]) == int(s[S_LENGTH]) - 1:
        _edge_drop(s)  # a block that did not start with its slow bar


@njit(cache=True, nogil=True)
def garman_klass(o: float, hi: float, lo: float, c: float) -> float:
    """Return the Garman-Klass (1980) variance of one bar of logs: .5 (h - l)^2 - (2 ln 2 - 1)(c - o)^2."""
    return 0.5 * (hi - lo) ** 2 - (2.0 * math.log(2.0) - 1.0) * (c - o) ** 2


@njit(cache=True, nogil=True)
def _middle_close(s: State) -> None:
    """Take the closed middle bar into the rings of bodies and variances and into the EMAs."""
    o, hi, lo, c = s[M_OPEN], s[M_HIGH], s[M_LOW], s[M_CLOSE]
    width = hi - lo
    count, body_n, range_n = int(s[M_COUNT]), int(s[BODY_N]), int(s[RANGE_N])
    s[M_LOCATION] = clip((2.0 * c - hi - lo) / width, 1.0) if width > 0.0 else 0.0
    s[RINGS + count % body_n] = clip((c - o) / width, 1.0) if width > 0.0 else 0.0
    ring = RINGS + body_n + count % range_n
    s[ring] = garman_klass(o, hi, lo, c)
    s[ring + range_n] = (c - s[M_LAST]) ** 2 if count > 0 else 0.0
    s[M_LAST] = c
    if count == 0:
        s[M_EMA_FAST], s[M_EMA_SLOW] = c, c
    s[M_EMA_FAST] += s[M_RATE_FAST] * (c - s[M_EMA_FAST])
    s[M_EMA_SLOW] += s[M_RATE_SLOW] * (c - s[M_EMA_SLOW])
    s[M_COUNT] = float(count + 1)


@njit(cache=True, nogil=True)
def _slow_close(s: State) -> None:
    """Take the closed slow bar into the EMAs, the ADX and the EDGE window."""
    hi, lo, c = s[S_HIGH], s[S_LOW], s[S_CLOSE]
    s[S_RANGE] = hi - lo
    if s[S_COUNT] == 0.0:
        s[S_EMA_FAST], s[S_EMA_SLOW] = c, c
    else:
        _adx_take(s, hi, lo)
    s[S_EMA_FAST] += s[S_RATE_FAST] * (c - s[S_EMA_FAST])
    s[S_EMA_SLOW] += s[S_RATE_SLOW] * (c - s[S_EMA_SLOW])
    s[P_HIGH], s[P_LOW], s[P_CLOSE] = hi, lo, c
    s[S_COUNT] += 1.0
    _edge_close(s)


@njit(cache=True, nogil=True)
def _adx_take(s: State, hi: float, lo: float) -> None:
    """Feed one slow bar to Wilder's ADX (1978) on log prices.

    TR, +DM and -DM are summed over the first n bars, then smoothed by x - x / n + new; DX = |+DI - -DI| / (+DI + -DI);
    the ADX is the mean of the DX so far until n are known, then (ADX (n - 1) + DX) / n. In [0, 1], not percent.
    """
    n = s[ADX_N]
    up, down = hi - s[P_HIGH], s[P_LOW] - lo
    plus = up if up > down and up > 0.0 else 0.0
    minus = down if down > up and down > 0.0 else 0.0
    true_range = max(hi, s[P_CLOSE]) - min(lo, s[P_CLOSE])
    keep = 1.0 if s[ADX_BARS] < n else 1.0 - 1.0 / n
    s[ADX_TR] = keep * s[ADX_TR] + true_range
    s[ADX_PLUS] = keep * s[ADX_PLUS] + plus
    s[ADX_MINUS] = keep * s[ADX_MINUS] + minus
    s[ADX_BARS] += 1.0
    if s[ADX_BARS] < n:
        return
    moved = s[ADX_PLUS] + s[ADX_MINUS]
    dx = abs(s[ADX_PLUS] - s[ADX_MINUS]) / moved if moved > 0.0 else 0.0
    s[ADX_COUNT] = min(s[ADX_COUNT] + 1.0, n)
    s[ADX_VALUE] += (dx - s[ADX_VALUE]) / s[ADX_COUNT]


@njit(cache=True, nogil=True)
def _edge_take(s: State, o: float, hi: float, lo: float, c: float) -> None:
    """Add one base bar to the open EDGE block (with the previous bar, across blocks)."""
    if s[E_SEEN] > 0.0:
        at = s.shape[0] - MOMENTS
        edge_moments(o, hi, lo, c, s[E_HIGH], s[E_LOW], s[E_CLOSE], s[at:])
        s[E_BARS] += 1.0
    s[E_HIGH], s[E_LOW], s[E_CLOSE], s[E_SEEN] = hi, lo, c, 1.0


@njit(cache=True, nogil=True)
def _edge_drop(s: State) -> None:
    """Forget the open block."""
    s[s.shape[0] - MOMENTS :] = 0.0
    s[E_BARS] = 0.0


@njit(cache=True, nogil=True)
def _edge_close(s: State) -> None:
    """Close the EDGE block and re-estimate the spread over the last blocks, summed anew: no drift.

    What is kept is ln(1 + spread in bp), with a negative squared spread read as none.
    """
    blocks, count, width = int(s[E_BLOCKS]), int(s[E_COUNT]), MOMENTS + 1
    ring = RINGS + int(s[BODY_N]) + 2 * int(s[RANGE_N])
    block = s[s.shape[0] - MOMENTS :]
    at = ring + (count % blocks) * width
    s[at] = s[E_BARS]
    s[at + 1 : at + width] = block
    _edge_drop(s)
    total = s[ring + blocks * width + 1 : ring + (blocks + 1) * width]
    total[:] = 0.0
    bars = 0.0
    for i in range(min(count + 1, blocks)):
        at = ring + i * width
        bars += s[at]
        for j in range(MOMENTS):
            total[j] += s[at + 1 + j]
    squared = edge_from_moments(total, bars)
    s[E_SPREAD] = math.log1p(BPS * math.sqrt(squared)) if squared > 0.0 else 0.0
    s[E_COUNT] = float(count + 1)


@njit(cache=True, nogil=True)
def clocks_emit(s: State, sigma: float, slow_sigma: float, out: State) -> None:
    """Write features 6, 7, 10, 20, 21, 24, 31 and the raw value of 15 (slow range / slow sigma).

    Args:
        s: the machine's state.
        sigma: EWMA standard deviation per base bar.
        slow_sigma: the same of the slowest span.
        out: float64[52] row of the state.
    """
    body_n, range_n, count = int(s[BODY_N]), int(s[RANGE_N]), int(s[M_COUNT])
    out[6] = s[M_LOCATION]
    body, gk, cc = 0.0, 0.0, 0.0
    for i in range(min(count, body_n)):
        body += s[RINGS + i]
    for i in range(min(count, range_n)):
        gk += s[RINGS + body_n + i]
        cc += s[RINGS + body_n + range_n + i]
    out[7] = body / body_n
    out[10] = ln_ratio(gk, cc, LN_FLOOR) if count > range_n else 0.0
    middle, slow = math.sqrt(s[M_LENGTH]), s[SLOW_VOL_SPAN]
    out[15] = s[S_RANGE] / (slow_sigma * slow)
    span = math.sqrt(2.0 / s[M_RATE_SLOW] - 1.0)
    out[20] = (s[M_EMA_FAST] - s[M_EMA_SLOW]) / (sigma * middle * span)
    span = math.sqrt(2.0 / s[S_RATE_SLOW] - 1.0)
    out[21] = (s[S_EMA_FAST] - s[S_EMA_SLOW]) / (sigma * slow * span)
    out[24] = 2.0 * s[ADX_VALUE] - 1.0 if s[ADX_COUNT] > 0.0 else 0.0
    out[31] = s[E_SPREAD]

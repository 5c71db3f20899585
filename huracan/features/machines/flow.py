"""Trade flow from klines that carry it: trade count (29), taker imbalance (33-35) and VPIN-like toxicity (41).

Trade count and taker volume are separate inputs; each machine counts how long its input has been there without a break,
and is available once its longest window is covered.
"""

import math

import numpy as np
from numba import njit

from huracan.features.machines.primitives import State, clip, ewma_add, ewma_value, ln_ratio
from huracan.features.windows import WindowTable

__all__ = ["flow_emit", "flow_flat", "flow_init", "flow_taker_ready", "flow_trades_ready", "flow_update"]

TRADES_N, TRADES_HAVE, SLOW_TRADES = 0, 1, 2  # EWMA at 2-4
FLOW = 5  # three windows
TAKER_HAVE, SLOW_VOLUME = 8, 9  # EWMA at 9-11
BUCKETS, BUCKET_BARS, BUCKET_SIZE, BUCKET_VOLUME, BUCKET_NET, BUCKET_COUNT = 12, 13, 14, 15, 16, 17
RINGS = 18  # trades, volume, net volume, buckets

RATIO_FLOOR = 1e-4


def flow_init(w: WindowTable) -> State:
    """Return the machine's state before the first bar."""
    s = np.zeros(RINGS + w.volume + 2 * w.flow[2] + w.vpin_buckets)
    s[TRADES_N], s[SLOW_TRADES], s[SLOW_VOLUME] = w.volume, 2.0 / (w.slow + 1.0), 2.0 / (w.slow + 1.0)
    s[FLOW : FLOW + 3] = w.flow
    s[BUCKETS], s[BUCKET_BARS] = w.vpin_buckets, w.vpin_bars / w.vpin_buckets
    return s


@njit(cache=True, nogil=True)
def flow_update(s: State, volume: float, trades: float, taker_buy: float) -> None:
    """Feed one bar.

    Args:
        s: the machine's state.
        volume: traded base units.
        trades: number of trades, NaN where the input is absent.
        taker_buy: base units bought by takers, NaN where absent.
    """
    if math.isnan(trades):
        s[TRADES_HAVE] = 0.0
    else:
        s[RINGS + int(s[TRADES_HAVE]) % int(s[TRADES_N])] = trades
        s[TRADES_HAVE] += 1.0
        ewma_add(s, SLOW_TRADES, trades)
    if math.isnan(taker_buy):
        s[TAKER_HAVE] = 0.0
        return
    longest = int(s[FLOW + 2])
    net = min(max(2.0 * taker_buy - volume, -volume), volume)
    at = RINGS + int(s[TRADES_N]) + int(s[TAKER_HAVE]) % longest
    s[at], s[at + longest] = volume, net
    s[TAKER_HAVE] += 1.0
    ewma_add(s, SLOW_VOLUME, volume)
    _vpin_take(s, volume, net)


@njit(cache=True, nogil=True)
def _vpin_take(s: State, volume: float, net: float) -> None:
    """Pour one bar into the volume buckets, shared between buckets in proportion.

    A bucket's size is fixed when it opens: mean volume per bar times the bars that one bucket stands for.
    """
    buckets = int(s[BUCKETS])
    if volume <= 0.0:
        return
    share = net / volume
    ring = RINGS + int(s[TRADES_N]) + 2 * int(s[FLOW + 2])
    left = volume
    for _ in range(buckets + 1):  # more than all buckets at once leaves the same ring
        if s[BUCKET_VOLUME] == 0.0:
            s[BUCKET_SIZE] = ewma_value(s, SLOW_VOLUME) * s[BUCKET_BARS]
        part = min(left, s[BUCKET_SIZE] - s[BUCKET_VOLUME])
        s[BUCKET_VOLUME] += part
        s[BUCKET_NET] += part * share
        left -= part
        if s[BUCKET_VOLUME] >= s[BUCKET_SIZE]:
            s[ring + int(s[BUCKET_COUNT]) % buckets] = min(abs(s[BUCKET_NET]) / s[BUCKET_SIZE], 1.0)
            s[BUCKET_COUNT] += 1.0
            s[BUCKET_VOLUME], s[BUCKET_NET] = 0.0, 0.0
        if left <= 0.0:
            return


@njit(cache=True, nogil=True)
def flow_trades_ready(s: State) -> bool:
    """Return whether the trade count has been there for its whole window."""
    return s[TRADES_HAVE] >= s[TRADES_N]


@njit(cache=True, nogil=True)
def flow_taker_ready(s: State) -> bool:
    """Return whether taker volume has been there for its longest window."""
    return s[TAKER_HAVE] >= s[FLOW + 2]


@njit(cache=True, nogil=True)
def taker_imbalance(s: State, n: int) -> float:
    """Return (buy - sell) / volume over the last n bars, in [-1, 1]; 0 without volume."""
    longest, have = int(s[FLOW + 2]), int(s[TAKER_HAVE])
    first = RINGS + int(s[TRADES_N])
    volume, net = 0.0, 0.0
    for lag in range(n, 0, -1):
        at = first + (have - lag) % longest
        volume += s[at]
        net += s[at + longest]
    return clip(net / volume, 1.0) if volume > 0.0 else 0.0


@njit(cache=True, nogil=True)
def flow_emit(s: State, out: State) -> None:
    """Write 33-35 and the raw values of 29 (ln mean count over its slow mean) and 41 (mean |imbalance| of buckets)."""
    out[29], out[33], out[34], out[35], out[41] = 0.0, 0.0, 0.0, 0.0, 0.0
    if flow_trades_ready(s):
        n = int(s[TRADES_N])
        total = 0.0
        for i in range(n):
            total += s[RINGS + i]
        out[29] = ln_ratio(total / n, ewma_value(s, SLOW_TRADES), RATIO_FLOOR)
    if flow_taker_ready(s):
        for i in range(3):
            out[33 + i] = taker_imbalance(s, int(s[FLOW + i]))
        buckets = min(int(s[BUCKET_COUNT]), int(s[BUCKETS]))
        ring = RINGS + int(s[TRADES_N]) + 2 * int(s[FLOW + 2])
        total = 0.0
        for i in range(buckets):
            total += s[ring + i]
        out[41] = total / buckets if buckets > 0 else 0.0


@njit(cache=True, nogil=True)
def flow_flat(s: State, bar: State) -> None:
    """Write trades and taker volume of a flat stand-in bar: none traded, or absent where the input was absent."""
    bar[6] = 0.0 if s[TRADES_HAVE] > 0.0 else math.nan
    bar[7] = 0.0 if s[TAKER_HAVE] > 0.0 else math.nan

"""One coin's machines together: what one bar feeds, and what one decision row reads."""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from huracan.features.machines.book import book_emit
from huracan.features.machines.clocks import clocks_emit, clocks_init, clocks_update
from huracan.features.machines.cross import cross_init
from huracan.features.machines.flow import (
    flow_emit,
    flow_flat,
    flow_init,
    flow_taker_ready,
    flow_trades_ready,
    flow_update,
)
from huracan.features.machines.levels import levels_emit, levels_init, levels_update
from huracan.features.machines.liquidity import liquidity_emit, liquidity_init, liquidity_update
from huracan.features.machines.primitives import State, clip
from huracan.features.machines.returns import returns_emit, returns_init, returns_over, returns_update
from huracan.features.machines.volatility import FAST, MID, SIGMA, SLOW, vol_emit, vol_init, vol_of, vol_update
from huracan.features.windows import WindowTable

__all__ = [
    "BAR_COLUMNS",
    "IN_BOOK",
    "IN_LEADER",
    "IN_TAKER",
    "IN_TRADES",
    "OPTIONAL_INPUTS",
    "Offsets",
    "coin_age",
    "coin_cross",
    "coin_emit",
    "coin_flat_bar",
    "coin_last_return",
    "coin_return_over",
    "coin_sigma",
    "coin_template",
    "coin_update",
]

Offsets = NDArray[np.int64]

BAR_COLUMNS = 12
"""Columns of a bar: open, high, low, close, volume, quote volume, trades, taker buy volume, four of the book."""

OPTIONAL_INPUTS = ("trades", "taker", "book", "leader")
"""Inputs that may be absent, in the order of the availability columns."""
IN_TRADES, IN_TAKER, IN_BOOK, IN_LEADER = 0, 1, 2, 3

# Machines inside the coin's state, by their place in the offsets; the head holds what belongs to no machine.
RETURNS, VOL, LEVELS, CLOCKS, LIQUIDITY, FLOW, CROSS, HEAD, END = 0, 1, 2, 3, 4, 5, 6, 7, 8
H_AGE, H_LOG_CLOSE, H_RETURN, H_ROW_LOG_CLOSE, H_ROW_AGE = 0, 1, 2, 3, 4
HEAD_FLOATS = 5

WEEK_MS = 604_800_000
WEEK_OFFSET_MS = 259_200_000
"""The epoch was a Thursday; with three days added weeks start on Monday 00:00 UTC."""
ROW_CLIP = 5.0


def coin_template(w: WindowTable) -> tuple[State, Offsets]:
    """Return a coin's state before its first bar and where each machine's slice starts (int64[9])."""
    parts = [
        returns_init(w),
        vol_init(w),
        levels_init(w),
        clocks_init(w),
        liquidity_init(w),
        flow_init(w),
        cross_init(w),
        np.zeros(HEAD_FLOATS),
    ]
    return np.concatenate(parts), np.cumsum([0] + [len(part) for part in parts]).astype(np.int64)


@njit(cache=True, nogil=True)
def coin_update(s: State, at: Offsets, bar_no: int, bar: State) -> None:
    """Feed one bar to all machines of one coin.

    Args:
        s: the coin's state.
        at: offsets of `coin_template`.
        bar_no: open time / bar length.
        bar: float64[12] of `BAR_COLUMNS`, prices positive; absent inputs NaN.
    """
    o, hi, lo, c = math.log(bar[0]), math.log(bar[1]), math.log(bar[2]), math.log(bar[3])
    volume = bar[4]
    quote = bar[5] if not math.isnan(bar[5]) else volume * (bar[1] + bar[2] + bar[3]) / 3.0
    vol = s[at[VOL] : at[LEVELS]]
    head = s[at[HEAD] : at[END]]
    r = returns_update(s[at[RETURNS] : at[VOL]], c)
    if head[H_AGE] > 0.0:
        liquidity_update(s[at[LIQUIDITY] : at[FLOW]], r, quote, vol_of(vol, MID))
        vol_update(vol, r)
    levels_update(s[at[LEVELS] : at[CLOCKS]], hi, lo, volume, quote)
    clocks_update(s[at[CLOCKS] : at[LIQUIDITY]], bar_no, o, hi, lo, c)
    flow_update(s[at[FLOW] : at[CROSS]], volume, bar[6], bar[7])
    head[H_AGE] += 1.0
    head[H_LOG_CLOSE] = c
    head[H_RETURN] = r


@njit(cache=True, nogil=True)
def coin_sigma(s: State, at: Offsets) -> float:
    """Return the coin's sigma per bar."""
    return vol_of(s[at[VOL] : at[LEVELS]], SIGMA)


@njit(cache=True, nogil=True)
def row_return(change: float, sigma: float, elapsed: float) -> float:
    """Return the log price change since the last decision row, `elapsed` bars ago, in its standard deviations."""
    return clip(change / (sigma * math.sqrt(elapsed)), ROW_CLIP)


@njit(cache=True, nogil=True)
def coin_emit(s: State, at: Offsets, close_ms: int, book: State, out: State, available: NDArray[np.bool_]) -> None:
    """Write the coin's own raw features (all but 42-49) of a decision row and start the next row.

    Args:
        s: the coin's state; only the row marks of the head change.
        at: offsets of `coin_template`.
        close_ms: close time of the bar, ms UTC.
        book: float64[4] summary of the bar, NaN where absent.
        out: float64[52]; 11, 15, 28, 29 and 41 hold what the fold's fit finishes, 25 and 26 the regime filter's inputs.
        available: bool[4] of `OPTIONAL_INPUTS`; the leader's is written by the cross-section.
    """
    vol, flow, head = s[at[VOL] : at[LEVELS]], s[at[FLOW] : at[CROSS]], s[at[HEAD] : at[END]]
    sigma = vol_of(vol, SIGMA)
    returns_emit(s[at[RETURNS] : at[VOL]], sigma, out)
    vol_emit(vol, out)
    levels_emit(s[at[LEVELS] : at[CLOCKS]], head[H_LOG_CLOSE], sigma, out)
    clocks_emit(s[at[CLOCKS] : at[LIQUIDITY]], sigma, vol_of(vol, SLOW), out)
    liquidity_emit(s[at[LIQUIDITY] : at[FLOW]], sigma, out)
    flow_emit(flow, out)
    book_emit(book, vol_of(vol, FAST), out)
    available[IN_TRADES] = flow_trades_ready(flow)
    available[IN_TAKER] = flow_taker_ready(flow)
    available[IN_BOOK] = not math.isnan(book[0])
    out[37] = 0.0
    phase = 2.0 * math.pi * ((close_ms + WEEK_OFFSET_MS) % WEEK_MS) / WEEK_MS
    out[50] = math.sin(phase)
    out[51] = math.cos(phase)
    elapsed = head[H_AGE] - head[H_ROW_AGE]
    out[25] = 0.0
    if head[H_ROW_AGE] > 0.0:
        out[25] = row_return(head[H_LOG_CLOSE] - head[H_ROW_LOG_CLOSE], sigma, elapsed)
    out[26] = out[8]
    head[H_ROW_LOG_CLOSE] = head[H_LOG_CLOSE]
    head[H_ROW_AGE] = head[H_AGE]


@njit(cache=True, nogil=True)
def coin_flat_bar(s: State, at: Offsets, close: float, bar: State) -> None:
    """Write the flat, zero-volume bar at the last close that stands in for a missing one."""
    bar[:] = math.nan
    bar[0], bar[1], bar[2], bar[3], bar[4], bar[5] = close, close, close, close, 0.0, 0.0
    flow_flat(s[at[FLOW] : at[CROSS]], bar)


@njit(cache=True, nogil=True)
def coin_age(s: State, at: Offsets) -> float:
    """Return the bars fed since the start of the segment, flat ones included."""
    return s[at[HEAD] + H_AGE]


@njit(cache=True, nogil=True)
def coin_last_return(s: State, at: Offsets) -> float:
    """Return the last one-bar log return."""
    return s[at[HEAD] + H_RETURN]


@njit(cache=True, nogil=True)
def coin_return_over(s: State, at: Offsets, n: int) -> float:
    """Return the log return over n bars, NaN while the coin has fewer."""
    return returns_over(s[at[RETURNS] : at[VOL]], n) if s[at[HEAD] + H_AGE] > n else math.nan


@njit(cache=True, nogil=True)
def coin_cross(s: State, at: Offsets) -> State:
    """Return the slice of the machine that knows coin and leader together."""
    return s[at[CROSS] : at[HEAD]]

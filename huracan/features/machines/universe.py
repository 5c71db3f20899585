"""All coins on one clock: the loop that is both the batch (many bars a call) and the stream (one bar a call).

At each close, first every coin takes its bar (or a flat one for a short gap), then each meets the leader, then decision
rows are written. Nothing reads a bar later than the one at hand, nor another coin's bar before all have theirs.
"""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from huracan.features.machines.coin import (
    BAR_COLUMNS,
    IN_LEADER,
    Offsets,
    coin_age,
    coin_cross,
    coin_emit,
    coin_flat_bar,
    coin_last_return,
    coin_return_over,
    coin_sigma,
    coin_update,
)
from huracan.features.machines.cross import breadth_of, cross_emit, cross_ready, cross_update, rank_of
from huracan.features.machines.primitives import State

__all__ = ["ABSENT", "FILLED", "MARK_FLOATS", "PRESENT", "SEGMENT", "universe_run"]

Matrix = NDArray[np.float64]
Cube = NDArray[np.float64]

# Marks of a coin that outlive a reset of its machines.
STARTED, MISSING, SEGMENT, ROW_OWED, LAST_CLOSE = 0, 1, 2, 3, 4
MARK_FLOATS = 5

ABSENT, FILLED, PRESENT = 0, 1, 2

# Whole-number parameters of a run, by place; see `engine.run_parameters`.
P_INTERVAL, P_GAP, P_BASE_MS, P_LEADER, P_READY, P_LEAD_SHORT, P_LEAD_LONG, P_RANK_SHORT, P_RANK_LONG = range(9)


@njit(cache=True, nogil=True)
def take_bar(
    states: Matrix, template: State, at: Offsets, marks: Matrix, n: int, bar_no: int, bar: State, gap: int, flat: State
) -> int:
    """Feed coin n its bar of this close, real, flat or none; return ABSENT, FILLED or PRESENT.

    The first `gap` missing bars are fed flat as they are missed; whether the gap turns out longer is not asked, since
    nobody can know at that close. A bar after a longer gap finds fresh machines and a new segment.
    """
    there = PRESENT
    if math.isnan(bar[3]):
        if marks[n, STARTED] == 0.0:
            return ABSENT
        marks[n, MISSING] += 1.0
        if marks[n, MISSING] > gap:
            return ABSENT
        coin_flat_bar(states[n], at, marks[n, LAST_CLOSE], flat)
        bar, there = flat, FILLED
    elif marks[n, STARTED] == 0.0 or marks[n, MISSING] > gap:
        states[n, :] = template
        marks[n, SEGMENT] += 1.0
        marks[n, ROW_OWED] *= marks[n, STARTED]  # nothing is owed from before the first bar
        marks[n, STARTED] = 1.0
    if there == PRESENT:
        marks[n, MISSING] = 0.0
        marks[n, LAST_CLOSE] = bar[3]
    coin_update(states[n], at, bar_no, bar)
    return there


@njit(cache=True, nogil=True)
def meet_leader(states: Matrix, at: Offsets, there: NDArray[np.int64], leader: int) -> None:
    """Feed every coin alive at this close its own and the leader's last return."""
    if leader < 0 or there[leader] == ABSENT or coin_age(states[leader], at) < 2.0:
        return
    lead = coin_last_return(states[leader], at)
    for n in range(states.shape[0]):
        if there[n] != ABSENT and coin_age(states[n], at) > 1.0:
            cross_update(coin_cross(states[n], at), coin_last_return(states[n], at), lead)


@njit(cache=True, nogil=True)
def emit_cross(
    states: Matrix, at: Offsets, there: NDArray[np.int64], n: int, p: NDArray[np.int64], ranks: Matrix, out: State
) -> bool:
    """Write features 42-49 of coin n; return whether the leader could be read."""
    out[47] = rank_of(ranks[0], n)
    out[48] = rank_of(ranks[1], n)
    out[49] = breadth_of(ranks[0])
    out[42:47] = 0.0
    leader, short, long = p[P_LEADER], p[P_LEAD_SHORT], p[P_LEAD_LONG]
    own_cross = coin_cross(states[n], at)
    if leader < 0 or there[leader] == ABSENT or not cross_ready(own_cross):
        return False
    lead_short = coin_return_over(states[leader], at, short)
    lead_long = coin_return_over(states[leader], at, long)
    own_long = coin_return_over(states[n], at, long)
    if math.isnan(lead_long) or math.isnan(own_long):
        return False
    sigma = coin_sigma(states[leader], at)
    scale = coin_sigma(states[n], at) * math.sqrt(long)
    cross_emit(
        own_cross, own_long, scale, lead_short, lead_long, sigma * math.sqrt(short), sigma * math.sqrt(long), out
    )
    return True


@njit(cache=True, nogil=True)
def universe_run(
    states: Matrix,
    marks: Matrix,
    template: State,
    at: Offsets,
    p: NDArray[np.int64],
    first_bar_no: int,
    bars: Cube,
    sigma: Matrix,
    ready: NDArray[np.bool_],
    segment: NDArray[np.int32],
    row_count: NDArray[np.int64],
    row_bar: NDArray[np.int64],
    values: Cube,
    available: NDArray[np.bool_],
) -> None:
    """Advance all N coins over C consecutive closes, writing what each existing bar and each decision row yields.

    Args:
        states: float64[N, S] machines, changed in place.
        marks: float64[N, 5] marks that outlive a reset, changed in place.
        template: float64[S] fresh machines.
        at: int64[9] offsets of the machines.
        p: int64[9] parameters.
        first_bar_no: bar number of bars[0].
        bars: float64[C, N, 12]; a NaN close is a missing bar.
        sigma: float64[C, N], written where a bar exists; `ready` and `segment` likewise.
        ready: bool[C, N].
        segment: int32[C, N].
        row_count: int64[N], set to the rows written per coin.
        row_bar: int64[N, R] index into bars of each row, R >= C // interval + 2.
        values: float64[N, R, 52] raw features.
        available: bool[N, R, 4] of the optional inputs.
    """
    coins = states.shape[0]
    there = np.empty(coins, dtype=np.int64)
    emits = np.empty(coins, dtype=np.bool_)
    ranks = np.empty((2, coins))
    flat = np.empty(BAR_COLUMNS)
    row_count[:] = 0
    for t in range(bars.shape[0]):
        bar_no = first_bar_no + t
        due = (bar_no + 1) % p[P_INTERVAL] == 0
        any_row = False
        for n in range(coins):
            there[n] = take_bar(states, template, at, marks, n, bar_no, bars[t, n], p[P_GAP], flat)
            if due:
                marks[n, ROW_OWED] = 1.0
            emits[n] = there[n] == PRESENT and marks[n, ROW_OWED] > 0.0
            any_row = any_row or emits[n]
            if there[n] == PRESENT:
                sigma[t, n] = coin_sigma(states[n], at)
                ready[t, n] = coin_age(states[n], at) >= p[P_READY]
                segment[t, n] = np.int32(marks[n, SEGMENT])
        meet_leader(states, at, there, p[P_LEADER])
        if not any_row:
            continue
        for n in range(coins):
            present = there[n] == PRESENT
            ranks[0, n] = coin_return_over(states[n], at, p[P_RANK_SHORT]) if present else math.nan
            ranks[1, n] = coin_return_over(states[n], at, p[P_RANK_LONG]) if present else math.nan
        for n in range(coins):
            if emits[n]:
                i = row_count[n]
                out = values[n, i]
                close_ms = (bar_no + 1) * p[P_BASE_MS]
                coin_emit(states[n], at, close_ms, bars[t, n, 8:], out, available[n, i])
                available[n, i, IN_LEADER] = emit_cross(states, at, there, n, p, ranks, out)
                row_bar[n, i] = t
                row_count[n] = i + 1
                marks[n, ROW_OWED] = 0.0

"""The compiled draws of episodes: uniform numbers as a function of (seed, slot, count), and what they decide.

SplitMix64 (Steele, Lea and Flood 2014) counted by seed, slot and episode instead of a shared stream.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["BINDING_FRAC", "DRAWS", "TERCILES", "draw_load", "place", "uniforms"]

TERCILES = 3
"""Groups of starts by volatility."""
DRAWS = 12
"""Uniform numbers an episode consumes; a draw keeps its place when others are not needed."""
BINDING_FRAC = 0.1
"""Share of the loaded episodes in which one portfolio limit binds, so that entries are masked throughout."""


@njit(cache=True)
def _mix(z: np.uint64) -> np.uint64:
    """Return SplitMix64's finaliser of `z`."""
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@njit(cache=True)
def uniforms(seed: np.uint64, slots: NDArray[np.int64], counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return float64[n, DRAWS] in [0, 1), each row a function of (seed, slot, count) alone."""
    golden = np.uint64(0x9E3779B97F4A7C15)
    out = np.empty((len(slots), DRAWS))
    for i in range(len(slots)):
        state = _mix(seed + golden)
        state = _mix(state ^ (np.uint64(slots[i]) + golden))
        state = _mix(state ^ (np.uint64(counts[i]) + golden))
        for j in range(DRAWS):
            state += golden
            out[i, j] = np.float64(_mix(state) >> np.uint64(11)) * 2.0**-53
    return out


@njit(cache=True)
def place(
    uniform: NDArray[np.float64],
    row: NDArray[np.int64],
    last_row: NDArray[np.int64],
    limit: NDArray[np.int64],
    closes: NDArray[np.bool_],
    first: NDArray[np.int64],
    members: NDArray[np.int64],
    bar_of_row: NDArray[np.int64],
    shortest: int,
    longest: int,
    tape: NDArray[np.int64],
    start: NDArray[np.int64],
    stop: NDArray[np.int64],
    at_end: NDArray[np.bool_],
) -> None:
    """Choose coin, tercile, start and length in that order, and cut the episode where window or segment ends."""
    for i in range(len(uniform)):
        member = int(uniform[i, 0] * len(members))
        group = member * TERCILES + int(uniform[i, 1] * TERCILES)
        if first[group] == first[group + 1]:  # fewer starts than terciles: the first group is never empty
            group = member * TERCILES
        chosen = first[group] + int(uniform[i, 2] * (first[group + 1] - first[group]))
        decisions = shortest + int(uniform[i, 3] * (longest - shortest + 1))
        tape[i] = members[member]
        start[i] = bar_of_row[row[chosen]]
        end_row = row[chosen] + decisions
        if end_row <= last_row[chosen]:
            stop[i] = bar_of_row[end_row] + 1
        elif closes[chosen]:
            stop[i] = limit[chosen]
        else:
            stop[i] = bar_of_row[last_row[chosen]] + 1
        at_end[i] = closes[chosen] and stop[i] == limit[chosen]


@njit(cache=True)
def draw_load(uniform: NDArray[np.float64], portfolio_frac: float, load: NDArray[np.float32]) -> None:
    """Fill what the rest of the portfolio uses of heat, drawdown, day PnL and gross exposure limits (state 72-75).

    Most loaded episodes leave room everywhere (uniform below each limit; day PnL uniform in (-1, 1)); in
    `BINDING_FRAC` of them one limit, drawn evenly, is exceeded by up to its own size, as state 72-75 can be live.
    """
    for i in range(len(uniform)):
        if uniform[i, 4] >= portfolio_frac:
            continue
        binding = uniform[i, 5] < BINDING_FRAC
        which = int(uniform[i, 6] * 4)
        for j in range(4):
            u = uniform[i, 7 + j]
            bound = binding and j == which
            if j == 2:
                load[i, j] = -1.0 - u if bound else 2.0 * u - 1.0
            else:
                load[i, j] = 1.0 + u if bound else u
            if not bound:
                load[i, j] = min(max(load[i, j], np.float32(-0.999)), np.float32(0.999))

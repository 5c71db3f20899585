"""The coin among others: leader returns (42, 43), beta, residual, correlation (44-46), ranks and breadth (47-49).

All coins finish the bar first; then each meets the leader and the cross-section of the same close.
"""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from huracan.features.machines.primitives import State, clip, ewma_add, ewma_value
from huracan.features.windows import WindowTable

__all__ = ["breadth_of", "cross_emit", "cross_init", "cross_ready", "cross_update", "rank_of"]

BETA_COV, BETA_VAR, CORR_COV, CORR_OWN, CORR_LEADER = 0, 3, 6, 9, 12  # EWMAs
COUNT, NEED = 15, 16

CLIP = 5.0
BETA_CLIP = 10.0


def cross_init(w: WindowTable) -> State:
    """Return the machine's state before the first common bar."""
    s = np.zeros(17)
    s[[BETA_COV, BETA_VAR]] = 2.0 / (w.beta + 1.0)
    s[[CORR_COV, CORR_OWN, CORR_LEADER]] = 2.0 / (w.corr + 1.0)
    s[NEED] = w.leader_returns[1]
    return s


@njit(cache=True, nogil=True)
def cross_update(s: State, own: float, leader: float) -> None:
    """Feed the one-bar log returns of the coin and of the leader at the same close."""
    product, square = own * leader, leader * leader
    ewma_add(s, BETA_COV, product)
    ewma_add(s, BETA_VAR, square)
    ewma_add(s, CORR_COV, product)
    ewma_add(s, CORR_OWN, own * own)
    ewma_add(s, CORR_LEADER, square)
    s[COUNT] += 1.0


@njit(cache=True, nogil=True)
def cross_ready(s: State) -> bool:
    """Return whether coin and leader have met often enough."""
    return s[COUNT] >= s[NEED]


@njit(cache=True, nogil=True)
def cross_emit(
    s: State,
    own_long: float,
    own_scale: float,
    short: float,
    long: float,
    scale_short: float,
    scale_long: float,
    out: State,
) -> None:
    """Write features 42-46.

    Args:
        s: the machine's state.
        own_long: the coin's log return over the longer leader window; `own_scale` its standard deviation.
        own_scale: see `own_long`.
        short: the leader's log return over the shorter window; `scale_short` its standard deviation.
        long: the leader's over the longer window; `scale_long` likewise.
        scale_short: see `short`.
        scale_long: see `long`.
        out: float64[52] row of the state.
    """
    out[42] = clip(short / scale_short, CLIP)
    out[43] = clip(long / scale_long, CLIP)
    var = ewma_value(s, BETA_VAR)
    beta = clip(ewma_value(s, BETA_COV) / var, BETA_CLIP) if var > 0.0 else 0.0
    out[44] = beta
    out[45] = clip((own_long - beta * long) / own_scale, CLIP)
    product = ewma_value(s, CORR_OWN) * ewma_value(s, CORR_LEADER)
    out[46] = clip(ewma_value(s, CORR_COV) / math.sqrt(product), 1.0) if product > 0.0 else 0.0


@njit(cache=True, nogil=True)
def rank_of(values: NDArray[np.float64], n: int) -> float:
    """Return the rank of values[n] among the finite entries, -1 lowest to 1 highest, ties in the middle; 0 if alone."""
    own = values[n]
    if math.isnan(own):
        return 0.0
    below, above, others = 0.0, 0.0, 0.0
    for i in range(values.shape[0]):
        if i != n and not math.isnan(values[i]):
            others += 1.0
            below += 1.0 if values[i] < own else 0.0
            above += 1.0 if values[i] > own else 0.0
    return (below - above) / others if others > 0.0 else 0.0


@njit(cache=True, nogil=True)
def breadth_of(values: NDArray[np.float64]) -> float:
    """Return share of rising minus share of falling coins among the finite entries; 0 without any."""
    net, count = 0.0, 0.0
    for i in range(values.shape[0]):
        if not math.isnan(values[i]):
            count += 1.0
            net += 1.0 if values[i] > 0.0 else (-1.0 if values[i] < 0.0 else 0.0)
    return net / count if count > 0.0 else 0.0

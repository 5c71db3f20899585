"""What surrounds the matrix products of a decision, compiled row by row: scaling, mask, log-probabilities, argmax.

The figures are those of `PolicyNet.forward`; a dozen small tensor operations on a few rows would cost more than the
network itself.
"""

import math
from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from huracan.features.layout import (
    S_DATA_AGE,
    S_DAY_PNL,
    S_DRAWDOWN,
    S_GROSS,
    S_HEAT,
    S_IS_LONG,
    S_ORDER_AGE,
    STATE_SIZE,
)

__all__ = ["ILLEGAL_LOGIT", "NUM_ACTIONS", "add_log_probs", "choose", "finite", "mark_legal", "scale_rows"]

NUM_ACTIONS: Final = 6
ILLEGAL_LOGIT: Final = -1e9
"""Finite, so that probability and gradient are exactly 0 and no NaN can arise; its probability underflows to 0."""

Floats = NDArray[np.float32]


@njit(cache=True, error_model="numpy")
def finite(states: Floats) -> bool:
    """Return whether every entry of float32[N, 80] is finite."""
    for row in range(states.shape[0]):
        for entry in range(STATE_SIZE):
            if not math.isfinite(states[row, entry]):
                return False
    return True


@njit(cache=True, error_model="numpy")
def scale_rows(
    states: Floats, center: Floats, scale: Floats, clip: Floats, available: NDArray[np.bool_], scaled: Floats
) -> None:
    """Write clip((x - center) / scale) of float32[n, 80] into `scaled`, an absent entry as 0; further rows stay."""
    zero = np.float32(0.0)
    for row in range(states.shape[0]):
        for entry in range(STATE_SIZE):
            known = states[row, entry] if available[entry] else zero
            value = (known - center[entry]) / scale[entry]
            scaled[row, entry] = min(max(value, -clip[entry]), clip[entry])


@njit(cache=True, error_model="numpy")
def mark_legal(states: Floats, legal: NDArray[np.bool_]) -> None:
    """Write the mask of `huracan.trading.legal_actions` for float32[n, 80] into bool[n, 6]."""
    for row in range(states.shape[0]):
        busy = states[row, S_IS_LONG] > 0 or states[row, S_ORDER_AGE] > 0
        may_enter = (
            not busy
            and states[row, S_HEAT] < 1
            and states[row, S_DRAWDOWN] < 1
            and states[row, S_DAY_PNL] > -1
            and states[row, S_GROSS] < 1
            and states[row, S_DATA_AGE] == 0
        )
        legal[row, 0] = not busy
        legal[row, 1] = legal[row, 2] = legal[row, 3] = may_enter
        legal[row, 4] = legal[row, 5] = busy


@njit(cache=True, error_model="numpy")
def add_log_probs(logits: Floats, legal: NDArray[np.bool_], total: NDArray[np.float64]) -> None:
    """Add the masked log-softmax of float32[n, 6] to float64[n, 6]; an illegal action gets `ILLEGAL_LOGIT`."""
    for row in range(total.shape[0]):
        top = -np.inf
        for action in range(NUM_ACTIONS):
            if legal[row, action] and logits[row, action] > top:
                top = float(logits[row, action])
        mass = 0.0
        for action in range(NUM_ACTIONS):
            if legal[row, action]:
                mass += math.exp(logits[row, action] - top)
        norm = top + math.log(mass)
        for action in range(NUM_ACTIONS):
            total[row, action] += logits[row, action] - norm if legal[row, action] else ILLEGAL_LOGIT


@njit(cache=True, error_model="numpy")
def choose(
    total: NDArray[np.float64],
    legal: NDArray[np.bool_],
    members: int,
    probs: Floats,
    action: NDArray[np.int64],
    log_prob: Floats,
    confidence: Floats,
) -> None:
    """Turn summed log-probabilities into those of the ensemble, and take the most likely action, the lowest on ties.

    The mean over the members is normalised again, so that the probabilities of a row sum to 1. Ties are judged on the
    float32 that is served.
    """
    for row in range(total.shape[0]):
        mass = 0.0
        for a in range(NUM_ACTIONS):
            if legal[row, a]:
                mass += math.exp(total[row, a] / members)
        norm = math.log(mass)
        best, best_log = 0, np.float32(-np.inf)
        for a in range(NUM_ACTIONS):
            probs[row, a] = 0.0
            if legal[row, a]:
                value = np.float32(total[row, a] / members - norm)
                probs[row, a] = math.exp(value)
                if value > best_log:
                    best, best_log = a, value
        action[row] = best
        log_prob[row] = best_log
        confidence[row] = probs[row, best]

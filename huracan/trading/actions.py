"""What a policy may do and why a position ends: the six actions, the exit reasons, and the mask read off the state."""

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from huracan.features.layout import S_DATA_AGE, S_DAY_PNL, S_DRAWDOWN, S_GROSS, S_HEAT, S_IS_LONG, S_ORDER_AGE
from huracan.trading.compiled import hot_law

__all__ = ["NUM_ACTIONS", "Action", "ExitReason", "is_legal", "legal_actions"]


class Action(IntEnum):
    """A policy's choice at a decision; the value of an ENTER is its size in halves of the stake."""

    DO_NOTHING = 0
    ENTER_LONG_SMALL = 1
    ENTER_LONG_NORMAL = 2
    ENTER_LONG_LARGE = 3
    EXIT = 4
    HOLD = 5


NUM_ACTIONS = len(Action)


class ExitReason(IntEnum):
    """Why a position was sold; NONE while it is open."""

    NONE = 0
    TAKE_PROFIT = 1
    STOP_LOSS = 2
    TIME_LIMIT = 3
    POLICY_EXIT = 4
    RISK_EXIT = 5
    KILL_SWITCH = 6
    END_OF_DATA = 7


def legal_actions(state: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return which actions the raw (not normalised) state allows.

    Busy (held, or an entry at work): EXIT and HOLD. Else DO_NOTHING, and the entries while heat, drawdown and
    exposure are below their limits, the day's loss is inside its limit and the data are fresh.

    Args:
        state: float32[..., 80], as `Lanes.obs`.

    Returns:
        bool[..., 6], True where the action is legal; at least one per row.
    """
    busy = (state[..., S_IS_LONG] > 0) | (state[..., S_ORDER_AGE] > 0)
    may_enter = (
        ~busy
        & (state[..., S_HEAT] < 1)
        & (state[..., S_DRAWDOWN] < 1)
        & (state[..., S_DAY_PNL] > -1)
        & (state[..., S_GROSS] < 1)
        & (state[..., S_DATA_AGE] == 0)
    )
    legal = np.empty((*state.shape[:-1], NUM_ACTIONS), dtype=np.bool_)
    legal[..., Action.DO_NOTHING] = ~busy
    legal[..., Action.ENTER_LONG_SMALL : Action.ENTER_LONG_LARGE + 1] = may_enter[..., None]
    legal[..., Action.EXIT] = busy
    legal[..., Action.HOLD] = busy
    return legal


@hot_law
def is_legal(state: NDArray[np.float32], lane: int, action: int) -> bool:
    """Return `legal_actions(state)[lane, action]` for one row of float32[N, 80]; False for no action at all."""
    busy = state[lane, S_IS_LONG] > 0 or state[lane, S_ORDER_AGE] > 0
    if action == 4 or action == 5:  # EXIT, HOLD
        return busy
    if action < 0 or action > 5 or busy:
        return False
    if action == 0:  # DO_NOTHING
        return True
    return (
        state[lane, S_HEAT] < 1
        and state[lane, S_DRAWDOWN] < 1
        and state[lane, S_DAY_PNL] > -1
        and state[lane, S_GROSS] < 1
        and state[lane, S_DATA_AGE] == 0
    )

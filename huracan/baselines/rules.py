"""Baselines that decide from the state alone: flat, buy and hold, momentum, mean reversion.

They trade through the same kernel at the same costs as a trained policy. Their signals are in units of the coin's own
volatility, so one threshold serves all coins; each has a hysteresis band, since a threshold crossed to and fro pays
the spread every time.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numba import njit

from huracan.features.layout import S_EMA_SLOW, S_RET_240, S_RET_1440
from huracan.policy import Policy
from huracan.trading import Action
from huracan.trading.actions import is_legal

__all__ = ["BASELINES", "Baseline", "BuyAndHold", "Flat", "MeanReversion", "Momentum", "choose_action"]

States = npt.NDArray[np.float32]
Actions = npt.NDArray[np.int64]

_NOTHING = int(Action.DO_NOTHING)
_ENTER = int(Action.ENTER_LONG_NORMAL)
_EXIT = int(Action.EXIT)
_HOLD = int(Action.HOLD)


@dataclass(frozen=True, slots=True)
class Flat:
    """Never trades; sells what it finds."""

    def act(self, states: States) -> Actions:
        """Return DO_NOTHING, or EXIT where a position is held; states are float32[N, 80]."""
        return choose_action(states, _constant(len(states), 0), _constant(len(states), 1))


@dataclass(frozen=True, slots=True)
class BuyAndHold:
    """Buys one stake at the first chance and never sells; meant for a kernel with stops and time limit off."""

    def act(self, states: States) -> Actions:
        """Return ENTER_LONG_NORMAL when flat, HOLD otherwise; states are float32[N, 80]."""
        return choose_action(states, _constant(len(states), 1), _constant(len(states), 0))


@dataclass(frozen=True, slots=True)
class Momentum:
    """Time-series momentum (Moskowitz, Ooi & Pedersen 2012), confirmed by the slow EMA cross, with hysteresis.

    Attributes:
        enter_sigmas: buys when the day's return passes this many of its standard deviations and the slow EMA cross
            is positive.
        exit_sigmas: sells when it falls below this.
    """

    enter_sigmas: float = 0.5
    exit_sigmas: float = -0.5

    def act(self, states: States) -> Actions:
        """Return the rule's actions; states are float32[N, 80]."""
        signal = states[:, S_RET_1440]
        enter = (signal > self.enter_sigmas) & (states[:, S_EMA_SLOW] > 0.0)
        return choose_action(states, enter, signal < self.exit_sigmas)


@dataclass(frozen=True, slots=True)
class MeanReversion:
    """Buys a fall and sells the recovery: z-score of the four-hour return with a hysteresis band.

    Attributes:
        enter_sigmas: buys when the return falls below this many of its standard deviations (negative).
        exit_sigmas: sells when it rises above this.
    """

    enter_sigmas: float = -1.5
    exit_sigmas: float = 0.0

    def act(self, states: States) -> Actions:
        """Return the rule's actions; states are float32[N, 80]."""
        signal = states[:, S_RET_240]
        return choose_action(states, signal < self.enter_sigmas, signal > self.exit_sigmas)


@dataclass(frozen=True, slots=True)
class Baseline:
    """A baseline as it is run.

    Attributes:
        name: in reports and in the trade memory.
        policy: the rule.
        stops: False takes stop, target and time limit out of the kernel.
    """

    name: str
    policy: Policy
    stops: bool


BASELINES = (
    Baseline("flat", Flat(), stops=True),
    Baseline("buy_and_hold", BuyAndHold(), stops=False),
    Baseline("momentum", Momentum(), stops=True),
    Baseline("mean_reversion", MeanReversion(), stops=True),
)
"""Side by side with every judged policy; the random policies need its pace and are made for it, the tree model
(`huracan.baselines.tree`) needs the fold's training window."""


def _constant(rows: int, value: int) -> npt.NDArray[np.bool_]:
    return np.full(rows, bool(value))


@njit(cache=True)
def choose_action(states: States, enter: npt.NDArray[np.bool_], leave: npt.NDArray[np.bool_]) -> Actions:
    """Return the legal action of a long-only rule per row: what it wants where that is allowed, else to wait.

    Args:
        states: float32[N, 80].
        enter: bool[N], buy one stake.
        leave: bool[N], sell what is held.
    """
    actions = np.empty(len(states), np.int64)
    for row in range(len(states)):
        if is_legal(states, row, _HOLD):
            actions[row] = _EXIT if leave[row] else _HOLD
        elif enter[row] and is_legal(states, row, _ENTER):
            actions[row] = _ENTER
        else:
            actions[row] = _NOTHING
    return actions

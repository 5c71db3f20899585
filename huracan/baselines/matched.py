"""Random trading at the judged policy's pace: the null hypothesis that its timing carries no information.

How often the policy enters, per coin and size, and how likely it leaves at each age of a position is counted while it
trades. The random policy draws from these rates, through the same kernel: trade rate, sizes and the distribution of
holding times are the policy's, stops and targets included, and only the choice of the moment is chance.
"""

from typing import Self

import numpy as np
import numpy.typing as npt
from numba import njit

from huracan.features.layout import S_HELD_FRAC
from huracan.trading import Action
from huracan.trading.actions import is_legal

__all__ = ["AGE_BINS", "Pace", "RandomPolicy"]

States = npt.NDArray[np.float32]
Actions = npt.NDArray[np.int64]
Counts = npt.NDArray[np.int64]

AGE_BINS = 49
"""Bins of a position's age: the nearest 48th of the time limit, 0 to 48; older ones (without a limit) join the last."""

_NOTHING = int(Action.DO_NOTHING)
_ENTER_FIRST = int(Action.ENTER_LONG_SMALL)
_ENTER_LAST = int(Action.ENTER_LONG_LARGE)
_EXIT = int(Action.EXIT)
_HOLD = int(Action.HOLD)


class Pace:
    """Counts of what a policy did with its chances, one row per lane.

    Attributes:
        chances: int64[N], decisions at which an entry was legal.
        entries: int64[N, 3], entries by size.
        held: int64[AGE_BINS], decisions with a position or order, by age; all lanes together.
        exits: int64[AGE_BINS], EXITs among them.
        actions: int64[6], decisions by action.
    """

    def __init__(self, lanes: int) -> None:
        self.chances: Counts = np.zeros(lanes, np.int64)
        self.entries: Counts = np.zeros((lanes, 3), np.int64)
        self.held: Counts = np.zeros(AGE_BINS, np.int64)
        self.exits: Counts = np.zeros(AGE_BINS, np.int64)
        self.actions: Counts = np.zeros(len(Action), np.int64)

    def observe(self, states: States, actions: Actions, live: npt.NDArray[np.bool_]) -> None:
        """Count one decision of every live lane; states float32[N, 80], actions int64[N], live bool[N]."""
        _count(states, actions, live, self.chances, self.entries, self.held, self.exits, self.actions)

    @property
    def decisions(self) -> int:
        """Return the number of decisions counted."""
        return int(self.actions.sum())

    @classmethod
    def joined(cls, paces: "list[Pace]") -> Self:
        """Return the counts of several blocks: their lanes side by side, in order."""
        result = cls(sum(pace.chances.size for pace in paces))
        if paces:
            result.chances = np.concatenate([pace.chances for pace in paces])
            result.entries = np.concatenate([pace.entries for pace in paces])
            result.held = np.sum([pace.held for pace in paces], axis=0)
            result.exits = np.sum([pace.exits for pace in paces], axis=0)
            result.actions = np.sum([pace.actions for pace in paces], axis=0)
        return result


class RandomPolicy:
    """Chance with the pace of a judged policy; needs one row per lane, always in the same order.

    Unlike other policies its rows have a memory, the generator's: the same seed and the same calls give the same
    actions.

    Args:
        pace: counted while the judged policy traded the same lanes.
        copies: independent random policies; row c * N + i is copy c on lane i.
        seed: of the generator.
    """

    def __init__(self, pace: Pace, copies: int, seed: int) -> None:
        chances = np.maximum(pace.chances, 1)[:, None]
        self._enter_below = np.tile(np.cumsum(pace.entries / chances, axis=1), (copies, 1))
        self._exit_rate = pace.exits / np.maximum(pace.held, 1)
        self._generator = np.random.default_rng(seed)

    def act(self, states: States) -> Actions:
        """Return one legal action per row; states are float32[copies * N, 80]."""
        if len(states) != len(self._enter_below):
            raise ValueError(f"the random policy was made for {len(self._enter_below)} lanes, not {len(states)}")
        return _draw(states, self._generator.random(len(states)), self._enter_below, self._exit_rate)


@njit(cache=True)
def _age(states: States, row: int) -> int:
    return int(min(max(np.rint(states[row, S_HELD_FRAC] * (AGE_BINS - 1)), 0.0), AGE_BINS - 1.0))


@njit(cache=True)
def _count(
    states: States,
    actions: Actions,
    live: npt.NDArray[np.bool_],
    chances: Counts,
    entries: Counts,
    held: Counts,
    exits: Counts,
    taken: Counts,
) -> None:
    for row in range(len(actions)):
        if not live[row]:
            continue
        action = actions[row]
        taken[action] += 1
        if is_legal(states, row, _HOLD):
            age = _age(states, row)
            held[age] += 1
            exits[age] += action == _EXIT
        elif is_legal(states, row, _ENTER_FIRST):
            chances[row] += 1
            if _ENTER_FIRST <= action <= _ENTER_LAST:
                entries[row, action - _ENTER_FIRST] += 1


@njit(cache=True)
def _draw(
    states: States,
    uniform: npt.NDArray[np.float64],
    enter_below: npt.NDArray[np.float64],
    exit_rate: npt.NDArray[np.float64],
) -> Actions:
    actions = np.empty(len(states), np.int64)
    for row in range(len(states)):
        if is_legal(states, row, _HOLD):
            actions[row] = _EXIT if uniform[row] < exit_rate[_age(states, row)] else _HOLD
            continue
        actions[row] = _NOTHING
        if is_legal(states, row, _ENTER_FIRST):
            for size in range(3):
                if uniform[row] < enter_below[row, size]:
                    actions[row] = _ENTER_FIRST + size
                    break
    return actions

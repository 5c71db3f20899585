"""The `Policy` contract as an executable specification: run it on every implementation."""

from typing import Final

import numpy as np
import numpy.typing as npt

from huracan.errors import InvariantError
from huracan.features.layout import HEAD_SIZE, S_DATA_AGE, S_HEAT, S_IS_LONG, S_ORDER_AGE, STATE_SIZE
from huracan.policy.protocol import Policy
from huracan.trading import legal_actions

__all__ = ["check_policy", "specimen_states"]

_BATCHES: Final = (1, 2, 3, 4, 5, 31, 32, 33, 64)


def specimen_states(rows: int, seed: int) -> npt.NDArray[np.float32]:
    """Return float32[rows, 80] states of every mask case: free, holding, order at work, limit reached, bar missing."""
    states = np.random.default_rng(seed).standard_normal((rows, STATE_SIZE)).astype(np.float32)
    states[:, HEAD_SIZE:] = 0
    states[1::5, S_IS_LONG] = 1
    states[2::5, S_ORDER_AGE] = 0.5
    states[3::5, S_HEAT] = 1
    states[4::5, S_DATA_AGE] = 2
    return states


def check_policy(policy: Policy, states: npt.NDArray[np.float32] | None = None, seed: int = 0) -> None:
    """Hold a policy to its contract, as Gymnasium's `check_env` does for environments.

    Types and shapes; legal actions only; no memory and no random numbers; a row's action depends on that row alone;
    read-only input accepted and input never written; an empty batch answered.

    Args:
        policy: the implementation.
        states: float32[N, 80] to try it on; None: 160 rows that cover every mask case.
        seed: of the states and of the shuffle.

    Raises:
        InvariantError: the first broken rule, with the row that shows it.
    """
    states = specimen_states(160, seed) if states is None else states
    frozen = states.copy()
    frozen.flags.writeable = False
    actions = _act(policy, frozen)
    legal = legal_actions(frozen)
    for row, action in enumerate(actions):
        if not 0 <= action < legal.shape[1] or not legal[row, action]:
            raise InvariantError(f"policy chose action {action} in row {row}, legal are {np.flatnonzero(legal[row])}")
    _same(_act(policy, frozen), actions, "asked twice")
    order = np.random.default_rng(seed).permutation(len(states))
    _same(_act(policy, frozen[order]), actions[order], "asked in another order")
    for batch in _BATCHES:
        pieces = [_act(policy, frozen[start : start + batch]) for start in range(0, len(states), batch)]
        _same(np.concatenate(pieces), actions, f"asked {batch} rows at a time")
    if _act(policy, frozen[:0]).size:
        raise InvariantError("policy answered an empty batch with actions")
    writeable = states.copy()
    _act(policy, writeable)
    if not np.array_equal(writeable, states, equal_nan=True):
        raise InvariantError("policy wrote into the states it was given")


def _act(policy: Policy, states: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
    actions = policy.act(states)
    if not isinstance(actions, np.ndarray) or actions.dtype != np.int64 or actions.shape != (len(states),):
        found = f"{actions.dtype}{list(actions.shape)}" if isinstance(actions, np.ndarray) else type(actions).__name__
        raise InvariantError(f"policy must return int64[{len(states)}], returned {found}")
    return actions


def _same(found: npt.NDArray[np.int64], expected: npt.NDArray[np.int64], when: str) -> None:
    different = np.flatnonzero(found != expected)
    if different.size:
        row = different[0]
        raise InvariantError(f"policy gave {found[row]} instead of {expected[row]} when {when} (row {row})")

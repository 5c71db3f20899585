"""The one way to a decision: fixed batch shape, one thread, argmax with the lowest index on ties.

A matrix product's rounding may depend on the batch size and on the number of threads. Here every forward pass has the
same shape, so that a state gives the same bits in shadow trading, in the parity test and behind HTTP, whoever its
neighbours are.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import torch

from huracan.errors import InvariantError
from huracan.features.layout import LAYOUT, STATE_SIZE
from huracan.policy.network import NUM_ACTIONS, PolicyNet, legal_mask

__all__ = ["BLOCK_ROWS", "Decision", "decide"]

BLOCK_ROWS: Final = 32
"""Rows of every forward pass; shorter batches are padded, longer ones cut. Kernels differ below 4 rows."""


@dataclass(frozen=True, slots=True, eq=False)
class Decision:
    """What a policy says about N states.

    Attributes:
        action: int64[N], the legal action of highest mean log-probability, lowest index on ties.
        log_prob: float32[N], log-probability of that action.
        probs: float32[N, 6], exactly 0 for illegal actions.
        value: float32[N], mean value of the seeds, in units of the scaled reward.
        confidence: float32[N] in [0, 1], probability of the action.
    """

    action: npt.NDArray[np.int64]
    log_prob: npt.NDArray[np.float32]
    probs: npt.NDArray[np.float32]
    value: npt.NDArray[np.float32]
    confidence: npt.NDArray[np.float32]


def decide(nets: Sequence[PolicyNet], states: npt.NDArray[np.float32]) -> Decision:
    """Decide for N raw states with the mean log-probability of one or more networks.

    Runs on one thread and says so to torch: the process's thread count is set to 1.

    Args:
        nets: members of the ensemble, at least one, on the CPU.
        states: float32[N, 80].

    Raises:
        InvariantError: no member, another shape or type, or an entry that is not finite.
    """
    check_states(states)
    if not nets:
        raise InvariantError("an ensemble needs at least one network")
    if torch.get_num_threads() != 1:
        torch.set_num_threads(1)
    rows = len(states)
    log_probs = np.empty((rows, NUM_ACTIONS), np.float32)
    values = np.empty(rows, np.float32)
    block = np.zeros((BLOCK_ROWS, STATE_SIZE), np.float32)
    with torch.inference_mode():
        for start in range(0, rows, BLOCK_ROWS):
            part = states[start : start + BLOCK_ROWS]
            block[: len(part)] = part
            log_prob, value = _ensemble_pass(nets, torch.from_numpy(block))
            log_probs[start : start + len(part)] = log_prob.numpy()[: len(part)]
            values[start : start + len(part)] = value.numpy()[: len(part)]
    action = log_probs.argmax(axis=1).astype(np.int64, copy=False)
    chosen = np.take_along_axis(log_probs, action[:, None], axis=1)[:, 0]
    return Decision(action, chosen, np.exp(log_probs), values, np.exp(chosen))


def check_states(states: npt.NDArray[np.float32]) -> None:
    """Raise `InvariantError` unless `states` is float32[N, 80] and finite: nobody decides on an unknown number."""
    if states.dtype != np.float32 or states.ndim != 2 or states.shape[1] != STATE_SIZE:
        raise InvariantError(f"states must be float32[N, {STATE_SIZE}], got {states.dtype}{list(states.shape)}")
    finite = np.isfinite(states)
    if not finite.all():
        row, entry = np.argwhere(~finite)[0]
        raise InvariantError(f"state row {row} holds {states[row, entry]} at entry {entry} ({LAYOUT[entry]})")


def _ensemble_pass(nets: Sequence[PolicyNet], states: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return (log-probabilities float32[B, 6], values float32[B]): log-probabilities averaged, then normalised."""
    legal = legal_mask(states)
    log_prob = torch.zeros(len(states), NUM_ACTIONS)
    value = torch.zeros(len(states))
    for net in nets:
        logits, member_value = net.heads(net.normalise(states), legal)
        log_prob += torch.log_softmax(logits, dim=-1)
        value += member_value
    return torch.log_softmax(log_prob / len(nets), dim=-1), value / len(nets)

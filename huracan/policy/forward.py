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
from huracan.policy.network import NUM_ACTIONS, PolicyNet, legal_mask, use_one_thread

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
    use_one_thread()
    rows = len(states)
    log_probs = np.empty((rows, NUM_ACTIONS), np.float32)
    values = np.empty(rows, np.float32)
    padded = np.zeros((-(-rows // BLOCK_ROWS) * BLOCK_ROWS, STATE_SIZE), np.float32)
    padded[:rows] = states
    with torch.inference_mode():
        raw = torch.from_numpy(padded)
        legal = legal_mask(raw)
        inputs = [(net, net.normalise(raw)) for net in nets]  # element by element: the batch size cannot matter
        for start in range(0, rows, BLOCK_ROWS):
            block = slice(start, start + BLOCK_ROWS)
            stop = min(start + BLOCK_ROWS, rows)
            log_prob, value = _ensemble_pass([(net, z[block]) for net, z in inputs], legal[block])
            log_probs[start:stop] = log_prob.numpy()[: stop - start]
            values[start:stop] = value.numpy()[: stop - start]
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


def _ensemble_pass(
    members: Sequence[tuple[PolicyNet, torch.Tensor]], legal: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return (log-probabilities float32[B, 6], values float32[B]) of one block of normalised states.

    Log-probabilities are averaged over the members and normalised again; values are averaged.
    """
    outputs = [net.heads(z, legal) for net, z in members]
    log_probs = [torch.log_softmax(logits, dim=-1) for logits, _ in outputs]
    if len(members) == 1:
        return log_probs[0], outputs[0][1]
    mean = torch.stack(log_probs).mean(dim=0)
    return torch.log_softmax(mean, dim=-1), torch.stack([value for _, value in outputs]).mean(dim=0)

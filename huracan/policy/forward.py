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
from torch import nn

from huracan.errors import InvariantError
from huracan.features.layout import LAYOUT, STATE_SIZE
from huracan.policy.network import PolicyNet, Tanh, use_one_thread
from huracan.policy.rows import NUM_ACTIONS, add_log_probs, choose, finite, mark_legal, scale_rows

__all__ = ["BLOCK_ROWS", "Decision", "decide"]

BLOCK_ROWS: Final = 24
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
    if not nets:
        raise InvariantError("an ensemble needs at least one network")
    check_states(states)
    use_one_thread()
    rows = len(states)
    legal = np.empty((rows, NUM_ACTIONS), np.bool_)
    mark_legal(states, legal)
    total = np.zeros((rows, NUM_ACTIONS), np.float64)
    value = np.zeros(rows, np.float32)
    inputs = np.zeros((-(-rows // BLOCK_ROWS) * BLOCK_ROWS, STATE_SIZE), np.float32)
    with torch.inference_mode():
        for net in nets:
            scale_rows(states, *net.scaling, inputs)
            for start in range(0, rows, BLOCK_ROWS):
                stop = min(start + BLOCK_ROWS, rows)
                outputs = _network_pass(net, torch.from_numpy(inputs[start : start + BLOCK_ROWS]))
                add_log_probs(outputs, legal[start:stop], total[start:stop])
                value[start:stop] += outputs[: stop - start, NUM_ACTIONS]
    value /= len(nets)
    decision = Decision(
        action=np.empty(rows, np.int64),
        log_prob=np.empty(rows, np.float32),
        probs=np.empty((rows, NUM_ACTIONS), np.float32),
        value=value,
        confidence=np.empty(rows, np.float32),
    )
    choose(total, legal, len(nets), decision.probs, decision.action, decision.log_prob, decision.confidence)
    return decision


def _network_pass(net: PolicyNet, block: torch.Tensor) -> npt.NDArray[np.float32]:
    """Return float32[B, 7], six logits without a mask and the value, of one block of scaled states.

    The layers of `PolicyNet.heads`, tanh in place.
    """
    hidden = block
    for layer in net.trunk:
        if isinstance(layer, nn.Linear):
            hidden = torch.addmm(layer.bias, hidden, layer.weight.t())
        elif isinstance(layer, Tanh):
            array = hidden.numpy()
            np.tanh(array, out=array)
        else:
            hidden = layer(hidden)
    weight, bias = net.head_weights
    return torch.addmm(bias, hidden, weight.t()).numpy()


def check_states(states: npt.NDArray[np.float32]) -> None:
    """Raise `InvariantError` unless `states` is float32[N, 80] and finite: nobody decides on an unknown number."""
    if states.dtype != np.float32 or states.ndim != 2 or states.shape[1] != STATE_SIZE:
        raise InvariantError(f"states must be float32[N, {STATE_SIZE}], got {states.dtype}{list(states.shape)}")
    if not finite(states):
        row, entry = np.argwhere(~np.isfinite(states))[0]
        raise InvariantError(f"state row {row} holds {states[row, entry]} at entry {entry} ({LAYOUT[entry]})")

"""The one batch that travels from runners to the learner: T steps of N slots in columns, and its advantages."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Rollout", "generalised_advantage", "standardised"]

Float32 = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Rollout:
    """T steps of N slots under NEXT_STEP autoreset; `len` counts the valid steps.

    A slot that is done at row t is reset by the environment during row t + 1: that row's action and reward mean
    nothing, it is not valid. `states[t + 1]` of a done row is the true last state of its episode, so that a truncated
    episode can be bootstrapped.

    Attributes:
        states: float32[T + 1, N, 80], the last row is where the chunk was cut.
        actions: int64[T, N].
        log_probs: float32[T, N], of the actions under the policy that took them.
        values: float32[T + 1, N], of the states under that policy.
        rewards: float32[T, N].
        terminated: bool[T, N], the episode ended and nothing follows.
        truncated: bool[T, N], the episode was cut and would have gone on.
        valid: bool[T, N], False for reset rows.
    """

    states: Float32
    actions: npt.NDArray[np.int64]
    log_probs: Float32
    values: Float32
    rewards: Float32
    terminated: npt.NDArray[np.bool_]
    truncated: npt.NDArray[np.bool_]
    valid: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return int(np.count_nonzero(self.valid))

    def env_steps(self) -> int:
        """Return the number of valid steps; RLlib calls it as it would an episode's."""
        return len(self)

    agent_steps = env_steps


def generalised_advantage(rollout: Rollout, gamma: float, lambda_: float) -> tuple[Float32, Float32]:
    """Return (advantages, value targets), float32[T, N] each; rows that are not valid mean nothing.

    delta_t = r_t + gamma (1 - terminated_t) V(s_{t+1}) - V(s_t);
    A_t = delta_t + gamma lambda (1 - terminated_t)(1 - truncated_t) A_{t+1}; target_t = A_t + V(s_t)
    (Schulman et al. 2016, eq. 16, with time limits bootstrapped after Pardo et al. 2018).
    """
    continues = ~rollout.terminated
    delta = rollout.rewards + np.float32(gamma) * continues * rollout.values[1:] - rollout.values[:-1]
    decay = np.float32(gamma * lambda_) * (continues & ~rollout.truncated)
    advantages = np.empty_like(delta)
    running = np.zeros(delta.shape[1], np.float32)
    for t in range(len(delta) - 1, -1, -1):
        running = delta[t] + decay[t] * running
        advantages[t] = running
    return advantages, advantages + rollout.values[:-1]


def standardised(values: Float32) -> Float32:
    """Return (values - mean) / sd, float32[B], moments in float64; a constant becomes 0."""
    mean = values.mean(dtype=np.float64)
    deviation = values.std(dtype=np.float64)
    return ((values - mean) / (deviation + 1e-8)).astype(np.float32)

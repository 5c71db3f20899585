"""RLlib's environment runner over columns: no Python object per environment step.

The stock runner keeps one episode object per slot and touches it in Python at every step; here a step of N slots is
one forward pass, one draw of N actions and one call of the vector environment.
"""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
import torch
from ray.rllib.env.single_agent_env_runner import SingleAgentEnvRunner
from ray.rllib.utils.metrics import EPISODE_LEN_MEAN, EPISODE_RETURN_MEAN, SAMPLE_TIMER, WEIGHTS_SEQ_NO

from huracan.errors import InvariantError
from huracan.features.layout import STATE_SIZE
from huracan.learn.columns import Rollout

__all__ = ["REWARD_MEAN", "ColumnEnvRunner", "EnvSource"]

REWARD_MEAN = "reward_mean"
_SEED_BOUND = 2**31 - 1


@dataclass(frozen=True, slots=True)
class EnvSource:
    """How a runner builds its vector environment.

    Attributes:
        entry_point: called with `context` plus `num_envs`; importable, since it travels to remote runners.
        context: what the entry point reads; small, because it is part of the algorithm's configuration.
        num_envs: slots of one runner.
        identity: names the environment and its data; trainings with another identity do not share checkpoints.
    """

    entry_point: Callable[[dict[str, Any]], gym.vector.VectorEnv]
    context: Mapping[str, Any]
    num_envs: int
    identity: str


class ColumnEnvRunner(SingleAgentEnvRunner):
    """Samples `Rollout`s from one vector environment with NEXT_STEP autoreset.

    Actions are drawn with the runner's own generator, seeded by (seed, worker index, number of weight updates seen at
    the first sample): the learner's draws do not disturb it, and a runner that is restarted, or a training that is
    resumed, goes on with fresh numbers instead of repeating its first ones.
    """

    env: Any

    def __init__(self, *, config: Any, **kwargs: Any) -> None:
        torch.set_num_threads(1)
        super().__init__(config=config, **kwargs)
        self._rng = np.random.default_rng()
        self._states = np.zeros((0, STATE_SIZE), np.float32)
        self._resetting = np.zeros(0, np.bool_)
        self._episode_return = np.zeros(0)
        self._episode_steps = np.zeros(0, np.int64)

    def make_env(self) -> None:
        """Build the environment of `env_config["source"]`, without Gymnasium's registry and its per-step wrappers."""
        if self.env is not None:
            self.env.close()
        source: EnvSource = self.config.env_config["source"]
        self.env = source.entry_point({**source.context, "num_envs": source.num_envs})
        self.num_envs = self.env.num_envs
        mode = self.env.metadata.get("autoreset_mode")
        if self.num_envs != source.num_envs or mode is not gym.vector.AutoresetMode.NEXT_STEP:
            raise InvariantError(
                f"the environment has {self.num_envs} slots and autoreset {mode}; {source.num_envs} and NEXT_STEP are "
                "needed"
            )
        self._needs_initial_reset = True

    def sample(
        self,
        *,
        num_timesteps: int | None = None,
        num_episodes: int | None = None,
        explore: bool | None = None,
        random_actions: bool = False,
        force_reset: bool = False,
    ) -> list[Rollout]:
        """Return one rollout with at least `num_timesteps` valid steps (None: this runner's share of a batch)."""
        if num_episodes is not None or random_actions:
            raise InvariantError("a column runner samples by time steps, with its module's actions")
        if num_timesteps is None:
            num_timesteps = self.config.get_rollout_fragment_length(self.worker_index) * self.num_envs
        self.metrics.log_value(WEIGHTS_SEQ_NO, self._weights_seq_no, window=1)
        if force_reset or self._needs_initial_reset:
            self._reset()
        with self.metrics.log_time(SAMPLE_TIMER):
            rollout = self._collect(num_timesteps, self.config.explore if explore is None else explore)
        self._time_after_sampling = time.perf_counter()
        return [rollout]

    def get_metrics(self) -> Any:
        """Return and clear what was logged since the last call."""
        return self.metrics.reduce()

    def _reset(self) -> None:
        entropy = [self.config.seed or 0, self.worker_index or 0, self._weights_seq_no]
        sequence = np.random.SeedSequence(entropy if self.config.seed is not None else None)
        env_seed, action_seed = sequence.spawn(2)
        self._rng = np.random.default_rng(action_seed)
        states, _ = self.env.reset(seed=int(env_seed.generate_state(1)[0]) % _SEED_BOUND)
        self._states = np.array(states, np.float32)
        self._resetting = np.zeros(self.num_envs, np.bool_)
        self._episode_return = np.zeros(self.num_envs)
        self._episode_steps = np.zeros(self.num_envs, np.int64)
        self._needs_initial_reset = False

    def _collect(self, num_timesteps: int, explore: bool) -> Rollout:
        """Step until enough valid steps are in; reset rows do not count, so the number of rows is not known before."""
        columns = _Columns(math.ceil(num_timesteps / self.num_envs) + 2, self.num_envs)
        columns.states[0] = self._states
        finished: list[tuple[float, int]] = []
        t = steps = 0
        while steps < num_timesteps:
            if t == columns.rows:
                columns.grow()
            action, log_prob, columns.values[t] = self._act(columns.states[t], explore)
            states, reward, terminated, truncated, _ = self.env.step(action)
            valid = ~self._resetting
            columns.actions[t], columns.log_probs[t], columns.rewards[t] = action, log_prob, reward
            columns.terminated[t], columns.truncated[t], columns.valid[t] = terminated, truncated, valid
            columns.states[t + 1] = states
            self._resetting = columns.terminated[t] | columns.truncated[t]
            finished += self._follow_episodes(columns.rewards[t], valid)
            steps += int(np.count_nonzero(valid))
            t += 1
        self._states = columns.states[t].copy()
        columns.values[t] = self._act(self._states, False)[2]
        rollout = columns.cut(t)
        self._log_sampled(rollout, steps, finished)
        return rollout

    def _act(self, states: npt.NDArray[np.float32], explore: bool) -> tuple[npt.NDArray[np.int64], Any, Any]:
        """Return (actions int64[N], log-probabilities, values) of one row of states."""
        with torch.inference_mode():
            logits, value = self.module.net(torch.from_numpy(states))
            log_probs = torch.log_softmax(logits, dim=-1).numpy()
        weight = np.exp(log_probs)
        if explore:  # the smallest of exponential waiting times with rates p: a draw from p, never an illegal action
            waiting = self._rng.standard_exponential(weight.shape, dtype=np.float32)
            weight /= np.maximum(waiting, np.finfo(np.float32).tiny)
        action = weight.argmax(axis=1)
        return action, np.take_along_axis(log_probs, action[:, None], axis=1)[:, 0], value.numpy()

    def _follow_episodes(
        self, reward: npt.NDArray[np.float32], valid: npt.NDArray[np.bool_]
    ) -> list[tuple[float, int]]:
        """Add a row to the running episodes; return (return, length) of those that ended in it."""
        self._episode_return += np.where(valid, reward, 0)
        self._episode_steps += valid
        ended = np.flatnonzero(self._resetting)
        result = [(float(self._episode_return[slot]), int(self._episode_steps[slot])) for slot in ended]
        self._episode_return[ended] = 0
        self._episode_steps[ended] = 0
        return result

    def _log_sampled(self, rollout: Rollout, steps: int, finished: list[tuple[float, int]]) -> None:
        self._log_env_steps(metric=self._metrics_num_env_steps_sampled, num_steps=steps)
        self._increase_sampled_metrics(steps, len(finished))
        self.metrics.log_value(REWARD_MEAN, float(rollout.rewards[rollout.valid].mean()), window=1)
        if finished:
            returns, lengths = zip(*finished, strict=True)
            self.metrics.log_value(EPISODE_RETURN_MEAN, sum(returns) / len(returns), window=1)
            self.metrics.log_value(EPISODE_LEN_MEAN, sum(lengths) / len(lengths), window=1)


class _Columns:
    """Growing storage of one rollout."""

    def __init__(self, rows: int, num_envs: int) -> None:
        self.rows = rows
        self.states = np.empty((rows + 1, num_envs, STATE_SIZE), np.float32)
        self.values = np.empty((rows + 1, num_envs), np.float32)
        self.actions = np.empty((rows, num_envs), np.int64)
        self.log_probs = np.empty((rows, num_envs), np.float32)
        self.rewards = np.empty((rows, num_envs), np.float32)
        self.terminated = np.empty((rows, num_envs), np.bool_)
        self.truncated = np.empty((rows, num_envs), np.bool_)
        self.valid = np.empty((rows, num_envs), np.bool_)

    def grow(self) -> None:
        """Make room for half as many rows again."""
        extra = self.rows // 2 + 1
        for name in ("states", "values", "actions", "log_probs", "rewards", "terminated", "truncated", "valid"):
            old = getattr(self, name)
            setattr(self, name, np.concatenate([old, np.empty((extra, *old.shape[1:]), old.dtype)]))
        self.rows += extra

    def cut(self, rows: int) -> Rollout:
        """Return the first `rows` steps."""
        return Rollout(
            self.states[: rows + 1],
            self.actions[:rows],
            self.log_probs[:rows],
            self.values[: rows + 1],
            self.rewards[:rows],
            self.terminated[:rows],
            self.truncated[:rows],
            self.valid[:rows],
        )

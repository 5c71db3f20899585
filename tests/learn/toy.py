"""A numpy market with the environment's contract: mask bits in the state, NEXT_STEP autoreset, reused buffers."""

import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from huracan.config import PpoSettings
from huracan.features.layout import S_HELD_FRAC, S_IS_LONG, STATE_SIZE
from huracan.learn import AlgorithmSpec, EnvSource
from huracan.learn.search import Candidate
from huracan.learn.validation import ValidationScore, daily_score
from huracan.policy import NetworkSpec, Normaliser, Policy

SIGNAL = 0
EXIT, HOLD = 4, 5
PERSISTENCE = 0.9


class ToyMarket(VectorEnv):
    """Entry 0 is an AR(1) predictor of the next return; a long slot earns it, every trade costs `cost`.

    Episodes last `steps` steps; slots with an even index terminate, the others are truncated. The optimum holds while
    the signal is high enough and stays flat otherwise.
    """

    metadata: dict[str, Any] = {"autoreset_mode": AutoresetMode.NEXT_STEP}  # noqa: RUF012

    def __init__(self, num_envs: int, steps: int = 40, cost: float = 0.2, fault: str = "") -> None:
        self.num_envs = num_envs
        self.single_observation_space = gym.spaces.Box(-np.inf, np.inf, (STATE_SIZE,), np.float32)
        self.single_action_space = gym.spaces.Discrete(6)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._steps, self._cost, self._fault = steps, cost, fault
        self._state = np.zeros((num_envs, STATE_SIZE), np.float32)
        self._age = np.zeros(num_envs, np.int64)
        self._done = np.zeros(num_envs, np.bool_)
        self._rng = np.random.default_rng()

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        """Begin all episodes, staggered in age."""
        self._rng = np.random.default_rng(seed)
        self._restart(np.ones(self.num_envs, np.bool_))
        self._age[:] = np.arange(self.num_envs) % self._steps
        self._done[:] = False
        return self._state, {}

    def step(self, actions: Any) -> Any:
        """Pay the signal to whoever is long after acting, and refuse illegal actions."""
        state = self._state
        fresh = self._done.copy()
        before = state[:, S_IS_LONG].copy()
        assert not (np.isin(actions, (EXIT, HOLD)) & (before == 0) & ~fresh).any(), "illegal: exit or hold while flat"
        assert not (np.isin(actions, (0, 1, 2, 3)) & (before == 1) & ~fresh).any(), "illegal: enter while holding"
        held = np.where(before == 1, actions != EXIT, np.isin(actions, (1, 2, 3))).astype(np.float32)
        reward = held * state[:, SIGNAL] - self._cost * np.abs(held - before)
        noise = self._rng.standard_normal(self.num_envs).astype(np.float32)
        state[:, SIGNAL] = PERSISTENCE * state[:, SIGNAL] + np.sqrt(1 - PERSISTENCE**2) * noise
        state[:, S_IS_LONG] = held
        state[:, S_HELD_FRAC] = held * 0.5
        self._age += 1
        over = self._age >= self._steps
        terminated = over & (np.arange(self.num_envs) % 2 == 0)
        truncated = over & ~terminated
        if fresh.any():
            self._restart(fresh)
            reward[fresh], terminated[fresh], truncated[fresh] = 0, False, False
        self._done = terminated | truncated
        if self._fault == "nan":
            reward[0] = np.nan
        return state, reward.astype(np.float32), terminated, truncated, {}

    def close_extras(self, **kwargs: Any) -> None:
        """Take the process along when a trial is stopped early, once: `fault` names the file that remembers."""
        flag = Path(self._fault)
        if flag.is_absolute() and not flag.exists() and isinstance(sys.exc_info()[1], SystemExit):
            flag.touch()
            os._exit(1)

    def _restart(self, which: Any) -> None:
        self._state[which] = 0
        self._state[which, SIGNAL] = self._rng.standard_normal(int(which.sum()))
        self._age[which] = 0


def toy_market(context: dict[str, Any]) -> ToyMarket:
    """Entry point for runners; options travel in the context."""
    options = {key: context[key] for key in ("steps", "cost", "fault") if key in context}
    return ToyMarket(context["num_envs"], **options)


class ToyValidation:
    """Greedy reward per step on fresh toy markets, as if ten batches of steps were ten days."""

    def score(self, policy: Policy) -> ValidationScore:
        """Return the score of `policy` on unseen signals."""
        market = ToyMarket(64, steps=10_000)
        states, _ = market.reset(seed=999)
        rewards = []
        for _ in range(100):
            states, reward, _, _, _ = market.step(policy.act(states))
            rewards.append(float(reward.mean()))
        return daily_score(np.array(rewards).reshape(10, 10).mean(axis=1), trades=100)


def toy_spec(seed: int = 1, total: int = 8192, num_envs: int = 64, fault: str = "", **ppo: Any) -> AlgorithmSpec:
    """A training small enough for tests: 1,024 steps per batch, two layers of 32."""
    settings = {"train_batch_size": 1024, "minibatch_size": 256, "num_epochs": 4, "lr": 1e-3, "gamma": 0.95} | ppo
    source = EnvSource(toy_market, {"fault": fault}, num_envs, "toy")
    return AlgorithmSpec(source, NetworkSpec((32, 32)), Normaliser.identity(), PpoSettings(**settings), seed, total)


class ToyArena:
    """Every candidate on the same toy market: it knows no trading rules."""

    def __init__(self, **options: Any) -> None:
        self._spec = toy_spec(num_envs=32, **options)

    def spec(self, candidate: Candidate, seed: int, env_steps: int) -> AlgorithmSpec:
        """Return the toy training with the candidate's hyper-parameters."""
        return replace(self._spec, ppo=candidate.ppo, seed=seed, total_env_steps=env_steps)

    def validation(self, candidate: Candidate) -> ToyValidation:
        """Return the one judge."""
        return ToyValidation()

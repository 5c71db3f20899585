"""PPO from environment to update, environment steps per second, one thread: ours and three others on one market.

All four train an 80-256-256 tanh network with six actions and a value, batch 8192, 4 epochs of 1024-row minibatches,
on the same 256-slot environment. Only ours and the plain loop mask illegal actions.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gymnasium
import numpy as np
import torch
from numpy.typing import NDArray
from ray.rllib.algorithms.ppo import PPOConfig
from ray.rllib.core.rl_module.default_model_config import DefaultModelConfig
from ray.tune.registry import register_env
from stable_baselines3 import PPO as Sb3Ppo
from stable_baselines3.common.vec_env import VecEnv

from huracan.config import EnvSettings, PpoSettings, RaySettings, RiskSettings
from huracan.env import ACTION_SPACE, OBSERVATION_SPACE, TradingVectorEnv, vector_entry_point
from huracan.learn import AlgorithmSpec, EnvSource, Trainer
from huracan.learn.cluster import ray_session
from huracan.policy import NetworkSpec, Normaliser
from huracan.trading import Limits, legal_actions
from tests.bench.harness import Measurement, repeat
from tests.bench.markets import BenchMarket, bench_market
from tests.e2e import ppo_reference

BATCH, MINIBATCH, EPOCHS, NUM_ENVS, HIDDEN = 8_192, 1_024, 4, 256, (256, 256)
ITERATIONS, REPEATS = 4, 3


def measure() -> list[Measurement]:
    """Measure the four, interleaved, so that a noisy neighbour meets all of them."""
    torch.set_num_threads(1)
    market = bench_market(coins=4, bars=60_000, interval=15)
    with ray_session(RaySettings(num_cpus=2, object_store_mb=200)):
        contestants = {
            "huracan": _huracan(market),
            "plain-torch": _plain_torch(market),
            "stock-rllib": _stock_rllib(market),
            "stable-baselines3": _stable_baselines3(market),
        }
        for contestant in contestants.values():
            contestant.iterate()  # compiled and allocated before it is timed
        rates: dict[str, list[float]] = {name: [] for name in contestants}
        for _ in range(REPEATS):
            for name, contestant in contestants.items():
                rates[name].append(contestant.rate())
        for contestant in contestants.values():
            contestant.close()
    middle = {name: repeat(iter(values).__next__, REPEATS) for name, values in rates.items()}
    value, spread, repeats = middle.pop("huracan")
    ratios = {name: value / theirs[0] for name, theirs in middle.items()}
    note = ", ".join(f"{name} {theirs[0]:,.0f}" for name, theirs in middle.items())
    return [Measurement("ppo", value, "env-steps/s", repeats, spread, 1, ratios, note)]


@dataclass(frozen=True, slots=True)
class Contestant:
    """One way to run PPO: an iteration that returns its environment steps, and how to end it."""

    iterate: Callable[[], int]
    close: Callable[[], Any]

    def rate(self) -> float:
        """Return environment steps per second over a few iterations."""
        begun, steps = time.perf_counter(), 0
        for _ in range(ITERATIONS):
            steps += self.iterate()
        return steps / (time.perf_counter() - begun)


def _env(market: BenchMarket, seed: int = 1) -> TradingVectorEnv:
    return TradingVectorEnv(market.tapes, market.kernel, EnvSettings(num_envs=NUM_ENVS), market.window, seed=seed)


def specification(market: BenchMarket, ppo: PpoSettings) -> AlgorithmSpec:
    """Return the training of the product on a market, network 80-256-256."""
    context = {
        "tapes": market.tapes,
        "kernel": market.kernel,
        "settings": EnvSettings(num_envs=NUM_ENVS),
        "window": market.window,
        "limits": Limits.of(RiskSettings()),
    }
    return AlgorithmSpec(
        source=EnvSource(vector_entry_point, context, NUM_ENVS, "bench"),
        network=NetworkSpec(HIDDEN),
        normaliser=Normaliser.identity(),
        ppo=ppo,
        seed=1,
        total_env_steps=10**9,
    )


def _huracan(market: BenchMarket) -> Contestant:
    ppo = PpoSettings(train_batch_size=BATCH, minibatch_size=MINIBATCH, num_epochs=EPOCHS)
    spec = specification(market, ppo)
    trainer = Trainer(spec)

    def iterate() -> int:
        before = trainer.env_steps
        return trainer.step().env_steps - before

    return Contestant(iterate, trainer.close)


def _plain_torch(market: BenchMarket) -> Contestant:
    env = _env(market)
    config = ppo_reference.Config(
        env_steps=BATCH,
        num_envs=NUM_ENVS,
        rollout_steps=BATCH // NUM_ENVS,
        num_epochs=EPOCHS,
        minibatch_size=MINIBATCH,
        hidden=HIDDEN,
        lr=3e-4,
    )

    def iterate() -> int:
        ppo_reference.train(env, legal_actions, config, seed=1)
        return BATCH

    return Contestant(iterate, env.close)


def _stock_rllib(market: BenchMarket) -> Contestant:
    register_env("bench-vector", lambda ctx: _env(market))
    config = (
        PPOConfig()
        .environment("bench-vector", observation_space=OBSERVATION_SPACE, action_space=ACTION_SPACE)
        .env_runners(num_env_runners=0, num_envs_per_env_runner=NUM_ENVS, gym_env_vectorize_mode="vector_entry_point")
        .learners(num_learners=0)
        .rl_module(
            model_config=DefaultModelConfig(fcnet_hiddens=list(HIDDEN), fcnet_activation="tanh", vf_share_layers=True)
        )
        .training(train_batch_size_per_learner=BATCH, minibatch_size=MINIBATCH, num_epochs=EPOCHS, lr=3e-4)
        .debugging(seed=1, log_level="ERROR")
    )
    algorithm = config.build_algo()

    def iterate() -> int:
        algorithm.train()
        return BATCH

    return Contestant(iterate, algorithm.stop)


class _Sb3VecEnv(VecEnv):
    """Our vector environment as Stable-Baselines3 expects one: it resets inside the step that ends an episode."""

    def __init__(self, env: TradingVectorEnv) -> None:
        self._env = env
        self._infos: list[dict[str, Any]] = [{} for _ in range(env.num_envs)]
        super().__init__(env.num_envs, OBSERVATION_SPACE, ACTION_SPACE)

    def reset(self) -> NDArray[np.float32]:
        """Begin."""
        return self._env.reset(seed=1)[0]

    def step_async(self, actions: NDArray[np.int64]) -> None:
        """Keep the actions for `step_wait`."""
        self._actions = actions

    def step_wait(self) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_], list[dict[str, Any]]]:
        """Step all slots."""
        obs, reward, terminated, truncated, _ = self._env.step(self._actions)
        return obs, reward, terminated | truncated, self._infos

    def close(self) -> None:
        """Close the environment."""
        self._env.close()

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """Answer what the trainer asks about its environments."""
        return [None] * self.num_envs

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        """Nothing can be set."""
        raise NotImplementedError

    def env_method(self, method_name: str, *args: Any, indices: Any = None, **kwargs: Any) -> list[Any]:
        """Nothing can be called."""
        raise NotImplementedError

    def env_is_wrapped(self, wrapper_class: type[gymnasium.Wrapper], indices: Any = None) -> list[bool]:
        """No slot is wrapped."""
        return [False] * self.num_envs


def _stable_baselines3(market: BenchMarket) -> Contestant:
    env = _Sb3VecEnv(_env(market))
    model = Sb3Ppo(
        "MlpPolicy",
        env,
        n_steps=BATCH // NUM_ENVS,
        batch_size=MINIBATCH,
        n_epochs=EPOCHS,
        policy_kwargs={"net_arch": list(HIDDEN), "activation_fn": torch.nn.Tanh},
        seed=1,
        device="cpu",
    )

    def iterate() -> int:
        model.learn(BATCH, reset_num_timesteps=False)
        return BATCH

    return Contestant(iterate, env.close)

"""From huracan's settings to an RLlib PPO algorithm on the new API stack."""

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from ray.rllib.algorithms.ppo import PPO, PPOConfig
from ray.rllib.core.rl_module.rl_module import RLModuleSpec

from huracan.config import PpoSettings
from huracan.features.layout import STATE_SIZE
from huracan.learn.connector import RolloutsToBatch
from huracan.learn.learner import LearnerState, MinibatchLearner
from huracan.learn.module import PolicyModule
from huracan.learn.runner import ColumnEnvRunner, EnvSource
from huracan.policy import NUM_ACTIONS, NetworkSpec, Normaliser, PolicyNet

__all__ = [
    "AlgorithmSpec",
    "Beginning",
    "begin_from",
    "build_algorithm",
    "learner_state",
    "ppo_config",
    "restore_learner",
    "trained_net",
]

RESTART_DELAY_S = 1.0

T = TypeVar("T")


class ColumnPPO(PPO):
    """PPO that leaves no folder of its own under the user's home: results go where `huracan.learn` writes them."""

    def _setup_logdir(self) -> None:
        self._logdir = tempfile.gettempdir()


@dataclass(frozen=True, slots=True, eq=False)
class Beginning:
    """Weights that a training begins from.

    Attributes:
        sha256: of the parameters: a checkpoint of a training with another beginning is another training's.
        parameters: float32 by name, as `PolicyNet` names them, in the scaling of the training's own normaliser.
    """

    sha256: str
    parameters: Mapping[str, npt.NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class AlgorithmSpec:
    """Everything that determines a training run.

    Attributes:
        source: the environment.
        network: shape of the policy.
        normaliser: frozen input scaling of the training window.
        ppo: hyper-parameters.
        seed: of weights, environments, actions and minibatches.
        total_env_steps: where the learning rate reaches 0.
        beginning: weights to begin from; None: those of the seed.
    """

    source: EnvSource
    network: NetworkSpec
    normaliser: Normaliser
    ppo: PpoSettings
    seed: int
    total_env_steps: int
    beginning: Beginning | None = None


def ppo_config(spec: AlgorithmSpec) -> PPOConfig:
    """Return the RLlib configuration of a run."""
    ppo = spec.ppo
    config = (
        PPOConfig(algo_class=ColumnPPO)
        .framework("torch")
        .environment(
            env="huracan.learn.EnvSource",
            env_config={"source": spec.source},
            observation_space=gym.spaces.Box(-np.inf, np.inf, (STATE_SIZE,), np.float32),
            action_space=gym.spaces.Discrete(NUM_ACTIONS),
        )
        .env_runners(
            env_runner_cls=ColumnEnvRunner,
            num_env_runners=ppo.num_env_runners,
            num_envs_per_env_runner=spec.source.num_envs,
            rollout_fragment_length="auto",
            sample_timeout_s=None,
        )
        .learners(
            num_learners=0,
            learner_class=MinibatchLearner,
            learner_connector=partial(RolloutsToBatch, gamma=ppo.gamma, lambda_=ppo.lambda_),
            add_default_connectors_to_learner_pipeline=False,
            learner_config_dict={
                "total_env_steps": spec.total_env_steps,
                "weight_decay": ppo.weight_decay,
                "shuffle_seed": spec.seed,
            },
        )
        .rl_module(
            rl_module_spec=RLModuleSpec(
                module_class=PolicyModule,
                model_config={"network": spec.network, "normaliser": spec.normaliser, "seed": spec.seed},
            )
        )
        .fault_tolerance(restart_failed_env_runners=True, delay_between_env_runner_restarts_s=RESTART_DELAY_S)
        .debugging(seed=spec.seed, log_level="ERROR")
        .reporting(min_time_s_per_iteration=None, min_sample_timesteps_per_iteration=None)
    )
    config.training(
        lr=ppo.lr,
        gamma=ppo.gamma,
        lambda_=ppo.lambda_,
        clip_param=ppo.clip_param,
        vf_loss_coeff=ppo.vf_loss_coeff,
        vf_clip_param=ppo.vf_clip_param,
        entropy_coeff=ppo.entropy_coeff,
        use_kl_loss=False,
        grad_clip=ppo.grad_clip,
        grad_clip_by="global_norm",
        train_batch_size_per_learner=ppo.train_batch_size,
        minibatch_size=ppo.minibatch_size,
        num_epochs=ppo.num_epochs,
    )
    return config


def build_algorithm(spec: AlgorithmSpec) -> PPO:
    """Build the algorithm; Ray must be running. Stop it with `.stop()`."""
    return ppo_config(spec).build_algo()


def learner_state(algorithm: PPO) -> LearnerState:
    """Return the learner's state for a checkpoint."""
    return _ask_learner(algorithm, MinibatchLearner.export_state)


def restore_learner(algorithm: PPO, state: LearnerState) -> None:
    """Continue a freshly built algorithm from `state`, its runners included.

    RLlib ignores weights whose sequence number is older than the live ones, so a used algorithm cannot go back: build
    a new one for every restore.
    """
    _ask_learner(algorithm, lambda learner: learner.import_state(state))
    algorithm.env_runner_group.sync_weights(from_worker_or_learner_group=algorithm.learner_group, inference_only=True)


def begin_from(algorithm: PPO, beginning: Beginning) -> None:
    """Give a freshly built algorithm, its runners included, the weights to begin from."""
    _ask_learner(algorithm, lambda learner: learner.set_parameters(beginning.parameters))
    algorithm.env_runner_group.sync_weights(from_worker_or_learner_group=algorithm.learner_group, inference_only=True)


def trained_net(algorithm: PPO, spec: AlgorithmSpec) -> PolicyNet:
    """Return a copy of the trained network."""
    net = PolicyNet(spec.network, spec.normaliser)
    net.load_state_dict(_ask_learner(algorithm, lambda learner: learner.net.state_dict()))
    return net


def _ask_learner(algorithm: PPO, question: Callable[[MinibatchLearner], T]) -> T:
    """Return what the one learner answers; its exceptions are raised here."""
    (answer,) = algorithm.learner_group.foreach_learner(question)
    return answer.get()

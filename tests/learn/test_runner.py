import os
import signal
import time

import gymnasium as gym
import numpy as np
import pytest
import torch

from huracan.errors import InvariantError
from huracan.learn.algorithm import AlgorithmSpec, build_algorithm, trained_net
from huracan.learn.columns import Rollout
from huracan.learn.runner import EnvSource
from huracan.learn.train import Trainer
from huracan.policy import PolicyNet
from tests.learn.toy import ToyMarket, toy_spec

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("local_ray")]


def sampled(spec: AlgorithmSpec, updates: int = 0) -> tuple[list[Rollout], PolicyNet]:
    """The next rollouts after some updates, and the network that the learner holds."""
    algorithm = build_algorithm(spec)
    try:
        for _ in range(updates):
            algorithm.train()
        return algorithm.env_runner_group.local_env_runner.sample(), trained_net(algorithm, spec)
    finally:
        algorithm.stop()


def test_learner_and_runner_give_the_same_log_probabilities_and_values() -> None:
    """What the runner stored is what the learner computes, after weights have travelled once."""
    (rollout,), net = sampled(toy_spec(), updates=2)
    states = torch.from_numpy(rollout.states.reshape(-1, 80))
    with torch.no_grad():
        logits, values = net(states)
    log_probs = torch.log_softmax(logits, dim=-1).numpy().reshape(*rollout.values.shape, 6)[:-1]
    chosen = np.take_along_axis(log_probs, rollout.actions[..., None], axis=-1)[..., 0]
    assert np.allclose(chosen, rollout.log_probs, atol=1e-5)
    assert np.allclose(values.numpy().reshape(rollout.values.shape), rollout.values, atol=1e-4)
    assert len(rollout) >= 1024


def test_actions_are_drawn_with_the_policys_probabilities() -> None:
    """Chi-square over the first rows of a fresh, nearly uniform policy; illegal actions never occur."""
    (rollout,), _ = sampled(toy_spec(num_envs=2048, train_batch_size=4096, minibatch_size=4096))
    flat = rollout.actions[0]
    counts = np.bincount(flat, minlength=6)
    expected = np.exp(rollout.log_probs[0]).mean() * len(flat)
    assert counts[4:].sum() == 0
    assert ((counts[:4] - expected) ** 2 / expected).sum() < 30


def test_two_remote_runners_share_the_work_and_one_may_be_killed() -> None:
    """A batch has its size, runners differ and follow the weights; after SIGKILL of one, training goes on with two."""
    with Trainer(toy_spec(num_env_runners=2, total=10**6)) as trainer:
        group = trainer._algorithm.env_runner_group
        for _ in range(2):
            before = trainer.env_steps
            assert 1024 <= trainer.step().env_steps - before < 1024 + 2 * 64
        states = {name: value.numpy() for name, value in trainer.net().state_dict().items()}
        remote = group.foreach_env_runner(
            lambda runner: (
                {name: value.numpy() for name, value in runner.module.net.state_dict().items()},
                runner.sample()[0].states[0],
                os.getpid(),
            ),
            local_env_runner=False,
        )
        for weights_there, _, _ in remote:
            assert all(np.array_equal(weights_there[name], states[name]) for name in states)
        assert not np.array_equal(remote[0][1], remote[1][1])
        killed, survivor = remote[0][2], remote[1][2]
        os.kill(killed, signal.SIGKILL)
        deadline = time.monotonic() + 90
        alive: list[int] = []
        while time.monotonic() < deadline and not (len(set(alive)) == 2 and killed not in alive):
            trainer.step()
            alive = group.foreach_env_runner(lambda runner: os.getpid(), local_env_runner=False)
        assert len(set(alive)) == 2
        assert survivor in alive
        steps = trainer.env_steps
        assert trainer.step().env_steps > steps


def test_rollouts_follow_the_autoreset_rule() -> None:
    """Rows after an end are not valid, pay nothing and open the next episode; counts and values agree with that."""
    (rollout,), _ = sampled(toy_spec())
    done = rollout.terminated | rollout.truncated
    assert np.array_equal(rollout.valid[1:], ~done[:-1])
    assert done.any()
    assert rollout.terminated.any()
    assert rollout.truncated.any()
    assert (rollout.rewards[~rollout.valid] == 0).all()
    assert len(rollout) >= 1024 > len(rollout) - 64
    assert rollout.states.shape == (len(rollout.rewards) + 1, 64, 80)


def same_step(context: dict) -> ToyMarket:
    """A market that claims the other autoreset."""
    market = ToyMarket(context["num_envs"])
    market.metadata = {"autoreset_mode": gym.vector.AutoresetMode.SAME_STEP}
    return market


def test_another_autoreset_is_refused() -> None:
    """SAME_STEP would shift every episode by a row without any error: it never gets that far."""
    spec = toy_spec()
    with pytest.raises(InvariantError, match="NEXT_STEP"):
        build_algorithm(
            AlgorithmSpec(
                EnvSource(same_step, {}, 64, "same"), spec.network, spec.normaliser, spec.ppo, spec.seed, 1000
            )
        )

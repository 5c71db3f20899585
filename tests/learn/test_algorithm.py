import copy
import os
import signal
import time
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from ray.rllib.algorithms.ppo import PPOConfig
from ray.rllib.algorithms.ppo.torch.ppo_torch_learner import PPOTorchLearner
from ray.rllib.core.columns import Columns
from ray.rllib.utils.metrics.metrics_logger import MetricsLogger

from huracan.errors import TrainingError
from huracan.learn.algorithm import AlgorithmSpec, build_algorithm, learner_state, restore_learner, trained_net
from huracan.learn.columns import Rollout
from huracan.learn.learner import LearnerState, ppo_loss
from huracan.learn.train import Trainer
from huracan.policy import Ensemble, PolicyNet
from tests.learn.toy import ToyValidation, toy_spec

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


def weights(state: LearnerState) -> np.ndarray:
    """All parameters in one vector."""
    return np.concatenate([state.parameters[name].ravel() for name in sorted(state.parameters)])


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


def test_the_loss_is_rllibs() -> None:
    """Own minibatch loss and the stock learner's give the same number and the same gradient."""
    rng = np.random.default_rng(5)
    logits = torch.from_numpy(rng.standard_normal((64, 6)).astype(np.float32)).requires_grad_()
    old = torch.from_numpy(rng.standard_normal((64, 6)).astype(np.float32))
    value = torch.from_numpy((3 * rng.standard_normal(64)).astype(np.float32)).requires_grad_()
    actions = torch.from_numpy(rng.integers(0, 6, 64))
    batch = {
        Columns.ACTIONS: actions,
        Columns.ACTION_LOGP: torch.log_softmax(old, -1).gather(1, actions[:, None]).squeeze(1),
        Columns.ACTION_DIST_INPUTS: old,
        "advantages": torch.from_numpy(rng.standard_normal(64).astype(np.float32)),
        "value_targets": torch.from_numpy(rng.standard_normal(64).astype(np.float32)),
    }
    config = PPOConfig().training(
        clip_param=0.2, vf_loss_coeff=0.5, vf_clip_param=4.0, entropy_coeff=0.01, use_kl_loss=False
    )
    ours, _ = ppo_loss(logits, value, batch, config)
    our_gradient = torch.autograd.grad(ours, (logits, value))

    from ray.rllib.core.distribution.torch.torch_distribution import TorchCategorical

    module = SimpleNamespace(
        get_train_action_dist_cls=lambda: TorchCategorical,
        get_exploration_action_dist_cls=lambda: TorchCategorical,
        compute_values=lambda batch, embeddings: value,
    )
    schedule = SimpleNamespace(get_current_value=lambda: 0.01)
    learner = SimpleNamespace(
        module={"default_policy": SimpleNamespace(unwrapped=lambda: module)},
        entropy_coeff_schedulers_per_module={"default_policy": schedule},
        metrics=MetricsLogger(root=False),
    )
    stock = PPOTorchLearner.compute_loss_for_module(
        learner, module_id="default_policy", config=config, batch=batch, fwd_out={Columns.ACTION_DIST_INPUTS: logits}
    )
    stock_gradient = torch.autograd.grad(stock, (logits, value))
    assert torch.allclose(ours, stock, atol=1e-6)
    assert all(torch.allclose(a, b, atol=1e-7) for a, b in zip(our_gradient, stock_gradient, strict=True))


def test_it_learns_when_to_be_in_the_market() -> None:
    """Known order: untrained loses to costs, trained earns more than half of what a clairvoyant threshold earns."""
    spec = toy_spec(seed=2, total=80_000, train_batch_size=2048, minibatch_size=512)
    with Trainer(spec) as trainer:
        before = ToyValidation().score(Ensemble([PolicyNet(spec.network, spec.normaliser, 2)])).daily_mean_quote
        while not trainer.finished:
            trainer.step()
        after = ToyValidation().score(Ensemble([trainer.net()])).daily_mean_quote
    assert before < 0.05
    assert after > 0.25


def test_a_seed_determines_the_training() -> None:
    """Without remote runners two trainings of one seed agree in every bit; another seed does not."""

    def trained(seed: int) -> np.ndarray:
        algorithm = build_algorithm(toy_spec(seed))
        try:
            for _ in range(3):
                algorithm.train()
            return weights(learner_state(algorithm))
        finally:
            algorithm.stop()

    first = trained(1)
    np.random.default_rng().random()
    torch.rand(3)
    assert first.tobytes() == trained(1).tobytes()
    assert first.tobytes() != trained(2).tobytes()


def test_learning_rate_falls_linearly_to_zero() -> None:
    """The rate of a batch is lr (1 - steps learnt from / total)."""
    spec = toy_spec(total=5000)
    with Trainer(spec) as trainer:
        while not trainer.finished:
            trainer.step()
        steps = [0, *(point.env_steps for point in trainer.curve)]
    for point, before in zip(trainer.curve, steps, strict=False):
        assert point.learning_rate == pytest.approx(1e-3 * (1 - before / 5000))


def test_a_reward_that_is_not_finite_stops_the_training() -> None:
    """NaN never reaches the weights: the fault names itself and says what to do."""
    with Trainer(toy_spec(fault="nan")) as trainer:
        with pytest.raises(TrainingError, match="not finite"):
            trainer.step()
        assert all(torch.isfinite(value).all() for value in trainer.net().state_dict().values())


def test_a_restored_learner_continues_as_the_saved_one_would() -> None:
    """Weights, moments, counters and the shuffle survive: both learn the same from the same batch."""
    spec = toy_spec()
    original, restored = build_algorithm(spec), build_algorithm(spec)
    try:
        for _ in range(3):
            original.train()
        restore_learner(restored, copy.deepcopy(learner_state(original)))
        runner = restored.env_runner_group.local_env_runner
        assert all(
            np.array_equal(value.detach().numpy(), learner_state(original).parameters[name])
            for name, value in runner.module.net.named_parameters()
        )
        episodes = runner.sample()
        for algorithm in (original, restored):
            algorithm.learner_group.update(episodes=episodes, num_epochs=2, minibatch_size=256)
        first, second = learner_state(original), learner_state(restored)
        assert weights(first).tobytes() == weights(second).tobytes()
        assert (first.updates, first.env_steps) == (second.updates, second.env_steps) == (4, second.env_steps)
        before = weights(second)
        restored.train()
        assert weights(learner_state(restored)).tobytes() != before.tobytes()
        assert all(
            np.array_equal(value.detach().numpy(), learner_state(restored).parameters[name])
            for name, value in runner.module.net.named_parameters()
        )
    finally:
        original.stop()
        restored.stop()


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

import copy
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from ray.rllib.algorithms.ppo import PPOConfig
from ray.rllib.algorithms.ppo.torch.ppo_torch_learner import PPOTorchLearner
from ray.rllib.core.columns import Columns
from ray.rllib.core.distribution.torch.torch_distribution import TorchCategorical
from ray.rllib.utils.metrics.metrics_logger import MetricsLogger

from huracan.errors import TrainingError
from huracan.learn.algorithm import build_algorithm, learner_state, restore_learner
from huracan.learn.learner import LearnerState, ppo_loss
from huracan.learn.train import Trainer
from tests.learn.toy import toy_spec

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("local_ray")]


def weights(state: LearnerState) -> np.ndarray:
    """All parameters in one vector."""
    return np.concatenate([state.parameters[name].ravel() for name in sorted(state.parameters)])


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

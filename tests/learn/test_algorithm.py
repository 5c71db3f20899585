import numpy as np
import pytest
import torch

from huracan.learn.algorithm import build_algorithm, learner_state
from huracan.learn.learner import LearnerState
from huracan.learn.train import Trainer
from huracan.policy import Ensemble, PolicyNet
from tests.learn.toy import ToyValidation, toy_spec

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("local_ray")]


def weights(state: LearnerState) -> np.ndarray:
    """All parameters in one vector."""
    return np.concatenate([state.parameters[name].ravel() for name in sorted(state.parameters)])


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

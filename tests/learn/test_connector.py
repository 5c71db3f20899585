import numpy as np

from huracan.learn.columns import generalised_advantage
from huracan.learn.connector import RolloutsToBatch
from tests.learn.test_columns import random_rollout


def test_the_batch_holds_the_valid_rows_of_all_runners_in_order() -> None:
    """Nothing is lost, nothing of a reset row gets in, advantages are standardised over all runners together."""
    rollouts = [random_rollout(1), random_rollout(2, steps=20, slots=3)]
    connector = RolloutsToBatch(gamma=0.99, lambda_=0.95)
    batch = connector(episodes=rollouts)["default_policy"]
    expected = np.concatenate([rollout.states[:-1][rollout.valid] for rollout in rollouts])
    assert np.array_equal(batch["obs"].numpy(), expected)
    assert len(batch["actions"]) == sum(map(len, rollouts))
    raw = np.concatenate([generalised_advantage(r, 0.99, 0.95)[0][r.valid] for r in rollouts])
    assert np.allclose(batch["advantages"].numpy(), (raw - raw.mean()) / raw.std(), atol=1e-5)

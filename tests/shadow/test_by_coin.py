"""Per-coin policies in one call."""

import numpy as np
import pytest

from huracan.errors import InvariantError
from huracan.policy import Ensemble, NetworkSpec, Normaliser, PolicyNet
from huracan.shadow.by_coin import ByCoin
from huracan.shadow.stretches import Stretch


def test_each_lane_is_decided_by_the_policy_of_its_coin() -> None:
    """Lanes of coins 1, 0, 1: rows come back in their places, equal to asking each policy alone."""
    policies = [Ensemble([PolicyNet(NetworkSpec((16,), "tanh"), Normaliser.identity(), seed)]) for seed in (1, 2)]
    for policy in policies:
        policy.nets[0].policy_head.weight.data *= 100.0
    together = ByCoin(policies, [Stretch(1, 0, 9), Stretch(0, 0, 9), Stretch(1, 20, 30)])
    states = np.random.default_rng(4).standard_normal((3, 80)).astype(np.float32)
    states[:, 70:80] = 0.0
    found = together.decide(states)
    for row, coin in enumerate((1, 0, 1)):
        alone = policies[coin].decide(states[row : row + 1])
        for name in ("action", "log_prob", "probs", "value", "confidence"):
            assert np.array_equal(getattr(found, name)[row : row + 1], getattr(alone, name))
    assert np.array_equal(together.act(states), found.action)
    with pytest.raises(InvariantError, match="3 lanes, not 2"):
        together.act(states[:2])

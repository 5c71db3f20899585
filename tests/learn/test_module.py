import gymnasium as gym
import numpy as np
import torch

from huracan.learn.module import PolicyModule
from huracan.policy import NetworkSpec, PolicyNet, specimen_states
from tests.policy.recipes import random_normaliser


def test_rllibs_module_is_the_policy_network() -> None:
    """Every forward of RLlib and the value give what `PolicyNet` gives, bit for bit."""
    spec, normaliser = NetworkSpec((16,)), random_normaliser(1)
    module = PolicyModule(
        observation_space=gym.spaces.Box(-np.inf, np.inf, (80,), np.float32),
        action_space=gym.spaces.Discrete(6),
        model_config={"network": spec, "normaliser": normaliser, "seed": 4},
    )
    batch = {"obs": torch.from_numpy(specimen_states(20, 2))}
    logits, value = PolicyNet(spec, normaliser, 4)(batch["obs"])
    for forward in (module.forward_train, module.forward_exploration, module.forward_inference):
        assert torch.equal(forward(batch)["action_dist_inputs"], logits)
    assert torch.equal(module.compute_values(batch), value)

"""RLlib's view of the network: `PolicyNet` behind the RLModule interface, nothing of its own."""

from typing import Any

import torch
from ray.rllib.core.columns import Columns
from ray.rllib.core.rl_module.apis.value_function_api import ValueFunctionAPI
from ray.rllib.core.rl_module.torch.torch_rl_module import TorchRLModule

from huracan.policy import PolicyNet

__all__ = ["PolicyModule"]


class PolicyModule(TorchRLModule, ValueFunctionAPI):
    """An RLModule whose logits are masked by the state itself, in sampling and in the loss alike.

    `model_config` holds `network` (NetworkSpec), `normaliser` (Normaliser) and `seed` (int).
    """

    net: PolicyNet

    def setup(self) -> None:
        """Build the network; its initial weights depend on the seed alone."""
        config = self.model_config
        self.net = PolicyNet(config["network"], config["normaliser"], config["seed"])

    def _forward(self, batch: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
        logits, _ = self.net(batch[Columns.OBS])
        return {Columns.ACTION_DIST_INPUTS: logits}

    def compute_values(self, batch: dict[str, Any], embeddings: Any = None) -> torch.Tensor:
        """Return float32[B], the value of `batch`'s states."""
        return self.net(batch[Columns.OBS])[1]

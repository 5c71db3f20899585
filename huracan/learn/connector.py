"""The one learner connector: rollouts in, one flat batch with standardised advantages out."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from ray.rllib.connectors.connector_v2 import ConnectorV2
from ray.rllib.core import DEFAULT_MODULE_ID
from ray.rllib.core.columns import Columns
from ray.rllib.evaluation.postprocessing import Postprocessing

from huracan.learn.columns import Rollout, generalised_advantage, standardised

__all__ = ["RolloutsToBatch"]


class RolloutsToBatch(ConnectorV2):
    """Computes advantages by slot, drops reset rows, concatenates the runners and standardises over valid rows.

    Args:
        input_observation_space: RLlib's, not used.
        input_action_space: RLlib's, not used.
        gamma: discount per environment step.
        lambda_: GAE's decay.
    """

    def __init__(
        self, input_observation_space: Any = None, input_action_space: Any = None, *, gamma: float, lambda_: float
    ) -> None:
        super().__init__(input_observation_space, input_action_space)
        self.gamma = gamma
        self.lambda_ = lambda_

    def __call__(self, *, episodes: Sequence[Rollout], **kwargs: Any) -> dict[str, dict[str, torch.Tensor]]:
        """Return the batch: observations, actions, log-probabilities, predictions, advantages and value targets."""
        parts: dict[str, list[Any]] = {}
        for rollout in episodes:
            advantages, targets = generalised_advantage(rollout, self.gamma, self.lambda_)
            rows = np.flatnonzero(rollout.valid.ravel())
            states = rollout.states[:-1]
            for name, column in (
                (Columns.OBS, states.reshape(-1, states.shape[-1])),
                (Columns.ACTIONS, rollout.actions.ravel()),
                (Columns.ACTION_LOGP, rollout.log_probs.ravel()),
                (Columns.VF_PREDS, rollout.values[:-1].ravel()),
                (Postprocessing.ADVANTAGES, advantages.ravel()),
                (Postprocessing.VALUE_TARGETS, targets.ravel()),
            ):
                parts.setdefault(name, []).append(column[rows])
        batch = {name: np.concatenate(columns) for name, columns in parts.items()}
        batch[Postprocessing.ADVANTAGES] = standardised(batch[Postprocessing.ADVANTAGES])
        return {DEFAULT_MODULE_ID: {name: torch.from_numpy(column) for name, column in batch.items()}}

"""RLlib's PPO learner with its own minibatch loop: the same loss, without per-minibatch bookkeeping.

The normaliser and the mask of a batch are computed once, not once per epoch; minibatches are slices of one shuffled
index; the optimiser is fused. Everything around the loop (weights, state, metrics) stays RLlib's.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from ray.rllib.algorithms.ppo.torch.ppo_torch_learner import PPOTorchLearner
from ray.rllib.core import ALL_MODULES, DEFAULT_MODULE_ID
from ray.rllib.core.columns import Columns
from ray.rllib.core.learner.training_data import TrainingData
from ray.rllib.evaluation.postprocessing import Postprocessing
from ray.rllib.utils.metrics import NUM_ENV_STEPS_TRAINED, NUM_ENV_STEPS_TRAINED_LIFETIME, WEIGHTS_SEQ_NO
from torch.nn.utils import clip_grad_norm_

from huracan.errors import TrainingError
from huracan.policy import PolicyNet, legal_mask

__all__ = ["LearnerState", "MinibatchLearner", "ppo_loss"]

STAT_NAMES = ("policy_loss", "vf_loss", "entropy", "kl", "clip_frac")


@dataclass(frozen=True, slots=True, eq=False)
class LearnerState:
    """Everything a resumed training needs from its learner, as plain arrays and numbers.

    Attributes:
        parameters: network parameters by name, float32.
        moments: AdamW's state by `<parameter>.<exp_avg|exp_avg_sq|step>`, empty before the first update.
        updates: batches learnt from.
        env_steps: environment steps learnt from; drives the learning rate.
        shuffle_state: state of the generator that shuffles minibatches, uint8.
    """

    parameters: Mapping[str, np.ndarray]
    moments: Mapping[str, np.ndarray]
    updates: int
    env_steps: int
    shuffle_state: np.ndarray


def ppo_loss(
    logits: torch.Tensor, value: torch.Tensor, batch: Mapping[str, torch.Tensor], config: Any
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return (loss, statistics float32[5] in the order of STAT_NAMES) of one minibatch.

    loss = mean(-min(A rho, A clip(rho, 1 -+ eps)) + c_v min((V - target)^2, vf_clip) - c_e H), rho the ratio of new to
    old probability (Schulman et al. 2017, eq. 9; value clipping as RLlib defines it). `kl` is the estimator
    mean(rho - 1 - ln rho).
    """
    log_probs = torch.log_softmax(logits, dim=-1)
    log_ratio = log_probs.gather(1, batch[Columns.ACTIONS][:, None]).squeeze(1) - batch[Columns.ACTION_LOGP]
    ratio = log_ratio.exp()
    advantage = batch[Postprocessing.ADVANTAGES]
    clipped = ratio.clamp(1 - config.clip_param, 1 + config.clip_param)
    policy_loss = -torch.minimum(advantage * ratio, advantage * clipped).mean()
    value_loss = (value - batch[Postprocessing.VALUE_TARGETS]).square().clamp(max=config.vf_clip_param).mean()
    entropy = -(log_probs.exp() * log_probs).sum(dim=-1).mean()
    loss = policy_loss + config.vf_loss_coeff * value_loss - config.entropy_coeff * entropy
    with torch.no_grad():
        kl = (ratio - 1 - log_ratio).mean()
        clip_frac = (clipped != ratio).float().mean()
        statistics = torch.stack([policy_loss, value_loss, entropy, kl, clip_frac])
    return loss, statistics


class MinibatchLearner(PPOTorchLearner):
    """One local or remote learner (`num_learners` 0 or 1).

    `learner_config_dict` holds `total_env_steps` (the learning rate falls linearly to 0 there), `weight_decay` and
    `shuffle_seed`.
    """

    def build(self) -> None:
        """Build module, optimiser and connector, and the generator that shuffles minibatches."""
        torch.set_num_threads(1)
        self._env_steps = 0
        settings = self.config.learner_config_dict
        self._total_env_steps = int(settings["total_env_steps"])
        self._shuffle = torch.Generator().manual_seed(int(settings["shuffle_seed"]))
        super().build()

    def configure_optimizers_for_module(self, module_id: str, config: Any = None) -> None:
        """Register one fused AdamW over all parameters; the learning rate is set before every batch."""
        parameters = list(self.module[module_id].parameters())
        decay = float(self.config.learner_config_dict["weight_decay"])
        self._adam = torch.optim.AdamW(parameters, lr=float(self.config.lr), weight_decay=decay, eps=1e-7, fused=True)
        self.register_optimizer(module_id=module_id, optimizer=self._adam, params=parameters)

    @property
    def net(self) -> PolicyNet:
        """Return the network being trained."""
        return self.module[DEFAULT_MODULE_ID].unwrapped().net

    def update(
        self,
        *,
        training_data: TrainingData,
        timesteps: dict[str, Any] | None = None,
        num_epochs: int = 1,
        minibatch_size: int | None = None,
        **kwargs: Any,
    ) -> Any:
        """Learn from one batch of rollouts and return RLlib's metrics.

        Raises:
            TrainingError: loss or gradient is not finite; the weights of the last finite step are kept.
        """
        self._check_is_built()
        training_data.validate()
        training_data.solve_refs()
        self._weights_seq_no += 1
        batch = self._learner_connector(
            rl_module=self.module, batch={}, episodes=training_data.episodes, shared_data={}, metrics=self.metrics
        )[DEFAULT_MODULE_ID]
        rate = float(self.config.lr) * max(0.0, 1 - self._env_steps / self._total_env_steps)
        for group in self._adam.param_groups:
            group["lr"] = rate
        statistics = self._minibatches(batch, num_epochs, minibatch_size or len(batch[Columns.ACTIONS]))
        rows = len(batch[Columns.ACTIONS])
        self._env_steps += rows
        self._log(batch, statistics, rows, rate)
        return self.metrics.reduce()

    def _minibatches(self, batch: dict[str, torch.Tensor], epochs: int, minibatch_size: int) -> torch.Tensor:
        """Step through `epochs` shuffles of the batch; return the last epoch's mean statistics."""
        net = self.net
        with torch.no_grad():
            inputs = net.normalise(batch[Columns.OBS])
            legal = legal_mask(batch[Columns.OBS])
        columns = {name: column for name, column in batch.items() if name != Columns.OBS}
        parts = max(1, round(len(inputs) / minibatch_size))
        parameters = list(net.parameters())
        total = torch.zeros(len(STAT_NAMES))
        for epoch in range(epochs):
            total.zero_()
            for rows in torch.randperm(len(inputs), generator=self._shuffle).tensor_split(parts):
                logits, value = net.heads(inputs[rows], legal[rows])
                loss, statistics = ppo_loss(
                    logits, value, {name: column[rows] for name, column in columns.items()}, self.config
                )
                self._adam.zero_grad(set_to_none=True)
                torch.autograd.backward(loss)
                norm = clip_grad_norm_(parameters, self.config.grad_clip)
                if not math.isfinite(loss.item() + norm.item()):
                    raise TrainingError(
                        f"loss {loss.item():g} or gradient norm {norm.item():g} is not finite after {self._env_steps} "
                        f"environment steps (epoch {epoch}); check the data for extreme values or lower ppo.lr"
                    )
                self._adam.step()
                total += statistics
        return total / parts

    def _log(self, batch: dict[str, torch.Tensor], statistics: torch.Tensor, rows: int, rate: float) -> None:
        targets = batch[Postprocessing.VALUE_TARGETS]
        unexplained = (targets - batch[Columns.VF_PREDS]).var() / targets.var().clamp(min=1e-12)
        logged = dict(zip(STAT_NAMES, statistics.tolist(), strict=True))
        logged |= {"vf_explained_var": 1 - unexplained.item(), "learning_rate": rate}
        self.metrics.log_dict(logged, key=DEFAULT_MODULE_ID, window=1)
        self.metrics.log_value((DEFAULT_MODULE_ID, WEIGHTS_SEQ_NO), self._weights_seq_no, window=1)
        self.metrics.log_value((ALL_MODULES, NUM_ENV_STEPS_TRAINED), rows, reduce="sum")
        self.metrics.log_value((ALL_MODULES, NUM_ENV_STEPS_TRAINED_LIFETIME), rows, reduce="lifetime_sum")

    def export_state(self) -> LearnerState:
        """Return a copy of everything a resumed training needs."""
        moments = {}
        for name, parameter in self.net.named_parameters():
            for key, value in self._adam.state.get(parameter, {}).items():
                moments[f"{name}.{key}"] = value.numpy().copy()
        parameters = {name: value.detach().numpy().copy() for name, value in self.net.named_parameters()}
        return LearnerState(
            parameters, moments, self._weights_seq_no, self._env_steps, self._shuffle.get_state().numpy().copy()
        )

    def set_parameters(self, parameters: Mapping[str, npt.NDArray[Any]]) -> None:
        """Put other weights in place of all of the network's; meant for a freshly built learner."""
        with torch.no_grad():
            for name, parameter in self.net.named_parameters():
                parameter.copy_(torch.from_numpy(np.array(parameters[name])))

    def import_state(self, state: LearnerState) -> None:
        """Continue from `state`; meant for a freshly built learner."""
        self.set_parameters(state.parameters)
        with torch.no_grad():
            for name, parameter in self.net.named_parameters():
                if state.moments:
                    self._adam.state[parameter] = {
                        key: torch.from_numpy(np.array(state.moments[f"{name}.{key}"]))
                        for key in ("step", "exp_avg", "exp_avg_sq")
                    }
        self._weights_seq_no = state.updates
        self._env_steps = state.env_steps
        self._shuffle.set_state(torch.from_numpy(np.array(state.shuffle_state)))

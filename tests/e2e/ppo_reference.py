"""Proximal policy optimisation in plain torch, one file, read top to bottom: the cross-check of the real learner.

Same algorithm as `huracan.learn` (masked categorical policy, clipped surrogate, GAE, NEXT_STEP autoreset) and none of
its code, so that a learning test that passes with one and fails with the other tells where the fault is. The bench
runs it as the plain torch loop.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

STATE_SIZE = 80
NUM_ACTIONS = 6
Mask = Callable[[NDArray[np.float32]], NDArray[np.bool_]]


@dataclass(frozen=True, slots=True)
class Config:
    """PPO settings; names are RLlib's."""

    env_steps: int = 1_000_000
    num_envs: int = 64
    rollout_steps: int = 128  # per slot and batch
    num_epochs: int = 4
    minibatch_size: int = 2_048
    hidden: tuple[int, ...] = (64, 64)
    lr: float = 1e-3  # falls linearly to zero
    gamma: float = 0.99
    lambda_: float = 0.95
    clip_param: float = 0.2
    vf_loss_coeff: float = 0.5
    entropy_coeff: float = 0.003
    grad_clip: float = 0.5
    weight_decay: float = 0.0


class Net(nn.Module):
    """80 -> hidden (tanh) -> six logits and a value, inputs scaled by a fixed center and scale."""

    def __init__(self, hidden: tuple[int, ...], center: NDArray[np.float32], scale: NDArray[np.float32]) -> None:
        super().__init__()
        self.register_buffer("center", torch.as_tensor(center))
        self.register_buffer("scale", torch.as_tensor(scale))
        sizes = (STATE_SIZE, *hidden)
        self.trunk = nn.Sequential()
        for fan_in, fan_out in pairwise(sizes):
            self.trunk.extend([_orthogonal(fan_in, fan_out, 2**0.5), nn.Tanh()])
        self.policy = _orthogonal(hidden[-1], NUM_ACTIONS, 0.01)
        self.value = _orthogonal(hidden[-1], 1, 1.0)

    def forward(self, obs: torch.Tensor, legal: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return log-probabilities float32[N, 6] (illegal: about -1e9) and values float32[N]."""
        hidden = self.trunk(((obs - self.center) / self.scale).clamp(-10.0, 10.0))
        logits = torch.where(legal, self.policy(hidden), torch.tensor(-1e9))
        return torch.log_softmax(logits, -1), self.value(hidden)[..., 0]


def _orthogonal(fan_in: int, fan_out: int, gain: float) -> nn.Linear:
    layer = nn.Linear(fan_in, fan_out)
    nn.init.orthogonal_(layer.weight, gain)
    nn.init.zeros_(layer.bias)
    return layer


def advantages(
    reward: torch.Tensor,
    value: torch.Tensor,
    terminated: torch.Tensor,
    truncated: torch.Tensor,
    gamma: float,
    lambda_: float,
) -> torch.Tensor:
    """Return GAE, float32[T, N], of rewards [T, N] and values [T + 1, N]; a cut episode bootstraps, an ended one not.

    With NEXT_STEP autoreset `value[t + 1]` after an end is the final observation's; the reset row itself is masked out
    by the caller and never reached by the recursion, which stops at every end.
    """
    out = torch.zeros_like(reward)
    running = torch.zeros_like(reward[0])
    for t in reversed(range(len(reward))):
        alive = 1.0 - terminated[t]
        delta = reward[t] + gamma * alive * value[t + 1] - value[t]
        running = delta + gamma * lambda_ * alive * (1.0 - truncated[t]) * running
        out[t] = running
    return out


def train(
    env: Any,
    mask: Mask,
    config: Config,
    seed: int,
    center: NDArray[np.float32] | None = None,
    scale: NDArray[np.float32] | None = None,
) -> tuple[Net, list[float]]:
    """Train on a Gymnasium vector environment and return the network with its mean reward per step of each batch."""
    torch.manual_seed(seed)
    net = Net(
        config.hidden,
        np.zeros(STATE_SIZE, np.float32) if center is None else center,
        np.ones(STATE_SIZE, np.float32) if scale is None else scale,
    )
    optimiser = torch.optim.AdamW(net.parameters(), lr=config.lr, eps=1e-5, weight_decay=config.weight_decay)
    steps, slots = config.rollout_steps, config.num_envs
    batches = max(config.env_steps // (steps * slots), 1)
    obs = torch.zeros(steps + 1, slots, STATE_SIZE)
    legal = torch.zeros(steps + 1, slots, NUM_ACTIONS, dtype=torch.bool)
    action = torch.zeros(steps, slots, dtype=torch.int64)
    log_prob, reward, terminated, truncated = (torch.zeros(steps, slots) for _ in range(4))
    valid = torch.zeros(steps, slots, dtype=torch.bool)
    first, _ = env.reset(seed=seed)
    obs[0] = torch.from_numpy(first)
    ended = np.zeros(slots, np.bool_)
    curve: list[float] = []
    for batch in range(batches):
        for group in optimiser.param_groups:
            group["lr"] = config.lr * (1.0 - batch / batches)
        with torch.no_grad():
            for t in range(steps):
                valid[t] = torch.from_numpy(~ended)
                legal[t] = torch.from_numpy(mask(obs[t].numpy()))
                logp, _ = net(obs[t], legal[t])
                action[t] = (logp - torch.empty_like(logp).exponential_().log()).argmax(-1)  # Gumbel: one draw of p
                log_prob[t] = logp.gather(-1, action[t, :, None])[:, 0]
                now, gain, term, trunc, _ = env.step(action[t].numpy())
                obs[t + 1], reward[t] = torch.from_numpy(now), torch.from_numpy(gain)
                terminated[t], truncated[t] = torch.from_numpy(term), torch.from_numpy(trunc)
                ended = term | trunc
            legal[steps] = torch.from_numpy(mask(obs[steps].numpy()))
            _, value = net(obs, legal)
            gae = advantages(reward, value, terminated, truncated, config.gamma, config.lambda_)
        curve.append(float(reward[valid].mean()))
        rows = valid.flatten().nonzero()[:, 0]
        columns = (obs[:-1], legal[:-1], action, log_prob, gae, gae + value[:-1])
        data = [column.flatten(0, 1)[rows] for column in columns]
        _update(net, optimiser, data, config)
        obs[0] = obs[steps]
    return net, curve


def _update(net: Net, optimiser: torch.optim.Optimizer, data: list[torch.Tensor], config: Config) -> None:
    """Run the epochs of one batch."""
    obs, legal, action, old_log_prob, gae, target = data
    gae = (gae - gae.mean()) / (gae.std() + 1e-8)
    for _ in range(config.num_epochs):
        for rows in torch.randperm(len(obs)).split(config.minibatch_size):
            logp, value = net(obs[rows], legal[rows])
            ratio = (logp.gather(-1, action[rows, None])[:, 0] - old_log_prob[rows]).exp()
            clipped = ratio.clamp(1.0 - config.clip_param, 1.0 + config.clip_param)
            surrogate = torch.minimum(ratio * gae[rows], clipped * gae[rows]).mean()
            entropy = -(logp.exp() * logp.clamp(min=-50.0)).sum(-1).mean()
            loss = -surrogate + config.vf_loss_coeff * 0.5 * (value - target[rows]).square().mean()
            loss = loss - config.entropy_coeff * entropy
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), config.grad_clip)
            optimiser.step()


class Greedy:
    """The learned policy as it is served: most probable legal action, lowest index on ties."""

    def __init__(self, net: Net, mask: Mask) -> None:
        self._net = net
        self._mask = mask

    def act(self, states: NDArray[np.float32]) -> NDArray[np.int64]:
        """Return int64[N] for raw states float32[N, 80]."""
        with torch.no_grad():
            logp, _ = self._net(torch.from_numpy(states), torch.from_numpy(self._mask(states)))
        return logp.argmax(-1).numpy()

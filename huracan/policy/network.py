"""The network: raw state -> frozen normaliser -> shared trunk -> six masked logits and a value.

Normaliser and mask are part of the module, so that learner, shadow and serving cannot differ in either.
"""

import math
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from huracan.errors import InvariantError
from huracan.features.layout import (
    S_DATA_AGE,
    S_DAY_PNL,
    S_DRAWDOWN,
    S_GROSS,
    S_HEAT,
    S_IS_LONG,
    S_IS_SHORT,
    S_ORDER_AGE,
    S_SIZE_FRAC,
    STATE_SIZE,
)
from huracan.policy.rows import ILLEGAL_LOGIT, NUM_ACTIONS

__all__ = [
    "ILLEGAL_LOGIT",
    "MASK_ENTRIES",
    "NUM_ACTIONS",
    "Activation",
    "NetworkSpec",
    "Normaliser",
    "PolicyNet",
    "Tanh",
    "legal_mask",
    "use_one_thread",
]

MASK_ENTRIES: Final = (
    S_IS_LONG,
    S_IS_SHORT,
    S_ORDER_AGE,
    S_SIZE_FRAC,
    S_HEAT,
    S_DRAWDOWN,
    S_DAY_PNL,
    S_GROSS,
    S_DATA_AGE,
)
"""State entries that carry the mask or limits: never scaled, clipped or withheld."""

Activation = Literal["tanh", "gelu", "relu"]


class _VectorTanh(torch.autograd.Function):
    """tanh by numpy's vector loop, a quarter of torch's time on one core; the derivative is 1 - y^2."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        """Return tanh of a CPU tensor."""
        y = torch.empty_like(x)
        np.tanh(x.detach().numpy(), out=y.numpy())
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> torch.Tensor:
        """Return the gradient with respect to x."""
        (y,) = ctx.saved_tensors
        return torch.ops.aten.tanh_backward(grads[0], y)


class Tanh(nn.Module):
    """tanh; on the CPU the same vector loop that decisions use."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return tanh(x), of any shape."""
        if x.device.type != "cpu":
            return torch.tanh(x)
        y: torch.Tensor = _VectorTanh.apply(x)  # type: ignore[no-untyped-call]
        return y


_ACTIVATIONS: dict[str, type[nn.Module]] = {"tanh": Tanh, "gelu": nn.GELU, "relu": nn.ReLU}
_BUSY_ENTRIES = torch.tensor([S_IS_LONG, S_ORDER_AGE])
_LIMIT_ENTRIES = torch.tensor([S_HEAT, S_DRAWDOWN, S_DAY_PNL, S_GROSS, S_DATA_AGE])
_BELOW_ONE = float(np.nextafter(np.float32(1), np.float32(0)))
_LIMIT_LOW = torch.tensor([-math.inf, -math.inf, -_BELOW_ONE, -math.inf, 0.0])
_LIMIT_HIGH = torch.tensor([_BELOW_ONE, _BELOW_ONE, math.inf, _BELOW_ONE, 0.0])
_LEGAL_BY_CASE = torch.tensor(
    [
        [True, False, False, False, False, False],  # flat, a limit binds or the bar is missing
        [True, True, True, True, False, False],  # flat and free to enter
        [False, False, False, False, True, True],  # holding, or an order at work
    ]
)


@dataclass(frozen=True, slots=True)
class NetworkSpec:
    """Shape of the network.

    Attributes:
        hidden: widths of the shared trunk, at least one.
        activation: after every trunk layer.
    """

    hidden: tuple[int, ...] = (256, 256)
    activation: Activation = "tanh"

    def __post_init__(self) -> None:
        if not self.hidden or any(width <= 0 for width in self.hidden):
            raise InvariantError(f"network widths must be positive and at least one, got {self.hidden}")
        if self.activation not in _ACTIVATIONS:
            raise InvariantError(f"unknown activation {self.activation!r}; one of {', '.join(_ACTIVATIONS)}")


@dataclass(frozen=True, slots=True, eq=False)
class Normaliser:
    """Frozen per-entry scaling, z = clip((x - center) / scale, -clip, clip), and which inputs training had.

    Attributes:
        center: float32[80].
        scale: float32[80], positive.
        clip: float32[80], positive, inf where an entry is not clipped.
        available: bool[80]; a False entry reaches the network as 0 whatever the state holds.
    """

    center: npt.NDArray[np.float32]
    scale: npt.NDArray[np.float32]
    clip: npt.NDArray[np.float32]
    available: npt.NDArray[np.bool_]

    def __post_init__(self) -> None:
        for name in ("center", "scale", "clip", "available"):
            if getattr(self, name).shape != (STATE_SIZE,):
                raise InvariantError(f"normaliser {name} has shape {getattr(self, name).shape}, not ({STATE_SIZE},)")
        if not np.isfinite(self.center).all() or not np.isfinite(self.scale).all() or (self.scale <= 0).any():
            raise InvariantError("normaliser needs finite centers and finite positive scales")
        if np.isnan(self.clip).any() or (self.clip <= 0).any():
            raise InvariantError("normaliser clips must be positive (inf: not clipped)")
        mask = list(MASK_ENTRIES)
        if (self.center[mask] != 0).any() or (self.scale[mask] != 1).any() or not self.available[mask].all():
            raise InvariantError(f"state entries {mask} carry the mask: they are neither scaled nor withheld")

    @classmethod
    def identity(cls) -> "Normaliser":
        """Return the normaliser that changes nothing."""
        zeros = np.zeros(STATE_SIZE, np.float32)
        return cls(zeros, zeros + 1, np.full(STATE_SIZE, np.inf, np.float32), np.ones(STATE_SIZE, np.bool_))


def use_one_thread() -> None:
    """Set this process's torch to one thread: sums, and with them bits, depend on the number of threads."""
    if torch.get_num_threads() != 1:
        torch.set_num_threads(1)


def legal_mask(states: torch.Tensor) -> torch.Tensor:
    """Return bool[..., 6], True where an action is legal: the torch twin of `huracan.trading.legal_actions`.

    Busy (holding, or an order at work) allows EXIT and HOLD; otherwise DO_NOTHING, and the entries iff heat, drawdown
    and gross exposure are below 1, the day's result is above -1 and the data age is 0. Strict bounds are written as the
    next float32 inside them, so that five entries are compared in one operation; a NaN forbids entries.
    """
    busy = (states[..., _BUSY_ENTRIES] > 0).any(dim=-1)
    limits = states[..., _LIMIT_ENTRIES]
    may_enter = ((limits >= _LIMIT_LOW) & (limits <= _LIMIT_HIGH)).all(dim=-1)
    return _LEGAL_BY_CASE[torch.where(busy, 2, may_enter.long())]


class PolicyNet(nn.Module):
    """80 -> hidden -> (6 masked logits, value), one trunk for both heads.

    Orthogonal initialisation: gain sqrt(2) in the trunk, 0.01 for the logits (a start close to uniform), 1 for the
    value; biases 0.

    Args:
        spec: widths and activation.
        normaliser: frozen input scaling, kept as buffers.
        seed: of the initial weights, which depend on nothing else; the global generator is not touched.
    """

    center: torch.Tensor
    scale: torch.Tensor
    clip: torch.Tensor
    available: torch.Tensor

    def __init__(self, spec: NetworkSpec, normaliser: Normaliser, seed: int = 0) -> None:
        super().__init__()
        use_one_thread()
        self.spec = spec
        for name in ("center", "scale", "clip", "available"):
            self.register_buffer(name, torch.from_numpy(np.array(getattr(normaliser, name))), persistent=False)
        layers: list[nn.Module] = []
        width = STATE_SIZE
        for size in spec.hidden:
            layers += [nn.Linear(width, size), _ACTIVATIONS[spec.activation]()]
            width = size
        self.trunk = nn.Sequential(*layers)
        self.policy_head = nn.Linear(width, NUM_ACTIONS)
        self.value_head = nn.Linear(width, 1)
        self._initialise(seed)

    def _initialise(self, seed: int) -> None:
        generator = torch.Generator().manual_seed(seed)
        gains: list[tuple[nn.Module, float]] = [(layer, math.sqrt(2)) for layer in self.trunk]
        gains += [(self.policy_head, 0.01), (self.value_head, 1.0)]
        for layer, gain in gains:
            if isinstance(layer, nn.Linear):
                nn.init.orthogonal_(layer.weight, gain, generator=generator)
                nn.init.zeros_(layer.bias)

    def normalise(self, states: torch.Tensor) -> torch.Tensor:
        """Return float32[N, 80], scaled and clipped, entries that training lacked set to 0."""
        known = torch.where(self.available, states, 0.0)
        return torch.clamp((known - self.center) / self.scale, -self.clip, self.clip)

    @property
    def scaling(self) -> tuple[npt.NDArray[Any], ...]:
        """Return (center, scale, clip float32[80], available bool[80]) as arrays, what `normalise` applies."""
        return self.center.numpy(), self.scale.numpy(), self.clip.numpy(), self.available.numpy()

    @property
    def head_weights(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return (weight float32[7, H], bias float32[7]): the rows of the six logits, then the value's."""
        weight = torch.cat((self.policy_head.weight, self.value_head.weight))
        return weight, torch.cat((self.policy_head.bias, self.value_head.bias))

    def heads(self, normalised: torch.Tensor, legal: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return (masked logits float32[N, 6], value float32[N]) of states that went through `normalise`.

        Split from `forward` so that a learner normalises a batch once, not once per epoch.
        """
        weight, bias = self.head_weights
        outputs = nn.functional.linear(self.trunk(normalised), weight, bias)
        return torch.where(legal, outputs[:, :NUM_ACTIONS], ILLEGAL_LOGIT), outputs[:, NUM_ACTIONS]

    def forward(self, states: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return (masked logits float32[N, 6], value float32[N]) of raw states float32[N, 80]."""
        return self.heads(self.normalise(states), legal_mask(states))

"""The seed ensemble that is served: mean log-probability over the seeds of one recipe."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from huracan.errors import InvariantError
from huracan.policy.forward import Decision, decide
from huracan.policy.network import PolicyNet

__all__ = ["Ensemble"]


class Ensemble:
    """One or more networks deciding together; satisfies `Policy`.

    Args:
        nets: members, at least one; they are put into evaluation mode.

    Raises:
        InvariantError: no member.
    """

    def __init__(self, nets: Sequence[PolicyNet]) -> None:
        if not nets:
            raise InvariantError("an ensemble needs at least one network")
        self._nets = tuple(net.eval() for net in nets)

    @property
    def nets(self) -> tuple[PolicyNet, ...]:
        """Return the members."""
        return self._nets

    def decide(self, states: npt.NDArray[np.float32]) -> Decision:
        """Return action, probabilities, value and confidence for states float32[N, 80]."""
        return decide(self._nets, states)

    def act(self, states: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
        """Return the greedy legal actions int64[N] for states float32[N, 80]."""
        return self.decide(states).action

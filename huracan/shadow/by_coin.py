"""One policy per coin acting as one policy over all lanes: what a portfolio of per-coin policies decides."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from huracan.errors import InvariantError
from huracan.policy import Decision, Ensemble
from huracan.shadow.stretches import Stretch

__all__ = ["ByCoin"]


class ByCoin:
    """Lets each lane be decided by the policy of its coin.

    Args:
        policies: one per coin.
        lanes_of: the lanes, in the order of the rows of every call.
    """

    def __init__(self, policies: Sequence[Ensemble], lanes_of: Sequence[Stretch]) -> None:
        self._policies = tuple(policies)
        coin = np.array([stretch.coin for stretch in lanes_of])
        self._rows = [np.flatnonzero(coin == index) for index in range(len(policies))]
        self._count = coin.size

    def decide(self, states: npt.NDArray[np.float32]) -> Decision:
        """Return the decisions of all lanes; states are float32[lanes, 80].

        Raises:
            InvariantError: there are more or fewer rows than lanes.
        """
        if len(states) != self._count:
            raise InvariantError(f"made for {self._count} lanes, not {len(states)}")
        parts = [policy.decide(states[rows]) for policy, rows in zip(self._policies, self._rows, strict=True)]
        back = np.argsort(np.concatenate(self._rows), kind="stable")
        return Decision(
            action=np.concatenate([part.action for part in parts])[back],
            log_prob=np.concatenate([part.log_prob for part in parts])[back],
            probs=np.concatenate([part.probs for part in parts])[back],
            value=np.concatenate([part.value for part in parts])[back],
            confidence=np.concatenate([part.confidence for part in parts])[back],
        )

    def act(self, states: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
        """Return the actions of all lanes; states are float32[lanes, 80]."""
        return self.decide(states).action

"""What every decision maker looks like to shadow trading and serving: states in, actions out."""

from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

__all__ = ["Policy"]


@runtime_checkable
class Policy(Protocol):
    """Anything that decides: a trained ensemble, a baseline, a script in a test.

    `huracan.policy.check_policy` is the executable form of this contract.
    """

    def act(self, states: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
        """Return one legal action per state, without random numbers and without changing `states`.

        A row's action depends on that row alone, not on its neighbours, its place or the number of rows.

        Args:
            states: float32[N, 80], N >= 0, raw (not normalised), may be read-only.

        Returns:
            int64[N], codes of `huracan.trading.Action`.
        """
        ...

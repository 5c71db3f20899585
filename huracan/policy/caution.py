"""Lower confidence in entries whose pattern has had bad results: one pure rule for whoever decides.

In a pattern that is bad beyond chance an entry's confidence is multiplied by its win rate, drawn towards that of all
trades, over the rate of all trades: never above 1. Good and unclear patterns change nothing, and so does an empty
library. Actions stay as they are.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from huracan.errors import ArtefactError
from huracan.memory.patterns import StoredPattern
from huracan.patterns.clusters import Clusters
from huracan.patterns.embedding import Embedding
from huracan.trading import Action

__all__ = ["Caution"]


@dataclass(frozen=True, slots=True, eq=False)
class Caution:
    """What a library of patterns says about confidence; None of `clusters`: nothing.

    Attributes:
        clusters: which pattern is a state's?
        factors: float64[K], what confidence is multiplied by, 0 to 1.
    """

    clusters: Clusters | None
    factors: NDArray[np.float64]

    @classmethod
    def of(cls, patterns: Sequence[StoredPattern], embedding: Embedding, layout: int, asked_layout: int) -> Self:
        """Return the caution of a stored library.

        Args:
            patterns: by number; empty: neutral.
            embedding: from states to points, of the same library.
            layout: of the library's states.
            asked_layout: of the states it will be asked about.

        Raises:
            ArtefactError: they are of different feature layouts.
        """
        if not patterns:
            return cls(None, np.zeros(0))
        if layout != asked_layout:
            raise ArtefactError(
                f"pattern library of states of another feature layout ({layout}) than those decided on "
                f"({asked_layout}): windows, timeframe or formulas differ; find patterns in trades of this layout"
            )
        factors = [min(1.0, one.win_rate / one.base_rate) if _bad(one) else 1.0 for one in patterns]
        centres = np.array([one.centroid for one in patterns], np.float64)
        return cls(Clusters(embedding, centres, ()), np.array(factors))

    def lowered(
        self, states: NDArray[np.float32], action: NDArray[np.int64], confidence: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Return float32[N], the confidence after caution; what is no entry, or in no bad pattern, keeps its bits.

        Args:
            states: float32[N, >= 52], market entries first.
            action: int64[N].
            confidence: float32[N] in [0, 1].
        """
        enters = np.flatnonzero((action >= Action.ENTER_LONG_SMALL) & (action <= Action.ENTER_LONG_LARGE))
        if self.clusters is None or not enters.size:
            return confidence
        factor = self.factors[self.clusters.of(np.ascontiguousarray(states[enters]))]
        out = confidence.copy()
        lower = factor < 1.0
        out[enters[lower]] = (confidence[enters[lower]] * factor[lower]).astype(np.float32)
        return out


def _bad(pattern: StoredPattern) -> bool:
    return pattern.stage == "bad" and pattern.base_rate > 0.0

"""The supervised opponent: buys where the tree model of the training window expects more than all costs.

It is trained on the training window of a fold alone and trades the fold's test window through the same kernel. Where
its training window shows no entry that pays out of fold, or cannot be learnt from, it stays flat and says why.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from huracan.baselines.rules import choose_action
from huracan.errors import DataError
from huracan.trading import KernelSettings, Limits, Tape
from huracan.trees import LABELS_MAX, Labels, PathReport, TreeModel, cpcv_paths, fit_tree, label_entries

__all__ = ["LIGHTGBM", "Schooling", "TreePolicy", "paths_of_school", "school", "train_opponent"]

LIGHTGBM = "lightgbm"
"""Name in reports and in the trade memory."""
SEED = 1
PATH_LABELS_MAX = 6_000

States = npt.NDArray[np.float32]
Actions = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Schooling:
    """What an opponent is trained on: the labels of one training window.

    Attributes:
        labels: None when none could be made.
        fit: SHA-256 of the feature fit behind them.
        hold_bars: longest hold of the rules behind them.
        start_ms: first bar of the window, ms UTC.
        end_ms: its end, exclusive.
        reason: why there are no labels, else "".
    """

    labels: Labels | None
    fit: str
    hold_bars: int
    start_ms: int
    end_ms: int
    reason: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class TreePolicy:
    """Enters one stake where p - p* passes the threshold; leaves its exits to the kernel, as its labels do.

    Attributes:
        model: of the training window; None: it stays flat.
        reason: why there is no model, else "".
    """

    model: TreeModel | None
    reason: str = ""

    @classmethod
    def flat(cls, reason: str) -> Self:
        """Return the opponent that could not be trained."""
        return cls(None, reason)

    @property
    def never_enters(self) -> bool:
        """Return whether no state could make it buy."""
        return self.model is None or not np.isfinite(self.model.threshold)

    def act(self, states: States) -> Actions:
        """Return the legal action per row; states are float32[N, 80], finite."""
        nothing = np.zeros(len(states), np.bool_)
        if self.model is None or self.never_enters or not len(states):
            return choose_action(states, nothing, nothing)
        return choose_action(states, self.model.edge(states) > self.model.threshold, nothing)


def school(
    tapes: Sequence[Tape], kernel: KernelSettings, start_ms: int, end_ms: int, limits: Limits, fit: str
) -> Schooling:
    """Label a training window; what cannot be labelled is a reason, not an error.

    Args:
        tapes: coins with the features of the window's fit.
        kernel: the rules.
        start_ms: first bar of the window, ms UTC.
        end_ms: its end, exclusive: purge and embargo before the test are cut off already.
        limits: the account's.
        fit: SHA-256 of the feature fit.
    """
    try:
        labels = label_entries(tapes, kernel, start_ms, end_ms, limits, rows_max=LABELS_MAX)
    except DataError as error:
        return Schooling(None, fit, kernel.hold_bars, start_ms, end_ms, str(error))
    return Schooling(labels, fit, kernel.hold_bars, start_ms, end_ms)


def train_opponent(schooling: Schooling, seed: int = SEED) -> TreePolicy:
    """Return the opponent of a training window; one that cannot be trained stays flat."""
    if schooling.labels is None:
        return TreePolicy.flat(schooling.reason)
    try:
        trained = fit_tree(
            schooling.labels,
            fit=schooling.fit,
            hold_bars=schooling.hold_bars,
            start_ms=schooling.start_ms,
            end_ms=schooling.end_ms,
            seed=seed,
        )
    except DataError as error:
        return TreePolicy.flat(str(error))
    return TreePolicy(trained.model)


def paths_of_school(schooling: Schooling, seed: int = SEED) -> PathReport | None:
    """Return the CPCV paths through a training window; None when it is too small for them.

    Sixty forests are trained for them: of every coin each n-th label is taken, `PATH_LABELS_MAX` at most.
    """
    labels = schooling.labels
    if labels is None:
        return None
    every = max(1, -(-len(labels) // PATH_LABELS_MAX))
    try:
        return cpcv_paths(labels.every(every), schooling.start_ms, schooling.end_ms, seed)
    except DataError:
        return None

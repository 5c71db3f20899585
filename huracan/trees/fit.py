"""Training of the tree model on one window: purged held-out scores, calibration, threshold, and the final forest.

The window's labels are cut into folds in time. Each fold is scored by a forest trained on the others, purged and
embargoed; these held-out scores, and nothing else, make the calibration, the break-even and the threshold, and they are
what a policy sees as entry 61 in its training rows. The final forest is trained on all labels of the window and speaks
for whatever comes after it.
"""

import importlib.metadata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from huracan.errors import DataError
from huracan.trees.calibration import auc, brier, fit_platt
from huracan.trees.chain import choose_threshold
from huracan.trees.forest import Forest
from huracan.trees.labels import Labels, uniqueness
from huracan.trees.model import TreeFacts, TreeModel, check_market
from huracan.trees.splits import Spans, Split, check_split, purged_folds

__all__ = [
    "LABELS_MAX",
    "LABELS_MIN",
    "HeldOut",
    "TreeFit",
    "check_trainable",
    "fit_tree",
    "grow",
    "held_out",
    "spans_of",
    "train_forest",
]

LABELS_MAX: Final = 20_000
"""Decisions labelled at most in one window: overlapping labels say little that is new."""
LABELS_MIN: Final = 200
CLASS_MIN: Final = 20
"""Wins, and losses, that every training side of a fold must have."""
FOLDS: Final = 5
EMBARGO_FRAC: Final = 0.01
TREES: Final = 120
LEAVES: Final = 15
PARAMETERS: Final[Mapping[str, Any]] = {
    "objective": "binary",
    "learning_rate": 0.03,
    "feature_fraction": 0.5,
    "lambda_l2": 1.0,
    "max_bin": 63,
    "use_missing": False,
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 1,
    "verbosity": -1,
}
"""Fixed, never searched: a search would need a window of its own. One thread: several sum in no fixed order."""

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class HeldOut:
    """What forests say of rows that they were not trained on.

    Attributes:
        score: float64[n], log-odds, by label.
        forests: one for each fold.
        splits: the folds.
    """

    score: Floats
    forests: tuple[Forest, ...]
    splits: tuple[Split, ...]


@dataclass(frozen=True, slots=True, eq=False)
class TreeFit:
    """A tree model with what its window was told.

    Attributes:
        model: speaks for what comes after the window.
        labels: it was trained on.
        held_out: scores of the labels by forests that did not see them.
        edges_ms: int64[F - 1], closes at which the folds meet: fold f speaks for a row of the window from `edges_ms`.
    """

    model: TreeModel
    labels: Labels
    held_out: HeldOut
    edges_ms: Ints

    def history(self, market: NDArray[np.float32], close_ms: Ints) -> NDArray[np.float32]:
        """Return float32[n], entry 61 of decision rows of any coin: inside the window out of fold, else by the model.

        Rows before the window are unknown to every forest of it; the first fold's, which never saw that side, speaks.

        Args:
            market: float32[n, >= 52].
            close_ms: int64[n], closes of the decisions' bars.
        """
        edge = self.model.edge(market)
        inside = close_ms <= self.model.facts.train_end_ms
        fold = np.searchsorted(self.edges_ms, close_ms, side="right")
        for number, forest in enumerate(self.held_out.forests):
            rows = np.flatnonzero(inside & (fold == number))
            if rows.size:
                edge[rows] = self.model.edge_of(self.model.platt.probability(forest.score(market[rows])))
        return edge


def fit_tree(
    labels: Labels, *, fit: str, hold_bars: int, start_ms: int, end_ms: int, seed: int, folds: int = FOLDS
) -> TreeFit:
    """Train on the labels of one window.

    Args:
        labels: of the window; none may reach past its end.
        fit: SHA-256 of the feature fit behind the labels' market entries.
        hold_bars: longest hold of the rules behind the labels.
        start_ms: first bar of the window, ms UTC.
        end_ms: its end, exclusive.
        seed: of LightGBM.
        folds: held-out folds.

    Raises:
        DataError: there are too few labels, or wins, or losses; features are not finite; a label reaches past the end.
    """
    check_trainable(labels, end_ms)
    weight = uniqueness(labels)
    embargo_ms = round(EMBARGO_FRAC * (end_ms - start_ms))
    spans = spans_of(labels)
    splits = purged_folds(spans, folds, embargo_ms)
    found = held_out(labels, weight, splits, seed)
    won = labels.won
    platt = fit_platt(found.score, won, weight)
    probability = platt.probability(found.score)
    win = float(np.average(labels.result[won], weights=weight[won]))
    loss = -float(np.average(labels.result[~won], weights=weight[~won]))
    edge = probability - loss / (win + loss)
    facts = TreeFacts(
        fit=fit,
        hold_bars=hold_bars,
        train_start_ms=start_ms,
        train_end_ms=end_ms,
        labels=len(labels),
        wins=int(np.count_nonzero(won)),
        folds=folds,
        auc=auc(found.score, won),
        brier=brier(probability, won),
        seed=seed,
        lightgbm=importlib.metadata.version("lightgbm"),
    )
    forest = train_forest(labels.market, won, weight, seed)
    model = TreeModel(forest, platt, win, loss, choose_threshold(labels, edge), facts)
    edges = [int(spans.start_ms[split.test].min()) for split in splits[1:]]
    return TreeFit(model, labels, found, np.array(edges, np.int64))


def held_out(labels: Labels, weight: Floats, splits: Sequence[Split], seed: int) -> HeldOut:
    """Score every label by a forest of a split that tests it; of several, by the last one.

    Raises:
        DataError: a split overlaps, or its training side lacks wins or losses.
    """
    spans, won = spans_of(labels), labels.won
    score, forests = np.full(len(labels), np.nan), []
    for split in splits:
        check_split(spans, split.train, split.test)
        forest = train_forest(labels.market[split.train], won[split.train], weight[split.train], seed)
        score[split.test] = forest.score(labels.market[split.test])
        forests.append(forest)
    return HeldOut(score, tuple(forests), tuple(splits))


def train_forest(market: NDArray[np.float32], won: NDArray[np.bool_], weight: Floats, seed: int) -> Forest:
    """Train one forest on market entries, the same on every run.

    Args:
        market: float32[n, 52].
        won: bool[n].
        weight: float64[n].
        seed: of LightGBM.

    Raises:
        DataError: wins or losses are too few, or a feature is not finite.
    """
    check_market(market)
    return grow(market, won, weight, seed)


def grow(
    rows: NDArray[np.float32],
    won: NDArray[np.bool_],
    weight: Floats,
    seed: int,
    *,
    trees: int = TREES,
    leaves: int = LEAVES,
) -> Forest:
    """Train one forest on rows of any kind; float32[n, c], finite.

    Raises:
        DataError: wins or losses are too few.
    """
    import lightgbm  # half a second that only those pay who train: live trading evaluates arrays

    _check_classes(won)
    leaf = max(20, won.size // 100)
    parameters = {**PARAMETERS, "num_leaves": leaves, "seed": seed, "min_data_in_leaf": leaf}
    data = lightgbm.Dataset(rows, won.astype(np.float64), weight=weight, params=parameters)
    return Forest.of_text(lightgbm.train(parameters, data, trees).model_to_string())


def spans_of(labels: Labels) -> Spans:
    """Return from when to when each label reaches."""
    return Spans(labels.close_ms, labels.end_ms)


def check_trainable(labels: Labels, end_ms: int) -> None:
    """Hold that labels can be learnt from.

    Args:
        labels: of one window.
        end_ms: its end, exclusive.

    Raises:
        DataError: there are too few, one outcome is missing, features are not finite, or a label reaches past the end.
    """
    if len(labels) < LABELS_MIN:
        raise DataError(
            f"tree model: {len(labels)} labels ({labels.asked} decisions, {labels.void} void, {labels.open} still open "
            f"at the end of the window), at least {LABELS_MIN} are needed; give a longer history or more coins"
        )
    late = int(np.count_nonzero(labels.end_ms > end_ms))
    if late:
        raise DataError(
            f"tree model: {late} of {len(labels)} labels are known only after the training window ends ({end_ms} ms); "
            "label the entries of that window alone"
        )
    check_market(labels.market)
    _check_classes(labels.won)


def _check_classes(won: NDArray[np.bool_]) -> None:
    wins = int(np.count_nonzero(won))
    if min(wins, won.size - wins) < CLASS_MIN:
        raise DataError(
            f"tree model: {wins} wins and {won.size - wins} losses among {won.size} training labels; at least "
            f"{CLASS_MIN} of each are needed to tell them apart"
        )

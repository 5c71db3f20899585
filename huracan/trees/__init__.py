"""The supervised tree model: labels on the kernel's own exits, purged folds, LightGBM, calibrated probabilities.

    labels = label_entries(tapes, kernel, start_ms, end_ms, rows_max=LABELS_MAX)
    trained = fit_tree(labels, fit=fit.sha256, hold_bars=kernel.hold_bars, start_ms=start_ms, end_ms=end_ms, seed=1)
    trained.model.edge(states)        # p - p*, for whatever comes after the window
    trained.history(states, close_ms) # the same inside the window, out of fold

Labels look forward: nothing below this room can import it, the features least of all.
"""

from huracan.trees.block import Edges, MemoryBlock, Remembers, block_of
from huracan.trees.calibration import Platt, Reliability, auc, brier, fit_platt, reliability
from huracan.trees.chain import Chain, chain_of, choose_threshold, daily_net
from huracan.trees.fit import LABELS_MAX, HeldOut, TreeFit, fit_tree, held_out, spans_of, train_forest
from huracan.trees.forest import Forest
from huracan.trees.labels import Labels, label_entries, uniqueness
from huracan.trees.model import TreeFacts, TreeModel
from huracan.trees.paths import PathReport, cpcv_paths
from huracan.trees.splits import Spans, Split, check_split, combinatorial_splits, paths_of, purged_folds

__all__ = [
    "LABELS_MAX",
    "Chain",
    "Edges",
    "Forest",
    "HeldOut",
    "Labels",
    "MemoryBlock",
    "PathReport",
    "Platt",
    "Reliability",
    "Remembers",
    "Spans",
    "Split",
    "TreeFacts",
    "TreeFit",
    "TreeModel",
    "auc",
    "block_of",
    "brier",
    "chain_of",
    "check_split",
    "choose_threshold",
    "combinatorial_splits",
    "cpcv_paths",
    "daily_net",
    "fit_platt",
    "fit_tree",
    "held_out",
    "label_entries",
    "paths_of",
    "purged_folds",
    "reliability",
    "spans_of",
    "train_forest",
    "uniqueness",
]

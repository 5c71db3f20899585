"""What a trained policy has to beat, at the same costs and through the same kernel."""

from huracan.baselines.matched import AGE_BINS, Pace, RandomPolicy
from huracan.baselines.meta import META, Entries, MetaModel, MetaPolicy, train_meta
from huracan.baselines.rules import BASELINES, Baseline, BuyAndHold, Flat, MeanReversion, Momentum
from huracan.baselines.tree import LIGHTGBM, Schooling, TreePolicy, paths_of_school, school, train_opponent

__all__ = [
    "AGE_BINS",
    "BASELINES",
    "LIGHTGBM",
    "META",
    "Baseline",
    "BuyAndHold",
    "Entries",
    "Flat",
    "MeanReversion",
    "MetaModel",
    "MetaPolicy",
    "Momentum",
    "Pace",
    "RandomPolicy",
    "Schooling",
    "TreePolicy",
    "paths_of_school",
    "school",
    "train_meta",
    "train_opponent",
]

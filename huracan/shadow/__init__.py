"""Shadow trading: walk-forward splits, per-coin and portfolio runs over the kernel, metrics and their intervals."""

from huracan.shadow.splits import (
    DAY_MS,
    Dropout,
    Fold,
    History,
    Window,
    usable_history,
    validation_split,
    walk_forward_splits,
)

__all__ = [
    "DAY_MS",
    "Dropout",
    "Fold",
    "History",
    "Window",
    "usable_history",
    "validation_split",
    "walk_forward_splits",
]

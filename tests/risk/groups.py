"""A pattern library small enough to see through: states with a first entry below zero are group 1, others group 2."""

import numpy as np

from huracan.patterns import EMBEDDED
from huracan.patterns.clusters import Clusters
from huracan.patterns.embedding import DIMENSIONS, Embedding
from huracan.risk.live import PausedPattern

__all__ = ["LAYOUT", "groups", "paused", "state_in"]

LAYOUT = 4_711


def groups() -> Clusters:
    """Return two groups around -1 and +1 of the first embedded entry."""
    count = len(EMBEDDED)
    flat, ones, axes = np.zeros(count), np.ones(count), np.zeros((count, DIMENSIONS))
    axes[0, 0] = 1.0
    centres = np.zeros((2, DIMENSIONS))
    centres[:, 0] = (-1.0, 1.0)
    return Clusters(Embedding(flat, ones, np.full(count, np.inf), flat, axes), centres, ())


def paused(number: int) -> PausedPattern:
    """Return one of the groups, paused."""
    return PausedPattern(groups(), number, LAYOUT)


def state_in(number: int) -> bytes:
    """Return a state that belongs to a group, as intents carry it."""
    state = np.zeros(80, "<f4")
    state[EMBEDDED[0]] = -0.5 if number == 1 else 0.5
    return state.tobytes()

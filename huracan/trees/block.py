"""Entries 52 to 61 of the state from all that fills them: the memory of closed trades, and the tree model.

Tapes ask for the history of a coin, the live trader for one decision; both get the same bytes. What is not there is
neutral: its entries are 0.
"""

from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from huracan.features.layout import MEMORY_SLICE, S_LGBM_EDGE
from huracan.patterns import MEMORY_SIZE, PatternMemory
from huracan.trees.model import TreeModel

__all__ = ["EDGE", "Edges", "MemoryBlock", "Remembers", "block_of"]

EDGE: Final = S_LGBM_EDGE - MEMORY_SLICE.start
"""Place of entry 61 in the block."""

Ints = NDArray[np.int64]
States = NDArray[np.float32]


class Remembers(Protocol):
    """Whatever fills entries 52 to 61."""

    def entries(self, state: States, close_ms: int, symbol: str) -> States:
        """Return float32[10] of one decision; state float32[>= 52], `close_ms` the close of its bar."""

    def history(self, states: States, close_ms: Ints, symbol: str) -> States:
        """Return float32[M, 10] of M decisions of a coin, each as of its own close."""


class Edges(Protocol):
    """Whatever fills entry 61: the model of a version, or the fit of a training window (out of fold inside it)."""

    def history(self, market: States, close_ms: Ints) -> States:
        """Return float32[M] for float32[M, >= 52] finite states at closes int64[M]."""


@dataclass(frozen=True, slots=True, eq=False)
class MemoryBlock:
    """The tree model of a version, beside its memory of trades.

    Attributes:
        memory: fills 52 to 60; None: they are 0.
        tree: fills 61.
    """

    memory: PatternMemory | None
    tree: TreeModel

    def entries(self, state: States, close_ms: int, symbol: str) -> States:
        """Return float32[10], bit for bit what `history` has for that row."""
        return self.history(state[None, :], np.array([close_ms], np.int64), symbol)[0]

    def history(self, states: States, close_ms: Ints, symbol: str) -> States:
        """Return float32[M, 10]; states float32[M, >= 52] of warm decisions.

        Raises:
            DataError: a state is not finite.
        """
        if self.memory is None:
            block = np.zeros((len(states), MEMORY_SIZE), np.float32)
        else:
            block = self.memory.history(states, close_ms, symbol)
        block[:, EDGE] = self.tree.history(states, close_ms)
        return block


def block_of(memory: PatternMemory | None, tree: TreeModel | None) -> Remembers | None:
    """Return what fills the block of a version; None: nothing does."""
    return memory if tree is None else MemoryBlock(memory, tree)

"""The block of memory and tree: entries 52 to 61, the same in batch and one by one, neutral where nothing fills it."""

import pickle

import numpy as np

from huracan.features.layout import MEMORY_SLICE, S_LGBM_EDGE
from huracan.trees import MemoryBlock, block_of
from huracan.trees.block import EDGE
from tests.patterns.worlds import fitted as remembering
from tests.patterns.worlds import ground, random_outcomes
from tests.trees.worlds import fitted, made_labels

TREE = fitted(made_labels(2_000, 1, 1.0)).model


def test_batch_and_live_are_the_same_bits() -> None:
    """Each of 300 decisions asked for alone gives its row of the history; memory and tree stand side by side."""
    memory = remembering(random_outcomes(600, 3))
    block, asked = MemoryBlock(memory, TREE), ground("C1/USDT", 300, 9)
    history = block.history(asked.market, asked.close_ms, asked.symbol)
    alone = [block.entries(row, int(at), asked.symbol) for row, at in zip(asked.market, asked.close_ms, strict=True)]
    assert np.array(alone).tobytes() == history.tobytes()
    expected = memory.history(asked.market, asked.close_ms, asked.symbol)
    np.testing.assert_array_equal(history[:, :EDGE], expected[:, :EDGE])
    np.testing.assert_array_equal(history[:, EDGE], TREE.edge(asked.market))
    assert MEMORY_SLICE.start + EDGE == S_LGBM_EDGE


def test_what_is_not_there_is_neutral() -> None:
    """A tree without a memory leaves 52 to 60 at zero; a memory without a tree is itself; neither is nothing."""
    asked = ground("C1/USDT", 50, 9)
    history = MemoryBlock(None, TREE).history(asked.market, asked.close_ms, asked.symbol)
    assert not history[:, :EDGE].any()
    assert history[:, EDGE].any()
    memory = remembering(random_outcomes(600, 3))
    assert block_of(memory, None) is memory
    assert block_of(None, None) is None
    assert not memory.history(asked.market, asked.close_ms, asked.symbol)[:, EDGE].any()


def test_it_travels_to_other_processes() -> None:
    """What arrives says the same."""
    asked = ground("C1/USDT", 50, 9)
    block = MemoryBlock(remembering(random_outcomes(600, 3)), TREE)
    there = pickle.loads(pickle.dumps(block))  # noqa: S301
    ours, theirs = (one.history(asked.market, asked.close_ms, asked.symbol) for one in (block, there))
    assert ours.tobytes() == theirs.tobytes()

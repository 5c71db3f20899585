"""Caution: only entries in a bad pattern lose confidence, by what its wins fall short; all else keeps its bits."""

import numpy as np
import pytest

from huracan.errors import ArtefactError
from huracan.insights import find_patterns
from huracan.patterns.clusters import embedding_of_bytes
from huracan.policy.caution import Caution
from huracan.trading import Action
from tests.insights.worlds import LAYOUT, planted_trades


def caution(means: tuple[float, ...]) -> tuple[Caution, np.ndarray, dict[int, float]]:
    """Return the caution of planted trades, later states of the same two groups, and bad patterns' shortfall."""
    trades, _ = planted_trades(means, 600, 3)
    library = find_patterns(trades, 1)
    found = Caution.of(library.found.patterns, embedding_of_bytes(library.members.embedding), LAYOUT, LAYOUT)
    bad = {one.number - 1: one.win_rate / one.base_rate for one in library.found.patterns if one.stage == "bad"}
    states = planted_trades(means, 200, 77)[0].entry_state
    return found, states, bad


def test_entries_in_a_bad_pattern_lose_confidence_and_nothing_else_does() -> None:
    """By the pattern's shrunk win rate over that of all; exits, holds and other patterns are untouched to the bit."""
    found, states, bad = caution((0.6, -0.6))
    assert len(bad) == 1
    assert found.clusters is not None
    group = found.clusters.of(states)
    action = np.random.default_rng(1).choice([0, 1, 2, 3, 4, 5], len(states)).astype(np.int64)
    confidence = np.random.default_rng(2).random(len(states)).astype(np.float32)
    lowered = found.lowered(states, action, confidence)
    ((number, factor),) = bad.items()
    assert factor < 0.8
    enters = (action >= Action.ENTER_LONG_SMALL) & (action <= Action.ENTER_LONG_LARGE)
    hit = (group == number) & enters
    assert hit.sum() > 20
    assert np.allclose(lowered[hit], factor * confidence[hit])
    assert np.array_equal(lowered[~hit], confidence[~hit])


def test_one_state_is_lowered_as_among_others() -> None:
    """Batch and single decisions agree to the bit: live decides one at a time."""
    found, states, _ = caution((0.6, -0.6))
    action, confidence = np.full(len(states), 2), np.linspace(0.2, 1.0, len(states)).astype(np.float32)
    together = found.lowered(states, action, confidence)
    alone = [found.lowered(states[n : n + 1], action[n : n + 1], confidence[n : n + 1])[0] for n in range(len(states))]
    assert np.array_equal(together, np.array(alone, np.float32))


def test_noise_and_nothing_are_neutral() -> None:
    """Patterns that are unclear, and an empty library, return the very confidence."""
    found, states, bad = caution((0.0, 0.0))
    assert not bad
    action, confidence = np.full(len(states), 2), np.full(len(states), 0.5, np.float32)
    assert np.array_equal(found.lowered(states, action, confidence), confidence)
    assert found.clusters is not None
    empty = Caution.of((), found.clusters.embedding, 1, 2)
    assert empty.lowered(states, action, confidence) is confidence


def test_a_library_of_another_layout_is_refused() -> None:
    """Its states mean something else."""
    library = find_patterns(planted_trades((0.6, -0.6), 300, 3)[0], 1)
    with pytest.raises(ArtefactError, match="another feature layout"):
        Caution.of(library.found.patterns, embedding_of_bytes(library.members.embedding), LAYOUT, LAYOUT + 1)

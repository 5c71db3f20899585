"""The deck: several tapes in one block give each market its own bars, costs and constants."""

import numpy as np
import pytest

from huracan.errors import InvariantError
from huracan.trading.deck import BAR, build_deck
from tests.trading.markets import CALM, random_tape, settings_of, tape_of


def test_each_market_keeps_its_rows() -> None:
    """Bars, days and decisions of the second tape begin where the first ends."""
    settings = settings_of(decision_interval_bars=5)
    tapes = [random_tape(1, settings, 300), random_tape(2, settings, 200)]
    deck = build_deck(tapes, settings)
    assert deck.markets["first_bar"].tolist() == [0, 300]
    assert deck.markets["end_row"].tolist() == [len(tapes[0].rows), len(tapes[0].rows) + len(tapes[1].rows)]
    assert deck.bars["close"][300:].tolist() == tapes[1].bars[:, 4].tolist()
    assert deck.rows[len(tapes[0].rows) : -1].tolist() == (tapes[1].rows + 300).tolist()
    assert deck.days["spread"][deck.bars["day"][300:]].tolist() == tapes[1].costs.spread[tapes[1].day].tolist()
    assert deck.features.shape[0] == len(deck.age) == deck.markets["end_row"][-1]


def test_a_bar_is_one_cache_line() -> None:
    """64 bytes."""
    assert BAR.itemsize == 64


def test_the_age_counts_the_bars_missing_since_the_decision_before() -> None:
    """Bars 6 and 7 are lost between the decisions at 4 and 9."""
    settings = settings_of(decision_interval_bars=5)
    numbers = [0, 1, 2, 3, 4, 5, 8, 9, 10, 11, 12, 13, 14]
    assert build_deck([tape_of([CALM] * 13, settings, numbers=numbers)], settings).age.tolist() == [0, 2, 0]


def test_features_of_a_single_tape_are_shared_unless_read_only() -> None:
    """No copy of the largest array; a read-only one (from an object store) is copied to keep one compiled form."""
    settings = settings_of()
    tape = tape_of([CALM] * 5, settings)
    assert np.shares_memory(build_deck([tape], settings).features, tape.features)
    tape.features.flags.writeable = False
    assert build_deck([tape], settings).features.flags.writeable


def test_no_tapes_no_deck() -> None:
    """A programming error, said at once."""
    with pytest.raises(InvariantError, match="at least one tape"):
        build_deck([], settings_of())

"""Inputs that a version sees: the planted one is named, and none is when nothing has changed."""

from dataclasses import replace

import numpy as np

from huracan.features import CATALOGUE
from huracan.health.inputs import input_drifts
from huracan.memory import TradeRows
from tests.health.test_trading import trades


def seen(days: int, seed: int, moved: float = 0.0) -> TradeRows:
    """Return trades whose 80 state entries are noise, entry 7 of it moved."""
    rows = trades(days, seed)
    states = np.random.default_rng(seed).standard_normal((len(rows), 80)).astype(np.float32)
    states[:, 7] += moved
    return replace(rows, entry_state=states)


def test_the_input_that_moved_is_named_and_no_other() -> None:
    """Half a deviation of one of 52."""
    (found,) = input_drifts(seen(60, 1), seen(40, 2, 0.5))
    assert (found.entry, found.name) == (7, CATALOGUE[7].name)
    assert found.p_value < 1e-4
    assert found.observed - found.claimed > 0.3


def test_nothing_is_named_when_nothing_has_changed() -> None:
    """Twenty looks at 52 inputs each; one false name in a hundred looks is what was promised."""
    assert sum(len(input_drifts(seen(60, 1), seen(40, 10 + seed))) for seed in range(20)) <= 2


def test_few_trades_and_other_layouts_say_nothing() -> None:
    """Neither has anything to be compared with."""
    shadow, few = seen(60, 1), seen(2, 2, 5.0)
    assert input_drifts(shadow, few) == ()
    foreign = seen(40, 3, 5.0)
    foreign.layout[:] = 99
    assert input_drifts(shadow, foreign) == ()

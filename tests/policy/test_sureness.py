"""Sureness: bad results of similar entries lower the confidence of entering, by the formula, and never raise it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from huracan.config import RiskSettings
from huracan.features.layout import MEMORY_SLICE, STATE_SIZE
from huracan.policy import CERTAIN, Sureness
from huracan.risk import sure_enough
from huracan.trading import Action

RULE = Sureness(factor_min=0.4)
ENTER = int(Action.ENTER_LONG_NORMAL)


def state(mean: float, rate: float, lower: float, count: float) -> np.ndarray:
    """Return a state with these entries 52, 53, 54 and 56."""
    row = np.zeros(STATE_SIZE, np.float32)
    first = MEMORY_SLICE.start
    row[[first, first + 1, first + 2, first + 4]] = mean, rate, lower, count
    return row


@pytest.mark.parametrize(
    ("row", "factor"),
    [
        (state(-0.5, -0.125, -0.75, 0.5), 0.75),  # upper bound -0.25 R
        (state(-0.75, -0.125, -1.0, 0.5), 0.5),
        (state(-2.0, -0.125, -2.25, 0.5), 0.4),  # as far down as the setting allows
        (state(-0.25, -0.125, -0.75, 0.5), 1.0),  # it may be break-even or better
        (state(-0.25, -0.125, -0.5, 0.5), 1.0),  # at break-even itself
        (state(-0.5, 0.0, -0.75, 0.5), 1.0),  # as many wins as all trades have
        (state(0.5, 0.125, 0.25, 0.5), 1.0),
        (state(0.0, 0.0, 0.0, 0.0), 1.0),  # an empty memory is neutral
        (state(-0.5, -0.125, -0.75, 0.0), 1.0),
    ],
)
def test_the_factor_is_what_the_formula_says(row: np.ndarray, factor: float) -> None:
    """1 + upper bound of the mean result, where that is a loss and wins are fewer than everywhere."""
    assert RULE.factors(row[None, :]).tolist() == [factor]


def test_only_entries_are_doubted() -> None:
    """What similar entries came to says nothing about leaving."""
    states = np.tile(state(-0.5, -0.125, -0.75, 0.5), (6, 1))
    confidence = np.full(6, 0.5, np.float32)
    lowered = RULE.lowered(np.arange(6), confidence, states)
    assert lowered.tolist() == [0.5, 0.375, 0.375, 0.375, 0.5, 0.5]


def test_off_it_is_the_very_same_array() -> None:
    """By default nothing is computed at all."""
    confidence = np.array([0.3], np.float32)
    states = state(-0.5, -0.125, -0.75, 0.5)[None, :]
    assert Sureness.of(RiskSettings()) == CERTAIN
    assert CERTAIN.lowered(np.array([ENTER]), confidence, states) is confidence
    assert CERTAIN.sure(confidence).all()


FIGURES = st.floats(-3.0, 3.0, width=32)


@given(rows=st.lists(st.tuples(FIGURES, FIGURES, FIGURES, st.floats(0.0, 1.0, width=32)), min_size=1, max_size=40))
def test_a_factor_is_never_above_one_and_never_depends_on_the_neighbours(rows: list[tuple[float, ...]]) -> None:
    """Whatever the memory says; and a batch gives each row the bits that it has alone."""
    states = np.stack([state(*row) for row in rows])
    confidence = np.linspace(0.01, 1.0, len(rows)).astype(np.float32)
    actions = np.full(len(rows), ENTER)
    factors, lowered = RULE.factors(states), RULE.lowered(actions, confidence, states)
    assert ((factors <= 1.0) & (factors >= RULE.factor_min)).all()
    assert (lowered <= confidence).all()
    for n in range(len(rows)):
        alone = RULE.lowered(actions[n : n + 1], confidence[n : n + 1], states[n : n + 1])
        assert alone.tobytes() == lowered[n : n + 1].tobytes()


@given(confidence=st.floats(0.0, 1.0, width=32), least=st.floats(0.0, 1.0))
def test_shadow_and_the_gate_call_the_same_entries_sure(confidence: float, least: float) -> None:
    """The gate compares a Python float, shadow an array: the same word, down to the last bit of the threshold."""
    array = np.array([confidence], np.float32)
    assert Sureness(confidence_min=least).sure(array).tolist() == [sure_enough(float(array[0]), least)]


def test_entries_that_are_not_sure_enough_become_nothing() -> None:
    """Exits and holds stay what they are."""
    rule = Sureness(confidence_min=0.5)
    confidence = np.array([0.4, 0.4, 0.5, 0.6, 0.1, 0.1], np.float32)
    assert rule.kept(np.arange(6), confidence).tolist() == [0, 0, 2, 3, 4, 5]

"""The mask read off the raw state."""

import itertools

import numpy as np

from huracan.features.layout import (
    S_DATA_AGE,
    S_DAY_PNL,
    S_DRAWDOWN,
    S_GROSS,
    S_HEAT,
    S_IS_LONG,
    S_ORDER_AGE,
    STATE_SIZE,
)
from huracan.trading import NUM_ACTIONS, Action, legal_actions
from huracan.trading.actions import is_legal

ENTRIES = [Action.ENTER_LONG_SMALL, Action.ENTER_LONG_NORMAL, Action.ENTER_LONG_LARGE]


def state_of(**entries: float) -> np.ndarray:
    """Return one flat, unlimited state with some entries changed, by layout name."""
    state = np.zeros((1, STATE_SIZE), np.float32)
    for name, value in entries.items():
        state[0, globals()[name]] = value
    return state


def allowed(**entries: float) -> list[int]:
    """Return the legal actions of `state_of`."""
    return np.flatnonzero(legal_actions(state_of(**entries))[0]).tolist()


def test_flat_and_free_may_wait_or_enter() -> None:
    """No position, no order: DO_NOTHING and the three entries."""
    assert allowed() == [0, 1, 2, 3]


def test_busy_may_only_exit_or_hold() -> None:
    """A held position or a working entry; a working exit (negative) of nothing held is not busy."""
    assert allowed(S_IS_LONG=1.0) == [4, 5]
    assert allowed(S_ORDER_AGE=0.01) == [4, 5]
    assert allowed(S_IS_LONG=1.0, S_ORDER_AGE=-1.0) == [4, 5]


def test_each_limit_and_stale_data_forbid_entries_alone() -> None:
    """At the limit, not only beyond it."""
    assert allowed(S_HEAT=1.0) == [0]
    assert allowed(S_DRAWDOWN=1.0) == [0]
    assert allowed(S_DAY_PNL=-1.0) == [0]
    assert allowed(S_GROSS=1.0) == [0]
    assert allowed(S_DATA_AGE=1.0) == [0]
    assert allowed(S_HEAT=0.999, S_DRAWDOWN=0.999, S_DAY_PNL=-0.999, S_GROSS=0.999) == [0, 1, 2, 3]


def test_nan_in_a_limit_forbids_entries() -> None:
    """An unknown limit fails closed."""
    for name in ("S_HEAT", "S_DRAWDOWN", "S_DAY_PNL", "S_GROSS", "S_DATA_AGE"):
        assert allowed(**{name: float("nan")}) == [0]


def test_the_kernel_and_the_mask_agree_on_every_action() -> None:
    """`is_legal` row by row is `legal_actions`, and a number that is no action is never legal."""
    values = [-1.0, -0.5, 0.0, 0.5, 1.0, 2.0]
    entries = [S_IS_LONG, S_ORDER_AGE, S_HEAT, S_DRAWDOWN, S_DAY_PNL, S_GROSS, S_DATA_AGE]
    rng = np.random.default_rng(3)
    states = np.zeros((2_000, STATE_SIZE), np.float32)
    states[:, entries] = rng.choice(values, (2_000, len(entries)))
    mask = legal_actions(states)
    assert mask.any(axis=1).all()
    for row, action in itertools.product(range(len(states)), range(-1, NUM_ACTIONS + 1)):
        expected = 0 <= action < NUM_ACTIONS and bool(mask[row, action])
        assert is_legal(states, row, action) == expected


def test_the_mask_keeps_the_leading_shape() -> None:
    """Any batch shape in front of the 80 entries."""
    assert legal_actions(np.zeros((2, 3, STATE_SIZE), np.float32)).shape == (2, 3, NUM_ACTIONS)

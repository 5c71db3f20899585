from collections.abc import Callable

import numpy as np
import pytest

from huracan.errors import InvariantError
from huracan.policy import Ensemble, NetworkSpec, Normaliser, check_policy
from huracan.trading import legal_actions
from tests.policy.recipes import make_nets

Act = Callable[[np.ndarray], np.ndarray]


class Scripted:
    """A policy made of one function."""

    def __init__(self, act: Act) -> None:
        self.act = act


def _first_legal(states: np.ndarray) -> np.ndarray:
    return legal_actions(states).argmax(axis=1).astype(np.int64)


def _batch_dependent(states: np.ndarray) -> np.ndarray:
    legal = legal_actions(states)
    pick_last = len(states) % 2 == 0
    return (5 - legal[:, ::-1].argmax(axis=1) if pick_last else legal.argmax(axis=1)).astype(np.int64)


def _neighbour_dependent(states: np.ndarray) -> np.ndarray:
    legal = legal_actions(states)
    pick_last = np.roll(states[:, 0], 1) > 0
    return np.where(pick_last, 5 - legal[:, ::-1].argmax(axis=1), legal.argmax(axis=1)).astype(np.int64)


def _writing(states: np.ndarray) -> np.ndarray:
    actions = _first_legal(states)
    if states.flags.writeable:
        states[:] = 0
    return actions


def _forgetful(states: np.ndarray) -> np.ndarray:
    return np.zeros(len(states), np.int64)


def _random_choice() -> Act:
    rng = np.random.default_rng(0)

    def act(states: np.ndarray) -> np.ndarray:
        return (legal_actions(states) * rng.random((len(states), 6))).argmax(axis=1).astype(np.int64)

    return act


def test_trained_ensembles_and_scripts_keep_the_contract() -> None:
    """What serves and what tests both satisfy the specification."""
    check_policy(Ensemble(make_nets(Normaliser.identity(), NetworkSpec((32,)), (1, 2))))
    check_policy(Scripted(_first_legal))


@pytest.mark.parametrize(
    ("act", "complaint"),
    [
        (_forgetful, "legal are"),
        (_random_choice(), "asked twice"),
        (_batch_dependent, "rows at a time"),
        (_neighbour_dependent, "another order"),
        (_writing, "wrote into"),
        (lambda states: _first_legal(states).astype(np.int32), "must return int64"),
        (lambda states: _first_legal(states)[:, None], "must return int64"),
        (lambda states: list(_first_legal(states)), "must return int64"),
        (lambda states: _first_legal(states) + 6, "legal are"),
    ],
    ids=["illegal", "random", "batch size", "neighbours", "writes", "int32", "shape", "list", "range"],
)
def test_each_breach_is_found(act: Act, complaint: str) -> None:
    """Every rule of the contract has an implementation that breaks it and is caught."""
    with pytest.raises(InvariantError, match=complaint):
        check_policy(Scripted(act))

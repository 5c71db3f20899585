"""The compiled rows around the matrix products: the same figures as the network's own scaling and masked softmax."""

import numpy as np
import pytest
import torch

from huracan.features.layout import STATE_SIZE
from huracan.policy import NetworkSpec, Normaliser, PolicyNet, specimen_states
from huracan.policy.rows import (
    ILLEGAL_LOGIT,
    NUM_ACTIONS,
    add_log_probs,
    choose,
    finite,
    mark_legal,
    scale_rows,
)
from huracan.trading import legal_actions
from tests.policy.recipes import random_normaliser

NORMALISER = random_normaliser(3)
STATES = specimen_states(200, 3)


def test_scaling_is_the_networks_bit_for_bit() -> None:
    """Rows beyond the states stay as they were."""
    net = PolicyNet(NetworkSpec((8,)), NORMALISER, seed=1)
    scaled = np.full((len(STATES) + 2, STATE_SIZE), 7.0, np.float32)
    scale_rows(STATES, *net.scaling, scaled)
    assert scaled[: len(STATES)].tobytes() == net.normalise(torch.from_numpy(STATES)).numpy().tobytes()
    assert (scaled[len(STATES) :] == 7.0).all()


def test_the_mask_is_the_kernels() -> None:
    """Every kind of state, each limit at, below and above its bound included, has the kernel's legal actions."""
    legal = np.empty((len(STATES), NUM_ACTIONS), np.bool_)
    mark_legal(STATES, legal)
    assert np.array_equal(legal, legal_actions(STATES))
    assert 0 < legal.mean() < 1


def test_log_probabilities_are_those_of_a_masked_softmax() -> None:
    """Against float64 numpy; an illegal action has probability exactly 0, a row sums to 1."""
    rng = np.random.default_rng(5)
    logits = rng.normal(0, 4, (len(STATES), NUM_ACTIONS)).astype(np.float32)
    legal = legal_actions(STATES)
    total = np.zeros((len(STATES), NUM_ACTIONS))
    add_log_probs(logits, legal, total)
    probs = np.empty((len(STATES), NUM_ACTIONS), np.float32)
    action, log_prob, confidence = np.empty(len(STATES), np.int64), *np.empty((2, len(STATES)), np.float32)
    choose(total, legal, 1, probs, action, log_prob, confidence)
    masked = np.where(legal, logits.astype(np.float64), -np.inf)
    expected = np.exp(masked - masked.max(axis=1, keepdims=True))
    expected /= expected.sum(axis=1, keepdims=True)
    assert np.allclose(probs, expected, rtol=1e-6, atol=1e-12)
    assert (probs[~legal] == 0).all()
    assert (total[~legal] == ILLEGAL_LOGIT).all()
    assert (action == expected.argmax(axis=1)).all()
    assert np.array_equal(confidence, np.take_along_axis(probs, action[:, None], axis=1)[:, 0])
    assert np.allclose(np.exp(log_prob), confidence, rtol=1e-6)


def test_a_tie_goes_to_the_lowest_index() -> None:
    """Equal log-probabilities of two legal actions choose the first of them, whichever is illegal before it."""
    legal = np.array([[True, True, True, True, False, False], [False, False, False, False, True, True]])
    total = np.zeros((2, NUM_ACTIONS))
    add_log_probs(np.zeros((2, NUM_ACTIONS), np.float32), legal, total)
    probs = np.empty((2, NUM_ACTIONS), np.float32)
    action, log_prob, confidence = np.empty(2, np.int64), *np.empty((2, 2), np.float32)
    choose(total, legal, 1, probs, action, log_prob, confidence)
    assert action.tolist() == [0, 4]
    assert confidence.tolist() == [0.25, 0.5]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_an_unknown_number_is_seen_wherever_it_stands(bad: float) -> None:
    """The first and the last entry count like any other."""
    assert finite(STATES)
    for row, entry in ((0, 0), (len(STATES) - 1, STATE_SIZE - 1)):
        states = STATES.copy()
        states[row, entry] = bad
        assert not finite(states)


def test_identity_scaling_changes_nothing() -> None:
    """An unbounded clip and a scale of one leave every bit."""
    net = PolicyNet(NetworkSpec((8,)), Normaliser.identity(), seed=1)
    scaled = np.empty_like(STATES)
    scale_rows(STATES, *net.scaling, scaled)
    assert scaled.tobytes() == STATES.tobytes()

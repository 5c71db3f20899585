import numpy as np
import pytest
import torch

from huracan.errors import InvariantError
from huracan.features.layout import S_IS_LONG, STATE_SIZE
from huracan.policy import BLOCK_ROWS, Decision, Ensemble, NetworkSpec, Normaliser, PolicyNet, decide, specimen_states
from huracan.trading import legal_actions
from tests.policy.recipes import make_nets, random_normaliser

SPEC = NetworkSpec((256, 256))


def bits(decision: Decision, rows: slice | np.ndarray = slice(None)) -> list[bytes]:
    """Every number of the given rows, as bytes."""
    fields = (decision.action, decision.log_prob, decision.probs, decision.value, decision.confidence)
    return [np.ascontiguousarray(field[rows]).tobytes() for field in fields]


@pytest.mark.parametrize("members", [1, 3])
def test_a_rows_bits_do_not_depend_on_its_neighbours(members: int) -> None:
    """Alone, in any batch size, at any place, among any others: the same bits."""
    nets = make_nets(random_normaliser(1), SPEC, tuple(range(members)))
    states = specimen_states(3 * BLOCK_ROWS + 5, 2)
    whole = decide(nets, states)
    for size in (1, 2, 3, 4, 7, BLOCK_ROWS - 1, BLOCK_ROWS, BLOCK_ROWS + 1, len(states)):
        for start in range(0, len(states), size):
            part = slice(start, start + size)
            assert bits(decide(nets, states[part])) == bits(whole, part)
    order = np.random.default_rng(3).permutation(len(states))
    assert bits(decide(nets, states[order])) == bits(whole, order)


def test_decision_is_the_networks_softmax() -> None:
    """Probabilities, value and action are those of a plain forward pass."""
    net = make_nets(random_normaliser(1), SPEC)[0]
    states = specimen_states(50, 4)
    decision = decide([net], states)
    with torch.no_grad():
        logits, value = net(torch.from_numpy(states))
    probs = torch.softmax(logits, dim=-1).numpy()
    assert np.allclose(decision.probs, probs, atol=1e-6)
    assert np.allclose(decision.value, value.numpy(), atol=1e-5)
    assert np.array_equal(decision.action, probs.argmax(axis=1))
    assert np.allclose(np.log(decision.confidence), decision.log_prob, atol=1e-6)
    assert legal_actions(states)[np.arange(50), decision.action].all()


def test_ensemble_averages_log_probabilities() -> None:
    """Known answer: the normalised geometric mean of the members' probabilities."""
    nets = make_nets(Normaliser.identity(), SPEC, (1, 2, 3))
    states = specimen_states(40, 6)
    single = np.stack([decide([net], states).probs for net in nets])
    mean = np.where(legal_actions(states), np.exp(np.log(np.maximum(single, 1e-38)).mean(axis=0)), 0)
    expected = mean / mean.sum(axis=1, keepdims=True)
    ensemble = Ensemble(nets)
    assert np.allclose(ensemble.decide(states).probs, expected, atol=1e-5)
    assert np.array_equal(ensemble.act(states), expected.argmax(axis=1))


def test_ties_go_to_the_lowest_index() -> None:
    """A network without preferences does nothing when flat and exits when holding."""
    net = PolicyNet(SPEC, Normaliser.identity())
    torch.nn.init.zeros_(net.policy_head.weight)
    states = np.zeros((2, STATE_SIZE), np.float32)
    states[1, S_IS_LONG] = 1
    assert decide([net], states).action.tolist() == [0, 4]


def test_deciding_uses_one_thread() -> None:
    """Whatever the process did before, the pass runs on one thread."""
    torch.set_num_threads(2)
    decide(make_nets(Normaliser.identity(), SPEC), specimen_states(4, 0))
    assert torch.get_num_threads() == 1


@pytest.mark.parametrize(
    "states",
    [
        np.zeros((2, STATE_SIZE)),
        np.zeros((2, STATE_SIZE - 1), np.float32),
        np.zeros(STATE_SIZE, np.float32),
        np.full((2, STATE_SIZE), np.nan, np.float32),
        np.full((2, STATE_SIZE), np.inf, np.float32),
    ],
    ids=["float64", "79 entries", "one dimension", "NaN", "infinity"],
)
def test_unusable_states_are_refused(states: np.ndarray) -> None:
    """Nobody decides on a wrong shape, type or an unknown number."""
    with pytest.raises(InvariantError):
        decide(make_nets(Normaliser.identity(), SPEC), states)


def test_an_ensemble_has_members() -> None:
    """No network, no decision."""
    with pytest.raises(InvariantError, match="at least one"):
        Ensemble([])
    with pytest.raises(InvariantError, match="at least one"):
        decide([], specimen_states(4, 0))

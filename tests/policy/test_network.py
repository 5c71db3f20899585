import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from huracan.errors import InvariantError
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
from huracan.policy import NetworkSpec, Normaliser, PolicyNet, legal_mask, specimen_states
from huracan.policy.network import Tanh
from huracan.trading import legal_actions
from tests.policy.recipes import random_normaliser

SMALL = NetworkSpec((16, 16))
AROUND_ONE = [0.0, np.nextafter(np.float32(1), np.float32(0)), 1.0, np.nextafter(np.float32(1), np.float32(2))]


def test_mask_equals_the_kernels_at_every_combination_of_limits() -> None:
    """Torch and numpy masks agree at, just below and just above every bound."""
    day = [-float(value) for value in AROUND_ONE] + [2.0]
    cases = itertools.product(
        [0.0, 1.0], [-0.5, 0.0, 0.5], AROUND_ONE, AROUND_ONE, day, AROUND_ONE, [0.0, 1.0, 1e-40, -1.0]
    )
    columns = [S_IS_LONG, S_ORDER_AGE, S_HEAT, S_DRAWDOWN, S_DAY_PNL, S_GROSS, S_DATA_AGE]
    values = np.array(list(cases), np.float32)
    states = np.zeros((len(values), STATE_SIZE), np.float32)
    states[:, columns] = values
    assert np.array_equal(legal_mask(torch.from_numpy(states)).numpy(), legal_actions(states))


@given(arrays.arrays(np.float32, (7, STATE_SIZE), elements=st.floats(width=32, allow_nan=True, allow_infinity=True)))
@settings(max_examples=200, deadline=None)
def test_mask_equals_the_kernels_on_any_floats(states: np.ndarray) -> None:
    """Torch and numpy masks agree on arbitrary float32, NaN and infinity included, and always leave an action."""
    mask = legal_mask(torch.from_numpy(states)).numpy()
    assert np.array_equal(mask, legal_actions(states))
    assert mask.any(axis=1).all()


def test_illegal_actions_have_probability_zero_and_no_gradient() -> None:
    """The mask is part of the log-probability: nothing flows through a forbidden logit."""
    net = PolicyNet(SMALL, Normaliser.identity(), 3)
    states = torch.from_numpy(specimen_states(50, 5))
    logits, _ = net(states)
    probs = torch.softmax(logits, dim=-1)
    legal = legal_mask(states)
    assert (probs[~legal] == 0).all()
    assert torch.allclose(probs.sum(dim=-1), torch.ones(50))
    holding = states[states[:, S_IS_LONG] > 0]
    torch.log_softmax(net(holding)[0], dim=-1)[:, 5].sum().backward()
    grad = net.policy_head.bias.grad
    assert grad is not None
    assert (grad[:4] == 0).all()
    assert (grad[4:] != 0).all()


def test_normaliser_is_the_documented_formula() -> None:
    """It is z = clip((x - center) / scale), entries that training lacked are 0 even when the state holds NaN there."""
    normaliser = random_normaliser(2)
    net = PolicyNet(SMALL, normaliser)
    states = (specimen_states(40, 1) * 30).astype(np.float32)
    expected = np.where(normaliser.available, states, np.float32(0))
    expected = np.clip((expected - normaliser.center) / normaliser.scale, -normaliser.clip, normaliser.clip)
    assert np.array_equal(net.normalise(torch.from_numpy(states)).numpy(), expected)
    states[:, ~normaliser.available] = np.nan
    assert np.array_equal(net.normalise(torch.from_numpy(states)).numpy(), expected)


def test_mask_reads_the_raw_state_whatever_the_normaliser() -> None:
    """A scaled network forbids what an unscaled one forbids."""
    states = torch.from_numpy(specimen_states(60, 9))
    plain, _ = PolicyNet(SMALL, Normaliser.identity())(states)
    scaled, _ = PolicyNet(SMALL, random_normaliser(4))(states)
    assert torch.equal(plain > -1e8, scaled > -1e8)


@pytest.mark.parametrize(("name", "value"), [("center", 1.0), ("scale", 2.0), ("available", False)])
def test_scaling_a_mask_entry_is_refused(name: str, value: float) -> None:
    """The entries that carry the mask are never touched."""
    plain = Normaliser.identity()
    changed = {key: getattr(plain, key).copy() for key in ("center", "scale", "clip", "available")}
    changed[name][S_HEAT] = value
    with pytest.raises(InvariantError, match="carry the mask"):
        Normaliser(**changed)


@pytest.mark.parametrize(("name", "value"), [("center", np.nan), ("scale", 0.0), ("scale", np.inf), ("clip", -1.0)])
def test_unusable_scaling_is_refused(name: str, value: float) -> None:
    """A scale that divides by zero or a NaN never reaches a network."""
    plain = Normaliser.identity()
    changed = {key: getattr(plain, key).copy() for key in ("center", "scale", "clip", "available")}
    changed[name][0] = value
    with pytest.raises(InvariantError):
        Normaliser(**changed)


def test_initial_weights_depend_on_the_seed_alone() -> None:
    """Two networks of one seed are equal whatever the process did before; two seeds differ."""
    torch.manual_seed(1)
    torch.set_num_threads(2)
    first = PolicyNet(SMALL, Normaliser.identity(), 7).state_dict()
    torch.manual_seed(2)
    second = PolicyNet(SMALL, Normaliser.identity(), 7).state_dict()
    other = PolicyNet(SMALL, Normaliser.identity(), 8).state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["trunk.0.weight"], other["trunk.0.weight"])


def test_initial_layers_are_orthogonal_and_the_start_is_near_uniform() -> None:
    """Trunk rows are orthogonal with norm sqrt(2); a fresh policy prefers nothing by more than a few per cent."""
    net = PolicyNet(NetworkSpec((64, 64)), Normaliser.identity(), 1)
    weight = net.trunk[2].weight.detach()
    assert torch.allclose(weight @ weight.T, 2 * torch.eye(64), atol=1e-5)
    states = specimen_states(5, 0)[:1]
    probs = torch.softmax(net(torch.from_numpy(states))[0], dim=-1)[0, :4]
    assert (probs - 0.25).abs().max() < 0.02


@pytest.mark.parametrize("spec", [{"hidden": ()}, {"hidden": (0,)}, {"activation": "sine"}])
def test_impossible_networks_are_refused(spec: dict) -> None:
    """Widths must be positive and the activation known."""
    with pytest.raises(InvariantError):
        NetworkSpec(**spec)


def test_the_vector_tanh_is_tanh_and_so_is_its_derivative() -> None:
    """Value and gradient agree with torch's to a few units in the last place, at the extremes too."""
    x = torch.cat([torch.linspace(-12, 12, 4_001), torch.tensor([0.0, -0.0, 1e-30, 88.0, -88.0, 1e30])])
    ours, theirs = x.clone().requires_grad_(), x.clone().requires_grad_()
    Tanh()(ours).square().sum().backward()
    torch.tanh(theirs).square().sum().backward()
    assert torch.allclose(Tanh()(x), torch.tanh(x), rtol=4e-7, atol=0)
    assert ours.grad is not None
    assert theirs.grad is not None
    assert torch.allclose(ours.grad, theirs.grad, rtol=1e-5, atol=2e-6)

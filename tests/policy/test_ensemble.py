import pytest

from huracan.errors import InvariantError
from huracan.policy import Ensemble, NetworkSpec, Normaliser, specimen_states
from tests.policy.recipes import make_nets


def test_members_are_kept_in_order_and_evaluate() -> None:
    """The ensemble serves the networks it was given, none of them in training mode."""
    nets = make_nets(Normaliser.identity(), NetworkSpec((8,)), (1, 2))
    nets[0].train()
    ensemble = Ensemble(nets)
    assert ensemble.nets == tuple(nets)
    assert not any(net.training for net in ensemble.nets)
    states = specimen_states(10, 1)
    assert (ensemble.act(states) == ensemble.decide(states).action).all()


def test_an_ensemble_has_members() -> None:
    """No network, no decision."""
    with pytest.raises(InvariantError, match="at least one"):
        Ensemble([])

from huracan.policy import Ensemble, NetworkSpec, Normaliser, Policy, PolicyNet


def test_an_ensemble_is_a_policy_and_a_network_is_not() -> None:
    """Only what decides greedily on raw states satisfies the protocol."""
    net = PolicyNet(NetworkSpec((8,)), Normaliser.identity())
    assert isinstance(Ensemble([net]), Policy)
    assert not isinstance(net, Policy)

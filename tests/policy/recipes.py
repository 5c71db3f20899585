"""Small policies and their cards for the tests of several rooms."""

import numpy as np

from huracan.features.layout import STATE_SIZE
from huracan.policy import NetworkSpec, Normaliser, PolicyCard, PolicyNet, catalogue_identity, library_versions
from huracan.policy.card import ACTION_NAMES
from huracan.policy.network import MASK_ENTRIES


def random_normaliser(seed: int) -> Normaliser:
    """A normaliser with every kind of entry: scaled, clipped, unclipped, withheld; the mask entries left alone."""
    rng = np.random.default_rng(seed)
    center = rng.standard_normal(STATE_SIZE).astype(np.float32)
    scale = rng.uniform(0.5, 2, STATE_SIZE).astype(np.float32)
    clip = np.full(STATE_SIZE, 5, np.float32)
    available = np.ones(STATE_SIZE, np.bool_)
    clip[10:20] = np.inf
    available[[32, 38, 39]] = False
    mask = list(MASK_ENTRIES)
    center[mask], scale[mask], clip[mask] = 0, 1, np.inf
    return Normaliser(center, scale, clip, available)


def make_card(normaliser: Normaliser, spec: NetworkSpec, seeds: tuple[int, ...] = (1,)) -> PolicyCard:
    """A card that passes every check."""
    return PolicyCard(
        name="test/fold-0",
        hidden=spec.hidden,
        activation=spec.activation,
        actions=ACTION_NAMES,
        features=catalogue_identity("1m"),
        center=tuple(map(float, normaliser.center)),
        scale=tuple(map(float, normaliser.scale)),
        clip=tuple(None if np.isinf(bound) else float(bound) for bound in normaliser.clip),
        available=tuple(map(bool, normaliser.available)),
        fit={"quantiles": [0.1, 0.2]},
        universe=("ADA/USDT", "ETH/USDT"),
        leader=None,
        timeframe="1m",
        trading={"stake_amount": 1000.0},
        ppo={"lr": 3e-4},
        data_fingerprint="ab" * 32,
        train_start_ms=0,
        train_end_ms=86_400_000,
        seeds=seeds,
        env_steps=1000,
        libraries=library_versions(),
    )


def make_nets(normaliser: Normaliser, spec: NetworkSpec, seeds: tuple[int, ...] = (1,)) -> list[PolicyNet]:
    """Networks with logits far from uniform, so that greedy actions differ between states and seeds."""
    nets = [PolicyNet(spec, normaliser, seed) for seed in seeds]
    for net in nets:
        net.policy_head.weight.data *= 100
    return nets

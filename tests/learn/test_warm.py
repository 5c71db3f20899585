"""Warm starts: the same decisions at the start, and never from weights that have seen a test."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from huracan.config import load_settings
from huracan.errors import InvariantError
from huracan.learn.algorithm import Beginning
from huracan.learn.campaign import Campaign, TrainWindow, Version
from huracan.learn.search import Candidate
from huracan.learn.train import Trainer, spec_sha256
from huracan.learn.warm import WarmStart, first_weights, misfit, recipe_of
from huracan.policy import Ensemble, NetworkSpec, Normaliser
from huracan.policy.artefact import Artefact
from huracan.policy.check import specimen_states
from tests.learn.toy import toy_spec
from tests.learn.worlds import small_dataset
from tests.policy.recipes import make_card, make_nets, random_normaliser

SHAPE = NetworkSpec((16,), "tanh")


def moved(normaliser: Normaliser) -> Normaliser:
    """Return the scaling of a later window: other centers and scales, the mask entries and clips as they are."""
    rng = np.random.default_rng(9)
    free = normaliser.scale != 1
    center = normaliser.center + np.where(free, rng.normal(size=80) * 0.3, 0)
    scale = normaliser.scale * np.where(free, rng.uniform(0.7, 1.4, 80), 1)
    return Normaliser(
        center.astype(np.float32), scale.astype(np.float32), np.full(80, np.inf, np.float32), normaliser.available
    )


def test_the_first_weights_decide_as_the_old_ones() -> None:
    """In the scaling of another window the network gives the same logits and values, clipping aside."""
    old = random_normaliser(3)
    old = replace(old, clip=np.full(80, np.inf, np.float32))
    new = moved(old)
    (net,) = make_nets(old, SHAPE)
    (twin,) = make_nets(new, SHAPE, seeds=(2,))
    beginning = first_weights(net, old, new)
    with torch.no_grad():
        for name, parameter in twin.named_parameters():
            parameter.copy_(torch.from_numpy(beginning.parameters[name]))
        states = torch.from_numpy(specimen_states(200, seed=4))
        for mine, theirs in zip(net(states), twin(states), strict=True):
            assert torch.allclose(mine, theirs, rtol=1e-3, atol=1e-3)
    assert len(beginning.sha256) == 64
    less = replace(new, available=~np.isin(np.arange(80), [33, *np.flatnonzero(~new.available)]))
    with pytest.raises(InvariantError, match="other inputs"):
        first_weights(net, old, less)


def version(fold: int, end_ms: int, scope: str = "*") -> tuple[Version, Artefact]:
    """A fold's version whose training ended at a time; its weights tell folds apart."""
    normaliser = random_normaliser(3)
    card = make_card(normaliser, SHAPE, seeds=(1, 2)).model_copy(update={"train_end_ms": end_ms})
    nets = make_nets(normaliser, SHAPE, seeds=(10 * fold + 1, 10 * fold + 2))
    artefact = Artefact(card, Ensemble(nets), f"{fold}" * 64)
    return Version(fold, scope, card.universe, Path(), artefact.sha256, ()), artefact


def test_no_fold_begins_from_weights_that_have_seen_its_test() -> None:
    """Of the earlier folds the latest that ended inside the own training window; none there, nothing; no other seed."""
    settings = load_settings(None, {}, environ={})
    warm = WarmStart(7, Candidate(settings.ppo, settings.trading), (version(0, 100), version(1, 200), version(2, 300)))
    normaliser = random_normaliser(3)
    for end_ms, fold in ((99, None), (100, 0), (199, 0), (250, 1), (300, 2), (900, 2)):
        window = TrainWindow(0, 0, end_ms, ("ADA/USDT",))
        found = warm.source(window, "*")
        assert (None if found is None else found[0].fold) == fold
        assert warm.source(window, "ADA/USDT") is None
        beginning = warm.beginning(window, "*", 2, normaliser)
        if fold is None:
            assert beginning is None
            continue
        (net,) = make_nets(normaliser, SHAPE, seeds=(10 * fold + 2,))
        assert beginning is not None
        assert np.allclose(beginning.parameters["policy_head.weight"], net.policy_head.weight.detach().numpy())
        assert warm.beginning(window, "*", 3, normaliser) is None


def test_what_a_search_chose_is_gone_on_with(tmp_path: Path) -> None:
    """Searched settings come from the earlier run, others from today's configuration, the length from its own key."""
    old = load_settings(None, {"ppo.lr": 1e-4, "ppo.train_batch_size": 4_096, "trading.hold_bars": 77}, environ={})
    now = load_settings(None, {"ppo.train_batch_size": 2_048, "retrain.env_steps": 5_000}, environ={})
    recipe = recipe_of(Campaign(old.ppo, old.trading, (), ()), now)
    assert (recipe.ppo.lr, recipe.ppo.train_batch_size, recipe.ppo.env_steps) == (1e-4, 2_048, 5_000)
    assert recipe.trading.hold_bars == 77


def test_what_does_not_fit_is_said(tmp_path: Path) -> None:
    """Each reason for training from nothing is named; what fits has none."""
    dataset = small_dataset(tmp_path / "candles")
    windows = [TrainWindow(0, 0, 1_000, dataset.summary.symbols)]
    card = make_card(random_normaliser(1), SHAPE, seeds=(1, 2)).model_copy(update={"train_end_ms": 500})
    from huracan.policy import catalogue_identity

    card = card.model_copy(
        update={"timeframe": "5m", "features": catalogue_identity("5m"), "leader": dataset.summary.leader}
    )
    fit = json.loads(dataset.fit(dataset.summary.start_ms, dataset.summary.end_ms, 1).to_json())
    card = card.model_copy(update={"fit": fit})
    campaign = Campaign(dataset.settings.ppo, dataset.trading, (), (version(0, 500)[0],))
    longer = fit["windows"] | {"vol_long": fit["windows"]["vol_long"] + 1}

    def said(**changed: object) -> str | None:
        return misfit(campaign, [card.model_copy(update=changed)], dataset, windows, 1_000)

    assert said() is None
    for changed, words in (
        ({"features": catalogue_identity("1h")}, "another layout"),
        ({"fit": fit | {"windows": longer}}, "other windows"),
        ({"hidden": (8,)}, r"its network is [8]"),
        ({"leader": "X/USDT"}, "leader is X/USDT"),
        ({"memory": "ab" * 32}, "other inputs"),
        ({"seeds": (1,)}, "has the seeds [1]"),
        ({"train_end_ms": 1_001}, "past the ends"),
    ):
        assert words in (said(**changed) or ""), changed
    held = replace(campaign, trading=dataset.trading.model_copy(update={"hold_bars": 1_000}))
    assert "longer than" in (misfit(held, [card], dataset, windows, 1_000) or "")
    other = replace(campaign, trading=dataset.trading.model_copy(update={"fee_taker_ppm": 7}))
    assert "none that this configuration" in (misfit(other, [card], dataset, windows, 1_000) or "")
    coin = replace(campaign, versions=(version(0, 500, "BTC/USDT")[0],))
    assert "another scope" in (misfit(coin, [card], dataset, windows, 1_000) or "")
    alone = small_dataset(tmp_path / "candles", **{"shadow.per_coin_policies": True})
    assert "other coins (X/USDT)" in (
        misfit(replace(campaign, versions=(version(0, 500, "X/USDT")[0],)), [card], alone, windows, 1_000) or ""
    )
    same = replace(campaign, versions=(version(0, 500, dataset.summary.symbols[0])[0],))
    assert misfit(same, [card], alone, windows, 1_000) is None


@pytest.mark.ray
@pytest.mark.usefixtures("local_ray")
def test_a_training_begins_from_the_weights_it_is_given() -> None:
    """Before the first step the trained network has them; another beginning is another training."""
    plain = toy_spec(seed=3, total=1_000)
    with Trainer(plain) as trainer:
        own = {name: value.detach().numpy().copy() for name, value in trainer.net().named_parameters()}
    given = {name: value + np.float32(0.25) for name, value in own.items()}
    spec = replace(plain, beginning=Beginning("ab" * 32, given))
    with Trainer(spec) as trainer:
        for name, value in trainer.net().named_parameters():
            assert np.array_equal(value.detach().numpy(), given[name])
        trainer.step()
    assert spec_sha256(spec) != spec_sha256(plain)

import json
from dataclasses import replace

import numpy as np
import pytest

from huracan.env import Dataset
from huracan.features import CATALOGUE, FeatureFit
from huracan.features.layout import MARKET_SIZE, MEMORY_SLICE, S_OFI, S_RET_1
from huracan.learn.recipe import MEMORY_INPUT, MarketStore, WindowRecipe, normaliser_of
from huracan.learn.train import spec_sha256
from huracan.policy.card import parse_card
from tests.learn.worlds import DAY_MS, small_dataset

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("local_ray")]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Three coins, twenty days of 5-minute candles."""
    return small_dataset(tmp_path_factory.mktemp("recipe") / "candles")


@pytest.fixture(scope="module")
def recipe(local_ray: None, dataset: Dataset) -> WindowRecipe:
    """Two coins, the first two weeks."""
    start = dataset.summary.start_ms
    return MarketStore(dataset).window(start, start + 14 * DAY_MS, dataset.summary.symbols[:2], seed=1)


def test_the_store_gives_back_the_folds_tapes(dataset: Dataset, recipe: WindowRecipe) -> None:
    """Bars and features of the chosen coins, bit for bit; the handle itself is small."""
    expected = dataset.fold_tapes(recipe.fit)[:2]
    found = recipe.markets()
    assert [tape.symbol for tape in found] == list(recipe.symbols) == list(dataset.summary.symbols[:2])
    for ours, theirs in zip(found, expected, strict=True):
        assert np.array_equal(ours.bars, theirs.bars)
        assert np.array_equal(ours.features, theirs.features)
    assert recipe.of_coin(recipe.symbols[1]).markets()[0].symbol == recipe.symbols[1]


def test_the_environment_of_a_specification_runs(recipe: WindowRecipe) -> None:
    """The context travels by pickle's rules of Ray and makes an environment with the settings' slots."""
    spec = recipe.spec(recipe.dataset.settings.ppo, 1, 1000)
    env = spec.source.entry_point({**spec.source.context, "num_envs": spec.source.num_envs})
    states, _ = env.reset(seed=1)
    assert states.shape == (16, 80)
    env.step(np.zeros(16, np.int64))


def test_another_window_coin_or_rule_is_another_training(dataset: Dataset, recipe: WindowRecipe) -> None:
    """What could change a result changes the identity of its checkpoint."""
    ppo = dataset.settings.ppo
    start = dataset.summary.start_ms
    other = MarketStore(dataset).window(start, start + 13 * DAY_MS, recipe.symbols, seed=1)
    specs = [
        recipe.spec(ppo, 1, 1000),
        recipe.spec(ppo, 2, 1000),
        recipe.spec(ppo, 1, 2000),
        recipe.of_coin(recipe.symbols[0]).spec(ppo, 1, 1000),
        other.spec(ppo, 1, 1000),
    ]
    assert len({spec_sha256(spec) for spec in specs}) == len(specs)
    assert spec_sha256(recipe.spec(ppo, 1, 1000)) == spec_sha256(specs[0])


def test_the_card_holds_the_fit_and_the_normaliser_exactly(recipe: WindowRecipe) -> None:
    """Shadow trading and serving rebuild features and scaling from the card alone."""
    card = parse_card("card", json.loads(recipe.card("run", recipe.dataset.settings.ppo).model_dump_json()))
    fit = FeatureFit.from_json(json.dumps(card.fit))
    assert fit.sha256 == recipe.fit.sha256
    normaliser = card.normaliser()
    for name in ("center", "scale", "clip", "available"):
        assert getattr(normaliser, name).tobytes() == getattr(recipe.normaliser, name).tobytes()
    assert card.universe == recipe.symbols
    assert card.data_fingerprint == recipe.dataset.summary.fingerprint
    assert set(card.trading["costs"]) == set(recipe.symbols)


def test_inputs_that_training_lacked_are_withheld(recipe: WindowRecipe) -> None:
    """Without an order book or a memory their entries are cut off; with them they are not."""
    lacking = normaliser_of(recipe.fit, ("trades", "taker", "leader")).available
    having = normaliser_of(recipe.fit, ("trades", "taker", "leader", "book", MEMORY_INPUT)).available
    assert not lacking[S_OFI]
    assert not lacking[MEMORY_SLICE].any()
    assert lacking[S_RET_1]
    assert having.all()
    optional = [spec.index for spec in CATALOGUE if "book" in spec.inputs]
    assert set(np.flatnonzero(~lacking)) == set(optional) | set(range(MARKET_SIZE, 62))


def test_what_comes_after_the_window_cannot_change_the_fit(dataset: Dataset, recipe: WindowRecipe) -> None:
    """The fit is that of its window alone: with garbage behind the window its bytes stay the same."""
    start = dataset.summary.start_ms
    end = start + 14 * DAY_MS
    assert (recipe.fit.start_ms, recipe.fit.end_ms) == (recipe.start_ms, recipe.end_ms) == (start, end)
    garbage = {}
    for symbol, raw in dataset.raw.items():
        values = raw.values.copy()
        values[raw.timestamp[raw.rows] >= end] = 1e6
        garbage[symbol] = replace(raw, values=values)
    spoilt = MarketStore(replace(dataset, raw=garbage)).window(start, end, recipe.symbols, seed=1)
    assert spoilt.fit.sha256 == recipe.fit.sha256
    assert MarketStore(dataset).window(start, end + DAY_MS, recipe.symbols, seed=1).fit.sha256 != recipe.fit.sha256

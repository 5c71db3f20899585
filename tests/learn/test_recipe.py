import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from huracan.env import Dataset, TradingVectorEnv
from huracan.errors import ArtefactError, InvariantError
from huracan.features import CATALOGUE, FeatureFit
from huracan.features.layout import MARKET_SIZE, MEMORY_SLICE, S_HELD_FRAC, S_IS_LONG, S_LGBM_EDGE, S_OFI, S_RET_1
from huracan.learn.recipe import MEMORY_INPUT, TREE_INPUT, MarketStore, RuleArena, WindowRecipe, normaliser_of
from huracan.learn.search import Candidate
from huracan.learn.train import spec_sha256
from huracan.patterns import Outcomes
from huracan.policy import PolicyNet, export_artefact, load_artefact
from huracan.policy.artefact import MEMORY_NAME, TREE_NAME, TREE_TEXT_NAME
from huracan.policy.card import parse_card
from huracan.trading import legal_actions, resolve_settings, with_rules
from tests.learn.worlds import DAY_MS, small_dataset
from tests.patterns.worlds import past_of

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
    """Without an order book or a memory their entries are cut off; with them only the tree model's is, if it lacks."""
    lacking = normaliser_of(recipe.fit, ("trades", "taker", "leader")).available
    having = normaliser_of(recipe.fit, ("trades", "taker", "leader", "book", MEMORY_INPUT)).available
    assert not lacking[S_OFI]
    assert not lacking[MEMORY_SLICE].any()
    assert lacking[S_RET_1]
    assert np.flatnonzero(~having).tolist() == [S_LGBM_EDGE]
    assert normaliser_of(recipe.fit, ("trades", "taker", "leader", "book", MEMORY_INPUT, TREE_INPUT)).available.all()
    optional = [spec.index for spec in CATALOGUE if "book" in spec.inputs]
    assert set(np.flatnonzero(~lacking)) == set(optional) | set(range(MARKET_SIZE, 62))


def test_an_empty_memory_trains_what_no_memory_trains(dataset: Dataset, recipe: WindowRecipe) -> None:
    """Same states, scaling and identity of the training: the same seed gives the same policy, action for action."""
    start, ppo = dataset.summary.start_ms, dataset.settings.ppo
    empty = dataset.remembering(Outcomes.none(dataset.layout, dataset.kernel.base_ms))
    other = MarketStore(empty).window(start, start + 14 * DAY_MS, recipe.symbols, seed=1)
    assert other.memory is None
    assert spec_sha256(other.spec(ppo, 1, 1000)) == spec_sha256(recipe.spec(ppo, 1, 1000))
    for ours, theirs in zip(other.markets(), recipe.markets(), strict=True):
        assert np.array_equal(ours.features, theirs.features)
    assert other.card("run", ppo) == recipe.card("run", ppo)


def test_a_memory_is_an_input_of_the_training_and_travels_with_it(
    dataset: Dataset, recipe: WindowRecipe, tmp_path: Path
) -> None:
    """Its entries are let through, another memory is another training, and the exported policy brings it along."""
    start, ppo = dataset.summary.start_ms, dataset.settings.ppo
    found = []
    for seed in (1, 2):
        store = MarketStore(dataset.remembering(past_of(dataset, seed=seed)))
        found.append(store.window(start, start + 14 * DAY_MS, recipe.symbols, seed=1))
    ours = found[0]
    assert ours.memory is not None
    available = ours.normaliser.available[MEMORY_SLICE]
    assert available.tolist() == [True] * 9 + [False]
    assert ours.markets()[0].features[:, MEMORY_SLICE].any()
    specs = {spec_sha256(one.spec(ppo, 1, 1000)) for one in (*found, recipe)}
    assert len(specs) == 3
    card = ours.card("run", ppo).model_copy(update={"seeds": (1,)})
    net = PolicyNet(card.network, ours.normaliser, seed=1)
    artefact = export_artefact(tmp_path / "policy", [net], card, ours.memory)
    assert artefact.memory is not None
    assert artefact.memory.sha256 == ours.memory.sha256 == card.memory
    with pytest.raises(InvariantError, match="not the one given"):
        export_artefact(tmp_path / "other", [net], card)
    path = tmp_path / "policy" / MEMORY_NAME
    data = path.read_bytes()
    path.write_bytes(data[:-1] + b"?")
    with pytest.raises(ArtefactError, match="changed after export"):
        load_artefact(tmp_path / "policy")
    path.unlink()
    with pytest.raises(ArtefactError, match="cannot be read"):
        load_artefact(tmp_path / "policy")


def test_a_tree_model_is_an_input_of_the_training_and_travels_with_it(
    dataset: Dataset, recipe: WindowRecipe, tmp_path: Path
) -> None:
    """Entry 61 is let through, another tree is another training, and the exported policy brings text and JSON along."""
    start, ppo = dataset.summary.start_ms, dataset.settings.ppo
    features = dataset.settings.features.model_copy(update={"tree": True})
    wanting = replace(dataset, settings=dataset.settings.model_copy(update={"features": features}))
    found = [MarketStore(wanting).window(start, start + 14 * DAY_MS, recipe.symbols, seed) for seed in (1, 2)]
    ours = found[0]
    assert ours.tree is not None
    assert ours.tree.facts.fit == ours.fit.sha256
    assert ours.normaliser.available[MEMORY_SLICE].tolist() == [False] * 9 + [True]
    assert ours.markets()[0].features[:, S_LGBM_EDGE].any()
    assert not recipe.markets()[0].features[:, S_LGBM_EDGE].any()
    assert len({spec_sha256(one.spec(ppo, 1, 1000)) for one in (*found, recipe)}) == 3
    card = ours.card("run", ppo).model_copy(update={"seeds": (1,)})
    net = PolicyNet(card.network, ours.normaliser, seed=1)
    artefact = export_artefact(tmp_path / "policy", [net], card, ours.memory, ours.tree)
    assert artefact.tree is not None
    assert artefact.tree.sha256 == ours.tree.sha256 == card.tree
    assert artefact.block is not None
    states = ours.markets()[0].features[-5:]
    assert artefact.block.entries(states[0], 0, "X")[-1] == ours.tree.edge(states)[0]
    with pytest.raises(InvariantError, match=r"tree model .* which is not the one given"):
        export_artefact(tmp_path / "other", [net], card)
    folder = tmp_path / "policy"
    for name, complaint in ((TREE_NAME, "not the card's"), (TREE_TEXT_NAME, "text_sha256 differs")):
        data = (folder / name).read_bytes()
        (folder / name).write_bytes(data[:-1] + b" ")
        with pytest.raises(ArtefactError, match=complaint):
            load_artefact(folder)
        (folder / name).unlink()
        with pytest.raises(ArtefactError, match="cannot be read"):
            load_artefact(folder)
        (folder / name).write_bytes(data)
    load_artefact(folder)
    foreign = replace(ours.tree, facts=replace(ours.tree.facts, fit="ab" * 32))
    with pytest.raises(ArtefactError, match="another feature fit"):
        export_artefact(folder, [net], card.model_copy(update={"tree": foreign.sha256}), None, foreign)


def arena_of(dataset: Dataset) -> tuple[RuleArena, Candidate]:
    """Return an arena of two decision intervals, judging days 15 to 19, and the configured candidate."""
    start, store, grounds = dataset.summary.start_ms, MarketStore(dataset), {}
    for interval in (3, 6):
        rules = with_rules(dataset.trading, {"decision_interval_bars": interval})
        grounds[interval] = store.window(start, start + 14 * DAY_MS, dataset.summary.symbols, 1, rules).ground
    arena = RuleArena(grounds, start + 15 * DAY_MS, start + 19 * DAY_MS)
    return arena, Candidate(dataset.settings.ppo, dataset.trading)


def test_a_candidate_trains_and_is_judged_under_its_own_rules(dataset: Dataset) -> None:
    """Environment, features and judge of each candidate follow its rules: decisions, holds, state entries, identity."""
    arena, given = arena_of(dataset)
    specs = {}
    for params in (
        {"trading.decision_interval_bars": 3, "trading.hold_bars": 144},
        {"trading.decision_interval_bars": 3, "trading.hold_bars": 48},
        {"trading.decision_interval_bars": 6, "trading.hold_bars": 48, "trading.stop_sigmas": 0.8},
    ):
        candidate = given.with_params(params)
        expected = dataset.under(candidate.trading)
        spec, judge = arena.spec(candidate, 1, 1000), arena.validation(candidate)
        specs[spec_sha256(spec)] = candidate
        assert spec.source.context["kernel"] == judge.kernel == expected.kernel
        fit = expected.fit(dataset.summary.start_ms, dataset.summary.start_ms + 14 * DAY_MS, 1)
        for ours, theirs in zip(judge.tapes(), expected.fold_tapes(fit), strict=True):
            assert np.array_equal(ours.rows, theirs.rows)
            assert np.array_equal(ours.features, theirs.features)
        env = spec.source.entry_point({**spec.source.context, "num_envs": 16})
        env.reset(seed=1)
        closed = held_bars(env, candidate.trading.hold_bars)
        assert closed > 0
    assert len(specs) == 3


def held_bars(env: TradingVectorEnv, limit: int) -> int:
    """Enter whenever legal, hold on; state 67 is bars held over the candidate's own limit. Return seen holdings."""
    seen = 0
    for _ in range(150):
        states = env.lanes.obs.copy()
        held = states[:, S_IS_LONG] > 0
        bars = states[held, S_HELD_FRAC] * limit
        assert np.allclose(bars, np.rint(bars), atol=1e-3)
        assert (bars <= limit + 1e-3).all()
        seen += int(held.sum())
        legal = legal_actions(states)
        env.step(np.where(legal[:, 2], 2, np.where(legal[:, 5], 5, 0)))
    return seen


def test_features_of_one_decision_interval_are_not_used_under_another(dataset: Dataset) -> None:
    """A ground without features for the decisions of some rules refuses them."""
    arena, given = arena_of(dataset)
    slow = resolve_settings(given.with_params({"trading.decision_interval_bars": 6}).trading, "5m")
    with pytest.raises(InvariantError, match="every 6 bars on features of every 3"):
        arena.grounds[3].under(slow)


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

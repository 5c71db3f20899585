"""jobs.shadow on a real Ray instance: the same results as in one process, repeatable rows, lost workers, refusals."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pydantic import SecretStr
from sqlalchemy import Engine

from huracan.baselines import BASELINES
from huracan.config import (
    FeatureSettings,
    PolicySettings,
    PpoSettings,
    RaySettings,
    Settings,
    ShadowSettings,
    TradingSettings,
    WalkForwardSettings,
)
from huracan.env.dataset import Dataset
from huracan.errors import DataError
from huracan.features.layout import MEMORY_SLICE, S_LGBM_EDGE
from huracan.learn.campaign import ALL_COINS, Version
from huracan.learn.cluster import ray_session
from huracan.learn.recipe import MarketStore, WindowRecipe
from huracan.learn.train import TrainResult
from huracan.market import wild_bars
from huracan.market.load import CandleSet
from huracan.memory import open_run, read_daily, read_performance, read_trades
from huracan.patterns import recall
from huracan.policy import NetworkSpec, PolicyNet
from huracan.policy.artefact import export_artefact, load_artefact
from huracan.shadow import Fold, shadow_block
from huracan.trading import Limits, with_rules
from jobs.shadow import shadow
from jobs.train import folds_of
from tests.patterns.worlds import past_of
from tests.shadow.worlds import LIMITS

pytestmark = pytest.mark.ray

SYMBOLS = ("W0/USDT", "W1/USDT", "W2/USDT")
SETTINGS = Settings(
    trading=TradingSettings(hold_bars=60),
    features=FeatureSettings(gap_fill_max_bars=300),
    policy=PolicySettings(hidden=(16,)),
    walk_forward=WalkForwardSettings(folds=2, train_days=2, test_days=1, embargo_bars=0),
    shadow=ShadowSettings(seeds=(1, 2), coins_per_block=2, bootstrap_resamples=100, random_policies=5),
    ray=RaySettings(num_cpus=2, object_store_mb=100),
)


@pytest.fixture(scope="module", autouse=True)
def local_ray() -> Iterator[None]:
    """One Ray instance of two CPUs for this module."""
    with ray_session(SETTINGS.ray):
        yield


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    """Three coins of minute bars, long enough for the features to warm up and two folds of one test day."""
    candles = {symbol: wild_bars(51 + i, 13 * 1_440, symbol=symbol) for i, symbol in enumerate(SYMBOLS)}
    return Dataset.build(CandleSet("1m", SYMBOLS, None, candles, ()), SETTINGS, "test")


@pytest.fixture(scope="module")
def trained(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> tuple[tuple[Fold, ...], list[Version]]:
    """Folds, and one artefact of two untrained networks for each."""
    folds, versions = folds_of(dataset), []
    store = MarketStore(dataset)
    for fold in folds:
        recipe = store.window(fold.train.start_ms, fold.train.end_ms, fold.symbols, 7)
        versions.append(untrained(fold, recipe, tmp_path_factory.mktemp(f"fold-{fold.index}") / "ensemble"))
    return folds, versions


def untrained(fold: Fold, recipe: WindowRecipe, folder: Path) -> Version:
    """Export two untrained networks, loud enough to trade, as the version of a fold."""
    nets = [PolicyNet(NetworkSpec((16,), "tanh"), recipe.normaliser, seed) for seed in (1, 2)]
    for net in nets:
        net.policy_head.weight.data *= 100.0
    card = recipe.card(f"test/fold-{fold.index}", PpoSettings()).model_copy(update={"seeds": (1, 2)})
    artefact = export_artefact(folder, nets, card, recipe.memory, recipe.tree)
    seeds = tuple(TrainResult(seed, 0, 0.0, (), folder, artefact.sha256) for seed in (1, 2))
    return Version(fold.index, ALL_COINS, fold.symbols, folder, artefact.sha256, seeds)


@pytest.mark.postgres
def test_tasks_give_what_one_process_gives_and_rows_do_not_multiply(
    dataset: Dataset, trained: tuple[tuple[Fold, ...], list[Version]], database: Engine
) -> None:
    """Blocks of two coins on workers equal one block here; a second run finds every trade written already."""
    folds, versions = trained
    url = SecretStr(database.url.render_as_string(hide_password=False))
    run_id = open_run(database, "shadow", SETTINGS, dataset.summary.fingerprint, "test")
    seen: list[tuple[int, int]] = []
    report = shadow(
        dataset, folds, versions, url=url, run_id=run_id, progress=lambda done, total: seen.append((done, total))
    )
    artefact = load_artefact(versions[0].artefact)
    fit = dataset.fit(folds[0].train.start_ms, folds[0].train.end_ms, 7)
    tapes = [tape for tape in dataset.fold_tapes(fit) if tape.symbol in folds[0].symbols]
    limits = Limits.of(SETTINGS.risk)
    here = shadow_block(artefact.ensemble, tapes, folds[0].test, dataset.kernel, limits, name="ensemble", fold=0)
    assert len(here.trades) > 10
    assert report.policy.daily[0] == here.daily[0]
    per_block = 1 + 2 + len(BASELINES) + 3  # ensemble, seeds, rules, trees, chance, filtered
    tasks = 2 * (2 * per_block + 3) + 1  # with portfolio, training of trees and meta model; CPCV of the last fold
    assert (seen[0], seen[-1]) == ((0, tasks), (tasks, tasks))
    assert [tree.fold for tree in report.trees] == [0, 1]
    assert all(tree.labels > 200 and tree.auc is not None for tree in report.trees)
    assert report.tree_paths is not None
    assert len(report.tree_paths.auc) == 5
    assert report.meta is not None
    assert report.meta.folds[0].learnt == 0
    assert report.meta.folds[1].learnt > 10
    stored = read_trades(database, run_id, policy="ensemble", account="coin", fold=0)
    assert np.array_equal(np.sort(stored.net), np.sort(here.trades.net))
    rows = len(read_trades(database, run_id))
    days = read_daily(database, run_id)
    assert {row.kind for row in days} == {"policy", "seed", "baseline", "random"}
    kept = [row for row in days if (row.kind, row.fold) == ("policy", 0)]
    assert [row.symbol for row in kept] == list(here.symbols)
    assert [row.net for row in kept] == [tuple(here.pnl[:, column]) for column in range(len(here.symbols))]
    copies = [row for row in days if row.kind == "random"]
    assert {row.symbol for row in copies if row.fold == 0} == {"*", "W2/USDT"}, "a block of one coin has its own"
    again = shadow(dataset, folds, versions, url=url, run_id=run_id)
    assert read_daily(database, run_id) == days
    assert len(read_trades(database, run_id)) == rows
    assert again.policy.daily == report.policy.daily
    assert again.chance == report.chance
    assert {row.policy for row in read_performance(database, run_id)} == {
        "ensemble", "seed-1", "seed-2", "flat", "buy_and_hold", "momentum", "mean_reversion",
        "lightgbm",
    }  # fmt: skip


@pytest.mark.postgres
def test_shadow_asks_the_tree_model_that_came_with_the_version(
    dataset: Dataset, tmp_path: Path, database: Engine
) -> None:
    """Entry 61 of every state in the test window is the word of the training window's final model on that state."""
    features = SETTINGS.features.model_copy(update={"tree": True})
    wanting = replace(dataset, settings=SETTINGS.model_copy(update={"features": features}))
    run_id = open_run(database, "shadow", wanting.settings, dataset.summary.fingerprint, "test")
    fold = folds_of(dataset)[0]
    recipe = MarketStore(wanting).window(fold.train.start_ms, fold.train.end_ms, fold.symbols, 7)
    assert recipe.tree is not None
    assert recipe.tree.facts.train_end_ms == fold.train.end_ms
    version = untrained(fold, recipe, tmp_path / "ensemble")
    url = SecretStr(database.url.render_as_string(hide_password=False))
    shadow(wanting, [fold], [version], url=url, run_id=run_id)
    trades = read_trades(database, run_id, policy="ensemble", account="coin")
    assert len(trades) > 10
    assert np.array_equal(trades.entry_state[:, S_LGBM_EDGE], recipe.tree.edge(trades.entry_state))


@pytest.mark.postgres
def test_shadow_asks_the_memory_that_came_with_the_version(dataset: Dataset, tmp_path: Path, database: Engine) -> None:
    """States of the test window remember what training remembered, nothing since; the trades they enter keep that."""
    run_id = open_run(database, "shadow", SETTINGS, dataset.summary.fingerprint, "test")
    fold = folds_of(dataset)[0]
    store = MarketStore(dataset.remembering(past_of(dataset)))
    recipe = store.window(fold.train.start_ms, fold.train.end_ms, fold.symbols, 7)
    assert recipe.memory is not None
    version = untrained(fold, recipe, tmp_path / "ensemble")
    url = SecretStr(database.url.render_as_string(hide_password=False))
    report = shadow(dataset, [fold], [version], url=url, run_id=run_id)
    (reliance,) = report.ablations
    assert (reliance.block, reliance.net_with) == ("memory", pytest.approx(report.policy.metrics.pnl_total))
    assert reliance.net_without != reliance.net_with
    trades = read_trades(database, run_id, policy="ensemble", account="coin")
    assert len(trades) > 10
    assert set(trades.layout) == {dataset.layout}
    assert (trades.risk_frac > 0).all()
    tapes = {tape.symbol: tape for tape in dataset.fold_tapes(recipe.fit, recipe.memory)}
    matched = 0
    for row in range(len(trades)):
        tape, state = tapes[trades.symbol[row]], trades.entry_state[row]
        close_ms = (tape.bars[tape.rows, 0] + 1) * dataset.kernel.base_ms
        place = int(np.searchsorted(close_ms, trades.entry_time[row], side="right")) - 1
        assert np.array_equal(tape.features[place, MEMORY_SLICE], state[MEMORY_SLICE])
        matched += np.array_equal(recipe.memory.entries(state, int(close_ms[place]), tape.symbol), state[MEMORY_SLICE])
    assert matched == len(trades)
    assert trades.entry_state[:, MEMORY_SLICE].any()
    later = open_run(database, "train", SETTINGS, dataset.summary.fingerprint, "test")
    found = recall(database, later, dataset.layout, dataset.kernel.base_ms, policy="ensemble", account="coin")
    ended = trades.exit_reason == "end_of_data"
    risk = trades.entry_price * trades.quantity * trades.risk_frac
    known = dict(
        zip(zip(found.outcomes.symbol, found.outcomes.entry_ms, strict=True), found.outcomes.result, strict=True)
    )
    for row in np.flatnonzero(~ended):
        assert known[trades.symbol[row], trades.entry_time[row]] == pytest.approx(trades.net[row] / risk[row])
    assert int((~ended).sum()) > 10


def test_policies_of_other_candles_or_of_a_later_window_are_refused(
    dataset: Dataset, trained: tuple[tuple[Fold, ...], list[Version]]
) -> None:
    """A test on data that was trained on is none: refused by name, like other candles and a missing fold."""
    folds, versions = trained
    with pytest.raises(DataError, match="was trained up to"):
        shadow(dataset, folds, [replace(versions[1], fold=0), versions[1]])
    other = replace(dataset, summary=replace(dataset.summary, fingerprint="0" * 64))
    with pytest.raises(DataError, match="trained on other candles"):
        shadow(other, folds, versions)
    with pytest.raises(DataError, match="fold 1 has no trained version"):
        shadow(dataset, folds, versions[:1])


def test_one_policy_per_coin(dataset: Dataset, trained: tuple[tuple[Fold, ...], list[Version]]) -> None:
    """Per-coin versions trade their own coin each, the portfolio all of them; with equal weights it is the same."""
    folds, versions = trained
    per_coin = [replace(versions[0], scope=symbol, symbols=(symbol,)) for symbol in folds[0].symbols]
    apart = shadow(dataset, folds[:1], per_coin)
    together = shadow(dataset, folds[:1], versions[:1])
    assert apart.policy.daily == pytest.approx(together.policy.daily)
    assert apart.portfolio is not None
    assert together.portfolio is not None
    assert apart.portfolio.summary.daily == pytest.approx(together.portfolio.summary.daily)


def test_a_policy_is_judged_by_the_rules_it_was_trained_with(
    dataset: Dataset, trained: tuple[tuple[Fold, ...], list[Version]]
) -> None:
    """Another cap, hold or limit is refused before anything is traded, by name and with both values."""
    folds, versions = trained
    for changed, named in (
        (replace(dataset, kernel=replace(dataset.kernel, cap_bps=7)), "cap_bps 30 -> 7"),
        (
            replace(
                dataset,
                settings=dataset.settings.model_copy(
                    update={"risk": dataset.settings.risk.model_copy(update={"heat_max_frac": 0.5})}
                ),
            ),
            "heat_frac",
        ),
    ):
        with pytest.raises(DataError, match=named):
            shadow(changed, folds, versions)


def test_a_run_is_judged_by_the_rules_its_search_froze(dataset: Dataset, tmp_path: Path) -> None:
    """Coins, portfolio and random policies trade with the frozen hold; by the configured one the run is refused."""
    frozen = with_rules(dataset.trading, {"hold_bars": 20, "decision_interval_bars": 60, "stop_sigmas": 2.0})
    ruled = dataset.under(frozen)
    fold = folds_of(dataset)[0]
    assert folds_of(ruled) == folds_of(dataset)
    recipe = MarketStore(dataset).window(fold.train.start_ms, fold.train.end_ms, fold.symbols, 7, frozen)
    versions = [untrained(fold, recipe, tmp_path / "ensemble")]
    report = shadow(ruled, [fold], versions)
    fit = ruled.fit(fold.train.start_ms, fold.train.end_ms, 7)
    tapes = [tape for tape in ruled.fold_tapes(fit) if tape.symbol in fold.symbols]
    ensemble = load_artefact(versions[0].artefact).ensemble
    here = shadow_block(ensemble, tapes, fold.test, ruled.kernel, LIMITS, name="ensemble", fold=0)
    assert report.policy.daily == tuple(here.daily.tolist())
    assert len(here.trades) > 10
    assert 10 < here.trades.hold_bars.max() <= 21
    assert all((trade.exit_ms - trade.entry_ms) <= 21 * 60_000 for trade in report.sample)
    assert report.portfolio is not None
    assert report.portfolio.summary.trades.trades > 10
    with pytest.raises(DataError, match="hold_bars 20 -> 60"):
        shadow(dataset, [fold], versions)


def test_another_artefact_in_its_place_is_refused(
    dataset: Dataset, trained: tuple[tuple[Fold, ...], list[Version]]
) -> None:
    """What the run exported is what is judged: an artefact with another identity is named."""
    folds, versions = trained
    swapped = [replace(version, sha256="0" * 64) for version in versions]
    with pytest.raises(DataError, match="the run exported 000000000000"):
        shadow(dataset, folds, swapped)

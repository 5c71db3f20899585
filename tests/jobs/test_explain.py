"""A run's trades through the analysis and back into the database: repeatable, and whole or nothing."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import Engine, text

from huracan.env.dataset import Dataset
from huracan.errors import DataError, UsageError
from huracan.learn.campaign import Version
from huracan.learn.cluster import ray_session
from huracan.learn.recipe import MarketStore
from huracan.market import CandleSet, wild_bars
from huracan.memory import Registry, open_run, read_trades, write_trades
from huracan.memory.analyses import read_proposals
from huracan.memory.patterns import read_patterns
from huracan.patterns.embedding import ROWS_MIN
from huracan.policy import load_artefact
from huracan.shadow import COIN_ACCOUNT, ENSEMBLE, cut_tape, shadow_block, trade_blocks, trade_rows
from huracan.trading import Limits
from jobs.explain import ANALYSIS_NAME, analyse_shadow, analyse_traded, save_analysis
from jobs.train import folds_of
from tests.analysis.sample import sample_analysis
from tests.jobs.test_shadow import SETTINGS, SYMBOLS, untrained
from tests.memory.samples import count_analyses

pytestmark = [pytest.mark.postgres, pytest.mark.ray]


@pytest.fixture(scope="module", autouse=True)
def local_ray() -> Iterator[None]:
    """One Ray instance for this module: recipes travel through its object store."""
    with ray_session(SETTINGS.ray):
        yield


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    """Three coins of minute bars, long enough for two folds of one test day."""
    candles = {symbol: wild_bars(51 + i, 13 * 1_440, symbol=symbol) for i, symbol in enumerate(SYMBOLS)}
    return Dataset.build(CandleSet("1m", SYMBOLS, None, candles, ()), SETTINGS, "test")


@pytest.fixture(scope="module")
def versions(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> list[Version]:
    """One artefact of untrained networks for each fold."""
    store, found = MarketStore(dataset), []
    for fold in folds_of(dataset):
        recipe = store.window(fold.train.start_ms, fold.train.end_ms, fold.symbols, 7)
        found.append(untrained(fold, recipe, tmp_path_factory.mktemp(f"fold-{fold.index}") / "ensemble"))
    return found


@pytest.fixture(scope="module")
def run_id(dataset: Dataset, versions: list[Version], database: Engine) -> int:
    """A run whose shadow trades are in the database."""
    made = open_run(database, "train", SETTINGS, dataset.summary.fingerprint, "test")
    limits = Limits.of(SETTINGS.risk)
    for fold, version in zip(folds_of(dataset), versions, strict=True):
        artefact = load_artefact(version.artefact)
        fit = dataset.fit(fold.train.start_ms, fold.train.end_ms, 7)
        tapes = [
            cut_tape(t, fold.test, dataset.kernel.base_ms) for t in dataset.fold_tapes(fit) if t.symbol in fold.symbols
        ]
        result = shadow_block(
            artefact.ensemble, tapes, fold.test, dataset.kernel, limits, name=ENSEMBLE, fold=fold.index
        )
        rows = trade_rows(result, COIN_ACCOUNT, dataset.layout)
        write_trades(database, made, rows, trade_blocks(result, COIN_ACCOUNT))
    return made


def test_every_trade_that_ended_by_itself_is_analysed_once(
    dataset: Dataset, versions: list[Version], database: Engine, run_id: int
) -> None:
    """Rows for all of them and proposals for the policy; a second time writes nothing; regimes and books agree."""
    trades = read_trades(database, run_id)
    ended = int((trades.exit_reason != "end_of_data").sum())
    done = analyse_shadow(dataset, versions, database, run_id)
    assert done is not None
    assert done.analysis.trades == len(trades) > ended == done.analysis.analysed > 20
    assert done.rows_written == 2 * ended + 3
    counts = count_analyses(database, run_id)
    assert counts["win_analysis"] + counts["loss_analysis"] == counts["post_exit_tracking"] == ended
    assert len(read_proposals(database, run_id)) == 3
    libraries = read_patterns(database, run_id, policy=ENSEMBLE, account=COIN_ACCOUNT)
    assert [library.trades for library in libraries] == ([ended] if ended >= ROWS_MIN else [])
    assert (done.analysis.identity_error, done.analysis.excursions_differ) == (0, 0)
    assert not [gap for gap in done.analysis.gaps if "regime" in gap or "layout" in gap]
    again = analyse_shadow(dataset, versions, database, run_id)
    assert again is not None
    assert again.rows_written == 0
    assert again.analysis == done.analysis


def test_a_policy_that_did_not_trade_has_nothing_to_analyse(
    dataset: Dataset, versions: list[Version], database: Engine, run_id: int
) -> None:
    """That is no failure: not trading is a valid choice."""
    assert analyse_shadow(dataset, versions, database, run_id, policy="flat") is None


def test_a_crash_in_the_middle_leaves_nothing_and_is_mended_by_running_again(
    dataset: Dataset, versions: list[Version], database: Engine
) -> None:
    """A table that refuses a row in the last statement: not one row of the others stays."""
    rows = read_trades(database, 1, fold=0)
    other = open_run(database, "train", SETTINGS, dataset.summary.fingerprint, "test")
    write_trades(database, other, rows)
    with database.begin() as connection:
        connection.execute(text("ALTER TABLE rule_proposals ADD CONSTRAINT broken CHECK (run_id < 0) NOT VALID"))
    with pytest.raises(Exception, match="broken"):
        analyse_shadow(dataset, versions, database, other)
    assert set(count_analyses(database, other).values()) == {0}
    with database.begin() as connection:
        connection.execute(text("ALTER TABLE rule_proposals DROP CONSTRAINT broken"))
    done = analyse_shadow(dataset, versions, database, other)
    assert done is not None
    assert done.rows_written > 0


def test_paper_trades_are_analysed_by_version_and_account(
    dataset: Dataset, versions: list[Version], database: Engine, run_id: int
) -> None:
    """With the fit of their version where the registry has it; without one, regimes are unknown and say so."""
    rows = read_trades(database, run_id, fold=0)
    traded = open_run(database, "trade-paper", SETTINGS, dataset.summary.fingerprint, "test")
    count = len(rows)
    registry = Registry(database)
    registry.register(run_id, "v-known", "*", str(versions[0].artefact), versions[0].sha256, {}, "test")
    for version in ("v-known", "v-gone"):
        paper = replace(
            rows,
            mode=np.full(count, "paper"),
            policy=np.full(count, version),
            account=np.full(count, "me"),
            layout=np.zeros(count, np.int64),
        )
        write_trades(database, traded, paper)
    done = {one.analysis.policy: one.analysis for one in analyse_traded(dataset, database, traded, "paper")}
    assert set(done) == {"v-known", "v-gone"}
    assert {one.mode for one in done.values()} == {"paper"}
    unknown = [gap for gap in done["v-gone"].gaps if "no known regime" in gap]
    assert unknown
    assert [gap for gap in done["v-gone"].gaps if "another feature layout" in gap]
    assert not [gap for gap in done["v-known"].gaps if "no known regime" in gap or "layout" in gap]
    with pytest.raises(UsageError, match="no closed live trade"):
        analyse_traded(dataset, database, traded, "live")


def test_trades_of_other_candles_are_refused(dataset: Dataset, versions: list[Version], database: Engine) -> None:
    """Years away from the candles given: the folder is asked for."""
    rows = read_trades(database, 1, fold=0)
    far = 5 * 365 * 86_400_000
    other = open_run(database, "train", SETTINGS, "other", "test")
    write_trades(database, other, replace(rows, entry_time=rows.entry_time + far, exit_time=rows.exit_time + far))
    with pytest.raises(DataError, match="give the folder of the candles"):
        analyse_shadow(dataset, versions, database, other)


def test_the_summary_is_kept_for_the_report(tmp_path: Path) -> None:
    """One that is no longer true goes with the next run that has none."""
    save_analysis(tmp_path, sample_analysis())
    assert (tmp_path / ANALYSIS_NAME).exists()
    save_analysis(tmp_path, None)
    save_analysis(tmp_path, None)
    assert not (tmp_path / ANALYSIS_NAME).exists()

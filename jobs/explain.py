"""A run's closed trades through the analysis: read from Postgres, put beside their candles, written back, kept."""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from pydantic import TypeAdapter
from sqlalchemy import Engine

from huracan.analysis import Analysis, Group, analyse, embedding_of, path_of
from huracan.env.dataset import Dataset
from huracan.errors import ArtefactError, UsageError
from huracan.features import FeatureFit
from huracan.insights import learn_owner
from huracan.learn.campaign import Version
from huracan.learn.checkpoint import write_atomically
from huracan.memory import Registry, TradeRows, read_trades
from huracan.memory.analyses import write_analyses
from huracan.patterns import state_layout
from huracan.policy import load_artefact
from huracan.shadow import COIN_ACCOUNT, ENSEMBLE
from huracan.storage import Location, locate
from huracan.trading import Limits, Tape

__all__ = ["ANALYSIS_NAME", "Done", "analyse_shadow", "analyse_traded", "save_analysis"]

ANALYSIS_NAME = "analysis.json"
Mode = Literal["shadow", "paper", "live"]


@dataclass(frozen=True, slots=True)
class Done:
    """One analysis that was made and written.

    Attributes:
        analysis: the summary.
        rows_written: rows of the database that are new or changed; 0 when it was done before.
        wall_s: time taken, reading and writing included.
    """

    analysis: Analysis
    rows_written: int
    wall_s: float


def analyse_shadow(
    dataset: Dataset,
    versions: Sequence[Version],
    engine: Engine,
    run_id: int,
    *,
    policy: str = ENSEMBLE,
    account: str = COIN_ACCOUNT,
) -> Done | None:
    """Analyse a policy's shadow trades of a training run and write what is found beside them.

    None when it closed no trade of its own accord: the policy chose not to trade, or its data ended every trade.

    Args:
        dataset: the candles, under the rules that the run froze.
        versions: trained recipes, by fold and scope: their fits give the regimes.
        engine: the database with the trades.
        run_id: of the training run.
        policy: whose trades: the ensemble, a seed or a baseline.
        account: `coin` or `portfolio`.

    Raises:
        DataError: the trades do not lie on these candles.
        ArtefactError: an artefact fails one of its checks.
        InvariantError: the books of a trade are wrong.
    """
    begun = time.perf_counter()
    groups = []
    for fold in sorted({version.fold for version in versions}):
        trades = read_trades(engine, run_id, policy=policy, account=account, fold=fold, mode="shadow")
        for version in (version for version in versions if version.fold == fold):
            mine = [row for row, symbol in enumerate(trades.symbol.tolist()) if symbol in version.symbols]
            if mine:
                groups.append(_group(dataset, trades.rows(mine), version.artefact))
    if not any((group.trades.exit_reason != "end_of_data").any() for group in groups):
        return None
    return _write(dataset, groups, engine, run_id, begun)


def analyse_traded(
    dataset: Dataset,
    engine: Engine,
    run_id: int,
    mode: Mode,
    account: str | None = None,
    until_ms: int | None = None,
) -> tuple[Done, ...]:
    """Analyse the paper or live trades of a run, one policy and account after the other.

    A version that is no longer in the registry gives no regimes and no similar trades: its trades say so. With
    `until_ms` only what closed by then is looked at: as far as the candles reach.

    Raises:
        UsageError: the run has no closed trade in this mode.
        DataError: the trades do not lie on these candles.
    """
    trades = read_trades(engine, run_id, mode=mode, account=account)
    if until_ms is not None:
        trades = trades.rows(np.flatnonzero(trades.exit_time <= until_ms).tolist())
    artefacts = {model.version: locate(model.artefact) for model in Registry(engine).models()}
    whose = sorted(set(zip(trades.policy.tolist(), trades.account.tolist(), strict=True)))
    if not whose:
        raise UsageError(f"run {run_id} has no closed {mode} trade to analyse; name another run, mode or account")
    done = []
    for policy, own in whose:
        begun = time.perf_counter()
        rows = [n for n, pair in enumerate(zip(trades.policy, trades.account, strict=True)) if pair == (policy, own)]
        group = _group(dataset, trades.rows(rows), artefacts.get(policy))
        done.append(_write(dataset, [group], engine, run_id, begun))
    return tuple(done)


def save_analysis(run_folder: Location, analysis: Analysis | None) -> None:
    """Keep a run's analysis for its report; without one, none of an earlier time stays."""
    if analysis is None:
        (run_folder / ANALYSIS_NAME).unlink(missing_ok=True)
        return
    write_atomically(run_folder / ANALYSIS_NAME, TypeAdapter(Analysis).dump_json(analysis))


def _group(dataset: Dataset, trades: TradeRows, artefact: Location | None) -> Group:
    """Return trades with their markets under the fit that decided them; without a fit regimes stay unknown."""
    base_ms, symbols = dataset.kernel.base_ms, set(trades.symbol.tolist())
    fit = None if artefact is None else _fit(artefact)
    tapes: Sequence[Tape] = dataset.bare
    if fit is not None:
        try:
            tapes = dataset.fold_tapes(fit)
        except ArtefactError:  # other windows, interval or universe than these candles have: its regimes are not theirs
            fit = None
    mine = [tape for tape in tapes if tape.symbol in symbols]
    paths = {tape.symbol: path_of(tape, base_ms, regimes=fit is not None) for tape in mine}
    if fit is not None:  # live trades do not say so themselves
        own = np.where(trades.layout == 0, state_layout(fit.context.windows), trades.layout)
        trades = replace(trades, layout=own)
    first_ms = int(trades.entry_time.min())
    return Group(trades, paths, None if fit is None else embedding_of(mine, base_ms, first_ms, fit.scaler))


def _fit(artefact: Location) -> FeatureFit | None:
    """Return the feature fit that an artefact was trained with, None when the artefact is gone."""
    if not artefact.exists():
        return None
    return FeatureFit.from_json(json.dumps(load_artefact(artefact).card.fit))


def _write(dataset: Dataset, groups: Sequence[Group], engine: Engine, run_id: int, begun: float) -> Done:
    limits = Limits.of(dataset.settings.risk, dataset.settings.trading.account_to_quote_rate)
    found = analyse(groups, dataset.bare, dataset.kernel, limits, layout=dataset.layout)
    written = write_analyses(engine, run_id, found.rows, found.proposals)
    whose = found.summary
    learn_owner(engine, run_id, whose.mode, whose.policy, whose.account)  # gives the analyses their pattern
    return Done(found.summary, written, time.perf_counter() - begun)

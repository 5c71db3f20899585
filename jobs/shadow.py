"""Shadow trading of a finished training: `python -m jobs.shadow --run-id 7 --data /data/candles/1m`.

Every version of the run trades the test window of its fold, beside its single seeds, the baselines and random policies,
one Ray task per (policy, fold, coin block). Tasks write their own trades; writing again changes nothing, so a lost
worker costs its tasks and a stopped run is simply run again.
"""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import click
import ray
from pydantic import SecretStr
from sqlalchemy import Engine

from huracan.baselines import (
    BASELINES,
    LIGHTGBM,
    Schooling,
    school,
)
from huracan.config import Settings, home_folder, load_settings, run_folder
from huracan.env.dataset import Dataset
from huracan.errors import ConfigError, DataError, UsageError
from huracan.features import FeatureFit
from huracan.learn.blocks import load_dataset
from huracan.learn.campaign import Version, read_campaign
from huracan.learn.checkpoint import write_atomically
from huracan.learn.cluster import own_faults, ray_session
from huracan.learn.recipe import trading_rules
from huracan.logs import bind_run
from huracan.memory import (
    EmbeddedServer,
    Run,
    claim_run,
    connect,
    database_url,
    list_runs,
    open_database,
    phase,
    read_run,
    record_performance,
    record_shadow_days,
    record_shadow_days_of_versions,
)
from huracan.policy import Artefact, Ensemble, Sureness, load_artefact
from huracan.shadow import (
    BLOCKS,
    COIN_ACCOUNT,
    ENSEMBLE,
    Fold,
    FoldOutcome,
    MetaOutcome,
    RandomResult,
    ShadowReport,
    assess,
    cut_tape,
    daily_rows,
    join_blocks,
    performance_rows,
    to_json,
)
from huracan.storage import Location
from huracan.terminal import PLACE, Terminal, run, standalone
from huracan.trading import Limits, Tape
from jobs.explain import analyse_shadow, save_analysis
from jobs.shadow_tasks import (
    Place,
    Rules,
    learn_meta,
    trade_block,
    trade_filtered,
    trade_portfolio,
    trade_randomly,
    trade_without,
    train_tree,
    walk_paths,
)
from jobs.train import KIND as TRAIN
from jobs.train import check_job, folds_of

__all__ = ["ENSEMBLE", "main", "open_runs", "program", "shadow", "trained_run"]

REPORT_NAME = "shadow.json"
_NO_TRAINING = "no training is finished; run `huracan train` first"

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Unit:
    """Coins of one fold that share a policy: all of them, or one with per-coin policies; `schooling` is the fold's.

    `blocks` are those of the state that it was trained with beside the market: memory, tree.
    """

    tapes: tuple[Tape, ...]
    policy: Ensemble
    schooling: Schooling
    blocks: tuple[str, ...]


@dataclass(slots=True)
class FoldTasks:
    """The tasks of one fold under way; results of a name are in the order of the coin blocks."""

    fold: Fold
    blocks: dict[str, list[ray.ObjectRef]]
    chance: list[ray.ObjectRef]
    portfolio: ray.ObjectRef
    opponent: ray.ObjectRef
    paths: ray.ObjectRef | None
    meta: ray.ObjectRef
    filtered: list[ray.ObjectRef]
    ablated: dict[str, list[ray.ObjectRef]]

    @property
    def refs(self) -> list[ray.ObjectRef]:
        """Return all tasks."""
        traded = [ref for refs in self.blocks.values() for ref in refs]
        paths = [] if self.paths is None else [self.paths]
        ablated = [ref for refs in self.ablated.values() for ref in refs]
        return [*traded, *self.chance, self.portfolio, self.opponent, *paths, self.meta, *self.filtered, *ablated]

    def outcome(self, seeds: Sequence[str]) -> FoldOutcome:
        """Return what was traded; every task is done."""
        joined = {name: join_blocks(ray.get(refs)) for name, refs in self.blocks.items()}
        coins = [block.symbols for block in ray.get(self.blocks[ENSEMBLE])]
        filtered = [result for result in ray.get(self.filtered) if result is not None]
        return FoldOutcome(
            fold=self.fold,
            policy=joined[ENSEMBLE],
            seeds=tuple(joined[name] for name in seeds),
            baselines=tuple(joined[name] for name in (*(baseline.name for baseline in BASELINES), LIGHTGBM)),
            chance=RandomResult.joined(ray.get(self.chance)),
            portfolio=ray.get(self.portfolio),
            opponent=ray.get(self.opponent),
            paths=None if self.paths is None else ray.get(self.paths),
            meta=MetaOutcome(ray.get(self.meta), join_blocks(filtered) if filtered else None),
            chance_blocks=tuple(zip(coins, ray.get(self.chance), strict=True)),
            ablated={
                block: join_blocks(ray.get(refs))
                for block, refs in self.ablated.items()
                if len(refs) == len(self.blocks[ENSEMBLE])
            },
        )


def shadow(
    dataset: Dataset,
    folds: Sequence[Fold],
    versions: Sequence[Version],
    *,
    url: SecretStr | None = None,
    run_id: int | None = None,
    progress: Progress = lambda done, total: None,
) -> ShadowReport:
    """Judge the versions of a run on the test windows of their folds; starts or joins Ray.

    Args:
        dataset: the candles they were trained on, under the rules the run froze.
        folds: the walk-forward folds.
        versions: trained recipes, by fold and scope.
        url: database for the trades and figures; None keeps everything in memory.
        run_id: run in that database.
        progress: called with (finished, all) tasks.

    Raises:
        DataError: a fold has no version, or a version was trained on other data or another window.
        ArtefactError: an artefact fails one of its checks.
        TrainingError: workers keep dying; run again.
    """
    seeds = tuple(f"seed-{result.seed}" for result in versions[0].seeds) if versions else ()
    trained = [(version, load_artefact(version.artefact)) for version in versions]  # faults show before Ray starts
    with ray_session(dataset.settings.ray):
        place = Place(url, run_id, dataset.layout)
        tasks: list[FoldTasks] = []
        for fold in folds:
            tasks.append(_start(dataset, fold, _units(dataset, fold, trained), seeds, place, tasks, fold is folds[-1]))
        _await([ref for fold in tasks for ref in fold.refs], progress)
        outcomes = [fold.outcome(seeds) for fold in tasks]
    report = assess(outcomes, dataset.kernel, dataset.settings.shadow, run_id=run_id, policy_name=ENSEMBLE)
    if url is not None and run_id is not None:
        engine = connect(url)
        record_performance(engine, run_id, *performance_rows(report))
        record_shadow_days(engine, run_id, daily_rows(outcomes))
        days = [datetime.fromtimestamp(day_ms / 1_000, tz=UTC).date() for day_ms in report.day_ms]
        record_shadow_days_of_versions(engine, run_id, ENSEMBLE, COIN_ACCOUNT, days)
        engine.dispose()
    return report


def _units(dataset: Dataset, fold: Fold, trained: Sequence[tuple[Version, Artefact]]) -> list[Unit]:
    """Check the versions of a fold and cut the tapes, with the features of their fit, to the test window."""
    units: list[Unit] = []
    schooled: dict[str, Schooling] = {}
    for version, artefact in sorted((pair for pair in trained if pair[0].fold == fold.index), key=lambda p: p[0].scope):
        card = artefact.card
        if card.data_fingerprint != dataset.summary.fingerprint:
            raise DataError(
                f"{version.artefact} was trained on other candles ({card.data_fingerprint[:12]}) than these "
                f"({dataset.summary.fingerprint[:12]}); give the folder it was trained on"
            )
        if artefact.sha256 != version.sha256:
            raise DataError(
                f"{version.artefact} is {artefact.sha256[:12]}, the run exported {version.sha256[:12]}; put the "
                "run's own artefact back, or resume its training"
            )
        _check_rules(dataset, version, card.trading)
        if card.train_end_ms > fold.train.end_ms:
            raise DataError(
                f"{version.artefact} was trained up to {card.train_end_ms} ms, past the training window of fold "
                f"{fold.index} ({fold.train.end_ms} ms): its test would be no test; use the folds it was trained with"
            )
        chosen = set(version.symbols) & set(fold.symbols)
        fit = FeatureFit.from_json(json.dumps(card.fit))
        tapes = dataset.fold_tapes(fit, artefact.memory, artefact.tree)
        if fit.sha256 not in schooled:
            schooled[fit.sha256] = _school(dataset, fold, tapes, fit)
        base_ms = dataset.kernel.base_ms
        cut = tuple(cut_tape(tape, fold.test, base_ms) for tape in tapes if tape.symbol in chosen)
        if cut:
            given = {"memory": artefact.memory is not None, "tree": artefact.tree is not None}
            blocks = tuple(block for block in BLOCKS if given[block])
            units.append(Unit(cut, artefact.ensemble, schooled[fit.sha256], blocks))
    if not units:
        raise DataError(f"fold {fold.index} has no trained version; resume the training of this run")
    return units


def _school(dataset: Dataset, fold: Fold, tapes: Sequence[Tape], fit: FeatureFit) -> Schooling:
    """Label the training window of a fold over all of its coins: what its opponent learns from."""
    members = [tape for tape in tapes if tape.symbol in fold.symbols]
    limits = Limits.of(dataset.settings.risk, dataset.settings.trading.account_to_quote_rate)
    return school(members, dataset.kernel, fold.train.start_ms, fold.train.end_ms, limits, fit.sha256)


def _check_rules(dataset: Dataset, version: Version, trained: Mapping[str, Any]) -> None:
    """Hold that a policy is judged by the rules it was trained with.

    Raises:
        DataError: rules or limits differ; each is named with both values.
    """
    found = [
        f"{name} {was!r} -> {now[name]!r}"
        for part, now in trading_rules(dataset).items()
        if isinstance(now, dict)
        for name, was in trained[part].items()
        if now.get(name) != was
    ]
    if found:
        raise DataError(
            f"{version.artefact} was trained by other rules than these ({', '.join(found)}); judge it by its own: "
            "leave out what changes them, or train anew"
        )


def _start(
    dataset: Dataset,
    fold: Fold,
    units: Sequence[Unit],
    seeds: Sequence[str],
    place: Place,
    before: Sequence[FoldTasks],
    last: bool,
) -> FoldTasks:
    """Send all tasks of a fold on their way, behind those of the folds before; of the last one the CPCV paths too."""
    settings = dataset.settings
    limits = Limits.of(settings.risk, settings.trading.account_to_quote_rate)
    sureness = Sureness.of(dataset.settings.risk)
    rules = ray.put(Rules(fold, dataset.kernel, limits, place, sureness))
    bare = ray.put(Rules(fold, replace(dataset.kernel, stops_enabled=False), limits, place, sureness))
    names = [ENSEMBLE, *seeds, *(baseline.name for baseline in BASELINES), LIGHTGBM]
    blocks: dict[str, list[ray.ObjectRef]] = {name: [] for name in names}
    chance: list[ray.ObjectRef] = []
    size = settings.shadow.coins_per_block
    opponents: dict[str, ray.ObjectRef] = {}
    filtered: list[ray.ObjectRef] = []
    ablated: dict[str, list[ray.ObjectRef]] = {}
    meta = learn_meta.remote(rules, *(ref for earlier in before for ref in earlier.blocks[ENSEMBLE]))
    for unit in units:
        fit = unit.schooling.fit
        if fit not in opponents:
            opponents[fit] = train_tree.remote(unit.schooling)
        judged = {ENSEMBLE: ray.put(unit.policy)}
        judged |= {name: ray.put(Ensemble([net])) for name, net in zip(seeds, unit.policy.nets, strict=True)}
        for first in range(0, len(unit.tapes), size):
            tapes = ray.put(unit.tapes[first : first + size])
            for name, policy in judged.items():
                blocks[name].append(trade_block.remote(name, policy, tapes, rules))
            for baseline in BASELINES:
                own = rules if baseline.stops else bare
                blocks[baseline.name].append(trade_block.remote(baseline.name, baseline.policy, tapes, own))
            blocks[LIGHTGBM].append(trade_block.remote(LIGHTGBM, opponents[fit], tapes, rules))
            filtered.append(trade_filtered.remote(judged[ENSEMBLE], meta, tapes, rules))
            for block in unit.blocks:
                ablated.setdefault(block, []).append(trade_without.remote(block, judged[ENSEMBLE], tapes, rules))
            copies = settings.shadow.random_policies
            chance.append(trade_randomly.remote(blocks[ENSEMBLE][-1], tapes, rules, copies, len(chance)))
    everything = ray.put(tuple(tape for unit in units for tape in unit.tapes))
    policies = [unit.policy for unit in units]
    portfolio = trade_portfolio.remote(policies, everything, rules, settings)
    first_school = units[0].schooling
    walked = walk_paths.remote(first_school) if last else None
    return FoldTasks(fold, blocks, chance, portfolio, opponents[first_school.fit], walked, meta, filtered, ablated)


def _await(refs: Sequence[ray.ObjectRef], progress: Progress) -> None:
    """Wait for all tasks; the first fault is raised as itself, not as Ray's wrapping of it."""
    waiting = list(refs)
    progress(0, len(refs))
    while waiting:
        done, waiting = ray.wait(waiting, num_returns=1)
        with own_faults("shadow trading cannot go on", "run it again, written trades are kept"):
            ray.get(done)
        progress(len(refs) - len(waiting), len(refs))


@standalone("shadow")
@click.option("--run-id", type=int, help="Finished training run; default: the newest.")
@click.option("--data", type=PLACE, help="Folder of candles; default: the run's.")
def program(terminal: Terminal, run_id: int | None, data: Location | None) -> None:
    """Shadow-trade the policies of a training run on data they have not seen, with the run's settings."""
    engine = open_runs(terminal.settings())
    found = trained_run(engine, run_id)
    settings = terminal.settings_of(found.config_json, data__folder=None if data is None else str(data))
    check_job(settings)
    check_folds(settings, found)
    folder = run_folder(settings, found.run_id)
    campaign = read_campaign(folder)
    dataset = load_dataset(settings)
    if dataset.summary.fingerprint != found.data_fingerprint:
        raise DataError(
            f"run {found.run_id} was trained on other candles ({found.data_fingerprint[:12]}) than these "
            f"({dataset.summary.fingerprint[:12]}); give its folder and settings"
        )
    url = database_url(settings.database)
    with claim_run(engine, found.run_id), bind_run(found.run_id), phase(engine, found.run_id, "shadow"):
        judged = dataset.under(campaign.trading)
        report = shadow(judged, folds_of(dataset), campaign.versions, url=url, run_id=found.run_id, progress=_say)
    write_atomically(folder / REPORT_NAME, json.dumps(to_json(report), allow_nan=False).encode())
    with claim_run(engine, found.run_id), bind_run(found.run_id), phase(engine, found.run_id, "analysis"):
        done = analyse_shadow(judged, campaign.versions, engine, found.run_id)
    save_analysis(folder, None if done is None else done.analysis)
    terminal.show(report, lambda: _table(terminal, report))


def check_folds(settings: Settings, trained: Run) -> None:
    """Refuse to judge a run on other test days than it was trained for: who saw a result could choose them by it.

    Raises:
        ConfigError: a setting of `walk_forward` is not the run's.
    """
    own = load_settings(None, environ={}, base=json.loads(trained.config_json)).walk_forward
    asked = settings.walk_forward
    other = [
        f"walk_forward.{name} is {getattr(asked, name)}, the run's {getattr(own, name)}"
        for name in type(own).model_fields
        if getattr(asked, name) != getattr(own, name)
    ]
    if other:
        raise ConfigError(
            f"run {trained.run_id} cannot be judged on other days than it was trained for: {'; '.join(other)}; leave "
            "them as they are, or train anew"
        )


def open_runs(settings: Settings) -> Engine:
    """Return an engine on the database of runs; a home that has none yet is left as it is.

    Raises:
        UsageError: there can be no run: the embedded database was never set up.
        DatabaseError: it cannot be reached.
    """
    if settings.database.url is None and not EmbeddedServer(home_folder()).is_set_up():
        raise UsageError(_NO_TRAINING)
    return open_database(settings.database)


def trained_run(engine: Engine, run_id: int | None) -> Run:
    """Return the run asked for, or the newest whose training is finished.

    Raises:
        UsageError: there is no such run.
    """
    if run_id is not None:
        return read_run(engine, run_id)
    for found in list_runs(engine):
        if found.kind in (TRAIN, "demo") and found.status == "done":
            return found
    raise UsageError(_NO_TRAINING)


def main() -> None:
    """Run the job on the process's arguments and leave with its exit code."""
    sys.exit(run(program, name="jobs.shadow"))


def _say(done: int, total: int) -> None:
    """Keep one line on stderr up to date while a person looks at it."""
    if sys.stderr.isatty():
        click.echo(f"\rshadow: {done} of {total} tasks", nl=done == total, err=True)


def _table(terminal: Terminal, report: ShadowReport) -> None:
    click.echo(f"{report.verdict.headline}. {report.verdict.reason}")
    columns = ("policy", "net", "a day", "interval", "trades", "drawdown", "policy minus this, a day")
    summaries = [(summary, None) for summary in (report.policy, *report.seeds)]
    rows = [
        (
            summary.name,
            f"{summary.metrics.pnl_total:.2f}",
            f"{summary.day_mean.estimate:.2f}",
            f"{summary.day_mean.low:.2f} to {summary.day_mean.high:.2f}",
            summary.trades.trades,
            f"{summary.metrics.drawdown_max:.2f}",
            None if minus is None else f"{minus.low:.2f} to {minus.high:.2f}",
        )
        for summary, minus in [*summaries, *((row.summary, row.policy_minus_this) for row in report.baselines)]
    ]
    terminal.table(f"run {report.run_id}, {len(report.day_ms)} test days", columns, rows)


if __name__ == "__main__":
    main()

"""Train policies: `python -m jobs.train --data /data/candles/1m`, `ray job submit ... -- python -m jobs.train`.

Searches hyper-parameters on data before the first test bar, freezes them, trains every fold and seed, and exports
artefacts to `storage.runs`, else HURACAN_HOME/runs, under the run's number. Safe to stop and to repeat with
`--resume`, or with `--resume-or-start` where nobody looks: finished parts are kept.
"""

import getpass
import os
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import click
from pydantic import TypeAdapter
from sqlalchemy import Engine

import huracan
from huracan.config import Settings, home_folder, run_folder
from huracan.env import Dataset, check_source
from huracan.errors import ConfigError, DataError, UsageError
from huracan.learn.blocks import load_dataset
from huracan.learn.campaign import ALL_COINS, Campaign, SearchWindow, TrainWindow, run_campaign
from huracan.learn.checkpoint import write_atomically
from huracan.learn.cluster import ray_session
from huracan.learn.owner import own_folder
from huracan.learn.progress import TensorBoardLog, TerminalProgress
from huracan.learn.search import Trial
from huracan.learn.train import CurvePoint
from huracan.learn.warm import WarmStart
from huracan.logs import bind_run, get_logger
from huracan.market import symbol_to_stem
from huracan.memory import (
    Claim,
    Registry,
    claim_run,
    leave_numbers,
    list_runs,
    note_candles,
    open_database,
    open_run,
    phase,
    record_trial,
    record_trial_days,
    resume_run,
)
from huracan.memory import Trial as TrialRow
from huracan.patterns import Outcomes, recall
from huracan.shadow import COIN_ACCOUNT, DAY_MS, ENSEMBLE, Fold, usable_history, validation_split, walk_forward_splits
from huracan.storage import Location
from huracan.terminal import PLACE, Terminal, run, standalone

__all__ = [
    "Recollection",
    "RunObserver",
    "folds_of",
    "leave_taken",
    "main",
    "past_of_run",
    "program",
    "recollection_of",
    "train",
    "windows_of",
]

KIND = "train"
PAST_NAME = "past.safetensors"
"""Closed trades that a run remembers; kept, so that a resumed run remembers the same."""
RECOLLECTION_NAME = "recollection.json"
"""How many trades that were, and how many were left out."""
_NUMBER = re.compile(r"[1-9]\d{0,8}")
_IN_A_JOB = "RAY_JOB_CONFIG_JSON_ENV_VAR"
"""Set by Ray for the process of a submitted job, whose working directory is a temporary copy."""


@dataclass(frozen=True, slots=True)
class Recollection:
    """How much of the memory a run could use.

    Attributes:
        trades: closed trades of earlier runs that it remembers.
        left_out: others, on states of another feature layout or without a known risk.
    """

    trades: int
    left_out: int

    def __str__(self) -> str:
        """Return both in words."""
        others = f"; {self.left_out:,} on states of another feature layout, or without a risk, are left out"
        return f"memory: {self.trades:,} closed trades of earlier runs" + (others if self.left_out else "")


@dataclass(slots=True)
class RunObserver:
    """Hands a campaign's progress to the terminal, to TensorBoard and, trial by trial and day by day, to Postgres."""

    engine: Engine
    run_id: int
    seeds_per_trial: int
    validation_start_ms: int
    screen: TerminalProgress
    board: TensorBoardLog
    seen: dict[str, Trial] = field(default_factory=dict)

    def trial_changed(self, trial: Trial) -> None:
        """Bring the trial's row up to date."""
        before = self.seen.get(trial.name)
        if trial.score is None and before is not None:  # a restarted trial keeps its last figures until it reports
            return
        self.seen[trial.name] = trial
        score = trial.score
        metrics = (
            {}
            if score is None
            else {
                "daily_mean_quote": score.daily_mean_quote,
                "daily_error_quote": score.daily_error_quote,
                "days": float(score.days),
                "trades": float(score.trades),
                "stopped_early": float(trial.stopped_early),
            }
        )
        row = TrialRow(
            name=trial.name,
            status=trial.status,
            params=trial.params,
            metrics=metrics,
            objective=None if score is None else score.objective,
            env_steps=trial.env_steps * self.seeds_per_trial,
            wall_s=trial.wall_s,
        )
        record_trial(self.engine, self.run_id, row)
        if score is not None and score.daily_quote:
            first_day = self.validation_start_ms // DAY_MS
            record_trial_days(self.engine, self.run_id, trial.name, first_day, score.daily_quote)
        self.screen.trial_changed(trial)

    def training_changed(self, fold: int, scope: str, seed: int, total_env_steps: int, point: CurvePoint) -> None:
        """Show an iteration and keep it for TensorBoard."""
        self.screen.training_changed(fold, scope, seed, total_env_steps, point)
        stem = "all" if scope == ALL_COINS else symbol_to_stem(scope)
        self.board.add(f"fold-{fold}/{stem}/seed-{seed}", point)


def folds_of(dataset: Dataset) -> tuple[Fold, ...]:
    """Return the walk-forward folds of a dataset's traded symbols, purged for the longest hold a search may choose.

    Where `search.hold_bars` is not configured, holds too long for a short history are left out of the search; the
    purge of the folds says which.

    Raises:
        DataError: the history is too short for the folds asked for.
    """
    kernel = dataset.kernel
    histories = {
        tape.symbol: usable_history(tape.bars[:, 0] * kernel.base_ms, tape.ready, kernel.base_ms)
        for tape in dataset.bare
        if tape.ready.any()
    }
    if not histories:
        longest = max(dataset.bare, key=len)
        raise DataError(
            f"{dataset.summary.source}: no symbol's history outlasts the warm-up of the features; the longest, "
            f"{longest.symbol}, has {len(longest)} bars; give a longer history"
        )
    rules, settings = dataset.rules, dataset.settings
    holds = [hold for hold in rules.hold_bars if hold >= rules.given.hold_bars]
    while True:
        try:
            return walk_forward_splits(histories, settings.walk_forward, bar_ms=kernel.base_ms, hold_bars=holds.pop())
        except DataError:
            if not holds or settings.search.hold_bars is not None:
                raise


def windows_of(folds: Sequence[Fold], validation_frac: float, bar_ms: int) -> tuple[SearchWindow, list[TrainWindow]]:
    """Return where the search trains and judges, inside the first fold's training window, and where each fold trains.

    Raises:
        DataError: the first training window is too short to be cut.
    """
    first = folds[0]
    inner, judged = validation_split(first.train, validation_frac, first.purge_bars, bar_ms)
    assert judged.end_ms <= min(fold.test.start_ms for fold in folds)
    search = SearchWindow(
        TrainWindow(first.index, inner.start_ms, inner.end_ms, first.symbols),
        judged.start_ms,
        judged.end_ms,
        first.purge_bars,
    )
    return search, [TrainWindow(fold.index, fold.train.start_ms, fold.train.end_ms, fold.symbols) for fold in folds]


def train(
    dataset: Dataset,
    folds: Sequence[Fold],
    engine: Engine,
    claim: Claim,
    screen: TerminalProgress,
    warm: WarmStart | None = None,
) -> Campaign:
    """Search and train everything of one run, or what is left of it, and register the latest fold's versions.

    Args:
        dataset: judged candles with the run's settings.
        folds: walk-forward folds; training and search touch their training windows only.
        engine: of the database.
        claim: on an open run, whose number names its folder under `storage.runs`; what is written there is written
            while the claim stands, and the folder is this run's.
        screen: shows progress.
        warm: earlier run to go on from instead of a search; a resumed run needs the same.

    Raises:
        TrainingError: a part cannot go on; resume with the same run. Or the run is another process's now.
        UsageError: the folder is another run's.
    """
    settings, run_id = dataset.settings, claim.run_id
    folder = run_folder(settings, run_id)
    owner = own_folder(folder, claim.run, claim.token)  # a disk that refuses says so before Ray starts

    def check() -> None:
        claim.check()
        owner.check()

    note_candles(engine, dataset.summary.fingerprint, dataset.summary.marks)
    if settings.features.memory:
        dataset = dataset.remembering(past_of_run(dataset, engine, run_id, folder))
    search_window, windows = windows_of(folds, settings.search.validation_frac, dataset.kernel.base_ms)
    board = TensorBoardLog(home_folder() / "runs" / str(run_id) / "tensorboard")  # grows line by line
    observer = RunObserver(
        engine, run_id, settings.search.seeds_per_trial, search_window.validation_start_ms, screen, board
    )
    try:
        with phase(engine, run_id, "train"), ray_session(settings.ray), screen:
            campaign = run_campaign(dataset, windows, search_window, folder, observer, warm, check)
    finally:
        board.close()
    check()
    registry = Registry(engine)
    latest = max(version.fold for version in campaign.versions)
    for version in campaign.versions:
        if version.fold == latest:
            stem = "all" if version.scope == ALL_COINS else symbol_to_stem(version.scope)
            registry.register(
                run_id,
                f"run-{run_id}-{stem}",
                version.scope,
                str(version.artefact),
                version.sha256,
                {"env_steps": sum(seed.env_steps for seed in version.seeds)},
                author=getpass.getuser(),
            )
    return campaign


def leave_taken(engine: Engine, settings: Settings) -> None:
    """Have the next run get a number that no folder under `storage.runs` has, whichever database that is from.

    Raises:
        StorageError: the object store does not answer.
        DatabaseError: the server fails.
    """
    with suppress(FileNotFoundError, NotADirectoryError):  # the training says what is wrong with a place
        numbers = (int(path.name) for path in run_folder(settings, 0).parent.iterdir() if _NUMBER.fullmatch(path.name))
        leave_numbers(engine, max(numbers, default=0))


def past_of_run(dataset: Dataset, engine: Engine, run_id: int, folder: Location) -> Outcomes:
    """Return the closed trades of earlier runs, as they were when this run first asked.

    Raises:
        DataError: there are trades, and none of them can be compared with this run's states.
    """
    path = folder / PAST_NAME
    if path.exists():
        return Outcomes.from_bytes(path.read_bytes())
    base_ms = dataset.kernel.base_ms
    found = recall(engine, run_id, dataset.layout, base_ms, policy=ENSEMBLE, account=COIN_ACCOUNT)
    if found.left_out and not len(found.outcomes):
        raise DataError(
            f"features.memory: none of {found.left_out:,} closed trades of earlier runs can be remembered: their "
            f"states are of another feature layout than this run's ({dataset.layout}), or they kept no risk; trade a "
            "run of this timeframe and these features first, or set features.memory to false"
        )
    recalled = Recollection(len(found.outcomes), found.left_out)
    write_atomically(folder / RECOLLECTION_NAME, TypeAdapter(Recollection).dump_json(recalled))
    write_atomically(path, found.outcomes.to_bytes())
    get_logger().info("memory.recalled", trades=recalled.trades, left_out=recalled.left_out)
    return found.outcomes


def recollection_of(folder: Location) -> Recollection | None:
    """Return how much a run remembers, None when it was trained without a memory."""
    path = folder / RECOLLECTION_NAME
    return TypeAdapter(Recollection).validate_json(path.read_bytes()) if path.exists() else None


@standalone("train")
@click.option("--data", type=PLACE, help="Folder of candles; default: data.folder.")
@click.option("--run-id", type=int, help="Go on with this run.")
@click.option("--resume", is_flag=True, help="Go on with the newest unfinished run of this configuration.")
@click.option(
    "--resume-or-start",
    is_flag=True,
    help="Go on with the newest unfinished run of this configuration and these candles; start one where there is none.",
)
def program(terminal: Terminal, data: Location | None, run_id: int | None, resume: bool, resume_or_start: bool) -> None:
    """Search hyper-parameters, train every fold and seed, export artefacts."""
    if resume_or_start and (resume or run_id is not None):
        raise UsageError("--resume-or-start chooses the run itself; give it without --resume and without --run-id")
    settings = terminal.settings(data__folder=None if data is None else str(data))
    check_job(settings)
    check_source(settings)
    engine = open_database(settings.database)
    dataset = load_dataset(settings)
    folds = folds_of(dataset)
    if resume and run_id is None:
        run_id = _unfinished(engine, settings)
        if run_id is None:
            raise UsageError("no unfinished training run has this configuration; start a new one without --resume")
    elif resume_or_start:
        run_id = _unfinished(engine, settings, dataset.summary.fingerprint)
    with _run(engine, dataset, run_id) as opened:
        campaign = train(dataset, folds, engine, opened, TerminalProgress())
    number = opened.run_id
    recalled = recollection_of(run_folder(settings, number)) if settings.features.memory else None
    terminal.show(campaign, lambda: _table(terminal, number, campaign, recalled))


def main() -> None:
    """Run the job on the process's arguments and leave with its exit code."""
    sys.exit(run(program, name="jobs.train"))


def check_job(settings: Settings) -> None:
    """Refuse, inside a submitted job, whatever depends on the submitter's working directory.

    Raises:
        ConfigError: HURACAN_HOME, the database's URL or an absolute data folder is missing.
    """
    if _IN_A_JOB not in os.environ:
        return
    home_folder()
    if settings.database.url is None:
        raise ConfigError("a Ray job needs HURACAN__DATABASE__URL in its runtime environment; see `huracan db url`")
    folder = settings.data.folder
    if folder is not None and not folder.is_absolute():
        raise ConfigError(f"folder {folder} is relative: a job runs in a temporary copy; give an absolute folder")


@contextmanager
def _run(engine: Engine, dataset: Dataset, run_id: int | None) -> Iterator[Claim]:
    """Open a run, or resume the one given, for the block and record how it ends."""
    settings, fingerprint = dataset.settings, dataset.summary.fingerprint
    number = run_id
    if number is None:
        leave_taken(engine, settings)
        number = open_run(engine, KIND, settings, fingerprint, huracan.__version__)
    with claim_run(engine, number) as claim, bind_run(number):
        if run_id is not None:
            resume_run(engine, run_id, settings, fingerprint)
        try:
            yield claim
        except KeyboardInterrupt:
            claim.finish("interrupted")
            raise KeyboardInterrupt(f"what run {number} has finished is kept; go on with --run-id {number}") from None
        except SystemExit:
            claim.finish("interrupted")
            raise
        except BaseException as error:
            claim.finish("failed", f"{type(error).__name__}: {error}")
            raise
        claim.finish("done")


def _unfinished(engine: Engine, settings: Settings, fingerprint: str | None = None) -> int | None:
    """Return the newest unfinished run of a configuration, of certain candles where their fingerprint is given."""
    for found in list_runs(engine, KIND):
        unfinished = found.status != "done" and found.config_hash == settings.hash
        if unfinished and fingerprint in (None, found.data_fingerprint):
            return found.run_id
    return None


def _table(terminal: Terminal, run_id: int, campaign: Campaign, recalled: Recollection | None) -> None:
    columns = ("fold", "scope", "coins", "seeds", "env steps", "seconds", "artefact")
    rows = [
        (
            version.fold,
            version.scope,
            len(version.symbols),
            len(version.seeds),
            sum(seed.env_steps for seed in version.seeds),
            round(sum(seed.wall_s for seed in version.seeds), 1),
            version.artefact,
        )
        for version in campaign.versions
    ]
    trading = campaign.trading
    title = (
        f"run {run_id}: a decision every {trading.decision_interval_bars} bars, hold {trading.hold_bars}, stop "
        f"{trading.stop_sigmas:.3g}, target {trading.target_sigmas:.3g} sigmas"
    )
    terminal.table(title, columns, rows)
    if recalled is not None:
        click.echo(str(recalled))


if __name__ == "__main__":
    main()

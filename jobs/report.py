"""The report of a judged run, made from what training and shadow trading left in its folder.

`python -m jobs.report --run-id 7 --data /data/candles/1m --out build/report`
"""

import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TypeVar

import click
from pydantic import TypeAdapter, ValidationError
from sqlalchemy import Engine

from huracan.analysis import Analysis
from huracan.config import Settings, run_folder
from huracan.env.dataset import Dataset
from huracan.errors import DataError, EvidenceError
from huracan.learn.blocks import load_dataset
from huracan.learn.campaign import Version, read_campaign
from huracan.learn.checkpoint import write_atomically
from huracan.market import read_truths
from huracan.memory import Model, Registry, Stage, count_trials, read_run, read_trials
from huracan.report import ReportData, write_report
from huracan.report.build import RunFacts, build_report
from huracan.report.model import PaperTrading
from huracan.shadow import AblationSummary, GateReport, MetaSummary, ShadowReport, gather_evidence, judge_gate
from huracan.storage import Location, locate
from huracan.terminal import PLACE, Terminal, run, standalone
from jobs.explain import ANALYSIS_NAME
from jobs.shadow import REPORT_NAME, open_runs, trained_run
from jobs.train import recollection_of
from jobs.usage import PeakMemory

__all__ = [
    "gates_of",
    "main",
    "make_report",
    "opponent_notes",
    "program",
    "save_paper",
    "save_usage",
    "standing_of",
    "tried",
]

USAGE_NAME = "usage.json"
PAPER_NAME = "paper.json"
STAGES: Sequence[Stage] = ("retired", "candidate", "shadow", "champion")  # least first
T = TypeVar("T")


def save_usage(folder: Location, peak: PeakMemory) -> None:
    """Keep a run's peak memory for its report."""
    write_atomically(folder / USAGE_NAME, TypeAdapter(PeakMemory).dump_json(peak))


def save_paper(folder: Location, paper: PaperTrading) -> None:
    """Keep what a run's versions did on paper for its report."""
    write_atomically(folder / PAPER_NAME, TypeAdapter(PaperTrading).dump_json(paper))


def make_report(settings: Settings, dataset: Dataset, engine: Engine, run_id: int) -> ReportData:
    """Return the report of a run whose policies were shadow-traded.

    Raises:
        DataError: shadow trading is not finished, its file is damaged, or the candles are others.
        UsageError: the training is not finished.
        TrainingError: a file of the training is damaged.
    """
    folder = run_folder(settings, run_id)
    found = read_run(engine, run_id)
    if found.data_fingerprint != dataset.summary.fingerprint:
        raise DataError(
            f"run {run_id} used other candles ({found.data_fingerprint[:12]}) than these "
            f"({dataset.summary.fingerprint[:12]}); give its folder and settings"
        )
    campaign = read_campaign(folder)
    shadow = _read(folder / REPORT_NAME, ShadowReport, f"run `huracan shadow --run-id {run_id}` first")
    usage = folder / USAGE_NAME
    peak = _read(usage, PeakMemory, "remove it") if usage.exists() else None
    traded = folder / PAPER_NAME
    paper = _read(traded, PaperTrading, "remove it") if traded.exists() else None
    explained = folder / ANALYSIS_NAME
    analysis = _read(explained, Analysis, "run `huracan analyse` again") if explained.exists() else None
    stage, proven = standing_of(campaign.versions, Registry(engine).models())
    gates, refusals = gates_of(engine, settings, campaign.versions)
    facts = RunFacts(
        run_id=run_id,
        settings_hash=found.config_hash,
        stage=stage,
        proven=proven,
        phases={phase.name: phase.wall_s for phase in found.phases},
        peak_memory_mb=None if peak is None else peak.own_mb,
        source=_source(dataset),
        notes=(
            *(f"{refusal.symbol} was left out: {refusal.reason}" for refusal in dataset.summary.refused),
            tried(engine, run_id, found.data_fingerprint),
            *((str(recalled).capitalize(),) if (recalled := recollection_of(folder)) is not None else ()),
            *opponent_notes(shadow),
            *refusals,
        ),
        paper=paper,
        analysis=analysis,
        gates=gates,
    )
    return build_report(facts, settings, dataset, campaign, shadow)


def gates_of(
    engine: Engine, settings: Settings, versions: Sequence[Version]
) -> tuple[tuple[GateReport, ...], tuple[str, ...]]:
    """Return what the gate says now of each registered version of a run, and in words of which it cannot say a thing.

    Nothing is kept: a promotion asks for itself.
    """
    trained = {version.sha256 for version in versions}
    gates, refusals = [], []
    for model in reversed(Registry(engine).models()):
        if model.sha256 in trained:
            try:
                gates.append(judge_gate(gather_evidence(engine, model), settings.gate))
            except EvidenceError as error:
                refusals.append(f"The promotion gate cannot judge {model.version}: {error}")
    return tuple(gates), tuple(refusals)


def standing_of(versions: Sequence[Version], models: Sequence[Model]) -> tuple[Stage, bool]:
    """Return what a run's versions are worth together: the stage that each scope has reached, and whether all passed.

    Of a scope's versions, one per fold, the best counts; of the scopes, the worst.

    Args:
        versions: what the run trained.
        models: the registry, newest first.
    """
    registered = {model.sha256: model for model in reversed(models)}
    by_scope: dict[str, list[Model]] = {version.scope: [] for version in versions}
    for version in versions:
        if version.sha256 in registered:
            by_scope[version.scope].append(registered[version.sha256])
    stages: list[Stage] = [
        max((model.stage for model in found), key=STAGES.index, default="candidate") for found in by_scope.values()
    ]
    return min(stages, key=STAGES.index), all(any(model.proven for model in found) for found in by_scope.values())


def opponent_notes(shadow: ShadowReport) -> tuple[str, ...]:
    """Return in words what the supervised opponent learnt in each fold's training window, and along its CPCV paths."""
    notes = []
    for tree in shadow.trees:
        if tree.auc is None or tree.break_even is None:
            notes.append(f"lightgbm, fold {tree.fold}: flat, it could not be trained: {tree.reason}")
            continue
        enters = (
            "no entry paid out of fold: flat"
            if tree.threshold is None
            else f"enters at a chance of a win above {tree.break_even + tree.threshold:.3f}"
        )
        notes.append(
            f"lightgbm, fold {tree.fold}: {tree.labels:,} labels, {tree.wins / tree.labels:.1%} wins, held-out AUC "
            f"{tree.auc:.3f}, break-even chance {tree.break_even:.3f}; {enters}"
        )
    paths = shadow.tree_paths
    if paths is not None:
        notes.append(
            f"lightgbm, CPCV of the last training window: {paths.splits} splits, {len(paths.auc)} paths, AUC "
            f"{min(paths.auc):.3f} to {max(paths.auc):.3f}, daily Sharpe ratio median {paths.sharpe_median:.2f} (5 % "
            f"quantile {paths.sharpe_low:.2f}), {paths.losing_share:.0%} of the paths lose"
        )
    if shadow.meta is not None:
        notes.append(_meta_note(shadow.meta))
    return (*notes, *map(_ablation_note, shadow.ablations))


def _ablation_note(found: AblationSummary) -> str:
    """Return in words how much a policy relies on a block of the state that it was trained with."""
    gain = found.day_difference
    verdict = (
        "the policy relies on it" if found.relies else "it misleads the policy" if found.misled else "no reliance shown"
    )
    return (
        f"{found.block} of the state, present against zero on {found.days} days: trades {found.trades_without:,} -> "
        f"{found.trades_with:,}, net {found.net_without:+,.2f} -> {found.net_with:+,.2f}, a day {gain.estimate:+,.2f} "
        f"[{gain.low:+,.2f}, {gain.high:+,.2f}]: {verdict}; "
        "what the block is worth shows only beside a policy that was trained without it"
    )


def _meta_note(meta: MetaSummary) -> str:
    """Return in words what leaving out entries by the meta model would have changed."""
    gain, before, after = meta.day_difference, meta.precision_without, meta.precision_with
    if gain is None:
        return f"meta-labelling: it never had enough to learn from ({meta.folds[-1].reason})"
    shares = "" if before is None or after is None else f", winners {before:.1%} -> {after:.1%}"
    verdict = "it would have earned its place" if meta.earns else "not shown to earn its place"
    return (
        f"meta-labelling, on {meta.days} days after what it learnt from: trades {meta.trades_without:,} -> "
        f"{meta.trades_with:,}{shares}, net {meta.net_without:+,.2f} -> {meta.net_with:+,.2f}, a day "
        f"{gain.estimate:+,.2f} [{gain.low:+,.2f}, {gain.high:+,.2f}]: {verdict}; nothing that is served uses it"
    )


def tried(engine: Engine, run_id: int, fingerprint: str) -> str:
    """Return in words how many candidates this run and all runs on its candles tried: the best of many flatters."""
    return (
        f"This run tried {len(read_trials(engine, run_id))} candidates, all runs on these candles together "
        f"{count_trials(engine, fingerprint)}; the best of many looks better than it is"
    )


def _read(path: Location, kind: type[T], remedy: str) -> T:
    try:
        return TypeAdapter(kind).validate_json(path.read_bytes())
    except FileNotFoundError:
        raise DataError(f"{path} is missing; {remedy}") from None
    except (OSError, ValidationError) as error:
        raise DataError(f"{path} is damaged ({str(error).splitlines()[0]}); {remedy}") from None


def _source(dataset: Dataset) -> str:
    truths = read_truths(locate(dataset.summary.source))
    if not truths:
        return f"candles of {dataset.summary.source}"
    planted = sum(truth.long_flat_bps_per_day > 0 for truth in truths)
    return f"synthetic candles: {planted} coins with a planted edge, {len(truths) - planted} without"


@standalone("report")
@click.option("--run-id", type=int, help="Run that was trained and shadow-traded; default: the newest.")
@click.option("--data", type=PLACE, help="Folder of candles; default: the run's.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("build/report"), show_default=True)
def program(terminal: Terminal, run_id: int | None, data: Location | None, out: Path) -> None:
    """Write report.html and report.json of a run that was shadow-traded."""
    engine = open_runs(terminal.settings())
    found = trained_run(engine, run_id)
    settings = terminal.settings_of(found.config_json, data__folder=None if data is None else str(data))
    report = make_report(settings, load_dataset(settings), engine, found.run_id)
    html, _ = write_report(report, out)
    terminal.show(asdict(report), f"{report.verdict}. {report.verdict_reason}\nreport: {html}")


def main() -> None:
    """Run the job on the process's arguments and leave with its exit code."""
    sys.exit(run(program, name="jobs.report"))


if __name__ == "__main__":
    main()

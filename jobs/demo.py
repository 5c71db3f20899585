"""The whole way in one command: candles, search, training, shadow trading, serving, paper trading (`make demo`).

Without `--data` it makes its own market: coins with a planted edge whose optimum is known, and coins without any.
Stopped half-way, the same command goes on where it was.
"""

import json
import sys
import time
from dataclasses import asdict
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table
from sqlalchemy import Engine

import huracan
from huracan.config import Settings, run_folder
from huracan.env.dataset import Dataset, check_source
from huracan.learn.blocks import load_dataset
from huracan.learn.checkpoint import write_atomically
from huracan.learn.cluster import ray_session
from huracan.learn.progress import TerminalProgress
from huracan.logs import bind_run
from huracan.market import SyntheticSpec, write_synthetic
from huracan.memory import (
    claim_run,
    database_url,
    list_runs,
    open_database,
    open_run,
    phase,
    record_phase,
    resume_run,
)
from huracan.report import ReportData, write_report
from huracan.report.model import Estimate, PaperTrading
from huracan.shadow import to_json
from huracan.storage import Location
from huracan.terminal import PLACE, Terminal, run, standalone
from jobs.explain import analyse_shadow, save_analysis
from jobs.live import trade_unseen
from jobs.report import make_report, save_paper, save_usage
from jobs.shadow import REPORT_NAME, shadow
from jobs.train import folds_of, leave_taken, train
from jobs.usage import MemoryWatch

__all__ = ["demo", "main", "program"]

KIND = "demo"
SYNTHETIC_SEED = 7
OUT = Path("build/demo")


def demo(settings: Settings, out: Path) -> ReportData:
    """Run everything and write `report.html` and `report.json` into `out`.

    Args:
        settings: with `data.folder` set.
        out: folder of the report.

    Raises:
        HuracanError: a part cannot go on; what is finished is kept and the next call goes on from there.
    """
    begun = time.perf_counter()
    check_source(settings)
    url = database_url(settings.database)
    engine = open_database(settings.database)
    with MemoryWatch() as memory:
        dataset = load_dataset(settings)
        folds = folds_of(dataset)
        run_id, unfinished = _run_of(engine, dataset)
        with claim_run(engine, run_id) as claim, bind_run(run_id):
            if unfinished:
                resume_run(engine, run_id, settings, dataset.summary.fingerprint)
            record_phase(engine, run_id, "data and features", time.perf_counter() - begun)
            try:
                with ray_session(settings.ray):
                    campaign = train(dataset, folds, engine, claim, TerminalProgress())
                    with phase(engine, run_id, "shadow"):
                        ruled = dataset.under(campaign.trading)
                        judged = shadow(ruled, folds, campaign.versions, url=url, run_id=run_id)
                with phase(engine, run_id, "analysis"):
                    done = analyse_shadow(ruled, campaign.versions, engine, run_id)
                with phase(engine, run_id, "paper trading"):
                    paper = trade_unseen(ruled, folds[-1], campaign, engine, lambda words: click.echo(words, err=True))
            except (KeyboardInterrupt, SystemExit):
                claim.finish("interrupted")
                raise
            except BaseException as error:
                claim.finish("failed", f"{type(error).__name__}: {error}")
                raise
            claim.check()
            folder = run_folder(dataset.settings, run_id)
            write_atomically(folder / REPORT_NAME, json.dumps(to_json(judged), allow_nan=False).encode())
            save_paper(folder, paper)
            save_analysis(folder, None if done is None else done.analysis)
            save_usage(folder, memory.peak)
            claim.finish("done")
    report = make_report(settings, dataset, engine, run_id)
    write_report(report, out)
    return report


def _run_of(engine: Engine, dataset: Dataset) -> tuple[int, bool]:
    """Return the newest demo of the same configuration and candles if it is unfinished, else a new run's number."""
    settings, fingerprint = dataset.settings, dataset.summary.fingerprint
    for found in list_runs(engine, KIND, limit=1):
        if found.status != "done" and (found.config_hash, found.data_fingerprint) == (settings.hash, fingerprint):
            return found.run_id, True
    leave_taken(engine, settings)
    return open_run(engine, KIND, settings, fingerprint, huracan.__version__), False


@standalone("demo")
@click.option("--data", type=PLACE, help="Folder of real candles; default: synthetic ones.")
@click.option("--out", type=click.Path(path_type=Path), default=OUT, show_default=True, help="Folder of the report.")
def program(terminal: Terminal, data: Location | None, out: Path) -> None:
    """Train, judge and report: the whole way on synthetic or real candles."""
    settings = terminal.settings(data__folder=None if data is None else str(data.absolute()))
    if settings.data.folder is None:
        folder = (out / "candles").absolute()
        write_synthetic(folder, SyntheticSpec(), SYNTHETIC_SEED)
        settings = terminal.settings(data__folder=str(folder))
    report = demo(settings, out)
    terminal.show(asdict(report), lambda: _summary(report, out))


def main() -> None:
    """Run the job on the process's arguments and leave with its exit code."""
    sys.exit(run(program, name="jobs.demo"))


def _summary(report: ReportData, out: Path) -> None:
    """Print the result for a person: verdict first, then policy beside baselines, then where the time went."""
    console = Console(width=None if sys.stdout.isatty() else 120, highlight=False)
    console.print(f"\n{report.verdict} [{report.standing}]", style="bold", markup=False)
    console.print(report.verdict_reason, markup=False)
    table = Table(header_style="bold")
    level = f"{report.confidence_level:.0%} interval"
    for column in ("on unseen data", "trades", "net", f"net per day, {level}", "policy - this"):
        table.add_column(column, justify="left" if column == "on unseen data" else "right")
    for row in (report.policy_row, *report.baseline_rows):
        minus = "" if row.policy_minus_this is None else _amount(row.policy_minus_this)
        table.add_row(row.name, f"{row.trades:,}", f"{row.net:+,.2f}", _amount(row.net_per_day), minus)
    console.print(table)
    if report.paper is not None:
        console.print(_paper(report.paper), markup=False)
    phases = ", ".join(f"{phase.name} {phase.wall_s:.0f} s" for phase in report.phases)
    console.print(f"{report.env_steps:,} environment steps, {report.folds} folds, {len(report.seeds)} seeds; {phases}")
    console.print(f"report: {out / 'report.html'}", markup=False)


def _paper(paper: PaperTrading) -> str:
    """Return in words what was served and traded, and whether it is what shadow trading promised."""
    versions = ", ".join(f"{name} [{standing}]" for name, standing in paper.versions)
    text = (
        f"served {versions}; on paper, in lock-step over {paper.closes} unseen closes of {len(paper.symbols)} coins: "
        f"{paper.trades} trades, net {paper.net:+,.2f}, {paper.open_trades} held, {paper.denials} denied; "
    )
    if paper.halted:
        text += f"trading had stopped at the end ({paper.halted}); "
    if not paper.agrees:
        return "\n  ".join((text + "PARITY WITH SHADOW DOES NOT HOLD", *paper.parity_lines))
    if not paper.parity_trades + paper.parity_denials:
        return text + "nothing to compare with shadow"
    return text + f"parity: the same {paper.parity_trades} trades and {paper.parity_denials} denials in shadow"


def _amount(estimate: Estimate) -> str:
    interval = "" if estimate.low is None else f" [{estimate.low:+,.2f}, {estimate.high:+,.2f}]"
    return f"{estimate.value:+,.2f}{interval}"


if __name__ == "__main__":
    main()

"""The report of a retraining cycle: steps, versions compared, gate, promotions, health; HTML and JSON."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from huracan.memory import Cycle
from huracan.report.html import render_json, write_pages

__all__ = ["CycleReport", "StepRow", "cycle_report", "render_cycle", "write_cycle"]

Row = tuple[str | None, ...]
STEP_COLUMNS = ("step", "state", "starts", "seconds", "what it did")
GATE_COLUMNS = ("criterion", "met", "figure", "threshold", "found")
COMPARE_COLUMNS = (
    "coins",
    "days",
    "new, a day",
    "champion, a day",
    "new minus champion, a day",
    "trades of both",
)


@dataclass(frozen=True, slots=True)
class StepRow:
    """One step: its state, how often it was started, seconds of wall time, and what it did in words."""

    step: str
    state: str
    starts: int
    started_at: str
    wall_s: float
    line: str


@dataclass(frozen=True, slots=True)
class CycleReport:
    """Everything a cycle did; `outcomes` holds each step's figures as they are stored.

    Attributes:
        cycle_id, scope, day, round: which cycle.
        run_id: its training run.
        version: huracan's.
        config_hash: of the configuration.
        started_at: wall clock, UTC, ISO 8601.
        state: done, failed or running.
        headline: the end of it in words.
        steps: in order; those not reached are left out.
        outcomes: by step.
    """

    cycle_id: int
    scope: str
    day: str
    round: int
    run_id: int | None
    version: str
    config_hash: str
    started_at: str
    state: str
    headline: str
    steps: tuple[StepRow, ...]
    outcomes: Mapping[str, Any]


def cycle_report(cycle: Cycle, steps: Sequence[str]) -> CycleReport:
    """Return the report of a cycle as far as it has come.

    Args:
        cycle: as it is stored.
        steps: names of all steps, in order; the last one writes this report, and is done when it is read.
    """
    by_name = {step.step: step for step in cycle.steps}
    done = all(name in by_name and by_name[name].state == "done" for name in steps[:-1])
    failed = next((step for step in cycle.steps if step.state == "failed"), None)
    outcomes = {step.step: dict(step.outcome) for step in cycle.steps if step.outcome is not None}
    if failed is not None:
        state, headline = "failed", f"{failed.step} failed: {failed.error}"
    elif done:
        state, headline = "done", str(outcomes["promote"]["line"])
    else:
        state, headline = "running", f"{len(outcomes)} of {len(steps)} steps done"
    rows = []
    for name in steps:
        if name not in by_name:
            continue
        step = by_name[name]
        line = step.error or ("" if step.outcome is None else str(step.outcome["line"]))
        if name == steps[-1] and done:
            line = line or "this report"
        rows.append(
            StepRow(name, step.state, step.starts, step.started_at.isoformat(timespec="seconds"), step.wall_s, line)
        )
    return CycleReport(
        cycle_id=cycle.cycle_id,
        scope=cycle.scope,
        day=cycle.day.isoformat(),
        round=cycle.round,
        run_id=cycle.run_id,
        version=cycle.version,
        config_hash=cycle.config_hash,
        started_at=cycle.started_at.isoformat(timespec="seconds"),
        state=state,
        headline=headline,
        steps=tuple(rows),
        outcomes=outcomes,
    )


def write_cycle(report: CycleReport, folder: Path) -> tuple[Path, Path]:
    """Write a report into `folder` and return the paths of its page and its JSON.

    Raises:
        DataError: the folder cannot be written (no permission, no space).
    """
    return write_pages(folder, render_cycle(report), render_json(report))


def render_cycle(report: CycleReport) -> str:
    """Return the page: no script, no link but to the run's own report beside it, nothing fetched from anywhere."""
    environment = Environment(
        loader=PackageLoader("huracan.report", "."), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    o = report.outcomes
    return environment.get_template("cycle.html").render(
        d=report,
        started=datetime.fromisoformat(report.started_at).strftime("%Y-%m-%d %H:%M UTC"),
        step_columns=STEP_COLUMNS,
        steps=[(row.step, row.state, str(row.starts), f"{row.wall_s:.1f}", row.line) for row in report.steps],
        downloads=[
            (row["symbol"], f"{row['bars']:,}", f"{row['new_bars']:,}", f"{row['missing_bars']:,}", row["last"])
            for row in o.get("download", {}).get("symbols", ())
        ],
        qualities=[
            (
                row["symbol"],
                f"{row['bars']:,}",
                f"{row['coverage_frac']:.2%}",
                "fit"
                if not row["reasons"]
                else ("let through: " if row["accepted"] else "") + "; ".join(row["reasons"]),
            )
            for row in o.get("quality", {}).get("symbols", ())
        ],
        training=o.get("train"),
        compare_columns=COMPARE_COLUMNS,
        comparisons=[(row["line"], _compared(row)) for row in o.get("compare", {}).get("versions", ())],
        gate_columns=GATE_COLUMNS,
        gates=[(row["version"], row["report"], _gate(row["report"])) for row in o.get("gate", {}).get("versions", ())],
        promotions=o.get("promote", {}).get("versions", ()),
        analyses=[
            (row["mode"], row["policy"], row["account"], *(f"{row[name]:,}" for name in _ANALYSED))
            for row in o.get("analyse", {}).get("runs", ())
        ],
        unexplained=o.get("analyse", {}).get("left_out", ()),
        health=[
            (name, [(row["check"], "ok" if row["passed"] else "FAILED", row["found"]) for row in o[step]["checks"]])
            for name, step in (("before", "health_before"), ("after", "health_after"))
            if step in o
        ],
    )


_ANALYSED = ("trades", "analysed", "wins", "losses", "unexplained_losses")


def _verdict(row: Mapping[str, Any]) -> str:
    return "fit" if not row["reasons"] else ("let through: " if row["accepted"] else "") + "; ".join(row["reasons"])


def _compared(row: Mapping[str, Any]) -> list[Row]:
    c = row["comparison"]
    if c is None:
        return []
    trades = f"{c['new_trades']:,} / {c['champion_trades']:,}"
    intervals = (_interval(c[name]) for name in ("new_day", "champion_day", "difference"))
    return [(", ".join(row["coins"]), f"{c['days']}", *intervals, trades)]


def _interval(value: Mapping[str, float]) -> str:
    return f"{value['estimate']:+,.2f} [{value['low']:+,.2f}, {value['high']:+,.2f}]"


def _gate(report: Mapping[str, Any]) -> list[Row]:
    return [
        (
            row["name"],
            "yes" if row["passed"] else "NO",
            None if row["figure"] is None else f"{row['figure']:.4g}",
            f"{row['threshold']:.4g}",
            row["note"],
        )
        for row in report["criteria"]
    ]

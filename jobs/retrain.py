"""The daily cycle as one job: `python -m jobs.retrain --data /data/candles`, by hand, by cron or by `ray job submit`.

Health check, download, quality, training (warm, where a version fits), shadow trading, comparison with the champion,
analysis, results by day, promotion gate, promotion, health check, report. Killed or failed at any step, the same
command goes on there; done, it says so.
"""

import sys
from dataclasses import asdict
from datetime import UTC, date, datetime

import click
from sqlalchemy import Engine

import huracan
from huracan.clock import WallClock
from huracan.config import Settings
from huracan.errors import DataError, UsageError
from huracan.learn.campaign import ALL_COINS
from huracan.learn.cycle import STEPS, Outcome, next_step, run_cycle
from huracan.logs import get_logger
from huracan.market import symbol_to_stem
from huracan.memory import (
    Cycle,
    claim_scope,
    end_step,
    fail_step,
    find_cycle,
    open_cycle,
    open_database,
    read_cycle,
    start_step,
)
from huracan.memory.requests import take_requests, waiting_requests
from huracan.report import write_report
from huracan.report.cycle import CycleReport, cycle_report, write_cycle
from huracan.storage import Location
from huracan.terminal import PLACE, Terminal, run, standalone
from jobs.report import make_report
from jobs.retrain_steps import CycleSteps, cycle_folder
from jobs.train import check_job

__all__ = ["StoredLog", "main", "nothing_to_do", "program", "retrain"]


class StoredLog:
    """A cycle's log in Postgres (`huracan.learn.cycle.CycleLog`)."""

    def __init__(self, engine: Engine, cycle_id: int) -> None:
        self._engine, self._cycle_id = engine, cycle_id

    def states(self) -> dict[str, str]:
        """Return the state of each step that was ever started."""
        return {step.step: step.state for step in read_cycle(self._engine, self._cycle_id).steps}

    def start(self, step: str) -> None:
        """Note that a step is started."""
        start_step(self._engine, self._cycle_id, step)
        get_logger().info("retrain.step", cycle=self._cycle_id, step=step)

    def done(self, step: str, wall_s: float, outcome: Outcome) -> None:
        """Note that a step is done."""
        end_step(self._engine, self._cycle_id, step, wall_s, outcome)

    def failed(self, step: str, wall_s: float, error: str) -> None:
        """Note that a step failed."""
        fail_step(self._engine, self._cycle_id, step, wall_s, error)


def retrain(engine: Engine, settings: Settings, scope: str, day: date, *, again: bool = False) -> tuple[Cycle, bool]:
    """Run or finish a scope's cycle of a day; return it and whether it had been done before.

    Args:
        engine: of the database.
        settings: the whole configuration, `data.folder` set.
        scope: `*`, or the one coin to train for.
        day: UTC day; candles up to its first moment are used.
        again: begin the day anew.

    Raises:
        UsageError: another process is at it, or the day was begun with another configuration.
        HuracanError: a step cannot be done; the same call goes on with it.
    """
    with claim_scope(engine, scope):
        cycle = find_cycle(engine, scope, day)
        if cycle is None or again:
            cycle = open_cycle(engine, scope, day, settings, huracan.__version__)
        elif next_step(StoredLog(engine, cycle.cycle_id).states()) is None:
            return cycle, True
        elif cycle.config_hash != settings.hash:
            raise UsageError(
                f"the cycle of {scope} on {day} was begun with configuration {cycle.config_hash[:12]}, now it is "
                f"{settings.hash[:12]}; finish it with the same, or begin the day anew (--again)"
            )
        if "train" not in StoredLog(engine, cycle.cycle_id).states():  # later ones are for the next day's training
            for asked in take_requests(engine, scope, cycle.cycle_id):
                get_logger().info("retrain.asked", cycle=cycle.cycle_id, request=asked.request_id, reason=asked.reason)
        with CycleSteps(engine, settings, cycle, _write) as steps:
            run_cycle(StoredLog(engine, cycle.cycle_id), steps.works)
        return read_cycle(engine, cycle.cycle_id), False


def nothing_to_do(engine: Engine, scope: str, day: date) -> str | None:
    """Return in words why a cycle that runs on request alone has nothing to do; None: it has.

    A day that is begun is finished. One that is done is not begun anew: it has used the day's candles, and the same
    training on the same candles would give the same versions; the request waits for the next day.
    """
    cycle, waiting = find_cycle(engine, scope, day), waiting_requests(engine, scope)
    done = cycle is not None and next_step(StoredLog(engine, cycle.cycle_id).states()) is None
    if cycle is not None and not done:
        return None
    if not waiting:
        return f"nothing has asked for a retraining of {scope}"
    if done:
        return f"the cycle of {scope} on {day} is done, its candles are used; the request waits: {waiting[0].reason}"
    return None


def _write(steps: CycleSteps) -> Outcome:
    """Write the report of the training run and of the cycle; return where they are."""
    folder = cycle_folder(steps.cycle.cycle_id)
    write_report(make_report(steps.settings, steps.dataset, steps.engine, steps.run_id), folder / "run")
    page, values = write_cycle(cycle_report(read_cycle(steps.engine, steps.cycle.cycle_id), STEPS), folder)
    return {"line": str(page), "html": str(page), "json": str(values)}


@standalone("retrain")
@click.option("--data", type=PLACE, help="Folder of candles; default: data.folder.")
@click.option("--scope", default=ALL_COINS, show_default=True, help="One coin to train for, or * for all.")
@click.option("--day", help="UTC day, ISO 8601: candles up to its first moment are used; default: today.")
@click.option("--requested", is_flag=True, help="Only where drift or decay has asked for it, or a cycle is unfinished.")
@click.option("--again", is_flag=True, help="Begin the day anew, whether its cycle is done or not.")
def program(
    terminal: Terminal, data: Location | None, scope: str, day: str | None, requested: bool, again: bool
) -> None:
    """Bring candles, policies, memory and registry up to date: the whole daily cycle, or what is left of today's."""
    only: dict[str, object] = {}
    if scope != ALL_COINS:
        symbol_to_stem(scope)
        only = {"data__symbols": [scope], "shadow__per_coin_policies": True}
    settings = terminal.settings(data__folder=None if data is None else str(data.absolute()), **only)
    check_job(settings)
    if settings.data.folder is None:
        raise DataError("no folder of candles; give --data, or set data.folder")
    engine = open_database(settings.database)
    if requested and (idle := nothing_to_do(engine, scope, _day(day))) is not None:
        terminal.show({"scope": scope, "state": "idle", "headline": idle}, idle)
        return
    cycle, before = retrain(engine, settings, scope, _day(day), again=again)
    report = cycle_report(cycle, STEPS)
    terminal.show({**asdict(report), "before": before}, lambda: _table(terminal, report, before))


def main() -> None:
    """Run the job on the process's arguments and leave with its exit code."""
    sys.exit(run(program, name="jobs.retrain"))


def _day(given: str | None) -> date:
    today = datetime.fromtimestamp(WallClock().now_ms() / 1_000, tz=UTC).date()
    if given is None:
        return today
    try:
        day = date.fromisoformat(given)
    except ValueError:
        raise UsageError(f"--day {given!r} is no date; write 2025-06-11") from None
    if day > today:
        raise UsageError(f"--day {day} lies in the future; today is {today} in UTC")
    return day


def _table(terminal: Terminal, report: CycleReport, before: bool) -> None:
    if before:
        click.echo(f"the cycle of {report.scope} on {report.day} is done; --again begins the day anew")
    rows = [(row.step, row.state, row.starts, f"{row.wall_s:.1f} s", row.line) for row in report.steps]
    title = f"cycle {report.cycle_id}: {report.scope}, {report.day}, round {report.round}"
    terminal.table(title, ("step", "state", "starts", "time", "what it did"), rows)
    click.echo(report.headline)


if __name__ == "__main__":
    main()

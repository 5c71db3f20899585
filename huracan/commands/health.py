"""`huracan health`: is each version still what its shadow trading claims, and the account what it was?"""

import time

import click

from huracan.terminal import Terminal, command

__all__ = ["health"]

INPUTS_SHOWN = 5
GROUPS_SHOWN = 8


@click.group()
def _program() -> None:
    """Hold the command below, which stands directly under the program."""


@command(_program, "health")
@click.option("--account", help="Name of the account; default: execution.account.")
@click.option(
    "--false-alarm-days",
    type=click.FloatRange(min=1.0),
    help="Days between two false alarms of a version's charts together, on average; default: health.false_alarm_days.",
)
def health(terminal: Terminal, account: str | None, false_alarm_days: float | None) -> None:
    """Hold an account's versions, their patterns and coins, its orders and its feed against what they were."""
    from huracan.health.detectors.orders import FIGURES
    from huracan.health.predictions import PredictionShift
    from huracan.health.report import HealthReport, OrderHealth, VersionGroup, read_report
    from huracan.health.stored import VersionWatch
    from huracan.health.trading import Reading
    from huracan.market import format_ms
    from huracan.memory import open_database

    settings = terminal.settings(execution__account=account)
    days = settings.health.false_alarm_days if false_alarm_days is None else false_alarm_days
    name, now_ms = settings.execution.account, time.time_ns() // 1_000_000
    engine = open_database(settings.database)
    try:
        found = read_report(engine, name, now_ms, days)
    finally:
        engine.dispose()

    def moment(at_ms: int | None) -> str:
        return "" if at_ms is None else format_ms(at_ms)

    def row(reading: Reading) -> tuple[str, ...]:
        return (
            reading.name,
            f"ALARM: {reading.means}" if reading.alarm else "as claimed",
            f"{reading.observed:.4g} {reading.unit}" if reading.observations else "nothing yet",
            f"{reading.claimed:.4g}",
            moment(reading.since_ms),
            moment(reading.at_ms),
            f"{reading.delay:,.0f} {reading.per}",
            f"{reading.false_every_days:,.0f} days",
        )

    def version(one: VersionWatch) -> None:
        if one.watch is None:
            click.echo(f"{one.version}: not watched: {one.problem}")
        else:
            title = f"{one.version}: {one.trades} trades, {format_ms(one.began_ms)} to {format_ms(one.close_ms)}"
            columns = (
                "chart",
                "word",
                "observed",
                "claimed",
                "since",
                "noticed",
                "a change takes",
                "false alarm every",
            )
            terminal.table(title, columns, [row(reading) for reading in one.watch.readings])
        drifts = one.inputs.drifts if one.inputs is not None else ()
        for drift in drifts[:INPUTS_SHOWN]:
            click.echo(
                f"  input {drift.entry} {drift.name}: median {drift.observed:.3g}, in shadow {drift.claimed:.3g}; "
                f"distance {drift.distance:.2f}, stability index {drift.stability:.2f}, p {drift.p_value:.1g}"
            )
        if len(drifts) > INPUTS_SHOWN:
            click.echo(f"  and {len(drifts) - INPUTS_SHOWN} inputs more are distributed otherwise than in shadow")
        shifted("its entries", "shadow", one.entries)
        shifted("all its decisions", "its first two weeks", one.decisions)

    def shifted(what: str, reference: str, shift: PredictionShift | None) -> None:
        if shift is not None:
            click.echo(
                f"  {what}: {shift.part} otherwise than in {reference} since {format_ms(shift.since_ms)}: "
                f"{shift.observed:.3f}, was {shift.claimed:.3f}; p {shift.p_value:.1g}"
            )

    def group(one: VersionGroup) -> tuple[str, ...]:
        said = one.health
        return (
            one.version,
            f"{said.group.kind} {said.group.name}".strip(),
            said.stage,
            f"{said.change.upper()}" if said.called else f"not {said.change}",
            f"{said.observed:+.2f} R" if said.spells else "nothing yet",
            f"{'at least' if said.change == 'degraded' else 'at most'} {said.claimed:+.2f} R",
            f"{said.e_value:,.3g}",
            moment(said.since_ms),
            f"{said.spells}",
            f"{said.delay:,.0f} spells",
        )

    def groups(found: tuple[VersionGroup, ...]) -> None:
        if not found:
            return
        shown = sorted(found, key=lambda one: (not one.health.called, -one.health.e_value))
        called = sum(one.health.called for one in shown)
        title = f"{called} of {len(shown)} questions about patterns, coins and regimes say that something changed"
        columns = ("version", "group", "in shadow", "word", "a spell", "claimed", "evidence", "since", "spells",
                   "a change takes")  # fmt: skip
        terminal.table(title, columns, [group(one) for one in shown[: max(called, GROUPS_SHOWN)]])

    def order(one: OrderHealth) -> tuple[str, ...]:
        said, unit = one.reading, FIGURES[one.name][2]
        if said is None:
            return one.name, "no first weeks yet, or always the same", "", "", "", "", ""
        return (
            one.name,
            f"ALARM: {FIGURES[one.name][3]}" if said.alarm else "as in the first weeks",
            f"{said.observed:.4g} {unit}" if said.observations else "nothing yet",
            f"{said.claimed:.4g}",
            moment(said.since_ms),
            f"{said.delay / said.per_day:.1f} days",
            f"{said.false_every_days:,.0f} days",
        )

    def show(report: HealthReport) -> None:
        if not report.versions:
            click.echo(f"no version has decided for {name} yet; `huracan trade start` lets one")
        for one in report.versions:
            version(one)
        groups(report.groups)
        if any(one.reading is not None for one in report.orders):
            columns = ("orders", "word", "observed", "first weeks", "since", "a change takes", "false alarm every")
            terminal.table(f"orders of {name}", columns, [order(one) for one in report.orders])
        for anomaly in report.anomalies:
            click.echo(f"[{anomaly.severity}] {anomaly.detector}: {anomaly.words}; {anomaly.means}")
        for blind in report.blind:
            click.echo(f"could not look: {', '.join(sorted(blind.names))}: {blind.problem}")

    terminal.show(found, lambda: show(found))

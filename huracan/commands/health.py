"""`huracan health`: is each version still what its shadow trading claims?"""

import click

from huracan.terminal import Terminal, command

__all__ = ["health"]

INPUTS_SHOWN = 5


@click.group()
def _program() -> None:
    """Hold the command below, which stands directly under the program."""


@command(_program, "health")
@click.option("--account", help="Name of the account; default: execution.account.")
@click.option(
    "--false-alarm-days",
    type=click.FloatRange(min=1.0),
    default=365.0,
    show_default=True,
    help="Days between two false alarms of a version's charts together, on average.",
)
def health(terminal: Terminal, account: str | None, false_alarm_days: float) -> None:
    """Hold the trades of each version that decides for an account against what its shadow trading claims."""
    from huracan.health import read_watches
    from huracan.health.stored import VersionWatch
    from huracan.health.trading import Reading
    from huracan.market import format_ms
    from huracan.memory import open_database

    settings = terminal.settings(execution__account=account)
    engine = open_database(settings.database)
    try:
        found = read_watches(engine, settings.execution.account, false_alarm_days)
    finally:
        engine.dispose()

    def row(reading: Reading) -> tuple[str, ...]:
        since = "" if reading.since_ms is None or reading.at_ms is None else format_ms(reading.since_ms)
        noticed = "" if reading.at_ms is None else format_ms(reading.at_ms)
        return (
            reading.name,
            f"ALARM: {reading.means}" if reading.alarm else "as claimed",
            f"{reading.observed:.4g} {reading.unit}" if reading.observations else "nothing yet",
            f"{reading.claimed:.4g}",
            since,
            noticed,
            f"{reading.delay:,.0f} {reading.per}",
            f"{reading.false_every_days:,.0f} days",
        )

    def version(one: VersionWatch) -> None:
        if one.watch is None:
            click.echo(f"{one.version}: not watched: {one.problem}")
            return
        title = f"{one.version}: {one.trades} trades, {format_ms(one.began_ms)} to {format_ms(one.close_ms)}"
        columns = ("chart", "word", "observed", "claimed", "since", "noticed", "a change takes", "false alarm every")
        terminal.table(title, columns, [row(reading) for reading in one.watch.readings])

        drifts = one.inputs.drifts if one.inputs is not None else ()
        for drift in drifts[:INPUTS_SHOWN]:
            click.echo(
                f"  input {drift.entry} {drift.name}: median {drift.observed:.3g}, in shadow {drift.claimed:.3g}; "
                f"distance {drift.distance:.2f}, stability index {drift.stability:.2f}, p {drift.p_value:.1g}"
            )
        if len(drifts) > INPUTS_SHOWN:
            click.echo(f"  and {len(drifts) - INPUTS_SHOWN} inputs more are distributed otherwise than in shadow")

    def show() -> None:
        if not found:
            click.echo(f"no version has decided for {settings.execution.account} yet; `huracan trade start` lets one")
        for one in found:
            version(one)

    terminal.show(found, show)

"""`huracan trade beside`: the versions that trade beside an account, compared with it."""

import click

from huracan.terminal import Terminal, command

__all__ = ["beside"]


@click.group()
def _program() -> None:
    """Hold the command below, which stands under `huracan trade`."""


@command(_program, "beside")
@click.option("--account", help="Name of the account; default: execution.account.")
def beside(terminal: Terminal, account: str | None) -> None:
    """Compare each version in stage `shadow` with the account that it trades beside."""
    from huracan.market import format_ms
    from huracan.memory import open_database
    from huracan.trader.compare import BesideComparison, read_comparison

    settings = terminal.settings(execution__account=account)
    engine = open_database(settings.database)
    try:
        shadow = settings.shadow
        found = read_comparison(engine, settings.execution.account, shadow.bootstrap_resamples, shadow.confidence_level)
    finally:
        engine.dispose()

    def ahead(row: BesideComparison) -> str:
        if row.ahead_per_day is None:
            return "no whole day yet"
        if row.ahead_low is None or row.ahead_high is None:
            return f"{row.ahead_per_day:+,.2f}, too few days to tell"
        return f"{row.ahead_per_day:+,.2f} [{row.ahead_low:+,.2f}, {row.ahead_high:+,.2f}]"

    def show() -> None:
        if not found:
            click.echo(f"nothing trades beside {settings.execution.account}; a version in stage shadow would")
            return
        columns = ("version", "since", "days", "trades", "net", "account: trades", "net", "ahead per day")
        rows = [
            (
                row.version, format_ms(row.began_ms), row.days, row.trades, f"{row.net:+,.2f}", row.own_trades,
                f"{row.own_net:+,.2f}", ahead(row),
            )
            for row in found
        ]  # fmt: skip
        terminal.table(f"beside {settings.execution.account}", columns, rows)

    terminal.show(found, show)

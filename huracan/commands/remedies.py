"""`huracan remedies`: what was done about anomalies by itself, what would be done now, and undoing it."""

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from huracan.terminal import Terminal, command

if TYPE_CHECKING:
    from collections.abc import Sequence

    from huracan.memory.remediations import Remediation

__all__ = ["remedies"]

_COLUMNS = ("remedy", "at", "what", "of", "state", "until", "because", "ended or refused")
_WOULD = {"applied": "DONE", "refused": "refused", "dry_run": "not done: a dry run"}


@click.group()
def remedies() -> None:
    """Remedies: ls, undo, and what the rules would do about the anomalies of now."""


@command(remedies, "ls")
@click.option("--account", help="Name of the account; default: execution.account.")
@click.option("--all", "everything", is_flag=True, help="Also what has ended, was refused or was a dry run.")
@click.option("--newest", type=click.IntRange(1, 10_000), default=50, show_default=True, help="How many at most.")
def ls(terminal: Terminal, account: str | None, everything: bool, newest: int) -> None:
    """List the remedies that are in force for an account, newest first."""
    from huracan.memory import open_database
    from huracan.memory.remediations import read_remediations

    settings = terminal.settings(execution__account=account)
    engine = open_database(settings.database)
    try:
        account = settings.execution.account
        found = read_remediations(engine, account, states=() if everything else ["applied"], newest=newest)
    finally:
        engine.dispose()
    title = f"{account}: remedies" + ("" if everything else " in force")
    terminal.show([_facts(row) for row in found], lambda: _table(terminal, title, found))


@command(remedies, "undo")
@click.argument("number", type=int)
@click.option("--reason", required=True, help="Why, in one line.")
@click.option("--account", help="Name of the account; default: execution.account.")
def undo(terminal: Terminal, number: int, reason: str, account: str | None) -> None:
    """Undo remedy NUMBER: exactly what stood before it stands again. While its anomaly lasts it is not done again."""
    from huracan.clock import WallClock
    from huracan.health.remedies import Remedies
    from huracan.memory import open_database
    from huracan.trader.access import person

    settings = terminal.settings(execution__account=account)
    engine = open_database(settings.database)
    try:
        row = Remedies(engine, settings).undo(number, person(), reason, WallClock().now_ms())
    finally:
        engine.dispose()
    terminal.show(_facts(row), f"undone: {row.kind} {row.subject}".rstrip() + f" of {row.account}")


@command(remedies, "dry-run")
@click.option("--account", help="Name of the account; default: execution.account.")
def dry_run(terminal: Terminal, account: str | None) -> None:
    """Say what the rules would do about the anomalies that are open now; nothing is done and nothing written."""
    from huracan.clock import WallClock
    from huracan.health.remedies import Remedies
    from huracan.health.store import MONITOR
    from huracan.memory import open_database
    from huracan.memory.health_rows import open_anomalies
    from huracan.memory.heartbeats import read_heartbeats

    settings = terminal.settings(execution__account=account)
    engine = open_database(settings.database)
    try:
        now_ms = WallClock().now_ms()
        wrong = tuple(row.anomaly for row in open_anomalies(engine))
        found = Remedies(engine, settings).dry_run(wrong, now_ms)
        beats = read_heartbeats(engine, MONITOR)
    finally:
        engine.dispose()
    works = bool(beats) and beats[0].age_s <= settings.health.monitor_silent_s
    title = f"{len(wrong)} open anomalies: " + ("the monitor would" if works else "a monitor would, and NONE WORKS")

    def show() -> None:
        rows = [
            (row.kind + ("" if row.value is None else f" {row.value:g}"), row.subject or row.account,
             _WOULD[row.state], row.reason, row.error)
            for row in found
        ]  # fmt: skip
        terminal.table(title, ("remedy", "of", "would be", "because", "refused because"), rows)

    terminal.show([_facts(row) for row in found], show)


def _facts(row: "Remediation") -> dict[str, object]:
    """Return a row for machines; a paused pattern's groups are many numbers that nobody reads."""
    found = asdict(row)
    found["after"] = {name: value for name, value in row.after.items() if name != "pattern"}
    return found


def _table(terminal: Terminal, title: str, found: "Sequence[Remediation]") -> None:
    from huracan.market import format_ms

    rows = [
        (
            str(row.number or ""),
            format_ms(row.at_ms),
            row.kind + ("" if row.value is None else f" {row.value:g}"),
            row.subject or row.account,
            row.state,
            "" if row.state != "applied" else "undone" if row.expires_ms is None else format_ms(row.expires_ms),
            row.reason,
            row.error or (f"{row.ended_by}, {format_ms(row.ended_ms)}" if row.ended_ms is not None else ""),
        )
        for row in found
    ]
    terminal.table(title, _COLUMNS, rows)

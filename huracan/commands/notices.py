"""`huracan notices`: who is told what goes wrong: a message to each destination now, and what was told."""

import sys
import time
from dataclasses import dataclass

import click

from huracan.terminal import Terminal, command

__all__ = ["notices"]

STATES = ("waiting", "sending", "sent", "held", "failed")


@click.group()
def notices() -> None:
    """What people are told over Telegram, mail, Slack, webhooks: try it, list it."""


@dataclass(frozen=True, slots=True)
class Tried:
    """How a test message fared at a destination: `problem` is the kind of failure, "" when it was taken."""

    destination: str
    level: str
    problem: str
    took_s: float


@command(notices, "test")
@click.option("--to", "names", multiple=True, help="A destination of notices.destinations; default: all; repeatable.")
def test(terminal: Terminal, names: tuple[str, ...]) -> None:
    """Send a message to each destination now, and say how it fared; exit code 1 when one did not take it."""
    from huracan.errors import UsageError
    from huracan.health.channels import open_channels

    destinations = {one.name: one for one in terminal.settings().notices.destinations}
    if not destinations:
        raise UsageError("notices.destinations names none; see docs/notices.md for how one is written")
    if unknown := [name for name in names if name not in destinations]:
        raise UsageError(f"notices.destinations has no {', '.join(unknown)}; it has {', '.join(destinations)}")
    found = []
    for channel in open_channels(tuple(destinations[name] for name in dict.fromkeys(names or destinations))):
        begun_s = time.perf_counter()
        body = "If you read this, notices of huracan reach you here. Nothing is wrong."
        problem = channel.send("[INFO] huracan: a test", body, "info")
        level = destinations[channel.name].level
        found.append(Tried(channel.name, level, problem or "", round(time.perf_counter() - begun_s, 3)))
    rows = [(row.destination, row.level, row.problem or "taken", f"{row.took_s:.1f} s") for row in found]
    terminal.show(found, lambda: terminal.table("", ("destination", "told from", "a test message", "time"), rows))
    if any(row.problem for row in found):
        sys.stdout.flush()
        raise click.exceptions.Exit(1)


@command(notices, "ls")
@click.option("--state", type=click.Choice(STATES), help="Only what fared so at some destination.")
@click.option("--limit", type=click.IntRange(1, 1_000), default=20, show_default=True, help="So many of the newest.")
@click.option("--full", is_flag=True, help="With the text of each.")
def ls(terminal: Terminal, state: str | None, limit: int, full: bool) -> None:
    """List notices, newest first, and how each fared at each destination."""
    from huracan.market import format_ms
    from huracan.memory import open_database, translated
    from huracan.memory.notices import StoredNotice, list_notices

    engine = open_database(terminal.settings().database)
    try:
        with translated(engine), engine.connect() as connection:
            found = list_notices(connection, limit, state)
    finally:
        engine.dispose()

    def fared(row: StoredNotice) -> str:
        parts = [f"{one.destination} {one.state}" + (f" ({one.error})" if one.error else "") for one in row.deliveries]
        return ", ".join(parts) or "kept: nobody wants it"

    def show() -> None:
        rows = [
            (
                row.notice_id,
                format_ms(row.notice.at_ms),
                row.notice.level,
                row.notice.title,
                row.repeats + 1,
                fared(row),
            )
            for row in found
        ]
        terminal.table("", ("", "at", "level", "notice", "times", "fared"), rows)
        for row in found if full else ():
            click.echo(f"\n{row.notice_id}: {row.notice.title}\n{row.notice.body}")

    terminal.show(found, show)

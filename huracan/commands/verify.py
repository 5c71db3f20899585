"""`huracan verify`: the checks as a table or as JSON; exit code 1 when one fails."""

import sys

import click

from huracan.terminal import Terminal, command

__all__ = ["verify"]


@click.group()
def _program() -> None:
    """Hold the command below, which stands directly under the program."""


@command(_program, "verify")
def verify(terminal: Terminal) -> None:
    """Check packages, configuration, disk, database, schema, artefacts, clocks, heartbeats, Ray and compiled code."""
    from huracan.verify import checks
    from huracan.verify import verify as run_checks

    outcomes = run_checks(checks(terminal.settings))
    rows = [("ok" if item.passed else "FAILED", item.name, f"{item.wall_s:.1f} s", item.detail) for item in outcomes]
    terminal.show(outcomes, lambda: terminal.table("huracan verify", ("", "check", "time", "found"), rows))
    if not all(item.passed for item in outcomes):
        sys.stdout.flush()
        raise click.exceptions.Exit(1)

"""`huracan insights`: what the memory of closed trades says, by coin, regime, pattern, exit, hour, version and mode."""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from huracan.errors import UsageError
from huracan.terminal import Terminal, standalone

if TYPE_CHECKING:
    from huracan.insights import Insights

__all__ = ["insights", "moment_of"]

_SETUPS_SHOWN = 8


@standalone("insights")
@click.option("--mode", type=click.Choice(["shadow", "paper", "live"]), help="Default: live, else paper, else shadow.")
@click.option("--run", "run_id", type=int, help="Only this run; default: all, of shadow the newest.")
@click.option(
    "--version", "policy", help="Only this version; of shadow also a seed or baseline. Default: the ensemble."
)
@click.option("--account", help="Only this account; default: all, of shadow coin.")
@click.option("--coin", help="Only this market, as ccxt writes it.")
@click.option("--since", metavar="DATE", help="Only trades entered on or after this UTC day, e.g. 2025-08-01.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder for a page with pictures, and its JSON.")
def insights(
    terminal: Terminal,
    mode: Literal["shadow", "paper", "live"] | None,
    run_id: int | None,
    policy: str | None,
    account: str | None,
    coin: str | None,
    since: str | None,
    out: Path | None,
) -> None:
    """Say which setups work, where, at what cost; why losses were made; and what was left after exits.

    Nothing is called good or bad that chance explains.
    """
    from huracan.insights import ask
    from huracan.memory import open_database
    from huracan.memory.remembered import Asked

    since_ms = None if since is None else moment_of(since, "--since")
    engine = open_database(terminal.settings().database)
    found = ask(engine, Asked(mode, run_id, policy, account, coin, since_ms))
    page = None
    if out is not None:
        from huracan.report.insights_html import write_insights

        page, _ = write_insights(found, out)
    terminal.show(found, lambda: _tables(terminal, found, page))


def moment_of(text: str, option: str) -> int:
    """Return the first moment of a UTC day, ms.

    Raises:
        UsageError: the text is no date.
    """
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{option} {text}: not a date such as 2025-08-01") from None
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1000


def _tables(terminal: Terminal, found: "Insights", page: Path | None) -> None:
    from huracan.insights import words

    click.echo(words.headline(found))
    click.echo(words.setup_line(found))
    terminal.table(
        f"all of them; {found.level:.0%} intervals, of means over blocks of days",
        words.SLICE_COLUMNS,
        [words.slice_row(found.total)],
    )
    for section in found.sections:
        terminal.table(f"by {section.by}", words.SLICE_COLUMNS, [words.slice_row(one) for one in section.slices])
    terminal.table(
        f"setups, best supported first ({min(_SETUPS_SHOWN, len(found.setups))} of {len(found.setups)})",
        words.SETUP_COLUMNS,
        words.setup_rows(found, _SETUPS_SHOWN),
    )
    for library in found.libraries:
        terminal.table(words.library_line(library), words.LIBRARY_COLUMNS, words.library_rows(library))
    if found.causes:
        terminal.table("what losses were caused by", words.FINDING_COLUMNS, words.finding_rows(found, won=False))
    if found.factors:
        columns = (*words.FINDING_COLUMNS[:-1], "luck")
        terminal.table("what wins came from", columns, words.finding_rows(found, won=True))
    if found.after_exits:
        terminal.table("what was left after exits", words.AFTER_COLUMNS, words.after_rows(found))
    if found.proposals:
        terminal.table(words.proposal_line(found), words.PROPOSAL_COLUMNS, words.proposal_rows(found))
    for gap in found.gaps:
        click.echo(f"not known: {gap}")
    if page is not None:
        click.echo(f"page: {page}")

"""`huracan patterns`: setups that come again in closed trades, and past trades like a given one."""

from typing import TYPE_CHECKING, Literal

import click

from huracan.commands.insights import moment_of
from huracan.terminal import Terminal, command

if TYPE_CHECKING:
    from collections.abc import Sequence

    from huracan.insights import Learnt

__all__ = ["patterns"]


@click.group()
def patterns() -> None:
    """The pattern library: groups of entries that come again, what became of them, and trades like a given one."""


@command(patterns, "find")
@click.option("--run-id", type=int, help="Run whose trades are grouped; default: all, of shadow the newest.")
@click.option("--mode", type=click.Choice(["shadow", "paper", "live"]), help="Default: live, else paper, else shadow.")
@click.option("--policy", help="Only this version; of shadow also a seed or baseline. Default: the ensemble.")
@click.option("--account", help="Only this account; default: all, of shadow coin.")
@click.option("--as-of", metavar="DATE", help="As it was known when this UTC day began; default: with all trades.")
def find(
    terminal: Terminal,
    run_id: int | None,
    mode: Literal["shadow", "paper", "live"] | None,
    policy: str | None,
    account: str | None,
    as_of: str | None,
) -> None:
    """Group entries by the market they were made in, and store each group with its results; again changes nothing."""
    from huracan.insights import learn_patterns
    from huracan.memory import open_database
    from huracan.memory.remembered import Asked

    as_of_ms = None if as_of is None else moment_of(as_of, "--as-of")
    engine = open_database(terminal.settings().database)
    done = learn_patterns(engine, Asked(mode, run_id, policy, account), as_of_ms=as_of_ms)
    terminal.show(done, lambda: _tables(terminal, done))


@command(patterns, "like")
@click.argument("trade_id", type=int, required=False)
@click.option("--count", type=click.IntRange(1, 1_000), default=12, show_default=True, help="How many at most.")
def like(terminal: Terminal, trade_id: int | None, count: int) -> None:
    """Show the past trades most like one, by default the newest in a library, as they were known at its entry."""
    from huracan.insights import words
    from huracan.memory import open_database
    from huracan.memory.patterns import newest_placed, place_trade, similar_trades

    engine = open_database(terminal.settings().database)
    trade_id = newest_placed(engine) if trade_id is None else trade_id
    library, point, entry_ms, symbol = place_trade(engine, trade_id)
    found = similar_trades(engine, library, point, entry_ms, symbol, count)
    if not found:
        terminal.show(found, f"no trade was known when trade {trade_id} was entered: nothing to compare it with")
        return
    mean = sum(one.result_r for one in found) / len(found)
    wins = sum(one.result_r > 0 for one in found)
    title = f"trades like {trade_id} ({symbol}), known at its entry: {wins} of {len(found)} won, mean {mean:+.2f} R"
    terminal.show(found, lambda: terminal.table(title, words.SIMILAR_COLUMNS, words.similar_rows(found)))


def _tables(terminal: Terminal, done: "Sequence[Learnt]") -> None:
    from huracan.insights import words

    for one in done:
        if one.found is None:
            click.echo(f"none: {one.refused}")
            continue
        terminal.table(words.library_line(one.found), words.LIBRARY_COLUMNS, words.library_rows(one.found))
        click.echo(f"{one.rows_written:,} rows new or changed")

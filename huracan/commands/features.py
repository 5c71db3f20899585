"""`huracan features`: the state of one's own candles, written out and checked."""

from pathlib import Path

import click

from huracan.storage import Location
from huracan.terminal import PLACE, Terminal, command

__all__ = ["features"]


@click.group()
def features() -> None:
    """The 80-dimensional state: its market part, built from candles and checked for look-ahead."""


@command(features, "build")
@click.option("--data", type=PLACE, help="Folder of candles; default: data.folder.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("build/features"), show_default=True)
def build(terminal: Terminal, data: Location | None, out: Path) -> None:
    """Write the market part of the state of every symbol as Parquet, with the fitted constants."""
    from jobs.features import build_features

    built = build_features(terminal.settings(data__folder=None if data is None else str(data)), out)
    terminal.show(built, f"{built.rows} rows of {len(built.symbols)} symbols in {built.folder}")


@command(features, "check")
@click.option("--data", type=PLACE, help="Folder of candles; default: data.folder.")
@click.option("--bars", type=click.IntRange(min=1), default=500, show_default=True, help="Closes pushed one at a time.")
def check(terminal: Terminal, data: Location | None, bars: int) -> None:
    """Prove on these candles that stream equals batch bit for bit and that no row knows its future."""
    from jobs.features import check_features

    found = check_features(terminal.settings(data__folder=None if data is None else str(data)), bars)
    text = (
        f"{found.states} states over {found.closes} closes and {found.restarts} restarts: stream equals batch; "
        f"{found.rows_before} rows do not know their future"
    )
    terminal.show(found, text)

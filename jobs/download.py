"""Download candles into a store: `python -m jobs.download BTC/USDT --timeframe 1m --folder /data/candles`.

Safe to stop and to repeat: files are replaced whole, and a second run fetches only what is missing.
"""

import os
import sys

import click

from huracan.errors import ConfigError
from huracan.market import format_ms, parse_ms
from huracan.storage import Location
from huracan.terminal import PLACE, Terminal, run, standalone
from huracan.venue.history import DownloadSummary, download

__all__ = ["download", "main", "program"]

_IN_A_JOB = "RAY_JOB_CONFIG_JSON_ENV_VAR"
"""Set by Ray for the process of a submitted job, whose working directory is a temporary copy."""


@standalone("download")
@click.argument("symbols", nargs=-1, required=True)
@click.option("--timeframe", default="1m", show_default=True, help="Length of a candle.")
@click.option("--start", help="First day, ISO 8601, UTC; default: the listing.")
@click.option("--end", help="End, exclusive, ISO 8601, UTC; default: now.")
@click.option("--folder", type=PLACE, help="Root of the store; default: data.folder.")
def program(
    terminal: Terminal,
    symbols: tuple[str, ...],
    timeframe: str,
    start: str | None,
    end: str | None,
    folder: Location | None,
) -> None:
    """Bring the store up to date for SYMBOLS (ccxt form)."""
    data = terminal.settings().data
    summary = download(
        data,
        symbols,
        timeframe,
        None if start is None else parse_ms(start),
        None if end is None else parse_ms(end),
        _usable(folder or data.folder),
        progress=_say,
    )
    terminal.show(summary, lambda: _table(terminal, summary))


def main() -> None:
    """Run the job on the process's arguments and leave with its exit code."""
    sys.exit(run(program, name="jobs.download"))


def _usable(folder: Location | None) -> Location:
    if folder is None:
        raise ConfigError("no folder to download to; give --folder or set data.folder")
    if _IN_A_JOB in os.environ and not folder.is_absolute():
        raise ConfigError(f"folder {folder} is relative: a job runs in a temporary copy; give an absolute folder")
    return folder


def _say(symbol: str, fetched: int, wanted: int) -> None:
    """Keep one line on stderr up to date while a person looks at it."""
    if sys.stderr.isatty():
        click.echo(f"\r{symbol}: {fetched} of {wanted} candles", nl=fetched >= wanted, err=True)


def _table(terminal: Terminal, summary: DownloadSummary) -> None:
    columns = ("symbol", "candles", "new", "missing", "first", "last", "listed")
    rows = [
        (
            done.symbol,
            done.bars,
            done.new_bars,
            done.missing_bars,
            *(None if at is None else format_ms(at) for at in (done.first_ms, done.last_ms, done.listed_ms)),
        )
        for done in summary.symbols
    ]
    terminal.table(f"{summary.timeframe} candles in {summary.folder}, {summary.requests} requests", columns, rows)


if __name__ == "__main__":
    main()

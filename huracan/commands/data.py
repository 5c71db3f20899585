"""`huracan data`: candles downloaded, judged, listed, made coarser, and made up."""

import click

from huracan.storage import Location
from huracan.terminal import PLACE, Terminal, command
from jobs.download import program as download

__all__ = ["data"]


@click.group()
def data() -> None:
    """Candles: one Parquet file per symbol and timeframe."""


data.add_command(download, "download")


@command(data, "ls")
@click.argument("folder", required=False, type=PLACE)
def ls(terminal: Terminal, folder: Location | None) -> None:
    """List the symbols of FOLDER (default: data.folder) with their bars and dates."""
    from huracan.market import format_ms, open_folder
    from huracan.market.store import read_times

    opened = open_folder(_folder(terminal, folder), terminal.settings().data.timeframe)
    columns = ("symbol", "timeframe", "bars", "first", "last")
    rows = []
    for symbol, file in opened.files.items():
        times = read_times(file)
        rows.append((symbol, opened.timeframe, len(times), format_ms(int(times.min())), format_ms(int(times.max()))))
    listed = [dict(zip(columns, row, strict=True)) for row in rows]
    terminal.show(listed, lambda: terminal.table(str(opened.path), columns, rows))


@command(data, "quality")
@click.argument("folder", required=False, type=PLACE)
def quality(terminal: Terminal, folder: Location | None) -> None:
    """Report on the candles of FOLDER (default: data.folder); exit code 3 when the gate refuses a symbol."""
    from huracan.clock import WallClock
    from huracan.errors import RefusedError
    from huracan.market import folder_quality

    settings = terminal.settings()
    verdicts = folder_quality(_folder(terminal, folder), settings.data, settings.quality, WallClock().now_ms())
    columns = ("symbol", "bars", "expected", "gaps", "zero volume", "verdict")
    rows = []
    for verdict in verdicts:
        report = verdict.report
        word = "; ".join(verdict.reasons) or "fit"
        zero = f"{report.zero_volume_frac:.2%}"
        rows.append((report.symbol, report.bars, report.expected_bars, report.gap_count, zero, word))
    terminal.show(verdicts, lambda: terminal.table("quality", columns, rows))
    refused = [verdict.report.symbol for verdict in verdicts if not verdict.accepted]
    if refused:
        raise RefusedError(
            f"{_folder(terminal, folder)}: {len(refused)} of {len(verdicts)} symbols are unfit for training: "
            f"{', '.join(refused)}; mend the data or change the settings that the verdicts name"
        )


@command(data, "synth")
@click.argument("folder", type=PLACE)
@click.option("--seed", type=click.IntRange(min=0), default=7, show_default=True)
@click.option("--timeframe", default="1m", show_default=True)
@click.option("--bars", type=click.IntRange(min=2), help="Length of every history.")
@click.option("--planted", type=click.IntRange(min=0), help="Coins with an edge.")
@click.option("--regime", type=click.IntRange(min=0), help="Coins with a hidden regime of drift.")
@click.option("--null", type=click.IntRange(min=0), help="Coins without one.")
def synth(
    terminal: Terminal,
    folder: Location,
    seed: int,
    timeframe: str,
    bars: int | None,
    planted: int | None,
    regime: int | None,
    null: int | None,
) -> None:
    """Write synthetic candles to FOLDER, with what was planted in markets.json."""
    from huracan.market import SyntheticSpec, write_synthetic

    given = {"bars": bars, "planted": planted, "regime": regime, "null": null}
    spec = SyntheticSpec(timeframe=timeframe, **{name: value for name, value in given.items() if value is not None})
    truths = write_synthetic(folder, spec, seed)
    rows = [(truth.symbol, truth.kind, f"{truth.long_flat_bps_per_day:.1f}") for truth in truths]
    columns = ("symbol", "kind", "best long-or-flat, bps a day")
    terminal.show(truths, lambda: terminal.table(f"{len(truths)} markets in {folder}", columns, rows))


@command(data, "resample")
@click.option("--from", "source", type=PLACE, help="Folder of candles; default: data.folder.")
@click.option("--timeframe", required=True, help="Length of the coarser candles.")
@click.option("--folder", required=True, type=PLACE, help="Root of the store to write to.")
def resample(terminal: Terminal, source: Location | None, timeframe: str, folder: Location) -> None:
    """Make coarser candles of finer ones, from whole bars only, aligned to the epoch."""
    from huracan.market import CandleStore, format_ms, open_folder, resample_folder

    opened = open_folder(_folder(terminal, source))
    done = resample_folder(opened, timeframe, CandleStore(folder))
    columns = ("symbol", f"{opened.timeframe} bars", f"{timeframe} bars", "first", "last")
    rows = []
    for file in done:
        dates = (None if at is None else format_ms(at) for at in (file.first_ms, file.last_ms))
        rows.append((file.symbol, file.fine_bars, file.bars, *dates))
    terminal.show(done, lambda: terminal.table(f"{timeframe} candles in {folder}", columns, rows))


def _folder(terminal: Terminal, given: Location | None) -> Location:
    from huracan.errors import ConfigError

    folder = given or terminal.settings().data.folder
    if folder is None:
        raise ConfigError("no folder of candles; name one, or set data.folder")
    return folder

"""`huracan trade replay`: a day of candles traded twice, maker-first and taker-only, and what the entries cost."""

from pathlib import Path

import click

from huracan.storage import Location
from huracan.terminal import PLACE, Terminal, command

__all__ = ["replay"]


@click.group()
def _program() -> None:
    """Hold the command below, which stands under `huracan trade`."""


@command(_program, "replay")
@click.option("--data", type=PLACE, help="Folder of candles; default: data.folder.")
@click.option("--symbol", "symbols", multiple=True, help="A spot market; repeatable; default: the script's, else all.")
@click.option("--day", help="First day, UTC, e.g. 2025-09-01; default: the last that every market has whole.")
@click.option("--days", type=click.IntRange(min=1, max=366), default=1, show_default=True, help="How many days.")
@click.option(
    "--script", "script_path", type=click.Path(path_type=Path), help="JSON lines of decisions; default: momentum."
)
@click.option("--out", type=click.Path(path_type=Path), default=Path("build/execution"), show_default=True)
def replay(
    terminal: Terminal,
    data: Location | None,
    symbols: tuple[str, ...],
    day: str | None,
    days: int,
    script_path: Path | None,
    out: Path,
) -> None:
    """Trade a day of candles maker-first and taker-only in a process of its own, and write report.html and report.json.

    Fills are the paper exchange's. Nothing leaves the machine, no account and no database is touched.
    """
    from huracan.errors import ConfigError
    from huracan.logs import configure_logging
    from huracan.market import open_folder, parse_ms, timeframe_ms
    from huracan.report.execution import Statistics, measure_execution
    from huracan.report.execution_html import COLUMNS, comparison_rows, write_execution
    from huracan.trader.replay import replay_leg
    from huracan.trader.replay_data import MOMENTUM_BARS, legs_of, load_replay, momentum, scripted
    from huracan.trader.script import load_script

    settings = terminal.settings()
    folder = data or settings.data.folder
    if folder is None:
        raise ConfigError("no folder of candles; give --data, or set data.folder")
    timeframe = open_folder(folder, settings.data.timeframe).timeframe
    script = None if script_path is None else load_script(script_path, timeframe_ms(timeframe))
    wanted = symbols or (() if script is None else script.symbols)
    loaded = load_replay(folder, settings, wanted, None if day is None else parse_ms(day), days)
    decide = momentum(loaded) if script is None else scripted(loaded, script)
    decider = f"momentum over {MOMENTUM_BARS} bars" if script is None else f"script {script_path}"
    if not terminal.debug:
        configure_logging("error")  # what the engine warns of, a refused order, is counted here instead
    seed = settings.paper.seed
    maker, taker = (replay_leg(loaded, kernel, decide, seed) for kernel in legs_of(loaded.kernel))
    shadow = settings.shadow
    statistics = Statistics(shadow.bootstrap_resamples, shadow.confidence_level, seed)
    report = measure_execution(loaded, maker, taker, statistics, str(folder), decider)
    html, _ = write_execution(report, out)

    def show() -> None:
        click.echo(report.headline)
        terminal.table(f"intervals: {100 * report.level:g} %", COLUMNS, comparison_rows(report))
        click.echo(f"report: {html}")

    terminal.show(report, show)

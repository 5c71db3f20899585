"""`huracan bench`: the measurements of the checkout's `tests/bench`, which an installed package does not carry."""

import subprocess
import sys
from pathlib import Path

import click

from huracan.errors import ConfigError
from huracan.terminal import Terminal, command

__all__ = ["bench"]

CHECKOUT = Path(__file__).parents[2]


@click.group()
def _program() -> None:
    """Hold the command below, which stands directly under the program."""


@command(_program, "bench")
@click.option(
    "--only",
    multiple=True,
    metavar="ROOM",
    help="environment, features, shadow, ppo, memory, analysis, patterns, gate, round, scaling, execution or serving; "
    "repeatable.",
)
@click.option("--out", type=click.Path(path_type=Path), default=Path("build/bench.json"), show_default=True)
def bench(terminal: Terminal, only: tuple[str, ...], out: Path) -> None:
    """Measure speed side by side with peers and write the table as JSON to --out."""
    if not (CHECKOUT / "tests" / "bench").is_dir():
        raise ConfigError(f"{CHECKOUT} has no tests/bench: run `huracan bench` from a checkout of the repository")
    words = [word for room in only for word in ("--only", room)]
    done = subprocess.run(  # noqa: S603 - our own module, its arguments checked by its parser
        [sys.executable, "-m", "tests.bench", "--out", str(out.absolute()), *words],
        cwd=CHECKOUT,
        stdout=sys.stderr if terminal.as_json else None,
    )
    if done.returncode:
        raise click.exceptions.Exit(done.returncode)
    if terminal.as_json:
        click.echo(out.read_text(encoding="utf-8"))

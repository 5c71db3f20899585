"""The program: every command is there, explains itself, and the program answers without importing the rooms."""

import subprocess
import sys
from pathlib import Path

import click
import pytest

from huracan.cli import COMMANDS, cli

HEAVY = ("torch", "ray", "numba", "pandas", "sqlalchemy", "ccxt", "matplotlib", "pyarrow")
PROMISED = (
    "bench",
    "data download",
    "data ls",
    "data quality",
    "data synth",
    "db status",
    "db stop",
    "db upgrade",
    "db url",
    "demo",
    "features build",
    "features check",
    "halt",
    "models ls",
    "models gate",
    "models promote",
    "models rollback",
    "models show",
    "paper-exchange",
    "plan",
    "report",
    "resume",
    "shadow",
    "trade lock",
    "trade replay",
    "trade start",
    "trade status",
    "trade stop",
    "trade unlock",
    "train",
    "verify",
)
COMMON = {"--config", "--set", "--json", "--debug"}


def _find(path: str) -> click.Command:
    found: click.Command = cli
    for name in path.split():
        assert isinstance(found, click.Group)
        command = found.get_command(click.Context(found), name)
        assert command is not None, f"there is no {path}"
        found = command
    return found


@pytest.mark.parametrize("path", PROMISED)
def test_every_promised_command_is_there_with_the_common_options(path: str) -> None:
    """Each command exists, says in a sentence what it does, and takes --config, --set, --json and --debug."""
    command = _find(path)
    options = {name for parameter in command.params for name in parameter.opts}
    assert options >= COMMON
    assert (command.help or "").strip().endswith((".", "3 when the gate refuses a symbol."))


def test_the_list_of_commands_tells_the_truth() -> None:
    """Each line of the program's help belongs to a command that can be imported, and no promised noun is missing."""
    for name in COMMANDS:
        assert isinstance(_find(name), click.Command)
    assert {path.split()[0] for path in PROMISED} <= set(COMMANDS)


def test_the_help_imports_no_room() -> None:
    """`huracan --help` answers without loading any heavy library."""
    program = (
        "import sys; from huracan.cli import cli; from huracan.terminal import run; code = run(cli, ['--help']); "
        f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr); sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stderr == "[]\n"
    for name, (_, _, line) in COMMANDS.items():
        assert name in done.stdout
        assert line.split()[0] in done.stdout


def test_the_installed_program_runs() -> None:
    """The `huracan` script prints its version, and returns 2 with one line for an unknown noun."""
    script = Path(sys.executable).parent / "huracan"
    assert "0.1.0" in subprocess.run([script, "--version"], capture_output=True, text=True, check=True).stdout
    done = subprocess.run([script, "nowhere"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: No such command 'nowhere'; see `huracan --help`")

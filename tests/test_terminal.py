"""What all commands share: options before or after the noun, JSON without surprises, one line and a code per error."""

import enum
import errno
import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import click
import numpy as np
import pytest

from huracan.errors import ConfigError, DatabaseError, HuracanError, RefusedError
from huracan.terminal import Terminal, command, common_options, run, standalone, to_json

Captured = pytest.CaptureFixture[str]


class Color(enum.IntEnum):
    RED = 1


@dataclass(frozen=True)
class Thing:
    name: str
    values: np.ndarray


def _program(raised: BaseException | None = None) -> click.Group:
    @click.group()
    @common_options
    def program(**_before: object) -> None:
        """Stand for the whole program."""

    @command(program, "act")
    @click.option("--number", type=int)
    def act(terminal: Terminal, number: int | None) -> None:
        """Do something, or fail."""
        if raised is not None:
            raise raised
        settings = terminal.settings(ppo__lr=number)
        terminal.show({"lr": settings.ppo.lr, "seed": settings.search.seed}, f"lr {settings.ppo.lr:g}")

    return program


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (ConfigError("wrong"), 2, "error: wrong\n"),
        (RefusedError("no"), 3, "error: no\n"),
        (DatabaseError("two\nlines at x://u:hunter2@h"), 1, "error: two lines at x://u:***@h\n"),
        (HuracanError("bad"), 1, "error: bad\n"),
        (KeyboardInterrupt(), 130, "error: interrupted; run the same command again to go on\n"),
        (KeyboardInterrupt("go on with --run-id 7"), 130, "error: interrupted; go on with --run-id 7\n"),
        (click.Abort(), 130, "error: interrupted; run the same command again to go on\n"),
        (click.exceptions.Exit(1), 1, ""),
        (FileNotFoundError(errno.ENOENT, "No such file", "/x"), 1, "error: No such file /x; check the path"),
        (OSError(errno.ENOSPC, "No space", "/x"), 1, "error: disk full while writing /x; free some space"),
        (ZeroDivisionError("by zero"), 1, "error: unexpected ZeroDivisionError: by zero; this is a defect"),
    ],
)
def test_an_error_is_one_line_and_its_code(error: BaseException, code: int, line: str, capsys: Captured) -> None:
    """Whatever is raised ends as at most one line on stderr, without secrets or traceback, and its exit code."""
    assert run(_program(error), ["act"]) == code
    shown = capsys.readouterr()
    assert shown.err.startswith(line)
    assert shown.err.count("\n") == (1 if line else 0)
    assert shown.out == ""


WAITING = """
import sys, time
import click
from huracan.terminal import Terminal, run, standalone

@standalone("wait")
@click.option("--ray", is_flag=True)
def program(terminal: Terminal, ray: bool) -> None:
    def wait() -> None:
        try:
            print("ready", flush=True)
            time.sleep(120)
        except KeyboardInterrupt:
            raise KeyboardInterrupt("go on with --run-id 7") from None
    if not ray:
        return wait()
    from huracan.config import RaySettings
    from huracan.learn.cluster import ray_session
    with ray_session(RaySettings(num_cpus=1, object_store_mb=100)):
        wait()

sys.exit(run(program))
"""


@pytest.mark.parametrize("words", [[], pytest.param(["--ray"], marks=pytest.mark.ray)])
def test_sigterm_is_one_line_and_exit_143(words: list[str], tmp_path: Path) -> None:
    """A process told to end says how to go on, as after Ctrl-C, also where Ray has put handlers of its own."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    process = subprocess.Popen(
        [sys.executable, "-c", WAITING, *words], env=environment | {"HURACAN_HOME": str(tmp_path)}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert (process.returncode, out, err) == (143, "", "error: interrupted; go on with --run-id 7\n")


def test_a_handler_of_sigterm_is_left_alone(capsys: Captured) -> None:
    """After a command the signal does what it did before, and a handler that was there stays during the command."""
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)  # a Ray instance of another test may have left its own
    try:
        assert run(_program(), ["act"]) == 0
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    finally:
        signal.signal(signal.SIGTERM, before)
    seen: list[object] = []

    @standalone("look")
    def look(_terminal: Terminal) -> None:
        seen.append(signal.getsignal(signal.SIGTERM))

    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        assert run(look, []) == 0
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
    assert seen == [signal.SIG_IGN]
    assert run(look, []) == 0
    assert callable(seen[1])


@pytest.mark.parametrize("words", [["act", "--debug"], ["--debug", "act"]])
def test_debug_shows_the_traceback(words: list[str], capsys: Captured) -> None:
    """With --debug, before or after the noun, the traceback stands above the line, secrets removed."""
    assert run(_program(DatabaseError("at x://u:hunter2@h")), words) == 1
    shown = capsys.readouterr().err
    assert "Traceback" in shown
    assert shown.endswith("error: at x://u:***@h\n")
    assert "hunter2" not in shown


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["act"], "lr 0.0003\n"),
        (["--set", "ppo.lr=0.5", "act"], "lr 0.5\n"),
        (["--set", "ppo.lr=0.5", "act", "--set", "ppo.lr=0.25"], "lr 0.25\n"),
        (["act", "--set", "ppo.lr=0.5", "--number", "2"], "lr 2\n"),
        (["act", "--json", "--set", "search.seed=9"], '{"lr": 0.0003, "seed": 9}\n'),
        (["--json", "act"], '{"lr": 0.0003, "seed": 7}\n'),
    ],
)
def test_options_stand_before_or_after_the_noun_the_nearest_wins(
    words: list[str], found: str, capsys: Captured
) -> None:
    """A command's own option beats --set after the noun, which beats --set before it; --json writes JSON to stdout."""
    assert run(_program(), words) == 0
    assert capsys.readouterr().out == found


def test_the_configuration_file_may_stand_on_either_side(tmp_path: Path, capsys: Captured) -> None:
    """--config before the noun is replaced by --config after it."""
    first, second = tmp_path / "a.yaml", tmp_path / "b.yaml"
    first.write_text("ppo: {lr: 0.5}")
    second.write_text("ppo: {lr: 0.25}")
    assert run(_program(), ["--config", str(first), "act"]) == 0
    assert run(_program(), ["--config", str(first), "act", "--config", str(second)]) == 0
    assert capsys.readouterr().out == "lr 0.5\nlr 0.25\n"


@pytest.mark.parametrize(
    "words",
    [["nowhere"], ["act", "--nothing"], ["act", "--number", "x"], ["act", "--set", "x"], ["act", "--set", "a=["]],
)
def test_misuse_is_one_line_and_code_2(words: list[str], capsys: Captured) -> None:
    """An unknown command, option or value is named on one line."""
    assert run(_program(), words) == 2
    shown = capsys.readouterr().err
    assert shown.startswith("error: ")
    assert shown.count("\n") == 1


def test_no_command_shows_the_help(capsys: Captured) -> None:
    """Without a noun the help appears, and the exit code says that nothing was done; --help is success."""
    assert run(_program(), []) == 2
    assert "Usage:" in capsys.readouterr().err
    assert run(_program(), ["--help"]) == 0
    assert "Usage:" in capsys.readouterr().out


def test_a_job_is_a_program_of_its_own(capsys: Captured) -> None:
    """`python -m jobs.x` has the same options and codes, each given value counted once."""

    @standalone("jobs.x")
    @click.argument("word")
    def program(terminal: Terminal, word: str) -> None:
        """Say what was given."""
        terminal.show({"word": word, "set": dict(terminal.assignments)}, word)

    assert run(program, ["hello", "--json", "--set", "ppo.lr=1"], name="jobs.x") == 0
    assert json.loads(capsys.readouterr().out) == {"word": "hello", "set": {"ppo.lr": 1}}


def test_results_become_plain_json() -> None:
    """Dataclasses, enums, arrays, times and paths have a JSON form; figures that are no numbers become null."""
    thing = Thing("x", np.array([1.5, np.nan, np.inf]))
    found = to_json({"thing": thing, 3: (Color.RED, Path("/a"), np.int64(4), datetime(2025, 6, 11, tzinfo=UTC))})
    assert found == {
        "thing": {"name": "x", "values": [1.5, None, None]},
        "3": ["RED", "/a", 4, "2025-06-11T00:00:00+00:00"],
    }
    with pytest.raises(TypeError, match="no JSON form"):
        to_json(object())


def test_a_table_shows_cells_as_they_are(capsys: Captured) -> None:
    """Brackets are no markup, an absent figure is a dash, and nothing is cut away from a terminal."""
    Terminal().table("t", ("a", "b"), [("[red]x[/red]", None), ("y" * 150, 1)])
    shown = capsys.readouterr().out
    assert "[red]x[/red]" in shown
    assert "y" * 150 in shown
    assert "│ -" in shown

"""What every command shares: the common options, output for people and machines, and exit codes.

A command is a function whose first argument is a `Terminal`:

    @command(models, "show")
    @click.argument("version")
    def show(terminal: Terminal, version: str) -> None:
        terminal.show(found, lambda: terminal.table("model", ...))

Exit codes: 0 done, 2 bad input or configuration, 3 refused by a gate or a risk rule, 130 Ctrl-C, 143 SIGTERM, 1 any
other failure.
"""

import dataclasses
import enum
import errno
import functools
import json
import math
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from types import FrameType
from typing import Any, Final

import click

from huracan.errors import ConfigError, HuracanError
from huracan.logs import collect_errors, configure_logging, errors_folder, note_error, redact_text
from huracan.storage import Location, ObjectPath, locate

__all__ = ["PLACE", "Terminal", "command", "common_options", "run", "standalone", "to_json"]

EXIT_INTERRUPTED = 130
EXIT_TERMINATED = 143
EXIT_BROKEN_PIPE = 141


@dataclass(slots=True)
class Terminal:
    """One invocation: its common options, its configuration, and where its result goes.

    Args:
        as_json: write one JSON value to stdout instead of text.
        debug: show tracebacks and debug events.
        config_path: YAML file given by `--config`.
        assignments: dotted keys and values given by `--set`.
    """

    as_json: bool = False
    debug: bool = False
    config_path: Path | None = None
    assignments: Mapping[str, Any] = field(default_factory=dict)
    _settings: Any = None

    def settings(self, **overrides: Any) -> Any:
        """Return the merged `huracan.config.Settings`; `overrides` are a command's own options, `section__key=value`.

        A None override means "not given". An option of the command wins over `--set` of the same key.

        Raises:
            ConfigError: the configuration is not usable.
        """
        from huracan.config import load_settings

        given = {name.replace("__", "."): value for name, value in overrides.items() if value is not None}
        if given or self._settings is None:
            self._settings = load_settings(self.config_path, {**self.assignments, **given})
        return self._settings

    def settings_of(self, config_json: str, **overrides: Any) -> Any:
        """Return a run's own `Settings`, changed by what the file, the environment and the options say anew.

        Args:
            config_json: the run's configuration as its row holds it.
            **overrides: as for `settings`.

        Raises:
            ConfigError: the configuration is not usable.
        """
        from huracan.config import load_settings

        given = {name.replace("__", "."): value for name, value in overrides.items() if value is not None}
        return load_settings(self.config_path, {**self.assignments, **given}, base=json.loads(config_json))

    def show(self, result: object, text: Callable[[], None] | str) -> None:
        """Write a command's result: JSON of `result` with `--json`, otherwise `text`, a string or what prints it."""
        if self.as_json:
            click.echo(json.dumps(to_json(result), allow_nan=False))
        elif isinstance(text, str):
            click.echo(text)
        else:
            text()

    def table(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """Print a table for people; None cells are dashes."""
        from rich.console import Console
        from rich.table import Table

        table = Table(title=title or None, title_justify="left", header_style="bold")
        for column in columns:
            table.add_column(column, overflow="fold")
        for row in rows:
            table.add_row(*("-" if cell is None else str(cell) for cell in row))
        stdout = sys.stdout
        Console(file=stdout, width=None if stdout.isatty() else 200, markup=False, highlight=False).print(table)


class _Place(click.ParamType):
    """An option or argument that names a folder of this machine or a prefix in an object store."""

    name = "folder"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Location:
        """Return the place that a word names; a URL that cannot be used is refused without being repeated."""
        try:
            return locate(value)
        except ConfigError as error:
            self.fail(str(error), param, ctx)


PLACE: Final = _Place()


def common_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--config`, `--set`, `--json` and `--debug`; the program has them before its nouns, each command after."""
    options = (
        click.option("--config", type=click.Path(path_type=Path), help="YAML file with settings."),
        click.option(
            "--set",
            "assignments",
            multiple=True,
            metavar="KEY=VALUE",
            help="One setting, e.g. ppo.lr=1e-4; repeatable.",
        ),
        click.option("--json", "as_json", is_flag=True, help="Write the result as JSON to stdout."),
        click.option("--debug", is_flag=True, help="Show debug events and, on error, the traceback."),
    )
    for option in reversed(options):
        function = option(function)
    return function


def command(group: click.Group, name: str, **attributes: Any) -> Callable[[Callable[..., None]], click.Command]:
    """Register a function as `group`'s command `name` with the options that all commands have."""

    def register(function: Callable[..., None]) -> click.Command:
        return group.command(name, **attributes)(_with_terminal(function))

    return register


def standalone(name: str, **attributes: Any) -> Callable[[Callable[..., None]], click.Command]:
    """Make a function a program of its own (`python -m jobs.train`) with the options that all commands have."""

    def register(function: Callable[..., None]) -> click.Command:
        decorate: Callable[[Callable[..., None]], click.Command] = click.command(name, **attributes)
        return decorate(_with_terminal(function))

    return register


def _with_terminal(function: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(function)
    def invoke(as_json: bool, debug: bool, config: Path | None, assignments: tuple[str, ...], **own: Any) -> None:
        context = click.get_current_context()
        program = context.find_root()
        before = {} if program is context else program.params  # what stood before the noun
        debug = debug or before.get("debug", False)
        configure_logging("debug" if debug else "info")
        _collect(context.command_path)
        terminal = Terminal(
            as_json=as_json or before.get("as_json", False),
            debug=debug,
            config_path=config or before.get("config"),
            assignments=_parse_assignments((*before.get("assignments", ()), *assignments)),
        )
        function(terminal, **own)

    return common_options(invoke)


def _collect(path: str) -> None:
    """Have the monitor know of this command's warnings and errors, where one was ever started."""
    from huracan.config import home_folder

    with suppress(ConfigError):  # the command says what is wrong with HURACAN_HOME
        collect_errors(path.removeprefix("cli").strip() or path, errors_folder(home_folder()))


def run(program: click.Command, arguments: Sequence[str] | None = None, name: str = "huracan") -> int:
    """Run `program` and return its exit code; an error is one line on stderr, a traceback only with `--debug`.

    This is the process's supervisor: whatever is raised ends here as a line and a code. SIGTERM is raised as Ctrl-C is,
    unless the command handles it itself.
    """
    with _sigterm_as_ctrl_c() as terminated:
        code = _run(program, list(sys.argv[1:] if arguments is None else arguments), name)
    return EXIT_TERMINATED if terminated and code == EXIT_INTERRUPTED else code


@contextmanager
def _sigterm_as_ctrl_c() -> Iterator[list[int]]:
    """Raise `KeyboardInterrupt` at SIGTERM in the block, which then holds the signal's number; else it stays empty.

    Nothing changes off the main thread, or where the signal is ignored or handled already.
    """
    caught: list[int] = []

    def stop(number: int, frame: FrameType | None) -> None:
        caught.append(number)
        raise KeyboardInterrupt

    ours = threading.current_thread() is threading.main_thread()
    if not ours or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield caught
        return
    signal.signal(signal.SIGTERM, stop)
    try:
        yield caught
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _run(program: click.Command, words: list[str], name: str) -> int:
    debug = "--debug" in words
    try:
        with program.make_context(name, words) as context:
            program.invoke(context)
        sys.stdout.flush()
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return error.exit_code
    except click.exceptions.Exit as error:
        return error.exit_code
    except click.ClickException as error:
        return _fail(_usage(error, name), error.exit_code, debug)
    except (KeyboardInterrupt, click.Abort) as error:
        return _fail(f"interrupted; {str(error) or 'run the same command again to go on'}", EXIT_INTERRUPTED)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_BROKEN_PIPE
    except HuracanError as error:
        return _fail(str(error), error.exit_code, debug)
    except OSError as error:
        return _fail(_operating_system(error), 1, debug)
    except Exception as error:  # the supervisor of the process: any defect still ends as one line and exit code 1
        kind = type(error).__name__
        return _fail(f"unexpected {kind}: {error}; this is a defect, run again with --debug for its place", 1, debug)
    return 0


def to_json(value: object) -> Any:
    """Return `value` as JSON types: dataclasses by field, enums by name, times in ISO form, non-finite floats null.

    Raises:
        TypeError: a value has no JSON form.
    """
    if value is None or (isinstance(value, bool | int | str) and not isinstance(value, enum.Enum)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, enum.Enum):
        return value.value if isinstance(value.value, str) else value.name
    if isinstance(value, Path | ObjectPath):
        return str(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {item.name: to_json(getattr(value, item.name)) for item in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [to_json(item) for item in value]
    if isinstance(value, datetime):
        return value.isoformat()
    if hasattr(value, "model_dump"):  # settings
        return to_json(value.model_dump(mode="json"))
    if hasattr(value, "tolist"):  # numpy arrays and scalars
        return to_json(value.tolist())
    raise TypeError(f"no JSON form for {type(value).__name__}")


def _parse_assignments(assignments: tuple[str, ...]) -> dict[str, Any]:
    import yaml

    parsed = {}
    for assignment in assignments:
        key, separator, value = assignment.partition("=")
        if not separator or not key.strip():
            raise ConfigError(f"--set {assignment}: not of the form section.key=value")
        try:
            parsed[key.strip()] = yaml.safe_load(value)
        except yaml.YAMLError:
            raise ConfigError(f"--set {assignment}: the value is not YAML") from None
    return parsed


def _usage(error: click.ClickException, name: str) -> str:
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else name
    return f"{error.format_message().rstrip('.')}; see `{path} --help`"


def _operating_system(error: OSError) -> str:
    where = f" {error.filename}" if error.filename else ""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"disk full while writing{where}; free some space and run again, nothing half-written was kept"
    return f"{error.strerror or type(error).__name__}{where or ': ' + str(error)}; check the path and its permissions"


def _fail(message: str, exit_code: int, debug: bool = False) -> int:
    if debug:
        click.echo(redact_text(traceback.format_exc()), err=True)
    if exit_code == 1:  # bad input and refusals are told to whoever gave the command, and are nobody's fault
        note_error("error", "command.failed", reason=message)
    click.echo("error: " + redact_text(" ".join(message.split())), err=True)
    return exit_code

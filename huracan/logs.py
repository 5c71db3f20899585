"""Logging: events with fields instead of prose, one run id bound to all of them, no secret in any.

On a terminal a line is readable, elsewhere it is one JSON object; both go to stderr, because stdout belongs to results.
Warnings and errors are written down for the monitor as well, once one was started (`collect_errors`).
"""

import json
import logging
import os
import re
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from fcntl import LOCK_SH, flock
from pathlib import Path
from typing import Any, Final

import structlog
from pydantic import SecretStr
from structlog.typing import EventDict, FilteringBoundLogger, Processor, WrappedLogger

__all__ = [
    "HIDDEN",
    "ErrorFile",
    "bind_run",
    "collect_errors",
    "configure_logging",
    "errors_folder",
    "get_logger",
    "note_error",
    "redact",
    "redact_text",
]

HIDDEN = "***"
LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}

_URL_PASSWORD = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.\-]*://[^\s:/@]*):(?P<password>[^\s/]*)@")
_LONG_WORD = re.compile(r"(?=[A-Za-z_+=-]*\d)[A-Za-z0-9_+=-]{32,}")  # keys, signatures, tokens, hashes
_SECRET_KEY = re.compile(r"(?i)(password|passwd|secret|api_?key|private_?key|(^|_)token($|_)|authorization)")


def configure_logging(level: str = "info", json_lines: bool | None = None) -> None:
    """Set the process's log format; may be called again, the last call counts.

    Args:
        level: least severe level written, a key of `LEVELS`.
        json_lines: True writes JSON, False a terminal line, None decides by whether stderr is a terminal.

    Raises:
        KeyError: `level` is not a key of `LEVELS`.
    """
    as_json = not sys.stderr.isatty() if json_lines is None else json_lines
    last: Processor = (
        structlog.processors.JSONRenderer(sort_keys=False, default=str)
        if as_json
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _redact_event,
            _collect,
            last,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=_stderr_logger,
        cache_logger_on_first_use=False,
    )


def get_logger() -> FilteringBoundLogger:
    """Return a logger; configures logging by its defaults when nobody has done so in this process."""
    if not structlog.is_configured():
        configure_logging()
    logger: FilteringBoundLogger = structlog.get_logger()
    return logger


@contextmanager
def bind_run(run_id: int | str, **fields: object) -> Iterator[None]:
    """Add `run_id` and `fields` to every event logged inside the block, in this thread or task only."""
    with structlog.contextvars.bound_contextvars(run_id=run_id, **fields):
        yield


def redact_text(text: str) -> str:
    """Replace the password of every URL in `text` by `HIDDEN`."""
    return _URL_PASSWORD.sub(rf"\g<scheme>:{HIDDEN}@", text)


def redact(value: Any) -> Any:
    """Return `value` with secrets replaced: `SecretStr`, URL passwords, and mapping keys that name a secret."""
    if isinstance(value, SecretStr):
        return HIDDEN
    if isinstance(value, str):
        return redact_text(value)
    if isinstance(value, Mapping):
        return {key: HIDDEN if _names_secret(key) else redact(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [redact(item) for item in value]
    if isinstance(value, BaseException):
        return redact_text(f"{type(value).__name__}: {value}")
    return value


def _redact_event(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    return {key: HIDDEN if _names_secret(key) else redact(value) for key, value in event.items()}


def _names_secret(key: object) -> bool:
    return isinstance(key, str) and _SECRET_KEY.search(key) is not None


class _Stderr(structlog.PrintLogger):
    """Writes lines, and goes on when the disk behind the stream is full: whoever logs has better to do than to fail."""

    def msg(self, message: str) -> None:
        """Write a line if there is room for it."""
        with suppress(OSError):
            super().msg(message)

    log = debug = info = warn = warning = fatal = failure = err = error = critical = exception = msg


def _stderr_logger(*_arguments: Any) -> structlog.PrintLogger:
    """Look stderr up at each use, so that a redirected stream is honoured."""
    return _Stderr(sys.stderr)


# ---- for the monitor ----------------------------------------------------------------------------------------------

ERRORS_VARIABLE: Final = "HURACAN_ERRORS"
"""Names the folder to processes that this one starts, workers of Ray among them."""
_COLLECTED: Final = ("warning", "error", "critical")
_FOREIGN: Final = ("", "ray.serve", "uvicorn.error")
_TEXT_MAX: Final = 1_000
_LINE_MAX: Final = 16_000
_TRIES: Final = 10


class ErrorFile:
    """Where a process writes its warnings and errors for the monitor: one file of all processes of a machine.

    Nothing is written where no monitor was ever started: the folder is the monitor's. A line is one call of the
    operating system at the file's end, so that processes do not tear each other's. The monitor renames the file, waits
    until nobody holds its lock, and reads it: whoever has opened it by then sees that it has another name. Never an
    exception: whoever logs has better to do.

    Args:
        process: name of this one.
        folder: of the monitor.
        max_bytes: of the file; beyond it events are only counted, and the next line that has room says how many.

    Attributes:
        lost: events that found no room and no line has told of yet.
    """

    def __init__(self, process: str, folder: Path, max_bytes: int = 16_000_000) -> None:
        self.lost = 0
        self._process, self._path, self._max_bytes = process, folder / "events.jsonl", max_bytes

    def write(self, level: str, event: str, fields: Mapping[str, Any]) -> None:
        """Write an event, secrets replaced."""
        line: dict[str, Any] = {
            "at_ms": time.time_ns() // 1_000_000,
            "process": self._process,
            "pid": os.getpid(),
            "level": level,
            "event": event,
            "fields": {str(key): _short(value) for key, value in fields.items()},
        }
        if self.lost:
            line["lost"] = self.lost
        try:
            content = json.dumps(line).encode()
            if len(content) > _LINE_MAX:
                content = json.dumps(line | {"fields": {"reason": str(line["fields"].get("reason", ""))}}).encode()
            for _ in range(_TRIES):  # when the monitor has just taken the file away there is a new one
                if self._append(content + b"\n"):
                    break
            else:
                self.lost += 1
        except FileNotFoundError:  # no monitor was ever started
            pass
        except (OSError, ValueError):
            self.lost += 1

    def _append(self, line: bytes) -> bool:
        """Write a line at the file's end; return False when the file was taken away before it was there."""
        number = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            flock(number, LOCK_SH)  # the monitor waits for whoever has it
            facts = os.fstat(number)
            try:
                if os.stat(self._path).st_ino != facts.st_ino:
                    return False
            except FileNotFoundError:
                return False
            if facts.st_size + len(line) > self._max_bytes:
                self.lost += 1
            elif os.write(number, line) == len(line):
                self.lost = 0
            else:  # the disk is full: half a line, which the monitor leaves out
                self.lost += 1
        finally:
            os.close(number)
        return True


class _Foreign(logging.Handler):
    """Errors that other libraries log."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one down."""
        fields: dict[str, Any] = {"reason": record.getMessage()}
        if record.exc_info and record.exc_info[1] is not None:
            fields["exception"] = record.exc_info[1]
        level = "critical" if record.levelno >= logging.CRITICAL else "error"
        note_error(level, f"log.{record.name}", **fields)


_file: ErrorFile | None = None
_handler = _Foreign(logging.ERROR)


def errors_folder(home: Path) -> Path:
    """Return where the processes of a HURACAN_HOME write their warnings and errors down."""
    return home / "health" / "errors"


def collect_errors(process: str, folder: Path, max_bytes: int = 16_000_000) -> None:
    """Write this process's warnings and errors down from now on, and those of what it starts.

    Args:
        process: its name, as a person knows it: `feed`, `huracan trade start`.
        folder: see `errors_folder`.
        max_bytes: see `ErrorFile`.
    """
    global _file
    _file = ErrorFile(process, folder, max_bytes)
    if folder.is_dir():
        os.environ[ERRORS_VARIABLE] = str(folder)
    for name in _FOREIGN:
        if _handler not in (logger := logging.getLogger(name)).handlers:
            logger.addHandler(_handler)


def note_error(level: str, event: str, **fields: Any) -> None:
    """Write an event down for the monitor alone: whoever sees this process's output is told otherwise."""
    global _file
    if _file is None and (named := os.environ.get(ERRORS_VARIABLE)):
        _file = ErrorFile(Path(sys.argv[0]).stem or "python", Path(named))
    if _file is not None:
        _file.write(level, event, redact(fields))


def _collect(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    if event.get("level") in _COLLECTED:
        own = {key: value for key, value in event.items() if key not in ("level", "event", "timestamp")}
        note_error(str(event["level"]), str(event["event"]), **own)
    return event


def _short(value: Any) -> Any:
    """Return a value as a line may hold it: short, and without what looks like a key."""
    if value is None or isinstance(value, bool | int | float):
        return value
    text = _LONG_WORD.sub(HIDDEN, str(value))
    return text if len(text) <= _TEXT_MAX else f"{text[: _TEXT_MAX // 4]} ... {text[-3 * _TEXT_MAX // 4 :]}"

"""Logging: events with fields instead of prose, one run id bound to all of them, no secret in any.

On a terminal a line is readable, elsewhere it is one JSON object; both go to stderr, because stdout belongs to results.
"""

import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import structlog
from pydantic import SecretStr
from structlog.typing import EventDict, FilteringBoundLogger, Processor, WrappedLogger

__all__ = ["HIDDEN", "bind_run", "configure_logging", "get_logger", "redact", "redact_text"]

HIDDEN = "***"
LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}

_URL_PASSWORD = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.\-]*://[^\s:/@]*):(?P<password>[^\s/]*)@")
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


def _stderr_logger(*_arguments: Any) -> structlog.PrintLogger:
    """Look stderr up at each use, so that a redirected stream is honoured."""
    return structlog.PrintLogger(sys.stderr)

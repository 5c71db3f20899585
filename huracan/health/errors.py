"""Warnings and errors of all processes of a machine: taken from their file, grouped by what they say but for figures.

What is taken is renamed, read when no process is in the middle of its line, counted into a batch, and only then
forgotten: a monitor that is killed counts nothing twice and nothing never.
"""

import hashlib
import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fcntl import LOCK_EX, LOCK_NB, flock
from pathlib import Path
from typing import Any, Final

from huracan.errors import ConfigError
from huracan.logs import get_logger
from huracan.memory.health_rows import ErrorGroup

__all__ = ["GROUPS_MAX", "Event", "Spool", "Taken", "fingerprint_of", "group"]

GROUPS_MAX: Final = 200
"""Kinds in one turn; what comes beyond is counted by its event's name alone: a kind a word would fill the table."""
MINUTE_MS: Final = 60_000
_LEVELS: Final = ("warning", "error", "critical")
_TELLING: Final = ("error", "reason", "detail", "exception", "problem", "code")
"""Fields whose words belong to what is said; the others are of whom and how much."""
_FIGURES: Final = (
    (
        re.compile(
            r"\bh[0-9a-f]{16}(-\d+)?\b|0x[0-9a-fA-F]+|\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]+\b|\b(?=[0-9a-f]*[0-9])[0-9a-f]{8,}\b"
        ),
        "#",
    ),
    (re.compile(r"\b[A-Z0-9]{2,12}/[A-Z]{2,6}(:[A-Z]{2,6})?\b"), "<market>"),
    (re.compile(r"\b[A-Z0-9]{2,10}(USDT|USDC|FDUSD|BUSD)\b"), "<market>"),
    (re.compile(r"[-+]?\d[\d_,]*(\.\d+)?([eE][-+]?\d+)?"), "#"),
    (re.compile(r"\s+"), " "),
)


@dataclass(frozen=True, slots=True)
class Event:
    """One warning or error.

    Attributes:
        at_ms: wall clock.
        process: which said it.
        level: "warning", "error" or "critical".
        event: its name.
        fields: what it said, JSON types, secrets replaced.
    """

    at_ms: int
    process: str
    level: str
    event: str
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Taken:
    """What was taken from the files.

    Attributes:
        events: the oldest first.
        names: of the files that hold them; forgotten once the events are safe.
        lost: events of which a process says that they found no room, and lines that the disk did not take whole.
    """

    events: tuple[Event, ...]
    names: tuple[str, ...]
    lost: int


class Spool:
    """The folder of one machine's warnings and errors, read by one monitor.

    Args:
        folder: made if it is not there: from then on processes write.

    Raises:
        ConfigError: it cannot be made.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self._number = folder, 0
        self._given: set[str] = set()
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(f"{folder} cannot be made: {error.strerror}; set HURACAN_HOME") from None

    def take(self, now_ms: int) -> Taken:
        """Return what came since the last turn; at the first one also what an earlier process had not counted."""
        self._number += 1
        current = self._folder / "events.jsonl"
        try:
            if current.exists():
                os.rename(current, self._folder / f"taken-{now_ms:014d}-{os.getpid()}-{self._number:06d}.jsonl")
        except OSError as error:
            get_logger().error("errors.not_taken", path=str(current), reason=str(error))
        events: list[Event] = []
        lost, names = 0, []
        for path in sorted(self._folder.glob("taken-*.jsonl")):
            if path.name in self._given:
                continue
            try:
                with path.open("rb") as file:
                    flock(file, LOCK_EX | LOCK_NB)  # whoever opens it from now on sees that it has another name
                    lines = file.read().splitlines()
            except BlockingIOError:  # a process is in the middle of its line: the next turn
                continue
            except OSError as error:
                get_logger().error("errors.unreadable", path=str(path), reason=str(error))
                continue
            names.append(path.name)
            self._given.add(path.name)
            for line in lines:
                found, missing = _read(line)
                lost += missing
                if found is not None:
                    events.append(found)
        return Taken(tuple(events), tuple(names), lost)

    def forget(self, names: Iterable[str]) -> None:
        """Delete files whose events are counted where nothing is lost; names that are not of this folder are left."""
        for name in names:
            if "/" in name:
                continue
            try:
                (self._folder / name).unlink(missing_ok=True)
            except OSError as error:
                get_logger().error("errors.not_forgotten", path=name, reason=str(error))
                self._given.add(name)  # it is not read again by this process
            else:
                self._given.discard(name)


def _read(line: bytes) -> tuple[Event | None, int]:
    """Return a line's event, and how many were lost before it."""
    if not line.strip():
        return None, 0
    try:
        row = json.loads(line)
    except ValueError:
        start = line.rfind(b'{"at_ms"')
        return (None, 1) if start <= 0 else (_read(line[start:])[0], 1)  # half a line, and a whole one behind it
    try:
        event = Event(int(row["at_ms"]), str(row["process"]), str(row["level"]), str(row["event"]), dict(row["fields"]))
    except (KeyError, TypeError, ValueError):
        return None, 1
    if event.level not in _LEVELS or not event.event:
        return None, 1
    return event, int(row.get("lost", 0))


def fingerprint_of(event: Event, words: bool = True) -> str:
    """Return 16 hex digits, the same for events that say the same but for their figures, markets and places.

    Args:
        event: the event.
        words: what it says counts; else its name alone.
    """
    said = [_plain(str(event.fields[name])) for name in _TELLING if name in event.fields] if words else ["*"]
    text = "\0".join([event.process, event.level, event.event, *said])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _plain(text: str) -> str:
    if text.startswith("Traceback"):  # of a traceback, what was raised and by which functions
        lines = text.splitlines()
        text = " ".join([*re.findall(r"in (\w+)$", text, re.MULTILINE), lines[-1]])
    for pattern, instead in _FIGURES:
        text = pattern.sub(instead, text)
    return text


def group(events: Sequence[Event]) -> tuple[ErrorGroup, ...]:
    """Count events by fingerprint and minute; at most `GROUPS_MAX` kinds, the rest by the event's name alone."""
    found: dict[tuple[str, int], ErrorGroup] = {}
    kinds: set[str] = set()
    for event in events:
        fingerprint = fingerprint_of(event)
        if fingerprint not in kinds and len(kinds) >= GROUPS_MAX:
            fingerprint = fingerprint_of(event, words=False)
        kinds.add(fingerprint)
        minute_ms = event.at_ms // MINUTE_MS * MINUTE_MS
        key = (fingerprint, minute_ms)
        before = found.get(key)
        if before is None:
            found[key] = ErrorGroup(
                fingerprint=fingerprint,
                process=event.process,
                level=event.level,
                event=event.event,
                minute_ms=minute_ms,
                first_ms=event.at_ms,
                last_ms=event.at_ms,
                count=1,
                example=dict(event.fields),
            )
            continue
        newer = event.at_ms >= before.last_ms
        found[key] = replace(
            before,
            first_ms=min(before.first_ms, event.at_ms),
            last_ms=max(before.last_ms, event.at_ms),
            count=before.count + 1,
            example=dict(event.fields) if newer else before.example,
        )
    return tuple(found.values())

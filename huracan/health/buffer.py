"""Batches on disk until Postgres has taken them: one file each, written whole or not at all, the oldest first.

A file is written beside its name, synced and renamed, and its folder synced: a process that is killed leaves whole
files only, and a machine that loses power has them. A file's name tells its place in the order and how many samples are
in it, so that whatever is given up is counted without being read.
"""

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, fields
from fcntl import LOCK_EX, LOCK_NB, flock
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from huracan.errors import ConfigError, RefusedError
from huracan.logs import get_logger
from huracan.memory.health import Anomaly, Sample
from huracan.memory.health_rows import Batch, ErrorGroup

__all__ = ["DiskBuffer", "decode_batch", "encode_batch"]

_SUFFIX: Final = ".json"
_ASIDE: Final = ".refused"


class DiskBuffer:
    """A folder of waiting batches; one process's at a time.

    Args:
        folder: made if it is not there, its owner's alone.
        max_bytes: what may lie there; beyond it the oldest batches are given up, and counted.

    Attributes:
        folder: the folder.
        lost: samples given up since the start.

    Raises:
        ConfigError: the folder cannot be made.
        RefusedError: another monitor has it.
    """

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self.lost = 0
        self.folder, self._max_bytes = folder, max_bytes
        self._number = 0
        self._gone: set[Path] = set()  # written, and the disk did not let the file go
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            _sync(folder.parent)
            self._lock = open(folder / "lock", "a", encoding="utf-8")  # noqa: SIM115 - held as long as the process lives
            flock(self._lock, LOCK_EX | LOCK_NB)
            for torn in folder.glob("*.new"):
                torn.unlink(missing_ok=True)
        except BlockingIOError:
            raise RefusedError(
                f"another monitor runs on {folder.parent}; stop it first: `huracan monitor stop`"
            ) from None
        except OSError as error:
            raise ConfigError(f"{folder} cannot be used: {error.strerror}; set HURACAN_HOME") from None

    def close(self) -> None:
        """Let another process have the folder."""
        self._lock.close()

    def put(self, batch: Batch, taken: tuple[str, ...] = ()) -> bool:
        """Write a batch; return whether the disk took it. It is whole on disk when this returns true.

        Args:
            batch: with at least one sample.
            taken: names of files of errors whose counts are in the batch.
        """
        content = json.dumps({"batch": encode_batch(batch), "taken": taken}).encode()
        self._number += 1
        path = self.folder / f"{batch.at_ms:014d}-{self._number:08d}-{len(batch.samples)}{_SUFFIX}"
        staging = path.with_suffix(".new")
        try:
            self._make_room(len(content))
            with open(staging, "wb", opener=_private) as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(staging, path)
            self._sync_folder()
        except OSError as error:
            get_logger().warning("health.disk_refuses", path=str(self.folder), reason=error.strerror or str(error))
            with suppress(OSError):
                staging.unlink(missing_ok=True)
            return False
        return True

    def waiting(self) -> tuple[Path, ...]:
        """Return the files that wait, the oldest first."""
        try:
            names = sorted(name for name in os.listdir(self.folder) if name.endswith(_SUFFIX))
        except OSError:
            return ()
        return tuple(path for path in (self.folder / name for name in names) if path not in self._gone)

    def taken(self) -> frozenset[str]:
        """Return the names of all files of errors whose counts wait here: after a kill they may still be there."""
        return frozenset(name for path in self.waiting() for name in (self._content(path) or {}).get("taken", ()))

    def read(self, path: Path) -> Batch | None:
        """Return a batch; None: the file holds none, and was put aside."""
        try:
            return decode_batch((self._content(path) or {})["batch"])
        except (KeyError, TypeError, ValueError) as error:
            self.put_aside(path, f"it holds no batch ({error})")
            return None

    def _content(self, path: Path) -> dict[str, Any] | None:
        try:
            found = json.loads(path.read_bytes())
        except (OSError, ValueError):
            return None
        return found if isinstance(found, dict) else None

    def drop(self, path: Path) -> None:
        """Forget a batch that Postgres has."""
        try:
            path.unlink(missing_ok=True)
        except OSError:
            self._gone.add(path)  # the next start sends it again, which changes nothing

    def put_aside(self, path: Path, reason: str) -> None:
        """Keep a file that Postgres will never take for a person to look at, and count what was in it as lost."""
        get_logger().error("health.batch_refused", path=str(path), reason=reason)
        self.lost += _samples(path)
        try:
            os.replace(path, path.with_suffix(_ASIDE))
            self._sync_folder()
        except OSError:
            self.drop(path)

    def _sync_folder(self) -> None:
        """Have names on the disk as well: a file is where it was renamed to only when its folder is synced."""
        _sync(self.folder)

    def _make_room(self, size: int) -> None:
        """Give up the oldest batches as far as the new one needs their place."""
        sizes = {path: path.stat().st_size for path in self.waiting()}
        total = sum(sizes.values())
        for path in sizes:
            if total + size <= self._max_bytes:
                return
            path.unlink()
            self.lost += _samples(path)
            total -= sizes[path]
            get_logger().error("health.buffer_full", given_up=path.name, max_bytes=self._max_bytes)


def encode_batch(batch: Batch) -> dict[str, Any]:
    """Return a batch as JSON types."""
    return {
        "batch": str(batch.batch),
        "at_ms": batch.at_ms,
        "samples": [[row.at_ms, row.source, row.name, row.subject, row.value] for row in batch.samples],
        "names": sorted(batch.names),
        "anomalies": [_jsonable(asdict(row) | {"evidence": dict(row.evidence)}) for row in batch.anomalies],
        "errors": [_jsonable(asdict(row)) for row in batch.errors],
    }


def decode_batch(data: Mapping[str, Any]) -> Batch:
    """Return the batch of `encode_batch`.

    Raises:
        KeyError, TypeError, ValueError: it is none.
    """
    known = {one.name for one in fields(Anomaly)}
    return Batch(
        batch=UUID(data["batch"]),
        at_ms=int(data["at_ms"]),
        samples=tuple(Sample(*row) for row in data["samples"]),
        names=frozenset(data["names"]),
        anomalies=tuple(Anomaly(**{k: v for k, v in row.items() if k in known}) for row in data["anomalies"]),
        errors=tuple(ErrorGroup(**row) for row in data["errors"]),
    )


def _jsonable(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _jsonable(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_jsonable(item) for item in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return value.item() if hasattr(value, "item") else str(value)


def _samples(path: Path) -> int:
    """Return how many samples a file's name says are in it."""
    number = path.stem.rpartition("-")[2]
    return int(number) if number.isdecimal() else 0


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)

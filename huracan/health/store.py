"""What the monitor writes: on disk first, in Postgres as soon as it takes it, in the order in which it was seen.

Nothing is lost while Postgres is away, or when the monitor is killed: what was written down is there again at the next
start. Only a disk that takes nothing while Postgres is away as well loses anything, after as many batches as memory
may hold, and then it is counted.
"""

import os
import time
from collections import deque
from typing import Any, Final

import psutil
from sqlalchemy import Engine, event

from huracan.config import DatabaseSettings, HealthSettings
from huracan.errors import ConfigError, DatabaseError
from huracan.health.buffer import DiskBuffer
from huracan.logs import get_logger
from huracan.memory import lazy_engine
from huracan.memory.health_rows import Batch, prune_health, write_batch, write_sparing
from huracan.memory.heartbeats import beat, forget_heartbeat, read_heartbeats
from huracan.trader.access import person

__all__ = ["MONITOR", "HealthWriter", "Heart", "health_engine", "monitor_ended"]

MONITOR: Final = "monitor"
"""The process's name in `heartbeats`."""
HELD_MAX: Final = 720
"""Batches in memory that neither disk nor Postgres takes: an hour at one every five seconds."""
_DRAIN_S: Final = 2.0
_PRUNE_EVERY_S: Final = 600.0
_TIMEOUT_MS: Final = 5_000


def health_engine(settings: DatabaseSettings) -> Engine:
    """Return an engine none of whose statements is endless; it connects when it is first used.

    Raises:
        ConfigError: no URL is configured: the monitor starts no server.
    """
    if settings.url is None:
        raise ConfigError("the monitor needs a database that runs; set HURACAN__DATABASE__URL")
    engine = lazy_engine(settings.url, settings.connect_timeout_s)

    def bounded(_dialect: Any, _record: Any, _given: Any, words: dict[str, Any]) -> None:
        words["application_name"] = "huracan-monitor"
        words["options"] = f"-c statement_timeout={_TIMEOUT_MS} -c lock_timeout={_TIMEOUT_MS}"
        words["tcp_user_timeout"] = str(2 * _TIMEOUT_MS)  # a server that is cut off is not waited for

    event.listen(engine, "do_connect", bounded)
    return engine


class HealthWriter:
    """Writes batches.

    Args:
        engine: of the database; it need not answer.
        buffer: on disk.
        settings: how long what is kept.
    """

    def __init__(self, engine: Engine, buffer: DiskBuffer, settings: HealthSettings) -> None:
        self._engine, self._buffer, self._settings = engine, buffer, settings
        self._held: deque[tuple[Batch, tuple[str, ...]]] = deque()
        self._settled: set[str] = set()
        self._lost = 0
        self._pruned_s: float | None = None

    @property
    def waiting(self) -> int:
        """Return the batches that Postgres has not taken yet."""
        return len(self._buffer.waiting()) + len(self._held)

    @property
    def lost(self) -> int:
        """Return the samples lost since the start, and the anomalies and kinds of error that the schema refused."""
        return self._lost + self._buffer.lost

    def taken(self) -> frozenset[str]:
        """Return the names of files of errors whose counts wait on disk."""
        return self._buffer.taken()

    def settled(self) -> frozenset[str]:
        """Return the names of files of errors whose counts are safe, on disk or in Postgres, and may be deleted."""
        return frozenset(self._settled)

    def forget_settled(self) -> None:
        """Forget those names: the files are deleted."""
        self._settled.clear()

    def close(self) -> None:
        """Let another process have the folder."""
        self._buffer.close()

    def keep(self, batch: Batch, taken: tuple[str, ...] = ()) -> bool:
        """Take a batch; return whether it is safe on disk.

        Args:
            batch: of a turn.
            taken: files of errors whose counts are in it.
        """
        while self._held and self._buffer.put(*self._held[0]):
            self._settled.update(self._held.popleft()[1])
        if not self._held and self._buffer.put(batch, taken):
            self._settled.update(taken)
            return True
        self._held.append((batch, taken))
        if len(self._held) > HELD_MAX:
            given_up, _ = self._held.popleft()
            self._lost += len(given_up.samples)
            get_logger().error("health.given_up", samples=len(given_up.samples), lost=self.lost)
        return False

    def drain(self, longest_s: float = _DRAIN_S) -> bool:
        """Give Postgres what waits, the oldest first; return whether nothing is left.

        Args:
            longest_s: what is left after so long waits for the next time.

        Raises:
            DatabaseError: Postgres is away; everything goes on waiting.
        """
        end_s = time.monotonic() + longest_s
        for path in self._buffer.waiting():
            if time.monotonic() > end_s:
                return False
            batch = self._buffer.read(path)
            if batch is None:
                continue
            if problem := self._write(batch):
                self._buffer.put_aside(path, problem)
            else:
                self._buffer.drop(path)
        while self._held:
            if time.monotonic() > end_s:
                return False
            if problem := self._write(self._held[0][0]):
                self._lost += len(self._held[0][0].samples)
                get_logger().error("health.batch_refused", reason=problem)
            self._settled.update(self._held.popleft()[1])
        return True

    def _write(self, batch: Batch) -> str:
        """Write a batch, without those of its anomalies and errors that the schema refuses; return what is wrong."""
        problem = write_batch(self._engine, batch)
        if problem and (batch.anomalies or batch.errors):
            problem, refused = write_sparing(self._engine, batch)
            for reason in refused:
                get_logger().error("health.row_refused", reason=reason)
            self._lost += len(refused)
        return problem

    def prune(self) -> None:
        """Forget what is too old, now and then.

        Raises:
            DatabaseError: Postgres is away.
        """
        now_s = time.monotonic()
        if self._pruned_s is not None and now_s - self._pruned_s < _PRUNE_EVERY_S:
            return
        settings, end_s = self._settings, now_s + _DRAIN_S
        while prune_health(self._engine, settings.signals_days, settings.errors_days, settings.anomalies_days):
            if time.monotonic() > end_s:
                return  # the next turn goes on
        self._pruned_s = now_s


class Heart:
    """The monitor's heartbeat: it says that one works, and that there is one only.

    Args:
        engine: of the database.
        silent_s: after so long without a beat another one may take its place.
        process: its name in the table.
    """

    def __init__(self, engine: Engine, silent_s: float, process: str = MONITOR) -> None:
        self.holder = f"{person()}:{os.getpid()}"
        self._engine, self._silent_s, self._process = engine, silent_s, process

    def beat(self, detail: dict[str, Any]) -> str:
        """Say that this one works; return who else does, "" when nobody.

        Raises:
            DatabaseError: Postgres is away.
        """
        other = beat(self._engine, self._process, self.holder, "", self._silent_s, detail)
        if other and monitor_ended(other):
            other = beat(self._engine, self._process, self.holder, other, self._silent_s, detail)
        return other

    def other(self) -> str:
        """Return who else has said lately that it works, "" when nobody; this one says nothing.

        Raises:
            DatabaseError: Postgres is away.
        """
        for row in read_heartbeats(self._engine, self._process):
            if row.holder not in ("", self.holder) and row.age_s < self._silent_s and not monitor_ended(row.holder):
                return row.holder
        return ""

    def end(self) -> None:
        """Say that this one ended as it should; while Postgres is away nobody is told, and it is missed."""
        try:
            forget_heartbeat(self._engine, self._process, self.holder)
        except DatabaseError as error:
            get_logger().warning("monitor.not_forgotten", reason=str(error))


def monitor_ended(holder: str) -> bool:
    """Return whether the monitor of this name ran on this machine and does no more."""
    place, _, number = holder.rpartition(":")
    if place.rpartition("@")[2] != person().rpartition("@")[2] or not number.isdecimal():
        return False
    if int(number) == os.getpid():
        return False
    try:
        process = psutil.Process(int(number))
        return process.status() == psutil.STATUS_ZOMBIE or "monitor" not in " ".join(process.cmdline()).lower()
    except psutil.NoSuchProcess:
        return True
    except psutil.Error:
        return False

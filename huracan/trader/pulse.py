"""Is anybody watching? The monitor's heartbeat as the trader sees it: where one is expected and silent, no new risk.

A monitor is expected from its first heartbeat in the database until it ends as it should, which takes the heartbeat
away; a setting may demand one always, or never, and live trading always does. The age is the database's word, and goes
on growing here while the database is away: whoever cannot be asked is not known to live.
"""

from collections.abc import Callable
from typing import Any, Final, Literal, Protocol

from sqlalchemy import Engine

from huracan.clock import Clock
from huracan.config import HealthSettings
from huracan.errors import ConfigError
from huracan.execution.sql_thread import SqlThread
from huracan.logs import get_logger
from huracan.trader.access import Mode

__all__ = ["Expected", "MemoryPulse", "Pulse", "PulseSource", "StoredPulse", "expected_of"]

Expected = Literal["started", "always", "never"]

_MONITOR: Final = "monitor"  # as `huracan.health.store` writes it


def expected_of(health: HealthSettings, mode: Mode) -> Expected:
    """Return when a trader misses the monitor: on paper as configured, with real money always.

    Raises:
        ConfigError: live trading is to go on unwatched.
    """
    if mode != "live":
        return health.monitor_expected
    if health.monitor_expected == "never":
        raise ConfigError(
            "live trading needs the monitor, and health.monitor_expected is never: unset it, run `huracan monitor run`"
        )
    return "always"


class PulseSource(Protocol):
    """Where the heartbeat is read."""

    async def age_s(self) -> float | None:
        """Return the age of the monitor's last heartbeat; None: no monitor was started, or it ended as it should.

        Raises:
            DatabaseError: the server fails.
        """
        ...

    async def close(self) -> None:
        """Let go of the connection."""
        ...


class MemoryPulse:
    """A heartbeat in memory, for tests and replays.

    Attributes:
        age: of the last beat, s; None: there is no monitor.
    """

    def __init__(self, age: float | None = None) -> None:
        self.age = age

    async def age_s(self) -> float | None:
        """See `PulseSource`."""
        return self.age

    async def close(self) -> None:
        """See `PulseSource`."""


class StoredPulse:
    """The heartbeat in Postgres, on a thread of its own so that it never waits for the ledger.

    Args:
        engine: of a database at this version's schema.
        timeout_s: how long a call may take.
    """

    def __init__(self, engine: Engine, timeout_s: float = 5.0) -> None:
        self._thread = SqlThread(engine, timeout_s)

    async def age_s(self) -> float | None:
        """See `PulseSource`."""

        def work(cursor: Any) -> float | None:
            cursor.execute(
                "SELECT extract(epoch FROM clock_timestamp() - at)::float8 FROM heartbeats WHERE process = %s",
                (_MONITOR,),
            )
            row = cursor.fetchone()
            return None if row is None else max(0.0, float(row[0]))

        return await self._thread.call(lambda: self._thread.transact(work))

    async def close(self) -> None:
        """See `PulseSource`."""
        await self._thread.close()


class Pulse:
    """For how long the monitor has been silent.

    Args:
        source: where its heartbeat is read.
        clock: wall clock.
        expected: "started": once there was a heartbeat that nobody took away; "always", "never": see there.
        silent_max_s: the silence that is told; risk denies by the same figure.
    """

    def __init__(
        self,
        source: PulseSource,
        clock: Clock,
        expected: Expected,
        silent_max_s: float,
    ) -> None:
        self._source, self._clock, self._expected, self._silent_max_s = source, clock, expected, silent_max_s
        self._beat_ms: int | None = None
        self._asked = False
        self._told = False

    @property
    def silent_s(self) -> float | None:
        """Return seconds without a heartbeat; 0 where none is expected; None before anybody was asked."""
        if self._expected == "never":
            return 0.0
        if not self._asked:
            return None
        if self._beat_ms is None:  # since the beginning of time, where there should be one
            return 0.0 if self._expected == "started" else self._clock.now_ms() / 1e3
        return max(0, self._clock.now_ms() - self._beat_ms) / 1e3

    async def look(self) -> None:
        """Ask for the heartbeat.

        Raises:
            DatabaseError: the server fails; the silence goes on.
        """
        try:
            age_s = await self._source.age_s()
            self._asked = True
            self._beat_ms = None if age_s is None else self._clock.now_ms() - round(1e3 * age_s)
        finally:
            self._tell()

    def _tell(self) -> None:
        silent_s = self.silent_s
        silent = silent_s is not None and silent_s > self._silent_max_s
        if silent != self._told:
            log: Callable[..., Any] = get_logger().error if silent else get_logger().info
            log("risk.unwatched" if silent else "risk.watched", silent_s=silent_s, limit_s=self._silent_max_s)
            self._told = silent

"""Postgres as the monitor sees it: whether it answers and how fast, connections, size, what waits."""

import time
from collections.abc import Sequence
from contextlib import closing
from typing import Any

from sqlalchemy import Engine

from huracan.errors import DatabaseError
from huracan.health.sampling import sample
from huracan.memory import translated
from huracan.memory.health import Sample

__all__ = ["DatabaseSampler"]

_FIGURES = """SELECT
    (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend')
        / current_setting('max_connections')::float8,
    pg_database_size(current_database()) / 1e6,
    (SELECT coalesce(max(extract(epoch FROM clock_timestamp() - xact_start)), 0)::float8 FROM pg_stat_activity
        WHERE backend_type = 'client backend' AND datname = current_database()),
    (SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database())"""


class DatabaseSampler:
    """Asks Postgres; that it does not answer is a sample as well, and no error.

    Args:
        engine: of the database.
        figures_s: how often the costlier figures are asked for.
    """

    def __init__(self, engine: Engine, figures_s: float = 30.0) -> None:
        self._engine, self._figures_ms = engine, round(1e3 * figures_s)
        self._asked_ms: int | None = None
        self.up = False
        self.problem = "it was not asked yet"

    @property
    def source(self) -> str:
        """Return its name."""
        return "database"

    def sample(self, now_ms: int) -> Sequence[Sample]:
        """See `Sampler`; afterwards `up` says whether it answered, and `problem` why not."""
        due = self._asked_ms is None or not 0 <= now_ms - self._asked_ms < self._figures_ms
        try:
            took_s, figures = self._ask(due)
        except DatabaseError as error:
            self.up, self.problem = False, str(error)
            return sample(now_ms, "database.up", 0.0)
        self.up, self.problem = True, ""
        found = (*sample(now_ms, "database.up", 1.0), *sample(now_ms, "database.latency_ms", 1e3 * took_s))
        if figures is None:
            return found
        self._asked_ms = now_ms
        connections, size_mb, oldest_s, waiting = figures
        return (
            *found,
            *sample(now_ms, "database.connections_frac", connections),
            *sample(now_ms, "database.size_mb", float(size_mb)),
            *sample(now_ms, "database.oldest_transaction_s", oldest_s),
            *sample(now_ms, "database.waiting", waiting),
        )

    def _ask(self, figures: bool) -> tuple[float, tuple[Any, ...] | None]:
        with (
            translated(self._engine),
            self._engine.connect() as connection,
            closing(connection.connection.cursor()) as cursor,
        ):
            begun_s = time.perf_counter()
            cursor.execute("SELECT 1")
            cursor.fetchone()
            took_s = time.perf_counter() - begun_s
            if not figures:
                return took_s, None
            cursor.execute(_FIGURES)
            row: tuple[Any, ...] = tuple(cursor.fetchone() or ())
            return took_s, row

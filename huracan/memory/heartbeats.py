"""Heartbeats: when each long-lived process last said that it works; one process of a name at a time."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine

from huracan.memory.database import translated
from huracan.memory.health_rows import cursor_of, json_of

__all__ = ["Heartbeat", "beat", "forget_heartbeat", "read_heartbeats"]


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """When a process last said that it works.

    Attributes:
        process: its name.
        age_s: by the database's clock, which wrote it.
        holder: who it is: user@host:pid; "": it does not say.
        detail: what else it says, JSON types.
    """

    process: str
    age_s: float
    holder: str
    detail: dict[str, Any]


def beat(engine: Engine, process: str, holder: str, gone: str, silent_s: float, detail: dict[str, Any]) -> str:
    """Say that a process works, unless another one of its name does; return who that is, "" when it was written.

    Args:
        engine: of the database.
        process: its name: there is one at a time.
        holder: who says so.
        gone: a holder that is known to have ended: its place is free at once; "": none is.
        silent_s: whoever has said nothing for so long has lost its place.
        detail: what else there is to say, JSON types.

    Raises:
        DatabaseError: the server fails.
    """
    with translated(engine), engine.begin() as connection, cursor_of(connection) as cursor:
        cursor.execute(
            """INSERT INTO heartbeats AS h (process, at, detail) VALUES (%(process)s, clock_timestamp(), %(detail)s)
            ON CONFLICT (process) DO UPDATE SET at = excluded.at, detail = excluded.detail
            WHERE h.detail ->> 'holder' IN (%(holder)s, %(gone)s) OR h.detail ->> 'holder' IS NULL
                OR h.at < clock_timestamp() - make_interval(secs => %(silent)s)
            RETURNING process""",
            {
                "process": process,
                "holder": holder,
                "gone": gone or holder,
                "silent": silent_s,
                "detail": json_of({**detail, "holder": holder}),
            },
        )
        if cursor.fetchone() is not None:
            return ""
        cursor.execute("SELECT detail ->> 'holder' FROM heartbeats WHERE process = %s", (process,))
        row = cursor.fetchone()
        return "" if row is None else str(row[0])


def forget_heartbeat(engine: Engine, process: str, holder: str | None = None) -> bool:
    """Take a heartbeat away: the process ended as it should, and nobody waits for it; return whether there was one.

    Args:
        engine: of the database.
        process: its name.
        holder: only when it is this one's; None: whoever's it is.

    Raises:
        DatabaseError: the server fails.
    """
    with translated(engine), engine.begin() as connection, cursor_of(connection) as cursor:
        cursor.execute(
            "DELETE FROM heartbeats WHERE process = %s AND (%s::text IS NULL OR detail ->> 'holder' = %s)",
            (process, holder, holder),
        )
        return bool(cursor.rowcount)


def read_heartbeats(engine: Engine, process: str | None = None) -> tuple[Heartbeat, ...]:
    """Return every heartbeat, or that of one process, by name.

    Raises:
        DatabaseError: the server fails.
    """
    with translated(engine), engine.connect() as connection, cursor_of(connection) as cursor:
        cursor.execute(
            """SELECT process, extract(epoch FROM clock_timestamp() - at)::float8, coalesce(detail ->> 'holder', ''),
                detail - 'holder' FROM heartbeats WHERE %(process)s::text IS NULL OR process = %(process)s
            ORDER BY process""",
            {"process": process},
        )
        return tuple(Heartbeat(*row) for row in cursor.fetchall())

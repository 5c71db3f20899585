"""Requests to retrain: what drift and decay ask of the daily cycle, one waiting a scope, and the cycle that took it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Engine, text

from huracan.memory.database import translated

__all__ = ["RetrainRequest", "file_request", "requests_of_cycle", "take_requests", "waiting_requests"]

_COLUMNS = "request_id, scope, reason, at, anomaly_id, cycle_id"


@dataclass(frozen=True, slots=True)
class RetrainRequest:
    """One request.

    Attributes:
        request_id: number.
        scope: a ccxt symbol, or `*`.
        reason: why, one line.
        at: when it was filed, UTC.
        anomaly_id: the anomaly that asks; None: none was stored.
        cycle_id: the cycle that took it up; None: it waits.
    """

    request_id: int
    scope: str
    reason: str
    at: datetime
    anomaly_id: int | None
    cycle_id: int | None


def file_request(
    cursor: Any, scope: str, reason: str, anomaly_id: int | None, now_ms: int, every_ms: int
) -> RetrainRequest | None:
    """Ask for a retraining of a scope; None where one waits already, or was filed less than `every_ms` ago.

    Args:
        cursor: of a transaction.
        scope: a ccxt symbol, or `*`.
        reason: why, one line.
        anomaly_id: of the anomaly's row.
        now_ms: wall clock, ms UTC.
        every_ms: at most one request of a scope in so long.
    """
    values = {"scope": scope, "reason": reason, "anomaly": anomaly_id, "now": now_ms / 1_000, "every": every_ms / 1_000}
    cursor.execute(
        f"""INSERT INTO retrain_requests (scope, reason, anomaly_id, at)
        SELECT %(scope)s, %(reason)s, %(anomaly)s, to_timestamp(%(now)s)
        WHERE NOT EXISTS (SELECT 1 FROM retrain_requests
            WHERE scope = %(scope)s AND at > to_timestamp(%(now)s - %(every)s))
        ON CONFLICT DO NOTHING RETURNING {_COLUMNS}""",  # noqa: S608 - constant names
        values,
    )
    row = cursor.fetchone()
    return None if row is None else RetrainRequest(*row)


def waiting_requests(engine: Engine, scope: str | None = None) -> tuple[RetrainRequest, ...]:
    """Return the requests that no cycle has taken up, oldest first; of one scope or of all.

    Raises:
        DatabaseError: the server fails.
    """
    return _select(engine, "cycle_id IS NULL AND (CAST(:scope AS text) IS NULL OR scope = :scope)", {"scope": scope})


def requests_of_cycle(engine: Engine, cycle_id: int) -> tuple[RetrainRequest, ...]:
    """Return the requests that a cycle has taken up, oldest first.

    Raises:
        DatabaseError: the server fails.
    """
    return _select(engine, "cycle_id = :cycle_id", {"cycle_id": cycle_id})


def take_requests(engine: Engine, scope: str, cycle_id: int) -> tuple[RetrainRequest, ...]:
    """Let a cycle take up what waits for its scope; return all that it has taken. Done again it changes nothing.

    Raises:
        DatabaseError: the server fails; nothing was taken.
    """
    with translated(engine), engine.begin() as connection:
        connection.execute(
            text(
                "UPDATE retrain_requests SET cycle_id = :cycle_id, taken_at = clock_timestamp() "
                "WHERE scope = :scope AND cycle_id IS NULL"
            ),
            {"scope": scope, "cycle_id": cycle_id},
        )
    return requests_of_cycle(engine, cycle_id)


def _select(engine: Engine, where: str, values: dict[str, Any]) -> tuple[RetrainRequest, ...]:
    with translated(engine), engine.connect() as connection:
        rows = connection.execute(
            text(f"SELECT {_COLUMNS} FROM retrain_requests WHERE {where} ORDER BY request_id"),  # noqa: S608
            values,
        )
        return tuple(RetrainRequest(*row) for row in rows)

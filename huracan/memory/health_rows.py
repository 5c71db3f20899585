"""The monitor's rows: batches of samples, anomalies and errors written once each, and what is kept of it.

A batch is one transaction, and its samples' key says whether it was written before: whoever is not sure whether
Postgres took it writes it again.
"""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final
from uuid import UUID

import psycopg2
from psycopg2.extras import execute_values
from sqlalchemy import Engine

from huracan.errors import DatabaseError
from huracan.memory.database import translated
from huracan.memory.health import Anomaly, Sample, Severity

__all__ = [
    "Batch",
    "ErrorGroup",
    "OpenAnomaly",
    "StoredError",
    "cursor_of",
    "first_sample_ms",
    "json_of",
    "open_anomalies",
    "prune_health",
    "read_errors",
    "read_samples",
    "write_batch",
    "write_sparing",
]

_PRUNE_ROWS: Final = 20_000


@dataclass(frozen=True, slots=True)
class ErrorGroup:
    """Warnings or errors of one kind in one minute.

    Attributes:
        fingerprint: 16 hex digits; what is the same but for its figures has the same one.
        process: which said it.
        level: "warning", "error" or "critical".
        event: its name.
        minute_ms: the minute it came in, ms UTC, a multiple of 60,000.
        first_ms, last_ms: first and last in that minute.
        count: how many.
        example: the newest of them, JSON types, nothing secret.
    """

    fingerprint: str
    process: str
    level: str
    event: str
    minute_ms: int
    first_ms: int
    last_ms: int
    count: int
    example: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Batch:
    """What one turn of the monitor leaves behind.

    Attributes:
        batch: its name, under which it is written once.
        at_ms: wall clock.
        samples: at least one.
        names: detectors that could look: what is open of theirs and not in `anomalies` has ended.
        anomalies: all that they found.
        errors: counted since the last batch.
    """

    batch: UUID
    at_ms: int
    samples: tuple[Sample, ...]
    names: frozenset[str] = frozenset()
    anomalies: tuple[Anomaly, ...] = ()
    errors: tuple[ErrorGroup, ...] = ()


@dataclass(frozen=True, slots=True)
class OpenAnomaly:
    """An anomaly that has not ended, as it is stored."""

    anomaly_id: int
    anomaly: Anomaly
    seen_ms: int


@dataclass(frozen=True, slots=True)
class StoredError:
    """A kind of warning or error.

    Attributes:
        error_id: number.
        fingerprint, process, level, event: see `ErrorGroup`.
        first_ms, last_ms: ever seen.
        count: how often, ever.
        example: the newest.
        minutes: (minute, ms UTC, count) of those asked for, the oldest first; minutes without any are not there.
    """

    error_id: int
    fingerprint: str
    process: str
    level: str
    event: str
    first_ms: int
    last_ms: int
    count: int
    example: dict[str, Any]
    minutes: tuple[tuple[int, int], ...]


# ---- writing ------------------------------------------------------------------------------------------------------


def write_batch(engine: Engine, batch: Batch) -> str:
    """Write a batch in one transaction; one that was written before is left as it is.

    Returns:
        "" when it is there; else why the server will never take it, one line: a value that the schema refuses.

    Raises:
        DatabaseError: the server fails; whether it was written is not known, and may be tried again.
    """
    return _problem(engine, batch, _plainly)


def write_sparing(engine: Engine, batch: Batch) -> tuple[str, tuple[str, ...]]:
    """Write a batch as `write_batch` does, but for each anomaly and kind of error that the schema refuses.

    Returns:
        What `write_batch` returns, and why each row that is not there was refused, one line each.

    Raises:
        DatabaseError: the server fails; whether it was written is not known, and may be tried again.
    """
    refused: list[str] = []

    def spare(cursor: Any, write: Callable[[Any, Any], None], row: Any) -> None:
        cursor.execute("SAVEPOINT one_row")
        try:
            write(cursor, row)
        except (ValueError, psycopg2.DataError, psycopg2.IntegrityError) as error:
            cursor.execute("ROLLBACK TO SAVEPOINT one_row")
            refused.append(" ".join(str(error).split()))
        cursor.execute("RELEASE SAVEPOINT one_row")

    problem = _problem(engine, batch, spare)
    return problem, () if problem else tuple(refused)


_Each = Callable[[Any, Callable[[Any, Any], None], Any], None]


def _plainly(cursor: Any, write: Callable[[Any, Any], None], row: Any) -> None:
    write(cursor, row)


def _problem(engine: Engine, batch: Batch, each: _Each) -> str:
    assert batch.samples, "a batch without a sample has no key"
    try:
        _write(engine, batch, each)
    except ValueError as error:  # a character that no text may hold
        return str(error)
    except DatabaseError as error:
        cause = error.__cause__
        if isinstance(cause, psycopg2.DataError | psycopg2.IntegrityError):
            return str(error)
        raise
    return ""


def _write(engine: Engine, batch: Batch, each: _Each) -> None:
    with translated(engine), engine.begin() as connection, cursor_of(connection) as cursor:
        rows = [
            (_moment(row.at_ms), row.value, str(batch.batch), number, row.source, row.name, row.subject)
            for number, row in enumerate(batch.samples)
        ]
        sql = """INSERT INTO health_signals (at, value, batch, number, source, name, subject) VALUES %s
            ON CONFLICT DO NOTHING RETURNING number"""
        if execute_values(cursor, sql, rows, page_size=len(rows), fetch=True):
            for anomaly in batch.anomalies:
                each(cursor, partial(_write_anomaly, seen_ms=batch.at_ms), anomaly)
            _end_anomalies(cursor, batch)
            for errors in batch.errors:
                each(cursor, _write_errors, errors)


def _write_anomaly(cursor: Any, one: Anomaly, seen_ms: int) -> None:
    """Open it, or see it again when it is open."""
    cursor.execute(
        """INSERT INTO anomalies (since_at, noticed_at, seen_at, account, detector, subject, severity, words, means,
            unit, observed, claimed, false_every_days, delay, evidence)
        VALUES (%s, %s, greatest(%s, %s), %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
        ON CONFLICT (account, detector, subject) WHERE ended_at IS NULL DO UPDATE SET
            seen_at = greatest(anomalies.seen_at, excluded.seen_at), severity = excluded.severity,
            words = excluded.words, means = excluded.means, unit = excluded.unit, observed = excluded.observed,
            claimed = excluded.claimed, false_every_days = excluded.false_every_days, delay = excluded.delay,
            evidence = excluded.evidence""",
        (
            None if one.since_ms is None else _moment(one.since_ms),
            *(_moment(one.noticed_ms), _moment(one.noticed_ms), _moment(seen_ms)),
            *(one.account, one.detector, one.subject, one.severity, one.words, one.means, one.unit),
            *(one.observed, one.claimed, one.false_every_days, one.delay),
            json_of(dict(one.evidence)),
        ),
    )


def _end_anomalies(cursor: Any, batch: Batch) -> None:
    """End what is open and nobody names any more."""
    if batch.names:
        keys = [json.dumps([one.account, one.detector, one.subject]) for one in batch.anomalies]
        cursor.execute(
            """SELECT anomaly_id, account, detector, subject FROM anomalies
            WHERE ended_at IS NULL AND detector = ANY(%s)""",
            (sorted(batch.names),),
        )
        ended = [row[0] for row in cursor.fetchall() if json.dumps(list(row[1:])) not in keys]
        cursor.execute(
            "UPDATE anomalies SET ended_at = greatest(noticed_at, %s) WHERE anomaly_id = ANY(%s)",
            (_moment(batch.at_ms), ended),
        )


def _write_errors(cursor: Any, one: ErrorGroup) -> None:
    cursor.execute(
        """INSERT INTO errors AS e (first_at, last_at, count, fingerprint, process, level, event, example)
        VALUES (%s, %s, %s, %s, %s, %s, %s, %s)
        ON CONFLICT (fingerprint) DO UPDATE SET first_at = least(e.first_at, excluded.first_at),
            last_at = greatest(e.last_at, excluded.last_at), count = e.count + excluded.count,
            example = CASE WHEN excluded.last_at >= e.last_at THEN excluded.example ELSE e.example END
        RETURNING error_id""",
        (
            *(_moment(one.first_ms), _moment(one.last_ms), one.count, one.fingerprint, one.process, one.level),
            *(one.event, json_of(one.example)),
        ),
    )
    cursor.execute(
        """INSERT INTO error_counts AS c (error_id, minute, count) VALUES (%s, %s, %s)
        ON CONFLICT (error_id, minute) DO UPDATE SET count = c.count + excluded.count""",
        (cursor.fetchone()[0], _moment(one.minute_ms), one.count),
    )


def prune_health(engine: Engine, signals_days: float, errors_days: float, anomalies_days: float) -> int:
    """Forget what is older, at most some thousand rows of each table, and return how many.

    Args:
        engine: of the database.
        signals_days: samples, and counts of errors a minute.
        errors_days: kinds of error that did not come again.
        anomalies_days: remedies that ended, were refused or were dry runs, but none that limits may still ask for; then
            anomalies that ended and to which nothing else refers.

    Raises:
        DatabaseError: the server fails.
    """
    statements = (
        ("health_signals", "at < clock_timestamp() - make_interval(secs => %s)", signals_days),
        ("error_counts", "minute < clock_timestamp() - make_interval(secs => %s)", signals_days),
        ("errors", "last_at < clock_timestamp() - make_interval(secs => %s)", errors_days),
        (
            "remediations",
            """state <> 'applied'
            AND coalesce(ended_at, at) < clock_timestamp() - greatest(make_interval(secs => %s), interval '8 days')""",
            anomalies_days,
        ),
        (
            "anomalies",
            """ended_at < clock_timestamp() - make_interval(secs => %s)
            AND NOT EXISTS (SELECT 1 FROM remediations r WHERE r.anomaly_id = anomalies.anomaly_id)
            AND NOT EXISTS (SELECT 1 FROM retrain_requests q WHERE q.anomaly_id = anomalies.anomaly_id)""",
            anomalies_days,
        ),
    )
    count = 0
    for table, old, days in statements:
        with translated(engine), engine.begin() as connection, cursor_of(connection) as cursor:
            cursor.execute(
                f"""DELETE FROM {table} WHERE ctid = ANY(
                    ARRAY(SELECT ctid FROM {table} WHERE {old} LIMIT {_PRUNE_ROWS})
                )""",  # noqa: S608 - our own words
                (86_400.0 * days,),
            )
            count += cursor.rowcount
    return count


# ---- reading ------------------------------------------------------------------------------------------------------


def open_anomalies(engine: Engine) -> tuple[OpenAnomaly, ...]:
    """Return what is wrong as the detectors last said, the most serious first.

    Raises:
        DatabaseError: the server fails.
    """
    with translated(engine), engine.connect() as connection, cursor_of(connection) as cursor:
        cursor.execute(
            """SELECT anomaly_id, detector, account, subject, severity, words, means, since_at, noticed_at, observed,
                claimed, unit, false_every_days, delay, evidence, seen_at FROM anomalies WHERE ended_at IS NULL
            ORDER BY array_position(ARRAY['critical', 'warning', 'info'], severity), noticed_at, anomaly_id"""
        )
        return tuple(_open(row) for row in cursor.fetchall())


def _open(row: Sequence[Any]) -> OpenAnomaly:
    severity: Severity = row[4]
    since_ms = None if row[7] is None else _millis(row[7])
    anomaly = Anomaly(
        detector=row[1],
        account=row[2],
        subject=row[3],
        severity=severity,
        words=row[5],
        means=row[6],
        since_ms=since_ms,
        noticed_ms=_millis(row[8]),
        observed=row[9],
        claimed=row[10],
        unit=row[11],
        false_every_days=row[12],
        delay=row[13],
        evidence=row[14],
    )
    return OpenAnomaly(row[0], anomaly, _millis(row[15]))


def read_samples(engine: Engine, name: str, subject: str | None = None, since_ms: int = 0) -> tuple[Sample, ...]:
    """Return samples of a name, the oldest first; `subject` None: of every subject.

    Raises:
        DatabaseError: the server fails.
    """
    with translated(engine), engine.connect() as connection, cursor_of(connection) as cursor:
        cursor.execute(
            """SELECT at, source, name, subject, value FROM health_signals
            WHERE name = %(name)s AND (%(subject)s::text IS NULL OR subject = %(subject)s) AND at >= %(since)s
            ORDER BY at, batch, number""",
            {"name": name, "subject": subject, "since": _moment(since_ms)},
        )
        return tuple(Sample(_millis(row[0]), *row[1:]) for row in cursor.fetchall())


def first_sample_ms(engine: Engine, name: str, since_ms: int) -> int | None:
    """Return when a name was first measured since a time; None: it was not.

    Raises:
        DatabaseError: the server fails.
    """
    with translated(engine), engine.connect() as connection, cursor_of(connection) as cursor:
        cursor.execute(
            "SELECT at FROM health_signals WHERE name = %s AND subject = '' AND at >= %s ORDER BY at LIMIT 1",
            (name, _moment(since_ms)),
        )
        row = cursor.fetchone()
        return None if row is None else _millis(row[0])


def read_errors(engine: Engine, since_ms: int, limit: int = 200) -> tuple[StoredError, ...]:
    """Return the kinds of error that came since a time, the newest first, with their counts a minute since then.

    Raises:
        DatabaseError: the server fails.
    """
    with translated(engine), engine.connect() as connection, cursor_of(connection) as cursor:
        cursor.execute(
            """SELECT error_id, fingerprint, process, level, event, first_at, last_at, count, example,
                (SELECT coalesce(array_agg(extract(epoch FROM minute)::bigint ORDER BY minute), '{}')
                FROM error_counts c WHERE c.error_id = e.error_id AND minute >= %(since)s),
                (SELECT coalesce(array_agg(c.count ORDER BY minute), '{}')
                FROM error_counts c WHERE c.error_id = e.error_id AND minute >= %(since)s)
            FROM errors e WHERE last_at >= %(since)s ORDER BY last_at DESC, error_id LIMIT %(limit)s""",
            {"since": _moment(since_ms), "limit": limit},
        )
        return tuple(
            StoredError(
                error_id=row[0],
                fingerprint=row[1],
                process=row[2],
                level=row[3],
                event=row[4],
                first_ms=_millis(row[5]),
                last_ms=_millis(row[6]),
                count=row[7],
                example=row[8],
                minutes=tuple((1_000 * int(at), int(count)) for at, count in zip(row[9], row[10], strict=True)),
            )
            for row in cursor.fetchall()
        )


def cursor_of(connection: Any) -> Any:
    """Return a cursor of the driver's own on a connection."""
    raw = connection.connection.driver_connection
    if raw is None:
        raise DatabaseError("the database gave no connection")
    return raw.cursor()


def json_of(value: Any) -> str:
    """Return a value as JSON that the database takes: figures that are none are null, what JSON has not is text."""
    return json.dumps(_plain(value), allow_nan=False)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key).replace("\0", ""): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int):
        return value
    if hasattr(value, "item"):  # a number of numpy's
        return _plain(value.item())
    return str(value).replace("\0", "")


def _moment(millis: int) -> datetime:
    return datetime.fromtimestamp(millis / 1_000, UTC)


def _millis(moment: datetime) -> int:
    return round(moment.timestamp() * 1_000)

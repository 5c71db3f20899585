"""Remedies in Postgres: what was done about an anomaly, refused, or would have been done; and what is in force now.

Functions take a cursor, so that a remedy and what it changes are one transaction; `huracan.health.remedies` decides.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from typing import Any, Final, Literal, get_args

from sqlalchemy import Engine

from huracan.config import RemedyKind
from huracan.memory.database import translated

__all__ = [
    "RESTRICTIONS",
    "Remediation",
    "RemediationState",
    "end_remediation",
    "fail_remediation",
    "find_remediation",
    "insert_remediation",
    "lock_remedies",
    "open_anomalies",
    "read_remediations",
    "renew_remediation",
    "select_remediations",
    "untold_remediations",
]

RemediationState = Literal["dry_run", "refused", "applied", "undone", "expired", "failed"]
RESTRICTIONS: Final[tuple[RemedyKind, ...]] = ("pause_coin", "pause_pattern", "raise_confidence", "reduce_size")
"""Kinds that the trading process obeys as long as their row is in force; the others are deeds."""
assert set(RESTRICTIONS) <= set(get_args(RemedyKind))

Cursor = Any


@dataclass(frozen=True, slots=True)
class Remediation:
    """One row.

    Attributes:
        account: of the trading account; "": of none.
        kind: what.
        subject: to what: a coin, a pattern as `set/number`, a version, a scope, a part; "": the whole account.
        state: how it stands.
        reason: why, one line.
        author: who began it.
        at_ms: when, wall clock, ms UTC; likewise the other times.
        detector, about: the anomaly's detector and subject; "" when a person did it.
        value: of a raised threshold or a reduced size; None: it has none.
        expires_ms: end of a restriction; None: it has none.
        ended_ms, ended_by: when and by whom it was undone or expired.
        anomaly_id: the anomaly's row; None: none was stored.
        error: why it failed; "": it did not.
        renewed: how often the expiry was put off.
        before, after: what stood before and after it, JSON types.
        number: 0 before it is stored.
    """

    account: str
    kind: RemedyKind
    subject: str
    state: RemediationState
    reason: str
    author: str
    at_ms: int
    detector: str = ""
    about: str = ""
    value: float | None = None
    expires_ms: int | None = None
    ended_ms: int | None = None
    ended_by: str = ""
    anomaly_id: int | None = None
    error: str = ""
    renewed: int = 0
    before: Mapping[str, Any] = field(default_factory=dict)
    after: Mapping[str, Any] = field(default_factory=dict)
    number: int = 0

    @property
    def in_force(self) -> bool:
        """Return whether it stands; a restriction also ends at its expiry, whoever has noted that or not."""
        return self.state == "applied"


_COLUMN: Final = {
    "number": "remediation_id",
    "at_ms": "at",
    "expires_ms": "expires_at",
    "ended_ms": "ended_at",
}
_TIMES: Final = ("at_ms", "expires_ms", "ended_ms")
_EMPTY: Final = ("ended_by", "error")
_JSON: Final = ("before", "after")
_NAMES: Final = tuple(one.name for one in fields(Remediation))


def lock_remedies(cursor: Cursor, account: str) -> None:
    """Let one at a time decide about an account until the transaction ends: limits are counted and used in one."""
    cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (f"huracan.remedies:{account}",))


def insert_remediation(cursor: Cursor, row: Remediation) -> Remediation:
    """Write a row and return it with its number."""
    values = {name: _stored(name, getattr(row, name)) for name in _NAMES if name != "number"}
    names = ", ".join(_COLUMN.get(name, name) for name in values)
    places = ", ".join(f"%({name})s" for name in values)
    cursor.execute(
        f"INSERT INTO remediations ({names}) VALUES ({places}) RETURNING {_SHOWN}",  # noqa: S608 - constant names
        values,
    )
    return _row(cursor.fetchone())


def select_remediations(cursor: Cursor, where: str, values: Mapping[str, Any]) -> tuple[Remediation, ...]:
    """Return rows, oldest first.

    Args:
        cursor: of a transaction.
        where: SQL from WHERE on, constant text; ORDER BY follows.
        values: named in it.
    """
    cursor.execute(f"SELECT {_SHOWN} FROM remediations {where} ORDER BY remediation_id", values)  # noqa: S608
    return tuple(_row(one) for one in cursor.fetchall())


def untold_remediations(cursor: Cursor, since_ms: int) -> tuple[Remediation, ...]:
    """Return the rows begun or ended since a time of which no notice says how they stand, oldest first."""
    where = """WHERE (at > %(since)s OR ended_at > %(since)s) AND NOT EXISTS (SELECT 1 FROM notices
        WHERE notices.kind = 'remedy' AND topic = 'remedy/' || remediation_id || '/' || state)"""
    return select_remediations(cursor, where, {"since": _moment(since_ms)})


def find_remediation(cursor: Cursor, number: int) -> Remediation | None:
    """Return one row, None when there is none of that number."""
    return next(iter(select_remediations(cursor, "WHERE remediation_id = %(number)s", {"number": number})), None)


def end_remediation(cursor: Cursor, number: int, state: RemediationState, at_ms: int, by: str) -> bool:
    """End a row in force as undone or expired; return whether it was in force."""
    cursor.execute(
        """UPDATE remediations SET state = %s, ended_at = %s, ended_by = %s
        WHERE remediation_id = %s AND state = 'applied'""",
        (state, _moment(at_ms), by, number),
    )
    return bool(cursor.rowcount == 1)


def fail_remediation(cursor: Cursor, number: int, error: str) -> None:
    """Note that what a row in force says could not be done."""
    cursor.execute(
        "UPDATE remediations SET state = 'failed', error = %s WHERE remediation_id = %s AND state = 'applied'",
        (error, number),
    )


def renew_remediation(cursor: Cursor, number: int, expires_ms: int) -> None:
    """Put off the expiry of a row in force; an earlier one than it has is left as it is."""
    cursor.execute(
        """UPDATE remediations SET expires_at = %(until)s, renewed = renewed + 1
        WHERE remediation_id = %(number)s AND state = 'applied' AND expires_at < %(until)s""",
        {"number": number, "until": _moment(expires_ms)},
    )


def open_anomalies(cursor: Cursor) -> dict[tuple[str, str, str], tuple[int, int]]:
    """Return by (account, detector, subject) the number of each open anomaly and when it was first noticed, ms UTC."""
    cursor.execute("SELECT account, detector, subject, anomaly_id, noticed_at FROM anomalies WHERE ended_at IS NULL")
    return {(row[0], row[1], row[2]): (row[3], _millis(row[4])) for row in cursor.fetchall()}


def read_remediations(
    engine: Engine,
    account: str | None = None,
    *,
    states: Iterable[RemediationState] = (),
    since_ms: int | None = None,
    newest: int = 100,
) -> tuple[Remediation, ...]:
    """Return the newest rows, newest first.

    Args:
        engine: of the database.
        account: only of this one, and of none; None: all.
        states: only these; none: all.
        since_ms: only rows since then, ms UTC.
        newest: how many at most.

    Raises:
        DatabaseError: the server fails.
    """
    wanted = list(states)
    where = ["TRUE"]
    where += ["account IN (%(account)s, '')"] if account is not None else []
    where += ["state = ANY(%(states)s)"] if wanted else []
    where += ["at >= %(since)s"] if since_ms is not None else []
    values = {
        "account": account,
        "states": wanted,
        "since": None if since_ms is None else _moment(since_ms),
        "newest": newest,
    }
    with translated(engine), engine.connect() as connection:
        cursor = connection.connection.cursor()
        cursor.execute(
            f"SELECT {_SHOWN} FROM remediations WHERE {' AND '.join(where)} "  # noqa: S608 - constant text
            "ORDER BY remediation_id DESC LIMIT %(newest)s",
            values,
        )
        return tuple(_row(one) for one in cursor.fetchall())


_SHOWN: Final = ", ".join(_COLUMN.get(name, name) for name in _NAMES)


def _stored(name: str, value: Any) -> Any:
    if name in _TIMES:
        return None if value is None else _moment(value)
    if name in _JSON:
        return json.dumps(dict(value), sort_keys=True, allow_nan=False) if value else None
    if name in _EMPTY:
        return value or None
    return value


def _row(found: tuple[Any, ...]) -> Remediation:
    row = dict(zip(_NAMES, found, strict=True))
    row |= {name: None if row[name] is None else _millis(row[name]) for name in _TIMES}
    row |= {name: row[name] or {} for name in _JSON}
    row |= {name: row[name] or "" for name in _EMPTY}
    return Remediation(**row)


def _moment(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms / 1_000, UTC)


def _millis(moment: datetime) -> int:
    return round(moment.timestamp() * 1_000)

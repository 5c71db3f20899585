"""The outbox of notices: each waits in Postgres, once per destination that wants it, until it has left.

A notice whose topic is waiting already is counted into that one. Who sends claims what is due of one destination for a
limited time: when the sender dies, another one finds it again, so a notice leaves at least once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, Literal

from sqlalchemy import Connection, text

from huracan.memory.health import Severity

__all__ = [
    "LEVELS",
    "Delivery",
    "Due",
    "Notice",
    "NoticeKind",
    "StoredNotice",
    "add_notice",
    "claim_due",
    "count_messages",
    "count_states",
    "end_claim",
    "last_told",
    "list_notices",
    "remove_old",
]

NoticeKind = Literal["opened", "worse", "reminder", "over", "remedy", "day", "failed", "test"]
LEVELS: Final[tuple[Severity, ...]] = ("info", "warning", "critical")
"""From least to most."""
_ONCE: Final = ("remedy", "day", "failed")
_IN_A_WINDOW: Final = 2  # begin and end of something are told at once; the third word on it waits
_CLAIMED_MAX: Final = 500


@dataclass(frozen=True, slots=True)
class Notice:
    """What is to be told.

    Attributes:
        topic: what it is about; notices of one topic are one thread.
        kind: how that stands. `remedy`, `day` and `failed` are told once a topic, whoever repeats them.
        level: how much it matters.
        title: one line.
        body: more lines.
        at_ms: when it happened, wall clock, ms UTC.
    """

    topic: str
    kind: NoticeKind
    level: Severity
    title: str
    body: str
    at_ms: int


@dataclass(frozen=True, slots=True)
class Due:
    """A notice that may leave now.

    Attributes:
        notice_id: its key.
        notice: what it says.
        repeats: how often it came again before it left.
        last_ms: when it came last.
        due_ms: since when it may leave.
        tries: of this destination, this one included.
    """

    notice_id: int
    notice: Notice
    repeats: int
    last_ms: int
    due_ms: int
    tries: int


@dataclass(frozen=True, slots=True)
class Delivery:
    """How a notice fares at one destination."""

    destination: str
    state: str
    tries: int
    ended_ms: int | None
    error: str | None


@dataclass(frozen=True, slots=True)
class StoredNotice:
    """A notice of the past, with how it fared; no delivery: no destination wanted it."""

    notice_id: int
    notice: Notice
    repeats: int
    last_ms: int
    deliveries: tuple[Delivery, ...] = field(default=())


def add_notice(
    connection: Connection,
    notice: Notice,
    wanted: Sequence[str],
    gather_ms: int,
    quiet_ms: int,
    sent: Mapping[str, int] | None = None,
) -> bool:
    """Write a notice down, or count it into the one of its topic that nobody has been sent yet.

    Args:
        connection: in a transaction.
        notice: what is to be told.
        wanted: names of the destinations that are to have it.
        gather_ms: how long it waits for others.
        quiet_ms: window in which a topic is told twice; a third word waits for its end, unless it is worse.
        sent: destinations that have it already, and when; it was sent while the database was away.

    Returns:
        Whether there is a new row.
    """
    values = {
        "topic": notice.topic,
        "kind": notice.kind,
        "level": notice.level,
        "rank": LEVELS.index(notice.level),
        "title": notice.title,
        "body": notice.body,
        "at": _moment(notice.at_ms),
        "window": _moment(notice.at_ms - quiet_ms),
        "quiet": quiet_ms / 1_000,
    }
    connection.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:topic, 1))"), values)
    if notice.kind not in _ONCE and not sent and (counted := _counted(connection, values)) is not None:
        _deliver(connection, counted, wanted, {})
        return False
    due = _due(connection, values, notice.at_ms + gather_ms)
    row = connection.execute(
        text(
            "INSERT INTO notices (at, last_at, due_at, level, kind, topic, title, body) "
            "VALUES (:at, :at, :due, :level, :kind, :topic, :title, :body) "
            "ON CONFLICT (topic) WHERE kind IN ('remedy', 'day', 'failed') DO NOTHING RETURNING notice_id"
        ),
        {**values, "due": due},
    ).one_or_none()
    if row is None:
        return False
    _deliver(connection, row.notice_id, wanted, sent or {})
    return True


def _deliver(connection: Connection, notice_id: int, wanted: Sequence[str], sent: Mapping[str, int]) -> None:
    for name in wanted:
        at_ms = sent.get(name)
        connection.execute(
            text(
                "INSERT INTO notice_deliveries (notice_id, destination, state, tries, ended_at) "
                "VALUES (:notice, :name, :state, :tries, :ended) ON CONFLICT DO NOTHING"
            ),
            {
                "notice": notice_id,
                "name": name,
                "state": "waiting" if at_ms is None else "sent",
                "tries": 0 if at_ms is None else 1,
                "ended": None if at_ms is None else _moment(at_ms),
            },
        )


def _counted(connection: Connection, values: Mapping[str, Any]) -> int | None:
    """Count into the topic's notice that no destination was tried with, and return its key; None: there is none.

    Of a topic that nobody wants to hear of, the window takes the place of the wait.
    """
    row = connection.execute(
        text(
            """UPDATE notices SET repeats = repeats + 1, last_at = greatest(last_at, CAST(:at AS timestamptz)),
                level = CASE WHEN array_position(ARRAY['info', 'warning', 'critical'], level) > :rank
                    THEN level ELSE :level END,
                kind = :kind, title = :title, body = :body
            WHERE notice_id = (
                SELECT notice_id FROM notices n WHERE topic = :topic AND kind NOT IN ('remedy', 'day', 'failed')
                    AND (last_at > :window
                        OR EXISTS (SELECT 1 FROM notice_deliveries d WHERE d.notice_id = n.notice_id))
                    AND NOT EXISTS (SELECT 1 FROM notice_deliveries d WHERE d.notice_id = n.notice_id
                        AND (d.state <> 'waiting' OR d.tries > 0))
                ORDER BY notice_id DESC LIMIT 1)
            RETURNING notice_id"""
        ),
        values,
    ).one_or_none()
    return None if row is None else row.notice_id


def _due(connection: Connection, values: Mapping[str, Any], usual_ms: int) -> datetime:
    """Return when it may leave: at once, or after the window of a topic of which enough was said in it."""
    row = connection.execute(
        text(
            """SELECT count(*), min(last_at),
                coalesce(max(array_position(ARRAY['info', 'warning', 'critical'], level)) - 1, -1)
            FROM (SELECT last_at, level FROM notices WHERE topic = :topic AND last_at > :window
                AND kind NOT IN ('remedy', 'day', 'failed') ORDER BY notice_id DESC LIMIT 2) said"""
        ),
        values,
    ).one()
    usual = _moment(usual_ms)
    if row[0] < _IN_A_WINDOW or values["rank"] > row[2]:
        return usual
    later: datetime = row[1].astimezone(UTC) + (values["at"] - values["window"])
    return max(usual, later)


def claim_due(
    connection: Connection, destination: str, now_ms: int, free_ms: int, least: Severity = "info"
) -> tuple[Due, ...]:
    """Claim what is due of one destination until `free_ms`, worst first; what another process has claimed is left out.

    Args:
        connection: in a transaction.
        destination: its name.
        now_ms: wall clock.
        free_ms: when others may take it over.
        least: level below which nothing is claimed.
    """
    rows = connection.execute(
        text(
            """WITH due AS (
                SELECT d.notice_id FROM notice_deliveries d JOIN notices n USING (notice_id)
                WHERE destination = :name AND n.due_at <= :now
                    AND array_position(ARRAY['info', 'warning', 'critical'], level) > :least
                    AND (state = 'waiting' OR (state = 'sending' AND free_at <= :now))
                ORDER BY array_position(ARRAY['info', 'warning', 'critical'], level) DESC, notice_id
                LIMIT :most FOR UPDATE OF d SKIP LOCKED
            ), claimed AS (
                UPDATE notice_deliveries SET state = 'sending', free_at = :free, tries = tries + 1
                WHERE destination = :name AND notice_id IN (SELECT notice_id FROM due) RETURNING notice_id, tries
            )
            SELECT notice_id, topic, kind, level, title, body, at, repeats, last_at, due_at, tries
            FROM claimed JOIN notices USING (notice_id)
            ORDER BY array_position(ARRAY['info', 'warning', 'critical'], level) DESC, notice_id"""
        ),
        {
            "name": destination,
            "now": _moment(now_ms),
            "free": _moment(free_ms),
            "least": LEVELS.index(least),
            "most": _CLAIMED_MAX,
        },
    ).all()
    return tuple(Due(row[0], _notice(row[1:7]), row[7], _millis(row[8]), _millis(row[9]), row[10]) for row in rows)


def end_claim(
    connection: Connection,
    destination: str,
    notice_ids: Sequence[int],
    state: Literal["waiting", "sent", "held", "failed"],
    at_ms: int,
    error: str | None = None,
) -> None:
    """Write down how a claim ended; `waiting` gives it back for another try.

    Args:
        connection: in a transaction.
        destination: its name.
        notice_ids: what was claimed.
        state: how it ended.
        at_ms: wall clock.
        error: kind of failure; nothing that a destination's answer or address holds.
    """
    connection.execute(
        text(
            """UPDATE notice_deliveries SET state = :state, free_at = NULL, error = :error,
                ended_at = CASE WHEN :state = 'waiting' THEN NULL ELSE CAST(:at AS timestamptz) END
            WHERE destination = :name AND notice_id = ANY(:ids) AND state = 'sending'"""
        ),
        {"name": destination, "ids": list(notice_ids), "state": state, "at": _moment(at_ms), "error": error},
    )


def count_messages(connection: Connection, destination: str, since_ms: int) -> int:
    """Return how many messages a destination was sent; notices of one message ended at one moment."""
    found: int = connection.execute(
        text(
            "SELECT count(DISTINCT ended_at) FROM notice_deliveries "
            "WHERE destination = :name AND state = 'sent' AND ended_at > :since"
        ),
        {"name": destination, "since": _moment(since_ms)},
    ).scalar_one()
    return found


def count_states(connection: Connection, since_ms: int) -> Mapping[str, int]:
    """Return how many deliveries wait, and how many have ended how since a time."""
    rows = connection.execute(
        text(
            "SELECT CASE state WHEN 'sending' THEN 'waiting' ELSE state END, count(*) FROM notice_deliveries "
            "WHERE state IN ('waiting', 'sending') OR ended_at > :since GROUP BY 1"
        ),
        {"since": _moment(since_ms)},
    ).all()
    return dict.fromkeys(("waiting", "sent", "held", "failed"), 0) | {row[0]: row[1] for row in rows}


def last_told(connection: Connection) -> Mapping[str, Notice]:
    """Return by topic the last notice on what begins and ends."""
    rows = connection.execute(
        text(
            "SELECT DISTINCT ON (topic) topic, kind, level, title, body, last_at FROM notices "
            "WHERE kind IN ('opened', 'worse', 'reminder', 'over') ORDER BY topic, notice_id DESC"
        )
    ).all()
    return {row[0]: _notice(row) for row in rows}


def list_notices(connection: Connection, limit: int, state: str | None = None) -> tuple[StoredNotice, ...]:
    """Return the newest notices with how they fared, newest first.

    Args:
        connection: of the database.
        limit: so many.
        state: only those with a delivery in it; None: all.
    """
    where = "" if state is None else (
        "WHERE EXISTS (SELECT 1 FROM notice_deliveries d WHERE d.notice_id = n.notice_id AND d.state = :state)"
    )  # fmt: skip
    rows = connection.execute(
        text(
            f"SELECT notice_id, topic, kind, level, title, body, at, repeats, last_at FROM notices n {where} "  # noqa: S608
            "ORDER BY notice_id DESC LIMIT :most"
        ),
        {"most": limit} | ({} if state is None else {"state": state}),
    ).all()
    fared: dict[int, list[Delivery]] = {}
    for row in connection.execute(
        text(
            "SELECT notice_id, destination, state, tries, ended_at, error FROM notice_deliveries "
            "WHERE notice_id = ANY(:ids) ORDER BY destination"
        ),
        {"ids": [row[0] for row in rows]},
    ):
        ended = None if row[4] is None else _millis(row[4])
        fared.setdefault(row[0], []).append(Delivery(row[1], row[2], row[3], ended, row[5]))
    return tuple(
        StoredNotice(row[0], _notice(row[1:7]), row[7], _millis(row[8]), tuple(fared.get(row[0], ()))) for row in rows
    )


def remove_old(connection: Connection, before_ms: int) -> int:
    """Remove notices that came last before a time and wait nowhere; return how many."""
    done = connection.execute(
        text(
            "DELETE FROM notices n WHERE last_at < :before AND NOT EXISTS (SELECT 1 FROM notice_deliveries d "
            "WHERE d.notice_id = n.notice_id AND d.state IN ('waiting', 'sending'))"
        ),
        {"before": _moment(before_ms)},
    )
    return done.rowcount


def _notice(row: Sequence[Any]) -> Notice:
    """Return the notice of topic, kind, level, title, body and time."""
    return Notice(row[0], row[1], row[2], row[3], row[4], _millis(row[5]))


def _moment(millis: int) -> datetime:
    return datetime.fromtimestamp(millis / 1_000, UTC)


def _millis(moment: datetime) -> int:
    return round(moment.timestamp() * 1_000)

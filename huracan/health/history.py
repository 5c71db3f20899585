"""What an account has done since it began, read in pieces and kept as the few figures that charts need of it.

Decisions, orders, fills and trades are never read as a whole: a look reads what is new, at most so many rows of each
table, and what may still change. After a restart everything is read once more, a piece a look; until it is there the
charts cannot look, and what they said before stands.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from sqlalchemy import Engine

from huracan.errors import EvidenceError
from huracan.health.history_orders import FillHistory, OrderHistory
from huracan.health.history_trades import TradeHistory
from huracan.health.predictions import ACTIONS, BINS, DecisionDays
from huracan.health.reading import read_only
from huracan.memory import TradeRows

__all__ = ["ROWS_MAX", "DecisionHistory", "History", "Series", "Span"]

DAY_MS: Final = 86_400_000
ROWS_MAX: Final = 20_000
"""Decisions of one look: two weeks of closes a minute, of fifty markets a second of Postgres' work."""

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Series = tuple[Floats, Ints]
"""Observations, and when they were made, ms UTC."""


@dataclass(frozen=True, slots=True)
class Span:
    """When a version decided for an account.

    Attributes:
        version: its name.
        began_ms: close of its first decision, ms UTC.
        close_ms: close of its last one.
    """

    version: str
    began_ms: int
    close_ms: int


@dataclass(slots=True, eq=False)
class _Part:
    """Figures of some days.

    Attributes:
        spans: first and last close of each version.
        days: counts of each version and day: of actions, then of confidences by twentieths.
        heard, decided: medians of each hour of closes, ms.
    """

    spans: dict[str, tuple[int, int]] = field(default_factory=dict)
    days: dict[str, dict[int, Ints]] = field(default_factory=dict)
    heard: dict[int, float] = field(default_factory=dict)
    decided: dict[int, float] = field(default_factory=dict)

    def join(self, other: "_Part") -> None:
        """Take in later days, none of which is here."""
        for version, (began_ms, close_ms) in other.spans.items():
            mine = self.spans.get(version)
            self.spans[version] = (began_ms if mine is None else mine[0], close_ms)
        for version, days in other.days.items():
            self.days.setdefault(version, {}).update(days)
        self.heard |= other.heard
        self.decided |= other.decided


class DecisionHistory:
    """Decisions of an account by day and hour of their closes; yesterday and today are read again at each look.

    Closes come in order: one that is older than yesterday's is seen after the next restart.

    Args:
        rows_max: read in one step, but at least a whole day, and of the newest two days all.
    """

    def __init__(self, rows_max: int = ROWS_MAX) -> None:
        self._rows_max = rows_max
        self._closed, self._open = _Part(), _Part()
        self._from_ms: int | None = None

    def step(self, cursor: Any, number: int) -> bool:
        """Read on; returns whether all is read.

        Args:
            cursor: of psycopg2.
            number: of the account.
        """
        cursor.execute(
            """SELECT (extract(epoch FROM min(close_at)) * 1000)::bigint,
                (extract(epoch FROM max(close_at)) * 1000)::bigint
            FROM decisions WHERE account_no = %s""",
            (number,),
        )
        first_ms, newest_ms = cursor.fetchone()
        if first_ms is None:
            return True
        start_ms = _day(first_ms) if self._from_ms is None else self._from_ms
        cursor.execute(
            """SELECT (extract(epoch FROM close_at) * 1000)::bigint FROM decisions
            WHERE account_no = %s AND close_at >= to_timestamp(%s / 1000.0) ORDER BY close_at OFFSET %s LIMIT 1""",
            (number, start_ms, self._rows_max),
        )
        over = cursor.fetchone()
        settled_ms = max(start_ms, _day(newest_ms) - DAY_MS)
        if over is not None and settled_ms > start_ms:
            end_ms = min(settled_ms, max(_day(int(over[0])), start_ms + DAY_MS))
            self._closed.join(_part(cursor, number, start_ms, end_ms))
            self._from_ms, self._open = end_ms, _Part()
            return False
        if settled_ms > start_ms:
            self._closed.join(_part(cursor, number, start_ms, settled_ms))
        self._from_ms, self._open = settled_ms, _part(cursor, number, settled_ms, newest_ms + DAY_MS)
        return True

    @property
    def read_to_ms(self) -> int:
        """Return up to when it is read, ms UTC; 0 before the first step."""
        return self._from_ms or 0

    def spans(self) -> tuple[Span, ...]:
        """Return when each version decided, the newest first."""
        found = dict(self._closed.spans)
        for version, (began_ms, close_ms) in self._open.spans.items():
            found[version] = (found.get(version, (began_ms, 0))[0], close_ms)
        rows = [Span(version, began_ms, close_ms) for version, (began_ms, close_ms) in found.items()]
        return tuple(sorted(rows, key=lambda span: (-span.close_ms, span.version)))

    def days_of(self, version: str) -> DecisionDays:
        """Return a version's decisions by day."""
        found = self._closed.days.get(version, {}) | self._open.days.get(version, {})
        days = sorted(found)
        table = np.array([found[day] for day in days], np.int64).reshape(-1, ACTIONS + BINS)
        return DecisionDays(np.array(days, np.int64), table[:, :ACTIONS], table[:, ACTIONS:])

    def heard(self) -> Series:
        """Return medians of the time from close to candle heard by hour, ms; candles of a replay are left out."""
        return _series(self._closed.heard | self._open.heard)

    def decided(self) -> Series:
        """Return medians of the time from candle heard to decision by hour, ms."""
        return _series(self._closed.decided | self._open.decided)


class History:
    """Everything of an account that detectors look at; they share one.

    Args:
        engine: of the database.
        account: its name.
        whole: read all there is at once, for whoever looks only once.
        rows_max: decisions of one step, see `DecisionHistory`.
    """

    def __init__(self, engine: Engine, account: str, whole: bool = True, rows_max: int = ROWS_MAX) -> None:
        self._engine, self._account, self._whole = engine, account, whole
        self.decisions, self.orders, self.fills = DecisionHistory(rows_max), OrderHistory(), FillHistory()
        self._trades = TradeHistory(account)
        self._read_ms: int | None = None
        self._complete = False

    def read(self, at_ms: int | None = None) -> None:
        """Read what is new.

        Args:
            at_ms: time of the look: what one detector has read at it no other reads again; None: read anyhow.

        Raises:
            EvidenceError: there is more than one look reads; the next one goes on.
            DatabaseError: the server fails.
        """
        if at_ms is None or at_ms != self._read_ms:
            self._read_ms, self._complete = at_ms, self._step()
            while self._whole and not self._complete:
                self._complete = self._step()
        if not self._complete:
            raise EvidenceError(
                f"the past of {self._account} is being read, a piece a turn; charts look when all of it is there"
            )

    def _step(self) -> bool:
        with read_only(self._engine) as cursor:
            cursor.execute("SELECT account_no FROM accounts WHERE name = %s", (self._account,))
            row = cursor.fetchone()
            if row is None:
                return self._trades.step(cursor)
            number = int(row[0])
            parts = (self.decisions, self.orders, self.fills)
            return all([*(part.step(cursor, number) for part in parts), self._trades.step(cursor)])

    def spans(self) -> tuple[Span, ...]:
        """Return when each version decided for the account, the newest first."""
        return self.decisions.spans()

    def trades(self, version: str) -> TradeRows:
        """Return the closed trades of a version in the account, on paper or live."""
        return self._trades.of(version)


def _part(cursor: Any, number: int, start_ms: int, end_ms: int) -> _Part:
    """Return the figures of the closes from a day to another one, which is not in it."""
    given = {"account": number, "start": start_ms, "end": end_ms, "bins": BINS, "last": BINS - 1}
    where = """account_no = %(account)s AND close_at >= to_timestamp(%(start)s / 1000.0)
        AND close_at < to_timestamp(%(end)s / 1000.0)"""
    found = _Part()
    cursor.execute(
        f"""SELECT version, (extract(epoch FROM min(close_at)) * 1000)::bigint,
            (extract(epoch FROM max(close_at)) * 1000)::bigint
        FROM decisions, unnest(versions) AS version WHERE {where} GROUP BY version""",  # noqa: S608 - constant words
        given,
    )
    found.spans = {version: (int(began_ms), int(close_ms)) for version, began_ms, close_ms in cursor.fetchall()}
    cursor.execute(
        f"""SELECT versions[place + 1],
            (extract(epoch FROM date_trunc('day', close_at AT TIME ZONE 'UTC')) * 1000)::bigint AS day, action,
            least(%(last)s, greatest(0, floor(confidence * %(bins)s)))::int AS bin, count(*)
        FROM decisions, unnest(actions, confidences, version_of) AS one (action, confidence, place)
        WHERE {where} GROUP BY 1, 2, 3, 4""",  # noqa: S608
        given,
    )
    for version, day, action, place, count in cursor.fetchall():
        row = found.days.setdefault(version, {}).setdefault(int(day), np.zeros(ACTIONS + BINS, np.int64))
        row[int(action)] += count
        row[ACTIONS + int(place)] += count
    cursor.execute(
        f"""SELECT (extract(epoch FROM date_trunc('hour', close_at)) * 1000)::bigint,
            1000 * percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM heard_at - close_at)::float8)
                FILTER (WHERE heard_at BETWEEN close_at AND close_at + interval '1 hour'),
            1000 * percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM decided_at - heard_at)::float8)
        FROM decisions WHERE {where} GROUP BY 1""",  # noqa: S608
        given,
    )
    for hour, heard, decided in cursor.fetchall():
        if heard is not None:
            found.heard[int(hour)] = float(heard)
        found.decided[int(hour)] = float(decided)
    return found


def _series(found: dict[int, float]) -> Series:
    hours: Sequence[int] = sorted(found)
    return np.array([found[hour] for hour in hours], np.float64), np.array(hours, np.int64)


def _day(at_ms: int) -> int:
    return at_ms // DAY_MS * DAY_MS

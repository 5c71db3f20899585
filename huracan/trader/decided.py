"""What was decided at a close, written down before anything is sent: a trader that dies there goes on with it."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Engine

from huracan.execution.sql_thread import SqlThread
from huracan.features import STATE_SIZE

__all__ = ["AccountDecisions", "Decided", "DecisionLog", "MemoryDecisions"]


@dataclass(frozen=True, slots=True, eq=False)
class Decided:
    """Everything decided at one close; N markets, one a row.

    Attributes:
        close_ms: the close, ms UTC, market clock.
        heard_ms: wall clock at which its candles came.
        decided_ms: wall clock at which the decision stood.
        symbols: sorted.
        action: int64[N].
        confidence: float32[N].
        version: who decided, one a row.
        states: float32[N, 80] that were decided on.
        book: the account of states after it (`huracan.signals.states.StateBook.to_bytes`).
    """

    close_ms: int
    heard_ms: int
    decided_ms: int
    symbols: tuple[str, ...]
    action: NDArray[np.int64]
    confidence: NDArray[np.float32]
    version: tuple[str, ...]
    states: NDArray[np.float32]
    book: bytes


class DecisionLog(Protocol):
    """Where decisions are kept."""

    async def newest(self) -> Decided | None:
        """Return the account's newest decision, None before the first."""
        ...

    async def keep(self, decided: Decided) -> None:
        """Write a decision down; the same close again changes nothing, an earlier one than the newest neither."""
        ...

    async def close(self) -> None:
        """Let go of the connection."""
        ...


class MemoryDecisions:
    """Decisions in memory, for tests and scripts."""

    def __init__(self) -> None:
        self.rows: list[Decided] = []

    async def newest(self) -> Decided | None:
        """See `DecisionLog`."""
        return self.rows[-1] if self.rows else None

    async def keep(self, decided: Decided) -> None:
        """See `DecisionLog`."""
        if not self.rows or self.rows[-1].close_ms < decided.close_ms:
            self.rows.append(decided)

    async def close(self) -> None:
        """See `DecisionLog`."""


class AccountDecisions:
    """Decisions in Postgres, on a thread of its own.

    Args:
        engine: of a database at this version's schema.
        account: name of the account.
        timeout_s: how long a call may take.
    """

    def __init__(self, engine: Engine, account: str, timeout_s: float = 5.0) -> None:
        self._account = account
        self._thread = SqlThread(engine, timeout_s)

    async def newest(self) -> Decided | None:
        """See `DecisionLog`.

        Raises:
            DatabaseError: the server fails.
        """

        def work(cursor: Any) -> Decided | None:
            cursor.execute(
                """SELECT d.close_at, d.heard_at, d.decided_at, d.symbols, d.actions, d.confidences, d.versions,
                    d.version_of, s.states, s.book
                FROM decision_states s JOIN decisions d USING (account_no, close_at) JOIN accounts USING (account_no)
                WHERE name = %s""",
                (self._account,),
            )
            row = cursor.fetchone()
            if row is None:
                return None
            close_ms, heard_ms, decided_ms = (round(moment.timestamp() * 1_000) for moment in row[:3])
            return Decided(
                close_ms,
                heard_ms,
                decided_ms,
                symbols=tuple(row[3]),
                action=np.array(row[4], np.int64),
                confidence=np.array(row[5], np.float32),
                version=tuple(row[6][place] for place in row[7]),
                states=np.frombuffer(bytes(row[8]), "<f4").reshape(-1, STATE_SIZE).astype(np.float32),
                book=bytes(row[9]),
            )

        return await self._thread.call(lambda: self._thread.transact(work))

    async def keep(self, decided: Decided) -> None:
        """See `DecisionLog`.

        Raises:
            DatabaseError: the server fails.
        """
        versions = sorted(set(decided.version))
        times = [_moment(ms) for ms in (decided.close_ms, decided.heard_ms, decided.decided_ms)]
        states = np.ascontiguousarray(decided.states, "<f4").tobytes()

        def work(cursor: Any) -> None:
            cursor.execute("INSERT INTO accounts (name) VALUES (%s) ON CONFLICT DO NOTHING", (self._account,))
            cursor.execute(
                """INSERT INTO decisions (account_no, close_at, heard_at, decided_at, symbols, versions, version_of,
                    actions, confidences)
                SELECT account_no, %s, %s, %s, %s, %s, %s::smallint[], %s::smallint[], %s::real[]
                FROM accounts WHERE name = %s ON CONFLICT DO NOTHING""",
                (
                    *times,
                    list(decided.symbols),
                    versions,
                    [versions.index(version) for version in decided.version],
                    decided.action.tolist(),
                    decided.confidence.tolist(),
                    self._account,
                ),
            )
            cursor.execute(
                """INSERT INTO decision_states AS s (account_no, close_at, book, states)
                SELECT account_no, %s, %s, %s FROM accounts WHERE name = %s
                ON CONFLICT (account_no) DO UPDATE
                SET close_at = excluded.close_at, book = excluded.book, states = excluded.states
                WHERE s.close_at < excluded.close_at""",
                (times[0], decided.book, states, self._account),
            )

        await self._thread.call(lambda: self._thread.transact(work))

    async def close(self) -> None:
        """See `DecisionLog`."""
        await self._thread.close()


def _moment(millis: int) -> datetime:
    return datetime.fromtimestamp(millis / 1_000, UTC)

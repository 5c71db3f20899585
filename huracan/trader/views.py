"""The account's view in the database: what a restart needs of the day, and what `trade status` shows of the limits.

The row also has the epoch of the lease under which it was written (`report.epoch`): who watches the account can tell a
trader that hears nothing from one that has just started.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Protocol

from sqlalchemy import Engine

from huracan.execution.sql_thread import SqlThread
from huracan.risk.live import DayBook

__all__ = ["AccountState", "AccountViews", "Holder", "MemoryViews", "Views"]


@dataclass(frozen=True, slots=True)
class AccountState:
    """One account after a close; money in quote currency.

    Attributes:
        at_ms: wall clock.
        market_ms: market clock.
        reconciled_ms: when the trader last started with books that agree with the venue, wall clock.
        mode: "paper" or "live".
        day: the UTC day.
        peak: highest value so far.
        report: figures for `trade status`, JSON types.
    """

    at_ms: int
    market_ms: int
    reconciled_ms: int
    mode: str
    day: DayBook
    peak: Decimal
    report: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Holder:
    """Who trades an account: the name in the lease, and for how long the lease still lasts."""

    name: str
    for_s: float


class Views(Protocol):
    """Where the view is kept."""

    async def load(self) -> AccountState | None:
        """Return the view of the account, None before the first."""
        ...

    async def keep(self, state: AccountState) -> None:
        """Replace the view, unless a later one stands there."""
        ...

    async def close(self) -> None:
        """Let go of the connection."""
        ...


class MemoryViews:
    """The view in memory, for tests."""

    def __init__(self) -> None:
        self._state: AccountState | None = None

    async def load(self) -> AccountState | None:
        """See `Views`."""
        return self._state

    async def keep(self, state: AccountState) -> None:
        """See `Views`."""
        if self._state is None or self._state.market_ms <= state.market_ms:
            self._state = state

    async def close(self) -> None:
        """See `Views`."""


class AccountViews:
    """The view in Postgres, on a thread of its own so that it never waits for the ledger.

    Args:
        engine: of a database at this version's schema.
        account: name of the account; its row is made by the store's first write.
        timeout_s: how long a call may take.
    """

    def __init__(self, engine: Engine, account: str, timeout_s: float = 5.0) -> None:
        self._account = account
        self._thread = SqlThread(engine, timeout_s)

    async def load(self) -> AccountState | None:
        """See `Views`.

        Raises:
            DatabaseError: the server fails.
        """

        def work(cursor: Any) -> AccountState | None:
            cursor.execute(
                """SELECT v.at, v.market_at, v.reconciled_at, v.mode, v.day, v.day_start, v.day_value, v.breached,
                    v.reached, v.peak, v.report - 'epoch'
                FROM account_views v JOIN accounts USING (account_no) WHERE name = %s""",
                (self._account,),
            )
            row = cursor.fetchone()
            if row is None:
                return None
            at_ms, market_ms, reconciled_ms = (_millis(moment) for moment in row[:3])
            return AccountState(at_ms, market_ms, reconciled_ms, row[3], DayBook(*row[4:9]), row[9], row[10])

        return await self._thread.call(lambda: self._thread.transact(work))

    async def keep(self, state: AccountState) -> None:
        """See `Views`.

        Raises:
            DatabaseError: the server fails.
        """
        day = state.day
        values = (
            *map(_moment, (state.at_ms, state.market_ms, state.reconciled_ms)),
            *(state.mode, day.day, day.value_start, day.value, day.breached, day.reached, state.peak),
            json.dumps(state.report, allow_nan=False),
            self._account,
        )

        def work(cursor: Any) -> None:
            cursor.execute(
                """INSERT INTO account_views AS v (at, market_at, reconciled_at, mode, day, day_start, day_value,
                    breached, reached, peak, report, account_no)
                SELECT %s, %s, %s, %s, %s, %s, %s, %s, %s, %s,
                    %s::jsonb || jsonb_build_object('epoch', l.epoch), account_no
                FROM accounts LEFT JOIN leases l USING (account_no) WHERE name = %s
                ON CONFLICT (account_no) DO UPDATE SET at = excluded.at, market_at = excluded.market_at,
                    reconciled_at = excluded.reconciled_at, mode = excluded.mode, day = excluded.day,
                    day_start = excluded.day_start, day_value = excluded.day_value, breached = excluded.breached,
                    reached = excluded.reached, peak = excluded.peak, report = excluded.report
                WHERE v.market_at <= excluded.market_at""",
                values,
            )

        await self._thread.call(lambda: self._thread.transact(work))

    async def holder(self) -> Holder | None:
        """Return who holds the account's lease, None when nobody does.

        Raises:
            DatabaseError: the server fails.
        """

        def work(cursor: Any) -> Holder | None:
            cursor.execute(
                """SELECT holder, extract(epoch FROM expires_at - clock_timestamp())::double precision
                FROM leases JOIN accounts USING (account_no)
                WHERE name = %s AND NOT released AND expires_at > clock_timestamp()""",
                (self._account,),
            )
            row = cursor.fetchone()
            return None if row is None else Holder(*row)

        return await self._thread.call(lambda: self._thread.transact(work))

    async def close(self) -> None:
        """See `Views`."""
        await self._thread.close()


def _millis(moment: datetime) -> int:
    return round(moment.timestamp() * 1_000)


def _moment(millis: int) -> datetime:
    return datetime.fromtimestamp(millis / 1_000, UTC)

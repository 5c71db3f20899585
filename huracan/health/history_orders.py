"""Orders and fills of an account, read by their numbers: what was filled, and how long sending and filling took."""

from typing import Any, Final

import numpy as np
import numpy.typing as npt

__all__ = ["NUMBERS_MAX", "FillHistory", "OrderHistory"]

NUMBERS_MAX: Final = 100_000
"""Numbers passed over in one step; orders of all accounts have them."""
SETTLED_MS: Final = 2 * 86_400_000
"""An order that is as much older than the newest one does not change any more; younger ones are read again."""
AGAIN: Final = 1_000
"""Newest fills that are read again: numbers are taken before they can be seen."""
HOUR_MS: Final = 3_600_000

Series = tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]
Row = tuple[Any, ...]


class OrderHistory:
    """Orders of an account: what resting ones were filled, and when entries and exits were sent."""

    def __init__(self, numbers_max: int = NUMBERS_MAX) -> None:
        self._numbers_max, self._mark = numbers_max, 0
        self._closed: list[Row] = []
        self._open: list[Row] = []

    def step(self, cursor: Any, number: int) -> bool:
        """Read on; returns whether all is read.

        Args:
            cursor: of psycopg2.
            number: of the account.
        """
        cursor.execute("SELECT coalesce(max(order_no), 0) FROM orders")
        last = int(cursor.fetchone()[0])
        end = min(last, self._mark + self._numbers_max)
        cursor.execute(
            """SELECT o.order_no, o.intent_id, (extract(epoch FROM o.created_at) * 1000)::bigint,
                (extract(epoch FROM o.sent_at) * 1000)::float8,
                CASE WHEN o.kind = 'POST_ONLY' AND o.status IN ('FILLED', 'EXPIRED', 'CANCELED')
                    THEN least(1, o.filled / o.quantity)::float8 END,
                CASE WHEN i.kind IN ('ENTER', 'EXIT') THEN (extract(epoch FROM d.decided_at) * 1000)::float8 END
            FROM orders o JOIN intents i USING (intent_id) JOIN markets m USING (market_no)
                LEFT JOIN decisions d ON d.account_no = m.account_no AND d.close_at = i.created_at
            WHERE m.account_no = %s AND o.order_no > %s AND o.order_no <= %s ORDER BY o.order_no""",
            (number, self._mark, end),
        )
        rows = cursor.fetchall()
        settled_ms = rows[-1][2] - SETTLED_MS if rows else 0
        place = next((place for place, row in enumerate(rows) if end == last and row[2] >= settled_ms), len(rows))
        self._closed += rows[:place]
        self._open = rows[place:]
        self._mark = rows[place][0] - 1 if place < len(rows) else end
        return end == last

    def filled(self) -> Series:
        """Return of what each resting order wanted the share filled, and when it was made."""
        rows = [row for row in (*self._closed, *self._open) if row[3] is not None and row[4] is not None]
        return np.array([row[4] for row in rows], np.float64), np.array([row[2] for row in rows], np.int64)

    def sent(self) -> Series:
        """Return medians of the time from decision to first order by hour, ms."""
        first: dict[int, tuple[float, float]] = {}
        for _, intent, _, sent_ms, _, decided_ms in (*self._closed, *self._open):
            if sent_ms is not None and decided_ms is not None:
                known = first.get(intent)
                first[intent] = (sent_ms if known is None else min(known[0], sent_ms), decided_ms)
        return _medians([(sent_ms, sent_ms - decided_ms) for sent_ms, decided_ms in first.values()])


class FillHistory:
    """First fills of an account's orders that take."""

    def __init__(self, numbers_max: int = NUMBERS_MAX) -> None:
        self._numbers_max, self._mark = numbers_max, 0
        self._first: dict[int, tuple[float, float]] = {}

    def step(self, cursor: Any, number: int) -> bool:
        """Read on; returns whether all is read; arguments as of `OrderHistory`."""
        cursor.execute("SELECT coalesce(max(fill_no), 0) FROM fills")
        last = int(cursor.fetchone()[0])
        end = min(last, self._mark + self._numbers_max)
        cursor.execute(
            """SELECT o.order_no, (extract(epoch FROM o.sent_at) * 1000)::float8,
                (extract(epoch FROM min(f.booked_at)) * 1000)::float8
            FROM fills f JOIN orders o USING (order_no) JOIN markets m ON m.market_no = f.market_no
            WHERE m.account_no = %s AND f.fill_no > %s AND f.fill_no <= %s AND f.booked_at IS NOT NULL
                AND o.kind IN ('FOK', 'IOC', 'MARKET') AND o.sent_at IS NOT NULL GROUP BY o.order_no""",
            (number, self._mark, end),
        )
        for order, sent_ms, booked_ms in cursor.fetchall():
            known = self._first.get(order)
            self._first[order] = (sent_ms, booked_ms if known is None else min(known[1], booked_ms))
        self._mark = max(self._mark, end - AGAIN) if end == last else end
        return end == last

    def taken(self) -> Series:
        """Return medians of the time from order to first fill by hour, ms."""
        return _medians([(sent_ms, booked_ms - sent_ms) for sent_ms, booked_ms in self._first.values()])


def _medians(rows: list[tuple[float, float]]) -> Series:
    """Return medians by hour of (when, ms; value)."""
    table = np.array(rows, np.float64).reshape(-1, 2)
    hours, place = np.unique(table[:, 0].astype(np.int64) // HOUR_MS, return_inverse=True)
    order = np.argsort(place, kind="stable")
    parts = np.split(table[order, 1], np.cumsum(np.bincount(place, minlength=len(hours)))[:-1]) if len(hours) else []
    return np.array([np.median(part) for part in parts], np.float64), hours * HOUR_MS

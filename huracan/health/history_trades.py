"""Closed trades of an account, read by their numbers: those that are new, and those of the last hour again."""

import time
from collections.abc import Callable
from typing import Any, Final

from huracan.memory.trades import TradeRows, join_trades, select_trades

__all__ = ["NUMBERS_MAX", "TradeHistory"]

NUMBERS_MAX: Final = 100_000
"""Numbers passed over in one step; most of them are shadow's, and are told by the table's own index."""
AGAIN_S: Final = 3_600.0
"""Numbers are taken before their rows can be seen; no transaction of a trader lasts an hour."""


class TradeHistory:
    """Trades on paper or live.

    Args:
        account: its name.
        numbers_max: passed over in one step.
        now_s: clock that nobody sets, seconds.
    """

    def __init__(
        self, account: str, numbers_max: int = NUMBERS_MAX, now_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._account, self._numbers_max, self._now_s = account, numbers_max, now_s
        self._begin()

    def _begin(self) -> None:
        self._mark = 0
        self._closed, self._open = join_trades(()), join_trades(())
        self._held: tuple[float, int] | None = None  # when it was the newest number, and which

    def step(self, cursor: Any) -> bool:
        """Read on, on a cursor of psycopg2; returns whether all is read."""
        cursor.execute("SELECT coalesce(max(trade_id), 0) FROM trade_memory")
        last, now_s = int(cursor.fetchone()[0]), self._now_s()
        if last < self._mark:  # the table was emptied
            self._begin()
        if last - self._mark > self._numbers_max:
            self._close(cursor, self._mark + self._numbers_max)
            return False
        if self._held is None:
            self._held = now_s, last
        elif now_s - self._held[0] >= AGAIN_S:
            self._close(cursor, self._held[1])
            self._held = now_s, last
        self._open = self._read(cursor, last)
        return True

    def _close(self, cursor: Any, end: int) -> None:
        if end > self._mark:
            self._closed, self._mark = join_trades((self._closed, self._read(cursor, end))), end

    def _read(self, cursor: Any, end: int) -> TradeRows:
        where = """WHERE mode IN ('paper', 'live') AND account = %(account)s
            AND trade_id > %(mark)s AND trade_id <= %(end)s ORDER BY trade_id"""
        return select_trades(cursor, where, {"account": self._account, "mark": self._mark, "end": end})

    def of(self, version: str) -> TradeRows:
        """Return a version's trades."""
        found = join_trades((self._closed, self._open))
        return found.rows((found.policy == version).nonzero()[0].tolist())

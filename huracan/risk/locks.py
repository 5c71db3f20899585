"""Locks: rows that keep entries out of one coin, or of all, until a time, with a reason; made by rule or by hand."""

import math
from dataclasses import dataclass, replace

__all__ = ["EVERY_SYMBOL", "LockBook", "PairLock"]

EVERY_SYMBOL = "*"


@dataclass(frozen=True, slots=True)
class PairLock:
    """One lock as it is stored; times are ms UTC on the market clock.

    Attributes:
        symbol: ccxt symbol, or `*` for every one.
        since_ms: when it was made.
        until_ms: entries are denied before this; None: until a person lifts it.
        source: the protection, or the person, that made it.
        reason: why, one line, with the figures.
        removed_by: who ended it early; None while it stands. The row stays, so that the rule does not make it again.
    """

    symbol: str
    since_ms: int
    until_ms: int | None
    source: str
    reason: str
    removed_by: str | None = None

    @property
    def ends(self) -> float:
        """Return when it ends, infinity when it ends by hand alone."""
        return math.inf if self.until_ms is None else self.until_ms

    @property
    def lock_id(self) -> str:
        """Return the row's key: the same rule on the same trades makes the same lock."""
        return f"{self.source}:{self.symbol}:{self.until_ms}"

    def active(self, now_ms: int) -> bool:
        """Return True while it keeps entries out."""
        return self.removed_by is None and now_ms < self.ends


@dataclass(frozen=True, slots=True)
class LockBook:
    """Every lock that has not expired; a value, replaced at every change."""

    rows: tuple[PairLock, ...] = ()

    def blocking(self, symbol: str, now_ms: int) -> PairLock | None:
        """Return the lock that keeps entries out of `symbol` the longest, None when there is none."""
        found = [lock for lock in self.rows if lock.symbol in (symbol, EVERY_SYMBOL) and lock.active(now_ms)]
        return max(found, key=lambda lock: (lock.ends, lock.lock_id), default=None)

    def active(self, now_ms: int) -> tuple[PairLock, ...]:
        """Return the locks that stand, in the order of their end."""
        return tuple(sorted((row for row in self.rows if row.active(now_ms)), key=lambda row: (row.ends, row.symbol)))

    def added(self, *locks: PairLock) -> "LockBook":
        """Return the book with `locks`, save those already there (removed ones too) or outlasted by one that stands.

        A lock of a coin is outlasted by one of the same coin; a lock of all coins by one of all coins.
        """
        rows = list(self.rows)
        for lock in locks:
            outlasted = any(
                row.lock_id == lock.lock_id
                or (row.symbol == lock.symbol and row.removed_by is None and row.ends >= lock.ends)
                for row in rows
            )
            if not outlasted:
                rows.append(lock)
        return LockBook(tuple(rows))

    def removed(self, symbol: str, by: str, now_ms: int) -> "LockBook":
        """Return the book after `by` lifted every standing lock of `symbol` (`*`: those of all coins)."""
        return LockBook(
            tuple(
                replace(row, removed_by=by) if row.symbol == symbol and row.active(now_ms) else row for row in self.rows
            )
        )

    def pruned(self, now_ms: int) -> "LockBook":
        """Return the book without what has expired."""
        return LockBook(tuple(row for row in self.rows if now_ms < row.ends))

    def changed_since(self, before: "LockBook") -> tuple[PairLock, ...]:
        """Return the rows to store: those that are new, or were lifted, since `before`."""
        known = set(before.rows)
        return tuple(row for row in self.rows if row not in known)

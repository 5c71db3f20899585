"""Where a trader reads the restrictions of remedies that are in force, and what turns rows into what risk obeys."""

import base64
import binascii
from collections.abc import Mapping
from typing import Any, Final, Protocol

import numpy as np
from sqlalchemy import Engine

from huracan.errors import HuracanError
from huracan.execution.sql_thread import SqlThread
from huracan.memory.remediations import RESTRICTIONS, Remediation, select_remediations
from huracan.patterns.clusters import Clusters, embedding_bytes, embedding_of_bytes
from huracan.risk.live import PausedPattern, Restriction, RestrictionKind

__all__ = ["AccountRestrictions", "MemoryRestrictions", "RestrictionSource", "packed_pattern", "restriction_of"]

_PATTERN: Final = "pattern"


class RestrictionSource(Protocol):
    """Where restrictions are read."""

    async def load(self) -> tuple[Restriction, ...]:
        """Return what is in force, oldest first, expired rows included that nobody has ended yet.

        Raises:
            DatabaseError: the server fails.
        """
        ...

    async def close(self) -> None:
        """Let go of the connection."""
        ...


class MemoryRestrictions:
    """Restrictions in memory, for tests.

    Attributes:
        rows: in force.
    """

    def __init__(self) -> None:
        self.rows: tuple[Restriction, ...] = ()

    async def load(self) -> tuple[Restriction, ...]:
        """See `RestrictionSource`."""
        return self.rows

    async def close(self) -> None:
        """See `RestrictionSource`."""


class AccountRestrictions:
    """Restrictions of one account in Postgres, on a thread of its own so that they never wait for the ledger.

    Args:
        engine: of a database at this version's schema.
        account: its name; rows of no account count for it as well.
        timeout_s: how long a call may take.
    """

    def __init__(self, engine: Engine, account: str, timeout_s: float = 5.0) -> None:
        self._account = account
        self._thread = SqlThread(engine, timeout_s)
        self._known: dict[int, Restriction] = {}

    async def load(self) -> tuple[Restriction, ...]:
        """See `RestrictionSource`; a pattern is read once, its row never changes but for its expiry."""

        def work(cursor: Any) -> tuple[Restriction, ...]:
            cursor.execute(
                """SELECT remediation_id, (extract(epoch FROM expires_at) * 1000)::bigint FROM remediations
                WHERE state = 'applied' AND account IN (%s, '') AND kind = ANY(%s) ORDER BY remediation_id""",
                (self._account, list(RESTRICTIONS)),
            )
            ends: dict[int, int | None] = dict(cursor.fetchall())
            fresh = [number for number, until_ms in ends.items() if not self._is_known(number, until_ms)]
            if fresh:
                where = "WHERE remediation_id = ANY(%(numbers)s)"
                found = select_remediations(cursor, where, {"numbers": fresh})
                self._known |= {row.number: restriction_of(row) for row in found}
            self._known = {number: self._known[number] for number in ends}
            return tuple(self._known.values())

        return await self._thread.call(lambda: self._thread.transact(work))

    def _is_known(self, number: int, until_ms: int | None) -> bool:
        known = self._known.get(number)
        return known is not None and known.until_ms == until_ms

    async def close(self) -> None:
        """See `RestrictionSource`."""
        await self._thread.close()


def restriction_of(row: Remediation) -> Restriction:
    """Return a stored remedy as risk obeys it; a pattern that cannot be read any more is None, which denies."""
    kind = RestrictionKind(row.kind)
    pattern = _pattern(row.after.get(_PATTERN)) if kind is RestrictionKind.PAUSE_PATTERN else None
    return Restriction(row.number, kind, row.subject, row.value, row.expires_ms, row.reason, pattern)


def packed_pattern(pattern: PausedPattern) -> dict[str, Any]:
    """Return a pattern as JSON types, as it stands in a remedy's `after`; the same pattern gives the same values."""
    groups = pattern.groups
    return {
        _PATTERN: {
            "number": pattern.number,
            "layout": pattern.layout,
            "embedding": base64.b64encode(embedding_bytes(groups.embedding)).decode(),
            "centres": base64.b64encode(np.ascontiguousarray(groups.centres, "<f8").tobytes()).decode(),
            "groups": len(groups),
        }
    }


def _pattern(said: Any) -> PausedPattern | None:
    try:
        if not isinstance(said, Mapping):
            return None
        embedding = embedding_of_bytes(base64.b64decode(said["embedding"], validate=True))
        centres = np.frombuffer(base64.b64decode(said["centres"], validate=True), "<f8").astype(np.float64)
        groups = Clusters(embedding, centres.reshape(int(said["groups"]), -1), ())
        number = int(said["number"])
        return PausedPattern(groups, number, int(said["layout"])) if 1 <= number <= len(groups) else None
    except (HuracanError, LookupError, ValueError, TypeError, binascii.Error):
        return None

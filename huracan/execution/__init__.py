"""Execution: what is ordered, what came of it, and the money: one lease holder, one ledger, one protocol.

Values are in `huracan.execution.model`, names in `ids`, checks of a whole account in `invariants` and `replay`.
"""

from huracan.execution.lease import LeaseKeeper
from huracan.execution.memory_store import MemoryDatabase, MemoryStore
from huracan.execution.postgres_store import PostgresStore
from huracan.execution.store import Store

__all__ = ["LeaseKeeper", "MemoryDatabase", "MemoryStore", "PostgresStore", "Store"]

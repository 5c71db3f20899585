"""The store in memory keeps the contract of all stores."""

import pytest

from huracan.execution.memory_store import MemoryDatabase, MemoryStore
from huracan.execution.model import Lease
from huracan.execution.store import Store
from tests.execution.contract import OpenStore, StoreContract
from tests.execution.samples import NOW_MS, awaited


class HandClock:
    """A clock that stands still until it is set."""

    def __init__(self) -> None:
        self.time_ms = NOW_MS

    def now_ms(self) -> int:
        """Return the time it was set to."""
        return self.time_ms


class TestMemoryStore(StoreContract):
    """Everything the contract says."""

    @pytest.fixture
    def opened(self) -> OpenStore:
        """Stores of one database."""
        self.clock = HandClock()
        database = MemoryDatabase(self.clock)
        return lambda: MemoryStore(database, "main")

    async def expire(self, store: Store, lease: Lease) -> None:
        """Let the time pass."""
        self.clock.time_ms = lease.expires_ms

    @awaited
    async def test_accounts_are_apart(self) -> None:
        """Leases and money of one account mean nothing to another."""
        database = MemoryDatabase(HandClock())
        first, second = MemoryStore(database, "a"), MemoryStore(database, "b")
        assert isinstance(await first.acquire("x", 60.0), Lease)
        assert isinstance(await second.acquire("x", 60.0), Lease)

"""Keeping the lease: renewed in time, lost without asking."""

import asyncio

import pytest

from huracan.errors import DatabaseError, FencedError, RefusedError
from huracan.execution.lease import LeaseKeeper
from huracan.execution.memory_store import MemoryDatabase, MemoryStore
from huracan.execution.model import Lease
from tests.execution.samples import awaited


class LoopClock:
    """The loop's time in ms, so that the store and its users live in one time."""

    def now_ms(self) -> int:
        """Return the loop's time."""
        return round(asyncio.get_running_loop().time() * 1000)


class SilentStore(MemoryStore):
    """A store that does not answer renewals while it is silent."""

    silent = False

    async def renew(self, lease: Lease, ttl_s: float) -> Lease:
        """Fail while silent."""
        if self.silent:
            raise DatabaseError("no answer")
        return await super().renew(lease, ttl_s)


def _believed(keeper: LeaseKeeper) -> bool:
    return keeper.valid


@awaited
async def test_a_kept_lease_outlives_its_ttl() -> None:
    """Renewals go on at a third of the time to live, and nobody else gets in meanwhile."""
    database = MemoryDatabase(LoopClock())
    keeper = LeaseKeeper(MemoryStore(database, "main"), "first", 0.3)
    lease = await keeper.acquire(0.0)
    keeping = asyncio.create_task(keeper.keep())
    other = LeaseKeeper(MemoryStore(database, "main"), "second", 0.3)
    with pytest.raises(RefusedError, match="traded by first"):
        await other.acquire(0.8)
    assert _believed(keeper)
    assert keeper.lease.epoch == lease.epoch
    keeping.cancel()
    await keeper.release()
    assert (await other.acquire(0.0)).epoch == lease.epoch + 1
    assert not _believed(keeper)
    with pytest.raises(FencedError, match="holds no lease"):
        _ = keeper.lease


@awaited
async def test_waiting_ends_with_the_lease() -> None:
    """A successor gets it as soon as the predecessor's has expired."""
    database = MemoryDatabase(LoopClock())
    await LeaseKeeper(MemoryStore(database, "main"), "first", 0.2).acquire(0.0)
    assert (await LeaseKeeper(MemoryStore(database, "main"), "second", 0.2).acquire(5.0)).epoch == 2


@awaited
async def test_a_lease_taken_by_another_is_lost() -> None:
    """The keeper ends with `FencedError` at its next renewal."""
    database = MemoryDatabase(LoopClock())
    keeper = LeaseKeeper(MemoryStore(database, "main"), "first", 0.3)
    lease = await keeper.acquire(0.0)
    await MemoryStore(database, "main").release(lease)
    assert isinstance(await MemoryStore(database, "main").acquire("second", 60.0), Lease)
    with pytest.raises(FencedError):
        await asyncio.wait_for(keeper.keep(), 5.0)
    assert not _believed(keeper)


@awaited
async def test_a_silent_store_ends_the_lease_in_time() -> None:
    """Without an answer the lease is believed in as long as it lasts; an answer in between saves it."""
    store = SilentStore(MemoryDatabase(LoopClock()), "main")
    keeper = LeaseKeeper(store, "first", 0.6)
    await keeper.acquire(0.0)
    store.silent = True
    keeping = asyncio.create_task(keeper.keep())
    await asyncio.sleep(0.3)
    assert _believed(keeper)
    store.silent = False
    await asyncio.sleep(0.5)
    assert _believed(keeper)
    assert not keeping.done()
    store.silent = True
    begin_s = asyncio.get_running_loop().time()
    done, _ = await asyncio.wait([keeping], timeout=5.0)
    assert done, "it is still believed in"
    with pytest.raises(FencedError, match="ran out"):
        keeping.result()
    assert asyncio.get_running_loop().time() - begin_s < 2.0
    assert not _believed(keeper)

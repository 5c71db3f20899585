"""Keeping the lease: acquire it, renew it in time, and know without asking when it can no longer be relied on.

The store fences every write by epoch, so a holder that was paused cannot write, nor send what must be written first.
This here is the earlier line of defence: a holder whose lease ran out stops by itself. It counts from before each
request on the loop's monotonic clock, so that it never believes in its lease longer than the store does.
"""

import asyncio

from huracan.errors import DatabaseError, FencedError, RefusedError
from huracan.execution.model import Held, Lease
from huracan.execution.store import Store

__all__ = ["LeaseKeeper"]

RENEWALS_PER_TTL = 3
POLL_S = 0.5


class LeaseKeeper:
    """One holder's lease of one account.

    Args:
        store: of the account.
        holder: who, for people: host, process.
        ttl_s: for how long each renewal holds.
    """

    def __init__(self, store: Store, holder: str, ttl_s: float) -> None:
        self._store = store
        self._holder = holder
        self._ttl_s = ttl_s
        self._lease: Lease | None = None
        self._until_s = 0.0

    @property
    def lease(self) -> Lease:
        """Return the lease, to be stated with writes.

        Raises:
            FencedError: it was never acquired, was released, or was lost.
        """
        if self._lease is None:
            raise FencedError(f"{self._holder} holds no lease of {self._store.account}")
        return self._lease

    @property
    def valid(self) -> bool:
        """Return whether nobody else can have acquired it yet."""
        return self._lease is not None and asyncio.get_running_loop().time() < self._until_s

    async def acquire(self, wait_s: float) -> Lease:
        """Take the lease, waiting up to `wait_s` for the present holder to release it or to let it expire.

        Raises:
            RefusedError: someone else still has it.
            DatabaseError: the store does not answer.
        """
        loop = asyncio.get_running_loop()
        give_up_s = loop.time() + wait_s
        while True:
            asked_s = loop.time()
            found = await self._store.acquire(self._holder, self._ttl_s)
            if isinstance(found, Lease):
                self._lease, self._until_s = found, asked_s + self._ttl_s
                return found
            if loop.time() >= give_up_s:
                raise _refusal(self._store.account, found)
            await asyncio.sleep(min(POLL_S, max(give_up_s - loop.time(), 0.0)))

    async def keep(self) -> None:
        """Renew until cancelled; a store that does not answer is asked again as long as the lease lasts.

        Raises:
            FencedError: the lease is lost: someone else has it, or it ran out without an answer. Stop at once.
        """
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(self._ttl_s / RENEWALS_PER_TTL)
            asked_s = loop.time()
            try:
                self._lease = await self._store.renew(self.lease, self._ttl_s)
                self._until_s = asked_s + self._ttl_s
            except FencedError:
                self._lease = None
                raise
            except DatabaseError as error:
                if not self.valid:
                    self._lease = None
                    raise FencedError(
                        f"the lease of {self._store.account} ran out, the store is silent: {error}"
                    ) from None

    async def release(self) -> None:
        """Let others have it at once; call it when nothing is in flight any more."""
        lease, self._lease = self._lease, None
        if lease is not None:
            await self._store.release(lease)


def _refusal(account: str, held: Held) -> RefusedError:
    return RefusedError(
        f"account {account} is traded by {held.holder} (epoch {held.epoch}, lease for {held.remaining_ms / 1000:.1f} s "
        "more); stop it, or wait until its lease has expired"
    )

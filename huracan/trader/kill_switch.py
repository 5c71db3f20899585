"""The kill switch from outside: halt in the database, nothing resting at the venue, and the proof of it.

A running trader obeys the database within a second. Whatever still rests a moment later is cancelled from here, and so
is everything when no trader holds the account: the lease is taken for that time, so that none starts in between. A
database that is away does not stop the cancelling; it is said at the end.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from huracan.clock import Clock
from huracan.errors import DatabaseError, InvariantError, VenueError
from huracan.execution.model import Held, Lease
from huracan.execution.states import write_state
from huracan.execution.store import Store
from huracan.logs import get_logger
from huracan.risk.live import TradingState
from huracan.trader.status import Holding, holdings
from huracan.venue.orders import Accepted, VenueList, VenueOrder
from huracan.venue.protocol import TradingVenue

__all__ = ["Halted", "halt_account"]

OBEYED_S = 2.0
"""How long a running trader may take to obey the database; its orders may still arrive until then."""
_PAUSE_S = 0.3
_LEASE_MARGIN_S = 10.0


@dataclass(frozen=True, slots=True)
class Halted:
    """What a halt has come to.

    Attributes:
        proven: the venue showed no open order or list of the account's markets; without a database those that were
            named, and never when the database went away before it told the others.
        stored: the database holds the state; otherwise a trader that runs or starts knows nothing of it.
        holder: who trades the account; None: nobody.
        canceled: orders and lists whose cancel the venue took from here.
        open: what still rests, as far as known.
        markets: what was looked at.
        held: coins in whole steps, as the ledger has them at the end; None: the database does not say.
        problem: the last thing that went wrong, "" when nothing did.
    """

    proven: bool
    stored: bool
    holder: str | None
    canceled: int
    open: tuple[str, ...]
    markets: tuple[str, ...]
    held: tuple[Holding, ...] | None
    problem: str


async def halt_account(
    store: Store | None,
    venue: TradingVenue,
    symbols: Collection[str],
    author: str,
    reason: str,
    clock: Clock,
    limit_s: float,
    steps: Callable[[], Awaitable[Mapping[str, Decimal]]],
) -> Halted:
    """Halt an account and prove it.

    Args:
        store: of the account; None: the database is away.
        venue: the account at the venue.
        symbols: markets to look at beside those that the database knows.
        author: who; a person.
        reason: why.
        clock: wall clock.
        limit_s: longest time for the proof.
        steps: reads the quantity steps by market, to leave out dust; asked at the end.
    """
    switch = _Switch(store, venue, set(symbols))
    await switch.write(author, reason, clock.now_ms(), limit_s)
    try:
        proven = await switch.clear(limit_s) and not switch.blind
        held = await switch.held(steps)
    finally:
        await switch.release()
    return Halted(
        proven,
        switch.stored,
        switch.holder,
        len(switch.canceled),
        tuple(sorted(switch.resting)),
        tuple(sorted(switch.symbols)),
        None if held is None else tuple(replace(row, protected=row.protected and not proven) for row in held),
        "" if proven and switch.stored else switch.problem,
    )


class _Switch:
    def __init__(self, store: Store | None, venue: TradingVenue, symbols: set[str]) -> None:
        self.symbols, self.stored = symbols, False
        self.canceled: set[str] = set()
        self.blind = False  # the halt is stored, and which markets the account has is not known
        self.holder: str | None = None
        self.resting: set[str] = set()
        self.problem = "the database is away"
        self._store, self._venue = store, venue
        self._lease: Lease | None = None
        self._started_s = asyncio.get_running_loop().time()

    async def write(self, author: str, reason: str, at_ms: int, limit_s: float) -> None:
        """Write the state, see who trades, and learn the account's markets."""
        if self._store is None:
            return
        try:
            await write_state(self._store, TradingState.HALTED, author, reason, at_ms)
            self.stored, self.problem = True, ""
            found = await self._store.acquire("huracan halt", limit_s + _LEASE_MARGIN_S)
            if isinstance(found, Held):
                self.holder = found.holder
            else:
                self._lease = found
            snapshot = await self._store.load()
            self.symbols |= {*snapshot.slots, *snapshot.cursors, *snapshot.positions}
            self.symbols |= {order.draft.symbol for order in snapshot.orders.values()}
        except (DatabaseError, InvariantError) as error:  # orders are cancelled all the same
            self.problem, self.blind = str(error), self.stored
            get_logger().error("halt.database", reason=str(error))

    async def clear(self, limit_s: float) -> bool:
        """Cancel until nothing rests; returns whether that was seen in time."""
        loop = asyncio.get_running_loop()
        while True:
            alone = self._lease is not None or loop.time() - self._started_s >= OBEYED_S
            try:
                found = await self._look()
                if not found and alone:
                    return True
                if alone:
                    await self._cancel(found)
            except VenueError as error:
                self.problem = str(error)
                get_logger().error("halt.venue", reason=str(error))
            if loop.time() - self._started_s >= limit_s:
                return False
            await asyncio.sleep(_PAUSE_S)

    async def _look(self) -> tuple[VenueOrder | VenueList, ...]:
        lists = await self._venue.open_lists()
        self.symbols |= {row.symbol for row in lists if "/" in row.symbol}
        orders = [order for symbol in sorted(self.symbols) for order in await self._venue.open_orders(symbol)]
        listed = {cid for row in lists for cid in row.cids}
        single = [order for order in orders if order.cid not in listed]
        self.resting = {row.list_cid for row in lists} | {order.cid for order in single}
        return (*lists, *single)

    async def _cancel(self, found: tuple[VenueOrder | VenueList, ...]) -> None:
        for row in found:
            if isinstance(row, VenueList):
                cid, outcome = row.list_cid, await self._venue.cancel_oco(row.symbol, row.list_cid)
            else:
                cid, outcome = row.cid, await self._venue.cancel(row.symbol, row.cid)
            if isinstance(outcome, Accepted):
                self.canceled.add(cid)

    async def held(self, steps: Callable[[], Awaitable[Mapping[str, Decimal]]]) -> tuple[Holding, ...] | None:
        """Return what is held in the end, None when the database does not say."""
        if self._store is None or not self.stored or self.blind:
            return None
        try:
            return holdings(await self._store.load(), await steps())
        except DatabaseError as error:
            get_logger().error("halt.database", reason=str(error))
            return None

    async def release(self) -> None:
        """Let others have the account."""
        if self._lease is not None and self._store is not None:
            try:
                await self._store.release(self._lease)
            except DatabaseError as error:
                get_logger().warning("halt.lease_left", reason=str(error))

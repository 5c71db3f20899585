"""The start: one path for the first start, a restart and a crash; it ends in agreement, or in a refusal."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Protocol

from huracan.clock import Clock
from huracan.errors import RefusedError
from huracan.execution.desk import Desk
from huracan.execution.grid import Grid
from huracan.execution.ids import next_child
from huracan.execution.journal import Journal
from huracan.execution.lease import LeaseKeeper
from huracan.execution.model import Alarm, AlarmCode, OrderFact, Record, Snapshot, Status, Trigger
from huracan.execution.positions import Position
from huracan.execution.reconcile import (
    UNEXPLAINED,
    Difference,
    adopt,
    balance_differences,
    filter_differences,
    opening_transfers,
    orders_of,
    position_difference,
    strangers,
)
from huracan.execution.resolver import Resolver
from huracan.execution.store import Store
from huracan.execution.working import Works
from huracan.logs import get_logger
from huracan.trading import Instrument, KernelSettings
from huracan.venue.protocol import TradingVenue

__all__ = ["Starter", "Tradable"]

_LOOKS_MAX = 5
_LOOK_AGAIN_S = 5.0


class Tradable(Protocol):
    """What the start needs to know of a market."""

    @property
    def instrument(self) -> Instrument:
        """Return grid and fees."""
        ...

    @property
    def settings(self) -> KernelSettings:
        """Return the kernel's settings."""
        ...


class Starter:
    """Reconciles one account; used once.

    Args:
        store: of the account.
        venue: the account at the venue.
        keeper: the lease, held.
        journal: books.
        clock: wall clock.
        resolver: decides about orders whose fate is unknown.
    """

    def __init__(
        self,
        store: Store,
        venue: TradingVenue,
        keeper: LeaseKeeper,
        journal: Journal,
        clock: Clock,
        resolver: Resolver,
    ) -> None:
        self.desks: dict[str, Desk] = {}
        self._store, self._venue, self._keeper = store, venue, keeper
        self._journal, self._clock, self._resolver = journal, clock, resolver

    async def run(
        self,
        markets: Mapping[str, Tradable],
        new_desk: Callable[[str, Position, Works], Desk],
        accept_balances: bool,
        limit_s: float,
    ) -> Snapshot:
        """Reconcile and return what the store holds afterwards.

        Args:
            markets: what is to be traded.
            new_desk: makes a desk from a position and its children.
            accept_balances: book balances that differ as transfers.
            limit_s: longest time for the questions to the venue.

        Raises:
            RefusedError: the books do not agree; every reason is named.
        """
        await self._journal.recover()
        await self._venue.sync_clock()
        await self._check_filters(markets)
        snapshot = await self._store.load()
        self._journal.follow(snapshot.slots.values())
        self._check_markets(snapshot, markets)
        for symbol, market in markets.items():
            await self._open(symbol, market, snapshot, new_desk)
        try:
            async with asyncio.timeout(limit_s):
                await asyncio.gather(*(self._settle(desk) for desk in self.desks.values()))
        except TimeoutError:
            raise RefusedError(
                f"{self._store.account}: the fate of orders is still unknown after {limit_s:.0f} s; start again"
            ) from None
        await self._check_money(accept_balances)
        return await self._store.load()

    async def _check_filters(self, markets: Mapping[str, Tradable]) -> None:
        found = await self._venue.instruments(tuple(markets))
        self._refuse(
            [words for symbol, row in found.items() for words in filter_differences(_of(markets, symbol), row)]
        )

    def _check_markets(self, snapshot: Snapshot, markets: Mapping[str, Tradable]) -> None:
        """Refuse to leave a market alone in which something is held or at work."""
        busy = {order.draft.symbol for order in snapshot.orders.values() if not order.complete}
        busy |= {symbol for symbol, position in snapshot.positions.items() if position.holding > 0}
        missing = [symbol for symbol in sorted(busy - set(markets)) if self._matters(snapshot, symbol)]
        self._refuse(
            [f"{symbol}: something is held or ordered there; start with this market too" for symbol in missing]
        )

    @staticmethod
    def _matters(snapshot: Snapshot, symbol: str) -> bool:
        return symbol in snapshot.slots or any(order.draft.symbol == symbol for order in snapshot.orders.values())

    async def _open(
        self,
        symbol: str,
        market: Tradable,
        snapshot: Snapshot,
        new_desk: Callable[[str, Position, Works], Desk],
    ) -> None:
        """Rebuild a desk from slot and orders; what was written down and never marked as sent is abandoned."""
        grid, base_ms = Grid.of(market.instrument), market.settings.base_ms
        row = snapshot.slots.get(symbol)
        position = Position(grid, base_ms) if row is None else Position.from_bytes(row.data, grid, base_ms)
        works = Works(snapshot.cursors.get(symbol))
        desk = self.desks[symbol] = new_desk(symbol, position, works)
        desk.planner.kept_bar = -1 if row is None else row.bar_no
        orders = orders_of(snapshot, symbol)
        works.by_key.update(adopt(desk.planner, grid, orders))
        for order in orders:
            if order.status is Status.SUBMITTED and order.sent_ms is None:
                ref = order.draft.ref
                works.by_key.pop(ref, None)
                desk.planner.on_never_arrived(ref)
        facts = tuple(
            OrderFact(order.cid, Trigger.ABANDON, self._clock.now_ms(), reason="never sent")
            for order in orders
            if order.status is Status.SUBMITTED and order.sent_ms is None
        )
        desk.remember(position.to_bytes() if row is not None and not facts else b"")
        if facts:
            await desk.note(facts)
        if int(position.slot.want) > 0:
            written = await self._store.children(position.entry_intent)
            desk.planner.forget_unwritten(next_child(order.cid for order in written))
        if works.cursor is None and not orders:
            newest = await self._venue.trades(symbol, limit=1)  # what happened before our time is in the balances
            works.cursor = newest[-1].trade_id if newest else "0"
            await self._journal.book(Record(cursors={symbol: works.cursor}))

    async def _settle(self, desk: Desk) -> None:
        """Ask after everything that is not over, and for every trade since the cursor."""
        trades = list(await desk.new_trades())
        for work in desk.alive:  # what is booked of them must be known by id, wherever the cursor stands
            for venue_id in [leg.venue_id for leg in work.legs.values() if leg.venue_id is not None]:
                trades += await self._venue.trades(desk.symbol, venue_id=venue_id)
        fills = desk.works.fills_of(trades)
        unseen = {fill.key for fill in await self._store.unseen(fills)}
        desk.works.seen.update({fill.trade_id: fill for fill in fills if fill.key not in unseen})
        unknown = [work.key for work in desk.alive if not await desk.inquire(work.key)]
        # together: a trade that nobody owns yet keeps one from being absent, and may belong to another
        await asyncio.gather(*(self._resolver.resolve(desk, key) for key in unknown))
        await desk.poll()
        foreign = strangers(desk, await self._venue.open_orders(desk.symbol))
        if foreign:
            await desk.take(orders=foreign)

    async def _check_money(self, accept_balances: bool) -> None:
        snapshot, found = await self._compare()
        for _ in range(_LOOKS_MAX):
            if not found or not snapshot.balances:
                break
            await asyncio.sleep(_LOOK_AGAIN_S)  # a fill between two questions, or one the venue shows late, is no money
            for desk in self.desks.values():
                await desk.poll()
            before, (snapshot, found) = found, await self._compare()
            if found == before:
                break
        reasons = []
        if found and (accept_balances or not snapshot.balances):
            reason = "accepted at the start" if snapshot.balances else "opening balance"
            transfers = opening_transfers(found, reason, self._clock.now_ms())
            await self._store.record(self._keeper.lease, Record(transfers=transfers))
            get_logger().info("start.transfers", count=len(transfers), reason=reason)
        elif found:
            reasons += [*(row.words for row in found), UNEXPLAINED]
        for symbol, desk in self.desks.items():
            difference = position_difference(desk, snapshot.positions.get(symbol))
            if difference is not None:
                reasons.append(difference.words)
                alarm = Alarm(AlarmCode.SLOT_MISMATCH, symbol, self._clock.now_ms(), difference.words)
                await self._journal.book(Record(alarms=(alarm,)))
        self._refuse(reasons)

    async def _compare(self) -> tuple[Snapshot, tuple[Difference, ...]]:
        """Return the store's picture, and how its balances differ from the venue's."""
        snapshot, theirs = await self._store.load(), await self._venue.balances()
        assets = {asset for desk in self.desks.values() for asset in desk.planner.position.grid.assets}
        opening = set() if snapshot.balances else set(theirs)  # whatever may pay a fee one day
        return snapshot, balance_differences(snapshot.balances, theirs, assets | set(snapshot.balances) | opening)

    def _refuse(self, reasons: list[str]) -> None:
        if reasons:
            raise RefusedError(f"{self._store.account} is not traded: " + "; ".join(reasons))


def _of(markets: Mapping[str, Tradable], symbol: str) -> Instrument:
    return markets[symbol].instrument

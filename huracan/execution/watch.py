"""The watch: what the engine looks after between closes; orders, trades, strangers, balances, and the trading state."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import Any

from huracan.clock import Clock
from huracan.errors import DatabaseError, VenueError
from huracan.execution.desk import Desk
from huracan.execution.journal import Journal
from huracan.execution.model import Alarm, AlarmCode, Record
from huracan.execution.ports import EngineSettings
from huracan.execution.reconcile import balance_differences
from huracan.execution.store import Store
from huracan.logs import get_logger
from huracan.venue.protocol import TradingVenue

__all__ = ["Watch"]


class Watch:
    """Asks periodically; a venue or a store that is away is asked again at the next turn.

    Args:
        desks: by market.
        venue: the account at the venue.
        store: of the account.
        journal: flushed when it is blocked.
        clock: wall clock.
        settings: the periods.
        follow: brings store and engine to one trading state.
        reduce: asked to let positions only shrink, with the reason.
    """

    def __init__(
        self,
        desks: Mapping[str, Desk],
        venue: TradingVenue,
        store: Store,
        journal: Journal,
        clock: Clock,
        settings: EngineSettings,
        follow: Callable[[], Awaitable[None]],
        reduce: Callable[[str, str], Awaitable[None]],
    ) -> None:
        self._desks, self._venue, self._store, self._journal = desks, venue, store, journal
        self._clock, self._settings, self._follow, self._reduce = clock, settings, follow, reduce
        self._strikes: dict[str, int] = {}

    def loops(self) -> tuple[Coroutine[Any, Any, None], ...]:
        """Return what watches until it is cancelled.

        The trading state has a loop of its own: a venue that asks to wait for minutes must not delay a halt, nor a
        halt the journal.
        """
        settings = self._settings
        asked = (
            (settings.orders_s, self._ask_orders),
            (settings.trades_s, self._ask_trades),
            (settings.balances_s, self.compare_balances),
        )
        return (
            self._repeat(((settings.watch_s, self._follow),)),
            self._repeat(((settings.watch_s, self.flush),)),
            self._repeat(asked),
        )

    async def _repeat(self, turns: Sequence[tuple[float, Callable[[], Awaitable[None]]]]) -> None:
        loop = asyncio.get_running_loop()
        due_s = [loop.time() + period_s for period_s, _ in turns]
        while True:
            await asyncio.sleep(max(0.0, min(due_s) - loop.time()))
            for number, (period_s, turn) in enumerate(turns):
                if loop.time() >= due_s[number]:
                    due_s[number] = loop.time() + period_s
                    try:
                        await turn()
                    except (VenueError, DatabaseError, TimeoutError) as error:
                        get_logger().warning("watch.waits", turn=getattr(turn, "__name__", ""), reason=str(error))

    async def flush(self) -> None:
        """Book what waits for the store, and go on where it held everything up."""
        if self._journal.blocked and await self._journal.flush():
            await asyncio.gather(*(desk.settle() for desk in self._desks.values()))

    async def _ask_orders(self) -> None:
        for desk in self._desks.values():
            if not desk.quiet:
                await desk.poll()

    async def _ask_trades(self) -> None:
        for desk in self._desks.values():
            await desk.take(await self._venue.open_orders(desk.symbol), await desk.new_trades())

    async def compare_balances(self) -> None:
        """Compare the ledger's balances with the venue's; a difference that stays reduces trading."""
        if self._journal.blocked or not all(desk.planner.settled for desk in self._desks.values()):
            return
        theirs, snapshot = await self._venue.balances(), await self._store.load()
        assets = {asset for desk in self._desks.values() for asset in desk.planner.position.grid.assets}
        found = balance_differences(snapshot.balances, theirs, assets | set(snapshot.balances))
        self._strikes = {row.what: self._strikes.get(row.what, 0) + 1 for row in found}
        for row in found:
            if self._strikes[row.what] == self._settings.balance_strikes:
                alarm = Alarm(AlarmCode.BALANCE_MISMATCH, "", self._clock.now_ms(), row.words)
                await self._journal.book(Record(alarms=(alarm,)))
                await self._reduce("engine", row.words)

"""An account book over a real engine in virtual time, and risk that looks at nothing else."""

from dataclasses import replace
from typing import Any, Self

from huracan.clock import MarketClock
from huracan.config import RiskSettings
from huracan.execution.engine import Engine
from huracan.execution.failpoints import no_failpoints
from huracan.execution.ports import Market
from huracan.risk.live import AccountResult, Breaker, GateLimits, HaltPolicy, OrderRate, RiskGate, RiskKeeper
from huracan.trader.account_book import AccountBook, Feed, Ledgered
from huracan.trader.guard import FIRST_STATE
from huracan.trader.pulse import MemoryPulse, Pulse
from huracan.trader.watched_venue import WatchedVenue
from tests.execution.made import close_at
from tests.execution.world import World
from tests.paper.world import BASE_MS, START_MS
from tests.risk.cases import FILTERS
from tests.trader.away import DistantStore

__all__ = ["Booked"]


class Booked:
    """One account of one market, put together as a trader is; the engine is not started.

    Args:
        world: exchange and database.
        kept: what an earlier process left.
        holder: name in the lease.
        risk: limits in USDT, at most one bar of age for a price.
    """

    def __init__(self, world: World, kept: Ledgered | None = None, holder: str = "one", **risk: Any) -> None:
        self.world, self.store, self.inner = world, DistantStore(world.store()), world.venue()
        settings = RiskSettings(**risk)
        self.limits = GateLimits.of(settings, BASE_MS)
        self.market, self.fresh = MarketClock(START_MS + BASE_MS), Feed(world.clock)
        self.pulse = Pulse(MemoryPulse(), world.clock, "never", 30.0)
        self.keeper = RiskKeeper(
            gate=RiskGate(self.limits),
            breaker=Breaker(settings, self.limits.money),
            breaker_policy=HaltPolicy.CANCEL,
            rate=OrderRate.of(settings),
            look=lambda: self.book.look(),
            state=FIRST_STATE,
        )
        self.venue = WatchedVenue(
            self.inner, world.clock, lambda _: None, self.keeper.begun, lambda _: None, self._silence
        )
        self.engine = Engine(
            markets={world.symbol: Market(world.market.instrument, world.settings)},
            venue=self.venue,
            store=self.store,  # type: ignore[arg-type]
            clock=world.clock,
            risk=self.keeper,
            settings=world.engine_settings,
            holder=holder,
            folder=world.folder,
            failpoints=no_failpoints,
        )
        self.book = AccountBook(
            self.engine.desks,
            {world.symbol: world.market.instrument},
            {world.symbol: replace(FILTERS, symbol=world.symbol)},
            self.limits.money,
            self.market,
            self.venue,
            self.fresh,
            self.pulse,
            kept,
            lambda: {row.key for row in self.keeper.reservations.rows},
        )

    def _silence(self, until_ms: int) -> None:
        self.fresh.silent_until_ms = until_ms

    @classmethod
    async def open(cls, world: World, **how: Any) -> Self:
        """Return an account whose engine has started and seen the close of the world's row."""
        found = cls(world, **how)
        await found.engine.start()
        await found.close()
        return found

    async def close(self) -> AccountResult | None:
        """Carry out the close of the world's row as the trader does, up to the day's result."""
        self.fresh.heard_ms = self.world.clock.now_ms()
        close = self.world.close()
        self.market.advance((close.bar.number + 1) * BASE_MS)
        self.book.mark({self.world.symbol: close}, self.market.now_ms())
        await self.engine.on_close({self.world.symbol: close})
        await self.book.refresh(self.store)  # type: ignore[arg-type]
        return self.book.close_day()

    async def buy(self) -> None:
        """Buy what a normal entry buys and rest the bracket."""
        verdicts = await self.engine.on_intents([self.world.intent(2)])
        assert all(verdict is not None and hasattr(verdict, "reservation") for verdict in verdicts.values()), verdicts
        await self.engine.quiesce()
        await self.book.refresh(self.store)  # type: ignore[arg-type]

    def priced(self, ticks: int, close_ms: int) -> AccountResult | None:
        """Let a bar close at a price without the venue, and return the day's result."""
        self.market.advance(close_ms)
        self.book.mark({self.world.symbol: close_at(ticks)}, close_ms)
        return self.book.close_day()

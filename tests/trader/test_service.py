"""The trader: decisions become trades, faults of the world are waited for, and what it is told to stop it stops."""

import asyncio
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from huracan.clock import WallClock
from huracan.errors import DatabaseError, FencedError
from huracan.execution.ids import intent_id
from huracan.execution.memory_store import MemoryStore
from huracan.execution.model import IntentKind, IntentStatus, Lease, Lock, Snapshot
from huracan.execution.states import write_state
from huracan.paper import FaultKind, ScriptedFault
from huracan.risk.live import TradingState
from huracan.trader.service import Trader
from huracan.trader.views import AccountState, MemoryViews
from huracan.trader.wiring import open_trader
from tests.trader.inside import SYMBOL, Inside, inside, really
from tests.trader.processes import ROUND_TRIPS


class Flaky(MemoryStore):
    """A store that can be away."""

    away = False

    async def load(self) -> Snapshot:
        """Read everything, or fail."""
        if self.away:
            raise DatabaseError("the database is away")
        return await super().load()


def test_decisions_become_closed_trades_of_mode_paper(tmp_path: Path) -> None:
    """Round trips end up in the trade memory under the script's name; entries at work do not outlive the stop."""

    async def steps() -> None:
        async with inside(tmp_path) as world:
            async with world.trading(ROUND_TRIPS) as trader:
                begun = trader.market_ms
                await world.until("two trades", lambda: len(world.exchange.trades("main")) >= 8)
                await world.until("ten closes", lambda: trader.market_ms >= begun + 600_000)
            rows = await world.store.closed_trades(0)
            assert len(rows) >= 2
            assert set(rows.mode) == {"paper"}
            assert {name.partition("-")[0] for name in rows.policy} == {"script"}
            assert all(row["side"] == "SELL" for row in world.resting())
            ours = {fill.trade_id for fill in (await world.store.log()).fills}
            assert ours == {str(row["id"]) for row in world.exchange.trades("main")}

    really(steps)


def test_a_store_that_is_away_denies_and_trading_goes_on_afterwards(tmp_path: Path) -> None:
    """As long as the account is unknown no entry goes out."""

    async def steps() -> None:
        async with inside(tmp_path) as world:
            store = Flaky(world.database, "main")
            async with open_trader(world.setup(store=store)) as trader:
                store.away, begun, stop = True, trader.market_ms, asyncio.Event()
                running = asyncio.ensure_future(trader.run(stop))
                await world.until("four closes", lambda: trader.market_ms >= begun + 240_000)
                assert world.exchange.trades("main") == []
                denied = await store.intent(intent_id("main", SYMBOL, begun + 60_000, IntentKind.ENTER))
                assert denied is not None
                assert (denied.status, denied.code) == (IntentStatus.DENIED, "STATE_UNKNOWN")
                store.away = False
                await world.until("an entry", lambda: world.exchange.trades("main"))
                stop.set()
                await running

    really(steps)


def test_a_lost_lease_ends_it_and_nothing_more_is_sent(tmp_path: Path) -> None:
    """Someone else has the account: the fault is raised, orders at the venue stay as they are."""

    async def steps() -> None:
        async with inside(tmp_path) as world, open_trader(world.setup()) as trader:
            running = asyncio.ensure_future(trader.run(asyncio.Event()))
            await world.until("a bracket", world.resting)
            world.database.tables("main").lease = None
            assert isinstance(await world.store.acquire("someone else", 60.0), Lease)
            with pytest.raises(FencedError):
                await asyncio.wait_for(running, 10.0)
            assert len(world.resting()) == 2

    really(steps)


def test_a_row_in_the_store_halts_it_within_a_second_and_resumes_it(tmp_path: Path) -> None:
    """A person's halt clears the book; the resume brings the bracket back."""

    async def steps() -> None:
        async with inside(tmp_path) as world, world.trading() as trader:
            await world.until("a bracket", world.resting)
            await write_state(world.store, TradingState.HALTED, "anna@home", "a test", 1)
            await world.until("nothing resting", lambda: not world.resting(), 2.0)
            assert trader.state is TradingState.HALTED
            await write_state(world.store, TradingState.ACTIVE, "anna@home", "all well", 2)
            await world.until("the bracket again", world.resting, 5.0)

    really(steps)


def test_a_lock_in_the_store_is_obeyed_while_it_stands(tmp_path: Path) -> None:
    """Written by another process; entries wait until it is ended."""

    async def steps() -> None:
        async with inside(tmp_path) as world:
            lock = await world.store.put_lock(Lock(SYMBOL, "MANUAL", "a test", "anna@home", 0, None))
            async with world.trading() as trader:
                begun = trader.market_ms
                await world.until("three closes", lambda: trader.market_ms >= begun + 180_000)
                assert world.exchange.trades("main") == []
                assert await world.store.end_lock(lock.lock_id, "anna@home", "enough", 1)
                await world.until("an entry", lambda: world.exchange.trades("main"))

    really(steps)


def test_old_data_trips_although_the_venue_wants_silence(tmp_path: Path) -> None:
    """The comparison of the clocks waits for a minute, and no candle comes: the halt is stored long before."""

    async def steps() -> None:
        stale = {"risk__breaker_triggers": ["stale_data"], "risk__breaker_feed_age_s": 2.0}
        async with inside(tmp_path, **stale) as world, open_trader(world.setup(bar_s=0.25)) as trader:
            world.exchange.script(ScriptedFault(FaultKind.RATE_LIMITED, "GET /api/v3/time", how="60"))
            running = asyncio.ensure_future(trader.run(asyncio.Event()))
            row = (await world.until("a halt", lambda: world.database.tables("main").states))[-1]
            assert (row.author, row.reason.split()[1]) == ("breaker", "stale_data")
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    really(steps)


def test_a_bar_longer_than_the_limit_is_not_late_before_it_is_due(tmp_path: Path) -> None:
    """Closes come every three seconds, half of which is the limit: nothing halts, and entries are let through."""

    async def steps() -> None:
        limits = {"risk__breaker_feed_age_s": 1.5, "risk__feed_age_max_s": 1.5}
        async with inside(tmp_path, speed=20.0, **limits) as world, world.trading(bar_s=3.0) as trader:
            begun = trader.market_ms
            await world.until("three closes", lambda: trader.market_ms >= begun + 180_000)
            assert [row.reason for row in world.database.tables("main").states] == []
            assert world.exchange.trades("main") != []

    really(steps)


async def closes(world: Inside, trader: Trader, count: int) -> None:
    """Wait for this many closes more."""
    begun = trader.market_ms
    await world.until(f"{count} closes", lambda: trader.market_ms >= begun + count * 60_000)


async def with_peak(world: Inside, peak: str) -> None:
    """Let the account have been worth more once."""
    state = await world.views.load()
    assert state is not None
    await world.views.keep(replace(state, peak=Decimal(peak)))


async def drawdown_trips(world: Inside) -> int:
    """Return how often the drawdown has halted the account."""
    rows = await world.store.state_history()
    return sum((row.author, row.reason.split()[1]) == ("breaker", "drawdown") for row in rows)


def test_a_persons_resume_from_a_drawdown_lasts_and_a_new_drawdown_trips_again(tmp_path: Path) -> None:
    """The next closes do not trip, nor those after a restart; a fall from a new peak does, and is resumed too."""

    async def steps() -> None:
        async with inside(tmp_path, risk__breaker_triggers=["drawdown"]) as world:
            async with world.trading() as trader:
                await closes(world, trader, 1)
            await with_peak(world, "200000")
            async with world.trading() as trader:
                await world.until("a halt", lambda: trader.state is TradingState.HALTED)
                await world.until("its row", lambda: world.database.tables("main").states)
                await write_state(world.store, TradingState.ACTIVE, "anna@home", "goes on", WallClock().now_ms())
                await world.until("the resume", lambda: trader.state is TradingState.ACTIVE)
                await closes(world, trader, 4)
                assert (trader.state, await drawdown_trips(world)) == (TradingState.ACTIVE, 1)
            state = await world.views.load()
            assert state is not None
            assert state.peak < 110_000
            rebased = state.report["peak_rebased"]
            assert (rebased["author"], rebased["reason"], rebased["before"]) == ("anna@home", "goes on", "200000")
            async with world.trading() as trader:
                await closes(world, trader, 4)
                assert (trader.state, await drawdown_trips(world)) == (TradingState.ACTIVE, 1)
            await with_peak(world, "300000")
            async with world.trading() as trader:
                await world.until("a second halt", lambda: trader.state is TradingState.HALTED)
                await world.until("its row", lambda: len(world.database.tables("main").states) == 3)
                assert await drawdown_trips(world) == 2
            await write_state(world.store, TradingState.ACTIVE, "anna@home", "once more", WallClock().now_ms())
            async with world.trading() as trader:  # resumed while nobody traded
                await closes(world, trader, 4)
                assert (trader.state, await drawdown_trips(world)) == (TradingState.ACTIVE, 2)

    really(steps)


class AwayViews(MemoryViews):
    """Views that take nothing while they are away."""

    away = True

    async def keep(self, state: AccountState) -> None:
        """See `Views`."""
        if self.away:
            raise DatabaseError("the database is away")
        await super().keep(state)


def test_a_view_that_was_refused_at_a_close_is_written_before_the_next_one(tmp_path: Path) -> None:
    """A bar takes a minute here: whoever watches the account must not read silence from it until then."""

    async def steps() -> None:
        async with inside(tmp_path, speed=1.0) as world:
            views = AwayViews()
            async with open_trader(world.setup(views=views)) as trader:
                stop = asyncio.Event()
                running = asyncio.ensure_future(trader.run(stop))
                await asyncio.sleep(1.0)
                assert await views.load() is None
                views.away, begun = False, trader.market_ms
                async with asyncio.timeout(5.0):
                    while await views.load() is None:
                        await asyncio.sleep(0.05)
                assert trader.market_ms == begun
                stop.set()
                await running

    really(steps)

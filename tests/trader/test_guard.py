"""The guard: outcomes reach the breaker, trades reach the protections, and rows of the store mean what they say."""

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from huracan.config import RiskSettings
from huracan.execution.model import Lock, StateChange
from huracan.execution.states import write_state
from huracan.execution.store import Store
from huracan.paper import Faults, Request
from huracan.risk.live import BalanceCheck, HaltPolicy, TradingState
from huracan.trader.guard import FIRST_STATE, Guard, beyond_model_bps, pair_lock, state_row, traded
from huracan.trader.performer import EnginePerformer
from huracan.trader.restricting import MemoryRestrictions
from huracan.trading import ExitReason
from huracan.venue.klines import Kline
from tests.execution.samples import closed_trades
from tests.execution.scenes import PATIENT, scene
from tests.execution.world import virtually
from tests.paper.world import BASE_MS
from tests.trader.booked import Booked
from tests.trader.inside import SYMBOL, inside, really
from tests.trader.processes import ROUND_TRIPS

COOLDOWN = [{"method": "CooldownPeriod", "stop_duration_candles": 500}]


def test_unknown_outcomes_in_a_row_trip_the_breaker(tmp_path: Path) -> None:
    """Every answer is an error after the deed: after three the account is halted."""

    async def steps() -> None:
        async with inside(tmp_path, execution__timeout_ms=500) as world, world.trading(ROUND_TRIPS) as trader:
            world.exchange.faults = Faults(error_after=1.0)
            await world.until("a trip", lambda: trader.state is TradingState.HALTED)
            world.exchange.faults = Faults()
            row = (await world.until("a row", lambda: world.database.tables("main").states))[-1]
            assert (row.author, row.reason.split()[1]) == ("breaker", "unknown_outcomes")

    really(steps)


def test_a_protection_locks_the_coin_that_was_sold(tmp_path: Path) -> None:
    """CooldownPeriod of 500 candles: one round trip, then a lock in the store and no entry in that coin."""

    async def steps() -> None:
        async with inside(tmp_path, risk__protections=COOLDOWN) as world, world.trading(ROUND_TRIPS) as trader:
            await world.until("a round trip", lambda: len(_sold(world.exchange.trades("main"))) >= 1)
            begun = trader.market_ms
            await world.until("nine closes", lambda: trader.market_ms >= begun + 540_000)
            locks = await world.store.locks()
            assert [(lock.symbol, lock.code, lock.author) for lock in locks] == [(SYMBOL, "CooldownPeriod", "risk")]
            rows = await world.store.closed_trades(0)
            assert list(rows.symbol) == [SYMBOL]

    really(steps)


def _sold(trades: list[dict[str, object]]) -> list[dict[str, object]]:
    return [row for row in trades if row["symbol"] == "BTCUSDT" and not row["isBuyer"]]


def test_balances_that_differ_halt_the_account(tmp_path: Path) -> None:
    """The engine reduces, the breaker makes a halt of it."""

    async def steps() -> None:
        async with (
            inside(tmp_path, execution__balance_check_interval_s=0.5) as world,
            world.trading(ROUND_TRIPS.splitlines()[1].replace('"every": 3', '"every": 100000')) as trader,
        ):
            await write_state(world.store, TradingState.REDUCING, "engine", "USDT: the ledger has 1, the venue 2", 1)
            await world.until("a halt", lambda: trader.state is TradingState.HALTED)
            await asyncio.sleep(0.1)
            row = await world.store.state()
            assert row is not None
            assert (row.author, row.reason.split()[1]) == ("breaker", "balance_mismatch")

    really(steps)


def guarding(booked: Booked, store: Store) -> tuple[Guard, EnginePerformer]:
    """Return the guard of an account, and what does its effects."""
    performer = EnginePerformer(booked.engine)
    guard = Guard(
        booked.keeper,
        performer,
        store,
        RiskSettings(),
        booked.world.clock,
        booked.market,
        BASE_MS,
        0.1,
        0,
        (),
        (),
        MemoryRestrictions(),
        dict,
        booked.pulse,
    )
    return guard, performer


@asynccontextmanager
async def killed_while_away() -> AsyncIterator[tuple[Booked, Guard]]:
    """Yield an account that a machine halted with its bracket at the venue, and a person since then; no venue."""

    async def cut(request: Request) -> None:
        raise ConnectionResetError

    world = scene(engine_settings=replace(PATIENT, halt_s=3.0, halt_policy=HaltPolicy.HOLD))
    booked = await Booked.open(world)
    await booked.buy()
    guard, _ = guarding(booked, world.store())
    acting = asyncio.ensure_future(guard.act())
    await write_state(world.store(), TradingState.HALTED, "breaker", "clock_skew", world.clock.now_ms())
    await guard.follow()
    await asyncio.sleep(5.0)
    assert len(await booked.inner.open_orders(world.symbol)) == 2
    world.before = cut
    await write_state(world.store(), TradingState.HALTED, "anna@home", "enough", world.clock.now_ms())
    await guard.follow()
    try:
        yield booked, guard
    finally:
        acting.cancel()
        await asyncio.gather(acting, return_exceptions=True)


def test_what_risk_decided_is_done_however_long_the_venue_is_away() -> None:
    """A person's halt takes the brackets as well: after a night without the venue, too."""

    async def steps() -> None:
        async with killed_while_away() as (booked, _):
            await asyncio.sleep(8 * 3_600.0)
            booked.world.before = None
            assert await booked.inner.open_orders(booked.world.symbol)
            await asyncio.sleep(60.0)
            assert not await booked.inner.open_orders(booked.world.symbol)

    virtually(steps)


def test_a_resume_takes_back_what_is_not_done_yet() -> None:
    """The same person decides otherwise before the venue is back: the halt does not come after the resume."""

    async def steps() -> None:
        async with killed_while_away() as (booked, guard):
            world = booked.world
            await asyncio.sleep(20.0)
            await write_state(world.store(), TradingState.ACTIVE, "anna@home", "all well", world.clock.now_ms())
            await guard.follow()
            await asyncio.sleep(20.0)
            world.before = None
            await asyncio.sleep(60.0)
            assert booked.engine.state is TradingState.ACTIVE
            assert len(await booked.inner.open_orders(world.symbol)) == 2

    virtually(steps)


def test_a_programs_row_resumes_nothing_and_a_person_closes_the_breaker() -> None:
    """The breaker halts while the database is away, and the monitor reduces: the guard reads that row first.

    What is forced out stays so, desks stand still, the halt stands, and after a person's resume the breaker trips anew.
    """

    async def steps() -> None:
        world = scene(engine_settings=PATIENT)
        booked = await Booked.open(world)
        await booked.buy()
        guard, performer = guarding(booked, world.store())
        acting = asyncio.ensure_future(guard.act())
        booked.store.away = True
        guard.tell(BalanceCheck("USDT", 1.0))
        await asyncio.sleep(2.0)
        performer.flattening = ExitReason.RISK_EXIT
        booked.engine.desks[world.symbol].frozen = True
        await write_state(world.store(), TradingState.REDUCING, "monitor", "disk_full", world.clock.now_ms())
        await guard.follow()
        assert booked.keeper.state.state is TradingState.HALTED
        assert performer.flattening is ExitReason.RISK_EXIT
        assert booked.engine.desks[world.symbol].frozen
        booked.store.away = False
        await asyncio.sleep(5.0)
        await guard.follow()
        assert booked.keeper.state.author == "breaker"
        await write_state(world.store(), TradingState.ACTIVE, "anna@home", "looked", world.clock.now_ms())
        await write_state(world.store(), TradingState.REDUCING, "monitor", "disk_full", world.clock.now_ms())
        await guard.follow()
        assert booked.keeper.state.state is TradingState.REDUCING
        assert performer.flattening is None
        assert not booked.engine.desks[world.symbol].frozen
        guard.tell(BalanceCheck("USDT", 2.0))
        await asyncio.sleep(2.0)
        assert booked.engine.state is TradingState.HALTED
        acting.cancel()
        await asyncio.gather(acting, return_exceptions=True)

    virtually(steps)


def test_stored_rows_mean_what_they_say() -> None:
    """The policy of a halt is its author's; before the first row all is well."""
    risk = RiskSettings(halt_policy="flatten", breaker_policy="hold")
    assert state_row(None, risk) is FIRST_STATE
    by_breaker = state_row(StateChange(1, "HALTED", "breaker", "x", 5), risk)
    assert (by_breaker.state, by_breaker.policy, by_breaker.at_ms) == (TradingState.HALTED, HaltPolicy.HOLD, 5)
    assert state_row(StateChange(2, "HALTED", "anna@home", "x", 5), risk).policy is HaltPolicy.FLATTEN
    assert state_row(StateChange(3, "REDUCING", "engine", "x", 5), risk).policy is None
    lock = pair_lock(Lock("*", "MANUAL", "why", "anna@home", 10, 20, 7))
    assert (lock.symbol, lock.source, lock.reason, lock.active(19), lock.active(20)) == (
        "*",
        "MANUAL",
        "why",
        True,
        False,
    )


def test_stored_trades_are_what_protections_look_at() -> None:
    """Net result over what was paid; a trade without a price counts as unknown."""
    rows = closed_trades("main", 2)
    found = traded(rows)
    assert [trade.symbol for trade in found] == ["BTC/USDT"] * 2
    assert [trade.reason for trade in found] == [ExitReason.TAKE_PROFIT] * 2
    assert found[0].profit_frac == 2.2 / 300.0
    assert found[1].exit_ms == int(rows.exit_time[1])
    rows.quantity[:] = np.zeros(2)
    assert math.isnan(traded(rows)[0].profit_frac)


def test_what_the_cost_model_charges_a_stop_is_no_slippage() -> None:
    """It may slip by kappa of its own bar's range; an exit of another kind, or of another bar, by nothing."""
    rows = closed_trades("main", 1)
    rows.slippage_part[0] = -3.0 * 5.0  # five of a price of 100: 500 basis points
    price = Decimal(100)
    bar = Kline(int(rows.exit_time[0]), price, price + 30, price - 10, price, Decimal(1), price, 1, Decimal(1))
    bars = {"BTC/USDT": bar}
    assert beyond_model_bps(rows, 0, bars, 0.1) == pytest.approx(500.0)
    rows.exit_reason[0] = "stop_loss"
    assert beyond_model_bps(rows, 0, bars, 0.1) == pytest.approx(100.0)
    assert beyond_model_bps(rows, 0, bars, 0.2) == 0.0
    assert beyond_model_bps(rows, 0, {}, 0.1) == pytest.approx(500.0)
    assert beyond_model_bps(rows, 0, {"BTC/USDT": replace(bar, open_ms=bar.open_ms - 1)}, 0.1) == pytest.approx(500.0)
    rows.quantity[0] = 0.0
    assert math.isnan(beyond_model_bps(rows, 0, bars, 0.1))

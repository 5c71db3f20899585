"""What risk decides, done at a real venue: each policy of the breaker, the day's limit, and a person's halt on top."""

from pathlib import Path
from typing import Any

import pytest

from huracan.execution.states import write_state
from huracan.risk.live import TradingState
from huracan.trader.service import Trader
from tests.trader.inside import SYMBOL, Inside, inside, really

TRIPPING = {"risk__breaker_triggers": ["drawdown"], "risk__drawdown_max_frac": 1e-7}


async def tripped(world: Inside) -> str:
    """Return the author of the trading state in force."""
    row = await world.store.state()
    return "" if row is None else row.author


async def held(world: Inside) -> bool:
    """Return whether the ledger holds a whole coin."""
    position = (await world.store.load()).positions.get(SYMBOL)
    return position is not None and position.holding > 1


async def closes(world: Inside, trader: Trader, count: int) -> None:
    """Let so many closes pass."""
    begun = trader.market_ms
    await world.until(f"{count} closes", lambda: trader.market_ms >= begun + count * 60_000)


async def until_halted(world: Inside, trader: Trader) -> None:
    """Wait for the breaker, and a few closes more."""
    await world.until("a trip", lambda: trader.state is TradingState.HALTED)
    await closes(world, trader, 3)
    assert await tripped(world) == "breaker"


@pytest.mark.parametrize("policy", ["cancel", "hold"])
def test_a_trip_that_does_not_sell_leaves_the_stop_at_the_venue(policy: str, tmp_path: Path) -> None:
    """The bracket of what is held stays; a restart leaves it as well; a person resumes."""

    async def steps() -> None:
        async with inside(tmp_path, risk__breaker_policy=policy, **TRIPPING) as world:
            async with world.trading() as trader:
                await until_halted(world, trader)
                left = [row["clientOrderId"] for row in world.resting()]
                assert len(left) == 2
            async with world.trading() as trader:
                assert trader.state is TradingState.HALTED
                await closes(world, trader, 2)
                assert [row["clientOrderId"] for row in world.resting()] == left

    really(steps)


def test_a_trip_that_flattens_sells_everything(tmp_path: Path) -> None:
    """With the reason risk_exit; nothing rests, nothing is held, nothing is bought again."""

    async def steps() -> None:
        async with inside(tmp_path, risk__breaker_policy="flatten", **TRIPPING) as world, world.trading() as trader:
            await until_halted(world, trader)
            await world.until("flat", lambda: not world.resting())
            await closes(world, trader, 3)
            assert not await held(world)
            assert list((await world.store.closed_trades(0)).exit_reason) == ["risk_exit"]
            assert len([row for row in world.exchange.orders("main") if row["side"] == "BUY"]) == 1

    really(steps)


def test_a_person_halts_what_the_breaker_has_halted(tmp_path: Path) -> None:
    """The breaker keeps the stop at the venue; the kill switch takes it away as well."""

    async def steps() -> None:
        async with inside(tmp_path, **TRIPPING) as world, world.trading() as trader:
            await until_halted(world, trader)
            assert len(world.resting()) == 2
            await write_state(world.store, TradingState.HALTED, "anna@home", "everything", 1)
            await world.until("nothing resting", lambda: not world.resting(), 5.0)
            await closes(world, trader, 2)
            assert await tripped(world) == "trader"
            assert world.resting() == []

    really(steps)


def test_held_still_and_resumed_it_protects_again(tmp_path: Path) -> None:
    """After `hold` a person resumes: the desk moves, and the next trip is one of its own."""

    async def steps() -> None:
        async with inside(tmp_path, risk__breaker_policy="hold", **TRIPPING) as world, world.trading() as trader:
            await until_halted(world, trader)
            before = await world.store.state()
            await write_state(world.store, TradingState.ACTIVE, "anna@home", "again", 1)
            await closes(world, trader, 4)
            after = await world.store.state()
            assert before is not None
            assert after is not None
            assert (after.author, after.seq > before.seq + 1) == ("breaker", True)

    really(steps)


@pytest.mark.parametrize(
    "settings", [{"risk__daily_loss_max": 0.5}, {"risk__daily_loss_max": 0.5, "risk__breaker_policy": "flatten"}]
)
def test_a_day_that_lost_too_much_ends_flat_and_not_halted(settings: dict[str, Any], tmp_path: Path) -> None:
    """Everything is sold with risk_exit, entries are denied until midnight, and no person is needed."""

    async def steps() -> None:
        async with inside(tmp_path, **settings) as world, world.trading() as trader:
            await world.until("a sale", lambda: any(not row["isBuyer"] for row in world.exchange.trades("main")))
            await closes(world, trader, 3)
            assert trader.state is TradingState.ACTIVE
            assert not await held(world)
            assert list((await world.store.closed_trades(0)).exit_reason) == ["risk_exit"]

    really(steps)

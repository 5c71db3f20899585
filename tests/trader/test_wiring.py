"""From configuration to trader: what does not fit is refused before anything is sent, what was kept comes back."""

import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from huracan.clock import WallClock
from huracan.config import TradingSettings, load_settings
from huracan.errors import ConfigError, DataError, HuracanError, RefusedError, VenueError
from huracan.execution.memory_store import MemoryDatabase
from huracan.execution.states import write_state
from huracan.market import Candles, MarketShape, martingale
from huracan.paper import PaperAccount, PaperExchange, PaperMarket, PaperSettings, paper_market
from huracan.risk.live import DayBook, TradingState
from huracan.trader.access import Access
from huracan.trader.views import AccountState, MemoryViews
from huracan.trader.wiring import open_trader
from huracan.trading import Instrument, build_cost_table, infer_instrument, resolve_settings
from tests.paper.serving import serving
from tests.trader import inside as rooms
from tests.trader.inside import CREDENTIALS, KEY, START_ROW, SYMBOL, Inside, inside, really
from tests.trader.processes import BARS, ENTER, ROUND_TRIPS

BNB_PRICE = 600
NOBODY = Access("main", "paper", "http://127.0.0.1:9", "ws://127.0.0.1:9", CREDENTIALS)
EARLY = 300
"""Bars of history that are read quickly; the machines are cold, and nothing can be bought."""


@cache
def market(symbol: str) -> PaperMarket:
    """Return a market under the default rules; BNB costs 600, whatever happens."""
    if symbol in rooms.SYMBOLS:
        return rooms.market(symbol)
    found = martingale(MarketShape(symbol, "1m"), BARS, seed=7)
    kernel = resolve_settings(TradingSettings(), "1m")
    if symbol == "BNB/USDT":
        still = np.full(len(found), float(BNB_PRICE))
        found = Candles(symbol, "1m", found.timestamp, still, still, still, still, np.ones(len(found)))
        instrument = Instrument(symbol, Decimal("0.01"), Decimal("0.001"), Decimal(5), 1_000, 1_000, False)
    else:
        instrument = infer_instrument(found, kernel)
    return paper_market(found, instrument, build_cost_table(found, instrument, kernel))


@asynccontextmanager
async def place(
    home: Path,
    balances: Mapping[str, str] | None = None,
    symbols: Sequence[str] = rooms.SYMBOLS,
    row: int = EARLY,
    fee_asset: str | None = None,
    **settings: Any,
) -> AsyncIterator[Inside]:
    """Open an exchange of some markets in the row of their candles; `settings` as `inside` takes them."""
    markets = [market(symbol) for symbol in symbols]
    money = {asset: Decimal(amount) for asset, amount in (balances or {"USDT": "100000"}).items()}
    account = PaperAccount("main", KEY, "secret-of-main", money, fee_asset, Decimal(BNB_PRICE))
    rules = PaperSettings(start_ms=markets[0].open_ms(row))
    exchange = PaperExchange(rules, markets, [account], 7, WallClock())
    overrides = {"execution.account": "main", "execution.candles_check_interval_s": 0.05}
    overrides |= {name.replace("__", "."): value for name, value in settings.items()}
    async with serving(exchange, speed=240.0) as server:
        yield Inside(
            exchange, server.url, load_settings(None, overrides, {}), MemoryDatabase(WallClock()), MemoryViews(), home
        )


async def refusal(world: Inside, script: str = ENTER, **changes: Any) -> HuracanError:
    """Return why a trader does not start; nothing was ordered and nobody has the account afterwards."""
    with pytest.raises(HuracanError) as caught:
        async with open_trader(world.setup(script, **changes)):
            pass
    assert world.exchange.orders("main") == []
    assert world.database.tables("main").lease is None
    return caught.value


async def ready(world: Inside, script: str = ENTER, **changes: Any) -> tuple[str, ...]:
    """Start a trader, and return its markets."""
    async with world.trading(script, **changes) as trader:
        return trader.symbols


async def bought(world: Inside) -> set[str]:
    """Wait until something is held and its bracket rests; return the ids of both legs."""
    legs = await world.until("a bracket", world.resting)
    assert [row["side"] for row in legs] == ["SELL"] * 2
    return {row["clientOrderId"] for row in legs}


# ---- what does not fit ----------------------------------------------------------------------------------------------


def test_an_entry_larger_than_a_symbol_may_be_is_refused_before_anybody_is_asked(tmp_path: Path) -> None:
    """1.5 stakes of 3,334 are 5,001, and 5,000 are allowed: the venue's address is nobody's, and is not missed."""

    async def steps() -> None:
        async with place(tmp_path, trading__stake_amount=3_334.0) as world:
            found = await refusal(world, access=NOBODY)
            assert isinstance(found, RefusedError)
            assert "5001" in str(found)
            assert "trading.stake_amount" in str(found)
        async with place(tmp_path, trading__stake_amount=3_333.0, trading__account_to_quote_rate=2.0) as world:
            assert await ready(world) == (SYMBOL,)
        async with place(tmp_path, trading__stake_amount=3_334.0, trading__account_to_quote_rate=2.0) as world:
            assert "10002" in str(await refusal(world, access=NOBODY)), "both are in account currency"

    really(steps)


@pytest.mark.parametrize(("script", "needed"), [(ENTER, "1515"), (ROUND_TRIPS, "3030")])
def test_too_little_money_for_every_market_at_once_is_refused(script: str, needed: str, tmp_path: Path) -> None:
    """One and a half stakes of 1,000 each and one percent, to the cent."""

    async def steps() -> None:
        async with place(tmp_path, {"USDT": str(Decimal(needed) - Decimal("0.01"))}) as world:
            found = await refusal(world, script)
            assert isinstance(found, RefusedError)
            assert needed in str(found)
        async with place(tmp_path, {"USDT": needed, "ADA": "5"}) as world:
            await ready(world, script)
        async with place(tmp_path, {"ADA": "1000000"}) as world:
            assert isinstance(await refusal(world, script), RefusedError), "coins of somebody are no money"

    really(steps)


def test_what_is_held_counts_as_money_at_a_restart(tmp_path: Path) -> None:
    """Of 1,600 a thousand is spent: the account is worth what it was, and goes on."""

    async def steps() -> None:
        async with place(tmp_path, {"USDT": "1600"}, row=START_ROW) as world:
            async with world.trading():
                await bought(world)
            assert (await world.store.load()).balances["USDT"].total < 700
            await ready(world)

    really(steps)


def test_markets_of_two_currencies_are_refused(tmp_path: Path) -> None:
    """One account counts in one currency, whether the script or the configuration names the markets."""

    async def steps() -> None:
        async with place(tmp_path, symbols=("BTC/USDT", "ADA/BTC")) as world:
            found = await refusal(world, ENTER + "\n" + ENTER.replace(SYMBOL, "ADA/BTC"))
            assert isinstance(found, ConfigError)
            assert "BTC, USDT" in str(found)
        async with place(tmp_path, symbols=("BTC/USDT", "ADA/BTC"), data__symbols=["ADA/BTC"]) as world:
            assert isinstance(await refusal(world), ConfigError)

    really(steps)


def test_where_no_exchange_answers_its_address_is_named(tmp_path: Path) -> None:
    """And what to run there."""

    async def steps() -> None:
        async with place(tmp_path) as world:
            found = await refusal(world, access=NOBODY)
            assert isinstance(found, VenueError)
            assert str(found).startswith("http://127.0.0.1:9 ")
            assert "is `huracan paper-exchange` running there?" in str(found)

    really(steps)


def test_balances_that_differ_are_listed_and_the_advice_is_given_once(tmp_path: Path) -> None:
    """Three assets, one remedy, no zeros behind the last digit."""

    async def steps() -> None:
        async with place(tmp_path, {"USDT": "100000", "ADA": "5", "XRP": "7"}) as world:
            await ready(world)
            for asset, amount in (("USDT", "-12.5"), ("ADA", "1"), ("XRP", "-7")):
                world.exchange.deposit("main", asset, amount)
            found = await refusal(world)
            assert isinstance(found, RefusedError)
            assert str(found) == (
                "main is not traded: ADA: the ledger has 5, the venue 6, +1 unexplained; USDT: the ledger has 100000, "
                "the venue 99987.5, -12.5 unexplained; XRP: the ledger has 7, the venue 0, -7 unexplained; find the "
                "deposit, withdrawal or foreign trade, then start once with --accept-balances"
            )
            await ready(world, accept_balances=True)

    really(steps)


def test_a_market_that_the_venue_does_not_have_is_refused(tmp_path: Path) -> None:
    """By its name."""

    async def steps() -> None:
        async with place(tmp_path) as world:
            found = await refusal(world, ENTER.replace(SYMBOL, "XRP/USDT"))
            assert isinstance(found, DataError)
            assert "XRP/USDT" in str(found)

    really(steps)


# ---- the discount token ---------------------------------------------------------------------------------------------


def test_a_discount_token_without_a_price_is_refused(tmp_path: Path) -> None:
    """Fees in it could not be counted; with a price, or moved away as the refusal says, all is well."""

    async def steps() -> None:
        async with place(tmp_path, {"USDT": "100000", "BNB": "1"}) as world:
            found = await refusal(world)
            assert isinstance(found, RefusedError)
            assert "BNB/USDT has no price" in str(found)
            world.exchange.deposit("main", "BNB", "-1")
            await ready(world)
        async with place(tmp_path, {"USDT": "100000", "BNB": "1"}, [*rooms.SYMBOLS, "BNB/USDT"]) as world:
            await ready(world)
        async with place(
            tmp_path, {"USDT": "100000", "BNB": "1"}, [*rooms.SYMBOLS, "BNB/USDT"], data__symbols=["BNB/USDT"]
        ) as world:
            assert await ready(world) == ("BNB/USDT", SYMBOL)

    really(steps)


def test_a_withdrawal_that_is_accepted_takes_the_token_and_not_what_it_paid(tmp_path: Path) -> None:
    """The entry's fee was in BNB at 600, the exit's is in USDT, and the trade costs both; day and peak begin anew."""
    leave = ENTER.replace("ENTER_LONG_NORMAL", "EXIT")

    async def steps() -> None:
        money, symbols = {"USDT": "100000", "BNB": "0.5"}, [*rooms.SYMBOLS, "BNB/USDT"]
        async with place(tmp_path, money, symbols, START_ROW, fee_asset="BNB") as world:
            async with world.trading():
                await bought(world)
            left = (await world.store.load()).balances["BNB"].total
            world.exchange.deposit("main", "BNB", f"-{left}")
            before = await world.views.load()
            assert before is not None
            await world.views.keep(replace(before, peak=Decimal(200_000), day=DayBook(before.day.day, 2e5, 1e5)))
            async with world.trading(leave, accept_balances=True):
                after = await world.views.load()
                await world.until("a closed trade", lambda: world.database.tables("main").trades)
            assert after is not None
            assert float(after.peak) == after.day.value_start == after.day.value == pytest.approx(100_000, abs=50)
            rows, paid = await world.store.closed_trades(0), {"BNB": Decimal(0), "USDT": Decimal(0)}
            for trade in world.exchange.trades("main"):
                paid[trade["commissionAsset"]] += Decimal(trade["commission"])
            assert paid["BNB"] == Decimal("0.5") - left
            assert min(paid.values()) > 0
            assert list(rows.fee) == [pytest.approx(-float(paid["BNB"] * BNB_PRICE + paid["USDT"]))]

    really(steps)


def test_a_token_that_comes_while_it_trades_pays_fees_at_its_price(tmp_path: Path) -> None:
    """None was held at the start; a trade whose fees are in it is closed and costs what they are worth."""

    async def steps() -> None:
        symbols = [*rooms.SYMBOLS, "BNB/USDT"]
        async with place(tmp_path, symbols=symbols, row=START_ROW, fee_asset="BNB") as world:
            async with world.trading(ROUND_TRIPS):
                world.exchange.deposit("main", "BNB", "1")
                await world.until("a closed trade", lambda: world.database.tables("main").trades)
            rows = await world.store.closed_trades(0)
            assert {trade["commissionAsset"] for trade in world.exchange.trades("main")} == {"BNB"}
            assert min(-rows.fee) > 0

    really(steps)


# ---- what comes back ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("author", "policies", "left"),
    [
        ("breaker", {"breaker_policy": "cancel", "halt_policy": "flatten"}, "the bracket"),
        ("breaker", {"breaker_policy": "flatten"}, "nothing held"),
        ("anna@home", {"breaker_policy": "hold"}, "no order"),
    ],
)
def test_a_halt_comes_back_as_its_author_meant_it(
    author: str, policies: dict[str, str], left: str, tmp_path: Path
) -> None:
    """The breaker's policy keeps protecting or sells, whatever a person's would; a person's halt clears the book."""

    async def steps() -> None:
        settings = {f"risk__{name}": value for name, value in policies.items()}
        async with inside(tmp_path, **settings) as world:
            async with world.trading():
                bracket = await bought(world)
            await write_state(world.store, TradingState.HALTED, author, f"{author}: a test", 1)
            async with world.trading() as trader:
                assert trader.state is TradingState.HALTED
                begun = trader.market_ms
                if left == "nothing held":
                    await world.until(
                        "a sale", lambda: any(not row["isBuyer"] for row in world.exchange.trades("main"))
                    )
                await world.until("three closes", lambda: trader.market_ms >= begun + 180_000)
                resting = {row["clientOrderId"] for row in world.resting()}
            assert resting == (bracket if left == "the bracket" else set())
            held = (await world.store.load()).positions[SYMBOL].holding
            assert (held < 1) == (left == "nothing held")

    really(steps)


def test_day_and_peak_come_back(tmp_path: Path) -> None:
    """What began the day at 101,000 and was worth 120,000 once is still measured by both."""

    async def steps() -> None:
        async with place(tmp_path) as world:
            before_ms = market("ADA/USDT").open_ms(EARLY - 60)
            day = DayBook(before_ms // 86_400_000, 101_000.0, 100_500.0)
            await world.views.keep(AccountState(1, before_ms, 1, "paper", day, Decimal(120_000), {}))
            async with open_trader(world.setup()) as trader:
                kept = await world.views.load()
                assert kept is not None
                assert kept.market_ms == trader.market_ms > before_ms
                assert (kept.day.value_start, kept.day.pnl, kept.peak) == (101_000.0, -1_000.0, 120_000)
                assert kept.day.breached, "a thousand is more than the day's limit of 500"

    really(steps)


def test_all_markets_of_script_and_configuration_are_traded(tmp_path: Path) -> None:
    """Each once, in order."""

    async def steps() -> None:
        async with place(tmp_path, data__symbols=["BTC/USDT", "ADA/USDT"]) as world:
            assert await ready(world) == ("ADA/USDT", "BTC/USDT")

    really(steps)


def test_the_journals_folder_is_for_its_owner_alone(tmp_path: Path) -> None:
    """Whatever the umask lets others do; one that was opened to others since is refused."""

    async def steps() -> None:
        async with place(tmp_path / "new" / "home") as world:
            before = os.umask(0)
            try:
                await ready(world)
            finally:
                os.umask(before)
            assert ((tmp_path / "new" / "home" / "trade").stat().st_mode & 0o777) == 0o700
            await ready(world)
            (tmp_path / "new" / "home" / "trade").chmod(0o750)
            found = await refusal(world)
            assert isinstance(found, ConfigError)
            assert "chmod 700" in str(found)

    really(steps)

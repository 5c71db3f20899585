"""The account book: money and coins by hand, the UTC day and the peak, and what is not known denies."""

from dataclasses import replace
from decimal import Decimal
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from huracan.execution.commands import Stage
from huracan.execution.model import StateChange
from huracan.execution.money import Position
from huracan.paper import Request
from huracan.risk.live import AccountResult, Approval, DayBook, DenialCode, Denied, OrderIntent
from huracan.risk.view import known
from huracan.trader.account_book import Feed, Heard, Ledgered
from huracan.trader.peak import Rebased
from huracan.venue.orders import Side
from tests.execution.scenes import NORMAL, bury, scene
from tests.execution.world import virtually
from tests.paper.world import BASE_MS, START_MS, StillClock
from tests.trader.booked import Booked

D = Decimal
DAY = START_MS // 86_400_000
MIDNIGHT = (DAY + 1) * 86_400_000
BOUGHT = D("999998.90")
"""A million, less 10 coins at the ask of 100.01, and 9.99 coins (a thousandth is the fee) at 100.00."""
LEFT = D("998999.90")


def verdict(account: Booked) -> Approval | Denied:
    """Return what risk says of one coin more at the last price."""
    wish = OrderIntent(
        f"i{len(account.keeper.reservations.rows)}", account.world.symbol, Side.BUY, D(1), D("100.5"), D("99.4")
    )
    return account.keeper.check(wish)


def denied_as_unknown(account: Booked) -> bool:
    """Return whether an entry is denied because something is not known."""
    found = verdict(account)
    return isinstance(found, Denied) and found.code is DenialCode.STATE_UNKNOWN


# ---- money ----------------------------------------------------------------------------------------------------------


def test_equity_is_cash_and_coins_at_the_last_close() -> None:
    """Worked by hand; the coins of the fee are gone, and what rests in the bracket is still held."""

    async def steps() -> None:
        account = await Booked.open(scene())
        assert (account.book.quote, account.book.cash, account.book.equity) == ("USDT", D(1_000_000), D(1_000_000))
        await account.buy()
        assert (account.book.cash, account.book.equity) == (LEFT, BOUGHT)
        account.priced(11_050, START_MS + 2 * BASE_MS)
        assert account.book.equity == LEFT + D("9.99") * D("110.5")
        assert account.book.prices == {account.world.symbol: D("110.50")}
        assert account.book.steps == {account.world.symbol: D("0.001")}

    virtually(steps)


def test_closes_are_counted_and_each_market_says_at_which_it_was_there_last() -> None:
    """Three closes, the market at the first two; a close without any candle counts for all of them."""

    async def steps() -> None:
        account = await Booked.open(scene())
        before = account.book.closes
        account.priced(10_000, START_MS + 2 * BASE_MS)
        account.book.mark({}, START_MS + 3 * BASE_MS)
        assert account.book.closes == before + 2
        assert account.book.heard == {account.world.symbol: Heard(START_MS + 2 * BASE_MS, before + 1, before + 1)}

    virtually(steps)


def test_a_held_coin_without_a_price_makes_the_whole_unknown() -> None:
    """An account is not worth less because nobody knows what: there is no figure, and no entry."""

    async def steps() -> None:
        account = await Booked.open(scene())
        assert account.book.snapshot is not None
        other = Position("BBB/USDT", bought=D(2), paid=D(50))
        held = replace(account.book.snapshot, positions={**account.book.snapshot.positions, other.symbol: other})
        account.book.snapshot = held
        assert (account.book.cash, account.book.equity, account.book.close_day()) == (D(1_000_000), None, None)
        assert denied_as_unknown(account)
        sold = replace(other, sold=D(2), received=D(60))
        account.book.snapshot = replace(held, positions={other.symbol: sold})
        assert account.book.equity == D(1_000_000), "nothing is held there any more"

    virtually(steps)


def test_coins_that_the_engine_did_not_buy_count_for_nothing() -> None:
    """They lie in the account, and are no cash and no position."""

    async def steps() -> None:
        account = await Booked.open(scene(extra={"AAA": D(5), "XYZ": D(7)}))
        assert account.book.snapshot is not None
        assert account.book.snapshot.balances["AAA"].total == 5
        assert account.book.equity == D(1_000_000)
        assert account.book.look().coins[account.world.symbol].position == 0

    virtually(steps)


def test_a_ledger_without_the_currency_knows_no_cash() -> None:
    """No row is not zero."""

    async def steps() -> None:
        account = await Booked.open(scene())
        assert account.book.snapshot is not None
        account.book.snapshot = replace(account.book.snapshot, balances={})
        assert (account.book.cash, account.book.equity) == (None, None)
        assert denied_as_unknown(account)

    virtually(steps)


def test_a_store_that_is_away_leaves_nothing_known_and_every_entry_is_denied() -> None:
    """Neither money nor day move meanwhile; with the next answer all is as before."""

    async def steps() -> None:
        account = await Booked.open(scene())
        kept = account.book.kept
        assert isinstance(verdict(account), Approval)
        account.store.away = True
        await account.book.refresh(account.store)  # type: ignore[arg-type]
        assert (account.book.snapshot, account.book.cash, account.book.equity) == (None, None, None)
        assert account.priced(5_000, START_MS + 2 * BASE_MS) is None
        assert account.book.kept is kept
        assert denied_as_unknown(account)
        account.store.away = False
        account.priced(10_000, START_MS + 3 * BASE_MS)
        await account.book.refresh(account.store)  # type: ignore[arg-type]
        assert isinstance(verdict(account), Approval)

    virtually(steps)


# ---- day and peak ---------------------------------------------------------------------------------------------------


def test_the_close_at_midnight_belongs_to_the_day_that_ends() -> None:
    """Results are counted from the last close of the day before, the peak and the fall from it over all days."""

    async def steps() -> None:
        account = await Booked.open(scene())
        assert account.book.kept == Ledgered(DayBook(DAY, 1e6, 1e6), D(1_000_000))
        await account.buy()
        first, last = float(BOUGHT), float(BOUGHT - D("99.9"))  # 9.99 coins at 90.00
        assert account.priced(10_000, START_MS + 2 * BASE_MS) == AccountResult(1.1e-6, first - 1e6)
        assert account.priced(9_000, MIDNIGHT) == AccountResult(101e-6, last - 1e6)
        assert account.book.kept.day == DayBook(DAY, 1e6, last)
        assert account.priced(10_000, MIDNIGHT + BASE_MS) == AccountResult(1.1e-6, first - last)
        assert account.book.kept.day == DayBook(DAY + 1, last, first)
        assert account.priced(12_000, MIDNIGHT + 2 * BASE_MS) == AccountResult(0.0, pytest.approx(299.7))
        assert account.book.kept.peak == BOUGHT + D("199.8")
        look = account.book.look()
        assert (look.equity, look.equity_peak) == (BOUGHT + D("199.8"), BOUGHT + D("199.8"))
        assert float(look.day_pnl or 0) == pytest.approx(299.7)

    virtually(steps)


def test_day_and_peak_of_an_earlier_process_go_on() -> None:
    """A restart forgives neither the day's loss nor the fall from the peak; a day that ended meanwhile is over."""

    async def steps() -> None:
        today = Ledgered(DayBook(DAY, 1_000_200.0, 1_000_100.0), D(1_250_000))
        account = Booked(scene(), kept=today, drawdown_max_frac=0.3)
        await account.engine.start()
        assert await account.close() == AccountResult(0.2, -200.0)
        assert account.book.kept == Ledgered(DayBook(DAY, 1_000_200.0, 1e6), D(1_250_000))
        assert account.book.look().day_pnl == -200
        assert isinstance(verdict(account), Approval)
        yesterday = Ledgered(DayBook(DAY - 3, 900.0, 1_000_300.0, breached=True), D(1_250_000))
        account.book.kept = yesterday
        assert account.book.close_day() == AccountResult(0.2, -300.0)
        assert account.book.kept.day == DayBook(DAY, 1_000_300.0, 1e6)

    virtually(steps)


def test_a_day_that_lost_too_much_denies_until_midnight_whatever_the_price_does() -> None:
    """The limit of 500 is reached at 9.99 coins less 50.06 each; back at 100.00 entries are denied all the same."""

    async def steps() -> None:
        account = await Booked.open(scene())
        await account.buy()
        account.priced(4_994, START_MS + 2 * BASE_MS)
        assert account.book.kept is not None
        assert account.book.kept.day.breached
        account.priced(10_000, START_MS + 3 * BASE_MS)
        assert account.book.look().day_pnl == -500
        found = verdict(account)
        assert isinstance(found, Denied)
        assert found.code is DenialCode.DAILY_LOSS
        account.priced(10_000, MIDNIGHT + BASE_MS)
        assert isinstance(verdict(account), Approval)

    virtually(steps)


def test_a_fall_from_the_peak_denies() -> None:
    """Beyond the limit of 20 % of the highest value there was."""

    async def steps() -> None:
        account = Booked(scene(), kept=Ledgered(DayBook(DAY, 1e6, 1e6), D(1_250_001)))
        await account.engine.start()
        await account.close()
        found = verdict(account)
        assert isinstance(found, Denied)
        assert found.code is DenialCode.DRAWDOWN

    virtually(steps)


TRIPPED = StateChange(1, "HALTED", "breaker", "breaker: drawdown 0.2, limit 0.2", 1)
RESUMED = StateChange(2, "ACTIVE", "anna@home", "goes on with what is left", 2)


def test_a_resume_from_a_drawdown_trip_lets_the_peak_begin_anew_and_leaves_the_day() -> None:
    """A quarter above a million is forgotten; what is lost from then on counts, and the day's loss stands."""

    async def steps() -> None:
        account = Booked(scene(), kept=Ledgered(DayBook(DAY, 1_000_200.0, 1_000_100.0), D(1_250_000)))
        await account.engine.start()
        assert await account.close() == AccountResult(0.2, -200.0)
        account.book.resumed((TRIPPED, RESUMED))
        assert account.book.kept is not None
        assert account.book.kept.rebased == Rebased(2, "anna@home", RESUMED.reason, "1250000", "1000000")
        assert await account.close() == AccountResult(0.0, -200.0)
        await account.buy()
        account.priced(20_000, START_MS + 2 * BASE_MS)
        peak = account.book.kept.peak
        account.book.resumed((TRIPPED, RESUMED))  # shown again with something newer: it has been done
        result = account.priced(10_000, START_MS + 3 * BASE_MS)
        assert account.book.kept.peak == peak == LEFT + D("9.99") * 200
        assert result is not None
        assert result.drawdown_frac == pytest.approx(999 / float(peak))

    virtually(steps)


def test_a_resume_before_the_start_counts_at_the_first_close_and_only_once() -> None:
    """The process died at the trip or right after the resume; the next one does not do it over again."""

    async def steps() -> None:
        kept = Ledgered(DayBook(DAY, 1e6, 1e6), D(1_250_000))
        account = Booked(scene(), kept=kept)
        account.book.resumed((TRIPPED, RESUMED))
        assert account.book.kept == kept, "what it is worth is not known yet"
        await account.engine.start()
        assert await account.close() == AccountResult(0.0, 0.0)
        assert account.book.kept is not None
        done = account.book.kept.rebased
        assert done is not None
        later = Booked(scene(), kept=Ledgered(DayBook(DAY, 1e6, 1e6), D(1_250_000), done))
        later.book.resumed((TRIPPED, RESUMED))
        await later.engine.start()
        assert await later.close() == AccountResult(0.2, 0.0)

    virtually(steps)


@cache
def timeless() -> Booked:
    """Return an account that needs no loop to be looked at."""
    account = Booked(scene())
    account.fresh.clock = StillClock()
    return account


@given(start=st.floats(0.01, 1e9), step=st.floats(-0.01, 0.01))
def test_the_days_result_is_known_however_small_it_is(start: float, step: float) -> None:
    """Differences of floats have digits without end; none of them makes the account unknown, none passes a limit."""
    book = timeless().book
    book.kept = Ledgered(DayBook(DAY, start, start + step), D(start))
    result = book.look().day_pnl
    assert known(result)
    assert float(result) == pytest.approx(book.kept.day.pnl, rel=1e-12, abs=1e-18)
    book.kept = Ledgered(DayBook(DAY, start, start + step, breached=True), D(start))
    assert float(book.look().day_pnl or 0) <= -500.0


def test_a_tiny_result_of_the_day_denies_nothing() -> None:
    """Four hundredths of a cent."""

    async def steps() -> None:
        account = Booked(scene(), kept=Ledgered(DayBook(DAY, 1e6 - 0.0004, 1e6), D(1_000_000)))
        await account.engine.start()
        await account.close()
        assert isinstance(verdict(account), Approval)

    virtually(steps)


# ---- positions ------------------------------------------------------------------------------------------------------


def test_a_position_is_seen_with_its_stop_price_and_fee() -> None:
    """Whole steps that can be sold, the stop 60 basis points below the decision, the fee as a share."""

    async def steps() -> None:
        account = await Booked.open(scene())
        before = account.book.look().coins[account.world.symbol]
        assert (before.position, before.stop, before.booked) == (0, None, True)
        await account.buy()
        coin = account.book.look().coins[account.world.symbol]
        assert (coin.position, coin.stop, coin.fee_frac) == (D("9.99"), D("99.40"), D("0.001"))
        assert (coin.price, coin.price_ms, coin.booked) == (D("100.00"), START_MS + BASE_MS, True)
        assert coin.filters.symbol == account.world.symbol

    virtually(steps)


def test_what_an_earlier_process_was_buying_counts_as_bought() -> None:
    """Its reservation died with it; while the process lives that began it, the reservation counts and nothing else."""

    async def steps() -> None:
        world = scene(entry="maker", maker_life_bars=50)
        first = await Booked.open(world)
        await first.engine.on_intents([world.intent(NORMAL)])
        assert len(first.keeper.reservations.rows) == 1
        assert first.book.look().coins[world.symbol].position == 0
        await bury(first.engine)
        world.database.tables(first.store.account).lease = None
        second = await Booked.open(world, holder="two")
        assert second.keeper.reservations.rows == ()
        assert second.book.look().coins[world.symbol].position == 10, "ten coins rest at the venue"
        second.engine.desks[world.symbol].planner.give_up_entry()
        await second.engine.desks[world.symbol].settle()
        assert second.book.look().coins[world.symbol].position == 0

    virtually(steps)


def test_orders_without_an_answer_are_in_flight() -> None:
    """From the moment they are written down until the venue has spoken."""

    async def steps() -> None:
        world = scene()
        account = await Booked.open(world)
        seen: list[tuple[str, int | None, bool]] = []

        async def look(request: Request) -> None:
            if request.method == "POST":
                coin = account.keeper.view()
                seen.append((request.path, coin.in_flight, coin.coins[world.symbol].booked))

        world.before = look
        await account.buy()
        assert seen == [("/api/v3/order", 1, False), ("/api/v3/orderList/oco", 1, False)]
        planner = account.engine.desks[world.symbol].planner
        assert planner.sale is not None
        assert planner.sale.stage is Stage.OPEN
        assert (account.keeper.view().in_flight, account.book.look().coins[world.symbol].booked) == (0, True)

    virtually(steps)


# ---- clocks and feed ------------------------------------------------------------------------------------------------


def test_the_view_tells_the_venues_clock_less_ours() -> None:
    """Ours is 300 ms ahead, so the venue's is 300 behind."""

    async def steps() -> None:
        account = await Booked.open(scene())
        assert account.book.look().skew_ms == 0.0
        account.inner.skew_ms = 300
        assert account.book.look().skew_ms == -300.0
        assert account.book.look().now_ms == START_MS + BASE_MS

    virtually(steps)


def test_the_feed_is_late_when_its_next_close_is_overdue() -> None:
    """Before the first nothing is due, nor within a bar of it; a clock that was set back makes it no earlier."""
    clock = StillClock(100_000)
    feed = Feed(clock, bar_s=1.0)
    assert (feed.overdue_s, feed.throttled_s) == (None, 0.0)
    feed.heard_ms, feed.silent_until_ms = 99_500, 107_500
    assert (feed.overdue_s, feed.throttled_s) == (0.0, 7.5)
    clock.ms = 110_000
    assert (feed.overdue_s, feed.throttled_s) == (9.5, 0.0)
    clock.ms = 90_000
    assert (feed.overdue_s, feed.throttled_s) == (0.0, 17.5)


def test_silence_and_stale_data_deny() -> None:
    """What the feed says reaches the gate."""

    async def steps() -> None:
        account = await Booked.open(scene())
        account.fresh.silent_until_ms = account.world.clock.now_ms() + 1_000
        found = verdict(account)
        assert isinstance(found, Denied)
        assert found.code is DenialCode.THROTTLED
        account.fresh.silent_until_ms, account.fresh.heard_ms = 0, None
        assert denied_as_unknown(account)
        account.fresh.heard_ms = account.world.clock.now_ms() - 181_000
        found = verdict(account)
        assert isinstance(found, Denied)
        assert found.code is DenialCode.STALE_DATA

    virtually(steps)

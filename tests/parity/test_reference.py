"""The reference venue and actor together, on bars of a few ticks whose outcome was worked out by hand."""

from dataclasses import replace
from decimal import Decimal

import pytest

from tests.parity.actor import TraderRules
from tests.parity.ledger import ReferenceTrade
from tests.parity.messages import BookCost, Candle
from tests.parity.observe import StateRules
from tests.parity.script import EXIT, NORMAL, SMALL, Orders
from tests.parity.session import Market, ReferenceRules, ReferenceRun, run_reference
from tests.parity.venue import VenueRules

D = Decimal
COST = BookCost(spread=2, qcap=10_000, impact=0.0)
VENUE = VenueRules(D(1), D(1), D("0.001"), D("0.002"), fee_in_quote=True, share=(1, 10), stop_slip=0.0)
# price 1000, distance 1 %: stop 990, target 1015, cap 1003; stake 10,000 = 10 coins at 1x
TRADER = TraderRules(
    tick=D(1), step=D(1), stake=D(10_000), min_notional=D(1), hold=4, stop_sigmas=1.0, target_sigmas=1.5,
    distance_min=0.01, cap_bps=30, maker_entry=False, maker_exit=False, life=2, tries=2, fallback_taker=True,
    exit_life=2,
)  # fmt: skip
MAKER = replace(TRADER, maker_entry=True, maker_exit=True)


def run(
    bars: list[tuple[int, int, int, int, int]],
    orders: dict[int, tuple[int, int]],
    trader: TraderRules = TRADER,
    venue: VenueRules = VENUE,
    cost: BookCost = COST,
) -> ReferenceRun:
    """Trade bars (open, high, low, close, volume) numbered from 0 with a decision at each close."""
    candles = [Candle(i, *(D(value) for value in bar)) for i, bar in enumerate(bars)]
    count = len(candles)
    market = Market("HAND/USDT", candles, [cost] * count, [1e-9] * count)
    rules = ReferenceRules(venue, trader, StateRules(1000, 2000), 1, D(100_000))
    return run_reference(market, rules, Orders(orders), 0, count, sold_at_end=True)


def only(result: ReferenceRun) -> ReferenceTrade:
    """Return the run's one trade."""
    assert len(result.trades) == 1
    return result.trades[0]


FLAT = (1000, 1000, 1000, 1000, 100)


def test_a_taker_round_trip_pays_exactly_the_spread_and_both_fees() -> None:
    """Buy 10 at the ask 1001, EXIT two closes later, sell at the bid 999."""
    trade = only(run([FLAT] * 5, {0: (NORMAL, 0), 2: (EXIT, 0)}))
    assert (trade.entry_bar, trade.exit_bar, trade.reason) == (1, 3, "policy_exit")
    assert (trade.money_in, trade.money_out) == (D(10_010), D(9_990))
    assert trade.fee_quote == D("0.002") * 20_000
    assert (trade.high, trade.low) == (D(1001), D(999))


def test_the_time_limit_sells_at_the_open_hold_bars_after_the_entry_bar() -> None:
    """Entry bar 1, hold 4: bars 1 to 4 are held, bar 5 sells."""
    trade = only(run([FLAT] * 8, {0: (NORMAL, 0)}))
    assert (trade.entry_bar, trade.exit_bar, trade.reason) == (1, 5, "time_limit")


def test_a_target_may_fill_in_the_bar_of_a_taker_entry_and_pays_the_maker_fee() -> None:
    """Bar 1 trades up to 1016 with volume enough: sold at 1015."""
    trade = only(run([FLAT, (1000, 1016, 1000, 1010, 1600), FLAT], {0: (NORMAL, 0)}))
    assert (trade.exit_bar, trade.reason, trade.money_out) == (1, "take_profit", D(10_150))
    assert trade.fee_quote == D("0.002") * 10_010 + D("0.001") * 10_150


def test_a_partial_target_sends_the_rest_to_the_next_open() -> None:
    """Volume 640 above 1015 is 640 * 1 // 16 // 10 = 4 coins; six follow at the bid 998 of the next open."""
    trade = only(run([FLAT, (1000, 1016, 1000, 1010, 640), (999, 999, 980, 985, 100), FLAT], {0: (NORMAL, 0)}))
    assert (trade.exit_bar, trade.reason) == (2, "take_profit")
    assert trade.money_out == 4 * D(1015) + 6 * D(998)


def test_a_target_touched_but_not_traded_through_goes_to_market_at_the_next_open() -> None:
    """The close at 1015 is the target."""
    trade = only(run([FLAT, (1000, 1015, 1000, 1015, 1600), (1012, 1013, 1011, 1011, 9), FLAT], {0: (NORMAL, 0)}))
    assert (trade.exit_bar, trade.reason, trade.money_out) == (2, "take_profit", 10 * D(1011))


def test_stop_comes_before_target_in_one_bar() -> None:
    """A bar from 985 to 1020 sells at the stop's bid 989."""
    trade = only(run([FLAT, FLAT, (1000, 1020, 985, 1010, 9000), FLAT], {0: (NORMAL, 0)}))
    assert (trade.exit_bar, trade.reason, trade.money_out) == (2, "stop_loss", 10 * D(989))


def test_an_entry_that_opens_through_its_stop_is_sold_in_the_same_window() -> None:
    """Open 980 is below the stop 990: bought at 981, the bracket refused, sold at 979."""
    trade = only(run([FLAT, (980, 1000, 980, 1000, 100), FLAT], {0: (NORMAL, 0)}))
    assert (trade.entry_bar, trade.exit_bar, trade.reason) == (1, 1, "stop_loss")
    assert (trade.money_in, trade.money_out) == (D(9_810), D(9_790))


def test_an_open_above_the_cap_buys_nothing() -> None:
    """Ask 1004 against a cap of 1003; the next decision may enter again."""
    result = run([FLAT, (1003, 1003, 1003, 1003, 100), FLAT, FLAT], {0: (NORMAL, 0), 2: (SMALL, 0)})
    assert result.counts["FOK expired"] == 1
    assert only(result).entry_bar == 3


def test_a_maker_entry_fills_in_parts_and_its_target_waits_for_the_next_bar() -> None:
    """Bid 999; bar 1 gives 80 * 1 // 2 // 10 = 4 coins and trades far above the target; bar 2 gives the rest."""
    bars = [FLAT, (1000, 1000, 998, 1000, 80), (1000, 1020, 998, 1000, 9000), (1000, 1020, 999, 1001, 9000), FLAT]
    trade = only(run(bars, {0: (NORMAL, 0)}, MAKER))
    assert (trade.entry_bar, trade.exit_bar, trade.reason) == (1, 3, "take_profit")
    assert (trade.quantity_in, trade.money_in, trade.money_out) == (D(10), 10 * D(999), 10 * D(1015))


def test_a_maker_entry_is_re_pegged_then_taken() -> None:
    """Two attempts of two bars, then a FOK: placed at the closes of 0 and 2, taken at the open of 5."""
    result = run([FLAT] * 12, {0: (NORMAL, 0)}, replace(MAKER, hold=3))
    trade = only(result)
    assert (result.counts["re-peg"], result.counts["fallback"]) == (1, 1)
    assert (trade.entry_bar, trade.exit_bar, trade.money_in) == (5, 8, 10 * D(1001))


def test_a_refused_post_only_waits_out_its_life() -> None:
    """The bid 999 is not below the ask 998 of the next open: refused; nothing before the re-peg at the close of 2."""
    bars = [FLAT, (997, 997, 990, 997, 9000), (997, 997, 991, 997, 9000), (997, 997, 995, 997, 9000), FLAT, FLAT]
    result = run(bars, {0: (NORMAL, 0)}, replace(MAKER, stop_sigmas=2.0))
    assert result.counts["refused WOULD_MATCH"] == 1
    assert (only(result).entry_bar, only(result).money_in) == (3, 10 * D(996))


def test_an_entry_is_void_once_the_close_bid_is_at_its_stop() -> None:
    """Close 991 puts the bid on the stop 990; the entry is cancelled and nothing is bought."""
    bars = [FLAT, (1000, 1000, 999, 991, 100), (991, 1000, 900, 1000, 9000), FLAT, FLAT, FLAT, FLAT]
    result = run(bars, {0: (NORMAL, 0)}, MAKER)
    assert result.trades == []
    assert result.counts["entry voided"] == 1


@pytest.mark.parametrize(
    ("after", "exit_bar", "money"),
    [
        ([(1000, 1002, 1000, 1000, 9000)], 3, 10 * D(1001)),  # traded through the close ask 1001
        ([(1000, 1001, 1000, 1000, 9000)] * 4, 5, 10 * D(999)),  # only touched for two bars: market
        ([(1001, 1001, 1001, 1001, 9000)], 3, 10 * D(1000)),  # refused at the open: market at once
        ([(1000, 1002, 1000, 1000, 80), (995, 995, 995, 995, 9)], 4, 4 * D(1001) + 6 * D(994)),  # 4 coins, rest next
    ],
)
def test_how_a_maker_exit_ends(after: list[tuple[int, int, int, int, int]], exit_bar: int, money: Decimal) -> None:
    """EXIT at the close of bar 2 asks 1001 for two bars."""
    taker_in = replace(TRADER, maker_exit=True, hold=9)
    trade = only(run([FLAT] * 3 + after + [FLAT], {0: (NORMAL, 0), 2: (EXIT, 0)}, taker_in))
    assert (trade.exit_bar, trade.reason, trade.money_out) == (exit_bar, "policy_exit", money)


def test_a_stop_under_a_working_maker_exit_still_sells() -> None:
    """EXIT at the close of 2; bar 3 falls through 990."""
    bars = [FLAT] * 3 + [(1000, 1000, 985, 986, 100), FLAT]
    trade = only(run(bars, {0: (NORMAL, 0), 2: (EXIT, 0)}, replace(TRADER, maker_exit=True, hold=9)))
    assert (trade.exit_bar, trade.reason, trade.money_out) == (3, "stop_loss", 10 * D(989))


def test_fees_in_the_coin_leave_dust_that_the_next_trade_sells() -> None:
    """10 coins less 1.2 % are 9.88: 9 sold, 0.88 kept; with the next 9.88 ten can be sold and 0.76 stay."""
    venue = replace(VENUE, taker_fee=D("0.012"), fee_in_quote=False)
    result = run([FLAT] * 9, {0: (NORMAL, 0), 2: (EXIT, 0), 4: (NORMAL, 0), 6: (EXIT, 0)}, venue=venue)
    first, second = result.trades
    assert (first.quantity_out, first.dust_in, first.dust_out) == (D(9), D(0), D("0.88"))
    assert (second.quantity_out, second.dust_in, second.dust_out) == (D(10), D("0.88"), D("0.76"))
    assert result.base == D("0.76")


def test_the_end_of_the_data_sells_at_the_close_book() -> None:
    """Held at the last close 1004: sold at its bid."""
    trade = only(run([FLAT, FLAT, (1000, 1004, 1000, 1004, 9)], {0: (NORMAL, 0)}))
    assert (trade.exit_bar, trade.reason, trade.money_out) == (2, "end_of_data", 10 * D(1003))


def test_the_kill_switch_overrides_a_reason_already_set() -> None:
    """EXIT works as a maker at the close of 2; the kill switch at the close of 3 sells at the next open."""
    orders = {0: (NORMAL, 0), 2: (EXIT, 0), 3: (0, 2)}
    trade = only(run([FLAT] * 6, orders, replace(TRADER, maker_exit=True, hold=9)))
    assert (trade.exit_bar, trade.reason) == (4, "kill_switch")

"""Venue law on integers worked out by hand."""

import math

import pytest

from huracan.trading.venue_law import (
    Bar,
    Terms,
    best_ask,
    best_bid,
    buy_prices,
    ceil_div,
    fee_base,
    fee_quote,
    fok_fills,
    impact,
    maker_quantity,
    oco_refused,
    post_only_refused,
    sell_prices,
    stop_level,
    stop_touch,
    through_buy,
    through_sell,
)


def terms_of(spread: int = 3, impact_a: float = 0.01, kappa: float = 0.1, ppm: int = 1_000) -> Terms:
    """Terms of a market with tick 0.01 and step 0.01: a step is 10^6 units, a tick x step 10^4 units of quote."""
    return Terms(spread, impact_a, ppm, ppm, False, 1_000_000, 10_000, 1, 1, 10, kappa)


BAR = Bar(number=7, open=10_000, high=10_040, low=9_960, close=10_010, volume=8_000)


@pytest.mark.parametrize("value", [0, 1, 999, 1_000, 1_001, 15 * 10**15, 2**62 // 1_000_000 * 1_000_000 + 1])
def test_ceil_div_rounds_up_where_the_product_leaves_63_bits(value: int) -> None:
    """1.5e16 units x 1000 ppm is 1.5e19; the result is that of unbounded integers."""
    assert ceil_div(value, 1_000, 1_000_000) == -(-value * 1_000 // 1_000_000)


def test_fees_round_up_in_the_asset_received() -> None:
    """3 steps at 999 ppm owe 2,997 units of coin; 1 tick x step at 1 ppm owes one whole unit of quote."""
    assert fee_base(3, 999, terms_of()) == 2_997
    assert fee_base(1, 1, terms_of()._replace(step_units=1)) == 1
    assert fee_quote(1, 1, terms_of()) == 1
    assert fee_quote(9_922_068, 1_000, terms_of()) == 99_220_680


def test_a_fee_on_a_fraction_of_a_unit_per_tick_step_is_exact() -> None:
    """With tick x step a quarter unit of quote, 10 of them at 100 % owe 2.5 units: 3."""
    assert fee_quote(10, 1_000_000, terms_of()._replace(quote_num=1, quote_den=4)) == 3


def test_the_buyer_pays_the_larger_half_of_an_odd_spread() -> None:
    """Spread 3 around 10,000: bid 9,999, ask 10,002."""
    assert (best_bid(10_000, terms_of(3)), best_ask(10_000, terms_of(3))) == (9_999, 10_002)
    assert (best_bid(10_000, terms_of(1)), best_ask(10_000, terms_of(1))) == (10_000, 10_001)


def test_impact_splits_an_order_into_two_trades_one_tick_apart() -> None:
    """With a = 0.01, ceil(316.2) = 317 of 1,000 steps slip one tick; with 0.1 all slip 3 ticks and 163 one more."""
    assert impact(1_000, terms_of(impact_a=0.01)) == (0, 317)
    assert impact(1_000, terms_of(impact_a=0.1)) == (3, 163)
    assert impact(1_000, terms_of(impact_a=0.0)) == (0, 0)
    assert buy_prices(10_002, 1_000, terms_of(impact_a=0.1)) == (10_005, 10_006, 163)
    assert sell_prices(9_999, 1_000, terms_of(impact_a=0.1)) == (9_996, 9_995, 163)
    assert sell_prices(2, 1_000, terms_of(impact_a=0.1))[:2] == (1, 1)


def test_fill_or_kill_looks_at_its_worst_step() -> None:
    """One step at 10,003 kills an order capped at 10,002; without it the order fills."""
    assert not fok_fills(10_002, 10_002, 1_000, terms_of(impact_a=0.01))
    assert fok_fills(10_003, 10_002, 1_000, terms_of(impact_a=0.01))
    assert fok_fills(10_002, 10_002, 1_000, terms_of(impact_a=0.0))


def test_post_only_and_pair_are_refused_at_the_touch() -> None:
    """A post-only buy at the ask is refused, below it rests; a pair's upper leg must lie above the last trade."""
    assert post_only_refused(10_002, 10_000, terms_of(3))
    assert not post_only_refused(10_001, 10_000, terms_of(3))
    assert oco_refused(10_000, 10_000)
    assert not oco_refused(10_001, 10_000)


def test_a_resting_order_needs_a_trade_through_not_a_touch() -> None:
    """Low 9,960 fills a buy at 9,961 by 1/80 of the volume and one at 9,960 not at all; sells mirror it."""
    assert through_buy(9_960, BAR) == 0
    assert through_buy(9_961, BAR) == 100
    assert through_buy(9_980, BAR) == 2_000
    assert through_sell(10_040, BAR) == 0
    assert through_sell(10_039, BAR) == 100
    assert through_sell(10_000, BAR) == 4_000


def test_a_limit_outside_the_bar_has_the_whole_volume_through_it() -> None:
    """Also in a bar of a single price, where there is no range to divide by."""
    assert through_buy(10_100, BAR) == 8_000
    assert through_sell(9_900, BAR) == 8_000
    flat = Bar(7, 10_000, 10_000, 10_000, 10_000, 500)
    assert through_buy(10_001, flat) == 500
    assert through_sell(9_999, flat) == 500
    assert through_buy(10_000, flat) == 0


@pytest.mark.parametrize(
    ("rest", "through", "expected"),
    [(100, 500, 50), (100, 99, 0), (59, 500, 59), (60, 500, 50), (100, 5_000, 100), (5, 100, 5), (5, 90, 0)],
)
def test_a_maker_gets_a_share_that_leaves_nothing_unsellable(rest: int, through: int, expected: int) -> None:
    """A tenth of what traded through; below a lot of 10 nothing, and all when less than a lot would be left."""
    assert maker_quantity(rest, through, 10, terms_of()) == expected


def test_a_stop_sells_below_its_level_but_not_below_the_low() -> None:
    """Stop 9,980, spread 3, range 80: 9,980 - 1 - 8; a short range stops at low - half; a gap at the open's bid."""
    assert stop_touch(9_960, BAR)
    assert not stop_touch(9_959, BAR)
    assert stop_level(9_980, BAR, terms_of(3)) == 9_971
    assert stop_level(9_961, BAR, terms_of(3)) == 9_959
    assert stop_level(10_000, BAR, terms_of(3)) == 9_999
    assert stop_level(10_020, BAR, terms_of(3)) == 9_999


def test_the_laws_run_the_same_in_python_and_compiled() -> None:
    """The float rules give the integers of Python's math for a thousand sizes."""
    for steps in range(1, 1_001):
        total = math.ceil(0.0371 * math.sqrt(steps) * steps)
        assert impact(steps, terms_of(impact_a=0.0371)) == divmod(total, steps)

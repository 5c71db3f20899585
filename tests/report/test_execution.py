"""Figures of execution against answers worked out by hand, and intervals that mean what they say."""

from dataclasses import replace

import numpy as np
import pytest

from huracan.report.execution import Statistics, measure_execution
from huracan.report.execution_model import Mean
from tests.report.executed import STATISTICS, idle_execution, maker_leg, replay_data, sample_execution, taker_leg

MAKER, TAKER = sample_execution().maker, sample_execution().taker
HOURS = 400


def value(mean: Mean | None) -> float:
    """Return a figure that is there."""
    assert mean is not None
    assert mean.low <= mean.value <= mean.high
    return mean.value


def test_the_fill_rate_is_of_all_orders_sent() -> None:
    """Two of five maker orders had a fill, one of them to its end, and the refused one counts as sent."""
    total = MAKER.total
    assert (total.orders, total.orders_filled, total.orders_whole, total.orders_refused) == (5, 2, 1, 1)
    assert value(total.fill_rate) == pytest.approx(2 / 5)
    assert TAKER.total.fill_rate is None


def test_shares_are_of_the_value_wanted() -> None:
    """2 at 100, 1 at 100.50 and 1 at 101: the first rested, the second took, the third was missed."""
    wanted = 200 + 100.5 + 101
    shares = [value(mean) for mean in (MAKER.total.maker_share, MAKER.total.taker_share, MAKER.total.missed_share)]
    assert shares == pytest.approx([200 / wanted, 100.5 / wanted, 101 / wanted])
    assert [value(mean) for mean in (TAKER.total.taker_share, TAKER.total.missed_share)] == [1.0, 0.0]
    for mean in (MAKER.total.maker_share, MAKER.total.missed_share, MAKER.total.fill_rate, TAKER.total.taker_share):
        assert mean is not None
        assert (mean.low, mean.high) == (0.0, 1.0)  # an hour alone says nothing, and a share cannot be more or less


def test_the_fill_curve_counts_bars_from_the_decision() -> None:
    """Half of A in the first bar, the other half and B in the third."""
    assert MAKER.fill_curve == pytest.approx((100 / 401.5, 100 / 401.5, 300.5 / 401.5))
    assert TAKER.fill_curve == pytest.approx((1.0,))
    assert MAKER.total.bars_to_fill == 1.0


def test_slippage_is_paid_above_the_price_decided_on() -> None:
    """Maker-first paid 200.08 for 200 and 100.80 for 100.50; against the opens 100.02 and 100.60."""
    assert value(MAKER.total.slippage_close) == pytest.approx(1e4 * (0.08 + 0.30) / 300.5)
    assert value(MAKER.total.slippage_open) == pytest.approx(1e4 * (300.88 - 300.64) / 300.64)
    assert MAKER.slippages == pytest.approx((1e4 * 0.08 / 200, 1e4 * 0.30 / 100.5))
    assert value(TAKER.total.slippage_close) == pytest.approx(1e4 * (0.10 + 0.15 + 0.05) / 401.5)


def test_fees_in_coin_are_valued_at_their_own_fill() -> None:
    """A thousandth of what was paid, over what was wanted of it; all fees together hold the sale's as well."""
    assert value(MAKER.total.fee) == pytest.approx(1e4 * 0.30088 / 300.5)
    assert MAKER.total.fees == pytest.approx(0.30088 + 0.202)
    assert value(TAKER.total.fee) == pytest.approx(1e4 * 0.4018 / 401.5)


def test_the_cost_of_an_entry_is_slippage_and_fee() -> None:
    """Exactly, in both ways, and so is their difference."""
    for total in (MAKER.total, TAKER.total):
        assert value(total.entry_cost) == pytest.approx(value(total.slippage_close) + value(total.fee), rel=1e-12)
    minus = sample_execution().differences
    assert value(minus["entry_cost"]) == pytest.approx(value(minus["slippage_close"]) + value(minus["fee"]), rel=1e-9)
    expected = 1e4 * ((0.38 + 0.30088) / 300.5 - (0.30 + 0.4018) / 401.5)
    assert value(minus["entry_cost"]) == pytest.approx(expected)


def test_markouts_look_at_the_closes_after_a_fill() -> None:
    """99.99 to 100.10 and 100.09 to 100.50 after resting; 100.80 to 101.00 after taking; none beyond the candles."""
    total = MAKER.total
    assert value(total.markout_resting[1]) == pytest.approx(1e4 * (0.11 + 0.41) / 200.08)
    assert value(total.markout_taking[1]) == pytest.approx(1e4 * 0.20 / 100.80)
    assert value(total.markout_resting[5]) == pytest.approx(1e4 * (0.71 + 0.91) / 200.08)
    assert total.markout_resting[15] is None


def test_the_move_missed_is_of_what_was_not_bought() -> None:
    """C alone: from 101.00 to 101.50 when its attempts are over, five bars later."""
    assert value(MAKER.total.missed_move) == pytest.approx(1e4 * 0.5 / 101)
    assert TAKER.total.missed_move is None


def test_the_shortfall_buys_what_was_missed_later() -> None:
    """Maker-first pays 300.88 and fees for A and B, and would pay 101.50 and a fee for C; taking misses nothing."""
    missed = 101.5 * 1.001
    assert value(MAKER.total.shortfall) == pytest.approx(1e4 * (300.88 + 0.30088 + missed - 401.5) / 401.5)
    assert value(TAKER.total.shortfall) == pytest.approx(value(TAKER.total.entry_cost))


def test_net_results_are_those_of_closed_trades() -> None:
    """Two trades that made 2.2 of 300 paid each."""
    assert value(MAKER.total.net_bps) == pytest.approx(1e4 * 2.2 / 300)
    assert MAKER.total.net == pytest.approx(4.4)
    assert MAKER.total.trades == 2


def test_one_coin_alone_is_the_total() -> None:
    """The rows of coins are the same figures over fewer rows."""
    (coin,) = MAKER.coins
    assert coin.symbol == "AAA/USDT"
    assert (coin.entry_cost, coin.fees, coin.fill_rate) == (
        MAKER.total.entry_cost, MAKER.total.fees, MAKER.total.fill_rate,
    )  # fmt: skip


def test_the_headline_says_the_shares_and_that_a_difference_is_not_shown() -> None:
    """Three entries of one hour show nothing."""
    headline = sample_execution().headline
    assert "bought 50 % resting, 25 % by taking and 25 % not at all" in headline
    assert (
        "what was missed bought 5 bars after the decision, it cost 14.5 bp more than by entries that take" in headline
    )
    assert headline.endswith("a difference is not shown.")
    assert any("both pay 10 bp" in caveat for caveat in sample_execution().caveats)


def test_the_same_leg_twice_differs_by_nothing() -> None:
    """Whatever the interval of each, that of the difference is a point at zero."""
    same = measure_execution(replay_data(), taker_leg(), taker_leg(), STATISTICS, "", "")
    for mean in same.differences.values():
        assert mean is not None
        assert (mean.value, mean.low, mean.high) == pytest.approx((0.0, 0.0, 0.0), abs=1e-9)


def test_nothing_wanted_is_said() -> None:
    """No mean of nothing, and a sentence in place of a result."""
    report = idle_execution()
    assert report.headline == "Nothing was wanted: there is no execution to judge."
    assert report.excerpt is None
    assert report.maker.fill_curve == ()
    assert set(report.differences.values()) == {None}
    assert (report.maker.total.maker_share, report.maker.total.fee, report.maker.total.net_bps) == (None, None, None)


def test_a_way_that_buys_nothing_is_judged_by_what_it_missed() -> None:
    """Maker-first without a fill has no entry cost, but a shortfall: all bought later, at 100.60, 100.00, 101.50."""
    missed = maker_leg()
    kept = tuple(order for order in missed.log.orders if not order.filled)
    leg = replace(missed, log=replace(missed.log, orders=kept, fills=()))
    report = measure_execution(replay_data(), leg, taker_leg(), STATISTICS, "", "")
    assert report.differences["entry_cost"] is None
    assert value(report.maker.total.missed_share) == 1.0
    later = (2 * 100.60 + 100.00 + 101.50) * 1.001
    assert value(report.maker.total.shortfall) == pytest.approx(1e4 * (later - 401.5) / 401.5)
    assert "bought 0 % resting, 0 % by taking and 100 % not at all" in report.headline


def test_a_ratio_of_one_value_has_no_width() -> None:
    """Every hour at 7 is 7, however the weights are."""
    found = Statistics(200, 0.95, 1).ratio((hour, 7.0 * (1 + hour % 5), 1.0 + hour % 5) for hour in range(30))
    assert found is not None
    assert (found.value, found.low, found.high, found.count) == pytest.approx((7.0, 7.0, 7.0, 30))


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    """Ratios of noisy hours with random weights: 90 % intervals hold the true 3 in 84 to 96 % of 400 worlds."""
    rng = np.random.default_rng(11)
    held = 0
    for world in range(HOURS):
        weights = rng.gamma(2.0, 1.0, 40)
        values = 3.0 + rng.normal(0.0, 2.0, 40)
        rows = zip(range(40), values * weights, weights, strict=True)
        found = Statistics(400, 0.9, world).ratio(rows)
        assert found is not None
        held += found.low <= 3.0 <= found.high
    assert 0.84 <= held / HOURS <= 0.96


def test_hours_of_one_market_are_not_independent_entries() -> None:
    """Ten entries of an hour that share its move widen the interval: it is that of the hours, not of the entries."""
    rng = np.random.default_rng(3)
    moves = rng.normal(0.0, 1.0, 48)
    each = Statistics(500, 0.95, 1).ratio((hour, move, 1.0) for hour, move in enumerate(moves))
    tenfold = Statistics(500, 0.95, 1).ratio((hour, move, 1.0) for hour, move in enumerate(moves) for _ in range(10))
    assert each is not None
    assert tenfold is not None
    assert (tenfold.low, tenfold.high) == pytest.approx((each.low, each.high))
    assert tenfold.count == 10 * each.count


def test_a_difference_knows_what_both_share() -> None:
    """Two ways with the same large noise and one bp between them differ by one bp, closely."""
    rng = np.random.default_rng(4)
    noise = rng.normal(0.0, 50.0, 60)
    one = [(hour, move + 1.0, 1.0) for hour, move in enumerate(noise)]
    other = [(hour, move, 1.0) for hour, move in enumerate(noise)]
    found = Statistics(300, 0.95, 1).difference(one, other)
    assert found is not None
    assert (found.value, found.low, found.high) == pytest.approx((1.0, 1.0, 1.0))
    assert Statistics(300, 0.95, 1).difference(one, []) is None

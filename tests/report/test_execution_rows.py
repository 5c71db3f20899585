"""From a ledger to rows: each entry beside the prices of its time, each maker order with its fate."""

from dataclasses import replace
from decimal import Decimal

import pytest

from huracan.report.execution_rows import busiest_excerpt, entry_rows, fee_of
from tests.report.executed import SYMBOL, close_ms, idle_leg, maker_leg, replay_data, taker_leg
from tests.trader.replayed import data, legs


def test_an_entry_stands_beside_the_prices_of_its_decision() -> None:
    """Close and next open, the orders sent for it and what they bought."""
    first, second, third = entry_rows(replay_data(), maker_leg())
    prices = (first.close, first.open, first.later)
    assert (first.bar, first.wanted, *prices) == pytest.approx((0, 2.0, 100.0, 100.02, 100.6), rel=1e-12)
    assert [(fill.bar, fill.bars_after, fill.price, fill.maker) for fill in first.fills] == [
        (1, 1, 99.99, True),
        (3, 3, 100.09, True),
    ]
    assert (second.posted, second.refused, second.touched, second.whole) == (2, 1, 0, 0)
    assert (second.bought(maker=True), second.bought(maker=False), second.missed) == (0.0, 1.0, 0.0)
    assert (third.posted, third.fills, third.missed, third.paid, third.fee) == (1, (), 1.0, 0, 0)


def test_a_rounding_of_sums_is_nothing_missed() -> None:
    """Ten fills of a tenth are one coin."""
    (entry, *_) = entry_rows(replay_data(), maker_leg())
    tenths = tuple(replace(entry.fills[0], quantity=0.2) for _ in range(10))
    assert sum(fill.quantity for fill in tenths) != entry.wanted
    assert replace(entry, fills=tenths).missed == 0.0
    assert replace(entry, fills=tenths[:9]).missed == pytest.approx(0.2)


def test_a_fee_in_coin_is_worth_its_own_price_and_one_in_money_itself() -> None:
    """The first buy pays a thousandth of a coin at 99.99, the sale 0.202 USDT."""
    log = maker_leg().log
    market = replay_data().market(SYMBOL)
    assert fee_of(market, log.fills[0]) == pytest.approx(0.001 * 99.99)
    assert fee_of(market, log.fills[-1]) == pytest.approx(0.202)
    assert fee_of(market, replace(log.fills[-1], commission=Decimal("-0.1"))) == pytest.approx(-0.1)


def test_the_excerpt_shows_each_maker_order_that_was_taken_with_its_fate() -> None:
    """Filled in part, whole, or not; the refused one never stood in the book."""
    excerpt = busiest_excerpt(replay_data(), maker_leg())
    assert excerpt is not None
    assert [(order.price, order.fate) for order in excerpt.orders] == [
        (99.99, "part"),
        (100.09, "filled"),
        (100.59, "none"),
        (99.0, "none"),
    ]
    assert excerpt.orders[1].start_ms == close_ms(2)
    assert close_ms(2) < excerpt.orders[1].end_ms < close_ms(3)
    assert [price for _, price in excerpt.taken] == [100.8]
    assert [price for _, price in excerpt.sold] == [101.0]
    assert len(excerpt.candles) == 13
    assert (excerpt.candles[0].open, excerpt.candles[0].close) == (100.02, 99.95)


def test_without_maker_orders_there_is_no_excerpt() -> None:
    """Neither taking nor doing nothing has one."""
    assert busiest_excerpt(replay_data(), taker_leg()) is None
    assert busiest_excerpt(replay_data(), idle_leg(True)) is None


def test_rows_of_a_replay_account_for_every_coin_bought() -> None:
    """All buys of the ledger are fills of entries, in the bar that they name, one bar after the decision at least."""
    for leg in legs():
        rows = entry_rows(data(), leg)
        bought = sum(fill.quantity for fill in leg.log.fills if fill.side.value == "BUY")
        assert sum(row.bought() for row in rows) == pytest.approx(float(bought), rel=1e-9)
        assert len(rows) == len(leg.entries) > 10
        for row in rows:
            assert row.bought() <= row.wanted * (1 + 1e-12)
            paper = data().market(row.symbol).paper
            tick = float(paper.instrument.tick)
            for fill in row.fills:
                assert fill.bars_after >= 1
                low = float(paper.bars[fill.bar, 3]) * tick
                assert fill.price >= low * (1 - 1e-12)
                assert fill.bar - row.bar == fill.bars_after

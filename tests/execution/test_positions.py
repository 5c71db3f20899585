"""The live position: venue trades become the slot's integers, in any asset a fee is paid in."""

from decimal import Decimal

import pytest

from huracan.errors import InvariantError
from huracan.execution.positions import Position
from huracan.trading import ExitReason
from huracan.venue.orders import Side
from tests.execution.made import BASE_MS, GRID, TERMS, close_at, trade_of


def bought(**how: str) -> Position:
    """Return a position of ten coins bought at 100.00."""
    position = Position(GRID, BASE_MS)
    position.slot.want = 1_000
    position.slot.stop, position.slot.target, position.slot.ref = 9_940, 10_120, 10_000
    position.book_buy(trade_of(Side.BUY, 1_000, **how), resting=False)
    return position


def test_a_fee_in_the_coin_lessens_what_can_be_sold() -> None:
    """0.01 coins of 10: 999 steps."""
    position = bought(fee="0.01")
    assert (position.sellable, int(position.slot.fee_base), int(position.slot.fee_quote)) == (999, 1_000_000, 0)
    assert int(position.slot.want) == 0


def test_a_fee_in_quote_and_a_rebate() -> None:
    """Quote fees leave the coins alone; a rebate is a negative fee."""
    assert bought(fee="1", asset="USDT").sellable == 1_000
    assert int(bought(fee="-0.01").slot.coins) == 1_001_000_000


def test_a_fee_in_a_third_asset_is_kept_by_name() -> None:
    """It touches neither coins nor quote, and adds up over fills."""
    position = bought(fee="0.002", asset="BNB")
    position.book_sell(trade_of(Side.SELL, 400, fee="0.001", asset="BNB", trade_id="2"), ExitReason.NONE)
    assert position.others == {"BNB": Decimal("0.003")}
    assert position.sellable == 600


def test_legs_decide_the_reason() -> None:
    """The upper leg takes profit unless an exit was decided; the stop overrides a policy's exit, not risk's."""
    for before, leg, after in (
        (ExitReason.NONE, ExitReason.TAKE_PROFIT, ExitReason.TAKE_PROFIT),
        (ExitReason.POLICY_EXIT, ExitReason.TAKE_PROFIT, ExitReason.POLICY_EXIT),
        (ExitReason.POLICY_EXIT, ExitReason.STOP_LOSS, ExitReason.STOP_LOSS),
        (ExitReason.KILL_SWITCH, ExitReason.STOP_LOSS, ExitReason.KILL_SWITCH),
    ):
        position = bought()
        position.slot.reason = int(before)
        position.book_sell(trade_of(Side.SELL, 1_000, trade_id="2"), leg)
        assert ExitReason(int(position.slot.reason)) is after


def test_costs_are_measured_against_the_open_of_the_fills_bar() -> None:
    """Bought at 100.00 in a bar that opens at 99.98 with a spread of two ticks: one tick spread, one slippage."""
    position = bought()
    position.attribute(close_at(9_998, number=1).bar, TERMS)
    assert int(position.slot.spread) == 0
    position.attribute(close_at(9_998, number=2).bar, TERMS)
    assert (int(position.slot.spread), int(position.slot.slippage)) == (1_000, 1_000)
    assert not position.waiting


def test_bytes_hold_everything() -> None:
    """A position read from its bytes writes the same bytes; anything else is refused."""
    position = bought(fee="0.002", asset="BNB")
    position.begin("a" * 16, "b" * 16)
    position.sequence["b" * 16] = 4
    again = Position.from_bytes(position.to_bytes(), GRID, BASE_MS)
    assert again.to_bytes() == position.to_bytes()
    assert again.slot_bytes == position.slot_bytes
    for data in (b"", position.to_bytes()[:-1], b"x" * 400):
        with pytest.raises(InvariantError):
            Position.from_bytes(data, GRID, BASE_MS)


def test_what_is_parked_joins_the_next_trade() -> None:
    """Set aside, the market is flat; bought again, it is dust that came in."""
    position = bought()
    position.park()
    position.clear()
    assert (position.held, position.parked) == (False, 1_000_000_000)
    position.book_buy(trade_of(Side.BUY, 10, trade_id="2"), resting=True)
    assert (position.sellable, int(position.slot.dust_in), position.parked) == (1_010, 1_000_000_000, 0)


def test_a_trade_of_the_wrong_side_is_a_fault() -> None:
    """A defect must not become money."""
    with pytest.raises(InvariantError):
        bought().book_buy(trade_of(Side.SELL, 1), resting=False)
    with pytest.raises(InvariantError):
        bought().book_sell(trade_of(Side.BUY, 1), ExitReason.NONE)

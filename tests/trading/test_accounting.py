"""Fills into the slot, the slot into equity and state; called as the live actor calls it, one record at a time."""

import math

import numpy as np
import pytest

from huracan.features import layout
from huracan.trading.accounting import attribute, buy, clear_trade, equity, mark_bar, observe, sell, sellable, work_age
from huracan.trading.settings import View
from huracan.trading.slot import ENTRY_FALLBACK, ENTRY_RESTING, EXIT_MARKET, EXIT_RESTING, SLOT, Slot
from huracan.trading.venue_law import Bar, Terms
from tests.trading.markets import settings_of

STEP = 1_000_000
TERMS = Terms(2, 0.01, 1_000, 1_000, False, STEP, 10_000, 1, 1, 10, 0.1)
VIEW = View(sigma=1e-3, qcap=1_000_000, stake=10_000_000, min_notional=50_000)


def new_slot() -> Slot:
    """Return one idle slot."""
    return np.zeros(1, SLOT).view(np.recarray)[0]


def held_slot() -> Slot:
    """Return a slot holding 999.5 steps bought at 10,001 in bar 5, stop 9,940, target 10,120, decided at 10,000."""
    slot = new_slot()
    slot.ref, slot.stop, slot.target, slot.placed, slot.want = 10_000, 9_940, 10_120, 4, 1_000
    buy(slot, 5, 10_001, 1_000, STEP // 2, 0, STEP)
    return slot


def state_of(slot: Slot, bar: Bar, **changes: object) -> np.ndarray:
    """Return the 80 entries after `observe` on a row of ones (entries it must clear included)."""
    state = np.ones((1, 80), np.float32)
    observe(slot, bar, TERMS, VIEW, settings_of(**changes).rules, state, 0)
    return state[0]


def test_a_buy_opens_a_trade_and_a_sell_keeps_the_books_exact() -> None:
    """Coins, cash and fees move by exactly the fill and its commission."""
    slot = new_slot()
    slot.coins, slot.want = 300_000, 100
    buy(slot, 9, 10_000, 60, 60_000, 0, STEP)
    buy(slot, 9, 10_001, 40, 40_000, 7, STEP)
    assert (slot.coins, slot.cash, slot.fee) == (300_000 + 100 * STEP - 100_000, -(600_000 + 400_040), 7)
    assert (slot.quantity_in, slot.value_in, slot.want, slot.first_fill) == (100, 1_000_040, 0, 9)
    assert (slot.dust_in, slot.fee_base, slot.fee_quote, slot.maker_fill) == (300_000, 100_000, 7, -1)
    sell(slot, 9_990, 100, 99, STEP)
    assert (slot.coins, slot.cash, slot.fee) == (200_000, 999_000 - 1_000_040, 106)
    assert (slot.quantity_out, slot.value_out, slot.high, slot.low) == (100, 999_000, 10_001, 9_990)


def test_less_than_a_step_is_not_sellable() -> None:
    """999.5 steps: 999."""
    assert sellable(held_slot(), STEP) == 999


def test_costs_of_a_fill_split_at_the_touch() -> None:
    """Mid 10,000, touch 10,001, price 10,004: spread 1, slippage 3 a step, on either side."""
    slot = new_slot()
    attribute(slot, 10, 10_004, 10_001, 10_000)
    attribute(slot, 10, 9_996, 9_999, 10_000)
    assert (slot.spread, slot.slippage) == (20, 60)


def test_clearing_a_trade_keeps_the_account() -> None:
    """Coins, cash and fees stay, every other field is zero."""
    slot = held_slot()
    kept = (int(slot.coins), int(slot.cash), int(slot.fee))
    clear_trade(slot)
    assert slot.tolist() == (*kept, *[0] * (len(SLOT) - 3))


def test_equity_marks_coins_at_the_close_and_charges_fees() -> None:
    """999.5 steps at 10,100 less 1,000 at 10,001, in ticks x steps of 0.0001, less 5e-8 of fees."""
    slot = held_slot()
    slot.fee = 5
    assert equity(slot, 10_100, TERMS, 1e-4) == pytest.approx((999.5 * 10_100 - 10_001_000) * 1e-4 - 5e-8, abs=1e-12)


def test_excursions_come_from_closed_candles() -> None:
    """The whole bar of a taker entry; of a first resting fill the low and the close."""
    slot = held_slot()
    mark_bar(slot, Bar(5, 10_000, 10_050, 9_980, 10_010, 1))
    assert (slot.high, slot.low) == (10_050, 9_980)
    slot = held_slot()
    slot.maker_fill = 5
    mark_bar(slot, Bar(5, 10_000, 10_050, 9_980, 10_010, 1))
    assert (slot.high, slot.low) == (10_010, 9_980)
    mark_bar(slot, Bar(6, 10_000, 10_030, 9_990, 10_010, 1))
    assert (slot.high, slot.low) == (10_030, 9_980)


def test_the_state_of_a_held_position_by_its_formulas() -> None:
    """Entries 62 to 71, 76 and 77 written out."""
    slot = held_slot()
    slot.high, slot.low = 10_050, 9_990
    state = state_of(slot, Bar(7, 10_000, 10_050, 9_990, 10_030, 1))
    cost = 0.001 + (1.0 + 0.01 * math.sqrt(997)) / 10_030
    saving = (2 + 0.01 * math.sqrt(997)) / 10_030
    near, far = 10_030 * 1e-3 * math.sqrt(60), 1e-3 * math.sqrt(100)
    expected = {
        layout.S_IS_LONG: 1.0,
        layout.S_IS_SHORT: 0.0,
        layout.S_UNREALISED_R: (10_030 * (1 - cost) - 10_001) / 60,
        layout.S_MFE_R: 49 / 60,
        layout.S_MAE_R: -11 / 60,
        layout.S_HELD_FRAC: 3 / 100,
        layout.S_STOP_DIST: 90 / near,
        layout.S_TARGET_DIST: 90 / near,
        layout.S_ORDER_AGE: 0.0,
        layout.S_SIZE_FRAC: 999 * 10_030 / 15_000_000,
        layout.S_COST: 2 * cost / far,
        layout.S_MAKER_SAVING: saving / far,
    }
    for entry, value in expected.items():
        assert state[entry] == np.float32(value), layout.LAYOUT[entry]


def test_a_flat_slot_shows_zeros_and_the_cost_of_a_round_trip() -> None:
    """62 to 71 are cleared; entries of others are left alone."""
    state = state_of(new_slot(), Bar(7, 10_000, 10_000, 10_000, 10_000, 1))
    assert not state[62:72].any()
    assert state[layout.S_COST] > 0
    assert state[72:76].tolist() == [1.0] * 4


def test_without_stops_the_state_shows_neither_levels_nor_time_left() -> None:
    """67, 68 and 69 are zero; the result in units of risk stays."""
    state = state_of(held_slot(), Bar(7, 10_000, 10_000, 10_000, 10_030, 1), stops_enabled=False)
    assert state[[layout.S_HELD_FRAC, layout.S_STOP_DIST, layout.S_TARGET_DIST]].tolist() == [0, 0, 0]
    assert state[layout.S_UNREALISED_R] != 0


def test_no_volatility_gives_finite_entries() -> None:
    """Sigma 0 is floored in every denominator."""
    state = np.zeros((1, 80), np.float32)
    observe(held_slot(), Bar(7, 1, 1, 1, 1, 0), TERMS, VIEW._replace(sigma=0.0), settings_of().rules, state, 0)
    assert np.isfinite(state).all()


@pytest.mark.parametrize(
    ("fields", "age"),
    [
        ({"want": 5, "mode": ENTRY_RESTING, "placed": 3}, 4 / 15),
        ({"want": 5, "mode": ENTRY_RESTING, "placed": -60}, 1.0),
        ({"want": 5, "mode": ENTRY_FALLBACK}, 1.0),
        ({"exit_mode": EXIT_MARKET}, -1.0),
        ({"exit_mode": EXIT_RESTING, "exit_deadline": 17}, -5 / 15),
        ({}, 0.0),
    ],
)
def test_the_age_of_the_order_at_work_is_signed(fields: dict[str, int], age: float) -> None:
    """Bar 7; three attempts of 5 bars, maker exits of 15: entries above zero, exits below."""
    slot = new_slot()
    for name, value in fields.items():
        setattr(slot, name, value)
    assert work_age(slot, 7, settings_of().rules) == pytest.approx(age, abs=1e-15)

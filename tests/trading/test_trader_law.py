"""Trader law: sizes, levels, ranks and the housekeeping of a close."""

import math

import numpy as np
import pytest

from huracan.trading import ExitReason
from huracan.trading.settings import View
from huracan.trading.slot import ENTRY_FALLBACK, ENTRY_RESTING, ENTRY_SENT, EXIT_MARKET, EXIT_RESTING, SLOT, Slot
from huracan.trading.trader_law import (
    act,
    force_exit,
    least_lot,
    levels,
    next_attempt,
    order_size,
    outranks,
    policy_exit,
    tend,
)
from huracan.trading.venue_law import Bar, Terms
from tests.trading.markets import settings_of

TERMS = Terms(2, 0.0, 1_000, 1_000, False, 1_000_000, 10_000, 1, 1, 10, 0.1)
VIEW = View(sigma=0.0, qcap=1_200, stake=10_000_000, min_notional=50_000)


def holding(**fields: int) -> Slot:
    """Return a slot that holds 999 steps since bar 1 with the plain bracket."""
    slot = np.zeros(1, SLOT).view(np.recarray)[0]
    plain = {
        "coins": 999_000_000,
        "quantity_in": 1_000,
        "first_fill": 1,
        "ref": 10_000,
        "stop": 9_940,
        "target": 10_120,
    }
    for name, value in {**plain, **fields}.items():
        setattr(slot, name, value)
    return slot


def close_at(close: int, number: int = 2) -> Bar:
    """Return a bar of one price."""
    return Bar(number, close, close, close, close, 1)


def test_sizes_are_half_stakes_within_the_cap() -> None:
    """500, 1,000, and 1,500 cut to 1,200 steps; a lot is two least orders or two steps."""
    assert [order_size(action, 10_000, VIEW) for action in (1, 2, 3)] == [500, 1_000, 1_200]
    assert least_lot(10_000, VIEW) == 10
    assert least_lot(9_999, VIEW) == 11
    assert least_lot(200_000, VIEW) == 2


def test_levels_round_away_from_the_decision() -> None:
    """Sigma sqrt(100) = 1.234 %: stop 123.4 down to 124 ticks below, target 246.8 up to 247 above, cap 30 bp."""
    assert levels(10_000, 0.001234, settings_of().rules) == (9_876, 10_247, 10_030)


def test_levels_have_a_floor() -> None:
    """60 bp and 120 bp when volatility is low."""
    assert levels(10_000, 1e-6, settings_of().rules) == (9_940, 10_120, 10_030)


def test_levels_are_those_of_python() -> None:
    """The compiled float rule gives Python's integers at a thousand volatilities."""
    rules = settings_of().rules
    for sigma in np.random.default_rng(5).uniform(1e-5, 0.02, 1_000).tolist():
        distance = max(sigma * rules.sqrt_hold, rules.distance_min)
        expected = (98_765 - math.ceil(1.0 * distance * 98_765), 98_765 + math.ceil(2.0 * distance * 98_765))
        assert levels(98_765, sigma, rules)[:2] == expected


@pytest.mark.parametrize("current", [ExitReason.NONE, ExitReason.TAKE_PROFIT, ExitReason.POLICY_EXIT])
def test_forced_reasons_outrank_the_others(current: ExitReason) -> None:
    """Risk and kill switch replace whatever was set."""
    assert outranks(ExitReason.RISK_EXIT, current)
    assert outranks(ExitReason.KILL_SWITCH, current)


def test_the_kill_switch_outranks_risk_and_not_the_reverse() -> None:
    """kill_switch > risk_exit."""
    assert outranks(ExitReason.KILL_SWITCH, ExitReason.RISK_EXIT)
    assert not outranks(ExitReason.RISK_EXIT, ExitReason.KILL_SWITCH)
    slot = holding()
    force_exit(slot, ExitReason.KILL_SWITCH, 1_000_000)
    force_exit(slot, ExitReason.RISK_EXIT, 1_000_000)
    assert (slot.reason, slot.exit_mode) == (ExitReason.KILL_SWITCH, EXIT_MARKET)


def test_target_before_time_limit_before_policy_exit() -> None:
    """The same close meets all three: take_profit is set first and the policy's EXIT is HOLD."""
    rules = settings_of(hold_bars=4).rules
    slot = holding()
    tend(slot, close_at(10_120, number=9), TERMS, rules)
    policy_exit(slot, close_at(10_120, number=9), TERMS, rules)
    assert slot.reason == ExitReason.TAKE_PROFIT
    slot = holding()
    tend(slot, close_at(10_000, number=4), TERMS, rules)
    policy_exit(slot, close_at(10_000, number=4), TERMS, rules)
    assert slot.reason == ExitReason.TIME_LIMIT


def test_a_reason_once_set_stays_when_its_order_turns_to_market() -> None:
    """A resting policy exit meets target, time limit or its deadline: market, still policy_exit."""
    rules = settings_of(hold_bars=4, exit="maker").rules
    for bar in (close_at(10_120), close_at(10_000, 4), close_at(10_000, 3)):
        slot = holding(reason=ExitReason.POLICY_EXIT, exit_mode=EXIT_RESTING, exit_limit=10_001, exit_deadline=3)
        tend(slot, bar, TERMS, rules)
        assert (slot.reason, slot.exit_mode) == (ExitReason.POLICY_EXIT, EXIT_MARKET)
    slot = holding(reason=ExitReason.POLICY_EXIT, exit_mode=EXIT_RESTING, exit_limit=10_001, exit_deadline=3)
    tend(slot, close_at(10_000, 2), TERMS, rules)
    assert slot.exit_mode == EXIT_RESTING


def test_a_new_attempt_pegs_to_the_new_bid_within_the_cap() -> None:
    """Bid 10,049 is above the cap of 10,030; the next attempt after the last one takes."""
    rules = settings_of(entry="maker").rules
    slot = holding(want=300, mode=ENTRY_RESTING, tries=1, cap=10_030)
    next_attempt(slot, close_at(10_050, 8), TERMS, rules)
    assert (slot.mode, slot.limit, slot.deadline, slot.tries) == (ENTRY_SENT, 10_030, 13, 0)
    next_attempt(slot, close_at(10_000, 13), TERMS, rules)
    assert (slot.mode, slot.want) == (ENTRY_FALLBACK, 300)


def test_giving_up_keeps_what_was_bought() -> None:
    """The rest is dropped, the position and its bracket stay."""
    rules = settings_of(entry="maker", maker_fallback="give_up").rules
    slot = holding(want=300, mode=ENTRY_RESTING, tries=0)
    next_attempt(slot, close_at(10_000), TERMS, rules)
    assert (slot.want, slot.mode, slot.stop, slot.coins) == (0, 0, 9_940, 999_000_000)


def test_a_void_entry_keeps_what_was_bought() -> None:
    """Close bid at the stop, partial position: only the rest is cancelled."""
    slot = holding(want=300, mode=ENTRY_RESTING, deadline=99)
    tend(slot, close_at(9_941), TERMS, settings_of(entry="maker").rules)
    assert (slot.want, slot.coins, slot.reason) == (0, 999_000_000, 0)


def test_actions_without_effect_change_nothing() -> None:
    """DO_NOTHING and HOLD send nothing."""
    slot = holding()
    before = slot.tolist()
    assert not act(slot, close_at(10_000), TERMS, VIEW, settings_of().rules, 0)
    assert not act(slot, close_at(10_000), TERMS, VIEW, settings_of().rules, 5)
    assert slot.tolist() == before

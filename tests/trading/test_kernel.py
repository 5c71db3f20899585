"""A slot through bars written by hand: every rule of entry, stop, target and exit in integers.

Unless told otherwise: close 10,000 at the decision, spread 2 (bid 9,999, ask 10,001), no impact, stop 9,940, target
10,120, cap 10,030, 1,000 steps for a normal entry, a fee of exactly one step per thousand.
"""

import numpy as np
import pytest

from huracan.trading import Action, ExitReason, Lanes
from huracan.trading.slot import ENTRY_REFUSED, ENTRY_RESTING, EXIT_MARKET, EXIT_RESTING
from tests.trading.markets import CALM, script

ENTER, LARGE, EXIT, HOLD, WAIT = 2, 3, Action.EXIT, Action.HOLD, Action.DO_NOTHING
STEP = 1_000_000
MAKER = {"entry": "maker", "maker_life_bars": 2, "maker_tries": 2}


def slot(lanes: Lanes, *names: str) -> tuple[int, ...]:
    """Return fields of lane 0's slot."""
    return tuple(int(lanes.slots[0][name]) for name in names)


def only_trade(lanes: Lanes) -> dict[str, int]:
    """Return the integers of the one closed trade."""
    trades = lanes.trades()
    assert len(trades) == 1
    names = ("entry_bar", "exit_bar", "reason", "quantity_in", "value_in", "quantity_out", "value_out", "high", "low")
    return {name: int(getattr(trades, name)[0]) for name in names}


# ---- entry --------------------------------------------------------------------------------------------------------


def test_a_taker_entry_is_two_venue_trades_at_the_next_open() -> None:
    """Ask 10,012; 317 of 1,000 steps slip one tick; 1,000 ppm of the coin are kept by the venue."""
    lanes = script([CALM, (10_010, 10_015, 10_005, 10_010, 10)], [ENTER], spread=3, impact=0.01)
    assert slot(lanes, "quantity_in", "value_in") == (1_000, 683 * 10_012 + 317 * 10_013)
    assert slot(lanes, "coins", "fee_base") == (999 * STEP, STEP)
    assert slot(lanes, "ref", "stop", "target", "cap", "lot") == (10_000, 9_940, 10_120, 10_030, 10)
    assert slot(lanes, "first_fill", "want", "mode") == (1, 0, 0)
    assert slot(lanes, "spread", "slippage") == (2_000, 317)
    assert slot(lanes, "high", "low") == (10_015, 10_005)


@pytest.mark.parametrize(("action", "steps"), [(1, 500), (2, 1_000), (3, 1_500)])
def test_size_is_half_stakes_over_the_close(action: int, steps: int) -> None:
    """10^7 ticks x steps of stake at 10,000 ticks."""
    assert slot(script([CALM] * 2, [action]), "quantity_in", "requested") == (steps, steps)


def test_the_days_cap_limits_size_and_a_size_below_a_lot_is_void() -> None:
    """Two least orders of 5 are 10 steps here: a cap of 10 trades 10 steps, a cap of 9 trades nothing."""
    assert slot(script([CALM] * 2, [LARGE], qcap=10), "quantity_in") == (10,)
    assert slot(script([CALM] * 2, [LARGE], qcap=9), "quantity_in", "want") == (0, 0)


@pytest.mark.parametrize(("opened", "impact", "filled"), [(10_029, 0.0, 1_000), (10_030, 0.0, 0), (10_029, 0.01, 0)])
def test_fill_or_kill_never_pays_more_than_the_cap(opened: int, impact: float, filled: int) -> None:
    """Cap 10,030: an ask there fills; one tick more, or one step slipping a tick, expires the whole order."""
    lanes = script([CALM, (opened, opened, opened, opened, 9)], [ENTER], impact=impact)
    assert slot(lanes, "quantity_in", "want", "mode") == (filled, 0, 0)


def test_an_entry_whose_bid_is_at_the_stop_is_void() -> None:
    """Spread 120 puts the bid on the stop at 9,940; spread 118 leaves it a tick above."""
    assert slot(script([CALM] * 2, [ENTER], spread=120), "quantity_in", "want") == (0, 0)
    assert slot(script([CALM] * 2, [ENTER], spread=118, cap_bps=100), "quantity_in") == (1_000,)


def test_an_entry_without_a_volatility_is_void() -> None:
    """No levels can be set from NaN."""
    assert slot(script([CALM] * 2, [ENTER], sigma=float("nan")), "want", "quantity_in") == (0, 0)


def test_takers_meet_the_book_of_a_bar_without_volume() -> None:
    """P0 needs no trade."""
    assert slot(script([CALM, (10_000, 10_000, 10_000, 10_000, 0)], [ENTER]), "quantity_in") == (1_000,)


# ---- stop ---------------------------------------------------------------------------------------------------------


def test_a_stop_sells_half_spread_and_a_tenth_of_the_range_below() -> None:
    """Stop 9,940, range 65: 9,940 - 1 - 7 = 9,932; spread 1 and slippage 7 a step."""
    lanes = script([CALM, CALM, (9_990, 9_995, 9_930, 9_950, 500)], [ENTER, HOLD])
    trade = only_trade(lanes)
    assert (trade["reason"], trade["exit_bar"]) == (ExitReason.STOP_LOSS, 2)
    assert (trade["quantity_out"], trade["value_out"], trade["low"]) == (999, 999 * 9_932, 9_932)
    trades = lanes.trades()
    assert trades.spread_part[0] == pytest.approx(-(1_000 + 999) * 1e-4, abs=1e-12)
    assert trades.slippage_part[0] == pytest.approx(-999 * 7 * 1e-4, abs=1e-12)
    assert trades.fee_quote[0] == 999 * 9_932 * 10


def test_a_stop_touched_is_a_stop_triggered() -> None:
    """Low exactly on the stop sells, one tick above does not."""
    assert only_trade(script([CALM, CALM, (9_945, 9_945, 9_940, 9_941, 5)], [ENTER, HOLD]))["value_out"] == 999 * 9_939
    assert slot(script([CALM, CALM, (9_945, 9_945, 9_941, 9_941, 5)], [ENTER, HOLD]), "quantity_out") == (0,)


def test_a_gap_sells_at_the_opens_bid() -> None:
    """Open 9,935 below the stop: 9,934, no stop slippage."""
    lanes = script([CALM, CALM, (9_935, 9_990, 9_930, 9_990, 5)], [ENTER, HOLD])
    assert only_trade(lanes)["value_out"] == 999 * 9_934
    assert lanes.trades().slippage_part[0] == 0


def test_a_stop_works_in_the_bar_of_its_taker_entry() -> None:
    """The bracket is sent on the fill."""
    trade = only_trade(script([CALM, (10_000, 10_000, 9_930, 9_990, 70)], [ENTER]))
    assert (trade["entry_bar"], trade["exit_bar"], trade["reason"]) == (1, 1, ExitReason.STOP_LOSS)


def test_stop_before_target_inside_a_bar() -> None:
    """A bar that touches both is a loss."""
    trade = only_trade(script([CALM, CALM, (10_000, 10_200, 9_900, 10_100, 9_999)], [ENTER, HOLD]))
    assert trade["reason"] == ExitReason.STOP_LOSS


def test_no_stop_without_volume() -> None:
    """Nothing trades, nothing triggers."""
    lanes = script([CALM, CALM, (9_900, 9_900, 9_900, 9_900, 0)], [ENTER, HOLD])
    assert slot(lanes, "quantity_out") == (0,)


# ---- target -------------------------------------------------------------------------------------------------------


def test_a_target_needs_a_trade_through() -> None:
    """High 10,120 touches; 10,121 sells all 999 steps at 10,120 as maker, when enough volume went through."""
    assert slot(script([CALM, CALM, (10_100, 10_120, 10_100, 10_110, 10**6)], [ENTER, HOLD]), "quantity_out") == (0,)
    trade = only_trade(script([CALM, CALM, (10_100, 10_121, 10_100, 10_110, 10**6)], [ENTER, HOLD]))
    assert (trade["reason"], trade["value_out"], trade["high"]) == (ExitReason.TAKE_PROFIT, 999 * 10_120, 10_120)


def test_a_partial_target_sends_the_rest_to_market_with_the_same_reason() -> None:
    """A fifth of 42,000 steps went through, a tenth of it fills: 840; the stop leg is gone, 159 meet the next open."""
    bars = [CALM, CALM, (10_100, 10_125, 10_100, 10_105, 42_000), (9_000, 9_000, 9_000, 9_000, 10)]
    lanes = script(bars[:3], [ENTER, HOLD])
    assert slot(lanes, "quantity_out", "reason", "exit_mode") == (840, ExitReason.TAKE_PROFIT, EXIT_MARKET)
    trade = only_trade(script(bars, [ENTER, HOLD, HOLD]))
    assert (trade["reason"], trade["exit_bar"]) == (ExitReason.TAKE_PROFIT, 3)
    assert trade["value_out"] == 840 * 10_120 + 159 * 8_999


def test_a_rest_below_a_lot_is_filled_with_the_target() -> None:
    """990 of 999 steps would leave 9, below the lot of 10: all are sold."""
    trade = only_trade(script([CALM, CALM, (10_100, 10_125, 10_100, 10_105, 49_500)], [ENTER, HOLD]))
    assert (trade["quantity_out"], trade["exit_bar"]) == (999, 2)


def test_a_close_at_the_target_sells_at_the_next_open() -> None:
    """Touched, not traded through, but the close stands there: take_profit by market."""
    bars = [CALM, CALM, (10_100, 10_120, 10_100, 10_120, 10), (10_118, 10_118, 10_118, 10_118, 10)]
    trade = only_trade(script(bars, [ENTER, HOLD, HOLD]))
    assert (trade["reason"], trade["value_out"]) == (ExitReason.TAKE_PROFIT, 999 * 10_117)


def test_a_target_can_fill_in_the_bar_of_a_taker_entry() -> None:
    """The pair was accepted in the window, so it rests the whole bar."""
    trade = only_trade(script([CALM, (10_000, 10_200, 10_000, 10_150, 10**6)], [ENTER]))
    assert (trade["entry_bar"], trade["exit_bar"], trade["reason"]) == (1, 1, ExitReason.TAKE_PROFIT)


# ---- maker entry --------------------------------------------------------------------------------------------------


def test_a_maker_entry_joins_the_bid_and_fills_by_its_share() -> None:
    """Limit 9,999, low 9,989 of a range of 20: half of 4,000 steps go through, a tenth fills: 200."""
    lanes = script([CALM, (10_000, 10_009, 9_989, 10_000, 4_000)], [ENTER], **MAKER)
    assert slot(lanes, "limit", "mode", "quantity_in", "want") == (9_999, ENTRY_RESTING, 200, 800)
    assert slot(lanes, "value_in", "spread", "slippage", "maker_fill") == (200 * 9_999, 0, 0, 1)


def test_the_bar_of_a_first_maker_fill_counts_its_low_but_not_its_high() -> None:
    """The price came down to the limit: 10,009 may lie before the fill, the close and the low do not."""
    bars = [CALM, (10_000, 10_009, 9_989, 10_000, 4_000), (10_000, 10_020, 9_999, 10_001, 3)]
    assert slot(script(bars[:2], [ENTER], **MAKER), "high", "low") == (10_000, 9_989)
    assert slot(script(bars, [ENTER, HOLD], **MAKER), "high", "low") == (10_020, 9_989)


def test_a_post_only_that_would_cross_waits_out_its_life_and_is_pegged_again() -> None:
    """Open 9,997: ask 9,998 <= 9,999 refuses; nothing fills for two bars; then the limit follows the new bid."""
    crossing = (9_997, 9_997, 9_990, 9_995, 10_000)
    lanes = script([CALM, crossing], [ENTER], **MAKER)
    assert slot(lanes, "mode", "quantity_in") == (ENTRY_REFUSED, 0)
    lanes = script([CALM, crossing, (9_995, 9_995, 9_980, 9_990, 10_000)], [ENTER, HOLD], **MAKER)
    assert slot(lanes, "quantity_in", "limit", "tries", "deadline") == (0, 9_989, 0, 4)


def test_after_the_last_attempt_the_rest_is_taken_within_the_same_cap() -> None:
    """Two attempts of two bars, then fill-or-kill at the open of bar 5; its fee is the taker's."""
    up = [(10_000 + i, 10_000 + i, 10_000 + i, 10_000 + i, 100) for i in range(6)]
    lanes = script(up, [ENTER, HOLD, HOLD, HOLD, HOLD], fee_maker_ppm=0, **MAKER)
    assert slot(lanes, "quantity_in", "value_in", "first_fill", "fee_base") == (1_000, 1_000 * 10_006, 5, STEP)


def test_giving_up_after_the_last_attempt_leaves_an_idle_slot() -> None:
    """maker_fallback give_up."""
    up = [(10_000 + i, 10_000 + i, 10_000 + i, 10_000 + i, 100) for i in range(6)]
    lanes = script(up, [ENTER, HOLD, HOLD, HOLD], maker_fallback="give_up", **MAKER)
    assert slot(lanes, "want", "mode", "placed", "stop") == (0, 0, 0, 0)


def test_no_target_in_a_bar_with_a_maker_fill_but_a_stop() -> None:
    """The pair sent on the fill rests from the next bar on; as a stop it is live at once."""
    through = (10_000, 10_200, 9_989, 10_100, 10**6)
    assert slot(script([CALM, through], [ENTER], **MAKER), "quantity_in", "quantity_out") == (1_000, 0)
    trade = only_trade(script([CALM, (10_000, 10_000, 9_900, 9_990, 10**6)], [ENTER], **MAKER))
    assert (trade["reason"], trade["value_in"]) == (ExitReason.STOP_LOSS, 1_000 * 9_999)


def test_an_entry_is_void_when_the_market_leaves_its_bracket() -> None:
    """Close at the target before any fill, or bid at the stop: cancelled."""
    assert slot(script([CALM, (10_120, 10_120, 10_120, 10_120, 5)], [ENTER], **MAKER), "want", "mode") == (0, 0)
    assert slot(script([CALM, (9_941, 9_941, 9_941, 9_941, 0)], [ENTER], **MAKER), "want", "mode") == (0, 0)
    assert slot(script([CALM, (10_119, 10_119, 10_119, 10_119, 5)], [ENTER], **MAKER), "want") == (1_000,)


def test_no_maker_fill_without_volume_through_of_a_lot() -> None:
    """99 steps through give 9, below the lot of 10."""
    assert slot(script([CALM, (9_999, 9_999, 9_998, 9_998, 99)], [ENTER], **MAKER), "quantity_in") == (0,)
    assert slot(script([CALM, (9_999, 9_999, 9_998, 9_998, 100)], [ENTER], **MAKER), "quantity_in") == (10,)


def test_any_exit_cancels_the_rest_of_a_partial_entry() -> None:
    """200 of 1,000 bought; EXIT drops the other 800 and sells 199 (a fee of 0.2 steps leaves dust)."""
    bars = [CALM, (10_000, 10_009, 9_989, 10_000, 4_000), (10_000, 10_000, 9_900, 10_000, 10**6)]
    lanes = script(bars, [ENTER, EXIT], **MAKER)
    trade = only_trade(lanes)
    assert (trade["quantity_in"], trade["quantity_out"], trade["reason"]) == (200, 199, ExitReason.POLICY_EXIT)
    assert slot(lanes, "coins", "want") == (800_000, 0)


# ---- exits --------------------------------------------------------------------------------------------------------


def test_a_policy_exit_takes_the_next_opens_bid() -> None:
    """EXIT at bar 1, sold at the open of bar 2."""
    trade = only_trade(script([CALM, CALM, (10_050, 10_050, 10_050, 10_050, 1)], [ENTER, EXIT]))
    assert (trade["reason"], trade["value_out"], trade["exit_bar"]) == (ExitReason.POLICY_EXIT, 999 * 10_049, 2)


def test_a_maker_exit_rests_at_the_close_ask_then_goes_to_market() -> None:
    """Limit 10,001 for three bars; a trade-through fills it, else the deadline sells at the next open."""
    maker = {"exit": "maker", "maker_exit_life_bars": 3}
    lanes = script([CALM, CALM, CALM], [ENTER, EXIT], **maker)
    assert slot(lanes, "exit_limit", "exit_mode", "exit_deadline") == (10_001, EXIT_RESTING, 4)
    filled = only_trade(script([CALM, CALM, (10_000, 10_002, 10_000, 10_000, 10**6)], [ENTER, EXIT], **maker))
    assert (filled["value_out"], filled["reason"]) == (999 * 10_001, ExitReason.POLICY_EXIT)
    late = only_trade(script([CALM] * 6, [ENTER, EXIT, HOLD, EXIT, HOLD], **maker))
    assert (late["exit_bar"], late["value_out"]) == (5, 999 * 9_999)


def test_a_maker_exit_that_would_match_is_sold_at_once() -> None:
    """The open at the limit refuses the pair: market in the same window."""
    trade = only_trade(script([CALM, CALM, (10_001, 10_001, 10_001, 10_001, 5)], [ENTER, EXIT], exit="maker"))
    assert (trade["value_out"], trade["reason"], trade["exit_bar"]) == (999 * 10_000, ExitReason.POLICY_EXIT, 2)


def test_the_stop_stays_under_a_working_maker_exit() -> None:
    """Reason stop_loss, whoever wanted out first."""
    trade = only_trade(script([CALM, CALM, CALM, (9_990, 9_990, 9_930, 9_940, 5)], [ENTER, EXIT, HOLD], exit="maker"))
    assert trade["reason"] == ExitReason.STOP_LOSS


def test_a_partial_maker_exit_sends_the_rest_to_market() -> None:
    """A partial fill cancels the stop leg; reason policy_exit."""
    bars = [CALM, CALM, (10_000, 10_005, 10_000, 10_000, 1_000), CALM]
    trade = only_trade(script(bars, [ENTER, EXIT, HOLD], exit="maker"))
    assert trade["value_out"] == 80 * 10_001 + 919 * 9_999
    assert (trade["exit_bar"], trade["reason"]) == (3, ExitReason.POLICY_EXIT)


def test_the_time_limit_sells_after_exactly_hold_bars() -> None:
    """Filled at the open of bar 1, hold 4: sold at the open of bar 5."""
    trade = only_trade(script([CALM] * 7, [ENTER, HOLD, HOLD, HOLD, HOLD, WAIT], hold_bars=4))
    assert (trade["reason"], trade["exit_bar"] - trade["entry_bar"]) == (ExitReason.TIME_LIMIT, 4)


def test_the_time_limit_counts_missing_bars() -> None:
    """Hold is time: with bars 2 to 4 missing, the next existing close is already over it."""
    trade = only_trade(script([CALM] * 4, [ENTER, HOLD, HOLD], hold_bars=4, numbers=[0, 1, 5, 6]))
    assert (trade["reason"], trade["exit_bar"]) == (ExitReason.TIME_LIMIT, 3)


def test_exit_of_a_working_entry_cancels_it() -> None:
    """Nothing held: the slot is idle and the next decision may enter."""
    lanes = script([CALM] * 3, [ENTER, EXIT], **MAKER)
    assert slot(lanes, "want", "mode", "ref") == (0, 0, 0)
    assert len(lanes.trades()) == 0


def test_forced_exits_act_at_any_close_and_replace_the_action() -> None:
    """risk_exit sells although the policy holds; kill_switch cancels an entry although the policy enters."""
    trade = only_trade(script([CALM] * 3, [ENTER, HOLD], forced={1: ExitReason.RISK_EXIT}))
    assert (trade["reason"], trade["exit_bar"]) == (ExitReason.RISK_EXIT, 2)
    assert slot(script([CALM] * 2, [ENTER], forced={0: ExitReason.KILL_SWITCH}), "quantity_in") == (0,)


def test_a_forced_exit_overrides_a_resting_one() -> None:
    """The maker exit turns into a market order with the higher reason."""
    trade = only_trade(script([CALM] * 5, [ENTER, EXIT, HOLD, HOLD], {2: ExitReason.KILL_SWITCH}, exit="maker"))
    assert (trade["reason"], trade["exit_bar"]) == (ExitReason.KILL_SWITCH, 3)


def test_a_forced_exit_between_decisions() -> None:
    """Stepping bar by bar with a decision every fifth: the order goes out at that close, not at the next decision."""
    options = {"decision_interval_bars": 5, "every_bar": True}
    lanes = script([CALM] * 12, [ENTER, *[HOLD] * 7], forced={2: ExitReason.RISK_EXIT}, **options)
    assert only_trade(lanes)["exit_bar"] == 7


def test_re_entry_waits_for_the_decision_after_the_exit() -> None:
    """Sold by market in bar 2; ENTER at its close fills in bar 3."""
    trades = script([CALM] * 5, [ENTER, EXIT, ENTER, EXIT]).trades()
    assert trades.entry_bar.tolist() == [1, 3]
    assert trades.exit_bar.tolist() == [2, 4]


# ---- fees, dust, ends ---------------------------------------------------------------------------------------------


def test_dust_is_carried_and_sold_with_the_next_trade() -> None:
    """1,500 steps less a fee of 1.5 leave 1,498 and a half; the second time the two halves make one more."""
    trades = script([CALM] * 5, [LARGE, EXIT, LARGE, EXIT]).trades()
    assert trades.quantity_out.tolist() == [1_498, 1_499]
    assert trades.dust_in.tolist() == [0, STEP // 2]
    assert trades.dust_out.tolist() == [STEP // 2, 0]


def test_fees_in_quote_leave_the_whole_quantity() -> None:
    """10 units of 1e-8 quote per tick x step and side."""
    trades = script([CALM] * 3, [ENTER, EXIT], fee_asset="quote").trades()
    assert (trades.quantity_out[0], trades.fee_base[0]) == (1_000, 0)
    assert trades.fee_quote[0] == 10 * (1_000 * 10_001 + 1_000 * 9_999)


def test_the_end_of_the_data_sells_at_the_close_book() -> None:
    """Last close 10,020: bid 10,019, terminated; even where an exit was due at the next open."""
    bars = [CALM, CALM, (10_000, 10_020, 10_000, 10_020, 5)]
    lanes = script(bars, [ENTER, HOLD], at_end=True, hold_bars=4)
    trade = only_trade(lanes)
    assert (trade["reason"], trade["value_out"], trade["exit_bar"]) == (ExitReason.END_OF_DATA, 999 * 10_019, 2)
    assert (lanes.terminated[0], lanes.truncated[0]) == (True, False)


def test_the_end_of_the_data_cancels_a_working_entry() -> None:
    """Nothing bought: the slot is idle, no trade is written."""
    lanes = script([CALM] * 3, [ENTER, HOLD], at_end=True, **MAKER)
    assert slot(lanes, "want", "mode", "placed") == (0, 0, 0)
    assert len(lanes.trades()) == 0


def test_a_truncated_episode_keeps_its_position() -> None:
    """No sale, no trade; the state still shows it."""
    lanes = script([CALM] * 3, [ENTER, HOLD])
    assert (lanes.terminated[0], lanes.truncated[0]) == (False, True)
    assert slot(lanes, "quantity_in") == (1_000,)
    assert lanes.obs[0, 62] == 1


def test_without_stops_only_the_policy_ends_a_position() -> None:
    """No stop, no target, no time limit, whatever the bars do."""
    wild = [(10_000, 20_000, 5_000, 10_000, 10**6)] * 8
    lanes = script([CALM, *wild], [ENTER, *[HOLD] * 6, EXIT], stops_enabled=False, hold_bars=2, target_sigmas=2.0)
    assert only_trade(lanes)["reason"] == ExitReason.POLICY_EXIT
    assert np.all(lanes.trades().exit_bar == 8)

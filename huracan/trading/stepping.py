"""The loop over lanes, compiled: actions at a close, bars to the next decision, reward, state and records."""

import math
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from huracan.features.layout import HEAD_SIZE, S_DATA_AGE, STATE_SIZE
from huracan.trading.account import Exposure, begin_account, learn_trade, write_account
from huracan.trading.accounting import SIGMA_MIN, clear_trade, equity, observe, sellable
from huracan.trading.actions import is_legal
from huracan.trading.compiled import hot_law, law
from huracan.trading.deck import Deck, set_terms, view_of
from huracan.trading.kernel import is_idle, liquidate, step_slot
from huracan.trading.settings import Limits, Rules
from huracan.trading.slot import Slot
from huracan.trading.trader_law import act, force_exit

__all__ = ["LANE", "LaneArrays", "Records", "begin_lanes", "place_lanes", "step_lanes"]

LANE = np.dtype(
    [
        ("tape", "i8"),
        ("at", "i8"),
        ("stop", "i8"),
        ("row", "i8"),
        ("bar", "i8"),
        ("bar_no", "i8"),
        ("next_bar_no", "i8"),
        ("scale", "f8"),
        ("equity", "f8"),
        ("equity_before", "f8"),
        ("sigma_before", "f8"),
        ("heat", "f8"),
        ("gross", "f8"),
        ("reward", "f4"),
        ("at_end", "?"),
        ("due", "?"),
        ("terminated", "?"),
        ("truncated", "?"),
    ],
    align=True,
)
"""One lane: its market, place (`at`, `stop`, `row` index the deck), episode and figures; see `Lanes`."""


Rows = NDArray[Any]
Ints = NDArray[np.int64]
States = NDArray[np.float32]


class LaneArrays(NamedTuple):
    """The state of N lanes.

    Attributes:
        lane: LANE[N].
        slots: SLOT[N].
        terms: TERMS[N], the venue's terms of each lane on the day of its current bar.
        accounts: float64[N, ACCOUNT_SIZE].
        obs: float32[N, 80].
        entry_state: float32[N, 80], the state in which the entry at work or the position was decided.
        load: float32[N, 4], the rest of the portfolio.
    """

    lane: NDArray[Any]
    slots: NDArray[Any]
    terms: NDArray[Any]
    accounts: NDArray[np.float64]
    obs: NDArray[np.float32]
    entry_state: NDArray[np.float32]
    load: NDArray[np.float32]


class Records(NamedTuple):
    """What a recording run keeps: closed slots, their entry states, equity by day; `closed[0]` trades so far."""

    on: bool
    closed: NDArray[np.int64]
    slots: NDArray[Any]
    lane: NDArray[np.int64]
    tape: NDArray[np.int64]
    exit_no: NDArray[np.int64]
    states: NDArray[np.float32]
    daily: NDArray[np.float64]


@njit(cache=True, error_model="numpy")
def place_lanes(
    deck: Deck, lanes: LaneArrays, which: Ints, tape: Ints, start: Ints, stop: Ints, at_end: NDArray[np.bool_]
) -> int:
    """Give each lane of `which` its market and span with an empty account; returns the first that cannot, else -1."""
    for n in range(len(which)):
        if not 0 <= tape[n] < len(deck.markets):
            return n
        lane, market = lanes.lane[which[n]], deck.markets[tape[n]]
        at, end = start[n] + market.first_bar, stop[n] + market.first_bar
        row = market.first_row + np.searchsorted(deck.rows[market.first_row : market.end_row], at)
        if row == market.end_row or deck.rows[row] != at or end < at + 2 or end > market.end_bar:
            return n
        lane.tape = tape[n]
        lane.at = at
        lane.stop = end
        lane.row = row
        lane.at_end = at_end[n]
        slot = lanes.slots[which[n]]
        slot.coins = 0
        slot.cash = 0
        slot.fee = 0
        clear_trade(slot)
    return -1


@njit(cache=True, error_model="numpy")
def begin_lanes(deck: Deck, lanes: LaneArrays, records: Records, rules: Rows, limits: Limits, which: Ints) -> None:
    """Write the first state of idle lanes whose tape, at, stop, row, scale and load are set."""
    for n in range(len(which)):
        i = which[n]
        lane, slot, terms = lanes.lane[i], lanes.slots[i], lanes.terms[i]
        market, bar = deck.markets[lane.tape], deck.bars[lane.at]
        day = deck.days[bar.day]
        begin_account(lanes.accounts, i, limits.wallet, day.number)
        set_terms(terms, market, day, lane.scale)
        lane.equity_before = 0.0
        lane.terminated = False
        lane.truncated = False
        lane.due = True
        if records.on:
            records.daily[i, :] = np.nan
        show_position(lane, slot, terms, market, bar, day, rules[0], lanes.obs, i)
        show_account(lane, market, bar, day, rules[0], limits, lanes.accounts, lanes.load, lanes.obs, i)
        show_market(deck.features, deck.age, lane.row, lanes.obs, i)
        lane.next_bar_no = deck.bars[lane.at + 1].number


@njit(cache=True, nogil=True, error_model="numpy")
def step_lanes(
    deck: Deck,
    lanes: LaneArrays,
    records: Records,
    rules: Rows,
    limits: Limits,
    actions: Ints,
    forced: Ints,
    advance: NDArray[np.bool_],
    every_bar: bool,
) -> None:
    """Step every lane that is neither done nor held back; see `Lanes.step`."""
    bars, days, markets, rows, age, features = deck
    lane_rows, slots, terms_rows, accounts, obs, entry_state, load = lanes
    rule = rules[0]
    for i in range(len(actions)):
        lane, slot, terms = lane_rows[i], slots[i], terms_rows[i]
        if lane.terminated or lane.truncated:
            lane.reward = 0.0
            continue
        market, last = markets[lane.tape], lane.stop - 1
        if obey(lane, slot, terms, market, bars, days, rule, obs, i, actions[i], forced[i]):
            copy_row(obs, i, entry_state, i, STATE_SIZE)
        if not advance[i]:
            show_position(lane, slot, terms, market, bars[lane.at], days[bars[lane.at].day], rule, obs, i)
            continue
        end = lane.at + 1 if every_bar else min(rows[lane.row + 1], last)
        while lane.at < end:
            closed = run_bars(lane, slot, terms, market, bars, days, rule, end, records.on)
            if closed:
                book_trade(lanes, records, i, bars[lane.at].number)
            if records.on:
                note_equity(deck, lanes, records, i)
        bar = bars[lane.at]
        day = days[bar.day]
        done = lane.at == last
        if done and lane.at_end and liquidate(slot, bar, terms):
            book_trade(lanes, records, i, bar.number)
            if records.on:
                note_equity(deck, lanes, records, i)
        lane.due = rows[lane.row + 1] == lane.at
        lane.terminated = done and lane.at_end
        lane.truncated = done and not lane.at_end
        lane.next_bar_no = -1 if done else bars[lane.at + 1].number
        show_position(lane, slot, terms, market, bar, day, rule, obs, i)
        lane.reward = 0.0
        if lane.due or done:
            show_account(lane, market, bar, day, rule, limits, accounts, load, obs, i)
        if lane.due:
            lane.row += 1
            show_market(features, age, lane.row, obs, i)


@hot_law
def obey(
    lane: Any,
    slot: Slot,
    terms: Any,
    market: Any,
    bars: Rows,
    days: Rows,
    rules: Any,
    obs: States,
    i: int,
    action: int,
    forced: int,
) -> bool:
    """Apply a forced exit, else the action if one is due and legal; returns whether an entry was sent."""
    if forced != 0:
        force_exit(slot, forced, terms.step_units)
        return False
    if not lane.due or not is_legal(obs, i, action):
        return False
    bar = bars[lane.at]
    return act(slot, bar, terms, view_of(market, days[bar.day], bar), rules, action)


@hot_law
def run_bars(
    lane: Any, slot: Slot, terms: Any, market: Any, bars: Rows, days: Rows, rules: Any, end: int, day_ends: bool
) -> bool:
    """Take a slot towards bar `end`, an idle one at once; returns early, True, behind a bar that closed its trade.

    With `day_ends` it also returns behind the last bar of each UTC day.
    """
    at, day = lane.at, bars[lane.at].day
    closed = False
    while at < end and not closed:
        if is_idle(slot, terms) and (not day_ends or day == bars[end].day):
            at = end
        else:
            at += 1
        bar = bars[at]
        if bar.day != day:
            day = bar.day
            set_terms(terms, market, days[day], lane.scale)
        closed = step_slot(slot, bar, terms, rules)
        if day_ends and at < end and bars[at + 1].day != day:
            break
    lane.at = at
    return closed


@hot_law
def show_position(
    lane: Any, slot: Slot, terms: Any, market: Any, bar: Any, day: Any, rules: Any, obs: States, i: int
) -> None:
    """Write the figures that change at every close, and the state entries that the slot decides."""
    lane.equity = equity(slot, bar.close, terms, market.tick_step)
    steps = sellable(slot, terms.step_units) + slot.want
    distance = max(0, bar.close - slot.stop) if rules.stops else 0
    lane.gross = steps * float(bar.close) * market.tick_step
    lane.heat = steps * float(distance) * market.tick_step
    lane.bar = lane.at - market.first_bar
    lane.bar_no = bar.number
    observe(slot, bar, terms, view_of(market, day, bar), rules, obs, i)


@hot_law
def show_account(
    lane: Any,
    market: Any,
    bar: Any,
    day: Any,
    rules: Any,
    limits: Limits,
    accounts: NDArray[np.float64],
    load: States,
    obs: States,
    i: int,
) -> None:
    """Write reward and account entries at the end of a decision interval, and begin the next."""
    lane.reward = reward_of(lane, market.capital, rules)
    lane.equity_before = lane.equity
    lane.sigma_before = bar.sigma
    value = limits.wallet + lane.equity
    write_account(accounts, i, value, day.number, Exposure(lane.heat, lane.gross), limits, load, obs)


@hot_law
def show_market(features: States, age: NDArray[np.float32], row: int, obs: States, i: int) -> None:
    """Write state entries 0-61 and 79 of a decision."""
    copy_row(features, row, obs, i, HEAD_SIZE)
    obs[i, S_DATA_AGE] = age[row]


@hot_law
def copy_row(source: States, row: int, target: States, to: int, count: int) -> None:
    """Copy the first `count` entries of a row."""
    for entry in range(count):
        target[to, entry] = source[row, entry]


@hot_law
def reward_of(lane: Any, capital: float, rules: Rules) -> float:
    """Return log1p(change of equity / capital) / (sigma sqrt(k)), clipped; sigma is the last decision's."""
    change = (lane.equity - lane.equity_before) / capital
    if change == 0.0:
        return 0.0
    sigma = max(lane.sigma_before, SIGMA_MIN)
    scaled = math.log1p(max(change, -0.999999)) / (sigma * math.sqrt(rules.interval))
    return max(-rules.reward_clip, min(rules.reward_clip, scaled))


@law
def book_trade(lanes: LaneArrays, records: Records, i: int, number: int) -> None:
    """Keep the closed trade, tell the account's health, and free the slot."""
    slot = lanes.slots[i]
    if records.on:
        row = records.closed[0]
        records.closed[0] += 1
        records.slots[row] = slot
        records.lane[row] = i
        records.tape[row] = lanes.lane[i].tape
        records.exit_no[row] = number
        copy_row(lanes.entry_state, i, records.states, row, STATE_SIZE)
    learn_trade(lanes.accounts, i, result_in_risk(slot, lanes.terms[i]))
    clear_trade(slot)


@law
def result_in_risk(slot: Slot, terms: Any) -> float:
    """Return the net result of the closed trade over what it could lose at its stop, both in ticks x steps."""
    price = slot.value_out / slot.quantity_out
    dust = (slot.coins - slot.dust_in) / terms.step_units
    fee = slot.fee_quote * terms.quote_den / terms.quote_num
    net = slot.value_out - slot.value_in + dust * price - fee
    return net / (float(slot.ref - slot.stop) * slot.quantity_in)


@law
def note_equity(deck: Deck, lanes: LaneArrays, records: Records, i: int) -> None:
    """Keep the equity at the lane's close as that of the bar's UTC day; a later close of the day replaces it."""
    lane = lanes.lane[i]
    market, bar = deck.markets[lane.tape], deck.bars[lane.at]
    records.daily[i, bar.day - market.first_day] = equity(lanes.slots[i], bar.close, lanes.terms[i], market.tick_step)

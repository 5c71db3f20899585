"""The loop over lanes, compiled: actions at a close, bars to the next decision, reward, state and records."""

import math
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from huracan.features.layout import HEAD_SIZE, S_DATA_AGE
from huracan.trading.account import Exposure, begin_account, learn_trade, write_account
from huracan.trading.accounting import SIGMA_MIN, clear_trade, equity, observe, sellable
from huracan.trading.actions import is_legal
from huracan.trading.compiled import law
from huracan.trading.deck import Deck, terms_of, view_of
from huracan.trading.kernel import is_idle, liquidate, step_slot
from huracan.trading.settings import Limits, Rules
from huracan.trading.slot import Slot
from huracan.trading.trader_law import act, force_exit
from huracan.trading.venue_law import Terms

__all__ = ["LANE", "LaneArrays", "Records", "begin_lanes", "step_lanes"]

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


class LaneArrays(NamedTuple):
    """The state of N lanes.

    Attributes:
        lane: LANE[N].
        slots: SLOT[N].
        accounts: float64[N, ACCOUNT_SIZE].
        obs: float32[N, 80].
        entry_state: float32[N, 80], the state in which the entry at work or the position was decided.
        load: float32[N, 4], the rest of the portfolio.
    """

    lane: NDArray[Any]
    slots: NDArray[Any]
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
def begin_lanes(
    deck: Deck, lanes: LaneArrays, records: Records, rules: Rules, limits: Limits, which: NDArray[np.int64]
) -> None:
    """Write the first state of lanes whose tape, at, stop, row, scale and load are set."""
    for n in range(len(which)):
        i = which[n]
        lane = lanes.lane[i]
        bar = deck.bars[lane.at]
        begin_account(lanes.accounts, i, limits.wallet, deck.days[bar.day].number)
        lane.equity_before = 0.0
        lane.terminated = False
        lane.truncated = False
        lanes.obs[i, :] = 0.0
        if records.on:
            records.daily[i, :] = np.nan
        terms = terms_of(deck.markets[lane.tape], deck.days[bar.day], lane.scale)
        show(deck, lanes, i, terms, rules, limits, True, False)


@njit(cache=True, nogil=True, error_model="numpy")
def step_lanes(
    deck: Deck,
    lanes: LaneArrays,
    records: Records,
    rules: Rules,
    limits: Limits,
    actions: NDArray[np.int64],
    forced: NDArray[np.int64],
    advance: NDArray[np.bool_],
    every_bar: bool,
) -> None:
    """Step every lane that is neither done nor held back; see `Lanes.step`."""
    for i in range(len(actions)):
        lane = lanes.lane[i]
        if lane.terminated or lane.truncated:
            lane.reward = 0.0
        elif advance[i]:
            terms = obey(deck, lanes, rules, i, actions[i], forced[i])
            terms = run_bars(deck, lanes, records, rules, i, terms, every_bar)
            arrive(deck, lanes, records, rules, limits, i, terms)


@law
def obey(deck: Deck, lanes: LaneArrays, rules: Rules, i: int, action: int, forced: int) -> Terms:
    """Apply a forced exit, else the action if one is due and legal; an entry remembers the state it was decided in."""
    lane, slot = lanes.lane[i], lanes.slots[i]
    bar, market = deck.bars[lane.at], deck.markets[lane.tape]
    day = deck.days[bar.day]
    terms = terms_of(market, day, lane.scale)
    if forced != 0:
        force_exit(slot, forced, terms.step_units)
    elif (
        lane.due and is_legal(lanes.obs, i, action) and act(slot, bar, terms, view_of(market, day, bar), rules, action)
    ):
        lanes.entry_state[i, :] = lanes.obs[i, :]
    return terms


@law
def run_bars(
    deck: Deck, lanes: LaneArrays, records: Records, rules: Rules, i: int, terms: Terms, every_bar: bool
) -> Terms:
    """Take the lane's slot through the bars to its next stop; an idle slot skips them."""
    lane, slot, bars = lanes.lane[i], lanes.slots[i], deck.bars
    at, end = lane.at, lane.stop - 1
    next_due = deck.rows[lane.row + 1]
    if every_bar:
        end = at + 1
    elif at < next_due < end:
        end = next_due
    day = bars[at].day
    while at < end:
        if is_idle(slot, terms) and (not records.on or day == bars[end].day):
            at = end
        else:
            at += 1
            if bars[at].day != day:
                day = bars[at].day
                terms = terms_of(deck.markets[lane.tape], deck.days[day], lane.scale)
            if step_slot(slot, bars[at], terms, rules):
                book_trade(lanes, records, i, bars[at].number, terms)
        if records.on and (at + 1 >= len(bars) or bars[at + 1].day != day):
            note_equity(deck, lanes, records, i, at, terms)
    if bars[at].day != day:
        terms = terms_of(deck.markets[lane.tape], deck.days[bars[at].day], lane.scale)
    lane.at = at
    return terms


@law
def arrive(deck: Deck, lanes: LaneArrays, records: Records, rules: Rules, limits: Limits, i: int, terms: Terms) -> None:
    """Close the episode if its last bar is reached, find whether a decision is due, and show the state."""
    lane, slot = lanes.lane[i], lanes.slots[i]
    done = lane.at == lane.stop - 1
    if done:
        bar = deck.bars[lane.at]
        if lane.at_end and liquidate(slot, bar, terms):
            book_trade(lanes, records, i, bar.number, terms)
        if records.on:
            note_equity(deck, lanes, records, i, lane.at, terms)
    due = deck.rows[lane.row + 1] == lane.at
    if due:
        lane.row += 1
    show(deck, lanes, i, terms, rules, limits, due, done)
    lane.terminated = done and lane.at_end
    lane.truncated = done and not lane.at_end


@law
def show(
    deck: Deck, lanes: LaneArrays, i: int, terms: Terms, rules: Rules, limits: Limits, due: bool, done: bool
) -> None:
    """Write state, reward and the figures beside them at the lane's current close."""
    lane, slot = lanes.lane[i], lanes.slots[i]
    market, bar = deck.markets[lane.tape], deck.bars[lane.at]
    day = deck.days[bar.day]
    lane.equity = equity(slot, bar.close, terms, market.tick_step)
    open_steps = sellable(slot, terms.step_units) + slot.want
    lane.gross = open_steps * float(bar.close) * market.tick_step
    distance = max(0, bar.close - slot.stop) if rules.stops else 0
    lane.heat = open_steps * float(distance) * market.tick_step
    lane.due = due
    lane.bar = lane.at - market.first_bar
    lane.bar_no = bar.number
    lane.next_bar_no = -1 if done else deck.bars[lane.at + 1].number
    observe(slot, bar, terms, view_of(market, day, bar), rules, lanes.obs, i)
    lane.reward = 0.0
    if due or done:
        lane.reward = reward_of(lane, market.capital, rules)
        lane.equity_before = lane.equity
        lane.sigma_before = bar.sigma
        exposure = Exposure(lane.heat, lane.gross)
        value = limits.wallet + lane.equity
        write_account(lanes.accounts, i, value, day.number, exposure, limits, lanes.load, lanes.obs)
    if due:
        for entry in range(HEAD_SIZE):
            lanes.obs[i, entry] = deck.features[lane.row, entry]
        lanes.obs[i, S_DATA_AGE] = deck.age[lane.row]


@law
def reward_of(lane: Any, capital: float, rules: Rules) -> float:
    """Return log1p(change of equity / capital) / (sigma sqrt(k)), clipped; sigma is the last decision's."""
    change = (lane.equity - lane.equity_before) / capital
    if change == 0.0:
        return 0.0
    sigma = max(lane.sigma_before, SIGMA_MIN)
    scaled = math.log1p(max(change, -0.999999)) / (sigma * math.sqrt(rules.interval))
    return max(-rules.reward_clip, min(rules.reward_clip, scaled))


@law
def book_trade(lanes: LaneArrays, records: Records, i: int, number: int, terms: Terms) -> None:
    """Keep the closed trade, tell the account's health, and free the slot."""
    slot = lanes.slots[i]
    if records.on:
        row = records.closed[0]
        records.closed[0] += 1
        records.slots[row] = slot
        records.lane[row] = i
        records.tape[row] = lanes.lane[i].tape
        records.exit_no[row] = number
        records.states[row, :] = lanes.entry_state[i, :]
    learn_trade(lanes.accounts, i, result_in_risk(slot, terms))
    clear_trade(slot)


@law
def result_in_risk(slot: Slot, terms: Terms) -> float:
    """Return the net result of the closed trade over what it could lose at its stop, both in ticks x steps."""
    price = slot.value_out / slot.quantity_out
    dust = (slot.base - slot.dust_in) / terms.step_units
    fee = slot.fee_quote * terms.quote_den / terms.quote_num
    net = slot.value_out - slot.value_in + dust * price - fee
    return net / (float(slot.ref - slot.stop) * slot.quantity_in)


@law
def note_equity(deck: Deck, lanes: LaneArrays, records: Records, i: int, at: int, terms: Terms) -> None:
    """Keep the equity at a close as that of the bar's UTC day."""
    market, bar = deck.markets[lanes.lane[i].tape], deck.bars[at]
    records.daily[i, bar.day - market.first_day] = equity(lanes.slots[i], bar.close, terms, market.tick_step)

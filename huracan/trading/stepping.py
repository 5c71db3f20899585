"""The loop over lanes, compiled: actions at a close, bars to the next decision, reward, state and records."""

import math
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from huracan.features.layout import HEAD_SIZE, S_DATA_AGE, STATE_SIZE
from huracan.trading.account import Exposure, begin_account, learn_trade, write_account
from huracan.trading.accounting import SIGMA_MIN, clear_trade, equity, observe, sellable
from huracan.trading.actions import is_legal
from huracan.trading.deck import (
    CAPITAL,
    END_ROW,
    FIRST_BAR,
    FIRST_DAY,
    TICK_STEP,
    Deck,
    bar_at,
    terms_at,
    view_at,
)
from huracan.trading.kernel import is_idle, liquidate, step_slot
from huracan.trading.settings import Limits, Rules
from huracan.trading.slot import (
    BASE,
    DUST_IN,
    FEE_QUOTE,
    QUANTITY_IN,
    QUANTITY_OUT,
    REF,
    SLOT_SIZE,
    STOP,
    VALUE_IN,
    VALUE_OUT,
    WANT,
)
from huracan.trading.tape import CLOSE, NUMBER
from huracan.trading.trader_law import act, force_exit
from huracan.trading.venue_law import Terms

__all__ = ["LaneArrays", "Records", "begin_lanes", "step_lanes"]


class LaneArrays(NamedTuple):
    """The state of N lanes; one row each. `at`, `stop` and `row` index the deck."""

    slots: NDArray[np.int64]
    accounts: NDArray[np.float64]
    obs: NDArray[np.float32]
    entry_state: NDArray[np.float32]
    load: NDArray[np.float32]
    reward: NDArray[np.float32]
    terminated: NDArray[np.bool_]
    truncated: NDArray[np.bool_]
    at_end: NDArray[np.bool_]
    due: NDArray[np.bool_]
    tape: NDArray[np.int64]
    at: NDArray[np.int64]
    stop: NDArray[np.int64]
    row: NDArray[np.int64]
    bar: NDArray[np.int64]
    bar_no: NDArray[np.int64]
    next_bar_no: NDArray[np.int64]
    scale: NDArray[np.float64]
    equity: NDArray[np.float64]
    equity_before: NDArray[np.float64]
    sigma_before: NDArray[np.float64]
    heat: NDArray[np.float64]
    gross: NDArray[np.float64]


class Records(NamedTuple):
    """What a recording run keeps: closed slots, their entry states, equity by day; `closed[0]` trades so far."""

    on: bool
    closed: NDArray[np.int64]
    trades: NDArray[np.int64]
    states: NDArray[np.float32]
    daily: NDArray[np.float64]


@njit(cache=True)
def begin_lanes(
    deck: Deck, lanes: LaneArrays, records: Records, rules: Rules, limits: Limits, which: NDArray[np.int64]
) -> None:
    """Write the first state of lanes whose tape, at, stop, row, scale and load are set."""
    for i in range(len(which)):
        lane = which[i]
        for field in range(SLOT_SIZE):
            lanes.slots[lane, field] = 0
        day = deck.day_number[deck.day[lanes.at[lane]]]
        begin_account(lanes.accounts, lane, limits.wallet, day)
        lanes.equity_before[lane] = 0.0
        lanes.terminated[lane] = False
        lanes.truncated[lane] = False
        lanes.obs[lane, :] = 0.0
        if records.on:
            records.daily[lane, :] = np.nan
        terms = terms_at(deck, lanes.tape[lane], lanes.at[lane], lanes.scale[lane])
        show(deck, lanes, lane, terms, rules, limits, True, False)


@njit(cache=True, nogil=True)
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
    for lane in range(len(actions)):
        if lanes.terminated[lane] or lanes.truncated[lane]:
            lanes.reward[lane] = 0.0
        elif advance[lane]:
            step_lane(deck, lanes, records, rules, limits, lane, actions[lane], forced[lane], every_bar)


@njit(cache=True)
def step_lane(
    deck: Deck,
    lanes: LaneArrays,
    records: Records,
    rules: Rules,
    limits: Limits,
    lane: int,
    action: int,
    forced: int,
    every_bar: bool,
) -> None:
    """Obey at the current close, take the bars to the next stop of the lane, and show the state there."""
    tape, at, scale = lanes.tape[lane], lanes.at[lane], lanes.scale[lane]
    terms = terms_at(deck, tape, at, scale)
    obey(deck, lanes, rules, lane, terms, action, forced)
    last = lanes.stop[lane] - 1
    end = last
    if every_bar:
        end = at + 1
    elif lanes.row[lane] + 1 < deck.market[tape, END_ROW]:
        end = min(last, deck.rows[lanes.row[lane] + 1])
    while at < end:
        if is_idle(lanes.slots, lane, terms) and (not records.on or deck.day[at] == deck.day[end]):
            at = end
        else:
            at += 1
            if deck.day[at] != deck.day[at - 1]:
                terms = terms_at(deck, tape, at, scale)
            if step_slot(lanes.slots, lane, bar_at(deck, at), terms, rules):
                book_trade(deck, lanes, records, lane, at, terms)
        if records.on and (at + 1 >= len(deck.day) or deck.day[at + 1] != deck.day[at]):
            note_equity(deck, lanes, records, lane, at, terms)
    terms = terms_at(deck, tape, at, scale)
    lanes.at[lane] = at
    done = at == last
    if done:
        if lanes.at_end[lane] and liquidate(lanes.slots, lane, bar_at(deck, at), terms):
            book_trade(deck, lanes, records, lane, at, terms)
        if records.on:
            note_equity(deck, lanes, records, lane, at, terms)
    due = lanes.row[lane] + 1 < deck.market[tape, END_ROW] and deck.rows[lanes.row[lane] + 1] == at
    if due:
        lanes.row[lane] += 1
    show(deck, lanes, lane, terms, rules, limits, due, done)
    lanes.terminated[lane] = done and lanes.at_end[lane]
    lanes.truncated[lane] = done and not lanes.at_end[lane]


@njit(cache=True)
def obey(deck: Deck, lanes: LaneArrays, rules: Rules, lane: int, terms: Terms, action: int, forced: int) -> None:
    """Apply a forced exit, else the action if one is due and legal; an entry remembers the state it was decided in."""
    if forced != 0:
        force_exit(lanes.slots, lane, forced, terms.step_units)
    elif lanes.due[lane] and is_legal(lanes.obs, lane, action):
        at = lanes.at[lane]
        view = view_at(deck, lanes.tape[lane], at)
        if act(lanes.slots, lane, bar_at(deck, at), terms, view, rules, action):
            for entry in range(STATE_SIZE):
                lanes.entry_state[lane, entry] = lanes.obs[lane, entry]


@njit(cache=True)
def show(
    deck: Deck, lanes: LaneArrays, lane: int, terms: Terms, rules: Rules, limits: Limits, due: bool, done: bool
) -> None:
    """Write state, reward and the figures beside them at the lane's current close."""
    tape, at, row = lanes.tape[lane], lanes.at[lane], lanes.row[lane]
    bar, view = bar_at(deck, at), view_at(deck, tape, at)
    tick_step = deck.money[tape, TICK_STEP]
    lanes.equity[lane] = equity(lanes.slots, lane, bar.close, terms, tick_step)
    open_steps = sellable(lanes.slots, lane, terms.step_units) + lanes.slots[lane, WANT]
    lanes.gross[lane] = open_steps * float(bar.close) * tick_step
    distance = max(0, bar.close - lanes.slots[lane, STOP]) if rules.stops else 0
    lanes.heat[lane] = open_steps * float(distance) * tick_step
    lanes.due[lane] = due
    lanes.bar[lane] = at - deck.market[tape, FIRST_BAR]
    lanes.bar_no[lane] = bar.number
    lanes.next_bar_no[lane] = -1 if done else deck.bars[at + 1, NUMBER]
    observe(lanes.slots, lane, bar, terms, view, rules, lanes.obs)
    lanes.reward[lane] = 0.0
    if not (due or done):
        return
    lanes.reward[lane] = reward_of(lanes, lane, deck.money[tape, CAPITAL], rules)
    lanes.equity_before[lane] = lanes.equity[lane]
    lanes.sigma_before[lane] = view.sigma
    exposure = Exposure(lanes.heat[lane], lanes.gross[lane])
    day = deck.day_number[deck.day[at]]
    write_account(
        lanes.accounts, lane, limits.wallet + lanes.equity[lane], day, exposure, limits, lanes.load, lanes.obs
    )
    if due:
        for entry in range(HEAD_SIZE):
            lanes.obs[lane, entry] = deck.features[row, entry]
        lanes.obs[lane, S_DATA_AGE] = deck.age[row]


@njit(cache=True)
def reward_of(lanes: LaneArrays, lane: int, capital: float, rules: Rules) -> float:
    """Return log1p(change of equity / capital) / (sigma sqrt(k)), clipped; sigma is the last decision's."""
    change = (lanes.equity[lane] - lanes.equity_before[lane]) / capital
    if change == 0.0:
        return 0.0
    sigma = max(lanes.sigma_before[lane], SIGMA_MIN)
    scaled = math.log1p(max(change, -0.999999)) / (sigma * math.sqrt(rules.interval))
    return max(-rules.reward_clip, min(rules.reward_clip, scaled))


@njit(cache=True)
def book_trade(deck: Deck, lanes: LaneArrays, records: Records, lane: int, at: int, terms: Terms) -> None:
    """Keep the closed trade, tell the account's health, and free the slot."""
    slots = lanes.slots
    if records.on:
        row = records.closed[0]
        records.closed[0] += 1
        for field in range(SLOT_SIZE):
            records.trades[row, field] = slots[lane, field]
        records.trades[row, SLOT_SIZE] = lane
        records.trades[row, SLOT_SIZE + 1] = lanes.tape[lane]
        records.trades[row, SLOT_SIZE + 2] = deck.bars[at, NUMBER]
        for entry in range(STATE_SIZE):
            records.states[row, entry] = lanes.entry_state[lane, entry]
    learn_trade(lanes.accounts, lane, result_in_risk(slots, lane, terms))
    clear_trade(slots, lane)


@njit(cache=True)
def result_in_risk(slots: NDArray[np.int64], lane: int, terms: Terms) -> float:
    """Return the net result of the closed trade over what it could lose at its stop, both in ticks x steps."""
    price = slots[lane, VALUE_OUT] / slots[lane, QUANTITY_OUT]
    dust = (slots[lane, BASE] - slots[lane, DUST_IN]) / terms.step_units
    fee = slots[lane, FEE_QUOTE] * terms.quote_den / terms.quote_num
    net = slots[lane, VALUE_OUT] - slots[lane, VALUE_IN] + dust * price - fee
    return net / (float(slots[lane, REF] - slots[lane, STOP]) * slots[lane, QUANTITY_IN])


@njit(cache=True)
def note_equity(deck: Deck, lanes: LaneArrays, records: Records, lane: int, at: int, terms: Terms) -> None:
    """Keep the equity at a close as that of the bar's UTC day."""
    tape = lanes.tape[lane]
    day = deck.day[at] - deck.market[tape, FIRST_DAY]
    records.daily[lane, day] = equity(lanes.slots, lane, deck.bars[at, CLOSE], terms, deck.money[tape, TICK_STEP])

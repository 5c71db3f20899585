"""The three laws fused: one slot through one bar, in the phases P0 to P4 of the contract."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from huracan.trading.accounting import attribute, buy, is_open, mark_bar, sell, sellable
from huracan.trading.settings import Rules
from huracan.trading.slot import (
    CAP,
    ENTRY_FALLBACK,
    ENTRY_NONE,
    ENTRY_REFUSED,
    ENTRY_RESTING,
    ENTRY_SENT,
    ENTRY_TAKER,
    EXIT_LIMIT,
    EXIT_MARKET,
    EXIT_MODE,
    EXIT_RESTING,
    EXIT_SENT,
    LIMIT,
    LOT,
    MAKER_FILL,
    MODE,
    REASON,
    STOP,
    TARGET,
    WANT,
)
from huracan.trading.trader_law import cancel_entry, send_market_exit, tend
from huracan.trading.venue_law import (
    Bar,
    Terms,
    best_ask,
    best_bid,
    buy_prices,
    fee_base,
    fee_quote,
    fok_fills,
    maker_quantity,
    oco_refused,
    post_only_refused,
    sell_prices,
    stop_level,
    stop_touch,
    through_buy,
    through_sell,
)

__all__ = [
    "is_idle",
    "liquidate",
    "resting_buy",
    "resting_sell",
    "step_slot",
    "stop_leg",
    "window",
]

Slots = NDArray[np.int64]

_TAKE_PROFIT = 1
_STOP_LOSS = 2
_END_OF_DATA = 7


@njit(cache=True, forceinline=True)
def step_slot(slots: Slots, lane: int, bar: Bar, terms: Terms, rules: Rules) -> bool:
    """Take a slot from one close to the next; returns whether its trade closed in the bar (still in the slot)."""
    window(slots, lane, bar, terms)
    if bar.volume > 0:
        resting_buy(slots, lane, bar, terms)
        stop_leg(slots, lane, bar, terms, rules)
        resting_sell(slots, lane, bar, terms, rules)
    held = sellable(slots, lane, terms.step_units) > 0
    if not held and is_open(slots, lane):
        return True
    if held:
        mark_bar(slots, lane, bar)
    tend(slots, lane, bar, terms, rules)
    return False


@njit(cache=True, forceinline=True)
def is_idle(slots: Slots, lane: int, terms: Terms) -> bool:
    """Return whether no bar can change the slot: nothing held, nothing at work."""
    return slots[lane, WANT] == 0 and slots[lane, REASON] == 0 and sellable(slots, lane, terms.step_units) == 0


@njit(cache=True, forceinline=True)
def window(slots: Slots, lane: int, bar: Bar, terms: Terms) -> None:
    """P0: commands of the last close meet the book of the open: sells, then buys, then acceptance of resting orders."""
    if slots[lane, EXIT_MODE] == EXIT_SENT:
        refused = oco_refused(slots[lane, EXIT_LIMIT], bar.open)
        slots[lane, EXIT_MODE] = EXIT_MARKET if refused else EXIT_RESTING
    if slots[lane, EXIT_MODE] == EXIT_MARKET:
        bid = best_bid(bar.open, terms)
        sell_taker(slots, lane, bid, bid, bar.open, terms)
    elif slots[lane, MODE] == ENTRY_TAKER or slots[lane, MODE] == ENTRY_FALLBACK:
        take(slots, lane, bar, terms)
    elif slots[lane, MODE] == ENTRY_SENT:
        refused = post_only_refused(slots[lane, LIMIT], bar.open, terms)
        slots[lane, MODE] = ENTRY_REFUSED if refused else ENTRY_RESTING


@njit(cache=True, forceinline=True)
def take(slots: Slots, lane: int, bar: Bar, terms: Terms) -> None:
    """Fill or kill the entry against the open's ask: one or two venue trades, each with its own rounded fee."""
    steps, touch = slots[lane, WANT], best_ask(bar.open, terms)
    if not fok_fills(slots[lane, CAP], touch, steps, terms):
        cancel_entry(slots, lane, terms.step_units)
        return
    price, far_price, far = buy_prices(touch, steps, terms)
    buy_fill(slots, lane, bar.number, price, steps - far, terms.taker_ppm, terms)
    attribute(slots, lane, steps - far, price, touch, bar.open)
    if far > 0:
        buy_fill(slots, lane, bar.number, far_price, far, terms.taker_ppm, terms)
        attribute(slots, lane, far, far_price, touch, bar.open)
    slots[lane, MODE] = ENTRY_NONE


@njit(cache=True, forceinline=True)
def buy_fill(slots: Slots, lane: int, number: int, price: int, steps: int, ppm: int, terms: Terms) -> None:
    """Book one bought venue trade with its fee in the asset received, or in quote."""
    if terms.fee_in_quote:
        buy(slots, lane, number, price, steps, 0, fee_quote(price * steps, ppm, terms), terms.step_units)
    else:
        buy(slots, lane, number, price, steps, fee_base(steps, ppm, terms), 0, terms.step_units)


@njit(cache=True, forceinline=True)
def sell_fill(slots: Slots, lane: int, price: int, steps: int, ppm: int, terms: Terms) -> None:
    """Book one sold venue trade with its fee in quote."""
    sell(slots, lane, price, steps, fee_quote(price * steps, ppm, terms), terms.step_units)


@njit(cache=True, forceinline=True)
def sell_taker(slots: Slots, lane: int, level: int, touch: int, mid: int, terms: Terms) -> None:
    """Sell all whole steps as a taker from `level` down; from `mid` to `touch` is spread, the rest slippage."""
    steps = sellable(slots, lane, terms.step_units)
    price, far_price, far = sell_prices(level, steps, terms)
    sell_fill(slots, lane, price, steps - far, terms.taker_ppm, terms)
    attribute(slots, lane, steps - far, price, touch, mid)
    if far > 0:
        sell_fill(slots, lane, far_price, far, terms.taker_ppm, terms)
        attribute(slots, lane, far, far_price, touch, mid)


@njit(cache=True, forceinline=True)
def resting_buy(slots: Slots, lane: int, bar: Bar, terms: Terms) -> None:
    """P1: a resting entry fills at its limit when the bar trades through it, by a share of that volume."""
    if slots[lane, MODE] != ENTRY_RESTING:
        return
    limit = slots[lane, LIMIT]
    steps = maker_quantity(slots[lane, WANT], through_buy(limit, bar), slots[lane, LOT], terms)
    if steps > 0:
        buy_fill(slots, lane, bar.number, limit, steps, terms.maker_ppm, terms)
        slots[lane, MAKER_FILL] = bar.number
        if slots[lane, WANT] == 0:
            slots[lane, MODE] = ENTRY_NONE


@njit(cache=True, forceinline=True)
def stop_leg(slots: Slots, lane: int, bar: Bar, terms: Terms, rules: Rules) -> None:
    """P2: the bracket's stop; it covers what is held, this bar's entry included, and ends whatever else works."""
    if not rules.stops or not stop_touch(slots[lane, STOP], bar) or sellable(slots, lane, terms.step_units) == 0:
        return
    mid = min(bar.open, slots[lane, STOP])
    sell_taker(slots, lane, stop_level(slots[lane, STOP], bar, terms), best_bid(mid, terms), mid, terms)
    send_market_exit(slots, lane, _STOP_LOSS)


@njit(cache=True, forceinline=True)
def resting_sell(slots: Slots, lane: int, bar: Bar, terms: Terms, rules: Rules) -> None:
    """P3: the upper leg, target or resting exit; a partial fill cancels the stop leg, the rest goes to market."""
    steps = sellable(slots, lane, terms.step_units)
    if steps == 0 or slots[lane, MAKER_FILL] == bar.number:
        return
    resting_exit = slots[lane, EXIT_MODE] == EXIT_RESTING
    if not resting_exit and not rules.stops:
        return
    limit = slots[lane, EXIT_LIMIT] if resting_exit else slots[lane, TARGET]
    filled = maker_quantity(steps, through_sell(limit, bar), slots[lane, LOT], terms)
    if filled > 0:
        sell_fill(slots, lane, limit, filled, terms.maker_ppm, terms)
        send_market_exit(slots, lane, slots[lane, REASON] if resting_exit else _TAKE_PROFIT)


@njit(cache=True, forceinline=True)
def liquidate(slots: Slots, lane: int, bar: Bar, terms: Terms) -> bool:
    """End of the data: cancel the entry and sell what is held at the close book; returns whether a trade closed."""
    cancel_entry(slots, lane, terms.step_units)
    if sellable(slots, lane, terms.step_units) == 0:
        return False
    bid = best_bid(bar.close, terms)
    sell_taker(slots, lane, bid, bid, bar.close, terms)
    send_market_exit(slots, lane, _END_OF_DATA)
    return True

"""Trader law: from the slot, the closed bar and an action (or a forced exit) to the orders sent now.

Orders live in the slot: an entry is (WANT, MODE, LIMIT or CAP), an exit is (REASON, EXIT_MODE, EXIT_LIMIT), the
bracket is (STOP, TARGET) and covers whatever can be sold. Nothing here sees a bar that is not closed.
"""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from huracan.trading.accounting import clear_trade, sellable
from huracan.trading.settings import Rules, View
from huracan.trading.slot import (
    ACTION,
    CAP,
    DEADLINE,
    ENTRY_FALLBACK,
    ENTRY_NONE,
    ENTRY_SENT,
    ENTRY_TAKER,
    EXIT_DEADLINE,
    EXIT_LIMIT,
    EXIT_MARKET,
    EXIT_MODE,
    EXIT_SENT,
    FIRST_FILL,
    LIMIT,
    LOT,
    MODE,
    PLACED,
    REASON,
    REF,
    REQUESTED,
    STOP,
    TARGET,
    TRIES,
    WANT,
)
from huracan.trading.venue_law import Bar, Terms, best_ask, best_bid

__all__ = [
    "act",
    "bars_held",
    "cancel_entry",
    "enter",
    "entry_void",
    "force_exit",
    "least_lot",
    "levels",
    "next_attempt",
    "order_size",
    "outranks",
    "policy_exit",
    "send_market_exit",
    "tend",
]

Slots = NDArray[np.int64]

_TAKE_PROFIT = 1
_TIME_LIMIT = 3
_POLICY_EXIT = 4
_RISK_EXIT = 5
_KILL_SWITCH = 6
_EXIT = 4


@njit(cache=True, forceinline=True)
def least_lot(price: int, view: View) -> int:
    """Return the least order that is worth two least order values and two steps, steps."""
    return max(2, (2 * view.min_notional + price - 1) // price)


@njit(cache=True, forceinline=True)
def order_size(action: int, price: int, view: View) -> int:
    """Return the steps of an ENTER: `action` half stakes, at most the day's size cap."""
    return min(view.stake * action // (2 * price), view.qcap)


@njit(cache=True, forceinline=True)
def levels(ref: int, sigma: float, rules: Rules) -> tuple[int, int, int]:
    """Return (stop, target, cap) in ticks, frozen at the decision's close `ref`.

    d = max(sigma sqrt(hold), d_min); stop = ref - ceil(ks d ref); target = ref + ceil(kt d ref).
    """
    distance = max(sigma * rules.sqrt_hold, rules.distance_min)
    stop = ref - math.ceil(rules.stop_sigmas * distance * ref)
    target = ref + math.ceil(rules.target_sigmas * distance * ref)
    return stop, target, ref + ref * rules.cap_bps // 10_000


@njit(cache=True, forceinline=True)
def enter(slots: Slots, lane: int, bar: Bar, terms: Terms, view: View, rules: Rules, action: int) -> bool:
    """Send an entry, or return False: size below a lot, no sigma, or a book already at the stop."""
    ref = bar.close
    steps = order_size(action, ref, view)
    lot = least_lot(ref, view)
    bid = best_bid(ref, terms)
    if steps < lot or bid < 1 or not math.isfinite(view.sigma):
        return False
    stop, target, cap = levels(ref, view.sigma, rules)
    if rules.stops and bid <= stop:
        return False
    slots[lane, WANT] = steps
    slots[lane, REQUESTED] = steps
    slots[lane, ACTION] = action
    slots[lane, PLACED] = bar.number
    slots[lane, REF] = ref
    slots[lane, LOT] = lot
    slots[lane, STOP] = stop
    slots[lane, TARGET] = target
    slots[lane, CAP] = cap
    if rules.maker_entry:
        slots[lane, MODE] = ENTRY_SENT
        slots[lane, LIMIT] = min(bid, cap)
        slots[lane, DEADLINE] = bar.number + rules.life
        slots[lane, TRIES] = rules.tries - 1
    else:
        slots[lane, MODE] = ENTRY_TAKER
    return True


@njit(cache=True, forceinline=True)
def cancel_entry(slots: Slots, lane: int, units: int) -> None:
    """Cancel what is still to be bought; an account that holds nothing is idle again."""
    slots[lane, WANT] = 0
    slots[lane, MODE] = ENTRY_NONE
    if sellable(slots, lane, units) == 0:
        clear_trade(slots, lane)


@njit(cache=True, forceinline=True)
def send_market_exit(slots: Slots, lane: int, reason: int) -> None:
    """Decide to sell everything at the next open; any exit cancels the rest of the entry."""
    slots[lane, WANT] = 0
    slots[lane, MODE] = ENTRY_NONE
    slots[lane, REASON] = reason
    slots[lane, EXIT_MODE] = EXIT_MARKET
    slots[lane, EXIT_LIMIT] = 0


@njit(cache=True, forceinline=True)
def policy_exit(slots: Slots, lane: int, bar: Bar, terms: Terms, rules: Rules) -> None:
    """Obey EXIT: cancel a working entry, sell what is held; while an exit works it is HOLD."""
    cancel_entry(slots, lane, terms.step_units)
    if sellable(slots, lane, terms.step_units) == 0 or slots[lane, REASON] != 0:
        return
    if not rules.maker_exit:
        send_market_exit(slots, lane, _POLICY_EXIT)
        return
    slots[lane, REASON] = _POLICY_EXIT
    slots[lane, EXIT_MODE] = EXIT_SENT
    slots[lane, EXIT_LIMIT] = best_ask(bar.close, terms)
    slots[lane, EXIT_DEADLINE] = bar.number + rules.exit_life


@njit(cache=True, forceinline=True)
def outranks(reason: int, current: int) -> bool:
    """Return whether a forced `reason` replaces `current`: kill switch over risk exit over everything else."""
    return reason > current or current < _RISK_EXIT


@njit(cache=True, forceinline=True)
def force_exit(slots: Slots, lane: int, reason: int, units: int) -> None:
    """Obey risk or the operator: cancel the entry, sell at the next open whatever exit is at work."""
    cancel_entry(slots, lane, units)
    if sellable(slots, lane, units) > 0:
        current = slots[lane, REASON]
        send_market_exit(slots, lane, reason if outranks(reason, current) else current)


@njit(cache=True, forceinline=True)
def act(slots: Slots, lane: int, bar: Bar, terms: Terms, view: View, rules: Rules, action: int) -> bool:
    """Obey a legal action at a close; returns whether an entry was sent."""
    if action == _EXIT:
        policy_exit(slots, lane, bar, terms, rules)
    elif 0 < action < _EXIT:
        return enter(slots, lane, bar, terms, view, rules, action)
    return False


@njit(cache=True, forceinline=True)
def bars_held(slots: Slots, lane: int, number: int) -> int:
    """Return the bars of market time since the first fill, that bar included."""
    return number - slots[lane, FIRST_FILL] + 1


@njit(cache=True, forceinline=True)
def entry_void(slots: Slots, lane: int, bar: Bar, terms: Terms, rules: Rules) -> bool:
    """Return whether the market left the bracket before the entry was done: bid at the stop, close at the target."""
    if not rules.stops:
        return False
    return best_bid(bar.close, terms) <= slots[lane, STOP] or bar.close >= slots[lane, TARGET]


@njit(cache=True, forceinline=True)
def next_attempt(slots: Slots, lane: int, bar: Bar, terms: Terms, rules: Rules) -> None:
    """Replace a resting entry whose life is over: peg to the new bid, then take within the same cap, or give up."""
    bid = best_bid(bar.close, terms)
    if slots[lane, TRIES] > 0 and bid >= 1:
        slots[lane, TRIES] -= 1
        slots[lane, MODE] = ENTRY_SENT
        slots[lane, LIMIT] = min(bid, slots[lane, CAP])
        slots[lane, DEADLINE] = bar.number + rules.life
    elif rules.fallback:
        slots[lane, MODE] = ENTRY_FALLBACK
        slots[lane, LIMIT] = 0
    else:
        cancel_entry(slots, lane, terms.step_units)


@njit(cache=True, forceinline=True)
def tend(slots: Slots, lane: int, bar: Bar, terms: Terms, rules: Rules) -> None:
    """Keep house at every base close: target reached, time limit, a resting exit's and an entry's deadline.

    Reasons already set stay; a resting exit that meets one of the three turns into a market order.
    """
    if sellable(slots, lane, terms.step_units) > 0:
        reason = slots[lane, REASON]
        if rules.stops and bar.close >= slots[lane, TARGET]:
            send_market_exit(slots, lane, reason if reason != 0 else _TAKE_PROFIT)
        elif rules.stops and bars_held(slots, lane, bar.number) >= rules.hold:
            send_market_exit(slots, lane, reason if reason != 0 else _TIME_LIMIT)
        elif reason != 0 and slots[lane, EXIT_MODE] != EXIT_MARKET and bar.number >= slots[lane, EXIT_DEADLINE]:
            send_market_exit(slots, lane, reason)
    if slots[lane, WANT] > 0:
        if entry_void(slots, lane, bar, terms, rules):
            cancel_entry(slots, lane, terms.step_units)
        elif bar.number >= slots[lane, DEADLINE]:
            next_attempt(slots, lane, bar, terms, rules)

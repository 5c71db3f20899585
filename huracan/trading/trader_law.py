"""Trader law: from the slot, the closed bar and an action (or a forced exit) to the orders sent now.

Orders live in the slot: an entry is (WANT, MODE, LIMIT or CAP), an exit is (REASON, EXIT_MODE, EXIT_LIMIT), the
bracket is (STOP, TARGET) and covers whatever can be sold. Nothing here sees a bar that is not closed.
"""

import math

from huracan.trading.accounting import clear_trade, holds
from huracan.trading.compiled import hot_law, law
from huracan.trading.settings import Rules, View
from huracan.trading.slot import ENTRY_FALLBACK, ENTRY_NONE, ENTRY_SENT, ENTRY_TAKER, EXIT_MARKET, EXIT_SENT, Slot
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

_TAKE_PROFIT = 1
_TIME_LIMIT = 3
_POLICY_EXIT = 4
_EXIT = 4


@law
def least_lot(price: int, view: View) -> int:
    """Return the least order that is worth two least order values and two steps, steps."""
    return max(2, (2 * view.min_notional + price - 1) // price)


@law
def order_size(action: int, price: int, view: View) -> int:
    """Return the steps of an ENTER: `action` half stakes, at most the day's size cap."""
    return min(view.stake * action // (2 * price), view.qcap)


@law
def levels(ref: int, sigma: float, rules: Rules) -> tuple[int, int, int]:
    """Return (stop, target, cap) in ticks, frozen at the decision's close `ref`.

    d = max(sigma sqrt(hold), d_min); stop = ref - ceil(ks d ref); target = ref + ceil(kt d ref).
    """
    distance = max(sigma * rules.sqrt_hold, rules.distance_min)
    stop = ref - math.ceil(rules.stop_sigmas * distance * ref)
    target = ref + math.ceil(rules.target_sigmas * distance * ref)
    return stop, target, ref + ref * rules.cap_bps // 10_000


@law
def enter(slot: Slot, bar: Bar, terms: Terms, view: View, rules: Rules, action: int) -> bool:
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
    slot.want = steps
    slot.requested = steps
    slot.action = action
    slot.placed = bar.number
    slot.ref = ref
    slot.lot = lot
    slot.stop = stop
    slot.target = target
    slot.cap = cap
    if rules.maker_entry:
        slot.mode = ENTRY_SENT
        slot.limit = min(bid, cap)
        slot.deadline = bar.number + rules.life
        slot.tries = rules.tries - 1
    else:
        slot.mode = ENTRY_TAKER
    return True


@law
def cancel_entry(slot: Slot, units: int) -> None:
    """Cancel what is still to be bought; an account that holds nothing is idle again."""
    slot.want = 0
    slot.mode = ENTRY_NONE
    if not holds(slot, units):
        clear_trade(slot)


@law
def send_market_exit(slot: Slot, reason: int) -> None:
    """Decide to sell everything at the next open; any exit cancels the rest of the entry."""
    slot.want = 0
    slot.mode = ENTRY_NONE
    slot.reason = reason
    slot.exit_mode = EXIT_MARKET
    slot.exit_limit = 0


@law
def policy_exit(slot: Slot, bar: Bar, terms: Terms, rules: Rules) -> None:
    """Obey EXIT: cancel a working entry, sell what is held; while an exit works it is HOLD."""
    cancel_entry(slot, terms.step_units)
    if not holds(slot, terms.step_units) or slot.reason != 0:
        return
    if not rules.maker_exit:
        send_market_exit(slot, _POLICY_EXIT)
        return
    slot.reason = _POLICY_EXIT
    slot.exit_mode = EXIT_SENT
    slot.exit_limit = best_ask(bar.close, terms)
    slot.exit_deadline = bar.number + rules.exit_life


@law
def outranks(reason: int, current: int) -> bool:
    """Return whether a forced `reason` replaces `current`: kill switch over risk exit over all that can be set.

    `ExitReason` numbers them in that order.
    """
    return reason > current


@law
def force_exit(slot: Slot, reason: int, units: int) -> None:
    """Obey risk or the operator: cancel the entry, sell at the next open whatever exit is at work."""
    cancel_entry(slot, units)
    if holds(slot, units):
        current = slot.reason
        send_market_exit(slot, reason if outranks(reason, current) else current)


@law
def act(slot: Slot, bar: Bar, terms: Terms, view: View, rules: Rules, action: int) -> bool:
    """Obey a legal action at a close; returns whether an entry was sent."""
    if action == _EXIT:
        policy_exit(slot, bar, terms, rules)
    elif 0 < action < _EXIT:
        return enter(slot, bar, terms, view, rules, action)
    return False


@hot_law
def bars_held(slot: Slot, number: int) -> int:
    """Return the bars of market time since the first fill, that bar included."""
    return number - slot.first_fill + 1


@hot_law
def entry_void(slot: Slot, bar: Bar, terms: Terms, rules: Rules) -> bool:
    """Return whether the market left the bracket before the entry was done: bid at the stop, close at the target."""
    if not rules.stops:
        return False
    return best_bid(bar.close, terms) <= slot.stop or bar.close >= slot.target


@law
def next_attempt(slot: Slot, bar: Bar, terms: Terms, rules: Rules) -> None:
    """Replace a resting entry whose life is over: peg to the new bid, then take within the same cap, or give up."""
    bid = best_bid(bar.close, terms)
    if slot.tries > 0 and bid >= 1:
        slot.tries -= 1
        slot.mode = ENTRY_SENT
        slot.limit = min(bid, slot.cap)
        slot.deadline = bar.number + rules.life
    elif rules.fallback:
        slot.mode = ENTRY_FALLBACK
        slot.limit = 0
    else:
        cancel_entry(slot, terms.step_units)


@hot_law
def tend(slot: Slot, bar: Bar, terms: Terms, rules: Rules) -> None:
    """Keep house at every base close: target reached, time limit, a resting exit's and an entry's deadline.

    Reasons already set stay; a resting exit that meets one of the three turns into a market order.
    """
    if holds(slot, terms.step_units):
        reason = slot.reason
        if rules.stops and bar.close >= slot.target:
            send_market_exit(slot, reason if reason != 0 else _TAKE_PROFIT)
        elif rules.stops and bars_held(slot, bar.number) >= rules.hold:
            send_market_exit(slot, reason if reason != 0 else _TIME_LIMIT)
        elif reason != 0 and slot.exit_mode != EXIT_MARKET and bar.number >= slot.exit_deadline:
            send_market_exit(slot, reason)
    if slot.want > 0:
        if entry_void(slot, bar, terms, rules):
            cancel_entry(slot, terms.step_units)
        elif bar.number >= slot.deadline:
            next_attempt(slot, bar, terms, rules)

"""Accounting law: a fill changes the slot; a slot becomes a trade, an equity and a part of the state.

Live, the same functions are fed with the venue's fills and commissions instead of the kernel's. A slot is one
element of an array of `slot.SLOT`, changed in place.
"""

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from huracan.features.layout import (
    S_COST,
    S_HELD_FRAC,
    S_IS_LONG,
    S_MAE_R,
    S_MAKER_SAVING,
    S_MFE_R,
    S_ORDER_AGE,
    S_SIZE_FRAC,
    S_STOP_DIST,
    S_TARGET_DIST,
    S_UNREALISED_R,
)
from huracan.trading.compiled import hot_law, law
from huracan.trading.settings import Rules, View
from huracan.trading.slot import ENTRY_FALLBACK, ENTRY_TAKER, EXIT_MARKET, EXIT_NONE, Slot
from huracan.trading.venue_law import Bar, Terms

__all__ = [
    "NEAR_BARS",
    "SIGMA_MIN",
    "attribute",
    "buy",
    "clear_orders",
    "clear_trade",
    "equity",
    "holds",
    "is_open",
    "mark_bar",
    "mark_price",
    "observe",
    "sell",
    "sellable",
    "taker_cost",
    "work_age",
]

NEAR_BARS: Final = 60.0
"""Distances to stop and target are measured in standard deviations over this many bars."""
SIGMA_MIN: Final = 1e-9
"""Floor of sigma in every denominator."""
_SQRT_NEAR = math.sqrt(NEAR_BARS)


@hot_law
def sellable(slot: Slot, step_units: int) -> int:
    """Return the whole steps held; less than one step is dust and stays in the account."""
    return slot.coins // step_units


@hot_law
def holds(slot: Slot, step_units: int) -> bool:
    """Return whether at least one whole step is held."""
    return slot.coins >= step_units


@hot_law
def is_open(slot: Slot) -> bool:
    """Return whether a trade has begun and is not yet closed in the books."""
    return slot.quantity_in > 0


@law
def buy(slot: Slot, number: int, price: int, steps: int, paid_base: int, paid_quote: int, units: int) -> None:
    """Book a bought fill.

    Args:
        slot: position record, changed in place.
        number: bar_no of the fill.
        price: ticks.
        steps: quantity.
        paid_base: commission in coin, 1e-8.
        paid_quote: commission in quote, 1e-8.
        units: step in 1e-8 coin.
    """
    if slot.quantity_in == 0:
        slot.first_fill = number
        slot.maker_fill = -1
        slot.dust_in = slot.coins
        slot.high = price
        slot.low = price
    slot.coins += steps * units - paid_base
    slot.cash -= price * steps
    slot.fee += paid_quote
    slot.quantity_in += steps
    slot.value_in += price * steps
    slot.fee_base += paid_base
    slot.fee_quote += paid_quote
    slot.want -= steps
    mark_price(slot, price)


@law
def sell(slot: Slot, price: int, steps: int, paid_quote: int, units: int) -> None:
    """Book a sold fill; arguments as `buy`."""
    slot.coins -= steps * units
    slot.cash += price * steps
    slot.fee += paid_quote
    slot.quantity_out += steps
    slot.value_out += price * steps
    slot.fee_quote += paid_quote
    mark_price(slot, price)


@law
def attribute(slot: Slot, steps: int, price: int, touch: int, mid: int) -> None:
    """Split what a fill cost against `mid` into the half-spread (mid to touch) and slippage (touch to price)."""
    slot.spread += abs(touch - mid) * steps
    slot.slippage += abs(price - touch) * steps


@hot_law
def mark_price(slot: Slot, price: int) -> None:
    """Widen the excursions of the position by one price."""
    slot.high = max(slot.high, price)
    slot.low = min(slot.low, price)


@hot_law
def mark_bar(slot: Slot, bar: Bar) -> None:
    """Widen the excursions by a closed candle through which the position was held.

    In the bar of a first resting fill the price came down to the limit: its low lies after the fill, its high may lie
    before it, so the close stands in for the high.
    """
    before_fill = slot.first_fill == bar.number and slot.maker_fill == bar.number
    slot.high = max(slot.high, bar.close if before_fill else bar.high)
    slot.low = min(slot.low, bar.low)


@law
def clear_trade(slot: Slot) -> None:
    """Forget the closed trade and every order; coins, cash and fees stay."""
    clear_orders(slot)
    slot.first_fill = 0
    slot.maker_fill = 0
    slot.quantity_in = 0
    slot.value_in = 0
    slot.quantity_out = 0
    slot.value_out = 0
    slot.fee_base = 0
    slot.fee_quote = 0
    slot.dust_in = 0
    slot.high = 0
    slot.low = 0
    slot.spread = 0
    slot.slippage = 0


@law
def clear_orders(slot: Slot) -> None:
    """Forget the entry with its levels, and the exit."""
    slot.want = 0
    slot.mode = 0
    slot.limit = 0
    slot.cap = 0
    slot.deadline = 0
    slot.tries = 0
    slot.placed = 0
    slot.requested = 0
    slot.action = 0
    slot.ref = 0
    slot.lot = 0
    slot.stop = 0
    slot.target = 0
    slot.reason = 0
    slot.exit_mode = 0
    slot.exit_limit = 0
    slot.exit_deadline = 0


@hot_law
def equity(slot: Slot, close: int, terms: Terms, tick_step: float) -> float:
    """Return what the account has won since it began, marked at the close, quote currency.

    Args:
        slot: position record.
        close: last price, ticks.
        terms: the market's terms (its step).
        tick_step: value of one tick x step, quote currency.
    """
    worth = slot.coins * float(close) / terms.step_units
    return (slot.cash + worth) * tick_step - slot.fee * 1e-8


@hot_law
def taker_cost(close: int, terms: Terms, view: View) -> tuple[float, float]:
    """Return (cost of one taking fill of a 1x order against the mid, what a resting one saves), fractions."""
    steps = max(1, min(view.stake // close, view.qcap))
    slip = terms.impact * math.sqrt(steps)
    cost = terms.taker_ppm * 1e-6 + (0.5 * terms.spread + slip) / close
    saving = (terms.taker_ppm - terms.maker_ppm) * 1e-6 + (terms.spread + slip) / close
    return cost, saving


@hot_law
def work_age(slot: Slot, number: int, rules: Rules) -> float:
    """Return state entry 70: age of the order at work over its life, > 0 for an entry, < 0 for an exit, else 0."""
    if slot.want > 0:
        if slot.mode == ENTRY_TAKER or slot.mode == ENTRY_FALLBACK:
            return 1.0
        return min(1.0, (number - slot.placed) / (rules.life * rules.tries))
    if slot.exit_mode == EXIT_NONE:
        return 0.0
    if slot.exit_mode == EXIT_MARKET:
        return -1.0
    return -min(1.0, (number - slot.exit_deadline + rules.exit_life) / rules.exit_life)


@hot_law
def observe(slot: Slot, bar: Bar, terms: Terms, view: View, rules: Rules, state: NDArray[np.float32], row: int) -> None:
    """Write state entries 62-71, 76 and 77 of one lane at the close of `bar`.

    62 held; 63 zero; 64 (c (1 - cost) - entry) / risk; 65, 66 (high, low - entry) / risk; 67 bars held / hold;
    68, 69 distance to stop and target / (c sigma sqrt(60)); 70 `work_age`; 71 value / 1.5 stakes;
    76, 77 round-trip cost and saving of a resting fill / (sigma sqrt(hold)). risk = ref - stop, entry = average paid.

    Args:
        slot: position record.
        bar: the closed bar.
        terms: the market's terms on the bar's day.
        view: sigma, size cap and stake at this close.
        rules: the resolved rules.
        state: float32[N, 80], changed in place.
        row: the slot's row of `state`.
    """
    close = float(bar.close)
    sigma = max(view.sigma, SIGMA_MIN)
    cost, saving = taker_cost(bar.close, terms, view)
    for entry in range(S_IS_LONG, S_SIZE_FRAC + 1):
        state[row, entry] = 0.0
    steps = sellable(slot, terms.step_units)
    if steps > 0:
        risk = float(slot.ref - slot.stop)
        paid = slot.value_in / slot.quantity_in
        state[row, S_IS_LONG] = 1.0
        state[row, S_UNREALISED_R] = (close * (1.0 - cost) - paid) / risk
        state[row, S_MFE_R] = (slot.high - paid) / risk
        state[row, S_MAE_R] = (slot.low - paid) / risk
        state[row, S_SIZE_FRAC] = steps * close / (1.5 * view.stake)
        if rules.stops:
            state[row, S_HELD_FRAC] = (bar.number - slot.first_fill + 1) / rules.hold
    if steps > 0 or slot.want > 0:
        state[row, S_ORDER_AGE] = work_age(slot, bar.number, rules)
        if rules.stops:
            near = close * sigma * _SQRT_NEAR
            state[row, S_STOP_DIST] = (bar.close - slot.stop) / near
            state[row, S_TARGET_DIST] = (slot.target - bar.close) / near
    scale = sigma * rules.sqrt_hold
    state[row, S_COST] = 2.0 * cost / scale
    state[row, S_MAKER_SAVING] = saving / scale

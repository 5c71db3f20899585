"""Accounting law: a fill changes the slot; a slot becomes a trade, an equity and a part of the state.

Live, the same functions are fed with the venue's fills and commissions instead of the kernel's. Every function takes
the slots int64[N, SLOT_SIZE] and the lane's row in them.
"""

import math
from typing import Final

import numpy as np
from numba import njit
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
from huracan.trading.settings import Rules, View
from huracan.trading.slot import (
    BASE,
    CASH,
    DUST_IN,
    ENTRY_FALLBACK,
    ENTRY_TAKER,
    EXIT_DEADLINE,
    EXIT_MARKET,
    EXIT_MODE,
    EXIT_NONE,
    FEE,
    FEE_BASE,
    FEE_QUOTE,
    FIRST_FILL,
    HIGH,
    LOW,
    MAKER_FILL,
    MODE,
    PLACED,
    QUANTITY_IN,
    QUANTITY_OUT,
    REF,
    SLIPPAGE,
    SLOT_SIZE,
    SPREAD,
    STOP,
    TARGET,
    VALUE_IN,
    VALUE_OUT,
    WANT,
)
from huracan.trading.venue_law import Bar, Terms

__all__ = [
    "NEAR_BARS",
    "SIGMA_MIN",
    "attribute",
    "buy",
    "clear_trade",
    "equity",
    "is_open",
    "mark_bar",
    "mark_price",
    "observe",
    "sell",
    "sellable",
    "taker_cost",
    "work_age",
]

Slots = NDArray[np.int64]

NEAR_BARS: Final = 60.0
"""Distances to stop and target are measured in standard deviations over this many bars."""
SIGMA_MIN: Final = 1e-9
"""Floor of sigma in every denominator."""
_SQRT_NEAR = math.sqrt(NEAR_BARS)


@njit(cache=True, forceinline=True)
def sellable(slots: Slots, lane: int, step_units: int) -> int:
    """Return the whole steps held; less than one step is dust and stays in the account."""
    return slots[lane, BASE] // step_units


@njit(cache=True, forceinline=True)
def is_open(slots: Slots, lane: int) -> bool:
    """Return whether a trade has begun and is not yet closed in the books."""
    return slots[lane, QUANTITY_IN] > 0


@njit(cache=True, forceinline=True)
def buy(
    slots: Slots, lane: int, number: int, price: int, steps: int, paid_base: int, paid_quote: int, units: int
) -> None:
    """Book a bought fill.

    Args:
        slots: position records, changed in place.
        lane: row.
        number: bar_no of the fill.
        price: ticks.
        steps: quantity.
        paid_base: commission in coin, 1e-8.
        paid_quote: commission in quote, 1e-8.
        units: step in 1e-8 coin.
    """
    if slots[lane, QUANTITY_IN] == 0:
        slots[lane, FIRST_FILL] = number
        slots[lane, MAKER_FILL] = -1
        slots[lane, DUST_IN] = slots[lane, BASE]
        slots[lane, HIGH] = price
        slots[lane, LOW] = price
    slots[lane, BASE] += steps * units - paid_base
    slots[lane, CASH] -= price * steps
    slots[lane, FEE] += paid_quote
    slots[lane, QUANTITY_IN] += steps
    slots[lane, VALUE_IN] += price * steps
    slots[lane, FEE_BASE] += paid_base
    slots[lane, FEE_QUOTE] += paid_quote
    slots[lane, WANT] -= steps
    mark_price(slots, lane, price)


@njit(cache=True, forceinline=True)
def sell(slots: Slots, lane: int, price: int, steps: int, paid_quote: int, units: int) -> None:
    """Book a sold fill; arguments as `buy`."""
    slots[lane, BASE] -= steps * units
    slots[lane, CASH] += price * steps
    slots[lane, FEE] += paid_quote
    slots[lane, QUANTITY_OUT] += steps
    slots[lane, VALUE_OUT] += price * steps
    slots[lane, FEE_QUOTE] += paid_quote
    mark_price(slots, lane, price)


@njit(cache=True, forceinline=True)
def attribute(slots: Slots, lane: int, steps: int, price: int, touch: int, mid: int) -> None:
    """Split what a fill cost against `mid` into the half-spread (mid to touch) and slippage (touch to price)."""
    slots[lane, SPREAD] += abs(touch - mid) * steps
    slots[lane, SLIPPAGE] += abs(price - touch) * steps


@njit(cache=True, forceinline=True)
def mark_price(slots: Slots, lane: int, price: int) -> None:
    """Widen the excursions of the position by one price."""
    slots[lane, HIGH] = max(slots[lane, HIGH], price)
    slots[lane, LOW] = min(slots[lane, LOW], price)


@njit(cache=True, forceinline=True)
def mark_bar(slots: Slots, lane: int, bar: Bar) -> None:
    """Widen the excursions by a closed candle through which the position was held.

    In the bar of a first resting fill the price came down to the limit: its low lies after the fill, its high may lie
    before it, so the close stands in for the high.
    """
    before_fill = slots[lane, FIRST_FILL] == bar.number and slots[lane, MAKER_FILL] == bar.number
    slots[lane, HIGH] = max(slots[lane, HIGH], bar.close if before_fill else bar.high)
    slots[lane, LOW] = min(slots[lane, LOW], bar.low)


@njit(cache=True, forceinline=True)
def clear_trade(slots: Slots, lane: int) -> None:
    """Forget the closed trade and every order; base, cash and fees stay."""
    for field in range(WANT, SLOT_SIZE):
        slots[lane, field] = 0


@njit(cache=True, forceinline=True)
def equity(slots: Slots, lane: int, close: int, terms: Terms, tick_step: float) -> float:
    """Return what the account has won since it began, marked at the close, quote currency.

    Args:
        slots: position records.
        lane: row.
        close: last price, ticks.
        terms: the market's terms (its step).
        tick_step: value of one tick x step, quote currency.
    """
    coins = slots[lane, BASE] * float(close) / terms.step_units
    return (slots[lane, CASH] + coins) * tick_step - slots[lane, FEE] * 1e-8


@njit(cache=True, forceinline=True)
def taker_cost(close: int, terms: Terms, view: View) -> tuple[float, float]:
    """Return (cost of one taking fill of a 1x order against the mid, what a resting one saves), fractions."""
    steps = max(1, min(view.stake // close, view.qcap))
    slip = terms.impact * math.sqrt(steps)
    cost = terms.taker_ppm * 1e-6 + (0.5 * terms.spread + slip) / close
    saving = (terms.taker_ppm - terms.maker_ppm) * 1e-6 + (terms.spread + slip) / close
    return cost, saving


@njit(cache=True, forceinline=True)
def work_age(slots: Slots, lane: int, number: int, rules: Rules) -> float:
    """Return state entry 70: age of the order at work over its life, > 0 for an entry, < 0 for an exit, else 0."""
    if slots[lane, WANT] > 0:
        if slots[lane, MODE] == ENTRY_TAKER or slots[lane, MODE] == ENTRY_FALLBACK:
            return 1.0
        return min(1.0, (number - slots[lane, PLACED]) / (rules.life * rules.tries))
    if slots[lane, EXIT_MODE] == EXIT_NONE:
        return 0.0
    if slots[lane, EXIT_MODE] == EXIT_MARKET:
        return -1.0
    return -min(1.0, (number - slots[lane, EXIT_DEADLINE] + rules.exit_life) / rules.exit_life)


@njit(cache=True, forceinline=True)
def observe(
    slots: Slots, lane: int, bar: Bar, terms: Terms, view: View, rules: Rules, state: NDArray[np.float32]
) -> None:
    """Write state entries 62-71, 76 and 77 of one lane at the close of `bar`.

    62 held; 63 zero; 64 (c (1 - cost) - entry) / risk; 65, 66 (high, low - entry) / risk; 67 bars held / hold;
    68, 69 distance to stop and target / (c sigma sqrt(60)); 70 `work_age`; 71 value / 1.5 stakes;
    76, 77 round-trip cost and saving of a resting fill / (sigma sqrt(hold)). risk = ref - stop, entry = average paid.

    Args:
        slots: position records.
        lane: row of `slots` and `state`.
        bar: the closed bar.
        terms: the market's terms on the bar's day.
        view: sigma, size cap and stake at this close.
        rules: the resolved rules.
        state: float32[N, 80], changed in place.
    """
    close = float(bar.close)
    sigma = max(view.sigma, SIGMA_MIN)
    cost, saving = taker_cost(bar.close, terms, view)
    for entry in range(S_IS_LONG, S_SIZE_FRAC + 1):
        state[lane, entry] = 0.0
    steps = sellable(slots, lane, terms.step_units)
    if steps > 0:
        risk = float(slots[lane, REF] - slots[lane, STOP])
        paid = slots[lane, VALUE_IN] / slots[lane, QUANTITY_IN]
        state[lane, S_IS_LONG] = 1.0
        state[lane, S_UNREALISED_R] = (close * (1.0 - cost) - paid) / risk
        state[lane, S_MFE_R] = (slots[lane, HIGH] - paid) / risk
        state[lane, S_MAE_R] = (slots[lane, LOW] - paid) / risk
        state[lane, S_SIZE_FRAC] = steps * close / (1.5 * view.stake)
        if rules.stops:
            state[lane, S_HELD_FRAC] = (bar.number - slots[lane, FIRST_FILL] + 1) / rules.hold
    if steps > 0 or slots[lane, WANT] > 0:
        state[lane, S_ORDER_AGE] = work_age(slots, lane, bar.number, rules)
        if rules.stops:
            near = close * sigma * _SQRT_NEAR
            state[lane, S_STOP_DIST] = (bar.close - slots[lane, STOP]) / near
            state[lane, S_TARGET_DIST] = (slots[lane, TARGET] - bar.close) / near
    scale = sigma * rules.sqrt_hold
    state[lane, S_COST] = 2.0 * cost / scale
    state[lane, S_MAKER_SAVING] = saving / scale

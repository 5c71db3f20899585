"""State entries 62-71, 76 and 77 from what the actor knows: its ledger, its intents and the closed candle."""

import math
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from tests.parity.actor import Actor
from tests.parity.messages import BookCost, Candle

COMPARED = (*range(62, 72), 76, 77)
"""Indices of the state that `position_state` returns, in its order."""


@dataclass(frozen=True, slots=True)
class StateRules:
    """Fee rates in parts per million."""

    maker_ppm: int
    taker_ppm: int


def position_state(
    actor: Actor, candle: Candle, cost: BookCost, sigma: float, rules: StateRules
) -> NDArray[np.float32]:
    """Return float32[12], in the order of `COMPARED`; prices are in ticks, quantities in steps, all sums in float64."""
    trader, plan, ledger = actor.rules, actor.plan, actor.ledger
    tick, step = trader.tick, trader.step
    close = int(candle.close / tick)
    sig = max(sigma, 1e-9)
    size = max(1, min(int(trader.stake / (candle.close * step)), cost.qcap))
    impact = cost.impact * math.sqrt(size)
    one_way = rules.taker_ppm * 1e-6 + (0.5 * cost.spread + impact) / close
    saving = (rules.taker_ppm - rules.maker_ppm) * 1e-6 + (cost.spread + impact) / close
    state = dict.fromkeys(COMPARED, 0.0)
    state[76] = 2 * one_way / (sig * math.sqrt(trader.hold))
    state[77] = saving / (sig * math.sqrt(trader.hold))
    state[70] = order_age(actor, candle.bar_no)
    if actor.busy:
        assert plan is not None
        stop, target = int(plan.stop / tick), int(plan.target / tick)
        hour = close * sig * math.sqrt(60.0)
        state[68], state[69] = (close - stop) / hour, (target - close) / hour
    if actor.held:
        assert plan is not None
        risk = int((plan.ref - plan.stop) / tick)
        entry = int(ledger.money_in / (tick * step)) / int(ledger.quantity_in / step)
        state[62] = 1.0
        state[64] = (close * (1.0 - one_way) - entry) / risk
        state[65] = (int(ledger.high / tick) - entry) / risk
        state[66] = (int(ledger.low / tick) - entry) / risk
        state[67] = (candle.bar_no - ledger.entry_bar + 1) / trader.hold
        largest = 1.5 * int(trader.stake / (tick * step))
        state[71] = int(ledger.sellable / step) * close / largest
    return np.array([state[index] for index in COMPARED], dtype=np.float32)


def order_age(actor: Actor, bar_no: int) -> float:
    """Return the age of the entry at work, in (0, 1], or of the exit at work, in [-1, 0); 0 when none works."""
    if actor.exit is not None:
        if actor.exit.limit is None:
            return -1.0
        return -min(1.0, (bar_no - actor.exit.placed) / actor.rules.exit_life)
    if actor.entry is None:
        return 0.0
    if not actor.entry.maker:
        return 1.0
    return min(1.0, (bar_no - actor.entry.placed) / (actor.rules.life * actor.rules.tries))


FEE_UNIT = Decimal("1e-6")
"""One part per million."""

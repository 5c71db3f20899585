"""An entry at its worst, as risk judges it: the whole size at the cap price, then the stop, fees both ways."""

import math
from dataclasses import dataclass

from huracan.risk import EntryIntent
from huracan.trading import Instrument, KernelSettings
from huracan.trading.settings import View
from huracan.trading.trader_law import levels, order_size

__all__ = ["Ask", "entry_at_worst"]


@dataclass(frozen=True, slots=True)
class Ask:
    """What somebody wants to buy.

    Attributes:
        action: an ENTER action.
        ref: close of the decision's bar, ticks.
        view: what the trader knows at that close.
        held: value of the coin that is held or being bought already, quote currency.
    """

    action: int
    ref: int
    view: View
    held: float


def entry_at_worst(ask: Ask, instrument: Instrument, kernel: KernelSettings) -> EntryIntent:
    """Return notional and heat of an entry, quote currency; NaN, which is denied, while the machines are cold."""
    rules, value = kernel.rules, float(instrument.tick_step_quote)
    if not math.isfinite(ask.view.sigma):
        return EntryIntent(instrument.symbol, math.nan, math.nan, math.nan)
    stop, _, cap = levels(ask.ref, ask.view.sigma, rules)
    steps = max(1, order_size(ask.action, ask.ref, ask.view))  # below a lot the kernel voids the entry by itself
    fee = instrument.fee_taker_ppm * 1e-6
    notional = steps * cap * value * (1.0 + fee)
    at_stop = steps * max(stop, 0) * value * (1.0 - fee) if rules.stops else 0.0
    return EntryIntent(instrument.symbol, notional, max(notional - at_stop, 0.0), ask.held)

"""Entry, exit and excursions of a trade against what its market offered around it."""

import math
from dataclasses import dataclass

from huracan.analysis.paths import MarketPath

__all__ = ["Quality", "excursions", "excursions_agree", "quality_of", "range_place"]

WINDOW_OF_THE_HOLD = 8
"""Entry and exit are judged against the prices of an eighth of the longest hold on either side."""
_ROUNDING_TICKS = 1e-6


@dataclass(frozen=True, slots=True)
class Quality:
    """How good entry and exit were, by hindsight; None where nothing can be said.

    Attributes:
        entry: 1: bought at the lowest price of the window around the entry, 0: at the highest.
        exit: 1: sold at the highest price from entry to a window behind the exit, 0: at the lowest.
        captured_frac: (exit - entry) / (best price held - entry): share of the best excursion that was kept, <= 1.
        mae_used: worst excursion over the initial risk, >= 0; 1 is the stop.
        high, low: extremes met while held as the candles have them, ticks.
    """

    entry: float | None
    exit: float | None
    captured_frac: float | None
    mae_used: float | None
    high: int
    low: int


def range_place(price: float, low: float, high: float) -> float | None:
    """Return where a price lies in a range, 0 at its low, 1 at its high; None when the range has no width."""
    if not high > low:
        return None
    return min(1.0, max(0.0, (price - low) / (high - low)))


def quality_of(
    path: MarketPath, first: int, last: int, entry: float, leave: float, risk: float, hold_bars: int
) -> Quality:
    """Judge one trade.

    Args:
        path: its market.
        first: bar of the first fill.
        last: bar of the last fill.
        entry: average paid, ticks.
        leave: average received, ticks.
        risk: initial risk, ticks; 0 when unknown.
        hold_bars: longest hold of the rules.
    """
    width = max(2, hold_bars // WINDOW_OF_THE_HOLD)
    number = path.number
    begin = path.upto(int(number[first]) - width - 1) + 1
    behind_entry = path.upto(int(number[first]) + width) + 1
    behind_exit = path.upto(int(number[last]) + width) + 1
    bought = range_place(entry, float(path.low[begin:behind_entry].min()), float(path.high[begin:behind_entry].max()))
    sold = range_place(leave, float(path.low[first:behind_exit].min()), float(path.high[first:behind_exit].max()))
    high, low = excursions(path, first, last, entry, leave)
    best = high - entry
    return Quality(
        entry=None if bought is None else 1.0 - bought,
        exit=sold,
        captured_frac=(leave - entry) / best if best >= 1.0 else None,
        mae_used=max(0.0, entry - low) / risk if risk > 0 else None,
        high=high,
        low=low,
    )


def excursions(path: MarketPath, first: int, last: int, entry: float, leave: float) -> tuple[int, int]:
    """Return (high, low) met while held, ticks: every bar closed with the position open, and the fills themselves.

    A taking order fills at two neighbouring ticks around its average.
    """
    high = math.ceil(max(entry, leave) - _ROUNDING_TICKS)
    low = math.floor(min(entry, leave) + _ROUNDING_TICKS)
    if last > first:
        high = max(high, int(path.high[first:last].max()))
        low = min(low, int(path.low[first:last].min()))
    return high, low


def excursions_agree(path: MarketPath, last: int, found: tuple[int, int], stored: tuple[int, int]) -> bool:
    """Return whether the extremes (high, low) of the candles are those that the ledger kept.

    A position that was sold in parts may have met a price that its average hides: the open of its last bar.
    """
    opened, spread = int(path.open[last]), int(path.spread[last])
    high = found[0] <= stored[0] <= max(found[0], opened)
    return high and min(found[1], opened - spread) <= stored[1] <= found[1]

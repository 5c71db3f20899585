"""Which bars of a window can be traded: one lane per gap-free, warm stretch of a coin.

Without long gaps a coin has one lane. The first decision falls on the close that begins the window, so that its fill
is the first open of the test; at the last close of a lane its position is sold (`end_of_data`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from huracan.errors import DataError
from huracan.shadow.splits import Window
from huracan.trading import KernelSettings, Lanes, Limits, Tape

__all__ = ["Stretch", "cut_tape", "open_lanes", "stretches"]


@dataclass(frozen=True, slots=True)
class Stretch:
    """What one lane trades: bars [start, stop) of a coin, the first decision at the close of `start`."""

    coin: int
    start: int
    stop: int


def stretches(tapes: Sequence[Tape], window: Window, base_ms: int) -> tuple[Stretch, ...]:
    """Cut a window into the lanes that can be traded, in order of (coin, time).

    Raises:
        DataError: a coin has no warm decision in the window.
    """
    found: list[Stretch] = []
    for coin, tape in enumerate(tapes):
        first, stop = _with_eve(window, base_ms).bar_range(tape.bars[:, 0] * base_ms)
        rows = tape.rows[(tape.rows >= first) & (tape.rows < stop)]
        rows = rows[tape.ready[rows]]
        before = len(found)
        for segment in np.unique(tape.segment[rows]):
            start = int(rows[tape.segment[rows] == segment][0])
            end = min(stop, int(np.searchsorted(tape.segment, segment, side="right")))
            if end >= start + 2:
                found.append(Stretch(coin, start, end))
        if len(found) == before:
            raise DataError(
                f"{tape.symbol} has no bar with warm features in the test window of {window.days:g} days; "
                "leave the coin out or give a longer history"
            )
    return tuple(found)


def cut_tape(tape: Tape, window: Window, base_ms: int) -> Tape:
    """Return the part of a tape that shadow trading of a window reads, copied: what travels to a worker."""
    cut = tape.between(*_with_eve(window, base_ms).bar_range(tape.bars[:, 0] * base_ms))
    own = {name: getattr(cut, name).copy() for name in ("bars", "sigma", "day", "features", "ready", "segment")}
    return replace(cut, **own)


def open_lanes(
    tapes: Sequence[Tape],
    lanes_of: Sequence[Stretch],
    kernel: KernelSettings,
    limits: Limits,
    *,
    every_bar: bool = False,
) -> Lanes:
    """Return recording lanes at their first decision.

    Args:
        tapes: C coins.
        lanes_of: one per lane; coin c and c + C, c + 2C, ... (copies) trade the same tape.
        kernel: the rules.
        limits: the account's limits.
        every_bar: step base bars instead of decisions.
    """
    lanes = Lanes(tapes, kernel, len(lanes_of), record=True, every_bar=every_bar, limits=limits)
    lanes.reset(
        np.arange(len(lanes_of)),
        np.array([stretch.coin % len(tapes) for stretch in lanes_of]),
        np.array([stretch.start for stretch in lanes_of]),
        np.array([stretch.stop for stretch in lanes_of]),
        np.ones(len(lanes_of), np.bool_),
    )
    return lanes


def _with_eve(window: Window, base_ms: int) -> Window:
    """Return the window with the bar whose close begins it."""
    return Window(window.start_ms - base_ms, window.end_ms)

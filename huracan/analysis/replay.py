"""Entries traded again by the kernel itself: under other rules, or at other moments, each alone in an empty account.

The policy's own exits are left out: what is compared are rules. That an entry is traded alone means that a longer hold
does not block the next entry here; shadow trading charges that.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from huracan.memory import TradeRows
from huracan.trading import Action, ExitReason, KernelSettings, Lanes, Limits, Tape
from huracan.trading.tape import NUMBER

__all__ = ["Entries", "Replayed", "entries_of", "replay"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Entries:
    """N entry decisions.

    Attributes:
        tape: int64[N], index of the market; -1: its decision is not in the candles.
        row: int64[N], bar at whose close it was decided.
        action: int64[N], the ENTER action.
    """

    tape: Ints
    row: Ints
    action: Ints

    def __len__(self) -> int:
        return len(self.tape)


@dataclass(frozen=True, slots=True, eq=False)
class Replayed:
    """What became of N entries; NaN for one that was not filled, or whose candles end before it was closed.

    Attributes:
        net_bps: float64[N], net result over the value bought, basis points.
        net_r: float64[N], net result over the initial risk; NaN also without one.
        held_bars: float64[N].
        reason: int64[N], `ExitReason`, NONE where there is no result.
        value: int64[N, 2], ticks x steps paid and received, 0 where there is no result.
    """

    net_bps: Floats
    net_r: Floats
    held_bars: Floats
    reason: Ints
    value: Ints


def entries_of(trades: TradeRows, tapes: Sequence[Tape], base_ms: int) -> Entries:
    """Return the decisions behind trades: the last one due before the bar of the first fill."""
    places = {tape.symbol: place for place, tape in enumerate(tapes)}
    tape = np.array([places.get(symbol, -1) for symbol in trades.symbol.tolist()], np.int64)
    row = np.zeros(len(trades), np.int64)
    for place, market in enumerate(tapes):
        mine = np.flatnonzero(tape == place)
        number = trades.entry_time[mine] // base_ms
        filled = np.searchsorted(market.bars[:, NUMBER], number)
        before = np.searchsorted(market.rows, filled, side="left") - 1
        there = (filled < len(market)) & (before >= 0)
        there &= market.bars[np.minimum(filled, len(market) - 1), NUMBER] == number
        row[mine] = market.rows[np.maximum(before, 0)] if len(market.rows) else 0
        tape[mine[~there]] = -1
    return Entries(tape, row, trades.action)


def replay(entries: Entries, tapes: Sequence[Tape], kernel: KernelSettings, limits: Limits) -> Replayed:
    """Trade every entry by the rules of `kernel` until its stop, target or time limit.

    Args:
        entries: decisions; those without candles get no result.
        tapes: the markets.
        kernel: rules of the same timeframe and decision interval as the tapes.
        limits: the account's limits.
    """
    count = len(entries)
    result = Replayed(
        np.full(count, np.nan), np.full(count, np.nan), np.full(count, np.nan), np.zeros(count, np.int64),
        np.zeros((count, 2), np.int64),
    )  # fmt: skip
    stop = np.zeros(count, np.int64)
    room = kernel.hold_bars + kernel.maker_life_bars * kernel.maker_tries + kernel.maker_exit_life_bars + 8
    for place, tape in enumerate(tapes):
        mine = entries.tape == place
        end = tape.bars[np.minimum(entries.row[mine], len(tape) - 1), NUMBER] + room
        stop[mine] = np.searchsorted(tape.bars[:, NUMBER], end, side="right")
    able = np.flatnonzero((entries.tape >= 0) & (stop >= entries.row + 2))
    if not len(able):
        return result
    lanes = Lanes(tapes, kernel, len(able), record=True, limits=limits)
    whole = np.ones(len(able), np.bool_)
    lanes.reset(np.arange(len(able)), entries.tape[able], entries.row[able], stop[able], whole)
    lanes.step(entries.action[able])
    hold = np.full(len(able), int(Action.HOLD), np.int64)
    while not (lanes.terminated | lanes.truncated).all():
        lanes.step(hold)
    closed = lanes.trades()
    done = closed.reason != ExitReason.END_OF_DATA
    rows = able[closed.lane[done]]
    worth = np.array([float(tape.instrument.tick_step_quote) for tape in tapes])[closed.tape[done]]
    paid = closed.value_in[done] * worth
    risk = (closed.ref - closed.stop)[done] * closed.quantity_in[done] * worth
    result.net_bps[rows] = 1e4 * closed.net[done] / paid
    result.net_r[rows] = np.where(risk > 0, closed.net[done] / np.where(risk > 0, risk, 1.0), np.nan)
    result.held_bars[rows] = (closed.exit_ms - closed.entry_ms)[done] / kernel.base_ms
    result.reason[rows] = closed.reason[done]
    result.value[rows] = np.column_stack([closed.value_in[done], closed.value_out[done]])
    return result

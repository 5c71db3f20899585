"""Labels on the kernel's own exits: what an entry at each close would have returned, net of every cost.

A label is no re-implementation of stop, target and time limit: a lane of the compiled kernel enters there, waits, and
its closed trade is read. An entry whose trade is not closed when the window ends has no label, so that none reaches
past the window; an entry that the rules void or the venue kills has none either.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from huracan.errors import DataError, InvariantError
from huracan.features.layout import MARKET_SIZE, S_IS_LONG, S_ORDER_AGE
from huracan.trading import Action, KernelSettings, Lanes, Limits, Tape

__all__ = ["Labels", "label_entries", "uniqueness"]

LANES = 512
"""Entries that are labelled side by side; bounds memory."""

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Labels:
    """Labelled decisions of some coins, in order of (coin, time).

    Attributes:
        symbols: of the coins.
        bar_ms: length of a bar.
        coin: int64[n], index of the symbol.
        bar: int64[n], index of the bar at whose close the entry is decided, in its coin's tape.
        exit_bar: int64[n], index of the bar of the last fill.
        close_ms: int64[n], close of the decision's bar, ms UTC: when its features are known.
        end_ms: int64[n], close of the exit's bar: when the label is known.
        reason: int64[n], `ExitReason`.
        net: float64[n], result of one stake, quote currency.
        result: float64[n], `net` over what the position could lose at its stop (R).
        market: float32[n, 52], market entries at the decision.
        asked: decisions looked at; the others were void, or still open when the window ended.
        void: decisions at which no position came about.
        open: positions that the end of the window, or of the gap-free stretch, left open.
    """

    symbols: tuple[str, ...]
    bar_ms: int
    coin: Ints
    bar: Ints
    exit_bar: Ints
    close_ms: Ints
    end_ms: Ints
    reason: Ints
    net: Floats
    result: Floats
    market: NDArray[np.float32]
    asked: int
    void: int
    open: int

    def __len__(self) -> int:
        return len(self.bar)

    @property
    def won(self) -> NDArray[np.bool_]:
        """Return bool[n], whether the entry earned more than it cost."""
        return self.net > 0.0

    def rows(self, rows: Ints) -> "Labels":
        """Return some of the labels, in the order given."""
        kept = {name: getattr(self, name)[rows] for name in _COLUMNS}
        return replace(self, **kept)

    def every(self, n: int) -> "Labels":
        """Return each n-th label of every coin."""
        kept = [self.of_coin(coin)[::n] for coin in range(len(self.symbols))]
        return self.rows(np.concatenate(kept))

    def of_coin(self, coin: int) -> NDArray[np.int64]:
        """Return the rows of one coin, in time."""
        return np.flatnonzero(self.coin == coin)


_COLUMNS = ("coin", "bar", "exit_bar", "close_ms", "end_ms", "reason", "net", "result", "market")


def label_entries(
    tapes: Sequence[Tape],
    kernel: KernelSettings,
    start_ms: int,
    end_ms: int,
    limits: Limits | None = None,
    *,
    rows_max: int | None = None,
) -> Labels:
    """Label the warm decisions of a window: one stake bought at each, sold by the rules' own exits.

    Args:
        tapes: coins with the features of one fit.
        kernel: the rules the tapes were built with.
        start_ms: first bar of the window, ms UTC.
        end_ms: its end, exclusive; no bar that opens later is read.
        limits: the account's.
        rows_max: decisions at most over all coins, evenly spaced; None: all of them.

    Raises:
        DataError: the rules have no exits of their own (`trading.stops_enabled` off), or the window has no decision.
    """
    if not kernel.stops_enabled:
        raise DataError(
            "labels: with trading.stops_enabled off a trade has no stop, target or time limit, so that no entry has a "
            "result of its own; turn the exits on"
        )
    decisions = [_decisions(tape, kernel.base_ms, start_ms, end_ms) for tape in tapes]
    total = sum(rows.size for rows in decisions)
    if not total:
        raise DataError("labels: the window has no decision with warm features; give a longer history")
    every = 1 if rows_max is None else max(1, -(-total // rows_max))
    parts = [
        _label_coin(tape, rows[::every], kernel, end_ms, limits) for tape, rows in zip(tapes, decisions, strict=True)
    ]
    return _joined(tapes, parts, kernel.base_ms)


def uniqueness(labels: Labels) -> Floats:
    """Return float64[n], each label's mean share of the bars it spans: 1 / labels of the coin that span a bar too.

    Labels that overlap tell the same story several times; as weights these count it once (López de Prado 2018, ch. 4).
    """
    weight = np.empty(len(labels))
    for coin in range(len(labels.symbols)):
        rows = labels.of_coin(coin)
        if not rows.size:
            continue
        first = labels.bar[rows] - labels.bar[rows].min()
        stop = labels.exit_bar[rows] - labels.bar[rows].min() + 1
        steps = np.zeros(int(stop.max()) + 1)
        np.add.at(steps, first, 1.0)
        np.add.at(steps, stop, -1.0)
        share = 1.0 / np.maximum(np.cumsum(steps[:-1]), 1.0)
        running = np.concatenate([[0.0], np.cumsum(share)])
        weight[rows] = (running[stop] - running[first]) / (stop - first)
    return weight


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    """Labels of one coin."""

    bar: Ints
    exit_bar: Ints
    reason: Ints
    net: Floats
    result: Floats
    market: NDArray[np.float32]
    asked: int
    void: int
    open: int


def _decisions(tape: Tape, base_ms: int, start_ms: int, end_ms: int) -> Ints:
    """Return the indices, into `tape.rows`, of the warm decisions of a window that a bar of it can follow."""
    open_ms = tape.bars[tape.rows, 0] * base_ms
    inside = (open_ms >= start_ms) & (open_ms < end_ms) & tape.ready[tape.rows]
    return np.flatnonzero(inside).astype(np.int64)


def _label_coin(tape: Tape, rows: Ints, kernel: KernelSettings, end_ms: int, limits: Limits | None) -> _Part:
    """Label decisions of one coin; rows index `tape.rows`."""
    last = int(np.searchsorted(tape.bars[:, 0] * kernel.base_ms, end_ms))
    bars = tape.rows[rows]
    stop = np.minimum(np.searchsorted(tape.segment, tape.segment[bars], side="right"), last)
    usable = stop >= bars + 2
    short = int(np.count_nonzero(~usable))
    rows, bars, stop = rows[usable], bars[usable], stop[usable]
    found = [
        _enter(tape, bars[at : at + LANES], stop[at : at + LANES], kernel, limits) for at in range(0, bars.size, LANES)
    ]
    lane = np.concatenate([np.zeros(0, np.int64), *(part[0] + at * LANES for at, part in enumerate(found))])
    columns = [np.concatenate([np.zeros(0), *(part[1][name] for part in found)]) for name in range(4)]
    exit_bar, reason, net, result = columns
    still = short + sum(part[2] for part in found)
    return _Part(
        bar=bars[lane],
        exit_bar=exit_bar.astype(np.int64),
        reason=reason.astype(np.int64),
        net=net,
        result=result,
        market=tape.features[rows[lane], :MARKET_SIZE],
        asked=bars.size + short,
        void=bars.size - lane.size - still + short,
        open=still,
    )


def _enter(
    tape: Tape, bars: Ints, stop: Ints, kernel: KernelSettings, limits: Limits | None
) -> tuple[Ints, tuple[Ints, Ints, Floats, Floats], int]:
    """Buy at each of these closes, a lane each, and wait; returns (lanes that closed, their figures, lanes open)."""
    lanes = Lanes([tape], kernel, bars.size, record=True, limits=limits)
    whole = np.arange(bars.size)
    lanes.reset(whole, np.zeros_like(whole), bars, stop, np.zeros(bars.size, np.bool_))
    lanes.step(np.full(bars.size, int(Action.ENTER_LONG_NORMAL)))
    wait = np.full(bars.size, int(Action.HOLD))
    work = kernel.maker_life_bars * kernel.maker_tries + kernel.hold_bars + kernel.maker_exit_life_bars + 10
    for _ in range(work // kernel.decision_interval_bars + 2):
        if not _at_work(lanes).any():
            break
        lanes.step(wait)
    else:
        if _at_work(lanes).any():
            raise InvariantError(f"{tape.symbol}: an entry is still at work {work} bars after its decision")
    trades = lanes.trades()
    risk = (trades.ref - trades.stop) * trades.quantity_in * float(tape.instrument.tick_step_quote)
    busy = (lanes.obs[:, S_IS_LONG] > 0) | (lanes.obs[:, S_ORDER_AGE] != 0)
    figures = (trades.exit_bar, trades.reason, trades.net, trades.net / risk)
    return trades.lane, figures, int(np.count_nonzero(busy & lanes.truncated))


def _at_work(lanes: Lanes) -> NDArray[np.bool_]:
    busy = (lanes.obs[:, S_IS_LONG] > 0) | (lanes.obs[:, S_ORDER_AGE] != 0)
    return busy & ~lanes.truncated


def _joined(tapes: Sequence[Tape], parts: Sequence[_Part], base_ms: int) -> Labels:
    bar = np.concatenate([part.bar for part in parts])
    exit_bar = np.concatenate([part.exit_bar for part in parts])
    numbers = [tape.bars[:, 0] for tape in tapes]
    closes = [(number[part.bar] + 1) * base_ms for number, part in zip(numbers, parts, strict=True)]
    ends = [(number[part.exit_bar] + 1) * base_ms for number, part in zip(numbers, parts, strict=True)]
    return Labels(
        symbols=tuple(tape.symbol for tape in tapes),
        bar_ms=base_ms,
        coin=np.repeat(np.arange(len(parts)), [part.bar.size for part in parts]),
        bar=bar,
        exit_bar=exit_bar,
        close_ms=np.concatenate(closes),
        end_ms=np.concatenate(ends),
        reason=np.concatenate([part.reason for part in parts]),
        net=np.concatenate([part.net for part in parts]),
        result=np.concatenate([part.result for part in parts]),
        market=np.concatenate([part.market for part in parts]),
        asked=sum(part.asked for part in parts),
        void=sum(part.void for part in parts),
        open=sum(part.open for part in parts),
    )

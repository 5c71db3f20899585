"""Raw features of a universe in blocks of coins, on as many machines as there are: bit for bit those of `compute_raw`.

A coin needs of the others the leader's bars and, at each decision, their returns. So the first pass runs the machines
of a block beside the leader's and notes returns; the second ranks a block's coins among the returns of all blocks.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numba import njit
from numpy.typing import NDArray

from huracan.errors import InvariantError
from huracan.features.batch import RawFeatures, run_engine
from huracan.features.engine import Engine, EngineBlock, FeatureContext
from huracan.features.layout import S_BREADTH, S_RANK_60, S_RANK_1440
from huracan.features.machines.coin import Offsets, coin_return_over
from huracan.features.machines.cross import breadth_of, rank_of
from huracan.features.machines.primitives import State
from huracan.features.machines.universe import P_RANK_LONG, P_RANK_SHORT, universe_run
from huracan.market import Candles

__all__ = ["FirstPass", "blocks_of", "decision_closes", "first_pass", "second_pass"]

CHUNK_CLOSES = 4_096


@dataclass(frozen=True, slots=True, eq=False)
class FirstPass:
    """What the machines of one block yield.

    Attributes:
        raw: of each coin, in the order of the block; ranks and breadth are not theirs yet.
        returns: float64[2, U, N] short and long return of each coin at the universe's decisions, NaN without a bar.
    """

    raw: tuple[RawFeatures, ...]
    returns: NDArray[np.float64]


def blocks_of(universe: Sequence[str], coins_per_block: int) -> tuple[tuple[str, ...], ...]:
    """Return a sorted universe in blocks, in its order."""
    return tuple(tuple(universe[first : first + coins_per_block]) for first in range(0, len(universe), coins_per_block))


def decision_closes(timestamps: Iterable[NDArray[np.int64]], context: FeatureContext) -> NDArray[np.int64]:
    """Return int64[U], the numbers of the bars at whose close any coin has a decision row, ascending.

    Args:
        timestamps: int64[T] open times of every coin of the universe, ms UTC.
        context: of the universe.
    """
    k = context.decision_interval_bars
    found = [np.zeros(0, np.int64)]
    for timestamp in timestamps:
        number = timestamp // context.base_ms + 1
        due = number % k == 0
        due[1:] = number[1:] // k > number[:-1] // k
        found.append(number[due] - 1)
    return np.unique(np.concatenate(found))


def first_pass(
    context: FeatureContext,
    block: Sequence[str],
    candles: Mapping[str, Candles],
    book: Mapping[str, NDArray[np.float64]],
    closes: NDArray[np.int64],
) -> FirstPass:
    """Run the machines of a block from its first bar.

    Args:
        context: of the whole universe.
        block: coins of it, sorted.
        candles: of the block and of the leader.
        book: recorded books, likewise.
        closes: int64[U] of `decision_closes`.
    """
    members = tuple(sorted({*block, *([] if context.leader is None else [context.leader])}))
    engine = _NotingEngine(replace(context, universe=members), closes)
    raw = run_engine(engine, candles, book)
    own = [members.index(symbol) for symbol in block]
    return FirstPass(tuple(replace(raw[s], context=context) for s in block), engine.returns[:, :, own])


def second_pass(
    raw: Sequence[RawFeatures], closes: NDArray[np.int64], returns: Sequence[NDArray[np.float64]]
) -> tuple[RawFeatures, ...]:
    """Return the finished features of a block's coins: ranked among all.

    Args:
        raw: of the first pass of the block.
        closes: int64[U] of `decision_closes`.
        returns: of the first passes of all blocks, in the order of the universe.
    """
    context = raw[0].context
    values = [one.values.copy() for one in raw]
    rows = [np.searchsorted(closes, one.timestamp[one.rows] // context.base_ms) for one in raw]
    for one, at in zip(raw, rows, strict=True):
        if not np.array_equal(closes[np.minimum(at, len(closes) - 1)], one.timestamp[one.rows] // context.base_ms):
            raise InvariantError(f"{one.symbol} has a decision at a close that is not among the universe's")
    for start in range(0, len(closes), CHUNK_CLOSES):
        part = np.concatenate([block[:, start : start + CHUNK_CLOSES] for block in returns], axis=2)
        for one, at, out in zip(raw, rows, values, strict=True):
            a, b = np.searchsorted(at, (start, start + CHUNK_CLOSES))
            _write_ranks(part, at[a:b] - start, context.universe.index(one.symbol), out[a:b])
    return tuple(replace(one, values=out) for one, out in zip(raw, values, strict=True))


class _NotingEngine(Engine):
    """An engine that notes each coin's returns at the closes where the universe decides."""

    def __init__(self, context: FeatureContext, closes: NDArray[np.int64]) -> None:
        super().__init__(context)
        self._closes = closes
        self.returns = np.full((2, len(closes), len(context.universe)), math.nan)

    def advance(self, first_bar_no: int, bars: NDArray[np.float64]) -> EngineBlock:
        """Feed C consecutive closes; see `Engine.advance`."""
        closes, coins = bars.shape[:2]
        rows = closes // self.context.decision_interval_bars + 2
        block = EngineBlock.empty(closes, coins, rows)
        a, b = np.searchsorted(self._closes, (first_bar_no, first_bar_no + closes))
        returns = np.full((2, int(b - a), coins), math.nan)
        scratch = EngineBlock.empty(closes, coins, rows)
        _block_run(
            self._states,
            self._marks,
            self._template,
            self._offsets,
            self._parameters,
            first_bar_no,
            bars,
            self._closes[a:b] - first_bar_no,
            returns,
            block.sigma,
            block.ready,
            block.segment,
            block.row_count,
            block.row_bar,
            block.values,
            block.available,
            scratch.row_count,
            scratch.row_bar,
            scratch.values,
            scratch.available,
        )
        self.returns[:, a:b] = returns
        self.next_bar_no = first_bar_no + closes
        return block


@njit(cache=True, nogil=True)
def _block_run(
    states: NDArray[np.float64],
    marks: NDArray[np.float64],
    template: State,
    at: Offsets,
    p: NDArray[np.int64],
    first_bar_no: int,
    bars: NDArray[np.float64],
    noted: NDArray[np.int64],
    returns: NDArray[np.float64],
    sigma: NDArray[np.float64],
    ready: NDArray[np.bool_],
    segment: NDArray[np.int32],
    row_count: NDArray[np.int64],
    row_bar: NDArray[np.int64],
    values: NDArray[np.float64],
    available: NDArray[np.bool_],
    count: NDArray[np.int64],
    bar: NDArray[np.int64],
    value: NDArray[np.float64],
    there: NDArray[np.bool_],
) -> None:
    """Run `universe_run` from one noted close to the next, and write returns[2, n, N] where it stands and a bar exists.

    noted[n] are indices of closes, ascending; no row falls between them. The last four take the rows of a stretch.
    """
    row_count[:] = 0
    start = 0
    for i in range(len(noted) + 1):
        stop = noted[i] + 1 if i < len(noted) else bars.shape[0]
        if stop <= start:
            continue
        universe_run(
            states,
            marks,
            template,
            at,
            p,
            first_bar_no + start,
            bars[start:stop],
            sigma[start:stop],
            ready[start:stop],
            segment[start:stop],
            count,
            bar,
            value,
            there,
        )
        for n in range(states.shape[0]):
            for j in range(count[n]):
                row = row_count[n]
                row_bar[n, row] = start + bar[n, j]
                values[n, row, :] = value[n, j]
                available[n, row, :] = there[n, j]
                row_count[n] = row + 1
            if i < len(noted) and not math.isnan(bars[stop - 1, n, 3]):
                returns[0, i, n] = coin_return_over(states[n], at, p[P_RANK_SHORT])
                returns[1, i, n] = coin_return_over(states[n], at, p[P_RANK_LONG])
        start = stop


@njit(cache=True, nogil=True)
def _write_ranks(returns: NDArray[np.float64], at: NDArray[np.int64], n: int, values: NDArray[np.float64]) -> None:
    """Write ranks and breadth of coin n's rows: values[i] is the row at close at[i]."""
    for i in range(len(at)):
        short, long = returns[0, at[i]], returns[1, at[i]]
        values[i, S_RANK_60] = rank_of(short, n)
        values[i, S_RANK_1440] = rank_of(long, n)
        values[i, S_BREADTH] = breadth_of(short)

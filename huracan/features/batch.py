"""Raw features of whole histories: the machines run over all candles of a universe, chunk by chunk."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numba import njit
from numpy.typing import NDArray

from huracan.config import FeatureSettings
from huracan.errors import DataError, InvariantError
from huracan.features.engine import Engine, EngineBlock, FeatureContext
from huracan.features.layout import MARKET_SIZE, S_HMM_HIGH_VOL
from huracan.features.machines.coin import BAR_COLUMNS, OPTIONAL_INPUTS, row_return
from huracan.features.windows import windows_for
from huracan.market.candles import Candles
from huracan.market.load import leader_of

__all__ = ["RawFeatures", "compute_raw", "context_for", "find_leader", "run_engine"]

CHUNK_BARS = 1_024


@dataclass(frozen=True, slots=True, eq=False)
class RawFeatures:
    """Features of one coin with no fitted constant in them; every fold reads the same.

    Attributes:
        symbol: ccxt symbol.
        context: windows, decision interval, universe and leader they were computed with.
        timestamp: int64[T] open times of the existing bars, ms UTC.
        sigma: float64[T] EWMA standard deviation of base log returns, at least 1e-6; the kernel's sigma_t.
        ready: bool[T] machines warm.
        segment: int32[T] gap-free run id; a gap longer than `gap_fill_max_bars` starts a new one.
        rows: int64[M] indices of the bars at whose close a decision is due.
        values: float64[M, 52] raw market entries; see the catalogue for what the fit finishes.
        available: bool[M, 4] whether each of `OPTIONAL_INPUTS` could be read.
        log_close: float64[M] logarithm of each row's close.
    """

    symbol: str
    context: FeatureContext
    timestamp: NDArray[np.int64]
    sigma: NDArray[np.float64]
    ready: NDArray[np.bool_]
    segment: NDArray[np.int32]
    rows: NDArray[np.int64]
    values: NDArray[np.float64]
    available: NDArray[np.bool_]
    log_close: NDArray[np.float64]

    @property
    def row_close_ms(self) -> NDArray[np.int64]:
        """Return int64[M], the close time of each row's bar: all it contains was known then."""
        return self.timestamp[self.rows] + self.context.base_ms

    def every(self, decision_interval_bars: int) -> "RawFeatures":
        """Return what the machines give for a slower decision interval, bit for bit.

        These are the rows that fall due in it; of their entries only the return since the last row is another.

        Raises:
            InvariantError: the interval is no multiple of the one computed with.
        """
        context, k = self.context, decision_interval_bars
        if k % context.decision_interval_bars:
            raise InvariantError(f"decisions every {context.decision_interval_bars} bars do not hold those every {k}")
        if k == context.decision_interval_bars:
            return self
        number = self.timestamp // context.base_ms + 1
        before = number[np.maximum(self.rows - 1, 0)] // k
        due = np.where(self.rows > 0, number[self.rows] // k > before, number[self.rows] % k == 0)
        rows, values, log_close = self.rows[due], self.values[due], self.log_close[due]
        _write_row_returns(number[rows], self.segment[rows], self.sigma[rows], log_close, values[:, S_HMM_HIGH_VOL])
        context = replace(context, decision_interval_bars=k)
        available = self.available[due]
        return replace(self, context=context, rows=rows, values=values, available=available, log_close=log_close)


def find_leader(symbols: Mapping[str, object], configured: str | None) -> str | None:
    """Return the leader's symbol: the configured one, else BTC spot, else the BTC perpetual, else None.

    Raises:
        DataError: the configured symbol is not among the candles.
    """
    if configured is not None and configured not in symbols:
        raise DataError(f"data.leader_symbol {configured} is not among the {len(symbols)} symbols loaded")
    return leader_of(configured, symbols)


def context_for(
    candles: Mapping[str, Candles], settings: FeatureSettings, decision_interval_bars: int, leader: str | None
) -> FeatureContext:
    """Return the context of a universe of candles.

    Raises:
        DataError: there are no candles, or their timeframes differ.
        ConfigError: the windows or the leader do not fit.
    """
    timeframes = sorted({c.timeframe for c in candles.values()})
    if len(timeframes) != 1:
        raise DataError(f"features need candles of one timeframe, found {timeframes or 'none'}")
    windows = windows_for(timeframes[0], settings.windows)
    universe = tuple(sorted(candles))
    return FeatureContext(windows, decision_interval_bars, universe, leader, settings.gap_fill_max_bars)


def compute_raw(
    candles: Mapping[str, Candles],
    settings: FeatureSettings,
    decision_interval_bars: int,
    leader: str | None,
    book: Mapping[str, NDArray[np.float64]] | None = None,
) -> dict[str, RawFeatures]:
    """Run the machines from the store's first bar and return the raw features of every coin.

    Args:
        candles: by symbol, of one timeframe; coins may start and end at different times.
        settings: `features` section of the configuration.
        decision_interval_bars: k.
        leader: symbol of the market leader, or None; see `find_leader`.
        book: float64[T, 4] book summaries per bar (`BOOK_COLUMNS`) of the symbols that have them, NaN where absent.

    Raises:
        DataError: there are no candles, or their timeframes differ.
        ConfigError: the windows or the leader do not fit.
    """
    context = context_for(candles, settings, decision_interval_bars, leader)
    return run_engine(Engine(context), candles, book or {})


def run_engine(
    engine: Engine, candles: Mapping[str, Candles], book: Mapping[str, NDArray[np.float64]]
) -> dict[str, RawFeatures]:
    """Run an engine over candles that follow on what it has seen; return their raw features.

    Raises:
        DataError: a symbol of the universe has no entry, or no candle at all was given.
    """
    context = engine.context
    if any(symbol not in candles for symbol in context.universe):
        raise DataError(f"candles lack symbols of the universe: {sorted(set(context.universe) - set(candles))}")
    columns = [_Columns(candles[s], book.get(s), context) for s in context.universe]
    numbers = [c.bar_no for c in columns if len(c.bar_no)]
    if not numbers:
        raise DataError(f"candles of {len(columns)} symbols hold no bar")
    first, last = min(int(n[0]) for n in numbers), max(int(n[-1]) for n in numbers)
    if engine.next_bar_no is not None:
        first = engine.next_bar_no
    for start in range(first, last + 1, CHUNK_BARS):
        closes = min(CHUNK_BARS, last + 1 - start)
        bars = np.full((closes, len(columns), BAR_COLUMNS), math.nan)
        spans = [column.fill(bars[:, n], start) for n, column in enumerate(columns)]
        block = engine.advance(start, bars)
        for n, (column, span) in enumerate(zip(columns, spans, strict=True)):
            column.take(block, n, start, span)
    return {column.symbol: column.result(context) for column in columns}


class _Columns:
    """One coin's candles going in and its features coming out."""

    def __init__(self, candles: Candles, book: NDArray[np.float64] | None, context: FeatureContext) -> None:
        self.symbol = candles.symbol
        self.timestamp = candles.timestamp
        self.bar_no = candles.timestamp // context.base_ms
        self.close = candles.close
        self.inputs = [
            (at, values)
            for at, values in enumerate(
                (
                    candles.open,
                    candles.high,
                    candles.low,
                    candles.close,
                    candles.volume,
                    candles.quote_volume,
                    candles.trades,
                    candles.taker_buy_volume,
                )
            )
            if values is not None
        ]
        if book is not None:
            self.inputs += [(8 + i, book[:, i]) for i in range(4)]
        count = len(self.bar_no)
        k = context.decision_interval_bars
        room = _row_count(self.bar_no, k)
        self.sigma = np.empty(count)
        self.ready = np.empty(count, dtype=np.bool_)
        self.segment = np.empty(count, dtype=np.int32)
        self.rows = np.empty(room, dtype=np.int64)
        self.values = np.empty((room, MARKET_SIZE))
        self.available = np.empty((room, len(OPTIONAL_INPUTS)), dtype=np.bool_)
        self.taken = 0

    def fill(self, bars: NDArray[np.float64], start: int) -> slice:
        """Write the candles of one chunk into bars[C, 12]; return which they are."""
        a, b = np.searchsorted(self.bar_no, (start, start + len(bars)))
        where = self.bar_no[a:b] - start
        at: slice | NDArray[np.int64] = where
        if b > a and where[-1] - where[0] == b - a - 1:
            at = slice(int(where[0]), int(where[-1]) + 1)
        for column, values in self.inputs:
            bars[at, column] = values[a:b]
        return slice(int(a), int(b))

    def take(self, block: EngineBlock, n: int, start: int, span: slice) -> None:
        """Copy what the chunk yielded for coin n."""
        where = self.bar_no[span] - start
        self.sigma[span] = block.sigma[where, n]
        self.ready[span] = block.ready[where, n]
        self.segment[span] = block.segment[where, n]
        count = int(block.row_count[n])
        to = slice(self.taken, self.taken + count)
        self.rows[to] = np.searchsorted(self.bar_no, start + block.row_bar[n, :count])
        self.values[to] = block.values[n, :count]
        self.available[to] = block.available[n, :count]
        self.taken += count

    def result(self, context: FeatureContext) -> RawFeatures:
        """Return the finished columns."""
        to = slice(0, self.taken)
        return RawFeatures(
            self.symbol,
            context,
            self.timestamp,
            self.sigma,
            self.ready,
            self.segment,
            self.rows[to],
            self.values[to],
            self.available[to],
            _logarithms(self.close[self.rows[to]]),
        )


@njit(cache=True, nogil=True)
def _logarithms(close: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the logarithms as the machines take them: numpy's may differ in the last bit."""
    out = np.empty(len(close))
    for i in range(len(close)):
        out[i] = math.log(close[i])
    return out


@njit(cache=True, nogil=True)
def _write_row_returns(
    number: NDArray[np.int64],
    segment: NDArray[np.int32],
    sigma: NDArray[np.float64],
    log_close: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None:
    """Write the return of each row since the one before it, 0 for the first of a gap-free run."""
    for i in range(len(number)):
        out[i] = 0.0
        if i > 0 and segment[i] == segment[i - 1]:
            out[i] = row_return(log_close[i] - log_close[i - 1], sigma[i], float(number[i] - number[i - 1]))


def _row_count(bar_no: NDArray[np.int64], k: int) -> int:
    """Return an upper bound of the decision rows of a coin: one per k bars, and one per gap."""
    if not len(bar_no):
        return 0
    gaps = int(np.count_nonzero(np.diff(bar_no) > 1))
    return min(len(bar_no), len(bar_no) // k + 2 + gaps)

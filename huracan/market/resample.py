"""Coarser candles from finer ones, on the grid of the epoch, from complete bars only."""

import numpy as np
from numpy.typing import NDArray

from huracan.errors import DataError
from huracan.market.candles import OPTIONAL_COLUMNS, Candles
from huracan.market.timeframes import timeframe_ms

__all__ = ["resample"]


def resample(candles: Candles, timeframe: str) -> Candles:
    """Return `candles` in a coarser timeframe whose bars open at multiples of its length since the epoch.

    Open is the first, high and low the extremes, close the last of the fine bars present; volumes and counts are
    summed. A missing fine bar inside a coarse one had no data and leaves it as it is. The first coarse bar is dropped
    when the history begins inside it, the last when the history ends before it closes: both would be partial for ever.

    Raises:
        DataError: the timeframe is unknown, finer than the candles', or not a multiple of it.
    """
    fine_ms, coarse_ms = candles.bar_ms, timeframe_ms(timeframe)
    if coarse_ms % fine_ms:
        raise DataError(
            f"{candles.symbol}: {candles.timeframe} candles cannot be resampled to {timeframe}; take a multiple"
        )
    time = candles.timestamp
    if len(time) == 0 or coarse_ms == fine_ms:
        return Candles(candles.symbol, timeframe, time, **candles.rows().columns)
    first_open = -(-int(time[0]) // coarse_ms) * coarse_ms
    last_close = (int(time[-1]) + fine_ms) // coarse_ms * coarse_ms
    whole = candles.between(first_open, last_close)
    if len(whole) == 0:
        return Candles(candles.symbol, timeframe, whole.timestamp, **whole.rows().columns)
    group = whole.timestamp // coarse_ms
    starts = np.flatnonzero(np.diff(group, prepend=-1))
    ends = np.append(starts[1:], len(group)) - 1

    def summed(values: NDArray[np.float64] | None) -> NDArray[np.float64] | None:
        return None if values is None else _sums(values, starts)

    optional = {name: summed(getattr(whole, name)) for name in OPTIONAL_COLUMNS}
    return Candles(
        candles.symbol,
        timeframe,
        group[starts] * coarse_ms,
        whole.open[starts],
        _reduce(np.maximum, whole.high, starts),
        _reduce(np.minimum, whole.low, starts),
        whole.close[ends],
        _sums(whole.volume, starts),
        **optional,
    )


def _reduce(ufunc: np.ufunc, values: NDArray[np.float64], starts: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.asarray(ufunc.reduceat(values, starts))


def _sums(values: NDArray[np.float64], starts: NDArray[np.int64]) -> NDArray[np.float64]:
    return _reduce(np.add, values, starts)

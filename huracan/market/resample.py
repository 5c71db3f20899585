"""Coarser candles from finer ones, on the grid of the epoch, from complete bars only."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from huracan.errors import DataError
from huracan.market.candles import OPTIONAL_COLUMNS, Candles
from huracan.market.store import CandleFolder, CandleStore, read_metadata
from huracan.market.timeframes import timeframe_ms
from huracan.storage import Location

__all__ = ["ResampledFile", "resample", "resample_folder"]

_SOURCE = "resampled_from"
"""What a resampled file says of itself: the timeframe that it was made of."""


@dataclass(frozen=True, slots=True)
class ResampledFile:
    """What became of one symbol; `path`, `first_ms` and `last_ms` are None where no coarse bar is whole."""

    symbol: str
    path: Location | None
    fine_bars: int
    bars: int
    first_ms: int | None
    last_ms: int | None


def resample_folder(source: CandleFolder, timeframe: str, store: CandleStore) -> tuple[ResampledFile, ...]:
    """Write every symbol of `source` in a coarser timeframe into `store`, with what its file said of its origin.

    Raises:
        DataError: the timeframe is unknown, not coarser, or not a multiple; a file is unsound or cannot be written; no
            symbol has a whole bar; or the store holds candles of this timeframe that were not resampled.
    """
    if timeframe_ms(timeframe) <= timeframe_ms(source.timeframe):
        raise DataError(
            f"{source.path}: {source.timeframe} candles cannot be resampled to {timeframe}; give a longer timeframe"
        )
    for symbol in source.symbols:
        path = store.path(symbol, timeframe)
        if path.exists() and _SOURCE not in read_metadata(path):
            raise DataError(f"{path}: was not made by resampling and is not written over; give another folder")
    done = []
    for symbol, file in source.files.items():
        fine = source.read(symbol)
        coarse = resample(fine, timeframe)
        if len(coarse) == 0:
            done.append(ResampledFile(symbol, None, len(fine), 0, None, None))
            continue
        path = store.write(coarse, {**read_metadata(file), _SOURCE: source.timeframe})
        first, last = int(coarse.timestamp[0]), int(coarse.timestamp[-1])
        done.append(ResampledFile(symbol, path, len(fine), len(coarse), first, last))
    if not any(file.bars for file in done):
        raise DataError(f"{source.path}: no symbol's history holds a whole {timeframe} bar; take a shorter timeframe")
    return tuple(done)


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

"""What was recorded of the books beside the candles: one Parquet file per symbol and UTC day, read back bar by bar.

The files of a candle folder's symbol lie in `books/<stem>/<day>.parquet` inside it.
"""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from huracan.errors import DataError
from huracan.market.rows import format_ms
from huracan.market.store import atomic_file
from huracan.market.timeframes import symbol_to_stem, timeframe_ms
from huracan.storage import Location, Where

__all__ = ["BOOKS_FOLDER", "BOOK_INPUTS", "RECORDED", "books_folder", "day_file", "read_books", "read_day", "write_day"]

BOOKS_FOLDER = "books"

BOOK_INPUTS = ("spread_frac", "flow_per_depth", "imbalance", "microprice")
"""Columns that become features, in the order of the feature machines' `BOOK_COLUMNS`; NaN where there was no book."""

RECORDED = (*BOOK_INPUTS, "quotes", "trades", "volume", "taker_buy_volume", "bid_depth", "ask_depth")
"""Columns of a file behind `timestamp`."""

_DAY_MS = 86_400_000


def books_folder(candles: Where, symbol: str) -> Where:
    """Return where the recorded books of a symbol lie in a folder of candles."""
    return candles / BOOKS_FOLDER / symbol_to_stem(symbol)


def day_file(folder: Where, open_ms: int) -> Where:
    """Return the file of the day in which a bar opens."""
    return folder / f"{format_ms(open_ms // _DAY_MS * _DAY_MS)[:10]}.parquet"


def write_day(path: Location, timeframe: str, timestamp: NDArray[np.int64], columns: NDArray[np.float64]) -> None:
    """Write one day, whole or not at all.

    Args:
        path: of the file.
        timeframe: of the bars.
        timestamp: int64[T] open times, ms UTC.
        columns: float64[T, 10], columns as `RECORDED`.

    Raises:
        DataError: the folder cannot be written or the disk is full; an older file is untouched.
    """
    arrays = [pa.array(timestamp, pa.timestamp("ms", tz="UTC"))]
    arrays += [pa.array(np.ascontiguousarray(column)) for column in columns.T]
    table = pa.Table.from_arrays(arrays, ["timestamp", *RECORDED])
    with atomic_file(path) as file:
        pq.write_table(table.replace_schema_metadata({"huracan.timeframe": timeframe}), file, compression="zstd")


def read_day(path: Location, timeframe: str) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return (int64[T] open times, float64[T, 10] of `RECORDED`) of a file.

    Raises:
        DataError: it cannot be read, is of another timeframe, or holds a row that cannot be.
    """
    try:
        table = pq.read_table(pa.BufferReader(path.read_bytes()))
        found = (table.schema.metadata or {}).get(b"huracan.timeframe", b"").decode()
        time = table.column("timestamp").cast(pa.int64()).to_numpy()
        columns = np.column_stack([table.column(name).to_numpy().astype(np.float64) for name in RECORDED])
    except (OSError, pa.ArrowException, KeyError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise DataError(f"{path}: cannot be read as recorded books ({reason}); remove the file") from None
    if found != timeframe:
        raise DataError(f"{path}: recorded beside {found or 'no'} candles, not {timeframe}; move it to its own folder")
    bar_ms = timeframe_ms(timeframe)
    book = columns[:, :4]
    known = ~np.isnan(book)
    odd = known.any(axis=1) != known.all(axis=1)
    odd |= np.isinf(columns).any(axis=1) | (book[:, 0] < 0.0) | (np.abs(book[:, 2:]) > 1.0).any(axis=1)
    odd |= (time % bar_ms != 0) | (np.diff(time, prepend=-1) <= 0)
    if odd.any():
        row = int(odd.argmax())
        raise DataError(f"{path}: row {row} ({format_ms(int(time[row]))}) cannot be; remove the file")
    return time, columns


def read_books(
    candles: Location, symbol: str, timeframe: str, timestamp: NDArray[np.int64]
) -> NDArray[np.float64] | None:
    """Return what the recorded books say of some candles.

    Args:
        candles: the folder in which the candles' files lie.
        symbol: ccxt symbol.
        timeframe: of the candles.
        timestamp: int64[T] open times of the candles.

    Returns:
        float64[T, 4] of `BOOK_INPUTS`, NaN where nothing was recorded; None: nothing at all was.

    Raises:
        DataError: a file is unsound.
    """
    folder: Location = books_folder(candles, symbol)
    if not folder.is_dir() or not len(timestamp):
        return None
    first, last = (day_file(folder, int(at)).name for at in (timestamp[0], timestamp[-1]))
    out = np.full((len(timestamp), len(BOOK_INPUTS)), np.nan)
    files: list[Location] = list(folder.glob("*.parquet"))
    for path in sorted(files, key=lambda file: file.name):
        if path.name.startswith(".") or not first <= path.name <= last:
            continue
        time, columns = read_day(path, timeframe)
        at = np.searchsorted(timestamp, time)
        inside = at < len(timestamp)
        inside[inside] = timestamp[at[inside]] == time[inside]
        out[at[inside]] = columns[inside, :4]
    return None if np.isnan(out).all() else out

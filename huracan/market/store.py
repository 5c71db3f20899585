"""Candles in a folder or object store: a Parquet file a symbol and timeframe, checked, written whole or not at all."""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from huracan.errors import DataError
from huracan.market.candles import OPTIONAL_COLUMNS, REQUIRED_COLUMNS, Candles, candles_from_rows
from huracan.market.rows import Rows, format_ms
from huracan.market.timeframes import TIMEFRAMES, stem_to_symbol, symbol_to_stem, timeframe_from_ms, timeframe_ms
from huracan.storage import Location, ObjectPath, for_each
from huracan.storage import atomic_file as plain_atomic_file

__all__ = [
    "CandleFolder",
    "CandleStore",
    "atomic_file",
    "open_folder",
    "read_candles",
    "read_metadata",
    "read_rows",
    "read_times",
    "timeframe_of",
    "write_candles",
]

_SUFFIX = ".parquet"
_PLAUSIBLE_MS = (946_684_800_000, 4_102_444_800_000)  # 2000-01-01, 2100-01-01
_NUMERIC = (pa.types.is_floating, pa.types.is_integer, pa.types.is_decimal)


def read_rows(path: Location) -> Rows:
    """Read one file's rows as they are; only its form is checked, not its values (`find_faults` does that).

    `timestamp` may be a timestamp of any unit and zone, a date, or an integer in ms; unknown columns are ignored.

    Raises:
        DataError: the file is missing, not Parquet, empty, lacks a column, or holds one of the wrong type.
    """
    with _opened(path) as file:
        schema = file.schema_arrow
        twice = sorted({name for name in schema.names if schema.names.count(name) > 1})
        if twice:
            raise DataError(f"{path}: column {', '.join(twice)} is there more than once; keep one of each name")
        missing = [name for name in ("timestamp", *REQUIRED_COLUMNS) if name not in schema.names]
        if missing:
            raise DataError(
                f"{path}: column {', '.join(missing)} is missing (found: {', '.join(schema.names) or 'none'}); "
                "name the columns timestamp, open, high, low, close, volume"
            )
        names = [name for name in (*REQUIRED_COLUMNS, *OPTIONAL_COLUMNS) if name in schema.names]
        for name in names:
            if not any(check(schema.field(name).type) for check in _NUMERIC):
                raise DataError(f"{path}: column {name} holds {schema.field(name).type}; store it as float64")
        table = file.read(columns=["timestamp", *names])
    if table.num_rows == 0:
        raise DataError(f"{path}: the file holds no rows; download it again or remove it")
    time = _to_ms(path, table.column("timestamp"))
    return Rows(time, {name: _to_float(table.column(name)) for name in names})


def timeframe_of(path: Location, timestamp: NDArray[np.int64], known: str | None = None) -> str:
    """Return the timeframe of a file's open times: their most frequent step.

    Args:
        path: the file, for the error.
        timestamp: int64[T], ms UTC.
        known: what a single bar is taken for, as it has no step of its own; None: a single bar is refused.

    Raises:
        DataError: there are fewer than two distinct times and none is known, or the step is no timeframe.
    """
    steps = np.diff(timestamp)
    if (steps <= 0).any():
        steps = np.diff(np.unique(timestamp))
    if len(steps) == 0 and known is not None:
        return known
    if len(steps) == 0:
        raise DataError(f"{path}: the history is too short, a single bar has no timeframe; download more candles")
    lengths, counts = np.unique(steps, return_counts=True)
    step = int(lengths[counts.argmax()])
    timeframe = timeframe_from_ms(step)
    if timeframe is None:
        raise DataError(
            f"{path}: bars lie {step} ms apart, which is no known timeframe; give one of {', '.join(TIMEFRAMES)}"
        )
    return timeframe


def read_candles(path: Location, timeframe: str | None = None) -> Candles:
    """Read one sound file; the symbol comes from the file's name.

    Args:
        path: the file.
        timeframe: of its bars, however few there are; None: found from its rows.

    Raises:
        DataError: the file cannot be read or a row is unsound; the line names the file, the row and the remedy.
    """
    rows = read_rows(path)
    symbol = _symbol_of(path)
    try:
        return candles_from_rows(symbol, timeframe or timeframe_of(path, rows.timestamp), rows)
    except DataError as error:
        raise DataError(f"{path}: {error}") from None


def write_candles(candles: Candles, path: Location, metadata: Mapping[str, str] | None = None) -> None:
    """Write candles as Parquet, whole or not at all; the same candles always give the same bytes.

    Args:
        candles: what to write; `timestamp` is stored as timestamp[ms, UTC].
        path: file to create or replace; its folder is created.
        metadata: facts kept in the file, e.g. the exchange the candles came from.

    Raises:
        DataError: the folder cannot be written or the disk is full; an older file at `path` is untouched.
    """
    columns: dict[str, pa.Array] = {"timestamp": pa.array(candles.timestamp, pa.timestamp("ms", tz="UTC"))}
    columns |= {name: pa.array(values) for name, values in candles.rows().columns.items()}
    table = pa.table(columns).replace_schema_metadata(
        {f"huracan.{key}": text for key, text in (metadata or {}).items()}
    )
    with atomic_file(path) as file:
        pq.write_table(table, file, compression="zstd")


def read_metadata(path: Location) -> dict[str, str]:
    """Return the facts that `write_candles` kept in a file; empty for files of another origin.

    Raises:
        DataError: the file cannot be read.
    """
    with _opened(path, whole=False) as file:
        found = file.schema_arrow.metadata or {}
    return {
        key.decode().removeprefix("huracan."): text.decode()
        for key, text in found.items()
        if key.startswith(b"huracan.")
    }


@contextmanager
def atomic_file(path: Location) -> Iterator[BinaryIO]:
    """Yield a file that becomes `path` when the block ends well, and vanishes when it does not (`huracan.storage`).

    Raises:
        DataError: the operating system refuses (full disk, no permission, not a folder).
        StorageError: the object store does.
    """
    try:
        with plain_atomic_file(path) as file:
            yield file
    except OSError as error:
        reason = error.strerror or str(error)
        raise DataError(
            f"{path}: cannot be written: {reason}; nothing was changed, free space or name another folder"
        ) from None


@dataclass(frozen=True, slots=True)
class CandleFolder:
    """A flat folder of Parquet files of one timeframe.

    Attributes:
        path: the folder.
        timeframe: of every file in it.
        files: path by symbol, sorted by symbol.
    """

    path: Location
    timeframe: str
    files: Mapping[str, Location]

    @property
    def symbols(self) -> tuple[str, ...]:
        """Symbols found, sorted."""
        return tuple(self.files)

    def path_of(self, symbol: str) -> Location:
        """Return a symbol's file.

        Raises:
            DataError: the folder has no such symbol.
        """
        if symbol not in self.files:
            raise DataError(f"{self.path}: no candles of {symbol}; found {_some(self.symbols)}")
        return self.files[symbol]

    def read(self, symbol: str) -> Candles:
        """Read one symbol.

        Raises:
            DataError: the symbol is unknown or its file unsound.
        """
        return read_candles(self.path_of(symbol), self.timeframe)


def open_folder(path: Location, timeframe: str | None = None) -> CandleFolder:
    """Look into a flat folder of Parquet files, or into the `<timeframe>` folder of a store.

    Args:
        path: a folder with files such as `BTC-USDT.parquet`, or a store whose subfolders are timeframes.
        timeframe: what the files must hold; None finds it from their rows. A file of one bar, which has no step, is
            taken for this one or for the one that names the folder, so that a new listing does not shut the others out.

    Raises:
        DataError: there is no such folder, no file in it, a file is unreadable or badly named, or timeframes differ.
    """
    if not path.is_dir():
        fault = "is a file, not a folder" if path.exists() else "there is no such folder"
        raise DataError(f"{path}: {fault}; give the folder that holds the Parquet files")
    if timeframe is not None:
        timeframe_ms(timeframe)
    files = {_symbol_of(file): file for file in _parquet_files(path)}
    stores = [] if files else [name for name in TIMEFRAMES if (path / name).is_dir()]
    if stores:
        if timeframe is None and len(stores) > 1:
            raise DataError(f"{path}: holds the timeframes {', '.join(stores)}; give one of these folders")
        return open_folder(path / (timeframe or stores[0]), timeframe or stores[0])
    if not files:
        raise DataError(f"{path}: holds no .parquet file; give the folder of the candles or download some")
    known = timeframe or (path.name if path.name in TIMEFRAMES else None)
    named = sorted(files.items())
    steps = for_each(path, lambda pair: timeframe_of(pair[1], read_times(pair[1]), known), named)
    found = {symbol: step for (symbol, _), step in zip(named, steps, strict=True)}
    if len(set(found.values())) > 1:
        each = {name: next(symbol for symbol in found if found[symbol] == name) for name in found.values()}
        listed = ", ".join(f"{name} ({symbol})" for name, symbol in each.items())
        raise DataError(f"{path}: mixes timeframes: {listed}; keep one timeframe per folder")
    base = next(iter(found.values()))
    if timeframe not in (None, base):
        raise DataError(f"{path}: holds {base} candles, not {timeframe}; name another folder or timeframe")
    return CandleFolder(path, base, dict(sorted(files.items())))


def read_times(path: Location) -> NDArray[np.int64]:
    """Read a file's open times alone, int64[T], ms (UTC), in the file's order.

    Raises:
        DataError: the file cannot be read, holds no row, or has no usable `timestamp`.
    """
    with _opened(path, whole=False) as file:
        found = file.schema_arrow.names.count("timestamp")
        if found != 1:
            count = "missing" if found == 0 else "there more than once"
            raise DataError(f"{path}: column timestamp is {count}; name the open time of each bar timestamp")
        table = file.read(columns=["timestamp"])
    if table.num_rows == 0:
        raise DataError(f"{path}: the file holds no rows; download it again or remove it")
    return _to_ms(path, table.column("timestamp"))


class CandleStore:
    """A tree `root/<timeframe>/<stem>.parquet`, as `data download` fills it."""

    def __init__(self, root: Location) -> None:
        self.root = root

    def path(self, symbol: str, timeframe: str) -> Location:
        """Return where the candles of a symbol and timeframe are, or would be."""
        timeframe_ms(timeframe)
        return self.root / timeframe / f"{symbol_to_stem(symbol)}{_SUFFIX}"

    def timeframes(self) -> tuple[str, ...]:
        """Return the timeframes that have at least one file, shortest first."""
        return tuple(name for name in TIMEFRAMES if any(_parquet_files(self.root / name)))

    def symbols(self, timeframe: str) -> tuple[str, ...]:
        """Return the symbols stored for a timeframe, sorted; empty when there is none."""
        timeframe_ms(timeframe)
        return tuple(sorted(stem_to_symbol(file.stem) for file in _parquet_files(self.root / timeframe)))

    def read(self, symbol: str, timeframe: str) -> Candles:
        """Read one market.

        Raises:
            DataError: it is not in the store, or its file is unsound.
        """
        path = self.path(symbol, timeframe)
        if not path.is_file():
            found = _some(self.symbols(timeframe))
            raise DataError(f"{path}: no {timeframe} candles of {symbol}; found {found}; download them first")
        return read_candles(path, timeframe)

    def write(self, candles: Candles, metadata: Mapping[str, str] | None = None) -> Location:
        """Write one market, whole or not at all, and return its file."""
        path = self.path(candles.symbol, candles.timeframe)
        write_candles(candles, path, metadata)
        return path


def _parquet_files(folder: Location) -> list[Location]:
    """Return the visible Parquet files of a folder, sorted; hidden ones are leftovers of a killed write."""
    if not folder.is_dir():
        return []
    return sorted(file for file in folder.iterdir() if file.suffix == _SUFFIX and not file.name.startswith("."))


def _symbol_of(path: Location) -> str:
    try:
        return stem_to_symbol(path.stem)
    except DataError as error:
        raise DataError(f"{path}: {error}") from None


def _some(symbols: tuple[str, ...]) -> str:
    if not symbols:
        return "none"
    return ", ".join(symbols[:8]) + (f" and {len(symbols) - 8} more" if len(symbols) > 8 else "")


@contextmanager
def _opened(path: Location, whole: bool = True) -> Iterator[pq.ParquetFile]:
    """Yield a file opened once, so that schema and rows are of one version even while the file is being replaced.

    Of an object the `whole` is fetched first; else only the parts that are read, which may then be of two versions.
    """
    if not path.is_file():
        raise DataError(f"{path}: there is no such file; give an existing Parquet file")
    try:
        with _source(path, whole) as source, pq.ParquetFile(source) as file:
            yield file
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"{path}: cannot be read as Parquet ({_first_line(error)}); download it again") from None


def _source(path: Location, whole: bool) -> AbstractContextManager[Any]:
    if not isinstance(path, ObjectPath):
        return pa.OSFile(str(path))
    return pa.BufferReader(path.read_bytes()) if whole else path.opened()


def _first_line(error: BaseException) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def _to_float(column: pa.ChunkedArray) -> NDArray[np.float64]:
    """Return float64[T], read-only; nulls become NaN."""
    values = pc.cast(column, pa.float64()).combine_chunks().to_numpy(zero_copy_only=False)
    values.flags.writeable = False
    return values


def _to_ms(path: Location, column: pa.ChunkedArray) -> NDArray[np.int64]:
    """Return int64[T], ms since the epoch (UTC), whatever the unit the file keeps."""
    kind = column.type
    if column.null_count:
        raise DataError(f"{path}: column timestamp has {column.null_count} empty values; drop those rows")
    if pa.types.is_date(kind):
        column, kind = pc.cast(column, pa.timestamp("ms")), pa.timestamp("ms")
    if not (pa.types.is_timestamp(kind) or pa.types.is_integer(kind)):
        raise DataError(f"{path}: column timestamp holds {kind}; store UTC timestamps or integer milliseconds")
    unit = kind.unit if pa.types.is_timestamp(kind) else "ms"
    ticks = pc.cast(column, pa.int64()).combine_chunks().to_numpy()
    if unit == "s":
        time = ticks * 1_000
    else:
        per_ms = {"ms": 1, "us": 1_000, "ns": 1_000_000}[unit]
        if per_ms > 1 and (ticks % per_ms).any():
            row = int((ticks % per_ms != 0).argmax())
            raise DataError(
                f"{path}: timestamp of row {row} has a fraction of a millisecond; give open times on the grid"
            )
        time = ticks // per_ms
    outside = (time < _PLAUSIBLE_MS[0]) | (time >= _PLAUSIBLE_MS[1])
    if outside.any():
        row = int(outside.argmax())
        raise DataError(
            f"{path}: timestamp of row {row} reads as {format_ms(int(time[row]))}; "
            "integers must be milliseconds since the epoch, UTC"
        )
    time.flags.writeable = False
    return time

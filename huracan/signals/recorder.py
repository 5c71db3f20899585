"""Writes what the books showed beside the candles, so that a later training can have these inputs.

A day of a market is one file, written anew with each bar and whole or not at all: whenever the process dies, what is
on the disk can be read. Recording never stands in the way of trading: what cannot be written is told once and tried
again with the next bar.
"""

import contextlib
import fcntl
import os
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import numpy as np

from huracan.errors import DataError
from huracan.logs import get_logger
from huracan.market import RECORDED, books_folder, day_file, read_day, timeframe_ms, write_day
from huracan.signals.books import BookBar

__all__ = ["BookRecorder"]

_WIDTH = 1 + len(RECORDED)
_LOCK = ".lock"


@dataclass(slots=True)
class _Day:
    """The rows of one market and day, open time first; `written`: how many of them are on the disk."""

    path: Path
    rows: "array[float]" = field(default_factory=lambda: array("d"))
    written: int = 0

    @property
    def count(self) -> int:
        """Return the number of rows."""
        return len(self.rows) // _WIDTH

    @property
    def last_ms(self) -> int:
        """Return the open time of the newest row, -1 without one."""
        return int(self.rows[-_WIDTH]) if self.rows else -1


class BookRecorder:
    """Records the books of some markets in a folder of candles.

    Args:
        candles: the folder in which the candles' files of this timeframe lie, or will lie.
        timeframe: of the bars.
        symbols: markets.

    Attributes:
        failed: why the last bar could not be written, "" when it was; then it is tried again with the next bar.
        lost: rows that were given up because their day ended before they could be written.
        written: rows that came to the disk.
    """

    def __init__(self, candles: Path, timeframe: str, symbols: Sequence[str]) -> None:
        self._candles, self._timeframe = candles, timeframe
        self._base_ms = timeframe_ms(timeframe)
        self._symbols = tuple(sorted(symbols))
        self._days: dict[str, _Day] = {}
        self._lock: IO[str] | None = None
        self.failed = ""
        self.lost = 0
        self.written = 0

    def write(self, bars: Mapping[str, BookBar]) -> None:
        """Record what was seen in one bar; a bar that is not newer than what is recorded is passed over."""
        try:
            self._own()
            for symbol, bar in bars.items():
                if bar.quotes or bar.trades:
                    self._append(symbol, bar)
            for day in self._days.values():
                self._flush(day)
        except (DataError, OSError) as error:
            if not self.failed:
                get_logger().error("feed.record_failed", reason=str(error), remedy="free space; the feed goes on")
            self.failed = str(error)
            return
        if self.failed:
            get_logger().info("feed.record_resumed", rows=self.written)
        self.failed = ""

    def close(self) -> None:
        """Let another recorder have the folder."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _own(self) -> None:
        """Take the folder for this recorder alone, and remove what a killed write left; kept until `close`."""
        if self._lock is not None:
            return
        folder = books_folder(self._candles, self._symbols[0]).parent
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / _LOCK).open("w")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.close()
            raise DataError(f"{folder}: another feed records here") from None
        self._lock = file
        for symbol in self._symbols:
            for left in books_folder(self._candles, symbol).glob(".*.partial"):
                with contextlib.suppress(OSError):
                    left.unlink()

    def _append(self, symbol: str, bar: BookBar) -> None:
        open_ms = bar.close_ms - self._base_ms
        path = day_file(books_folder(self._candles, symbol), open_ms)
        day = self._days.get(symbol)
        if day is None or day.path != path:
            if day is not None:
                self._leave(symbol, day)
            day = self._days[symbol] = self._read(path)
        if open_ms <= day.last_ms:
            return
        figures = (bar.quotes, bar.trades, bar.volume, bar.taker_buy_volume, bar.bid_depth, bar.ask_depth)
        day.rows.extend((float(open_ms), *bar.book, *map(float, figures)))

    def _leave(self, symbol: str, day: _Day) -> None:
        """Write what is left of a day that ended; what cannot be is given up, for memory is bounded by a day."""
        try:
            self._flush(day)
        except DataError:
            self.lost += day.count - day.written
            get_logger().error("feed.record_lost", symbol=symbol, rows=day.count - day.written, file=str(day.path))

    def _read(self, path: Path) -> _Day:
        """Return what a file holds already; one that cannot be read is put aside."""
        if not path.is_file():
            return _Day(path)
        try:
            times, columns = read_day(path, self._timeframe)
        except DataError as error:
            aside = path.with_name(f"{path.name}.{os.getpid()}.unreadable")
            with contextlib.suppress(OSError):  # the write that follows tells that nothing can be written here
                path.replace(aside)
            get_logger().error("feed.record_unreadable", reason=str(error), moved_to=str(aside))
            return _Day(path)
        table = np.column_stack([times.astype(np.float64), columns])
        return _Day(path, array("d", table.ravel().tobytes()), len(times))

    def _flush(self, day: _Day) -> None:
        if day.count == day.written:
            return
        table = np.frombuffer(day.rows, np.float64).reshape(-1, _WIDTH).copy()
        write_day(day.path, self._timeframe, table[:, 0].astype(np.int64), table[:, 1:])
        self.written += day.count - day.written
        day.written = day.count

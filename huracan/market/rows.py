"""Candle rows as found in a file, sound or not, and the list of rules they break."""

from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from huracan.errors import DataError

__all__ = ["FAULT_KINDS", "Fault", "Rows", "fault_masks", "find_faults", "format_ms", "parse_ms"]

_PRICES = ("open", "high", "low", "close")
_VOLUMES = ("volume", "quote_volume", "trades", "taker_buy_volume")

FAULT_KINDS: dict[str, tuple[str, str]] = {
    "not_finite": ("a value is missing, NaN or infinite", "drop the row or download the candles again"),
    "not_positive": ("a price is zero or negative", "drop the row or download the candles again"),
    "negative_volume": ("a volume is negative", "drop the row or download the candles again"),
    "bad_range": ("high or low does not enclose open and close", "mend the row or download the candles again"),
    "off_grid": ("the open time is not on the timeframe's grid", "give open times in UTC, on the grid"),
    "duplicate": ("the open time occurs twice", "keep one row per open time"),
    "unsorted": ("the open time lies before the row above", "sort the rows by timestamp"),
}
"""Rules that every candle obeys, in the order in which they are reported: (what is wrong, what to do)."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Columns of equal length as a file gave them; nothing is promised about their values.

    Attributes:
        timestamp: int64[T], open time, ms since the epoch (UTC).
        columns: float64[T] by name: open, high, low, close, volume and whichever optional ones exist.
    """

    timestamp: NDArray[np.int64]
    columns: dict[str, NDArray[np.float64]]


@dataclass(frozen=True, slots=True)
class Fault:
    """One broken rule: how many rows break it and where the first of them is."""

    kind: str
    count: int
    row: int
    timestamp_ms: int

    def line(self) -> str:
        """Return what was found, where, and what to do, in one line."""
        what, remedy = FAULT_KINDS[self.kind]
        rows = "1 row" if self.count == 1 else f"{self.count} rows"
        return f"{what} ({rows}, first is row {self.row} at {format_ms(self.timestamp_ms)}); {remedy}"


def fault_masks(rows: Rows, bar_ms: int) -> dict[str, NDArray[np.bool_]]:
    """Return, for each kind of fault, bool[T]: the rows that show it.

    A row whose open time equals that of any row above is a duplicate; one that lies before the latest open time
    above, without being a duplicate, is unsorted.
    """
    time, columns = rows.timestamp, rows.columns
    finite = np.ones(len(time), bool)
    negative = np.zeros(len(time), bool)
    for name, values in columns.items():
        finite &= np.isfinite(values)
        if name in _VOLUMES:
            negative |= values < 0.0
    open_, high, low, close = (columns[name] for name in _PRICES)
    lowest, highest = np.minimum(open_, close), np.maximum(open_, close)
    positive = (lowest > 0.0) & (low > 0.0) & (high > 0.0)
    duplicate = np.zeros(len(time), bool)
    unsorted = np.zeros(len(time), bool)
    if len(time) > 1 and not (np.diff(time) > 0).all():
        order = np.argsort(time, kind="stable")
        duplicate[order[1:]] = np.diff(time[order]) == 0
        unsorted[1:] = (time[1:] < np.maximum.accumulate(time)[:-1]) & ~duplicate[1:]
    return {
        "not_finite": ~finite,
        "not_positive": finite & ~positive,
        "negative_volume": negative,
        "bad_range": finite & positive & ~((low <= lowest) & (high >= highest)),
        "off_grid": time % bar_ms != 0,
        "duplicate": duplicate,
        "unsorted": unsorted,
    }


def find_faults(rows: Rows, bar_ms: int) -> tuple[Fault, ...]:
    """Return the broken rules of `rows`, in the order of `FAULT_KINDS`; empty when they are sound."""
    found = []
    for kind, mask in fault_masks(rows, bar_ms).items():
        if mask.any():
            row = int(mask.argmax())
            found.append(Fault(kind, int(mask.sum()), row, int(rows.timestamp[row])))
    return tuple(found)


def format_ms(time_ms: int) -> str:
    """Return a time in ms since the epoch as ISO 8601, UTC; times beyond year 9999 as the bare number."""
    if not -62_135_596_800_000 <= time_ms < 253_402_300_800_000:
        return f"{time_ms} ms"
    return f"{np.datetime64(time_ms, 'ms').astype('datetime64[s]')}Z"


def parse_ms(text: str) -> int:
    """Return a date or time in ISO 8601 as ms since the epoch; without a zone it is UTC.

    Raises:
        DataError: the text is no such date.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise DataError(f"{text!r} is no date; write 2025-06-11 or 2025-06-11T14:00:00, in UTC") from None
    aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return int(aware.timestamp()) * 1_000 + aware.microsecond // 1_000

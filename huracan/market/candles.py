"""The candles of one market, as read-only columns that are sound by construction."""

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import DTypeLike, NDArray

from huracan.errors import DataError
from huracan.market.rows import Rows, find_faults
from huracan.market.timeframes import symbol_to_stem, timeframe_ms

__all__ = ["OPTIONAL_COLUMNS", "PRICE_COLUMNS", "REQUIRED_COLUMNS", "Candles", "candles_from_rows"]

PRICE_COLUMNS = ("open", "high", "low", "close")
REQUIRED_COLUMNS = (*PRICE_COLUMNS, "volume")
OPTIONAL_COLUMNS = ("quote_volume", "trades", "taker_buy_volume")


@dataclass(frozen=True, slots=True, eq=False)
class Candles:
    """Closed candles of one symbol and timeframe; every array is read-only and of length T >= 0.

    Attributes:
        symbol: ccxt symbol, `BTC/USDT`, or `BTC/USDT:USDT` for the perpetual.
        timeframe: one of `TIMEFRAMES`.
        timestamp: int64[T], open time, ms since the epoch (UTC), strictly increasing, on the timeframe's grid.
            Bars may be missing.
        open: float64[T], first price, quote currency, > 0.
        high: float64[T], highest price, >= open, low and close.
        low: float64[T], lowest price, <= open, high and close.
        close: float64[T], last price.
        volume: float64[T], base currency, >= 0.
        quote_volume: float64[T], quote currency, or None when the source lacks it.
        trades: float64[T], number of trades, or None.
        taker_buy_volume: float64[T], base currency bought by takers, or None.

    Raises:
        DataError: a column has the wrong length or a row breaks one of the rules above.
    """

    symbol: str
    timeframe: str
    timestamp: NDArray[np.int64]
    open: NDArray[np.float64]
    high: NDArray[np.float64]
    low: NDArray[np.float64]
    close: NDArray[np.float64]
    volume: NDArray[np.float64]
    quote_volume: NDArray[np.float64] | None = None
    trades: NDArray[np.float64] | None = None
    taker_buy_volume: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        symbol_to_stem(self.symbol)
        object.__setattr__(self, "timestamp", _frozen(self.timestamp, np.int64))
        for name in (*REQUIRED_COLUMNS, *OPTIONAL_COLUMNS):
            values = getattr(self, name)
            if values is not None:
                object.__setattr__(self, name, _frozen(values, np.float64))
        wrong = [name for name, values in self.rows().columns.items() if values.shape != self.timestamp.shape]
        if self.timestamp.ndim != 1 or wrong:
            raise DataError(f"{self.symbol} {self.timeframe}: columns {wrong} differ in length from timestamp")
        faults = find_faults(self.rows(), timeframe_ms(self.timeframe))
        if faults:
            raise DataError(f"{self.symbol} {self.timeframe}: {faults[0].line()}")

    def __len__(self) -> int:
        return len(self.timestamp)

    @property
    def bar_ms(self) -> int:
        """Length of one bar, ms."""
        return timeframe_ms(self.timeframe)

    def rows(self) -> Rows:
        """Return the same columns without the promise that they are sound."""
        columns = {name: getattr(self, name) for name in (*REQUIRED_COLUMNS, *OPTIONAL_COLUMNS)}
        return Rows(self.timestamp, {name: values for name, values in columns.items() if values is not None})

    def between(self, start_ms: int, end_ms: int) -> "Candles":
        """Return the candles that open in [start_ms, end_ms), as views of the same memory."""
        first, last = np.searchsorted(self.timestamp, [start_ms, end_ms])
        return self.take(slice(int(first), int(last)))

    def take(self, rows: slice) -> "Candles":
        """Return a contiguous run of rows (step 1), as views of the same memory."""
        columns = {name: values[rows] for name, values in self.rows().columns.items()}
        return Candles(self.symbol, self.timeframe, self.timestamp[rows], **columns)

    def fingerprint(self) -> str:
        """Return the SHA-256, hexadecimal, of symbol, timeframe and every column present."""
        digest = hashlib.sha256(f"{self.symbol}\n{self.timeframe}\n{len(self)}\n".encode())
        digest.update(self.timestamp.tobytes())
        for name, values in self.rows().columns.items():
            digest.update(f"\n{name}\n".encode())
            digest.update(values.tobytes())
        return digest.hexdigest()


def candles_from_rows(symbol: str, timeframe: str, rows: Rows) -> Candles:
    """Return sound candles of `rows`.

    Raises:
        DataError: a row breaks a rule of `Candles`.
    """
    return Candles(symbol, timeframe, rows.timestamp, **rows.columns)


def _frozen(values: NDArray, dtype: DTypeLike) -> NDArray:
    """Return a contiguous read-only array; an array that its owner can still write to is copied first."""
    array: NDArray = np.ascontiguousarray(values, dtype=dtype)
    if array.flags.writeable:
        array = array.copy()
        array.flags.writeable = False
    return array

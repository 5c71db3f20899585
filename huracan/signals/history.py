"""The past of the markets followed: stored candles from their first bar, and behind them what the venue has told."""

from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from huracan.errors import DataError
from huracan.features import Bar
from huracan.logs import get_logger
from huracan.market import OPTIONAL_COLUMNS, CandleFolder, Candles, Rows, candles_from_rows, open_folder, timeframe_ms
from huracan.storage import Location
from huracan.venue.klines import Kline

__all__ = ["BooksOf", "History", "bar_of", "closes_of", "is_sound", "stored_candles"]

_NAMES = ("open", "high", "low", "close", "volume", "quote_volume", "trades", "taker_buy_volume")
_WIDTH = 1 + len(_NAMES)
OPTIONAL = frozenset(OPTIONAL_COLUMNS)
"""Columns of a candle that a store may lack; a venue tells all of them."""

BooksOf = Callable[[str, NDArray[np.int64]], NDArray[np.float64] | None]
"""What was recorded of a market's book beside candles of these open times: float64[T, 4], None: nothing at all."""


def is_sound(symbol: str, row: Kline) -> bool:
    """Return whether a candle can be; what the venue prints wrong counts as missing."""
    prices = (row.open, row.high, row.low, row.close)
    amounts = (row.volume, row.quote_volume, row.trades, row.taker_buy_volume)
    if 0 < row.low == min(prices) and row.high == max(prices) and all(amount >= 0 for amount in amounts):
        return True
    get_logger().warning("feed.impossible", symbol=symbol, candle=str(row))
    return False


def bar_of(row: Kline, book: tuple[float, float, float, float] | None = None, known: frozenset[str] = OPTIONAL) -> Bar:
    """Return a candle as the feature machines take it, with its book's summary.

    Args:
        row: the candle.
        book: None without one.
        known: optional columns that the market's past has; the others are withheld from the machines, which compute
            some figures otherwise with them than without.
    """
    return Bar(
        open=float(row.open),
        high=float(row.high),
        low=float(row.low),
        close=float(row.close),
        volume=float(row.volume),
        quote_volume=float(row.quote_volume) if "quote_volume" in known else None,
        trades=float(row.trades) if "trades" in known else None,
        taker_buy_volume=float(row.taker_buy_volume) if "taker_buy_volume" in known else None,
        book=book,
    )


def closes_of(past: Mapping[str, Candles], after_ms: int, until_ms: int) -> Iterator[tuple[int, dict[str, Kline]]]:
    """Yield the closes after one and up to another with the candles of each; one without any candle is passed over."""
    ahead: dict[int, dict[str, Kline]] = {}
    for symbol, candles in past.items():
        rows = candles.between(after_ms, until_ms)
        columns = {name: values.tolist() for name, values in rows.rows().columns.items()}
        for number, open_ms in enumerate(rows.timestamp.tolist()):
            amounts = [columns[name][number] if name in columns else 0.0 for name in _NAMES]
            opening, high, low, closing, volume, value, trades, taker = (Decimal(repr(figure)) for figure in amounts)
            row = Kline(open_ms, opening, high, low, closing, volume, value, int(trades), taker)
            ahead.setdefault(open_ms + candles.bar_ms, {})[symbol] = row
    for close_ms in sorted(ahead):
        yield close_ms, ahead[close_ms]


def stored_candles(folder: Location | None, timeframe: str) -> CandleFolder | None:
    """Return the store of the candles followed; None: there is none of this timeframe."""
    if folder is None or not folder.is_dir():
        return None
    try:
        return open_folder(folder, timeframe)
    except DataError as error:
        get_logger().warning("feed.no_store", folder=str(folder), reason=str(error))
        return None


class History:
    """Closed candles of some markets since the first bar that is known of each.

    An EWMA never forgets its start: whoever is to compute what training computed begins at the store's first bar. The
    store is read again whenever the whole past is asked for; in memory stays what it lacks, 72 bytes a candle.

    Args:
        timeframe: of the candles.
        store: stored candles; None: there are none.
        told: what the venue has told of each market, oldest first; where both have a candle the venue's holds, and
            none of the store is taken that the venue has not closed yet.
        books: recorded books; None: there are none.

    Raises:
        DataError: a market has no sound candle.
    """

    def __init__(
        self,
        timeframe: str,
        store: CandleFolder | None,
        told: Mapping[str, Sequence[Kline]],
        books: BooksOf | None = None,
    ) -> None:
        self._books = books
        self._timeframe, self._store, self._base_ms = timeframe, store, timeframe_ms(timeframe)
        self._until_ms: dict[str, int] = {}
        self._rows: dict[str, array[float]] = {}
        for symbol in sorted(told):
            rows = [row for row in told[symbol] if is_sound(symbol, row)]
            self._rows[symbol] = array("d")
            for row in rows:
                self._append(symbol, row)
            self._until_ms[symbol] = rows[0].open_ms if rows else -1
        empty = [symbol for symbol, rows in self._rows.items() if not rows]
        if empty:
            raise DataError(f"no sound candle of {', '.join(empty)}; look at what the venue shows of it")
        self._columns = {symbol: self._compare(symbol) for symbol in self.symbols}

    @property
    def timeframe(self) -> str:
        """Return the timeframe of the candles."""
        return self._timeframe

    @property
    def symbols(self) -> tuple[str, ...]:
        """Return the markets, sorted."""
        return tuple(self._rows)

    @property
    def last_ms(self) -> int:
        """Return when the newest candle closed, ms UTC."""
        return int(max(rows[-_WIDTH] for rows in self._rows.values())) + self._base_ms

    def add(self, bars: Mapping[str, Kline]) -> None:
        """Append the sound candles of one close."""
        for symbol, row in bars.items():
            self._append(symbol, row)

    def candles(self, until_ms: int | None = None) -> dict[str, Candles]:
        """Return every candle that closed by `until_ms`, None: all, by symbol.

        Raises:
            DataError: the store can no longer be read.
        """
        found = {symbol: self._whole(symbol) for symbol in self.symbols}
        if until_ms is None:
            return found
        return {symbol: rows.between(0, until_ms - self._base_ms + 1) for symbol, rows in found.items()}

    def books(self, past: Mapping[str, Candles]) -> dict[str, NDArray[np.float64]]:
        """Return float64[T, 4] of the recorded books beside candles, of the markets that have some."""
        found: dict[str, NDArray[np.float64]] = {}
        for symbol, rows in past.items() if self._books is not None else ():
            try:
                book = self._books(symbol, rows.timestamp) if self._books is not None else None
            except DataError as error:  # what was recorded is an input that may be absent: the feed goes on without
                get_logger().error("feed.books_left_out", symbol=symbol, reason=str(error))
                continue
            if book is not None:
                found[symbol] = book
        return found

    def _append(self, symbol: str, row: Kline) -> None:
        self._rows[symbol].append(float(row.open_ms))
        self._rows[symbol].extend(float(getattr(row, name)) for name in _NAMES)

    def _told(self, symbol: str) -> Candles:
        table = np.frombuffer(self._rows[symbol], np.float64).reshape(-1, _WIDTH).copy()
        columns = {name: table[:, 1 + number] for number, name in enumerate(_NAMES)}
        return candles_from_rows(symbol, self._timeframe, Rows(table[:, 0].astype(np.int64), columns))

    def _stored(self, symbol: str) -> Candles | None:
        if self._store is None or symbol not in self._store.files:
            return None
        return self._store.read(symbol)

    def _whole(self, symbol: str) -> Candles:
        told, stored = self._told(symbol), self._stored(symbol)
        if stored is None:
            return told
        before = stored.between(0, self._until_ms[symbol])
        if not len(before):
            return told
        first, last = before.rows(), told.rows()
        names = [name for name in _NAMES if name in first.columns]
        columns = {name: np.concatenate([first.columns[name], last.columns[name]]) for name in names}
        return candles_from_rows(
            symbol, self._timeframe, Rows(np.concatenate([first.timestamp, last.timestamp]), columns)
        )

    def columns(self, symbol: str) -> frozenset[str]:
        """Return the optional columns of a market's past: what comes later is used as far as the past has it too."""
        return self._columns[symbol]

    def _compare(self, symbol: str) -> frozenset[str]:
        """Say where the store differs from the venue, and where nobody knows what lies between them.

        Returns:
            The optional columns that the whole past has.
        """
        stored = self._stored(symbol)
        if stored is None or not len(stored.between(0, self._until_ms[symbol])):
            return OPTIONAL
        told = self._told(symbol)
        both, at, of = np.intersect1d(stored.timestamp, told.timestamp, return_indices=True)
        differ = np.zeros(len(both), np.bool_)
        for name in ("open", "high", "low", "close", "volume"):
            differ |= getattr(stored, name)[at] != getattr(told, name)[of]
        if differ.any():
            get_logger().warning(
                "feed.store_differs", symbol=symbol, bars=int(differ.sum()), first_ms=int(both[np.argmax(differ)])
            )
        last_ms = int(stored.timestamp[-1]) if len(stored) else -1
        missing = (self._until_ms[symbol] - last_ms) // self._base_ms - 1
        if last_ms >= 0 and missing > 0:
            get_logger().warning("feed.store_ends", symbol=symbol, last_ms=last_ms, missing=missing)
        return OPTIONAL & set(stored.rows().columns)

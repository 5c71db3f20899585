"""The last closes, kept for several consumers: each asks for what follows its own position, none is lost or doubled."""

import json
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

from huracan.errors import DataError, InvariantError
from huracan.signals.model import FitRows, MarketClose
from huracan.venue.klines import Kline

__all__ = ["CloseRing", "close_from_bytes", "close_to_bytes"]

_COLUMNS = ("market", "due", "age", "sigma", "ready")
_AMOUNTS = ("open", "high", "low", "close", "volume", "quote_volume", "taker_buy_volume")


class CloseRing:
    """A bounded number of closes, oldest first.

    Args:
        size: closes kept.
        base_ms: length of a bar.
    """

    def __init__(self, size: int, base_ms: int) -> None:
        self._closes: deque[MarketClose] = deque(maxlen=size)
        self._base_ms = base_ms
        self._since_ms = -1

    def __iter__(self) -> Iterator[MarketClose]:
        return iter(self._closes)

    def __len__(self) -> int:
        return len(self._closes)

    @property
    def newest(self) -> MarketClose | None:
        """Return the newest close, None before the first."""
        return self._closes[-1] if self._closes else None

    def add(self, close: MarketClose) -> None:
        """Append a close; the oldest one goes when there are too many.

        Raises:
            InvariantError: it is not later than the newest one.
        """
        if not self._closes:
            self._since_ms = close.close_ms - self._base_ms
        elif close.close_ms <= self._closes[-1].close_ms:
            raise InvariantError(f"close {close.close_ms} comes after {self._closes[-1].close_ms}")
        if len(self._closes) == self._closes.maxlen:
            self._since_ms = self._closes[0].close_ms
        self._closes.append(close)

    def after(self, after_ms: int) -> tuple[MarketClose, ...]:
        """Return every close after a position, oldest first; all but the newest are late by now.

        Raises:
            DataError: closes after the position are kept no more, or the position lies far ahead of the newest close.
        """
        newest = self.newest
        if newest is None:
            return ()
        if after_ms < self._since_ms:
            raise DataError(
                f"closes after {after_ms} are not kept any more, the oldest kept is {self._closes[0].close_ms}: "
                "restart from history"
            )
        if after_ms > newest.close_ms + len(self._closes) * self._base_ms:
            raise DataError(
                f"the feed stands at {newest.close_ms}, far behind position {after_ms}: it follows another market "
                "time now; restart from history"
            )
        found = [close for close in self._closes if close.close_ms > after_ms]
        return tuple(close if close is newest or close.late else replace(close, late=True) for close in found)

    def to_bytes(self) -> bytes:
        """Return the closes as bytes."""
        parts = [close_to_bytes(close) for close in self._closes]
        head = {"since_ms": self._since_ms, "sizes": [len(part) for part in parts]}
        return json.dumps(head).encode() + b"\n" + b"".join(parts)

    def load(self, data: bytes) -> None:
        """Take over the closes of `to_bytes`; whoever kept the bytes knows that they are whole."""
        line, _, body = data.partition(b"\n")
        head, start = json.loads(line), 0
        self._closes.clear()
        for size in head["sizes"]:
            self.add(close_from_bytes(body[start : start + size]))
            start += size
        self._since_ms = max(self._since_ms, int(head["since_ms"]))


def close_to_bytes(close: MarketClose) -> bytes:
    """Return a close as bytes: a line of JSON, then the arrays."""
    arrays = [np.ascontiguousarray(getattr(rows, name)) for rows in close.fits.values() for name in _COLUMNS]
    head = {
        "close_ms": close.close_ms,
        "late": close.late,
        "symbols": close.symbols,
        "heard_ms": close.heard_ms,
        "bars": {
            symbol: [row.open_ms, row.trades, *(str(getattr(row, name)) for name in _AMOUNTS)]
            for symbol, row in close.bars.items()
        },
        "fits": list(close.fits),
        "arrays": [[str(array.dtype), list(array.shape)] for array in arrays],
    }
    return json.dumps(head).encode() + b"\n" + b"".join(array.tobytes() for array in arrays)


def close_from_bytes(data: bytes) -> MarketClose:
    """Return the close of `close_to_bytes`, bit for bit."""
    line, _, body = data.partition(b"\n")
    head: dict[str, Any] = json.loads(line)
    arrays: list[NDArray[Any]] = []
    start = 0
    for dtype, shape in head["arrays"]:
        array = np.frombuffer(body, np.dtype(dtype), int(np.prod(shape)), start).reshape(shape).copy()
        arrays.append(array)
        start += array.nbytes
    width = len(_COLUMNS)
    fits = {name: FitRows(*arrays[n * width : (n + 1) * width]) for n, name in enumerate(head["fits"])}
    bars = {symbol: _kline(cells) for symbol, cells in head["bars"].items()}
    return MarketClose(head["close_ms"], head["late"], tuple(head["symbols"]), bars, fits, head["heard_ms"])


def _kline(cells: list[Any]) -> Kline:
    amounts = dict(zip(_AMOUNTS, map(Decimal, cells[2:]), strict=True))
    return Kline(open_ms=cells[0], trades=cells[1], **amounts)

"""Marks of a coin's history: what two sets of candles share shows in a few numbers, whatever their fees or timeframe.

A day's mark is a hash of coin, UTC day and that day's last close. The smallest ones are kept, a sketch (Broder 1997):
what two histories have in common is among the smallest of both about as often as it is among all their days.
"""

import hashlib

import numpy as np
import numpy.typing as npt

from huracan.market.candles import Candles

__all__ = ["MARKS", "day_marks"]

MARKS = 64
"""Kept of a coin; histories that share a tenth of their days have none in common once in 600 times."""
_DAY_MS = 86_400_000
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def day_marks(candles: Candles) -> npt.NDArray[np.int64]:
    """Return the smallest `MARKS` marks of a coin's days, int64, ascending; all of them when there are fewer."""
    days = candles.timestamp // _DAY_MS
    last = np.flatnonzero(np.append(days[1:] != days[:-1], True))
    closes = np.ascontiguousarray(candles.close[last], np.float64)
    coin = np.uint64(int.from_bytes(hashlib.sha256(candles.symbol.encode()).digest()[:8], "little"))
    with np.errstate(over="ignore"):
        marks = _mixed(_mixed(coin + days[last].astype(np.uint64) * _GOLDEN) ^ closes.view(np.uint64))
    return np.sort(marks.view(np.int64))[:MARKS]


def _mixed(value: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Return the finaliser of SplitMix64 (Steele, Lea & Flood 2014) of uint64 of any shape."""
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))

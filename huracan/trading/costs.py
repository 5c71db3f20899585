"""The dated cost table: spread, impact and size cap of each UTC day, from the seven full days before it."""

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from huracan.features.edge import edge_squared
from huracan.market import Candles
from huracan.trading.instruments import Instrument, parse_prices, parse_volumes
from huracan.trading.settings import KernelSettings

__all__ = ["CostTable", "build_cost_table"]

DAY_MS = 86_400_000
_WINDOW_DAYS = 7
_MINUTES_PER_DAY = 1_440
_FULL_DAY_FRAC = 0.9
_EDGE_BARS_MIN = 24


@dataclass(frozen=True, slots=True, eq=False)
class CostTable:
    """Costs by UTC day, consecutive days without holes; the same file for training, shadow and exchange.

    Attributes:
        symbol: ccxt symbol.
        day_ms: int64[D], start of the UTC day, ms.
        spread: int64[D], bid-ask spread, ticks, >= 1.
        qcap: int64[D], largest order, steps: half of the mean minute's volume; 0 without a full day before.
        impact: float64[D], a of the square-root law: an order of q steps moves the price by a * sqrt(q) ticks.
        sha256: hash of all of the above, hexadecimal.
    """

    symbol: str
    day_ms: NDArray[np.int64]
    spread: NDArray[np.int64]
    qcap: NDArray[np.int64]
    impact: NDArray[np.float64]
    sha256: str


def make_cost_table(
    symbol: str,
    day_ms: NDArray[np.int64],
    spread: NDArray[np.int64],
    qcap: NDArray[np.int64],
    impact: NDArray[np.float64],
) -> CostTable:
    """Return the table of these columns with its hash."""
    digest = hashlib.sha256(f"{symbol}\n{len(day_ms)}\n".encode())
    for column in (day_ms, spread, qcap, impact):
        digest.update(np.ascontiguousarray(column).tobytes())
    return CostTable(symbol, day_ms, spread, qcap, impact, digest.hexdigest())


def build_cost_table(candles: Candles, instrument: Instrument, settings: KernelSettings) -> CostTable:
    """Compute the costs of every UTC day the candles touch, and of the day after the last full one.

    Row of day d, from the at most 7 full days before d (a day is full with 9/10 of its bars): c is the last close,
    sigma_day the root of the mean daily sum of squared log returns, V_day the mean daily volume in steps;
    spread = max(1, rint(max(EDGE7, floor) * c)) with EDGE7 the signed root mean square of the daily EDGE estimates
    (days of at least 24 bars; coarser candles cannot see a spread), impact = Y * sigma_day * c / sqrt(V_day),
    qcap = V_day / 1440 / 2. Without a full day: the floor's spread on the day's first open, qcap 0 (no entries).
    """
    days = _Days.of(candles, instrument)
    count = len(days.number)
    spread = np.empty(count, np.int64)
    qcap = np.zeros(count, np.int64)
    impact = np.zeros(count, np.float64)
    for row in range(count):
        window = slice(max(0, row - _WINDOW_DAYS), row)
        full = days.full[window]
        if not full.any():
            spread[row] = max(1, round(settings.spread_floor * days.price[row]))
            continue
        price = days.price[row]
        relative = max(_signed_root(days.edge_squared[window][full]), settings.spread_floor)
        spread[row] = max(1, round(relative * price))
        volume = float(days.volume[window][full].mean())
        sigma = float(np.sqrt(days.variance[window][full].mean()))
        qcap[row] = int(volume / _MINUTES_PER_DAY / 2)
        impact[row] = settings.impact_y * sigma * price / np.sqrt(volume) if volume > 0 else 0.0
    return make_cost_table(candles.symbol, days.number * DAY_MS, spread, qcap, impact)


@dataclass(frozen=True, slots=True, eq=False)
class _Days:
    """One row per UTC day, consecutive; `price` is the last close before the day, in ticks."""

    number: NDArray[np.int64]
    full: NDArray[np.bool_]
    price: NDArray[np.float64]
    edge_squared: NDArray[np.float64]
    volume: NDArray[np.float64]
    variance: NDArray[np.float64]

    @classmethod
    def of(cls, candles: Candles, instrument: Instrument) -> "_Days":
        first, last = int(candles.timestamp[0] // DAY_MS), int(candles.timestamp[-1] // DAY_MS)
        number = np.arange(first, last + 2, dtype=np.int64)
        edges = np.searchsorted(candles.timestamp, np.append(number, last + 2) * DAY_MS)
        close = parse_prices(candles.close, instrument).astype(np.float64)
        open_ = parse_prices(candles.open, instrument).astype(np.float64)
        volume = parse_volumes(candles.volume, instrument)
        squared = np.square(np.diff(np.log(close), prepend=np.log(open_[0])))
        per_day = max(1, DAY_MS // candles.bar_ms)
        days = cls(
            number=number,
            full=np.diff(edges) >= _FULL_DAY_FRAC * per_day,
            price=np.empty(len(number)),
            edge_squared=np.full(len(number), np.nan),
            volume=np.zeros(len(number)),
            variance=np.zeros(len(number)),
        )
        for row in range(len(number)):
            begin, end = int(edges[row]), int(edges[row + 1])
            days.price[row] = close[begin - 1] if begin else open_[0]
            if not days.full[row]:
                continue
            days.volume[row] = float(volume[begin:end].sum())
            days.variance[row] = float(squared[begin:end].sum())
            if per_day >= _EDGE_BARS_MIN:
                bars = slice(begin, end)
                days.edge_squared[row] = edge_squared(
                    candles.open[bars], candles.high[bars], candles.low[bars], candles.close[bars]
                )
        return days


def _signed_root(squares: NDArray[np.float64]) -> float:
    """Return the signed root of the mean of the finite `squares`, 0 when there is none."""
    finite = squares[np.isfinite(squares)]
    mean = float(finite.mean()) if len(finite) else 0.0
    return float(np.copysign(np.sqrt(abs(mean)), mean))

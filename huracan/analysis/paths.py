"""What a market did bar by bar, with what was known at each close: the ground on which closed trades are judged."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from huracan.features.layout import S_HMM_HIGH_VOL, S_HMM_TREND
from huracan.trading import Tape
from huracan.trading.tape import CLOSE, HIGH, LOW, NUMBER, OPEN

__all__ = ["GAP_BARS_MAX", "MarketPath", "horizons", "path_of"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

GAP_BARS_MAX = 5
"""So many bars may be missing before a moment and its price still stand for it; the market's own rule for features."""
_OF_THE_HOLD = (1 / 12, 1 / 3, 1.0, 2.0)


@dataclass(frozen=True, slots=True, eq=False)
class MarketPath:
    """One market, T existing bars; prices in ticks.

    Attributes:
        symbol: ccxt symbol.
        base_ms: length of a bar, ms.
        tick: quote currency of a tick.
        number: int64[T], open time / bar length, increasing.
        open, high, low, close: int64[T].
        sigma: float64[T], ex-ante standard deviation of a bar's log return, known at the bar's close; NaN: not warm.
        spread: int64[T], bid-ask spread of the day's cost table; `impact` float64[T] of the square-root law.
        impact: see `spread`.
        taker_frac: fee of a taking fill, a fraction.
        high_vol: float64[T], filtered P(high volatility) as of the last decision at or before the close; NaN: unknown.
        trend: float64[T], filtered P(up) - P(down), likewise.
    """

    symbol: str
    base_ms: int
    tick: float
    number: Ints
    open: Ints
    high: Ints
    low: Ints
    close: Ints
    sigma: Floats
    spread: Ints
    impact: Floats
    taker_frac: float
    high_vol: Floats
    trend: Floats

    def __len__(self) -> int:
        return len(self.number)

    def place(self, open_ms: Ints) -> Ints:
        """Return the indices of the bars that open at these times, -1 where there is none."""
        number = open_ms // self.base_ms
        if not len(self.number):
            return np.full(len(number), -1, np.int64)
        at = np.minimum(np.searchsorted(self.number, number), len(self.number) - 1)
        return np.where((self.number[at] == number) & (open_ms % self.base_ms == 0), at, -1).astype(np.int64)

    def upto(self, number: int) -> int:
        """Return the index of the last bar at or before a bar number, -1 before the first."""
        return int(np.searchsorted(self.number, number, side="right")) - 1

    def known_at(self, number: int) -> int | None:
        """Return the bar whose close is the price at a bar number; None where the data end or have a hole."""
        if not len(self.number) or number > self.number[-1]:
            return None
        at = self.upto(number)
        return at if at >= 0 and number - self.number[at] <= GAP_BARS_MAX else None


def path_of(tape: Tape, base_ms: int, *, regimes: bool = True) -> MarketPath:
    """Return a tape as the ground of an analysis.

    Args:
        tape: with the features of a fit, whose entries 25 and 26 are the filtered regimes.
        base_ms: length of a bar, ms.
        regimes: False when the tape has no fit's features: its regimes are unknown.
    """
    last = np.searchsorted(tape.rows, np.arange(len(tape.bars)), side="right") - 1
    known = (last >= 0) & tape.ready & regimes

    def at_decision(entry: int) -> Floats:
        values = np.full(len(tape.bars), np.nan)
        values[known] = tape.features[last[known], entry]
        return values

    return MarketPath(
        symbol=tape.symbol,
        base_ms=base_ms,
        tick=float(tape.instrument.tick),
        number=_column(tape.bars, NUMBER),
        open=_column(tape.bars, OPEN),
        high=_column(tape.bars, HIGH),
        low=_column(tape.bars, LOW),
        close=_column(tape.bars, CLOSE),
        sigma=np.where(tape.ready, tape.sigma, np.nan),
        spread=tape.costs.spread[tape.day],
        impact=tape.costs.impact[tape.day],
        taker_frac=tape.instrument.fee_taker_ppm * 1e-6,
        high_vol=at_decision(S_HMM_HIGH_VOL),
        trend=at_decision(S_HMM_TREND),
    )


def horizons(hold_bars: int) -> tuple[int, ...]:
    """Return the horizons a price is followed over, bars: a twelfth, a third, the whole and twice the longest hold.

    Minute bars with the usual hold give 1, 4, 12 and 24 hours; daily ones 1, 3, 10 and 20 days.
    """
    return tuple(max(1, round(hold_bars * part)) for part in _OF_THE_HOLD)


def _column(bars: NDArray[Any], column: int) -> Ints:
    return np.ascontiguousarray(bars[:, column])

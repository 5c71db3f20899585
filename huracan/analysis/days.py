"""Means over trades with intervals that respect their days: whole days are drawn in blocks, all coins together."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from huracan.shadow import DAY_MS, Interval, Resampler

__all__ = ["DayBlocks", "DayMean"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class DayMean:
    """A mean over trades with its interval; bounds are None where a single day cannot give any."""

    trades: int
    days: int
    mean: float
    low: float | None
    high: float | None


class DayBlocks:
    """One set of drawn days for everything that is compared.

    A drawn mean is the sum over the drawn days' trades by their number: days with more trades weigh more, as in the
    estimate. Days between the first and the last without a trade are drawn like the others.

    Args:
        time_ms: int64[N], when each trade was entered, ms UTC; sets the days.
        values: float64[N], the series whose daily sums set the block length.
        resamples: number of draws.
        level: two-sided confidence level.
        seed: of the draws.
    """

    def __init__(self, time_ms: Ints, values: Floats, *, resamples: int, level: float, seed: int) -> None:
        self.first = int(time_ms.min()) // DAY_MS
        self.days = int(time_ms.max()) // DAY_MS - self.first + 1
        daily, _ = self._daily(values, time_ms)
        drawn = Resampler(daily, resamples=resamples, level=level, seed=seed)
        self._indices, self._tail, self.level = drawn.indices, drawn.tail, level

    def draws(self, values: Floats, time_ms: Ints) -> Floats:
        """Return float64[B], the mean of each draw; NaN where no trade was drawn.

        Args:
            values: float64[n] of any trades within the days.
            time_ms: int64[n], their entries.
        """
        total, count = self._daily(values, time_ms)
        summed, number = total[self._indices].sum(axis=1), count[self._indices].sum(axis=1)
        return np.where(number > 0, summed / np.maximum(number, 1), np.nan)

    def mean(self, values: Floats, time_ms: Ints) -> DayMean | None:
        """Return the mean of some trades with its interval, None without any."""
        if not len(values):
            return None
        found = self.bounds(self.draws(values, time_ms))
        days = len(np.unique(time_ms // DAY_MS))
        low, high = (None, None) if found is None or days < 2 else found
        return DayMean(len(values), days, float(values.mean()), low, high)

    def interval(self, estimate: float, draws: Floats) -> Interval | None:
        """Return an estimate with the interval of its draws, None when too few of them are defined."""
        found = self.bounds(draws)
        return None if found is None else Interval(estimate, found[0], found[1], self.level)

    def bounds(self, draws: Floats) -> tuple[float, float] | None:
        """Return the percentile bounds of draws, expanded for few blocks; None when half of them are undefined."""
        known = draws[np.isfinite(draws)]
        if 2 * len(known) < len(draws) or self.days < 2:
            return None
        low, high = np.quantile(known, (self._tail, 1.0 - self._tail))
        return float(low), float(high)

    def _daily(self, values: Floats, time_ms: Ints) -> tuple[Floats, Floats]:
        day = time_ms // DAY_MS - self.first
        total = np.bincount(day, values, self.days).astype(np.float64)
        return total, np.bincount(day, minlength=self.days).astype(np.float64)

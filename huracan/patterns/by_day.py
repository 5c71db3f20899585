"""Errors of figures over trades when the trades of one day share its weather: a day is one observation.

The standard error is that of the daily sums of influences (cluster-robust, with the days' small-sample factor); whoever
judges by it uses Student's t with one degree of freedom less than there are days.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["DAYS_MIN", "day_error"]

DAYS_MIN: Final = 10
"""What was seen on fewer days is unclear, whatever its figures."""

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def day_error(influence: Floats, day: Ints) -> float:
    """Return the standard error of an estimate over days; 0 when its days do not differ.

    Args:
        influence: float64[N], how far each trade moved the estimate: (value - mean) / N of a mean.
        day: int64[N], at least two different ones.
    """
    numbers, place = np.unique(day, return_inverse=True)
    daily = np.bincount(place, influence)
    return float(np.sqrt((daily**2).sum() * len(numbers) / (len(numbers) - 1)))

"""Looks that do not overlap: a test that is done once a window is wrong once in so many windows, and no oftener.

A window lasts a week, or longer until enough has been seen in it. Its level is the share of the time between two false
alarms that it takes, so that false alarms come that far apart however many windows there are.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

__all__ = ["WINDOW_DAYS", "Part", "windows_of"]

DAY_MS: Final = 86_400_000
WINDOW_DAYS: Final = 7


@dataclass(frozen=True, slots=True)
class Part:
    """One window.

    Attributes:
        start_ms, end_ms: ms UTC, whole UTC days; the end is not in it.
        level: chance of a false alarm that it may have.
    """

    start_ms: int
    end_ms: int
    level: float


def windows_of(
    time_ms: npt.NDArray[np.int64], began_ms: int, now_ms: int, least: int, false_alarm_days: float
) -> tuple[Part, ...]:
    """Return the windows that are over, the oldest first; their observations may no longer grow.

    Args:
        time_ms: int64[N], when things were observed, not falling.
        began_ms: when it could first be, ms UTC.
        now_ms: market time, ms UTC.
        least: observations in a window.
        false_alarm_days: days between two false alarms, on average.
    """
    first, last = began_ms // DAY_MS + (began_ms % DAY_MS > 0), now_ms // DAY_MS
    found, start = [], int(first)
    for end in range(int(first) + 1, int(last) + 1):
        seen = np.searchsorted(time_ms, end * DAY_MS) - np.searchsorted(time_ms, start * DAY_MS)
        if end - start >= WINDOW_DAYS and seen >= least:
            found.append(Part(start * DAY_MS, end * DAY_MS, min(0.05, (end - start) / false_alarm_days)))
            start = end
    return tuple(found)

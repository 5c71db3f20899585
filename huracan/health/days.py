"""Limits for charts whose reference is some days of trading: a short sample, and a day's observations go together.

The run length of a chart (`huracan.health.runlength`) holds for independent observations whose law is known. A
reference of weeks is neither: its mean is off by chance, and trades of one hour share that hour's market. So the limit
is raised until false alarms come as seldom as said when both are played through: days of the reference are drawn with
replacement, once as the reference that the chart is set on, once as the trading that it watches (a bootstrap over
blocks of days, Kunsch 1989; the reference's own error in it as Gandy & Kvaloy 2013, here for the mean rate of alarms).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from numba import njit

from huracan.errors import InvariantError
from huracan.health.runlength import WINSOR

__all__ = ["Days", "Played", "cusum_played", "ewma_played", "limit_of", "rate_played"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

SEED: Final = 20_260_601
REFERENCES: Final = 200
"""References drawn."""
ALARMS: Final = 80
"""False alarms that are played through at the limit, so that its rate is known within about a ninth."""
OBSERVATIONS_MAX: Final = 8_000_000
STEPS: Final = 9


@dataclass(frozen=True, slots=True, eq=False)
class Days:
    """Observations of a reference by UTC day.

    Attributes:
        values: float64[N], in their order.
        starts: int64[D + 1], where each day begins; days without an observation are there too.
    """

    values: Floats
    starts: Ints

    @classmethod
    def of(cls, values: Floats, day: Ints) -> "Days":
        """Return observations by day.

        Args:
            values: float64[N].
            day: int64[N], not falling.

        Raises:
            InvariantError: there is none, one is not finite, or days fall.
        """
        found = np.ascontiguousarray(values, np.float64)
        if not len(found) or not np.isfinite(found).all() or (np.diff(day) < 0).any():
            raise InvariantError("a reference needs finite observations in the order of their days")
        edges = np.arange(int(day[0]), int(day[-1]) + 2)
        return cls(found, np.searchsorted(day, edges).astype(np.int64))

    @property
    def per_day(self) -> float:
        """Return observations a day."""
        return len(self.values) / (len(self.starts) - 1)


@dataclass(frozen=True, slots=True, eq=False)
class Played:
    """Days drawn: for each reference its own days, and those that are watched.

    Attributes:
        reference: int64[B, D].
        watched: int64[B, L].
    """

    reference: Ints
    watched: Ints

    @classmethod
    def of(cls, days: Days, false_every_days: float, seed: int = SEED) -> "Played":
        """Return draws that are long enough for about 80 false alarms, `false_every_days` apart."""
        rng, count = np.random.default_rng(seed), len(days.starts) - 1
        length = math.ceil(ALARMS * false_every_days / REFERENCES)
        length = max(count, min(length, int(OBSERVATIONS_MAX / REFERENCES / max(days.per_day, 1e-9))))
        reference = rng.integers(0, count, (REFERENCES, count))
        return cls(reference, rng.integers(0, count, (REFERENCES, length)))

    @property
    def days(self) -> int:
        """Return how many days are watched, all references together."""
        return int(self.watched.size)


def limit_of(alarms: Callable[[float], int], played: Played, false_every_days: float, least: float) -> float:
    """Return the least limit, at least `least`, at which false alarms are `false_every_days` apart on average.

    Args:
        alarms: false alarms of all that is played through, at a limit.
        played: what is.
        false_every_days: days between false alarms.
        least: what the chart's run length asks for, > 0.
    """
    allowed = played.days / false_every_days
    low, high = least, least
    while alarms(high) > allowed:
        low, high = high, 1.3 * high
        if high > 1e6 * least:
            raise InvariantError(f"no limit up to {high:g} alarms once in {false_every_days:g} days")
    if high == least:
        return least
    for _ in range(STEPS):
        middle = math.sqrt(low * high)
        low, high = (middle, high) if alarms(middle) > allowed else (low, middle)
    return high


def cusum_played(
    days: Days,
    played: Played,
    sign: float,
    shift: float,
    interval: float,
    moved: float = 0.0,
    until_first: bool = False,
) -> tuple[int, int]:
    """Return (alarms, observations) of a one-sided CUSUM (`huracan.health.charts.Cusum`) over all that is played.

    Args:
        days: the reference.
        played: its draws.
        sign: of the chart.
        shift: of the chart; k is half of it.
        interval: h.
        moved: by how many deviations every observation is worse than the reference.
        until_first: every reference's series ends with its first alarm.
    """
    return _cusum(
        days.values, days.starts, played.reference, played.watched, sign, shift / 2.0, interval, moved, until_first
    )


def ewma_played(
    days: Days, played: Played, weight: float, edge: float, moved: float = 0.0, until_first: bool = False
) -> tuple[int, int]:
    """Return (alarms, observations) of a two-sided EWMA; arguments as of `cusum_played`."""
    return _ewma(days.values, days.starts, played.reference, played.watched, weight, edge, moved, until_first)


def rate_played(
    days: Days, played: Played, drop: float, upper: float, lower: float, moved: float = 0.0, until_first: bool = False
) -> tuple[int, int]:
    """Return (alarms, observations) of Wald's test of a rate, begun anew at its lower end.

    Args:
        days: outcomes, 1 won and 0 lost.
        played: draws.
        drop: by how much the bad rate is below the good one.
        upper: end of the test that alarms.
        lower: the other end.
        moved: by how much the rate has fallen: as many of the wins are lost, at random.
        until_first: every reference's series ends with its first alarm.
    """
    return _rate(days.values, days.starts, played.reference, played.watched, drop, upper, lower, moved, until_first)


@njit(cache=True, nogil=True)
def _moments(values: Floats, starts: Ints, drawn: Ints) -> tuple[float, float]:
    total, squares, count = 0.0, 0.0, 0
    for day in drawn:
        for place in range(starts[day], starts[day + 1]):
            total += values[place]
            squares += values[place] * values[place]
            count += 1
    if count == 0:
        return 0.0, 0.0
    mean = total / count
    return mean, math.sqrt(max(0.0, squares / count - mean * mean))


@njit(cache=True, nogil=True)
def _center(values: Floats, starts: Ints, drawn: Ints, mean: float, deviation: float) -> float:
    total, count = 0.0, 0
    for day in drawn:
        for place in range(starts[day], starts[day + 1]):
            total += min(max((values[place] - mean) / deviation, -WINSOR), WINSOR)
            count += 1
    return total / count


@njit(cache=True, nogil=True)
def _cusum(
    values: Floats,
    starts: Ints,
    reference: Ints,
    watched: Ints,
    sign: float,
    half: float,
    interval: float,
    moved: float,
    until_first: bool,
) -> tuple[int, int]:
    alarms, seen = 0, 0
    _, true_deviation = _moments(values, starts, np.arange(len(starts) - 1))
    for number in range(len(reference)):
        mean, deviation = _moments(values, starts, reference[number])
        if deviation <= 0.0:
            continue
        k = half + sign * _center(values, starts, reference[number], mean, deviation)
        total, ended = 0.0, False
        for day in watched[number]:
            for place in range(starts[day], starts[day + 1]):
                value = values[place] + sign * moved * true_deviation
                z = sign * min(max((value - mean) / deviation, -WINSOR), WINSOR)
                total = max(0.0, total + z - k)
                seen += 1
                if total > interval:
                    alarms += 1
                    total = 0.0
                    ended = until_first
                    if ended:
                        break
            if ended:
                break
    return alarms, seen


@njit(cache=True, nogil=True)
def _ewma(
    values: Floats,
    starts: Ints,
    reference: Ints,
    watched: Ints,
    weight: float,
    edge: float,
    moved: float,
    until_first: bool,
) -> tuple[int, int]:
    alarms, seen = 0, 0
    _, true_deviation = _moments(values, starts, np.arange(len(starts) - 1))
    for number in range(len(reference)):
        mean, deviation = _moments(values, starts, reference[number])
        if deviation <= 0.0:
            continue
        mean += deviation * _center(values, starts, reference[number], mean, deviation)
        level, ended = 0.0, False
        for day in watched[number]:
            for place in range(starts[day], starts[day + 1]):
                value = values[place] + moved * true_deviation
                z = min(max((value - mean) / deviation, -WINSOR), WINSOR)
                level = (1.0 - weight) * level + weight * z
                seen += 1
                if abs(level) > edge:
                    alarms += 1
                    level = 0.0
                    ended = until_first
                    if ended:
                        break
            if ended:
                break
    return alarms, seen


@njit(cache=True, nogil=True)
def _rate(
    values: Floats,
    starts: Ints,
    reference: Ints,
    watched: Ints,
    drop: float,
    upper: float,
    lower: float,
    moved: float,
    until_first: bool,
) -> tuple[int, int]:
    alarms, seen = 0, 0
    true_rate = values.mean()
    lost = moved / true_rate if true_rate > 0.0 else 0.0
    for number in range(len(reference)):
        good, _ = _moments(values, starts, reference[number])
        good = min(max(good, drop + 1e-3), 1.0 - 1e-3)
        win, loss = math.log((good - drop) / good), math.log((1.0 - good + drop) / (1.0 - good))
        total, ended = 0.0, False
        np.random.seed(number)  # the compiled code's own generator
        for day in watched[number]:
            for place in range(starts[day], starts[day + 1]):
                won = values[place] > 0.5 and (lost <= 0.0 or np.random.random() >= lost)
                total += win if won else loss
                seen += 1
                if total >= upper:
                    alarms += 1
                    total = 0.0
                    ended = until_first
                    if ended:
                        break
                elif total <= lower:
                    total = 0.0
            if ended:
                break
    return alarms, seen

"""Figures that shadow does not claim, held against the account's own past: its first weeks are its normal."""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from huracan.errors import InvariantError
from huracan.health.charts import Cusum
from huracan.health.days import Days
from huracan.health.runlength import winsorised

__all__ = ["OwnChart", "OwnReading", "OwnRule"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
DAY_MS: Final = 86_400_000
SHIFT_MAX: Final = 1.0
"""A change of more deviations than this is looked for as one of this many: observations are cut at three."""
SPARE: Final = 1.6
"""Limits are set for so many times the days: two weeks do not hold their own extremes, and were seen to alarm half as
often again as their days' bootstrap says."""


@dataclass(frozen=True, slots=True)
class OwnRule:
    """How a figure is watched.

    Attributes:
        sign: 1: more of it is worse, -1: less.
        shift: change that it is made for, in deviations of one observation; of its logarithm where `factor`.
        block_ms: observations within it go together.
        least: observations that the first weeks need.
        blocks: blocks that they need.
        factor: the change is a factor of the figure: its logarithm is watched, and the shift is that of this factor.
    """

    sign: float
    shift: float
    block_ms: int
    least: int
    blocks: int
    factor: float | None = None


@dataclass(frozen=True, slots=True)
class OwnReading:
    """The word on a figure.

    Attributes:
        alarm: it has changed.
        since_ms, at_ms: when the change seems to have begun and when it was noticed; None without an alarm.
        observed: median since, or of all that was watched; NaN before the first.
        claimed: median of the first weeks.
        false_every_days: days between two false alarms.
        delay: observations until the change is noticed, on average.
        per_day: observations a day in the first weeks.
        reference, observations: numbers of them.
    """

    alarm: bool
    since_ms: int | None
    at_ms: int | None
    observed: float
    claimed: float
    false_every_days: float
    delay: float
    per_day: float
    reference: int
    observations: int


@dataclass(frozen=True, slots=True)
class OwnChart:
    """A chart set on the beginning of a series.

    Attributes:
        rule: how it watches.
        chart: of the figure, or of its logarithm.
        reference: observations of the beginning.
        claimed: their median.
        per_day: observations a day.
        false_every_days: days between two false alarms, on average.
    """

    rule: OwnRule
    chart: Cusum
    reference: int
    claimed: float
    per_day: float
    false_every_days: float

    @classmethod
    def of(cls, values: Floats, time_ms: Ints, rule: OwnRule, false_alarm_days: float) -> "OwnChart | None":
        """Return the chart; None while there is no beginning that it could be set on, or where it does not vary.

        Args:
            values: float64[N], in order of time; positive where the rule has a factor.
            time_ms: int64[N], ms UTC, not falling.
            rule: how.
            false_alarm_days: days between two false alarms, on average.
        """
        if not len(values):
            return None
        block = time_ms // rule.block_ms
        starts = np.flatnonzero(np.diff(block, prepend=block[0] - 1))
        enough = [start for place, start in enumerate(starts.tolist()) if place >= rule.blocks and start >= rule.least]
        if not enough:
            return None
        count, blocks_a_day = enough[0], DAY_MS / rule.block_ms
        reference = _seen(values[:count], rule)
        shift = rule.shift if rule.factor is None else math.log(rule.factor) / max(float(reference.std()), 1e-9)
        days = Days.of(reference, block[:count])
        every = SPARE * false_alarm_days * blocks_a_day
        try:
            chart = Cusum.of(reference, rule.sign, min(SHIFT_MAX, shift), max(10.0, every * days.per_day))
            chart = chart.on_days(days, every, shift)
        except InvariantError:  # it does not vary
            return None
        claimed, per_day = float(np.median(values[:count])), blocks_a_day * days.per_day
        return cls(rule, chart, count, claimed, per_day, false_alarm_days)

    def read(self, values: Floats, time_ms: Ints) -> OwnReading:
        """Go through what came after the beginning; an alarm stands until the chart, turned round, says it is over.

        Args:
            values: float64[N], the whole series.
            time_ms: int64[N].
        """
        later, moment = values[self.reference :], time_ms[self.reference :]
        seen, place = _seen(later, self.rule), 0
        while True:
            found = self.chart.run(seen[place:])
            if not found.alarm:
                return self._reading(later, None, None, None)
            since, at = place + found.since, place + found.at
            over = self._over(seen[at + 1 :])
            if over is None:
                return self._reading(later[since:], int(moment[since]), int(moment[at]), len(later))
            place = at + 1 + over

    def _over(self, seen: Floats) -> int | None:
        """Return after how many observations it is as in the beginning again; None: it is not yet."""
        chart, total = self.chart, 0.0
        z = chart.sign * winsorised(seen, chart.mean, chart.deviation)
        for number, value in enumerate(z.tolist()):
            total = max(0.0, total + chart.reference - value)  # half-way between then and the shift
            if total > chart.interval:
                return number + 1
        return None

    def _reading(self, part: Floats, since_ms: int | None, at_ms: int | None, count: int | None) -> OwnReading:
        return OwnReading(
            alarm=since_ms is not None,
            since_ms=since_ms,
            at_ms=at_ms,
            observed=float(np.median(part)) if len(part) else math.nan,
            claimed=self.claimed,
            false_every_days=self.false_every_days,
            delay=self.chart.delay,
            per_day=self.per_day,
            reference=self.reference,
            observations=len(part) if count is None else count,
        )


def _seen(values: Floats, rule: OwnRule) -> Floats:
    return np.log(np.maximum(values, 1e-9)) if rule.factor is not None else np.asarray(values, np.float64)

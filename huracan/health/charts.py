"""Charts over a series: run through it, and say whether it has changed, since when, and how sure that is."""

import math
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from huracan.errors import InvariantError
from huracan.health.days import Days, Played, cusum_played, ewma_played, limit_of, rate_played
from huracan.health.laws import negative_binomial_tails, poisson_tails
from huracan.health.runlength import (
    ewma_limit,
    ewma_run_length,
    sample_cusum_interval,
    sample_cusum_run_length,
    winsorised,
)
from huracan.health.sprt import RateTest

__all__ = ["BothWays", "CountChart", "Cusum", "Ewma", "Found", "RateWatch"]

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

SPREAD_MIN: Final = 1e-12


@dataclass(frozen=True, slots=True)
class Found:
    """What a chart says at the end of a series.

    Attributes:
        alarm: it crossed its limit, and has not begun anew since.
        statistic: at the end, or at the alarm.
        limit: what it alarms at.
        since: number of the observation after which the change seems to have come; -1 without an alarm.
        at: number of the observation that alarmed; -1 without an alarm.
        false_every: observations between false alarms, on average, when nothing is wrong.
        shift: change that it is made for, in its own unit.
        delay: observations until such a change is noticed, on average.
    """

    alarm: bool
    statistic: float
    limit: float
    since: int
    at: int
    false_every: float
    shift: float
    delay: float


@dataclass(frozen=True, slots=True)
class Cusum:
    """A one-sided CUSUM of standardised, winsorised observations, its interval set on the sample that it is held to.

    Attributes:
        mean, deviation: of the reference.
        sign: 1 looks for more, -1 for less.
        reference: k, half of the shift, in deviations.
        interval: h.
        shift: deviations.
        false_every: observations between false alarms.
        delay: observations until the shift is noticed.
    """

    mean: float
    deviation: float
    sign: float
    reference: float
    interval: float
    shift: float
    false_every: float
    delay: float

    @classmethod
    def of(cls, reference: Floats, sign: float, shift: float, false_every: float) -> "Cusum":
        """Return the chart of a reference sample.

        Args:
            reference: float64[N], what was claimed.
            sign: 1 or -1.
            shift: change to be noticed, deviations.
            false_every: observations between false alarms, on average.

        Raises:
            InvariantError: the sample does not vary.
        """
        values = np.asarray(reference, np.float64)
        deviation = float(values.std())
        if len(values) < 2 or not np.isfinite(values).all() or deviation < SPREAD_MIN:
            raise InvariantError(f"{len(values)} observations that do not vary are no reference")
        sample = sign * winsorised(values, float(values.mean()), deviation)
        center = float(sample.mean())  # winsorising moves the mean
        interval = sample_cusum_interval(sample - center, shift / 2.0, false_every)
        delay = sample_cusum_run_length(sample - center, shift / 2.0, interval, shift)
        return cls(float(values.mean()), deviation, sign, shift / 2.0 + center, interval, shift, false_every, delay)

    def on_days(self, days: Days, false_every_days: float, moved: float | None = None) -> "Cusum":
        """Return this chart with the interval that its reference's own error and days ask for, never a smaller one.

        Args:
            days: the reference that it was set on.
            false_every_days: days between false alarms, on average.
            moved: deviations of the change that the delay is stated for; None: the shift.
        """
        played, shift = Played.of(days, false_every_days), self.shift

        def alarms(interval: float) -> int:
            return cusum_played(days, played, self.sign, shift, interval)[0]

        interval = limit_of(alarms, played, false_every_days, self.interval)
        change = shift if moved is None else moved
        found, seen = cusum_played(days, played, self.sign, shift, interval, change, until_first=True)
        every = false_every_days * days.per_day
        return replace(self, interval=interval, false_every=every, delay=seen / max(1, found))

    def run(self, values: Floats) -> Found:
        """Go through a series; the first alarm stands."""
        total, since, shift = 0.0, 0, self.shift
        for number, z in enumerate((self.sign * winsorised(values, self.mean, self.deviation)).tolist()):
            total = max(0.0, total + z - self.reference)
            if total == 0.0:
                since = number + 1
            if total > self.interval:
                return Found(True, total, self.interval, since, number, self.false_every, shift, self.delay)
        return Found(False, total, self.interval, -1, -1, self.false_every, shift, self.delay)


@dataclass(frozen=True, slots=True)
class BothWays:
    """Two one-sided CUSUMs, one for more and one for less; each has half of the false alarms.

    Attributes:
        more, less: the charts.
    """

    more: Cusum
    less: Cusum

    @classmethod
    def on_days(cls, days: Days, shift: float, false_every_days: float) -> "BothWays":
        """Return the charts of a reference by days; arguments as of `Cusum.on_days`."""
        each, every = 2.0 * false_every_days, max(2.0 * false_every_days * days.per_day, 10.0)
        more, less = (Cusum.of(days.values, sign, shift, every).on_days(days, each) for sign in (1.0, -1.0))
        return cls(more, less)

    def run(self, values: Floats) -> Found:
        """Go through a series; the first alarm of either stands."""
        found = (self.more.run(values), self.less.run(values))
        first = min((one for one in found if one.alarm), key=lambda one: one.at, default=found[1])
        return replace(first, false_every=first.false_every / 2.0)


@dataclass(frozen=True, slots=True)
class Ewma:
    """A two-sided EWMA with fixed limits, for slow drifts either way; its limits are those of normal observations.

    Attributes:
        mean, deviation: of the reference.
        weight: l.
        edge: distance from the mean that alarms, deviations.
        false_every: observations between false alarms.
        delay: observations until a shift of `shift` deviations is noticed.
        shift: deviations.
    """

    mean: float
    deviation: float
    weight: float
    edge: float
    false_every: float
    delay: float
    shift: float

    @classmethod
    def of(cls, reference: Floats, shift: float, false_every: float, weight: float = 0.05) -> "Ewma":
        """Return the chart of a reference sample; arguments as of `Cusum.of`."""
        values = np.asarray(reference, np.float64)
        deviation = float(values.std())
        if len(values) < 2 or not np.isfinite(values).all() or deviation < SPREAD_MIN:
            raise InvariantError(f"{len(values)} observations that do not vary are no reference")
        sample = winsorised(values, float(values.mean()), deviation)
        limit = ewma_limit(weight, false_every)
        edge = limit * math.sqrt(weight / (2.0 - weight))
        delay = ewma_run_length(weight, limit, shift)
        mean = float(values.mean()) + deviation * float(sample.mean())
        return cls(mean, deviation, weight, edge, false_every, delay, shift)

    def on_days(self, days: Days, false_every_days: float) -> "Ewma":
        """Return this chart with the edge that its reference's own error and days ask for; see `Cusum.on_days`."""
        played = Played.of(days, false_every_days)

        def alarms(edge: float) -> int:
            return ewma_played(days, played, self.weight, edge)[0]

        edge = limit_of(alarms, played, false_every_days, self.edge)
        found, seen = ewma_played(days, played, self.weight, edge, -self.shift, until_first=True)
        every = false_every_days * days.per_day
        return replace(self, edge=edge, false_every=every, delay=seen / max(1, found))

    def run(self, values: Floats) -> Found:
        """Go through a series; the first alarm stands."""
        level, since = 0.0, 0
        for number, z in enumerate(winsorised(values, self.mean, self.deviation).tolist()):
            before, level = level, (1.0 - self.weight) * level + self.weight * z
            if before * level <= 0.0:
                since = number
            if abs(level) > self.edge:
                return Found(True, level, self.edge, since, number, self.false_every, self.shift, self.delay)
        return Found(False, level, self.edge, -1, -1, self.false_every, self.shift, self.delay)


@dataclass(frozen=True, slots=True)
class RateWatch:
    """Wald's test of a win rate, begun anew whenever it ends well.

    Attributes:
        test: with alpha chosen so that false alarms are `false_every` apart.
        false_every: trades between false alarms.
        delay: trades until the bad rate is noticed.
    """

    test: RateTest
    false_every: float
    delay: float

    @classmethod
    def of(cls, good: float, bad: float, false_every: float, beta: float = 0.05) -> "RateWatch":
        """Return the watch of a claimed rate; alpha / E0[trades of a test] = 1 / false_every, by Wald's figures.

        Raises:
            InvariantError: the rates make no test.
        """
        low, high = 1e-12, 0.4
        for _ in range(60):
            alpha = math.sqrt(low * high)
            test = RateTest(good, bad, alpha, beta)
            low, high = (alpha, high) if test.expected_trades(good) / alpha > false_every else (low, alpha)
        test = RateTest(good, bad, low, beta)
        return cls(test, false_every, test.expected_trades(bad))

    def on_days(self, days: Days, false_every_days: float) -> "RateWatch":
        """Return this watch with the alpha that its reference's own error and days ask for; see `Cusum.on_days`.

        Args:
            days: outcomes of the reference, 1 won and 0 lost.
            false_every_days: days between false alarms, on average.
        """
        played, drop = Played.of(days, false_every_days), self.test.good - self.test.bad

        def alarms(upper: float) -> int:
            return rate_played(days, played, drop, upper, self.test.lower)[0]

        upper = limit_of(alarms, played, false_every_days, self.test.upper)
        test = RateTest(self.test.good, self.test.bad, (1.0 - self.test.beta) * math.exp(-upper), self.test.beta)
        found, seen = rate_played(days, played, drop, test.upper, test.lower, drop, until_first=True)
        return RateWatch(test, false_every_days * days.per_day, seen / max(1, found))

    def run(self, won: Flags) -> Found:
        """Go through a series of outcomes; the first "bad" stands."""
        total, lowest, since, test = 0.0, 0.0, 0, self.test
        for number, win in enumerate(won.tolist()):
            total += test.win if win else test.loss
            if total < lowest:  # the likeliest time of the change is after the lowest ratio
                lowest, since = total, number + 1
            if total >= test.upper:
                shift = test.bad - test.good
                return Found(True, total, test.upper, since, number, self.false_every, shift, self.delay)
            if total <= test.lower:
                total, lowest, since = 0.0, 0.0, number + 1
        return Found(False, total, test.upper, -1, -1, self.false_every, test.bad - test.good, self.delay)


@dataclass(frozen=True, slots=True)
class CountChart:
    """Counts a day: too few or too many of them, by Poisson's law, or the negative binomial's where they vary more.

    Attributes:
        mean, variance: of a day's count in the reference.
        level: probability of a false alarm a day.
    """

    mean: float
    variance: float
    level: float

    @classmethod
    def of(cls, counts: npt.NDArray[np.int64], false_every: float) -> "CountChart":
        """Return the chart of the reference's daily counts.

        Raises:
            InvariantError: there is no day, or never a count.
        """
        values = np.asarray(counts, np.float64)
        if not len(values) or values.mean() <= 0.0:
            raise InvariantError("days without any count are no reference of counts")
        return cls(float(values.mean()), float(values.var(ddof=1)) if len(values) > 1 else 0.0, 1.0 / false_every)

    def tails(self, count: int) -> tuple[float, float]:
        """Return (probability of at most `count`, probability of at least `count`) on a day when nothing is wrong."""
        if self.variance > self.mean:
            number = self.mean * self.mean / (self.variance - self.mean)
            chance = number / (number + self.mean)
            return negative_binomial_tails(count, number, chance)
        return poisson_tails(count, self.mean)

    def run(self, counts: npt.NDArray[np.int64]) -> Found:
        """Go through the days; days without a count in a row are judged together."""
        quiet, none = 0, self.tails(0)[0]
        tails = {count: self.tails(count) for count in np.unique(counts).tolist()}
        for number, count in enumerate(np.asarray(counts).tolist()):
            low, high = tails[count]
            quiet = quiet + 1 if count == 0 else 0
            chance = min(none**quiet if quiet else low, high)
            if chance < self.level / 2.0:
                since = number - quiet + 1 if quiet else number
                return Found(True, float(count), self.level / 2.0, since, number, 1.0 / self.level, 0.0, self.delay)
        last = float(counts[-1]) if len(counts) else math.nan
        return Found(False, last, self.level / 2.0, -1, -1, 1.0 / self.level, 0.0, self.delay)

    @property
    def delay(self) -> float:
        """Return after how many days without any count it alarms."""
        none = self.tails(0)[0]
        return math.inf if none >= 1.0 else math.ceil(math.log(self.level / 2.0) / math.log(none) + 1e-12)

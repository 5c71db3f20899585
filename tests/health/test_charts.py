"""Charts alarm as seldom as they say when nothing is wrong, and as soon as they say when something is."""

import math

import numpy as np
import pytest

from huracan.errors import InvariantError
from huracan.health.charts import CountChart, Cusum, Ewma, RateWatch

RNG = np.random.default_rng(11)
FAT = RNG.standard_t(4, 4_000)
"""Results with fat tails."""


def runs(chart: object, draw: object, count: int, limit: int = 5_000) -> np.ndarray:
    """Return how many observations each of `count` runs lasts until it alarms."""
    found = []
    for _ in range(count):
        end = chart.run(draw(limit))  # type: ignore[attr-defined,operator]
        found.append(end.at + 1 if end.alarm else limit)
    return np.array(found)


def near(lengths: np.ndarray, wanted: float, share: float = 0.0) -> bool:
    """Return whether a mean run length is what was said, within four of its errors and a share of itself."""
    error = float(lengths.std()) / math.sqrt(len(lengths))
    return abs(float(lengths.mean()) - wanted) <= 4.0 * error + share * wanted


def test_a_cusum_keeps_its_run_lengths_on_fat_tails() -> None:
    """Set on the sample itself: one false alarm in 400, and the shift of a quarter found as soon as said."""
    chart = Cusum.of(FAT, -1.0, 0.25, 400.0)
    assert near(runs(chart, lambda n: RNG.choice(FAT, n), 200), 400.0)
    worse = FAT - 0.25 * FAT.std()
    lengths = runs(chart, lambda n: RNG.choice(worse, n), 150, 1_000)
    assert near(lengths, chart.delay, 0.1)
    assert lengths.mean() < 100
    better = FAT + 0.25 * FAT.std()
    assert runs(chart, lambda n: RNG.choice(better, n), 20, 2_000).mean() > 1_500


def test_the_time_of_the_change_is_told() -> None:
    """After 200 good observations the rest is worse by a deviation: the alarm comes soon, and says since when."""
    chart = Cusum.of(FAT, -1.0, 0.25, 2_000.0)
    starts = []
    for _ in range(40):
        series = np.concatenate([RNG.choice(FAT, 200), RNG.choice(FAT, 400) - FAT.std()])
        found = chart.run(series)
        if found.alarm and found.at >= 200:
            starts.append(found.since)
    assert len(starts) > 30
    assert abs(np.median(starts) - 200) <= 15


def test_an_ewma_keeps_its_run_length() -> None:
    """Both directions; its limits are of the normal law, which winsorised results with fat tails come near."""
    chart = Ewma.of(FAT, 0.25, 400.0)
    assert near(runs(chart, lambda n: RNG.choice(FAT, n), 200), 400.0, 0.15)
    for sign in (-1.0, 1.0):
        moved = FAT + sign * 0.5 * FAT.std()
        assert runs(chart, lambda n, moved=moved: RNG.choice(moved, n), 100, 1_000).mean() < 60


def test_a_rate_that_falls_from_55_to_45_is_found_within_the_stated_delay() -> None:
    """And the good rate alarms no more often than said."""
    watch = RateWatch.of(0.55, 0.45, 2_000.0)
    assert near(runs(watch, lambda n: RNG.random(n) < 0.45, 300, 2_000), watch.delay, 0.15)
    assert watch.delay < 250
    assert runs(watch, lambda n: RNG.random(n) < 0.55, 100, 10_000).mean() >= 0.8 * 2_000


def test_counts_are_judged_by_their_own_spread() -> None:
    """Days that vary more than Poisson's do not alarm for it; days without any trade do, after as many as said."""
    plain = RNG.poisson(6.0, 400)
    wild = RNG.negative_binomial(2, 0.25, 400)
    for counts, draw in ((plain, lambda n: RNG.poisson(6.0, n)), (wild, lambda n: RNG.negative_binomial(2, 0.25, n))):
        chart = CountChart.of(counts, 1_000.0)
        assert runs(chart, draw, 40, 4_000).mean() > 500
        quiet = chart.run(np.concatenate([counts[:50], np.zeros(60, np.int64)]))
        assert quiet.alarm
        assert 50 <= quiet.at <= 50 + chart.delay
        assert quiet.since in (50, 49, 48)
    assert CountChart.of(plain, 1_000.0).run(np.array([6, 5, 40])).at == 2


def test_what_does_not_vary_is_no_reference() -> None:
    """A chart of constants would alarm at anything."""
    for build in (
        lambda: Cusum.of(np.ones(100), 1.0, 0.25, 100.0),
        lambda: Ewma.of(np.ones(100), 0.25, 100.0),
        lambda: CountChart.of(np.zeros(10, np.int64), 100.0),
    ):
        with pytest.raises(InvariantError):
            build()

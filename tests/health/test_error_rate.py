"""Error rates: bursts found within a minute, false ones no more often than said, new and critical ones told."""

from dataclasses import replace
from uuid import uuid4

import numpy as np
import pytest
from scipy.stats import poisson
from sqlalchemy import Engine, text

from huracan.health.error_rate import LEAST, ErrorRates, burst_from
from huracan.memory.health import Sample
from huracan.memory.health_rows import Batch, ErrorGroup, write_batch

MINUTE = 60_000
DAY = 1_440
T = 1_760_000_040_000
NOW = T + (DAY + 120) * MINUTE
ERROR = ErrorGroup("ab" * 8, "feed", "error", "feed.waits", T, T, T + 1, 1, {"reason": "away"})


def test_a_known_rate_has_the_limit_of_its_poisson_law() -> None:
    """A day of two a minute, evenly: within one of Poisson's own quantile; the rate's uncertainty is small by then."""
    rng = np.random.default_rng(3)
    counts = rng.poisson(2.0, 50 * DAY).tolist()
    for chance in (1e-3, 1e-6, 1e-9):
        assert abs(burst_from(counts, 50 * DAY, chance) - (int(poisson.isf(chance, 2.0)) + 1)) <= 1


def test_what_is_not_known_yet_raises_the_limit() -> None:
    """A kind never seen: five at once after a day without; many more after a few minutes."""
    limits = [burst_from((), minutes, 1e-7) for minutes in (1, 10, 100, DAY)]
    assert limits == sorted(limits, reverse=True)
    assert limits[0] > 15
    assert limits[-1] == LEAST


def test_errors_that_come_together_are_allowed_to() -> None:
    """Twenty in one minute of a day are as many as twenty over the day; the next twenty are no news."""
    assert burst_from([20], DAY, 1e-6) > 20
    assert burst_from([1] * 20, DAY, 1e-6) < 10


@pytest.mark.parametrize("law", ["poisson", "clustered"])
def test_false_bursts_come_no_more_often_than_said(law: str) -> None:
    """Ten kinds for sixty days, one false burst a day allowed: as many as said, at most."""
    days, kinds, seed = 60, 10, 20_261_126
    rng = np.random.default_rng(seed)
    print(f"seed {seed}")
    rates = np.geomspace(0.01, 20.0, kinds)
    chance, alarms = 1.0 / (1.0 * DAY * kinds), 0
    for rate in rates:
        size = 0.2 if law == "clustered" else 1e6
        counts = rng.negative_binomial(size, size / (size + rate), (days + 1) * DAY)
        for hour in range(24, 24 * (days + 1)):
            begin = 60 * hour
            past = counts[begin - DAY : begin - 60]
            limit = burst_from(past[past > 0].tolist(), len(past), chance)
            alarms += int((counts[begin : begin + 60] >= limit).sum())
    print(f"{alarms} false bursts in {days} days, {days} allowed")
    assert alarms <= days + 3 * np.sqrt(days)


@pytest.fixture
def emptied(database: Engine) -> Engine:
    """A database without a row of health."""
    with database.begin() as connection:
        connection.execute(text("TRUNCATE health_signals, errors, error_counts CASCADE"))
    return database


def write(engine: Engine, *groups: ErrorGroup, at_ms: int = T) -> None:
    """Write groups as the monitor does."""
    assert (
        write_batch(
            engine, Batch(uuid4(), at_ms, (Sample(at_ms, "monitor", "monitor.errors", "", 0.0),), errors=groups)
        )
        == ""
    )


def measured(engine: Engine) -> None:
    """Have errors measured all the time: a sample an hour."""
    times = range(T, NOW + 60 * MINUTE, 60 * MINUTE)
    samples = tuple(Sample(at_ms, "monitor", "monitor.errors", "", 0.0) for at_ms in times)
    assert write_batch(engine, Batch(uuid4(), T, samples)) == ""


def at(minute: int, count: int) -> ErrorGroup:
    """Return so many errors in a minute after the start."""
    begin = T + minute * MINUTE
    return replace(ERROR, minute_ms=begin, first_ms=begin, last_ms=begin + 1, count=count)


@pytest.mark.postgres
def test_a_planted_burst_is_found_in_its_minute_and_ends_with_it(emptied: Engine) -> None:
    """One an hour for a day, then sixty in a minute for three minutes."""
    detector = ErrorRates(emptied, 365.0)
    measured(emptied)
    write(emptied, *(at(60 * hour, 1) for hour in range(24)))
    assert detector.look(NOW) == []
    minute = (NOW - T) // MINUTE
    write(emptied, *(at(minute + step, 60) for step in range(3)))
    (found,) = detector.look(NOW + 10_000)
    assert (found.detector, found.severity, found.observed) == ("error_burst", "warning", 60)
    assert found.since_ms == NOW
    assert found.evidence["example"] == {"reason": "away"}
    (later,) = detector.look(NOW + 2 * MINUTE + 30_000)
    assert (later.since_ms, later.subject) == (NOW, found.subject)
    assert [one.detector for one in detector.look(NOW + 3 * MINUTE + 30_000)] == ["error_burst"], "the minute before"
    assert detector.look(NOW + 4 * MINUTE) == []
    assert {one.detector for one in (found, later)} <= detector.names


@pytest.mark.postgres
def test_a_burst_does_not_become_usual_while_it_lasts(emptied: Engine) -> None:
    """Half an hour of sixty a minute is an alarm to its end."""
    measured(emptied)
    write(emptied, *(at(60 * hour, 1) for hour in range(24)))
    minute = (NOW - T) // MINUTE
    write(emptied, *(at(minute + step, 60) for step in range(30)))
    (found,) = ErrorRates(emptied, 365.0).look(NOW + 29 * MINUTE + 1_000)
    assert found.since_ms == NOW


@pytest.mark.postgres
def test_a_new_kind_and_a_critical_one_are_told(emptied: Engine) -> None:
    """New: for an hour, and only when there was an hour before it; critical: for ten minutes."""
    detector = ErrorRates(emptied, 365.0)
    assert detector.look(T) == [], "nobody has measured anything yet"
    write(emptied, at(1, 1))
    assert detector.look(T + 2 * MINUTE) == [], "after a start everything is new"
    fresh = replace(at(200, 1), fingerprint="cd" * 8, event="feed.broken")
    gone = replace(at(200, 1), fingerprint="ef" * 8, event="feed.defect", level="critical")
    write(emptied, fresh, gone)
    found = {one.detector: one for one in detector.look(T + 201 * MINUTE)}
    assert set(found) == {"error_new", "error_critical"}
    assert (found["error_new"].severity, found["error_critical"].severity) == ("info", "critical")
    assert "feed.broken" in found["error_new"].words
    assert [one.detector for one in detector.look(T + 215 * MINUTE)] == ["error_new"]
    assert detector.look(T + 261 * MINUTE) == []

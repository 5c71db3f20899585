"""Errors that come in bursts: counts a minute of each kind against what the kind did in the day before.

How many are too many follows from how rarely the word may be false, and from the kind's own past: the count that a
gamma-Poisson law, or a negative binomial one where the minutes vary more, reaches less often than that. What is
uncertain after a short past raises the limit. The last hour is no part of the past: a burst does not become usual while
it lasts.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from sqlalchemy import Engine

from huracan.health.laws import negative_binomial_limit
from huracan.memory.health import Anomaly, Severity
from huracan.memory.health_rows import StoredError, first_sample_ms, read_errors

__all__ = ["LEAST", "ErrorRates", "burst_from"]

MINUTE_MS: Final = 60_000
LEAST: Final = 5
"""Fewer in a minute are no burst: a person reads them in the log."""
_PAST_MIN: Final = 1_440
_HELD_MIN: Final = 60
_CRITICAL_MS: Final = 600_000
_NEW_MS: Final = 3_600_000


def burst_from(counts: Sequence[int], minutes: int, chance: float) -> int:
    """Return the least count of a minute that comes by chance in less than `chance` of all minutes.

    Args:
        counts: of the past's minutes that had any.
        minutes: of the past, those without any included.
        chance: of one minute's being called a burst for nothing, in (0, 1).
    """
    total, squares = float(sum(counts)), float(sum(count * count for count in counts))
    # the law of the next minute when the past's rate is all that is known (gamma with Jeffreys' prior)
    limit = negative_binomial_limit(chance, total + 0.5, minutes / (minutes + 1.0))
    if minutes > 1 and total > 0:
        mean = total / minutes
        variance = (squares - total * mean) / (minutes - 1)
        if variance > mean:  # errors come together: the same mean with the variance that there was
            size = mean * mean / (variance - mean)
            limit = max(limit, negative_binomial_limit(chance, size, size / (size + mean)))
    return max(LEAST, limit + 1)


class ErrorRates:
    """`Detector` of warnings and errors: bursts of a kind, kinds never seen before, and whatever is critical.

    Args:
        engine: of the database.
        false_alarm_days: days between two false bursts of all kinds together, at least.
    """

    def __init__(self, engine: Engine, false_alarm_days: float) -> None:
        self._engine, self._days = engine, false_alarm_days

    @property
    def names(self) -> frozenset[str]:
        """Return what it may say."""
        return frozenset({"error_burst", "error_critical", "error_new"})

    def look(self, now_ms: int) -> Sequence[Anomaly]:
        """See `Detector`.

        Raises:
            DatabaseError: the server fails.
        """
        from_ms = now_ms - _PAST_MIN * MINUTE_MS
        began_ms = first_sample_ms(self._engine, "monitor.errors", from_ms)
        if began_ms is None:
            return []
        errors = read_errors(self._engine, from_ms)
        found: list[Anomaly] = []
        for one in errors:
            if (burst := self._burst(one, len(errors), began_ms, now_ms)) is not None:
                found.append(burst)
            if one.level == "critical" and now_ms - one.last_ms < _CRITICAL_MS:
                found.append(
                    _anomaly("error_critical", one, now_ms, one.last_ms, "critical", "a part says that it ends")
                )
            if one.level == "error" and now_ms - one.first_ms < _NEW_MS and one.first_ms - began_ms > _NEW_MS:
                found.append(_anomaly("error_new", one, now_ms, one.first_ms, "info", "something fails that never did"))
        return found

    def _burst(self, one: StoredError, kinds: int, began_ms: int, now_ms: int) -> Anomaly | None:
        minute_ms = now_ms // MINUTE_MS * MINUTE_MS
        until_ms = minute_ms - _HELD_MIN * MINUTE_MS
        counts: Mapping[int, int] = dict(one.minutes)
        past = [count for at_ms, count in counts.items() if at_ms < until_ms]
        minutes = max(1, (until_ms - began_ms) // MINUTE_MS)
        limit = burst_from(past, minutes, 1.0 / (self._days * 1_440 * kinds))
        held = {at_ms: count for at_ms, count in counts.items() if at_ms >= until_ms}
        newest = max(held.get(minute_ms, 0), held.get(minute_ms - MINUTE_MS, 0))
        if newest < limit:
            return None
        since_ms = minute_ms
        while held.get(since_ms - MINUTE_MS, 0) >= limit:
            since_ms -= MINUTE_MS
        return _anomaly(
            "error_burst",
            one,
            now_ms,
            since_ms if held.get(since_ms, 0) >= limit else since_ms - MINUTE_MS,
            "info" if one.level == "warning" else "warning",
            "something fails again and again",
            words=f"{newest} in a minute, {sum(past) / minutes:.2g} are usual",
            observed=float(newest),
            claimed=sum(past) / minutes,
            unit="a minute",
            false_every_days=self._days,
            evidence={"limit": limit, "past_minutes": minutes},
        )


def _anomaly(
    detector: str, one: StoredError, now_ms: int, since_ms: int, severity: Severity, means: str, **more: object
) -> Anomaly:
    given = dict(more)
    words = str(given.pop("words", f"{one.level} for the first time" if detector == "error_new" else one.level))
    evidence = given.pop("evidence", {})
    assert isinstance(evidence, dict)
    return Anomaly(
        detector=detector,
        account="",
        subject=f"{one.process} {one.event} {one.fingerprint[:8]}",
        severity=severity,
        words=f"{one.process} says {one.event}: {words}",
        means=means,
        since_ms=since_ms,
        noticed_ms=now_ms,
        delay="a minute",
        evidence={"error_id": one.error_id, "example": one.example, **evidence},
        **given,  # type: ignore[arg-type]
    )

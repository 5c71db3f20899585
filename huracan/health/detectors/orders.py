"""Orders that are filled less, and decisions that take longer than in the account's own first weeks."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from sqlalchemy import Engine

from huracan.health.own import OwnChart, OwnReading, OwnRule
from huracan.health.stored import read_only
from huracan.memory.health import Anomaly

__all__ = ["FIGURES", "Orders"]

HOUR_MS: Final = 3_600_000
DAY_MS: Final = 86_400_000
ROWS_MAX: Final = 200_000
Series = tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]

FILLS: Final = OwnRule(sign=-1.0, shift=0.5, block_ms=DAY_MS, least=100, blocks=10)
"""Of what resting orders wanted the share filled; one order an observation."""
TIMES: Final = OwnRule(sign=1.0, shift=1.0, block_ms=6 * HOUR_MS, least=48, blocks=56, factor=2.0)
"""Medians of an hour: one slow decision is none, twice the usual time is one."""

_FILLS: Final = """SELECT (extract(epoch FROM o.created_at) * 1000)::bigint, least(1, o.filled / o.quantity)::float8
    FROM orders o JOIN intents i USING (intent_id) JOIN markets m USING (market_no) JOIN accounts a USING (account_no)
    WHERE a.name = %(account)s AND o.kind = 'POST_ONLY' AND o.sent_at IS NOT NULL
        AND o.status IN ('FILLED', 'EXPIRED', 'CANCELED')
    ORDER BY o.order_no LIMIT %(rows)s"""
_DECIDED: Final = """SELECT (extract(epoch FROM date_trunc('hour', decided_at)) * 1000)::bigint,
        percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM decided_at - heard_at))::float8 * 1000
    FROM decisions JOIN accounts USING (account_no) WHERE name = %(account)s GROUP BY 1 ORDER BY 1 LIMIT %(rows)s"""
_SENT: Final = """SELECT (extract(epoch FROM date_trunc('hour', sent_at)) * 1000)::bigint,
        percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM sent_at - decided_at))::float8 * 1000
    FROM decision_times WHERE account = %(account)s AND sent_at IS NOT NULL GROUP BY 1 ORDER BY 1 LIMIT %(rows)s"""
_TAKEN: Final = """SELECT (extract(epoch FROM date_trunc('hour', sent_at)) * 1000)::bigint,
        percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM booked_at - sent_at))::float8 * 1000
    FROM (SELECT o.sent_at, min(f.booked_at) AS booked_at FROM orders o JOIN fills f USING (order_no)
        JOIN markets m ON m.market_no = f.market_no JOIN accounts a USING (account_no)
        WHERE a.name = %(account)s AND o.kind IN ('FOK', 'IOC', 'MARKET') AND o.sent_at IS NOT NULL
        GROUP BY o.order_no) t
    GROUP BY 1 ORDER BY 1 LIMIT %(rows)s"""
_HEARD: Final = """SELECT (extract(epoch FROM date_trunc('hour', heard_at)) * 1000)::bigint,
        percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM heard_at - close_at))::float8 * 1000
    FROM decisions JOIN accounts USING (account_no)
    WHERE name = %(account)s AND heard_at BETWEEN close_at AND close_at + interval '1 hour'
    GROUP BY 1 ORDER BY 1 LIMIT %(rows)s"""

FIGURES: Final[dict[str, tuple[str, OwnRule, str, str]]] = {
    "fill_rate": (
        _FILLS,
        FILLS,
        "of what it wanted",
        "resting orders are filled less: entries are missed, or go to takers",
    ),
    "latency_heard": (_HEARD, TIMES, "ms", "candles come later after their close: prices have moved on by then"),
    "latency_decided": (_DECIDED, TIMES, "ms", "decisions take longer: the endpoint or the machine is slow"),
    "latency_sent": (
        _SENT,
        TIMES,
        "ms",
        "orders go out later after their decision: risk, database or machine are slow",
    ),
    "latency_filled": (_TAKEN, TIMES, "ms", "the venue takes longer to fill what takes, or we to hear of it"),
}
"""By detector: question, rule, unit, meaning. Candles of a replay come years after their close; these are passed."""


class Orders:
    """`Detector` of fill rate and latency, each against the account's own first weeks.

    The five share the false alarms. An alarm ends when the figure is as in the first weeks again.

    Args:
        engine: of the database.
        account: its name.
        false_alarm_days: days between two false alarms of all of them, on average.
    """

    names = frozenset(FIGURES)

    def __init__(self, engine: Engine, account: str, false_alarm_days: float) -> None:
        self._engine, self._account = engine, account
        self._days = len(FIGURES) * false_alarm_days
        self._charts: dict[str, OwnChart] = {}

    def readings(self) -> dict[str, OwnReading | None]:
        """Return the word on each figure; None where there are no first weeks yet.

        Raises:
            DatabaseError: the server fails.
        """
        with read_only(self._engine) as cursor:
            series = {name: _series(cursor, figure[0], self._account) for name, figure in FIGURES.items()}
        return {name: self._reading(name, *series[name]) for name in FIGURES}

    def _reading(self, name: str, values: npt.NDArray[np.float64], time_ms: npt.NDArray[np.int64]) -> OwnReading | None:
        chart = self._charts.get(name) or OwnChart.of(values, time_ms, FIGURES[name][1], self._days)
        if chart is None:
            return None
        self._charts[name] = chart  # the first weeks do not change
        return chart.read(values, time_ms)

    def look(self, now_ms: int) -> Sequence[Anomaly]:
        """Name every figure that has changed for the worse.

        Raises:
            DatabaseError: the server fails.
        """
        return [
            self._anomaly(name, reading, now_ms)
            for name, reading in self.readings().items()
            if reading is not None and reading.alarm
        ]

    def _anomaly(self, name: str, reading: OwnReading, now_ms: int) -> Anomaly:
        _, rule, unit, means = FIGURES[name]
        what = f"{rule.factor:g} times as much" if rule.factor is not None else f"{rule.shift:g} deviations less"
        days = reading.delay / reading.per_day
        return Anomaly(
            detector=name,
            account=self._account,
            subject="",
            severity="warning",
            words=f"{name}: {reading.observed:.4g} {unit} since the change, {reading.claimed:.4g} in the first weeks",
            means=means,
            since_ms=reading.since_ms,
            noticed_ms=now_ms,
            observed=reading.observed,
            claimed=reading.claimed,
            unit=unit,
            false_every_days=reading.false_every_days,
            delay=f"{reading.delay:,.0f} observations, {days:.1f} days, until {what}",
            evidence={"reference": reading.reference, "observations": reading.observations, "at_ms": reading.at_ms},
        )


def _series(cursor: Any, question: str, account: str) -> Series:
    cursor.execute(question, {"account": account, "rows": ROWS_MAX})
    rows = cursor.fetchall()
    return np.array([row[1] for row in rows], np.float64), np.array([row[0] for row in rows], np.int64)

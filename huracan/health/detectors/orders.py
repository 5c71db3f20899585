"""Orders that are filled less, and decisions that take longer than in the account's own first weeks."""

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
from sqlalchemy import Engine

from huracan.health.history import History, Series
from huracan.health.own import OwnChart, OwnReading, OwnRule
from huracan.memory.health import Anomaly

__all__ = ["FIGURES", "Orders"]

HOUR_MS: Final = 3_600_000
DAY_MS: Final = 86_400_000

FILLS: Final = OwnRule(sign=-1.0, shift=0.5, block_ms=DAY_MS, least=100, blocks=10)
"""Of what resting orders wanted the share filled; one order an observation."""
TIMES: Final = OwnRule(sign=1.0, shift=1.0, block_ms=6 * HOUR_MS, least=48, blocks=56, factor=2.0)
"""Medians of an hour: one slow decision is none, twice the usual time is one."""

FIGURES: Final[dict[str, tuple[Callable[[History], Series], OwnRule, str, str]]] = {
    "fill_rate": (
        lambda past: past.orders.filled(),
        FILLS,
        "of what it wanted",
        "resting orders are filled less: entries are missed, or go to takers",
    ),
    "latency_heard": (
        lambda past: past.decisions.heard(),
        TIMES,
        "ms",
        "candles come later after their close: prices have moved on by then",
    ),
    "latency_decided": (
        lambda past: past.decisions.decided(),
        TIMES,
        "ms",
        "decisions take longer: the endpoint or the machine is slow",
    ),
    "latency_sent": (
        lambda past: past.orders.sent(),
        TIMES,
        "ms",
        "orders go out later after their decision: risk, database or machine are slow",
    ),
    "latency_filled": (
        lambda past: past.fills.taken(),
        TIMES,
        "ms",
        "the venue takes longer to fill what takes, or we to hear of it",
    ),
}
"""By detector: figure, rule, unit, meaning. Candles of a replay come years after their close; these are passed."""


class Orders:
    """`Detector` of fill rate and latency, each against the account's own first weeks.

    The five share the false alarms. An alarm ends when the figure is as in the first weeks again.

    Args:
        engine: of the database.
        account: its name.
        false_alarm_days: days between two false alarms of all of them, on average.
        history: of the account; None: read as a whole at each look.
    """

    names = frozenset(FIGURES)

    def __init__(self, engine: Engine, account: str, false_alarm_days: float, history: History | None = None) -> None:
        self._account = account
        self._history = History(engine, account) if history is None else history
        self._days = len(FIGURES) * false_alarm_days
        self._charts: dict[str, OwnChart] = {}

    def readings(self, at_ms: int | None = None) -> dict[str, OwnReading | None]:
        """Return the word on each figure; None where there are no first weeks yet.

        Args:
            at_ms: time of the look, see `History.read`.

        Raises:
            EvidenceError: the account's past is not all read yet.
            DatabaseError: the server fails.
        """
        self._history.read(at_ms)
        return {name: self._reading(name, *figure[0](self._history)) for name, figure in FIGURES.items()}

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
            for name, reading in self.readings(now_ms).items()
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

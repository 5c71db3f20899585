"""Versions that do not do what their shadow claims: their charts as anomalies, one a chart."""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import Engine

from huracan.health.stored import Shadows, Watched
from huracan.health.trading import DAY_MS, Reading
from huracan.memory.health import Anomaly, Severity

__all__ = ["VersionCharts", "anomaly_of"]

_SEVERITY: Final[dict[str, Severity]] = {
    "result": "warning",
    "drift": "info",
    "win_rate": "warning",
    "trades_per_day": "warning",
    "volume_per_day": "info",
    "slippage": "warning",
}


class VersionCharts:
    """The charts of every version that decides for an account.

    A version whose last decision is older than `quiet_days` of its account's newest one decides no more, and nothing
    is said about it.

    Args:
        engine: of the database.
        account: its name.
        false_alarm_days: days between two false alarms of a version's charts together, on average.
        quiet_days: see above.
        shadows: of the versions.
    """

    names = frozenset(_SEVERITY)

    def __init__(
        self,
        engine: Engine,
        account: str,
        false_alarm_days: float,
        quiet_days: float = 7.0,
        shadows: Shadows | None = None,
    ) -> None:
        self._watched = Watched(engine, account, false_alarm_days, shadows)
        self._account, self._quiet_ms = account, quiet_days * DAY_MS

    def look(self, now_ms: int) -> Sequence[Anomaly]:
        """Name every chart that has alarmed.

        Raises:
            DatabaseError: the server fails.
        """
        found = self._watched.read()
        newest = max((one.close_ms for one in found), default=0)
        return [
            anomaly_of(reading, self._account, one.version, now_ms)
            for one in found
            if one.watch is not None and newest - one.close_ms <= self._quiet_ms
            for reading in one.watch.alarms
        ]


def anomaly_of(reading: Reading, account: str, version: str, now_ms: int) -> Anomaly:
    """Return a chart's alarm as an anomaly."""
    return Anomaly(
        detector=reading.name,
        account=account,
        subject=version,
        severity=_SEVERITY[reading.name],
        words=(
            f"{reading.name} of {version}: {reading.observed:.4g} {reading.unit} since the change, "
            f"{reading.claimed:.4g} claimed"
        ),
        means=reading.means,
        since_ms=reading.since_ms,
        noticed_ms=now_ms,
        observed=reading.observed,
        claimed=reading.claimed,
        unit=reading.unit,
        false_every_days=reading.false_every_days,
        delay=f"{reading.delay:,.0f} {reading.per} until a change of {abs(reading.shift):.2g} {reading.shift_unit}",
        evidence={"version": version, "market_at_ms": reading.at_ms, "observations": reading.observations},
    )

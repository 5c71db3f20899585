"""Versions that do not do what their shadow claims: charts, inputs and predictions as anomalies."""

from collections.abc import Sequence
from typing import Final

from huracan.health.inputs import Inputs
from huracan.health.predictions import PredictionShift
from huracan.health.stored import QUIET_DAYS, VersionWatch, Watched
from huracan.health.trading import DAY_MS, Reading
from huracan.health.windows import WINDOW_DAYS
from huracan.memory.health import Anomaly, Severity

__all__ = ["VersionCharts", "anomaly_of"]

SHOWN: Final = 5
_SEVERITY: Final[dict[str, Severity]] = {
    "result": "warning",
    "drift": "info",
    "win_rate": "warning",
    "calibration": "warning",
    "stopped_trading": "warning",
    "trades_per_day": "warning",
    "volume_per_day": "info",
    "slippage": "warning",
}


class VersionCharts:
    """The charts of every version that decides for an account.

    A version whose last decision is older than `quiet_days` of its account's newest one decides no more, and nothing
    is said about it.

    Args:
        watched: the account's versions.
        account: its name.
        false_alarm_days: days between two false words on inputs, and on predictions, as `watched` has it for charts.
        quiet_days: see above.
    """

    names = frozenset(_SEVERITY) | {"feature_drift", "prediction_entries", "prediction_decisions"}

    def __init__(self, watched: Watched, account: str, false_alarm_days: float, quiet_days: float = QUIET_DAYS) -> None:
        self._watched, self._account = watched, account
        self._days, self._quiet_ms = false_alarm_days, quiet_days * DAY_MS

    def look(self, now_ms: int) -> Sequence[Anomaly]:
        """Name every chart that has alarmed, and what drifts.

        Raises:
            EvidenceError: the account's past is not all read yet.
            DatabaseError: the server fails.
        """
        found = self._watched.read(now_ms)
        newest = max((one.close_ms for one in found), default=0)
        return [
            anomaly for one in found if newest - one.close_ms <= self._quiet_ms for anomaly in self._wrong(one, now_ms)
        ]

    def _wrong(self, one: VersionWatch, now_ms: int) -> list[Anomaly]:
        readings = () if one.watch is None else one.watch.alarms
        found = [anomaly_of(reading, self._account, one.version, one.scope, now_ms) for reading in readings]
        if one.inputs is not None and one.inputs.drifts:
            found.append(self._drifted(one, one.inputs, now_ms))
        shifts = (
            ("prediction_entries", one.entries, "its entries in shadow"),
            ("prediction_decisions", one.decisions, "its first weeks on the account"),
        )
        for name, shift, reference in shifts:
            if shift is not None:
                found.append(self._shifted(name, one, shift, reference, now_ms))
        return found

    def _drifted(self, one: VersionWatch, inputs: Inputs, now_ms: int) -> Anomaly:
        most = inputs.drifts[0]
        names = ", ".join(drift.name for drift in inputs.drifts[:SHOWN])
        more = f" and {len(inputs.drifts) - SHOWN} more" if len(inputs.drifts) > SHOWN else ""
        return Anomaly(
            detector="feature_drift",
            account=self._account,
            subject=one.version,
            severity="info",
            words=f"{one.version} enters on other inputs than in shadow: {names}{more}",
            means="the market is not the one that it was judged in; what it claims may not hold",
            since_ms=inputs.since_ms,
            noticed_ms=now_ms,
            observed=most.observed,
            claimed=most.claimed,
            unit=f"median {most.name}",
            false_every_days=self._days,
            delay=f"at most two windows of {WINDOW_DAYS} days, longer where they have fewer than 50 entries",
            evidence={
                "version": one.version,
                "scope": one.scope,
                "trades": inputs.trades,
                "inputs": [
                    [drift.name, round(drift.distance, 3), round(drift.stability, 3), drift.p_value]
                    for drift in inputs.drifts
                ],
            },
        )

    def _shifted(self, name: str, one: VersionWatch, shift: PredictionShift, reference: str, now_ms: int) -> Anomaly:
        what = "share of its commonest action" if shift.part == "actions" else "mean confidence"
        return Anomaly(
            detector=name,
            account=self._account,
            subject=one.version,
            severity="warning",
            words=(
                f"{one.version} decides otherwise than {reference}: "
                f"{what} {shift.observed:.3f}, was {shift.claimed:.3f}"
            ),
            means="it sees another market, or does not compute what it computed when it was judged",
            since_ms=shift.since_ms,
            noticed_ms=now_ms,
            observed=shift.observed,
            claimed=shift.claimed,
            unit=what,
            false_every_days=self._days,
            delay=f"at most two windows of {WINDOW_DAYS} days",
            evidence={
                "version": one.version,
                "scope": one.scope,
                "part": shift.part,
                "stability": shift.stability,
                "p_value": shift.p_value,
                "decisions": shift.decisions,
            },
        )


def anomaly_of(reading: Reading, account: str, version: str, scope: str, now_ms: int) -> Anomaly:
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
        evidence={
            "version": version,
            "scope": scope,
            "market_at_ms": reading.at_ms,
            "observations": reading.observations,
        },
    )

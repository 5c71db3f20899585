"""What the monitor sees, as metrics: every signal a gauge, what is wrong and what was done about it counted."""

from typing import Any, Final

from huracan.health.monitor import Turn
from huracan.health.signals import SIGNALS
from huracan.trader.meters import Meter, Metric

__all__ = ["GAUGES", "Gauges", "metric_name"]

_SEVERITIES: Final = ("info", "warning", "critical")


def metric_name(signal: str) -> str:
    """Return the metric of a signal: `feed.candle_age_s` is `huracan_feed_candle_age_s`."""
    return f"huracan_{signal.replace('.', '_')}"


GAUGES: Final[dict[str, Metric]] = {
    **{metric_name(name): Metric("gauge", signal.words, ("subject",)) for name, signal in SIGNALS.items()},
    "huracan_anomalies": Metric("gauge", "Anomalies that are open.", ("severity",)),
    "huracan_anomaly_open": Metric("gauge", "1 for each detector that names one, 0 after it ended.", ("detector",)),
    "huracan_remedies_total": Metric("counter", "Remedies decided or ended.", ("kind", "state")),
    "huracan_monitor_at_seconds": Metric("gauge", "When the last turn began, s UTC.", ()),
}
"""Metrics of the monitor by name; those of a signal carry its subject."""


class Gauges:
    """Shows turns.

    Args:
        meter: made for `GAUGES`.
    """

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self._named: set[str] = set()

    def show(self, turn: Turn) -> None:
        """Show a turn; a detector that has become silent reads 0, and a signal keeps its last value."""
        if turn.other:  # another one watches, and shows it
            return
        for sample in turn.samples:
            self._meter.gauge(metric_name(sample.name), sample.value, subject=sample.subject)
        for severity in _SEVERITIES:
            count = sum(one.severity == severity for one in turn.anomalies)
            self._meter.gauge("huracan_anomalies", count, severity=severity)
        named = {one.detector for one in turn.anomalies}
        self._named |= named
        for detector in self._named:
            self._meter.gauge("huracan_anomaly_open", float(detector in named), detector=detector)
        for one in turn.acted:
            done: Any = one
            self._meter.count("huracan_remedies_total", kind=str(done.kind), state=str(done.state))
        self._meter.gauge("huracan_monitor_at_seconds", turn.at_ms / 1_000)

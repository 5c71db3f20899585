"""Measurements into Ray's metrics, which its agent exports in Prometheus' text format on loopback."""

from collections.abc import Mapping
from typing import Any

from ray.util.metrics import Counter, Gauge, Histogram

from huracan.trader.meters import METRICS, Metric

__all__ = ["RayMeter"]


class RayMeter:
    """`Meter` over `ray.util.metrics`; made inside an actor or replica.

    Args:
        metrics: what is measured, by name.

    Attributes:
        made: Ray's metrics by name.
    """

    def __init__(self, metrics: Mapping[str, Metric] = METRICS) -> None:
        self.made: dict[str, Any] = {}
        for name, metric in metrics.items():
            keys = metric.labels
            if metric.kind == "counter":
                self.made[name] = Counter(name, metric.words, keys)
            elif metric.kind == "gauge":
                self.made[name] = Gauge(name, metric.words, keys)
            else:
                self.made[name] = Histogram(name, metric.words, list(metric.bounds), keys)

    def count(self, name: str, by: float = 1.0, **labels: str) -> None:
        """See `Meter`."""
        self.made[name].inc(by, labels)

    def gauge(self, name: str, value: float, **labels: str) -> None:
        """See `Meter`."""
        self.made[name].set(value, labels)

    def observe(self, name: str, seconds: float, **labels: str) -> None:
        """See `Meter`."""
        self.made[name].observe(seconds, labels)

"""Measurements into Ray's metrics, which its agent exports in Prometheus' text format on loopback."""

from typing import Any

from ray.util.metrics import Counter, Gauge, Histogram

from huracan.trader.meters import METRICS

__all__ = ["RayMeter"]


class RayMeter:
    """`Meter` over `ray.util.metrics`; made inside an actor or replica."""

    def __init__(self) -> None:
        self._made: dict[str, Any] = {}
        for name, metric in METRICS.items():
            keys = metric.labels
            if metric.kind == "counter":
                self._made[name] = Counter(name, metric.words, keys)
            elif metric.kind == "gauge":
                self._made[name] = Gauge(name, metric.words, keys)
            else:
                self._made[name] = Histogram(name, metric.words, list(metric.bounds), keys)

    def count(self, name: str, by: float = 1.0, **labels: str) -> None:
        """See `Meter`."""
        self._made[name].inc(by, labels)

    def gauge(self, name: str, value: float, **labels: str) -> None:
        """See `Meter`."""
        self._made[name].set(value, labels)

    def observe(self, name: str, seconds: float, **labels: str) -> None:
        """See `Meter`."""
        self._made[name].observe(seconds, labels)

"""Measurements for Prometheus from a process without Ray: its text format over HTTP, on loopback alone."""

from collections.abc import Mapping
from typing import Any, Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, start_http_server

from huracan.errors import ConfigError
from huracan.trader.meters import Metric

__all__ = ["PrometheusMeter"]

_HOST: Final = "127.0.0.1"


class PrometheusMeter:
    """`Meter` over prometheus_client, with a registry of its own.

    Args:
        metrics: what is measured, by name.

    Attributes:
        registry: what an exporter asks.
    """

    def __init__(self, metrics: Mapping[str, Metric]) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        self._made: dict[str, Any] = {}
        for name, metric in metrics.items():
            if metric.kind == "counter":
                self._made[name] = Counter(name, metric.words, metric.labels, registry=self.registry)
            elif metric.kind == "gauge":
                self._made[name] = Gauge(name, metric.words, metric.labels, registry=self.registry)
            else:
                self._made[name] = Histogram(
                    name, metric.words, metric.labels, buckets=metric.bounds, registry=self.registry
                )

    def count(self, name: str, by: float = 1.0, **labels: str) -> None:
        """See `Meter`."""
        self._of(name, labels).inc(by)

    def gauge(self, name: str, value: float, **labels: str) -> None:
        """See `Meter`."""
        self._of(name, labels).set(value)

    def observe(self, name: str, seconds: float, **labels: str) -> None:
        """See `Meter`."""
        self._of(name, labels).observe(seconds)

    def _of(self, name: str, labels: Mapping[str, str]) -> Any:
        return self._made[name].labels(**labels) if labels else self._made[name]

    def serve(self, port: int) -> str:
        """Answer at a port of loopback as long as the process lives, and return the address.

        Args:
            port: 0: a free one.

        Raises:
            ConfigError: the port is taken.
        """
        try:
            server, _ = start_http_server(port, _HOST, self.registry)
        except OSError as error:
            raise ConfigError(
                f"port {port} of {_HOST} is taken ({error.strerror}); give another --metrics-port"
            ) from None
        return f"http://{_HOST}:{server.server_port}/metrics"

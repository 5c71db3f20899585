"""Metrics without Ray: told over HTTP on loopback, under the names that were asked for, and nowhere else."""

import socket
import urllib.request

import pytest
from prometheus_client.parser import text_string_to_metric_families

from huracan.errors import ConfigError
from huracan.trader.meters import METRICS
from huracan.trader.prometheus import PrometheusMeter


def _scraped(url: str) -> dict[str, dict[tuple[str, ...], float]]:
    with urllib.request.urlopen(url, timeout=5) as reply:  # noqa: S310 - loopback
        text = reply.read().decode()
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, {})[tuple(sorted(sample.labels.values()))] = sample.value
    return found


def test_every_metric_is_told_as_it_was_measured() -> None:
    """Counters add up, gauges stand, histograms have buckets; nothing else is told, no times of creation either."""
    meter = PrometheusMeter(METRICS)
    tell = {"counter": meter.count, "gauge": meter.gauge, "histogram": meter.observe}
    for name, metric in METRICS.items():
        for _ in range(2):
            tell[metric.kind](name, 0.3, **dict.fromkeys(metric.labels, "a"))
    found = _scraped(meter.serve(0))
    parts = {"counter": ("",), "gauge": ("",), "histogram": ("_bucket", "_count", "_sum")}
    assert set(found) == {name + part for name, metric in METRICS.items() for part in parts[metric.kind]}
    assert found["huracan_rejects_total"] == {("a",): 0.6}
    assert found["huracan_equity"] == {("a",): 0.3}
    assert found["huracan_sent_seconds_bucket"][("0.25", "a")] == 0.0
    assert found["huracan_sent_seconds_bucket"][("0.5", "a")] == 2.0


def test_it_listens_on_loopback_alone_and_a_taken_port_is_said() -> None:
    """Figures of an account are nobody else's."""
    url = PrometheusMeter(METRICS).serve(0)
    port = int(url.rsplit(":", 1)[1].split("/")[0])
    assert url == f"http://127.0.0.1:{port}/metrics"
    with pytest.raises(OSError), socket.create_connection(("127.0.0.2", port), 1):  # noqa: PT011 - refused
        pass
    with pytest.raises(ConfigError, match=f"port {port} .* another --metrics-port"):
        PrometheusMeter(METRICS).serve(port)

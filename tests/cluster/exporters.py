"""Exporters, run for a test: processes without Ray, the endpoint, and Ray's agent; nothing lists a metric by hand."""

import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ray
from sqlalchemy import Engine

from huracan.clock import WallClock
from huracan.config import RaySettings, ServeSettings, load_settings
from huracan.health.gauges import GAUGES, Gauges
from huracan.health.monitor import Turn
from huracan.health.signals import SIGNALS
from huracan.health.wiring import open_monitor
from huracan.learn.cluster import ray_session
from huracan.memory.health import Anomaly, Sample
from huracan.signals.api import create_app
from huracan.signals.auth import Scope, TokenBook, add_token
from huracan.trader.meters import METRICS
from huracan.trader.prometheus import PrometheusMeter
from tests.signals.endpoint import Client, serving
from tests.signals.stand_ins import World

__all__ = ["endpoint", "get", "plain", "ray_agent"]


def plain(database: Engine, home: Path) -> tuple[str, str]:
    """Return the URLs of processes without Ray: a real turn of the real monitor, and a trader's meter."""
    url = database.url.render_as_string(hide_password=False)
    settings = load_settings(None, {}, {"HURACAN__DATABASE__URL": url})
    meter, trader = PrometheusMeter(GAUGES), PrometheusMeter(METRICS)
    gauges = Gauges(meter)
    monitor = open_monitor(settings, home, WallClock(), show=gauges.show)
    monitor.turn()
    _tell(trader, METRICS)
    gauges.show(_everything())
    return meter.serve(0), trader.serve(0)


def _everything() -> Turn:
    """Return a turn in which every source answers: what a cluster's monitor measures, and something is wrong."""
    samples = tuple(
        Sample(0, signal.source, name, subject, 1.0) for name, signal in SIGNALS.items() for subject in ("", "a")
    )
    done = type("Done", (), {"kind": "pause_coin", "state": "applied"})()
    wrong = Anomaly("a", "", "", "critical", "words", "means", None, 0)
    return Turn(0, 0.1, samples, (wrong,), {}, {}, 0, (done,), 0, 0, "", "")


@contextmanager
def endpoint(folder: Path) -> Iterator[tuple[str, str]]:
    """Serve the endpoint, which was asked some things; gives host:port and a token that may read."""
    path = folder / "tokens.json"
    token = add_token(path, "prometheus", Scope.READ, 1)
    with serving(create_app(World().service(), TokenBook(path), ServeSettings())) as (host, port):
        Client(host, port, token).get("/v1/status")
        yield f"{host}:{port}", token


@contextmanager
def ray_agent() -> Iterator[str]:
    """Run Ray with an actor's metrics of trader and monitor; gives its agent's host:port once it tells them."""
    from serve.metrics import RayMeter

    with ray_session(RaySettings(num_cpus=1, object_store_mb=80)):
        for metrics in (METRICS, GAUGES):
            _tell(RayMeter(metrics), metrics)
        node = ray.nodes()[0]
        address = f"{node['NodeManagerAddress']}:{node['MetricsExportPort']}"
        for _ in range(120):
            try:
                text = get(f"http://{address}/metrics")
            except (urllib.error.URLError, OSError):
                text = ""
            if "ray_huracan_monitor_at_seconds" in text and "ray_node_cpu_utilization" in text:
                break
            time.sleep(0.5)
        else:
            raise AssertionError("Ray's agent does not tell the metrics")
        yield address


def _tell(meter: Any, metrics: Any) -> None:
    tell = {"counter": meter.count, "gauge": meter.gauge, "histogram": meter.observe}
    for name, metric in metrics.items():
        tell[metric.kind](name, 1.0, **dict.fromkeys(metric.labels, "a"))


def get(url: str, token: str = "") -> str:
    """Return what an exporter says as text."""
    headers = {"Accept": "text/plain"} | ({"Authorization": f"Bearer {token}"} if token else {})
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=10) as reply:  # noqa: S310 - loopback
        return str(reply.read().decode())

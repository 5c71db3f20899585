"""Measurements into Ray: every metric of the trader exists there, with its words and its labels."""

from collections.abc import Mapping

import pytest

from huracan.health.gauges import GAUGES
from huracan.trader.meters import METRICS, Metric
from serve.metrics import RayMeter

pytestmark = pytest.mark.ray


@pytest.mark.parametrize("metrics", [METRICS, GAUGES], ids=["trader", "monitor"])
def test_every_metric_can_be_told(metrics: Mapping[str, Metric]) -> None:
    """Of its kind, under its name, its words and its labels; a metric that is not listed is a defect."""
    meter = RayMeter(metrics)
    tell = {"counter": meter.count, "gauge": meter.gauge, "histogram": meter.observe}
    for name, metric in metrics.items():
        tell[metric.kind](name, 1.0, **dict.fromkeys(metric.labels, "a"))
        info = meter.made[name].info
        assert (info["name"], info["description"], tuple(info["tag_keys"])) == (name, metric.words, metric.labels)
    with pytest.raises(KeyError):
        meter.count("huracan_nobody_total", account="a")

"""The monitor's turns as metrics: every signal has one, what ended reads 0, what was done is counted once."""

from dataclasses import dataclass
from pathlib import Path

from huracan.health.gauges import GAUGES, Gauges, metric_name
from huracan.health.monitor import Turn
from huracan.health.signals import SIGNALS, signal_table
from huracan.memory.health import Anomaly, Sample
from huracan.trader.prometheus import PrometheusMeter

NOW = 1_790_000_000_000


@dataclass(frozen=True)
class Done:
    """What a remedy must show."""

    kind: str
    state: str


def _turn(samples: tuple[Sample, ...] = (), anomalies: tuple[Anomaly, ...] = (), **changes: object) -> Turn:
    given = {"took_s": 0.1, "errors": 0, "acted": (), "waiting": 0, "lost": 0, "database": "", "other": ""} | changes
    return Turn(at_ms=NOW, samples=samples, anomalies=anomalies, blind={}, deaf={}, **given)  # type: ignore[arg-type]


def _anomaly(detector: str, subject: str = "", severity: str = "warning") -> Anomaly:
    return Anomaly(detector, "", subject, severity, "words", "means", None, NOW)  # type: ignore[arg-type]


def test_every_signal_is_a_gauge_of_its_subject() -> None:
    """With its words."""
    meter = PrometheusMeter(GAUGES)
    samples = tuple(Sample(NOW, one.source, name, "x", float(n)) for n, (name, one) in enumerate(SIGNALS.items()))
    Gauges(meter).show(_turn(samples))
    for number, (name, signal) in enumerate(SIGNALS.items()):
        assert meter.registry.get_sample_value(metric_name(name), {"subject": "x"}) == number
        assert GAUGES[metric_name(name)].words == signal.words


def test_what_is_wrong_is_counted_and_reads_nothing_after_its_end() -> None:
    """By severity, and by detector."""
    meter = PrometheusMeter(GAUGES)
    gauges, value = Gauges(meter), meter.registry.get_sample_value
    gauges.show(_turn(anomalies=(_anomaly("a"), _anomaly("a", "y"), _anomaly("b", severity="critical"))))
    assert value("huracan_anomalies", {"severity": "warning"}) == 2
    assert value("huracan_anomalies", {"severity": "critical"}) == 1
    assert value("huracan_anomaly_open", {"detector": "a"}) == 1
    gauges.show(_turn(anomalies=(_anomaly("b"),)))
    assert value("huracan_anomaly_open", {"detector": "a"}) == 0
    assert value("huracan_anomalies", {"severity": "critical"}) == 0
    assert value("huracan_monitor_at_seconds") == NOW / 1_000


def test_remedies_are_counted_and_whoever_stands_by_shows_nothing() -> None:
    """Two monitors do not count twice."""
    meter = PrometheusMeter(GAUGES)
    gauges = Gauges(meter)
    done = (Done("pause_coin", "applied"), Done("pause_coin", "refused"))
    gauges.show(_turn(acted=done))
    gauges.show(_turn(acted=done, other="somebody"))
    labels = {"kind": "pause_coin", "state": "applied"}
    assert meter.registry.get_sample_value("huracan_remedies_total", labels) == 1


def test_the_guide_lists_what_there_is() -> None:
    """docs/metrics.md holds the table of signals, and a row for each other metric of the monitor."""
    guide = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text(encoding="utf-8")
    between = guide.split("<!-- signals: begin -->\n")[1].split("<!-- signals: end -->")[0]
    assert between == signal_table()
    for name, metric in GAUGES.items():
        if metric.labels != ("subject",):
            assert f"| `{name}` | {metric.kind} | {', '.join(metric.labels) or '-'} | {metric.words} |" in guide

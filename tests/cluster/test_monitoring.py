"""Dashboards and alert rules against what the exporters really tell: every metric and label that they name is there.

The exporters are run: Ray's agent, prometheus_client over HTTP, and the endpoint. Nothing here lists metrics by hand.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import Engine

from huracan.health.signals import SIGNALS
from huracan.trader.meters import METRICS
from tests.cluster.exporters import endpoint, get, plain, ray_agent
from tests.cluster.promql import Selector, selectors

pytestmark = [pytest.mark.postgres, pytest.mark.ray]

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "cluster" / "monitoring"
DASHBOARDS = sorted((FOLDER / "dashboards").glob("*.json"))
SUFFIXES = ("_bucket", "_count", "_sum")


@pytest.fixture(scope="module")
def told(database: Engine, tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """Labels by metric, of everything that is exported, as Prometheus stores it after the relabelling of its file."""
    found: dict[str, set[str]] = {}
    texts = [get(url) for url in plain(database, tmp_path_factory.mktemp("home"))]
    with endpoint(tmp_path_factory.mktemp("tokens")) as (address, token):
        texts.append(get(f"http://{address}/v1/metrics", token))
    with ray_agent() as address:
        texts.append(get(f"http://{address}/metrics"))
    for text in texts:
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                found.setdefault(_relabelled(sample.name), set()).update(sample.labels)
    return found


def _relabelled(name: str) -> str:
    for job in _prometheus()["scrape_configs"]:
        for rule in job.get("metric_relabel_configs", ()):
            if match := re.fullmatch(rule["regex"], name):
                return match.expand(rule["replacement"].replace("$", "\\"))
    return name


def _prometheus() -> Any:
    return yaml.safe_load((FOLDER / "prometheus.yml").read_text(encoding="utf-8"))


def _panels(path: Path) -> list[dict[str, Any]]:
    return list(json.loads(path.read_text(encoding="utf-8"))["panels"])


def _rules() -> Iterator[dict[str, Any]]:
    for group in yaml.safe_load((FOLDER / "rules.yml").read_text(encoding="utf-8"))["groups"]:
        yield from group["rules"]


def _missing(asked: Selector, told: dict[str, set[str]]) -> str | None:
    """Return what is not told of a selector, None when all of it is."""
    if asked.name not in told:
        return asked.name
    absent = asked.labels - told[asked.name]
    return f"{asked.name}{{{', '.join(sorted(absent))}}}" if absent else None


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_every_metric_of_a_dashboard_is_told(path: Path, told: dict[str, set[str]]) -> None:
    """By name, with the labels that it is asked by."""
    asked = [
        selector
        for panel in _panels(path)
        for target in panel["targets"]
        for selector in selectors(target["expr"].replace("$account", "main"))
    ]
    assert len(asked) >= 8
    assert [words for one in asked if (words := _missing(one, told)) is not None] == []


def test_every_metric_of_a_rule_is_told(told: dict[str, set[str]]) -> None:
    """An alert on a metric that nobody tells never comes."""
    asked = [(rule["alert"], selector) for rule in _rules() for selector in selectors(rule["expr"])]
    assert [(name, words) for name, one in asked if (words := _missing(one, told)) is not None] == []


def test_a_metric_that_nobody_tells_would_be_found(told: dict[str, set[str]]) -> None:
    """A wrong name, a wrong label, Ray's own name of ours: this test can fail."""
    wrong = (
        "max(huracan_equitty)",
        'huracan_equity{acount="a"}',
        "sum by (code) (huracan_fills_total)",
        "ray_huracan_equity",
    )
    for expression in wrong:
        (one,) = selectors(expression)
        assert _missing(one, told) is not None, expression
    with pytest.raises(ValueError, match="no function"):
        selectors("summ(huracan_equity)")
    with pytest.raises(ValueError, match="bracket"):
        selectors("sum(huracan_equity")


def test_what_exists_is_shown_or_watched_somewhere() -> None:
    """Each metric of trader and monitor that says how well it goes is on a dashboard: none is measured for nobody."""
    text = "".join(path.read_text(encoding="utf-8") for path in DASHBOARDS) + (FOLDER / "rules.yml").read_text()
    trader = [name for name in METRICS if name not in text]
    assert trader == []
    sources = {signal.source for signal in SIGNALS.values()}
    assert {one for one in sources if f"huracan_{one}_" in text} == sources


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_a_dashboard_is_one_that_grafana_takes(path: Path) -> None:
    """Its own address, a source to choose, panels that do not overlap, each with title, unit and queries."""
    board = json.loads(path.read_text(encoding="utf-8"))
    assert board["uid"] == f"huracan-{path.stem}"
    assert {"title", "description", "schemaVersion", "templating", "time", "panels"} <= set(board)
    assert board["templating"]["list"][0] == {
        "name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus",
    }  # fmt: skip
    taken: set[tuple[int, int]] = set()
    for number, panel in enumerate(board["panels"], 1):
        assert (panel["id"], panel["type"] in ("stat", "timeseries", "state-timeline")) == (number, True)
        assert panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"]
        assert panel["datasource"]["uid"] == "${datasource}"
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"]) >= 1
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken
        assert max(x for x, _ in cells) < 24
        taken |= cells
        for target in panel["targets"]:
            named = set(re.findall(r"{{(\w+)}}", target["legendFormat"]))
            grouped = {label for one in selectors(target["expr"]) for label in one.labels}
            assert named <= grouped, panel["title"]


def test_there_are_four_dashboards() -> None:
    """System, trading, learning, health."""
    assert [path.stem for path in DASHBOARDS] == ["health", "learning", "system", "trading"]


def test_a_rule_says_what_happened_and_what_to_do() -> None:
    """Names of their own, two severities, words whose figures exist, commands that exist."""
    from huracan.cli import COMMANDS

    rules = list(_rules())
    assert len({rule["alert"] for rule in rules}) == len(rules) >= 12
    for rule in rules:
        assert rule["labels"]["severity"] in ("warning", "critical")
        assert re.fullmatch(r"Huracan\w+", rule["alert"])
        grouped = {label for one in selectors(rule["expr"]) for label in one.labels}
        assert set(re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"])) <= grouped
        for noun in re.findall(r"huracan ([a-z-]+)", rule["annotations"]["do"]):
            assert noun in COMMANDS, rule["alert"]
        assert re.fullmatch(r"\d+[smh]", rule.get("for", "0s"))


def test_prometheus_file_loads_the_rules_and_takes_rays_names_away() -> None:
    """One rule file that exists; ours lose Ray's prefix, Ray's own keep it."""
    found = _prometheus()
    assert [(FOLDER / name).exists() for name in found["rule_files"]] == [True]
    assert _relabelled("ray_huracan_equity") == "huracan_equity"
    assert _relabelled("ray_node_cpu_utilization") == "ray_node_cpu_utilization"
    assert {job["job_name"] for job in found["scrape_configs"]} == {"ray", "huracan-endpoint", "huracan-process"}

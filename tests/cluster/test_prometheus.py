"""Prometheus itself takes the files: it loads them, scrapes every exporter, answers each panel, and each alert comes.

An alert comes for a planted case and stays away from a control, by Prometheus' own simulator of rules (`promtool`).
"""

import json
import re
import shutil
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from sqlalchemy import Engine

from serve.cluster import free_port
from tests.cluster.exporters import endpoint, plain, ray_agent

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "cluster" / "monitoring"
BOARDS = sorted((FOLDER / "dashboards").glob("*.json"))
RULES = [rule for group in yaml.safe_load((FOLDER / "rules.yml").read_text())["groups"] for rule in group["rules"]]
MISSING = [name for name in ("prometheus", "promtool") if shutil.which(name) is None]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(MISSING), reason=f"{', '.join(MISSING)} is not installed (Debian: prometheus)"),
]

Series = dict[str, str]
CASES: dict[str, tuple[Series, Series, str]] = {
    "HuracanMonitorSilent": ({"huracan_monitor_at_seconds": "0x90"}, {"huracan_monitor_at_seconds": "0+10x90"}, ""),
    "HuracanMonitorGone": ({}, {"huracan_monitor_at_seconds": "0+10x90"}, ""),
    "HuracanMonitorLosesSamples": (
        {"huracan_monitor_lost": "0x30 5x60", "huracan_monitor_errors_lost": "0x90"},
        {"huracan_monitor_lost": "0x90", "huracan_monitor_errors_lost": "0x90"},
        "",
    ),
    "HuracanNoticesFail": (
        {'huracan_notices_failures_in_a_row{subject="mail"}': "0+1x90"},
        {'huracan_notices_failures_in_a_row{subject="mail"}': "0 4 4 0x87"},
        "mail",
    ),
    "HuracanCriticalAnomaly": (
        {'huracan_anomalies{severity="critical"}': "1x90"},
        {'huracan_anomalies{severity="critical"}': "0x90", 'huracan_anomalies{severity="warning"}': "3x90"},
        "",
    ),
    "HuracanOrderUnknown": (
        {'huracan_trader_unknown_orders{subject="main"}': "1x90"},
        {'huracan_trader_unknown_orders{subject="main"}': "0x30 1x4 0x56"},
        "main",
    ),
    "HuracanPositionsWithoutTrader": (
        {'huracan_trader_positions{subject="main"}': "2x90", 'huracan_trader_lease_s{subject="main"}': "9x30 0x60"},
        {
            'huracan_trader_positions{subject="main"}': "2x90",
            'huracan_trader_lease_s{subject="main"}': "9x90",
            'huracan_trader_lease_s{subject="idle"}': "0x90",
        },
        "main",
    ),
    "HuracanHalted": (
        {'huracan_trader_state{subject="main"}': "0x30 2x60"},
        {'huracan_trader_state{subject="main"}': "1x90"},
        "main",
    ),
    "HuracanSlowOrders": (
        {
            'huracan_sent_seconds_bucket{account="main",le="2.5"}': "0x200",
            'huracan_sent_seconds_bucket{account="main",le="5"}': "0+1x200",
            'huracan_sent_seconds_bucket{account="main",le="+Inf"}': "0+1x200",
        },
        {
            'huracan_sent_seconds_bucket{account="main",le="1"}': "0+1x200",
            'huracan_sent_seconds_bucket{account="main",le="+Inf"}': "0+1x200",
        },
        "",
    ),
    "HuracanDatabaseDown": ({"huracan_database_up": "1x30 0x60"}, {"huracan_database_up": "1x90"}, ""),
    "HuracanFeedSilent": (
        {'huracan_feed_candle_age_s{subject=""}': "0+10x90"},
        {'huracan_feed_candle_age_s{subject=""}': "50x90", 'huracan_feed_candle_age_s{subject="ADA/USDT"}': "900x90"},
        "",
    ),
    "HuracanDiskFull": (
        {'huracan_host_disk_frac{subject="a"}': "0.99x90", 'huracan_host_disk_free_mb{subject="a"}': "5000x90"},
        {'huracan_host_disk_frac{subject="a"}': "0.9x90", 'huracan_host_disk_free_mb{subject="a"}': "5000x90"},
        "a",
    ),
    "HuracanActorDown": (
        {'huracan_ray_actor_up{subject="huracan-feed"}': "1x30 0x60"},
        {'huracan_ray_actor_up{subject="huracan-feed"}': "1x30 0x5 1x55"},
        "huracan-feed",
    ),
    "HuracanEndpointFails": (
        {'huracan_http_requests_total{status="503"}': "0+10x90"},
        {'huracan_http_requests_total{status="503"}': "0x90", 'huracan_http_requests_total{status="200"}': "0+99x90"},
        "",
    ),
    "HuracanCycleMissing": (
        {"huracan_learning_cycle_age_s": "129500+10x90"},
        {"huracan_learning_cycle_age_s": "80000+10x90"},
        "",
    ),
    "HuracanCycleFailed": (
        {'huracan_learning_steps_failed{subject="retrain"}': "0x30 1x60"},
        {'huracan_learning_steps_failed{subject="retrain"}': "0x90"},
        "retrain",
    ),
}
"""Alert -> series every ten seconds for fifteen minutes and more in which it comes, in which not, and its subject."""
EVAL_AT = {"HuracanSlowOrders": "30m"}
INTERVAL_S = 1


def _told(words: list[str], **given: Any) -> str:
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60, **given)
    assert done.returncode == 0, f"{' '.join(words)}: {done.stdout}\n{done.stderr}"
    return done.stdout + done.stderr


def test_prometheus_takes_both_files(tmp_path: Path) -> None:
    """Configuration and rules, by its own check, the file that names Ray's nodes and the token's being there."""
    _configured(tmp_path, {"ray": "127.0.0.1:1", "huracan-endpoint": "127.0.0.1:1", "huracan-process": "127.0.0.1:1"})
    assert "SUCCESS" in _told(["promtool", "check", "config", str(tmp_path / "prometheus.yml")])
    assert f"{len(RULES)} rules found" in _told(["promtool", "check", "rules", str(FOLDER / "rules.yml")])


def test_every_alert_has_a_case() -> None:
    """A rule without a planted case would be one of which nobody knows that it comes."""
    assert sorted(CASES) == sorted(rule["alert"] for rule in RULES)


@pytest.mark.parametrize("alert", sorted(CASES))
@pytest.mark.parametrize("planted", [True, False], ids=["planted", "control"])
def test_an_alert_comes_when_it_must_and_only_then(alert: str, planted: bool, tmp_path: Path) -> None:
    """Firing for the planted series at the end of a quarter of an hour, silent all along for the control."""
    (rule,) = (one for one in RULES if one["alert"] == alert)
    bad, good, subject = CASES[alert]
    end = EVAL_AT.get(alert, "15m")
    labels = {"alertname": alert, "severity": rule["labels"]["severity"]}
    labels |= {"subject": subject} if subject else {}
    labels |= {"account": "main"} if alert == "HuracanSlowOrders" else {}
    names = ",".join(f'{name}="{value}"' for name, value in sorted(labels.items()))
    fires = {"labels": f'ALERTS{{alertstate="firing",{names}}}', "value": 1}
    asked = f'ALERTS{{alertname="{alert}",alertstate="firing"}}'
    case = {
        "interval": "10s",
        "input_series": [{"series": name, "values": value} for name, value in (bad if planted else good).items()],
        "promql_expr_test": [
            {"expr": asked, "eval_time": end, "exp_samples": [fires] if planted else []},
            {"expr": f"max_over_time({asked}[{end}])", "eval_time": end, "exp_samples": []},
        ][: 1 if planted else 2],
    }
    path = tmp_path / "case.yml"
    file = {"rule_files": [str(FOLDER / "rules.yml")], "evaluation_interval": "10s", "tests": [case]}
    path.write_text(yaml.safe_dump(file))
    _told(["promtool", "test", "rules", str(path)])


@pytest.mark.ray
@pytest.mark.postgres
@pytest.mark.timeout(300)
def test_prometheus_scrapes_what_runs_and_answers_every_panel(database: Engine, tmp_path: Path) -> None:
    """All targets up, all rules healthy, every query of every dashboard answered with data."""
    (tmp_path / "home").mkdir()
    processes = [url.removeprefix("http://").removesuffix("/metrics") for url in plain(database, tmp_path / "home")]
    with endpoint(tmp_path) as (address, token), ray_agent() as agent:
        (tmp_path / "huracan.token").write_text(token)
        targets = {"ray": agent, "huracan-endpoint": address, "huracan-process": ",".join(processes)}
        _configured(tmp_path, targets)
        with _prometheus(tmp_path) as ask:
            _until(lambda: _up(ask) == 4, f"four targets up: {ask('targets')}")
            _until(lambda: bool(ask("query", query="huracan_monitor_at_seconds{job='ray'}")["result"]), "Ray's names")
            twice = "min(count_over_time(up[1m])) > 2"  # a rate is of two samples and more
            _until(lambda: bool(ask("query", query=twice)["result"]), "three scrapes of each")
            groups = ask("rules")["groups"]
            assert sum(len(group["rules"]) for group in groups) == len(RULES)
            _until(lambda: _healthy(ask("rules")["groups"]), "all rules evaluated")
            empty, asked = [], 0
            for board in BOARDS:
                for panel in json.loads(board.read_text())["panels"]:
                    for target in panel["targets"]:
                        expression = re.sub(r"\[\d+[smh]\]|\[\$__\w+\]", "[1m]", target["expr"])
                        expression = expression.replace("$account", "a").replace("$__rate_interval", "1m")
                        asked += 1
                        if not ask("query", query=expression)["result"]:
                            empty.append(f"{board.stem}: {panel['title']}: {expression}")
    print(f"{asked} queries")
    assert asked > 40
    assert empty == []


def _configured(folder: Path, targets: dict[str, str]) -> None:
    """Write the files as an operator edits them: the places marked EDIT, and the addresses of what runs."""
    found = yaml.safe_load((FOLDER / "prometheus.yml").read_text(encoding="utf-8"))
    found["global"] = dict.fromkeys(found["global"], f"{INTERVAL_S}s")
    for job in found["scrape_configs"]:
        addresses = targets[job["job_name"]].split(",")
        if "file_sd_configs" in job:
            nodes = folder / "nodes.json"
            nodes.write_text(json.dumps([{"labels": {"job": "ray"}, "targets": addresses}]))
            job["file_sd_configs"] = [{"files": [str(nodes)]}]
        else:
            job["static_configs"] = [{"targets": addresses}]
        if "authorization" in job:
            token = folder / "huracan.token"
            token.touch()
            job["authorization"]["credentials_file"] = str(token)
    shutil.copy(FOLDER / "rules.yml", folder)
    (folder / "prometheus.yml").write_text(yaml.safe_dump(found))


@contextmanager
def _prometheus(folder: Path) -> Iterator[Any]:
    """Run it on these files; gives a function that asks its API."""
    port = free_port()
    words = [
        "prometheus",
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'store'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    log = (folder / "prometheus.log").open("w")
    process = subprocess.Popen(words, stdout=log, stderr=log)

    def ask(path: str, **given: str) -> Any:
        url = f"http://127.0.0.1:{port}/api/v1/{path}?{urllib.parse.urlencode(given)}"
        with urllib.request.urlopen(url, timeout=10) as reply:
            answer = json.load(reply)
        assert answer["status"] == "success", answer
        return answer["data"]

    try:
        _until(lambda: _answers(ask), (folder / "prometheus.log").read_text())
        yield ask
    finally:
        process.terminate()
        process.wait(30)
        log.close()


def _answers(ask: Any) -> bool:
    try:
        return bool(ask("status/buildinfo"))
    except OSError:
        return False


def _up(ask: Any) -> int:
    return sum(target["health"] == "up" for target in ask("targets")["activeTargets"])


def _healthy(groups: list[dict[str, Any]]) -> bool:
    return all(rule["health"] == "ok" for group in groups for rule in group["rules"])


def _until(true: Any, what: str, wait_s: float = 60.0) -> None:
    end_s = time.monotonic() + wait_s
    while not true():
        assert time.monotonic() < end_s, what
        time.sleep(0.5)

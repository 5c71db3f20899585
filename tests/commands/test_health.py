"""`huracan health` as a process."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import Engine

from huracan.memory import EmbeddedServer
from tests.health.test_stored import fill

pytestmark = pytest.mark.postgres


def test_the_word_on_each_version_is_told(database: Engine, database_server: EmbeddedServer, tmp_path: Path) -> None:
    """As a table and as JSON; an account without decisions says so."""
    fill(database, 60, slip=3.0)
    assert database.url.database is not None
    environ = os.environ | {
        "HURACAN__DATABASE__URL": database_server.url(database.url.database),
        "HURACAN_HOME": str(tmp_path),
        "COLUMNS": "250",
    }

    def told(*words: str) -> str:
        command = [str(Path(sys.executable).with_name("huracan")), "health", *words]
        done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    report = json.loads(told("--account", "main", "--json"))
    (row,) = report["versions"]
    alarms = [one["name"] for one in row["watch"]["readings"] if one["alarm"]]
    assert alarms == ["slippage"]
    assert [one["detector"] for one in report["anomalies"]] == alarms
    assert {one["health"]["group"]["kind"] for one in report["groups"]} == {"version", "coin", "regime"}
    assert {one["name"] for one in report["orders"]} >= {"fill_rate", "latency_decided"}
    assert not report["blind"]
    shown = told("--account", "main")
    assert "ALARM: fills slip more than the cost model says" in shown
    assert shown.count("as claimed") == 6
    assert "questions about patterns, coins and regimes say" in shown
    assert "[warning] slippage: slippage of v1" in shown
    assert "no version has decided for nobody yet" in told("--account", "nobody")

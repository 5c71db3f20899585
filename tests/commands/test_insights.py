"""`huracan insights`: tables for people, one value for machines, a page on request, a line when there is nothing."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import Engine

from huracan.cli import cli
from huracan.insights import learn_patterns
from huracan.memory.remembered import Asked
from huracan.terminal import run
from tests.insights.stored import analysed, store

pytestmark = pytest.mark.postgres
Captured = pytest.CaptureFixture[str]
CHECKOUT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _database(database: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HURACAN__DATABASE__URL", database.url.render_as_string(hide_password=False))


def test_an_empty_memory_says_what_to_run(capsys: Captured) -> None:
    """Before anything was traded: one line, exit code 2."""
    assert run(cli, ["insights"]) == 2
    assert "error: no closed shadow trades of ensemble account coin yet: run `huracan demo`" in capsys.readouterr().err


def test_the_questions_of_a_user_are_answered(database: Engine, tmp_path: Path, capsys: Captured) -> None:
    """Tables by every question, what stands out, causes, what was left; JSON and page hold the same."""
    run_id, trades = store(database, (0.6, -0.6), 400, 3)
    analysed(database, run_id, trades)
    learn_patterns(database, Asked(run_id=run_id))
    assert run(cli, ["insights", "--out", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    for words in (
        f"shadow trades, run {run_id}, version ensemble, account coin: 400 closed",
        "2 of ",
        *(f"by {name}" for name in ("mode", "version", "coin", "regime", "pattern", "exit reason", "hour")),
        "setups, best supported first (8 of ",
        "what losses were caused by",
        "what was left after exits",
        str(tmp_path / "insights.html"),
    ):
        assert words in said
    assert run(cli, ["insights", "--json", "--run", str(run_id), "--coin", "C1/USDT", "--since", "2024-10-10"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["total"]["trades"] == int(
        ((trades.symbol == "C1/USDT") & (trades.entry_time >= 1_728_518_400_000)).sum()
    )
    page = json.loads((tmp_path / "insights.json").read_text(encoding="utf-8"))
    assert page["total"]["trades"] == 400
    assert page["libraries"][0]["patterns"][0]["stage"] in ("good", "bad")


def test_what_cannot_be_is_refused_in_a_line(capsys: Captured) -> None:
    """A day that is none, a version that never traded."""
    for words, said in (
        (["--since", "yesterday"], "--since yesterday: not a date such as 2025-08-01"),
        (["--version", "v99", "--mode", "live"], "no closed live trades of v99 yet"),
    ):
        assert run(cli, ["insights", *words]) == 2
        assert said in capsys.readouterr().err


def test_every_command_of_its_page_runs_as_written(database: Engine, tmp_path: Path) -> None:
    """docs/insights.md in one shell, over a run's shadow trades: every command succeeds and writes what it says."""
    run_id, _ = store(database, (0.6, -0.6), 300, 8, symbol="BTC/USDT")
    page = (CHECKOUT / "docs" / "insights.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"^```bash\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    told = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "HURACAN_HOME": str(tmp_path / "home"),
    }
    done = subprocess.run(
        ["bash", "-c", f"set -e\n{block}"], cwd=tmp_path, env=told, capture_output=True, text=True, timeout=280
    )
    assert done.returncode == 0, done.stderr[-3_000:]
    assert f"run {run_id}, ensemble, coin, shadow" in done.stdout
    assert "coin BTC/USDT, since 2024-10-20" in done.stdout
    assert json.loads((tmp_path / "insights.json").read_text(encoding="utf-8"))["total"]["trades"] == 300
    assert (tmp_path / "build" / "insights" / "insights.html").is_file()
    assert "known at its entry: " in done.stdout

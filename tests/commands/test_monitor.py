"""`huracan monitor`: it runs until it is stopped, says who watches, and what a dead one leaves is taken away."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

from huracan.cli import cli
from huracan.logs import ErrorFile, errors_folder
from huracan.memory.health_rows import read_errors, read_samples
from huracan.memory.heartbeats import beat, read_heartbeats
from huracan.terminal import run
from huracan.trader.access import person
from tests.health.traded import TABLES, write_account

pytestmark = pytest.mark.postgres

PROGRAM = Path(sys.executable).with_name("huracan")
Captured = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def home(database: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of one's own on an empty database."""
    with database.begin() as connection:
        connection.execute(text("TRUNCATE health_signals, anomalies, errors, error_counts, heartbeats CASCADE"))
    monkeypatch.setenv("HURACAN_HOME", str(tmp_path))
    monkeypatch.setenv("HURACAN__DATABASE__URL", database.url.render_as_string(hide_password=False))
    monkeypatch.setenv("HURACAN__HEALTH__INTERVAL_S", "0.3")
    return tmp_path


def told(capsys: Captured, *words: str, code: int = 0) -> Any:
    """Run a command and return its JSON."""
    assert run(cli, ["monitor", *words, "--json"]) == code
    return json.loads(capsys.readouterr().out)


def started() -> "subprocess.Popen[str]":
    """Start a monitor, and return when it watches."""
    process = subprocess.Popen([PROGRAM, "monitor", "run", "--json"], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert json.loads(process.stdout.readline())["interval_s"] == 0.3
    return process


def until(what: str, find: Any, wait_s: float = 60.0) -> Any:
    """Return what `find` finds, asking until it is there."""
    give_up_s = time.monotonic() + wait_s
    while not (found := find()):
        assert time.monotonic() < give_up_s, f"{what}: not within {wait_s:g} s"
        time.sleep(0.05)
    return found


def test_it_watches_until_it_is_stopped(database: Engine, home: Path, capsys: Captured) -> None:
    """Samples, errors of other processes, a heartbeat; after `stop` nobody waits for it."""
    process = started()
    try:
        until("samples", lambda: len(read_samples(database, "database.up")) >= 2)
        ErrorFile("trader", errors_folder(home)).write("error", "trader.close_unfinished", {"reason": "away 3 s"})
        until("the error", lambda: read_errors(database, 0))
        seen = told(capsys, "status")
        assert seen["holder"] == f"{person()}:{process.pid}"
        assert (seen["expected"], seen["entries_denied"], seen["ended"]) == (True, False, False)
        (error,) = told(capsys, "errors")
        assert (error["event"], error["count"], error["process"]) == ("trader.close_unfinished", 1, "trader")
        assert told(capsys, "errors", "--level", "critical") == []
        assert run(cli, ["monitor", "errors"]) == 0
        assert "trader.close_unfinished" in capsys.readouterr().out
        assert told(capsys, "stop") == {"stopped": True, "holder": seen["holder"]}
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()
    assert read_heartbeats(database) == ()
    assert told(capsys, "stop") == {"stopped": False, "holder": None}
    assert told(capsys, "status")["expected"] is False


def test_a_killed_one_is_missed_until_another_takes_its_place(database: Engine, capsys: Captured) -> None:
    """SIGKILL: its heartbeat stays and ages; a new one works at once, for it sees that the old one has ended."""
    first = started()
    until("a heartbeat", lambda: read_heartbeats(database))
    before = len(read_samples(database, "database.up"))
    first.send_signal(signal.SIGKILL)
    first.wait()
    seen = told(capsys, "status")
    assert (seen["ended"], seen["expected"]) == (True, True)
    assert run(cli, ["monitor", "status"]) == 0
    assert "huracan monitor stop" in capsys.readouterr().err
    second = started()
    try:
        until("its heartbeat", lambda: read_heartbeats(database)[0].holder.endswith(f":{second.pid}"))
        until("more samples", lambda: len(read_samples(database, "database.up")) > before)
    finally:
        second.send_signal(signal.SIGTERM)
        assert second.wait(30) == 0


def test_what_a_dead_one_left_is_taken_away(database: Engine, capsys: Captured) -> None:
    """One that ended here is seen to have; of one elsewhere a person must say so."""
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    beat(database, "monitor", f"{person()}:{gone.pid}", "", 30.0, {})
    assert told(capsys, "stop")["stopped"]
    beat(database, "monitor", "anna@elsewhere:1", "", 30.0, {})
    assert run(cli, ["monitor", "stop"]) == 3
    assert "another machine" in capsys.readouterr().err
    assert told(capsys, "stop", "--forget")["stopped"]
    assert read_heartbeats(database) == ()


def test_silence_that_denies_entries_is_said(
    database: Engine, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody has beaten for a minute; or one is demanded and there never was one."""
    monkeypatch.setenv("HURACAN__HEALTH__MONITOR_EXPECTED", "always")
    assert told(capsys, "status")["entries_denied"] is True
    monkeypatch.delenv("HURACAN__HEALTH__MONITOR_EXPECTED")
    beat(database, "monitor", f"{person()}:{os.getpid()}", "", 30.0, {})
    assert told(capsys, "status")["entries_denied"] is False
    with database.begin() as connection:
        connection.execute(text("UPDATE heartbeats SET at = at - interval '1 minute'"))
    assert told(capsys, "status")["entries_denied"] is True
    assert run(cli, ["monitor", "status"]) == 0
    assert "DENIED" in capsys.readouterr().out


def test_it_says_of_each_account_what_its_trader_does(
    database: Engine, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With real money entries are denied without a monitor, whatever is set; on paper as it is set."""
    with database.begin() as connection:
        connection.execute(text(f"TRUNCATE {TABLES} CASCADE"))
    write_account(database, "main")
    write_account(database, "money")
    with database.begin() as connection:
        connection.execute(
            text(
                "UPDATE account_views SET mode = 'live' FROM accounts a WHERE account_views.account_no = a.account_no "
                "AND name = 'money'"
            )
        )
    monkeypatch.setenv("HURACAN__HEALTH__MONITOR_EXPECTED", "never")
    found = told(capsys, "status")
    assert [(one["account"], one["mode"], one["denied"]) for one in found["accounts"]] == [
        ("main", "paper", False),
        ("money", "live", True),
    ]
    assert found["entries_denied"] is True
    assert run(cli, ["monitor", "status"]) == 0
    shown = capsys.readouterr().out
    assert "new risk, money (live)" in shown
    assert "DENIED: there is none" in shown
    beat(database, "monitor", f"{person()}:{os.getpid()}", "", 30.0, {})
    assert told(capsys, "status")["entries_denied"] is False
    with database.begin() as connection:
        connection.execute(text(f"TRUNCATE {TABLES} CASCADE"))


def test_a_second_one_on_the_same_home_is_refused(home: Path, capsys: Captured) -> None:
    """One clear line."""
    process = started()
    try:
        assert run(cli, ["monitor", "run"]) == 3
        assert "another monitor" in capsys.readouterr().err
    finally:
        process.terminate()
        assert process.wait(30) == 0

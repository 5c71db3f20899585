"""`huracan status` whatever runs: nothing, a stopped database, a trader alone; and the same record over HTTP."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from sqlalchemy import Engine

from huracan.cli import cli
from huracan.clock import WallClock
from huracan.config import load_settings
from huracan.execution.postgres_store import PostgresStore
from huracan.memory import EmbeddedServer
from huracan.memory.database import upgrade_database
from huracan.terminal import run
from serve.ledger import PostgresLedger

pytestmark = pytest.mark.postgres


def _status(capfd: pytest.CaptureFixture[str], *arguments: str) -> dict:
    capfd.readouterr()
    assert run(cli, ["status", "--json", *arguments]) == 0
    found: dict = json.loads(capfd.readouterr().out)
    return found


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A HURACAN_HOME that nobody has used."""
    monkeypatch.setenv("HURACAN_HOME", str(tmp_path / "h"))
    monkeypatch.delenv("HURACAN__DATABASE__URL", raising=False)
    return tmp_path / "h"


def test_with_nothing_at_all_it_says_so_and_makes_nothing(home: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """No folder appears, nothing is urgent."""
    found = _status(capfd)
    assert (found["headline"], found["status"], found["parts"]) == ("ok", None, None)
    assert "no database yet" in found["next"][0]["why"]
    assert run(cli, ["status"]) == 0
    assert "NOTHING RUNS" in capfd.readouterr().out
    assert not home.exists()


def test_a_database_that_was_stopped_stays_stopped(
    database_home: Path, database_server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """It is said, with the command that starts it; running again, its record is there."""
    monkeypatch.setenv("HURACAN_HOME", str(database_home))
    monkeypatch.delenv("HURACAN__DATABASE__URL", raising=False)
    upgrade_database(load_settings(None, {}, {}).database, database_home)
    running = _status(capfd)
    assert (running["database"]["running"], running["status"]["account"]) == (True, "main")
    database_server.stop()
    try:
        stopped = _status(capfd)
        assert (stopped["database"]["running"], stopped["status"], stopped["headline"]) == (False, None, "look")
        assert stopped["next"][0]["do"] == "huracan db upgrade"
        assert database_server.status().pid is None
    finally:
        database_server.start()


def test_a_configured_database_that_does_not_answer_is_urgent(
    home: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Without a word of its password."""
    monkeypatch.setenv("HURACAN__DATABASE__URL", "postgresql://anna:a-password@127.0.0.1:1/huracan")
    assert run(cli, ["status"]) == 0
    out = capfd.readouterr()
    assert "ACT NOW" in out.out
    assert "a-password" not in out.out + out.err


def test_an_older_schema_is_said_and_left(
    empty_database_url: str, home: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """`huracan db upgrade` is what to do."""
    monkeypatch.setenv("HURACAN__DATABASE__URL", empty_database_url)
    found = _status(capfd)
    assert (found["database"]["running"], found["status"]) == (True, None)
    assert found["next"][0]["do"] == "huracan db upgrade"


def test_with_a_trader_alone_it_is_the_record_of_http(
    database: Engine, home: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Somebody holds the lease; the endpoint's ledger answers the same, but for what time changes."""
    url = database.url.render_as_string(hide_password=False)
    monkeypatch.setenv("HURACAN__DATABASE__URL", url)
    store = PostgresStore(database, "main", None, 5.0)

    async def hold() -> None:
        await store.acquire("anna@elsewhere:7", 60.0)
        await store.close()

    asyncio.run(hold())
    found = _status(capfd)["status"]
    assert (found["holder"], found["state"], found["monitor"]["state"]) == ("anna@elsewhere:7", "ACTIVE", "none")
    settings = load_settings(None, {}, {"HURACAN__DATABASE__URL": url})

    async def ask() -> dict:
        ledger = PostgresLedger(database, "main", WallClock(), 5.0, settings)
        try:
            return (await ledger.status()).model_dump(mode="json")
        finally:
            await ledger.close()

    answer = asyncio.run(ask())
    passing = {"at_ms", "holder_for_s"}
    assert {k: v for k, v in answer.items() if k not in passing} == {k: v for k, v in found.items() if k not in passing}
    assert _status(capfd, "--account", "other")["status"]["holder"] is None


def test_watching_looks_again_until_it_is_told_to_end(database: Engine, tmp_path: Path) -> None:
    """One JSON record a line, and Ctrl-C's exit code."""
    environ = {
        **os.environ,
        "HURACAN_HOME": str(tmp_path),
        "HURACAN__DATABASE__URL": database.url.render_as_string(hide_password=False),
    }
    words = [str(Path(sys.executable).with_name("huracan")), "status", "--watch", "0.2", "--json"]
    with subprocess.Popen(words, env=environ, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        lines = [json.loads(process.stdout.readline()) for _ in range(3)]
        process.send_signal(signal.SIGINT)
        begun_s = time.monotonic()
        code = process.wait(30)
    assert (code, time.monotonic() - begun_s < 20) == (130, True)
    assert lines[0]["at_ms"] < lines[1]["at_ms"] < lines[2]["at_ms"]

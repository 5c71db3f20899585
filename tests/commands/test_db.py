"""`huracan db`: its address without the password unless asked, its state, its schema."""

import json
from pathlib import Path

import pytest

from huracan.cli import cli
from huracan.memory import EmbeddedServer, schema
from huracan.terminal import run

pytestmark = pytest.mark.postgres
Captured = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _home(database_home: Path, database_server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HURACAN_HOME", str(database_home))


def test_the_url_shows_its_password_only_when_asked(database_server: EmbeddedServer, capsys: Captured) -> None:
    """`db url` hides the password; `--show-password` prints what a job needs."""
    assert run(cli, ["db", "url"]) == 0
    assert run(cli, ["db", "url", "--show-password", "--json"]) == 0
    hidden, shown = capsys.readouterr().out.splitlines()
    assert ":***@" in hidden
    assert json.loads(shown) == {"url": database_server.url()}


def test_upgrade_and_status_agree(capsys: Captured) -> None:
    """After `db upgrade` the status names the running server and the schema this version needs."""
    assert run(cli, ["db", "upgrade", "--json"]) == 0
    assert run(cli, ["db", "status", "--json"]) == 0
    upgraded, status = map(json.loads, capsys.readouterr().out.splitlines())
    assert upgraded == {"revision": schema.head()}
    assert (status["running"], status["schema"], status["embedded"]) == (True, schema.head(), True)


def test_an_unreachable_database_is_exit_code_1_and_one_line(capsys: Captured) -> None:
    """A configured server that is not there is named, without its password."""
    url = "database.url=postgresql://u:hunter2@127.0.0.1:1/d"
    assert run(cli, ["db", "upgrade", "--set", url]) == 1
    shown = capsys.readouterr().err
    assert "127.0.0.1:1/d is unreachable" in shown
    assert "hunter2" not in shown
    assert shown.count("\n") == 1


def test_stopping_what_does_not_run_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    """`db stop` says that there was nothing to stop, and creates nothing."""
    monkeypatch.setenv("HURACAN_HOME", str(tmp_path))
    assert run(cli, ["db", "stop", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"stopped": False}
    assert list(tmp_path.iterdir()) == []

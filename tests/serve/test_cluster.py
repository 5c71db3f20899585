"""The cluster of our own: on loopback with a token, remembered, ended whole, and cleared away after a crash."""

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import psutil
import pytest

from huracan.config import Settings, load_settings
from huracan.errors import ConfigError
from serve.cluster import Head, ask_dashboard, find_head, free_port, processes, start_head, stop_head

pytestmark = [pytest.mark.ray, pytest.mark.timeout(300)]

LOOPBACK = ("127.", "::1", "::ffff:127.")


def settings() -> Settings:
    """Return settings of a small cluster on ports of its own."""
    chosen = {"ray.num_cpus": 2, "ray.object_store_mb": 80, "serve.dashboard_port": 0, "serve.port": free_port()}
    return load_settings(None, chosen, {})


def listening(found: list[psutil.Process]) -> dict[tuple[str, int], str]:
    """Return what every process listens on."""
    rows = {}
    for process in found:
        for row in process.net_connections("inet"):
            if row.status == psutil.CONN_LISTEN:
                rows[(row.laddr.ip, row.laddr.port)] = process.name()
    return rows


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No cluster is configured, and nothing of the outside decides about authentication."""
    for name in ("RAY_ADDRESS", "RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A HURACAN_HOME with a secret and a setting in the environment that no worker may inherit."""
    monkeypatch.setenv("HURACAN_HOME", str(tmp_path))
    monkeypatch.setenv("HURACAN__RISK__MAX_OPEN_TRADES", "1")
    monkeypatch.setenv("HURACAN__DATABASE__URL", "postgresql://huracan:a-secret@localhost/huracan")
    return tmp_path


@pytest.fixture
def head(home: Path) -> Iterator[Head]:
    """A head that runs."""
    found = start_head(settings(), home)
    yield found
    stop_head(found, home)
    assert not processes(found)


def test_a_head_is_private_and_ends_whole(head: Head, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ports are on loopback, the dashboard wants the token, no setting is inherited; it is found again and ends."""
    members = processes(head)
    names = {name for one in members for name in (one.name(), *one.cmdline())}
    assert any("gcs_server" in name for name in names)
    assert any("raylet" in name for name in names)
    sockets = listening(members)
    assert len(sockets) >= 8
    assert [row for row in sockets if not row[0].startswith(LOOPBACK)] == []
    told = b"".join(Path(f"/proc/{one.pid}/environ").read_bytes() for one in members)
    assert b"a-secret" not in told
    assert b"HURACAN__" not in told
    assert find_head(home) == head
    assert head.runs
    assert ask_dashboard(head.dashboard, "/api/jobs/") == []
    monkeypatch.setenv("RAY_AUTH_TOKEN", "another")
    assert ask_dashboard(head.dashboard, "/api/jobs/") is None
    for path in (home / "ray" / "token", home / "ray" / "head.json", home / "ray" / "head.log"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(Path(head.folder).parent.stat().st_mode) == 0o700
    stop_head(head, home)
    assert not head.runs
    assert not any(one.is_running() and one.status() != psutil.STATUS_ZOMBIE for one in members)
    assert find_head(home) is None


def test_a_head_that_died_is_cleared_away_by_the_next(head: Head, home: Path) -> None:
    """SIGKILL leaves its children alive; the next start ends them and nothing else."""
    bystander = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
    try:
        os.kill(head.pid, signal.SIGKILL)
        os.waitpid(head.pid, 0)
        left = processes(head)
        assert left
        again = start_head(settings(), home)
        try:
            _, alive = psutil.wait_procs(left, timeout=10.0)
            assert not alive
            assert again.runs
            assert again.pid != head.pid
            assert bystander.poll() is None
        finally:
            stop_head(again, home)
    finally:
        bystander.kill()
        bystander.wait()


def test_a_number_that_another_program_has_is_no_head(home: Path) -> None:
    """After a restart of the machine the number of the head may be anybody's: nothing of it is touched."""
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
    try:
        (home / "ray").mkdir()
        stale = Head(other.pid, time.time() - 10_000.0, "127.0.0.1:1", "http://127.0.0.1:2", str(home))
        (home / "ray" / "head.json").write_text(json.dumps(asdict(stale)))
        assert not stale.runs
        assert processes(stale) == []
        stop_head(stale, home)
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


def test_a_port_that_is_taken_is_one_line(home: Path) -> None:
    """It is named together with the setting that changes it, and nothing was started."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        wanted = load_settings(None, {"serve.dashboard_port": taken.getsockname()[1]}, {})
        with pytest.raises(ConfigError, match=r"serve\.dashboard_port"):
            start_head(wanted, home)
    assert find_head(home) is None


def test_a_file_that_holds_no_head_is_one_line(home: Path) -> None:
    """Whoever broke it is told what to do."""
    (home / "ray").mkdir()
    (home / "ray" / "head.json").write_text("{")
    with pytest.raises(ConfigError, match="remove the file"):
        find_head(home)

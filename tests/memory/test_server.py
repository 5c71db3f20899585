"""The embedded server: starts once, stops once, survives a SIGKILL, lets in only who knows the password."""

import os
import pwd
import resource
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import psycopg2
import pytest
from sqlalchemy import make_url

from huracan.config import RaySettings
from huracan.errors import DatabaseError
from huracan.memory import server as memory_server
from huracan.memory.server import EmbeddedServer, in_ray_process

pytestmark = pytest.mark.postgres

PROGRAM = """
import sys
from pathlib import Path
from huracan.memory import EmbeddedServer
print(EmbeddedServer(Path(sys.argv[1])).start(), flush=True)
"""
# Becomes the user of argument 2 first, with everything imported: the interpreter itself may lie where only root looks.
PROGRAM_OF_USER = """
import os, sys
from pathlib import Path
from huracan.memory import EmbeddedServer
server, uid = EmbeddedServer(Path(sys.argv[1])), int(sys.argv[2])
if os.geteuid() != uid:
    os.setgroups([])
    os.setgid(uid)
    os.setuid(uid)
server.start()
print(Path(f"/proc/{server.status().pid}").stat().st_uid)
server.stop()
"""


@pytest.fixture(scope="module")
def set_up() -> Iterator[Path]:
    """A home whose server was started once and stopped: copies of it start at once."""
    folder = Path(tempfile.mkdtemp(prefix="huracan-"))
    EmbeddedServer(folder).start()
    EmbeddedServer(folder).stop()
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def new_home() -> Iterator[Path]:
    """An empty home; its server is stopped at the end."""
    folder = Path(tempfile.mkdtemp(prefix="huracan-"))
    yield folder
    EmbeddedServer(folder).stop()
    shutil.rmtree(folder)


@pytest.fixture
def home(set_up: Path, new_home: Path) -> Path:
    """A home with a stopped server of its own."""
    _copy(set_up, new_home)
    return new_home


def _copy(source: Path, target: Path) -> None:
    target.mkdir(exist_ok=True)
    subprocess.run(["cp", "-a", str(source / "postgres"), str(target)], check=True)


def _ask(url: str, question: str = "SELECT 1", **changed: str) -> object:
    parsed = make_url(url)
    words = {
        "host": parsed.query["host"],
        "port": parsed.query["port"],
        "user": parsed.username,
        "password": parsed.password,
        "dbname": parsed.database,
    }
    connection = psycopg2.connect(**{**words, **changed})
    try:
        with connection.cursor() as cursor:
            cursor.execute(question)
            return cursor.fetchone()[0]
    finally:
        connection.close()


def test_start_and_stop_are_idempotent_and_keep_the_data(home: Path) -> None:
    """Starting twice gives one server, stopping twice is fine, and what was written is there after a restart."""
    server = EmbeddedServer(home)
    assert not server.status().running
    url = server.start()
    pid = server.status().pid
    assert server.start() == url
    assert server.status().pid == pid
    _ask(url, "CREATE TABLE kept AS SELECT 7 AS n; COMMIT; SELECT 1")
    assert server.stop()
    assert not server.stop()
    assert not server.status().running
    assert _ask(server.start(), "SELECT n FROM kept") == 7


def test_nobody_gets_in_without_the_password(home: Path) -> None:
    """A wrong or missing password is refused, nothing listens on TCP, and the secret is readable by its owner only."""
    server = EmbeddedServer(home)
    url = server.start()
    for password in ("", "wrong"):
        with pytest.raises(psycopg2.OperationalError, match="password"):
            _ask(url, password=password, passfile="/dev/null")
    assert _ask(url, "SELECT current_setting('listen_addresses')") == ""
    assert _ask(url, "SELECT rolpassword LIKE 'SCRAM-SHA-256$%' FROM pg_authid WHERE rolname = 'huracan'") is True
    assert stat.S_IMODE((home / "postgres" / "password").stat().st_mode) == 0o600
    for folder in ("data", "socket"):
        assert stat.S_IMODE((home / "postgres" / folder).stat().st_mode) == 0o700


def test_the_server_never_runs_as_root(home: Path) -> None:
    """Whoever starts it, the server's process belongs to an ordinary user."""
    server = EmbeddedServer(home)
    server.start()
    assert psutil.Process(server.status().pid).uids().effective != 0


def test_an_ordinary_user_can_start_it(new_home: Path) -> None:
    """Without root the server runs as the user who starts it (as root this test steps down to `nobody` first)."""
    uid = os.geteuid() or pwd.getpwnam("nobody").pw_uid
    os.chown(new_home, uid, -1)
    words = [sys.executable, "-c", PROGRAM_OF_USER, str(new_home), str(uid)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, f"{uid}\n"), done.stderr


def test_two_processes_starting_at_once_share_one_server(new_home: Path) -> None:
    """Several processes that start a new server at the same moment all end with the same URL, and one server runs."""
    words = [sys.executable, "-c", PROGRAM, str(new_home)]
    racers = [subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    results = [racer.communicate(timeout=120) for racer in racers]
    assert [racer.returncode for racer in racers] == [0, 0, 0], results
    assert {out for out, _ in results} == {EmbeddedServer(new_home).url() + "\n"}
    assert _ask(EmbeddedServer(new_home).url()) == 1


def test_it_recovers_after_a_sigkill(home: Path) -> None:
    """After its process is killed outright, with its pid file left, the next start recovers what was committed."""
    server = EmbeddedServer(home)
    url = server.start()
    _ask(url, "CREATE TABLE kept AS SELECT 7 AS n; COMMIT; SELECT 1")
    pid = server.status().pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    psutil.wait_procs([psutil.Process(pid)] if psutil.pid_exists(pid) else [], timeout=10)
    assert (home / "postgres" / "data" / "postmaster.pid").exists()
    assert not server.status().running
    assert _ask(server.start(), "SELECT n FROM kept") == 7


def test_a_process_left_by_a_killed_server_is_waited_for_and_named(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While an orphan of a killed server still lives, a start says which process; once it is gone, it works."""
    server = EmbeddedServer(home)
    url = server.start()
    pid = server.status().pid
    assert pid is not None
    orphan = next(child for child in psutil.Process(pid).children() if "checkpointer" in child.cmdline()[0])
    orphan.suspend()
    os.kill(pid, signal.SIGKILL)
    monkeypatch.setattr(memory_server, "ORPHAN_WAIT_S", 0.2)
    try:
        with pytest.raises(DatabaseError, match=rf"\[.*{orphan.pid}.*\] of a killed database server still use"):
            server.start()
    finally:
        orphan.resume()
    monkeypatch.setattr(memory_server, "ORPHAN_WAIT_S", 30.0)
    assert server.start() == url
    assert _ask(url) == 1


def test_a_stale_pid_that_another_program_now_has_does_not_stop_it(home: Path) -> None:
    """A left-over pid file that names a living process which is no database server is recognised as stale."""
    server = EmbeddedServer(home)
    server.start()
    server.stop()
    sleeper = subprocess.Popen(
        ["sleep", "600"], user=(home / "postgres" / "data").stat().st_uid if os.geteuid() == 0 else None
    )
    try:
        lines = (
            str(sleeper.pid),
            str(home / "postgres" / "data"),
            "1",
            "5432",
            str(home / "postgres/socket"),
            "",
            "1 1",
            "ready",
        )
        (home / "postgres" / "data" / "postmaster.pid").write_text("\n".join(lines) + "\n")
        assert not server.status().running
        assert _ask(server.start()) == 1
    finally:
        sleeper.kill()
        sleeper.wait()


def test_a_home_that_was_removed_under_its_server_begins_anew(new_home: Path) -> None:
    """The server without files ends before the new one starts, and so cannot take away its socket later."""
    server = EmbeddedServer(new_home)
    server.start()
    before = psutil.Process(server.status().pid or 0)
    shutil.rmtree(new_home)
    new_home.mkdir()
    assert _ask(EmbeddedServer(new_home).start()) == 1
    assert not before.is_running()
    assert server.status().pid != before.pid


def test_a_set_up_that_was_cut_off_is_done_again(new_home: Path) -> None:
    """A half-built data folder of a killed first start is thrown away, not used."""
    (new_home / "postgres" / "data.new").mkdir(parents=True)
    (new_home / "postgres" / "data.new" / "PG_VERSION").write_text("18\n")
    assert _ask(EmbeddedServer(new_home).start()) == 1


@pytest.mark.parametrize("name", ["x" * 120, "with space, comma"])
def test_a_long_or_odd_path_moves_the_socket_to_a_private_folder(set_up: Path, new_home: Path, name: str) -> None:
    """A home whose path no socket can bear works: the socket lies in a short folder that only its owner may enter."""
    _copy(set_up, new_home / name)
    server = EmbeddedServer(new_home / name)
    try:
        assert _ask(server.start()) == 1
        sockets = server.status().socket_folder
        assert len(str(sockets)) < 60
        assert stat.S_IMODE(sockets.stat().st_mode) == 0o700
    finally:
        server.stop()
        shutil.rmtree(server.status().socket_folder)


def test_a_socket_folder_that_others_can_enter_is_refused(set_up: Path, new_home: Path) -> None:
    """A folder put in the socket's place with open rights is refused by name, and no server is left running."""
    _copy(set_up, new_home / ("x" * 120))
    server = EmbeddedServer(new_home / ("x" * 120))
    sockets = server.status().socket_folder
    sockets.mkdir()
    sockets.chmod(0o777)
    try:
        with pytest.raises(DatabaseError, match=sockets.name):
            server.start()
        assert not server.status().running
    finally:
        shutil.rmtree(sockets)


def test_ports_of_the_environment_do_not_confuse_it(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """PGPORT, PGDATA and their like, meant for another Postgres, change nothing."""
    for name, value in (("PGPORT", "1"), ("PGDATA", "/nowhere"), ("PGHOST", "/nowhere"), ("PGDATABASE", "other")):
        monkeypatch.setenv(name, value)
    assert _ask(EmbeddedServer(home).start()) == 1


@pytest.mark.parametrize("mark", ["RAY_RAYLET_PID", "RAY_JOB_ID", "RAY_JOB_CONFIG_JSON_ENV_VAR"])
def test_a_ray_process_uses_it_but_never_starts_it(
    set_up: Path, new_home: Path, mark: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a Ray worker or a submitted job a stopped server is an error that says what to do; a running one is used."""
    monkeypatch.setenv(mark, "1")
    assert in_ray_process()
    with pytest.raises(DatabaseError, match="huracan db upgrade"):
        EmbeddedServer(new_home).start()
    assert list(new_home.iterdir()) == []
    monkeypatch.delenv(mark)
    _copy(set_up, new_home)
    url = EmbeddedServer(new_home).start()
    monkeypatch.setenv(mark, "1")
    assert EmbeddedServer(new_home).start() == url


def test_a_home_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    """A file where the folder should be is refused with its path and the setting to change."""
    (tmp_path / "file").write_text("")
    with pytest.raises(DatabaseError, match="set HURACAN_HOME") as caught:
        EmbeddedServer(tmp_path / "file").start()
    assert "\n" not in str(caught.value)


@contextmanager
def full_disk(largest_bytes: int) -> Iterator[None]:
    """Let no file of this process or one it starts grow past a size: a full disk without a disk of one's own."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_disk_without_room_for_a_first_set_up_is_one_line(new_home: Path) -> None:
    """A set-up that the disk ends says so with the place and the remedy; with room the same home is set up."""
    with (
        full_disk(1_000_000),
        pytest.raises(DatabaseError, match=r"no room for the database in .*; free 100 MB") as caught,
    ):
        EmbeddedServer(new_home).start()
    assert str(new_home) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not EmbeddedServer(new_home).is_set_up()
    assert _ask(EmbeddedServer(new_home).start()) == 1


def test_a_disk_that_fills_later_is_one_line(home: Path) -> None:
    """A server that cannot start for want of room, and one that runs out of it at work, say the same."""
    with full_disk(20_000), pytest.raises(DatabaseError, match="no room for the database in") as caught:
        EmbeddedServer(home).start()
    server = EmbeddedServer(home)
    server.start()
    with (
        pytest.raises(DatabaseError) as later,
        server._connect("postgres") as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute("DO $$ BEGIN RAISE disk_full; END $$")
    assert str(later.value) == str(caught.value)
    server.stop()
    (home / "postgres" / "data" / "PG_VERSION").write_text("7\n")
    with pytest.raises(DatabaseError, match="pg_ctl failed"):  # the older words in the log are not taken for new ones
        server.start()


@pytest.mark.parametrize(
    ("said", "full"),
    [
        ('FATAL: could not write to file "pg_wal/xlogtemp.24264": No space left on device child process exited', True),
        ('could not extend file "base/5/1": Disk quota exceeded', True),
        ('initdb: error: could not create directory "/x": Permission denied', False),
    ],
)
def test_the_words_of_a_full_disk_are_known(said: str, full: bool) -> None:
    """No space and no quota are told from other failures of Postgres's programs by the system's own words."""
    assert memory_server._ran_out_of_room(said) is full


def test_a_lost_password_file_is_one_line(home: Path) -> None:
    """Without its password file the server is not reachable, and the error names the file."""
    server = EmbeddedServer(home)
    server.start()
    (home / "postgres" / "password").rename(home / "kept")
    with pytest.raises(DatabaseError, match="password"):
        server.url()
    (home / "kept").rename(home / "postgres" / "password")


def test_the_server_outlives_the_process_that_started_it(home: Path) -> None:
    """The command that started it ends, also by Ctrl-C, and the server still answers."""
    program = PROGRAM + "import time; time.sleep(600)"
    starter = subprocess.Popen(
        [sys.executable, "-c", program, str(home)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    assert starter.stdout is not None
    starter.stdout.readline()
    os.killpg(starter.pid, signal.SIGINT)
    starter.communicate(timeout=30)
    time.sleep(0.2)
    assert _ask(EmbeddedServer(home).url()) == 1


@pytest.mark.ray
def test_a_real_ray_worker_knows_what_it_is() -> None:
    """What Ray puts into the environment of its workers is what the refusal looks for; the driver has none of it."""
    from huracan.learn.cluster import ray_session

    with ray_session(RaySettings(num_cpus=1, object_store_mb=80)):
        import ray

        assert ray.get(ray.remote(in_ray_process).options(num_cpus=1).remote(), timeout=60)
        assert not in_ray_process()

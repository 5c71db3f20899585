"""A Ray head of our own: a daemon on loopback with token authentication, remembered under HURACAN_HOME.

`ray start --head --block` in a session of its own is that daemon. Whoever ends the head ends that session: every
process that Ray started for it, and no other one on this machine.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import psutil

from huracan.config import Settings
from huracan.errors import ConfigError, ServeError
from huracan.logs import get_logger
from huracan.ray_env import prepare_ray_environment, write_ray_token
from serve.names import NAMESPACE
from serve.surroundings import runtime_env

__all__ = [
    "Head",
    "ask_dashboard",
    "find_head",
    "free_port",
    "joined",
    "processes",
    "start_head",
    "stop_head",
    "tell_dashboard",
]

_SETTING: Final = "HURACAN__"
"""Settings, and keys of accounts: each part is given its own; jobs of the cluster would inherit them from the head."""
_FOLDER_MAX: Final = 40  # Ray puts sockets under it, whose paths hold 107 bytes
_START_S: Final = 120.0
_STOP_S: Final = 30.0
_GRACE_S: Final = 3.0
_PAUSE_S: Final = 0.2
_JOB_STOP_S: Final = "60"
_HTTP_S: Final = 5.0
_TELL_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Head:
    """A head that was started here.

    Attributes:
        pid: of its first process, which leads its session.
        created_s: when that process began, by which it is told from a later one of the same number.
        address: of the cluster, host:port.
        dashboard: URL of the dashboard and of the jobs' API.
        folder: of Ray's sessions, logs and sockets.
    """

    pid: int
    created_s: float
    address: str
    dashboard: str
    folder: str

    @property
    def runs(self) -> bool:
        """Return whether its first process still runs."""
        try:
            process = psutil.Process(self.pid)
            return process.create_time() == self.created_s and process.status() != psutil.STATUS_ZOMBIE
        except psutil.Error:
            return False


def find_head(home: Path) -> Head | None:
    """Return the head that was started for this HURACAN_HOME, None when there is none; one that died is returned too.

    Raises:
        ConfigError: what is remembered of it cannot be read.
    """
    path = _file(home)
    try:
        return Head(**json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError) as error:
        raise ConfigError(f"{path} holds no head of a cluster ({error}); end it by hand and remove the file") from None


def start_head(settings: Settings, home: Path) -> Head:
    """Start a head and return when cluster and dashboard answer; one that died here before is cleared away.

    Raises:
        ConfigError: a port is taken, or the files cannot be written.
        ServeError: it does not answer in the time that a slow machine needs.
    """
    if (before := find_head(home)) is not None:
        stop_head(before, home)
    prepare_ray_environment()
    write_ray_token()
    folder, log = _folder(home), home / "ray" / "head.log"
    dashboard_port = settings.serve.dashboard_port or free_port()
    for port, name in ((dashboard_port, "serve.dashboard_port"), (settings.serve.port, "serve.port")):
        _check_free(port, name)
    address = f"127.0.0.1:{free_port()}"
    with open(log, "w", encoding="utf-8", opener=_private) as file:
        process = subprocess.Popen(  # noqa: S603 - our own words
            _words(settings, address, dashboard_port, folder),
            env=_environment(os.environ, home),
            cwd=home,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    created_s = psutil.Process(process.pid).create_time()
    head = Head(process.pid, created_s, address, f"http://127.0.0.1:{dashboard_port}", str(folder))
    _keep(home, head)
    try:
        _wait(process, head, log)
    except BaseException:
        stop_head(head, home)
        raise
    get_logger().info("ray.started", address=address, dashboard=head.dashboard, pid=head.pid)
    return head


def _words(settings: Settings, address: str, dashboard_port: int, folder: Path) -> list[str]:
    host, _, port = address.partition(":")
    words = [
        *(str(Path(sys.executable).with_name("ray")), "start", "--head", "--block", "--disable-usage-stats"),
        *("--node-ip-address", host, "--port", port, "--temp-dir", str(folder)),
        *("--dashboard-host", host, "--dashboard-port", str(dashboard_port)),
        *("--ray-client-server-port", str(free_port()), "--dashboard-agent-listen-port", "0"),
        *("--min-worker-port", "0", "--max-worker-port", "0"),
        *("--object-store-memory", str(settings.ray.object_store_mb * 2**20)),
    ]
    if settings.ray.num_cpus is not None:
        words += ["--num-cpus", str(settings.ray.num_cpus)]
    return words


def _environment(environ: Mapping[str, str], home: Path) -> dict[str, str]:
    kept = {name: value for name, value in environ.items() if not name.startswith(_SETTING)}
    own = {"RAY_JOB_STOP_WAIT_TIME_S": _JOB_STOP_S, "RAY_USAGE_STATS_ENABLED": "0"}
    return {**own, **kept, **runtime_env(home)["env_vars"]}


def _folder(home: Path) -> Path:
    """Return a new folder for Ray's sessions inside one that is its owner's alone: Ray opens its own to everybody."""
    try:
        (home / "ray").mkdir(mode=0o700, parents=True, exist_ok=True)
        (home / "ray").chmod(0o700)
        if len(str(home)) + len("/ray/s") <= _FOLDER_MAX:
            return home / "ray" / "s"
        return Path(tempfile.mkdtemp(prefix="huracan-")) / "s"
    except OSError as error:
        raise ConfigError(f"no folder for Ray under {home}: {error.strerror}; set HURACAN_HOME") from None


def _wait(process: "subprocess.Popen[bytes]", head: Head, log: Path) -> None:
    """Return when cluster and dashboard answer."""
    give_up_s = time.monotonic() + _START_S
    while not _has_node(head):
        if process.poll() is not None:
            lines = [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
            raise ConfigError(f"Ray did not start: {lines[-1] if lines else 'it said nothing'}; see {log}")
        if time.monotonic() > give_up_s:
            raise ServeError(f"Ray did not answer within {_START_S:g} s: the machine is too busy, or see {log}")
        time.sleep(_PAUSE_S)


def _has_node(head: Head) -> bool:
    found = ask_dashboard(head.dashboard, "/api/v0/nodes") if _listens(head.address) else None
    rows = (((found or {}).get("data") or {}).get("result") or {}).get("result") or []
    return any(row.get("state") == "ALIVE" for row in rows)


def ask_dashboard(url: str, path: str) -> Any:
    """Return the dashboard's answer to a question that needs the token, None when it has none."""
    request = urllib.request.Request(url + path, headers=_token_header(os.environ))  # noqa: S310 - loopback
    try:
        with urllib.request.urlopen(request, timeout=_HTTP_S) as reply:  # noqa: S310 - as above
            return json.load(reply)
    except (OSError, ValueError):
        return None


def tell_dashboard(url: str, method: str, path: str, body: Any = None) -> str | None:
    """Tell the dashboard something that needs the token; return what it had against it, None when it had nothing."""
    headers = {"Content-Type": "application/json", **_token_header(os.environ)}
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url + path, data, headers, method=method)  # noqa: S310 - loopback
    try:
        urllib.request.urlopen(request, timeout=_TELL_S).close()  # noqa: S310 - as above
    except urllib.error.HTTPError as error:
        words = error.read().decode(errors="replace").strip().splitlines()
        return words[-1] if words else f"HTTP {error.code}"
    except OSError as error:
        return str(error)
    return None


def _token_header(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the header by which the cluster knows its owner; empty without authentication."""
    if environ.get("RAY_AUTH_MODE") != "token":
        return {}
    token = environ.get("RAY_AUTH_TOKEN") or Path(environ["RAY_AUTH_TOKEN_PATH"]).read_text(encoding="utf-8")
    return {"Authorization": f"Bearer {token.strip()}"}


def stop_head(head: Head, home: Path) -> None:
    """End a head with every process of its session, and forget it; nothing happens when it has ended already."""
    members = processes(head)
    if head.runs:
        with suppress(psutil.Error):
            leader = psutil.Process(head.pid)
            leader.terminate()  # it ends what it has started, and then itself
            psutil.wait_procs([leader], timeout=_STOP_S)
    _, left = psutil.wait_procs(members, timeout=_GRACE_S)
    left = list({*left, *processes(head)})
    for member in left:
        with suppress(psutil.Error):
            member.kill()
    psutil.wait_procs(left, timeout=_STOP_S)
    _file(home).unlink(missing_ok=True)
    get_logger().info("ray.stopped", address=head.address, pid=head.pid, killed=len(left))


def processes(head: Head) -> list[psutil.Process]:
    """Return what runs of a head: its session's members and their children, the first process's own included."""
    try:
        leader = psutil.Process(head.pid)
        if leader.create_time() != head.created_s:
            return []  # another program has the number, and so its session
    except psutil.Error:
        pass  # it died; what it started may live on in its session
    found: dict[int, psutil.Process] = {}
    for process in psutil.process_iter():
        with suppress(psutil.Error, ProcessLookupError):
            if os.getsid(process.pid) == head.pid:
                found |= {one.pid: one for one in (process, *process.children(recursive=True))}
    return list(found.values())


@contextmanager
def joined(address: str) -> Iterator[str]:
    """Join a cluster as a driver for the block and yield the URL of its dashboard.

    Raises:
        ConfigError: it does not answer, or refuses the token.
    """
    prepare_ray_environment()
    import ray

    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        if not _listens(address):
            raise ConnectionError("nothing listens there")
        context = ray.init(address=address, namespace=NAMESPACE, log_to_driver=False, logging_level="ERROR")
    except (OSError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
        words = " ".join(str(error).split())
        raise ConfigError(f"the Ray cluster at {address} cannot be reached: {words}; check ray.address") from None
    try:
        _handle(handlers)
        yield f"http://{context.dashboard_url}"
    finally:
        ray.shutdown()
        _handle(handlers)  # Ray takes them away once more


def _handle(handlers: Mapping[signal.Signals, Any]) -> None:
    for number, handler in handlers.items():
        signal.signal(number, handler)


def free_port() -> int:
    """Return a port of the loopback interface that nothing listens on."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _check_free(port: int, name: str) -> None:
    with closing(socket.socket()) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise ConfigError(f"port {port} is taken ({error.strerror}); set {name} to another") from None


def _listens(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), 1.0).close()
    except OSError:
        return False
    return True


def _file(home: Path) -> Path:
    return home / "ray" / "head.json"


def _keep(home: Path, head: Head) -> None:
    path = _file(home)
    staging = path.with_suffix(".new")
    staging.unlink(missing_ok=True)
    with open(staging, "w", encoding="utf-8", opener=_private) as file:
        json.dump(asdict(head), file)
    os.replace(staging, path)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)

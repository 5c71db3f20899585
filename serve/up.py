"""What stays up, brought up and taken down in order: cluster, feed, monitor, signals; down, the trader comes first.

Both ways may be repeated: what is there is left as it is, what is not is made, and nothing ends that was not started
here.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fcntl import LOCK_EX, LOCK_NB, flock
from pathlib import Path
from typing import Any, Final

import yaml

from huracan.config import Settings
from huracan.errors import ConfigError, RefusedError, ServeError, VenueError
from huracan.logs import get_logger
from huracan.memory import Registry, database_status, database_url, open_database
from huracan.ray_env import given_cluster, prepare_ray_environment
from huracan.signals.auth import read_tokens, token_file
from huracan.signals.selection import select
from serve.cluster import ask_dashboard, find_head, joined, start_head, stop_head, tell_dashboard
from serve.names import APPLICATION, EXECUTION, FEED, MONITOR, NAMESPACE
from serve.surroundings import keep_settings, read_settings, runtime_env, settings_file

__all__ = ["Part", "Served", "Version", "bring_up", "cluster_address", "glance", "look", "take_down"]

CONFIG: Final = Path(__file__).with_name("config.yaml")
APPLICATIONS: Final = "/api/serve/applications/"
_ACTORS: Final = "/api/v0/actors?detail=true"
_UP_S: Final = 180.0
_DOWN_S: Final = 60.0
_PAUSE_S: Final = 0.5
_ANSWER_S: Final = 10.0
_AUTO: Final = "auto"


@dataclass(frozen=True, slots=True)
class Part:
    """One thing that stays up.

    Attributes:
        name: of the actor or application.
        state: Ray's word for how it is; "absent" when there is none.
        ok: it works.
        detail: what is wrong, else empty.
    """

    name: str
    state: str
    ok: bool
    detail: str

    @property
    def there(self) -> bool:
        """Return whether there is such an actor or application."""
        return self.state not in ("absent", "DEAD")


@dataclass(frozen=True, slots=True)
class Version:
    """A version that decides, with its stage and what was proven of it in words."""

    version: str
    scope: str
    standing: str


@dataclass(frozen=True, slots=True)
class Served:
    """What is up.

    Attributes:
        up: cluster, feed, signals and monitor are.
        started: it was this call that brought them up.
        url: of the HTTP endpoint.
        dashboard: of Ray.
        address: of the cluster.
        tokens: file of the endpoint's tokens; `token_count` of them.
        versions: what decides, by the registry; None: the database does not run.
        parts: feed, signals, monitor, trader.
    """

    up: bool
    started: bool
    url: str
    dashboard: str | None
    address: str | None
    tokens: Path
    token_count: int
    versions: tuple[Version, ...] | None
    parts: tuple[Part, ...]


def cluster_address(settings: Settings, home: Path) -> str | None:
    """Return the cluster that is served on: the configured one, else the head started here; None when none runs.

    `auto` is the head started here, else the one that Ray finds on this machine.

    Raises:
        ConfigError: `auto`, and Ray finds several.
    """
    configured = settings.ray.address or given_cluster()
    if configured == _AUTO:
        configured = given_cluster() or _AUTO  # as Ray has it: the variable says which
    if configured is not None and configured != _AUTO:
        return configured
    head = find_head(home)
    if head is not None and head.runs:
        return head.address
    return _only_cluster() if configured == _AUTO else None


def _only_cluster() -> str | None:
    """Return the cluster that has a node on this machine, None when there is none."""
    prepare_ray_environment()
    from ray._private.services import find_gcs_addresses

    find_gcs_addresses.cache_clear()
    found = sorted(find_gcs_addresses())
    if len(found) > 1:
        raise ConfigError(
            f"ray.address is auto and {len(found)} Ray clusters run on this machine: {', '.join(found)}; "
            "set ray.address to the one that is meant"
        )
    return found[0] if found else None


def bring_up(settings: Settings, home: Path) -> Served:
    """Start what is not up, and return when the endpoint answers.

    Raises:
        ConfigError, DatabaseError: what it needs is not usable.
        RefusedError: another `serve up` or `serve down` is under way, or what runs has other settings.
        ServeError: it does not come up in the time that a slow machine needs; what was started is left for a look.
    """
    with _alone(home):
        engine = open_database(settings.database)  # only a command starts the embedded server
        engine.dispose()
        url = database_url(settings.database).get_secret_value()
        address, started = cluster_address(settings, home), False
        if address is None:
            keep_settings(settings, url, home)
            try:
                address, started = start_head(settings, home).address, True
            except BaseException:  # nothing came up that would read it
                settings_file(home).unlink(missing_ok=True)
                raise
        with joined(address) as dashboard:
            if not started:
                _agree(settings, dashboard, home)
                keep_settings(settings, url, home)
            started |= _ensure_feed(home)
            started |= _ensure_monitor(dashboard, home)
            started |= _ensure_application(settings, dashboard, home)
            _wait(dashboard)
    return look(settings, home, started)


def take_down(settings: Settings, home: Path) -> tuple[str, ...]:
    """Stop trading, monitor, signals, feed, and the cluster if it was started here; return what was, in that order.

    Raises:
        RefusedError: another `serve up` or `serve down` is under way.
        VenueError: the trader could not take its entries back; everything is left up.
    """
    stopped: list[str] = []
    with _alone(home):
        address, head = cluster_address(settings, home), find_head(home)
        if address is not None:
            with joined(address) as dashboard:
                stopped += _stop_parts(dashboard)
        if head is not None:
            stopped += ["cluster"] if head.runs else []
            stop_head(head, home)
        settings_file(home).unlink(missing_ok=True)
        _forget_monitor(settings)
    return tuple(stopped)


def _forget_monitor(settings: Settings) -> None:
    """Take away the heartbeat of a monitor that ran here and died before it could: nobody is to wait for it now."""
    from huracan.health.store import MONITOR as PROCESS
    from huracan.health.store import monitor_ended
    from huracan.memory.heartbeats import forget_heartbeat, read_heartbeats

    if not database_status(settings.database).running:
        return
    engine = open_database(settings.database)
    try:
        for row in read_heartbeats(engine, PROCESS):
            if monitor_ended(row.holder):
                forget_heartbeat(engine, PROCESS, row.holder)
    finally:
        engine.dispose()


def look(settings: Settings, home: Path, started: bool = False) -> Served:
    """Return what is up; starts nothing."""
    address, dashboard = cluster_address(settings, home), None
    parts: tuple[Part, ...] = ()
    if address is not None:
        with joined(address) as dashboard:
            parts = (_feed(dashboard), _application(dashboard), _monitor(dashboard), _trader(dashboard))
    return Served(
        up=bool(parts) and all(part.ok for part in parts[:3]),
        started=started,
        url=f"http://{settings.serve.host}:{settings.serve.port}",
        dashboard=dashboard,
        address=address,
        tokens=token_file(home),
        token_count=len(read_tokens(token_file(home))),
        versions=_versions(settings),
        parts=parts,
    )


def glance(home: Path) -> tuple[Part, ...] | None:
    """Return how the parts are by Ray's own lists, without joining the cluster: quick, and no part is asked itself.

    None: no cluster that was started here runs. Empty: it runs and does not answer.
    """
    head = find_head(home)
    if head is None or not head.runs:
        return None
    prepare_ray_environment()
    if ask_dashboard(head.dashboard, "/api/version") is None:
        return ()
    return (*(_actor(head.dashboard, name) for name in (FEED, EXECUTION)), _application(head.dashboard))


def _agree(settings: Settings, dashboard: str, home: Path) -> None:
    """Refuse settings that differ from those of what runs: a part that restarts would follow the new ones by itself."""
    parts = (_feed(dashboard), _application(dashboard), _monitor(dashboard), _trader(dashboard))
    running = [part.name for part in parts if part.there]
    if not running or not settings_file(home).exists():
        return
    before, after = read_settings(settings_file(home)).public(), settings.public()
    changed = [
        f"{section}.{name}"
        for section in sorted(after)
        for name in sorted(after[section])
        if section != "database" and after[section][name] != before[section].get(name)
    ]
    if changed:
        raise RefusedError(
            f"{', '.join(running)} run with other settings: {', '.join(changed)}; run `huracan serve down` first"
        )


@contextmanager
def _alone(home: Path) -> Iterator[None]:
    """Let one process at a time change what is up."""
    folder = home / "serve"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = open(folder / "lock", "a", encoding="utf-8")  # noqa: SIM115 - closed below
    except OSError as error:
        raise ConfigError(f"{folder} cannot be written: {error.strerror}; set HURACAN_HOME") from None
    with lock:
        try:
            flock(lock, LOCK_EX | LOCK_NB)
        except BlockingIOError:
            raise RefusedError("another `huracan serve up` or `serve down` is under way; wait for it") from None
        yield


# ---- parts ------------------------------------------------------------------------------------------------------


def _ensure_feed(home: Path) -> bool:
    """Start the feed unless it runs; return whether it was started."""
    import ray

    from serve.feed import Feed

    with suppress(ValueError):
        ray.get_actor(FEED, NAMESPACE)
        return False
    Feed.options(  # type: ignore[attr-defined]
        name=FEED, namespace=NAMESPACE, get_if_exists=True, runtime_env=runtime_env(home)
    ).remote()
    return True


def _ensure_monitor(dashboard: str, home: Path) -> bool:
    """Start the monitor unless it runs; return whether it was started."""
    import ray

    from serve.monitor import OPTIONS, Monitor

    with suppress(ValueError):
        ray.get_actor(MONITOR, NAMESPACE)
        return False
    Monitor.options(  # type: ignore[attr-defined]
        name=MONITOR, namespace=NAMESPACE, get_if_exists=True, runtime_env=runtime_env(home), **OPTIONS
    ).remote(dashboard)
    return True


def _ensure_application(settings: Settings, dashboard: str, home: Path) -> bool:
    """Deploy the endpoint unless it runs; return whether it was deployed."""
    if _application(dashboard).ok:
        return False
    config = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))
    config["http_options"] = {
        **config.get("http_options", {}),
        "host": settings.serve.host,
        "port": settings.serve.port,
    }
    for application in config["applications"]:
        application["runtime_env"] = runtime_env(home)
    problem = tell_dashboard(dashboard, "PUT", APPLICATIONS, config)
    if problem is not None:
        raise ConfigError(f"Ray Serve does not take serve/config.yaml: {problem}")
    return True


def _wait(dashboard: str) -> None:
    """Return when feed, endpoint and monitor work."""
    give_up_s = time.monotonic() + _UP_S
    while True:
        feed, application, monitor = parts = (_feed(dashboard), _application(dashboard), _monitor(dashboard))
        if all(part.ok for part in parts):
            return
        words = "; ".join(f"{part.name} {part.state} {part.detail}".rstrip() for part in parts)
        if application.state in ("DEPLOY_FAILED", "UNHEALTHY") or "DEAD" in (feed.state, monitor.state):
            raise ConfigError(f"it does not come up: {words}; `huracan serve down` clears it away")
        if time.monotonic() > give_up_s:
            raise ServeError(f"it is not up after {_UP_S:g} s: {words}; look at {dashboard}")
        time.sleep(_PAUSE_S)


def _actor(dashboard: str, name: str) -> Part:
    """Return how an actor is, by Ray's own list."""
    found = ask_dashboard(dashboard, f"{_ACTORS}&filter_keys=name&filter_predicates=%3D&filter_values={name}") or {}
    rows = (((found.get("data") or {}).get("result") or {}).get("result")) or []
    rows = [row for row in rows if row["ray_namespace"] == NAMESPACE]
    living = [row for row in rows if row["state"] != "DEAD"] or rows[-1:]
    if not living:
        return Part(name, "absent", False, "")
    state = living[0]["state"]
    return Part(name, state, state == "ALIVE", "" if state == "ALIVE" else _cause(living[0].get("death_cause")))


def _feed(dashboard: str) -> Part:
    """Return how the feed is, by its own word when it answers."""
    import ray

    part = _actor(dashboard, FEED)
    if not part.ok:
        return part
    try:
        answer = ray.get(ray.get_actor(FEED, NAMESPACE).status.remote(), timeout=_ANSWER_S)
    except (ValueError, ray.exceptions.RayError) as error:
        return Part(FEED, "WAITS", False, f"it does not answer ({type(error).__name__})")
    if answer.problem:
        return Part(FEED, "WAITS", False, answer.problem)
    refused = "; ".join(f"{version} is not followed: {reason}" for version, reason in answer.refused.items())
    return Part(FEED, "FOLLOWS", True, refused)


def _monitor(dashboard: str) -> Part:
    """Return how the monitor is, by its own word when it answers."""
    import ray

    part = _actor(dashboard, MONITOR)
    if not part.ok:
        return part
    try:
        answer = ray.get(ray.get_actor(MONITOR, NAMESPACE).status.remote(), timeout=_ANSWER_S)
    except (ValueError, ray.exceptions.RayError) as error:
        return Part(MONITOR, "WAITS", False, f"it does not answer ({type(error).__name__})")
    if answer.problem or not answer.at_ms:
        return Part(MONITOR, "WAITS", False, answer.problem or "it has not looked yet")
    missing = [f"{name} does not answer" for name in (*answer.deaf, *answer.blind)]
    missing += [f"{answer.anomalies} anomalies"] if answer.anomalies else []
    return Part(MONITOR, "WATCHES", True, "; ".join(missing))


def _trader(dashboard: str) -> Part:
    """Return how the trader is, by its own word when it answers; an absent one is well: nobody has started it."""
    import ray

    part = _actor(dashboard, EXECUTION)
    if part.state in ("absent", "DEAD"):
        return Part(EXECUTION, "absent", True, "")
    if not part.ok:
        return part
    try:
        account, _, doing = ray.get(ray.get_actor(EXECUTION, NAMESPACE).status.remote(), timeout=_ANSWER_S)
    except (ValueError, ray.exceptions.RayError) as error:
        return Part(EXECUTION, part.state, False, f"it does not answer ({type(error).__name__})")
    words = f"{account}: {doing.state or ''} {doing.reason}".strip()
    return Part(EXECUTION, str(doing.phase), doing.phase == "TRADING", words)


def _cause(death: Any) -> str:
    if not death:
        return ""
    context = next(iter(death.values())) if isinstance(death, dict) else death
    words = context.get("error_message", context) if isinstance(context, dict) else context
    return " ".join(str(words).split())[-300:]


def _application(dashboard: str) -> Part:
    """Return how the endpoint is, by Serve's own word."""
    found = ask_dashboard(dashboard, APPLICATIONS) or {}
    row = (found.get("applications") or {}).get(APPLICATION)
    if row is None:
        return Part(APPLICATION, "absent", False, "")
    words = [row.get("message") or ""] + [one.get("message") or "" for one in (row.get("deployments") or {}).values()]
    ok = row["status"] == "RUNNING"
    return Part(APPLICATION, row["status"], ok, "" if ok else " ".join(" ".join(words).split())[-300:])


def _stop_parts(dashboard: str) -> list[str]:
    import ray

    stopped = []
    with suppress(ValueError):
        trader = ray.get_actor(EXECUTION, NAMESPACE)
        with suppress(ray.exceptions.RayActorError):  # a dead one has nothing to take back; its brackets rest
            ended = ray.get(trader.stop.remote())
            if ended.reason:
                raise VenueError(f"{ended.reason}; everything is left up, run `huracan serve down` again")
        ray.kill(trader)
        stopped.append(EXECUTION)
    with suppress(ValueError):
        monitor = ray.get_actor(MONITOR, NAMESPACE)
        with suppress(ray.exceptions.RayError):  # a dead one says nothing more, and its heartbeat is missed
            ray.get(monitor.stop.remote(), timeout=_DOWN_S)
        ray.kill(monitor)
        stopped.append(MONITOR)
    if _application(dashboard).state != "absent":
        tell_dashboard(dashboard, "DELETE", APPLICATIONS)
        give_up_s = time.monotonic() + _DOWN_S
        while _application(dashboard).state != "absent" and time.monotonic() < give_up_s:
            time.sleep(_PAUSE_S)
        stopped.append(APPLICATION)
    with suppress(ValueError):
        feed = ray.get_actor(FEED, NAMESPACE)
        with suppress(ray.exceptions.RayError):  # it ends itself, which is its answer
            ray.get(feed.stop.remote(), timeout=_DOWN_S)
        ray.kill(feed)
        stopped.append(FEED)
    get_logger().info("serve.stopped", parts=stopped)
    return stopped


def _versions(settings: Settings) -> tuple[Version, ...] | None:
    """Return what the registry wants served on paper; None when the database does not run."""
    if not database_status(settings.database).running:
        return None
    engine = open_database(settings.database)
    try:
        served = select(Registry(engine).models(), "paper", settings.serve.versions).served
    finally:
        engine.dispose()
    return tuple(Version(model.version, model.scope, model.standing) for model in served)

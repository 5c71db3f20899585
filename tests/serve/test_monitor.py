"""The monitor as a detached Ray actor: it watches, comes back from SIGKILL having lost nothing, waits for Postgres."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import ray
from sqlalchemy import Engine

from huracan.config import RaySettings, load_settings
from huracan.learn.cluster import ray_session
from huracan.logs import ErrorFile, errors_folder
from huracan.memory import EmbeddedServer, connect
from huracan.memory.health_rows import read_errors, read_samples
from huracan.memory.heartbeats import read_heartbeats
from serve.monitor import OPTIONS, Monitor, MonitorAnswer
from serve.names import NAMESPACE
from serve.surroundings import keep_settings, runtime_env
from tests.memory.own_server import own_server

pytestmark = [pytest.mark.slow, pytest.mark.ray, pytest.mark.postgres, pytest.mark.timeout(400)]

NOWHERE = "http://127.0.0.1:1"
INTERVAL_S = 0.5


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedServer]:
    """A database server of this module's own, which it may stop."""
    with own_server() as found:
        yield found


@pytest.fixture(scope="module")
def database(server: EmbeddedServer) -> Iterator[Engine]:
    """An engine on it."""
    engine = connect(server.url())
    yield engine
    engine.dispose()


@pytest.fixture(scope="module")
def home(server: EmbeddedServer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with the settings that `huracan serve up` leaves there."""
    found = tmp_path_factory.mktemp("home")
    keep_settings(load_settings(None, {"health.interval_s": INTERVAL_S}, {}), server.url(), found)
    return found


@pytest.fixture(scope="module")
def monitor(home: Path) -> Iterator[Any]:
    """The actor on a local Ray of this module's own."""
    with ray_session(RaySettings(num_cpus=2, object_store_mb=80)):
        options = {**OPTIONS, "name": "huracan-monitor-tested", "namespace": NAMESPACE}
        actor = Monitor.options(runtime_env=runtime_env(home), **options).remote(NOWHERE)  # type: ignore[attr-defined]
        yield actor
        ray.kill(actor)


def status(actor: Any) -> MonitorAnswer:
    """Return what the actor says; while Ray restarts it that is asked again."""
    give_up_s = time.monotonic() + 90
    while True:
        try:
            found: MonitorAnswer = ray.get(actor.status.remote(), timeout=30)
            return found
        except ray.exceptions.RayError:
            assert time.monotonic() < give_up_s
            time.sleep(0.2)


def until(what: str, find: Callable[[], Any], wait_s: float = 90.0) -> Any:
    """Return what `find` finds, asking until it is there."""
    give_up_s = time.monotonic() + wait_s
    while not (found := find()):
        assert time.monotonic() < give_up_s, f"{what}: not within {wait_s:g} s"
        time.sleep(0.1)
    return found


def test_it_watches_the_cluster_and_says_so(monitor: Any, database: Engine) -> None:
    """Samples of Ray and of a feed that is not there; a heartbeat in its process's name."""
    until("a turn", lambda: status(monitor).at_ms)
    until("samples", lambda: read_samples(database, "ray.nodes"))
    assert next(row.value for row in read_samples(database, "feed.up")) == 0
    (beat,) = read_heartbeats(database)
    found = status(monitor)
    assert beat.holder.endswith(f":{found.pid}")
    assert (found.problem, found.lost, found.waiting) == ("", 0, 0)


def test_killed_it_comes_back_and_has_lost_nothing(monitor: Any, database: Engine, home: Path) -> None:
    """SIGKILL in the middle of things, three times: every error is counted once, and the gap is short."""
    file, written = ErrorFile("trader", errors_folder(home)), 0
    for _ in range(3):
        pid = status(monitor).pid
        end_s = time.monotonic() + 2.0
        while time.monotonic() < end_s:
            file.write("error", "trader.close_unfinished", {"reason": f"number {written}"})
            written += 1
            time.sleep(0.02)
        os.kill(pid, signal.SIGKILL)
        until("a successor", lambda died=pid: status(monitor).pid != died and status(monitor).at_ms)  # type: ignore[misc]
    until(
        "every error", lambda: sum(row.count for row in read_errors(database, 0) if row.process == "trader") >= written
    )
    time.sleep(3 * INTERVAL_S)
    counted = sum(row.count for row in read_errors(database, 0) if row.process == "trader")
    times = [row.at_ms for row in read_samples(database, "database.up")]
    gap_s = max(later - earlier for earlier, later in pairwise(times)) / 1e3
    print(
        f"{written} errors written, {counted} counted, {written - counted} lost; longest gap of samples {gap_s:.1f} s"
    )
    assert counted == written
    assert gap_s < 120.0, "on a machine with nothing else to do about ten seconds"


def test_while_postgres_is_away_it_keeps_everything(monitor: Any, server: EmbeddedServer, database: Engine) -> None:
    """Postgres stopped for some seconds: the samples of that time are there afterwards, and say that it was away."""
    before = len(read_samples(database, "database.up"))
    server.stop()
    database.dispose()
    until("waiting batches", lambda: status(monitor).waiting >= 4)
    assert status(monitor).problem
    server.start()
    until("the end of waiting", lambda: status(monitor).waiting == 0 and not status(monitor).problem)
    rows = read_samples(database, "database.up")[before:]
    away = [row for row in rows if row.value == 0.0]
    print(f"{len(away)} samples of the time without Postgres, {status(monitor).lost} lost")
    assert len(away) >= 4
    assert status(monitor).lost == 0


def test_told_to_stop_nobody_waits_for_it(monitor: Any, database: Engine) -> None:
    """The heartbeat is taken away; the actor itself is ended by whoever told it."""
    ray.get(monitor.stop.remote(), timeout=60)
    assert read_heartbeats(database) == ()

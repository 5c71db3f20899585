"""The monitor's own faults, with real processes: killed, Postgres gone for a minute, a disk that takes nothing.

What was lost is a number, printed and asserted: none.
"""

import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from huracan.errors import DatabaseError
from huracan.logs import ErrorFile, errors_folder
from huracan.memory import EmbeddedServer, connect
from huracan.memory.health_rows import read_errors, read_samples
from huracan.memory.heartbeats import read_heartbeats
from tests.chaos.world import HASTY, Chaos, chaotic
from tests.memory.own_server import own_server
from tests.trader.processes import PROGRAM, ROUND_TRIPS, WAIT_S, until, write_candles

pytestmark = [pytest.mark.postgres, pytest.mark.timeout(1500)]

ACCOUNTS = ("watched",)
INTERVAL_S = 0.5
SILENT_S = "3"
START_S = 240.0
"""A monitor loads what detectors need before it watches: seconds, minutes where many others want the same cores."""


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedServer]:
    """A server that only this module's processes use."""
    with own_server() as found:
        yield found


@pytest.fixture
def engine(server: EmbeddedServer) -> Iterator[Engine]:
    """An engine on it, whose health tables are empty."""
    found = connect(server.url())
    with found.begin() as connection:
        connection.execute(text("TRUNCATE health_signals, anomalies, errors, error_counts, heartbeats CASCADE"))
    yield found
    found.dispose()


@pytest.fixture(scope="module")
def world(server: EmbeddedServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chaos]:
    """An exchange whose trader writes to that server."""
    folder = write_candles(tmp_path_factory.mktemp("candles"))
    with chaotic(tmp_path_factory.mktemp("home"), server.url(), folder, ACCOUNTS) as found:
        yield found


@contextmanager
def monitor(home: Path, url: str, prepare: Callable[[], None] | None = None) -> Iterator["subprocess.Popen[str]"]:
    """Run a monitor that has begun to watch; ended at the end of the block when it still runs."""
    kept = {"PATH": str(Path(sys.executable).parent), "HURACAN_HOME": str(home), "HURACAN__DATABASE__URL": url}
    given = {"HURACAN__HEALTH__INTERVAL_S": str(INTERVAL_S), "HURACAN__HEALTH__MONITOR_SILENT_S": SILENT_S}
    with (home / f"monitor-{time.monotonic_ns()}.err").open("w") as errors:
        process = subprocess.Popen(
            [PROGRAM, "monitor", "run", "--json"],
            env=kept | given, stdout=subprocess.PIPE, stderr=errors, text=True, preexec_fn=prepare,
        )  # fmt: skip
    try:
        assert process.stdout is not None
        assert process.stdout.readline()
        yield process
    finally:
        process.terminate()
        process.wait(WAIT_S)


def times(engine: Engine) -> list[int]:
    """Return when the database was asked, ms: once a turn."""
    return [row.at_ms for row in read_samples(engine, "database.up")]


def counted(engine: Engine, process: str) -> int:
    """Return the errors of a process that are counted."""
    return sum(row.count for row in read_errors(engine, 0) if row.process == process)


def nothing_lost(engine: Engine, written: int, what: str) -> None:
    """Assert that every error is counted once and no sample was lost, and print what was lost as a number."""
    until("every error", lambda: counted(engine, "tested") >= written, START_S)
    time.sleep(4 * INTERVAL_S)
    found, gap_s = counted(engine, "tested"), max(later - earlier for earlier, later in pairwise(times(engine))) / 1e3
    (lost,) = {row.value for row in read_samples(engine, "monitor.lost")} or {0.0}
    print(
        f"{what}: {written - found} of {written} errors lost, {lost:.0f} samples lost, "
        f"{len(times(engine))} turns, longest pause between two {gap_s:.1f} s"
    )
    assert (found, lost) == (written, 0)


def outage(server: EmbeddedServer, engine: Engine, home: Path, seconds: float) -> None:
    """Have Postgres gone for some time while errors go on and the monitor watches; count what is there afterwards."""
    file = ErrorFile("tested", errors_folder(home))
    with monitor(home, server.url()) as process:
        until("a turn", lambda: len(times(engine)) >= 2, START_S)
        before = len(times(engine))
        server.stop()
        engine.dispose()
        begun_s, written = time.monotonic(), 0
        while time.monotonic() - begun_s < seconds:
            file.write("error", "tested.fails", {"reason": f"number {written}"})
            written += 1
            time.sleep(0.05)
        server.start()
        nothing_lost(engine, written, f"Postgres gone for {seconds:g} s")
        away = [row for row in read_samples(engine, "database.up")[before:] if row.value == 0.0]
        print(f"{len(away)} turns of the time without Postgres were written afterwards")
        assert len(away) >= seconds / INTERVAL_S / 4
        with engine.connect() as connection:
            rows = connection.execute(text("SELECT detector, ended_at FROM anomalies WHERE detector = 'database_away'"))
            found = rows.all()
        assert (len(found) == 1) == (seconds > 20.0), "what the user is told when it lasts: that Postgres was away"
        assert process.poll() is None


def test_postgres_gone_for_some_seconds_costs_nothing(server: EmbeddedServer, engine: Engine, tmp_path: Path) -> None:
    """Every turn of that time and every error is in the database afterwards."""
    outage(server, engine, tmp_path, 4.0)


@pytest.mark.slow
def test_postgres_gone_for_a_minute_costs_nothing(server: EmbeddedServer, engine: Engine, tmp_path: Path) -> None:
    """The same, for sixty seconds of the wall's clock; the anomaly that was seen meanwhile is written as well."""
    outage(server, engine, tmp_path, 60.0)


@pytest.mark.slow
def test_a_killed_monitor_costs_nothing_but_the_time_that_it_is_dead(
    server: EmbeddedServer, engine: Engine, tmp_path: Path
) -> None:
    """SIGKILL at any moment of a turn, three times; errors written meanwhile are counted once by the next one."""
    file, written = ErrorFile("tested", errors_folder(tmp_path)), 0
    for number in range(3):
        with monitor(tmp_path, server.url()) as process:
            until("a heartbeat", lambda pid=process.pid: any(  # type: ignore[misc]
                row.holder.endswith(f":{pid}") for row in read_heartbeats(engine)
            ), START_S)  # fmt: skip
            end_s = time.monotonic() + 0.6 + 0.21 * number
            while time.monotonic() < end_s:
                file.write("error", "tested.fails", {"reason": f"number {written}"})
                written += 1
                time.sleep(0.01)
            process.kill()
            process.wait()
    with monitor(tmp_path, server.url()):
        nothing_lost(engine, written, "killed three times")


def _no_files() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))  # the kernel refuses every byte that a file would grow by


@pytest.mark.slow
def test_a_disk_that_takes_nothing_costs_nothing(server: EmbeddedServer, engine: Engine, tmp_path: Path) -> None:
    """No file may grow by a byte; Postgres takes what memory holds, also after it was away itself."""
    file = ErrorFile("tested", errors_folder(tmp_path))
    with monitor(tmp_path, server.url(), _no_files) as process:
        until("a turn", lambda: len(times(engine)) >= 2, START_S)
        for number in range(20):
            file.write("error", "tested.fails", {"reason": f"number {number}"})
        nothing_lost(engine, 20, "no disk")
        server.stop()
        engine.dispose()
        for number in range(20, 60):
            file.write("error", "tested.fails", {"reason": f"number {number}"})
            time.sleep(0.1)
        server.start()
        nothing_lost(engine, 60, "no disk, and no Postgres for four seconds")
        assert process.poll() is None
        assert not list((tmp_path / "health" / "buffer").glob("*.json"))


@pytest.mark.slow
def test_a_trader_takes_no_new_risk_while_its_monitor_is_dead(world: Chaos, engine: Engine) -> None:
    """Round trips; the monitor is killed: coins are sold, nothing is bought; another monitor, and it buys again."""
    limit = ("--set", "health.interval_s=0.5", "--set", f"health.monitor_silent_s={SILENT_S}")

    def bought() -> int:
        return sum(str(trade.side) == "BUY" for trade in world.trades("watched"))

    def denied() -> int:
        with engine.connect() as connection:
            found = connection.execute(text("SELECT count(*) FROM intents WHERE code = 'NO_MONITOR'"))
            return int(found.scalar_one())

    with world.trader("watched", ROUND_TRIPS, *HASTY, *limit) as (trader, _):
        until("a purchase without any monitor", bought)
        with monitor(world.home, world.database_url) as process:
            before = bought()
            until("a purchase under watch", lambda: bought() > before)
            process.kill()
            process.wait()
        killed_s = time.monotonic()
        until("denials", lambda: denied() >= 3)
        print(f"entries were denied {time.monotonic() - killed_s:.1f} s after the monitor was killed, or earlier")
        until("no coins held", lambda: not [row for row in world.status("watched").positions if "BTC" in row.symbol])
        held = bought()
        assert denied() >= 3
        with monitor(world.home, world.database_url):
            until("a purchase under the next one", lambda: bought() > held, START_S)
        # stopped as it should be: nobody waits for it
        before = bought()
        until("a purchase after it was stopped", lambda: bought() > before)
        trader.send_signal(signal.SIGTERM)
        assert trader.wait(WAIT_S) == 0


def test_a_database_that_never_was_is_said_at_once(tmp_path: Path) -> None:
    """`monitor run` needs it once, to see that it is this version's; afterwards it may come and go."""
    with pytest.raises((AssertionError, DatabaseError)), monitor(tmp_path, "postgresql://nobody@127.0.0.1:1/huracan"):
        pass
    (errors,) = tmp_path.glob("monitor-*.err")
    assert "unreachable" in errors.read_text()

"""The monitor's turn: what is measured, found and written; what fails costs the others nothing; one works at a time."""

import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

from huracan.errors import DatabaseError
from huracan.health.detector import Looked
from huracan.health.monitor import watch_over
from huracan.health.sampling_database import DatabaseSampler
from huracan.health.store import MONITOR
from huracan.logs import ErrorFile
from huracan.memory import lazy_engine
from huracan.memory.health_rows import open_anomalies, read_errors, read_samples
from huracan.memory.heartbeats import read_heartbeats
from tests.health.watching import away, watching

pytestmark = pytest.mark.postgres

AWAY = "postgresql://nobody@127.0.0.1:1/huracan"


@pytest.fixture(autouse=True)
def _empty(database: Engine) -> None:
    with database.begin() as connection:
        connection.execute(text("TRUNCATE health_signals, anomalies, errors, error_counts, heartbeats CASCADE"))


def test_a_turn_measures_looks_writes_acts_and_tells(database: Engine, tmp_path: Path) -> None:
    """A silent market: a sample, an anomaly, a remedy that was told of it, a notice, a heartbeat; then it ends."""
    acted: list[tuple[str, ...]] = []

    def act(looked: Looked, now_ms: int) -> Sequence[str]:
        acted.append(tuple(one.anomaly.subject for one in open_anomalies(database)))
        return [f"remedy {one.subject}" for one in looked.anomalies]

    world = watching(database, tmp_path, act)
    world.feed.wrong = ("BTC/USDT",)
    turn = world.monitor.turn()
    assert (turn.database, turn.other, turn.waiting, turn.lost, turn.blind, turn.deaf) == ("", "", 0, 0, {}, {})
    assert [row.value for row in read_samples(database, "feed.candle_age_s")] == [1.5]
    assert world.window.newest("feed.candle_age_s", "BTC/USDT") is not None
    assert {row.name for row in turn.samples} >= {
        "database.up",
        "monitor.cpu_frac",
        "monitor.memory_mb",
        "monitor.blind",
    }
    assert [one.anomaly.subject for one in open_anomalies(database)] == ["BTC/USDT"]
    assert acted == [("BTC/USDT",)], "remedies act on what Postgres has"
    assert turn.acted == ("remedy BTC/USDT",)
    assert world.told.taken[0][0] == ("BTC/USDT",)
    assert {"feed_silent", "win_rate"} <= (world.told.taken[0][1] or frozenset())
    (beat,) = read_heartbeats(database, MONITOR)
    assert (beat.holder, beat.detail["waiting"]) == (world.monitor.holder, 0)
    world.feed.wrong = ()
    world.monitor.turn()
    assert open_anomalies(database) == ()
    assert world.told.turns == 2
    world.monitor.close()
    assert read_heartbeats(database) == (), "it ended as it should"
    assert world.told.closed


def test_while_postgres_is_away_it_watches_on_and_loses_nothing(database: Engine, tmp_path: Path) -> None:
    """What the window shows is seen and told, what only Postgres knows stands; afterwards everything is written."""
    world = watching(lazy_engine(AWAY, 1), tmp_path)
    world.feed.wrong = ("BTC/USDT",)
    for number in range(5):
        turn = world.monitor.turn()
        assert (turn.waiting, turn.lost, turn.acted) == (number + 1, 0, ())
        assert "unreachable" in turn.database
    assert world.stored.looks == 0, "it would wait for Postgres"
    assert world.told.taken[-1][0] == ("BTC/USDT",)
    assert "win_rate" not in (world.told.taken[-1][1] or frozenset())
    world.monitor.close()
    back = watching(database, tmp_path)
    turn = back.monitor.turn()
    assert (turn.waiting, turn.lost) == (0, 0)
    assert [row.value for row in read_samples(database, "database.up")] == [0.0] * 5 + [1.0]
    assert len(read_samples(database, "feed.candle_age_s")) == 6
    back.monitor.close()


@pytest.mark.parametrize("fault", [DatabaseError("gone"), ZeroDivisionError("a defect")])
def test_a_part_that_fails_costs_the_others_nothing(database: Engine, tmp_path: Path, fault: Exception) -> None:
    """Its anomalies stand, for nobody has looked; it is a figure, and told when it lasts."""
    world = watching(database, tmp_path)
    world.feed.wrong = world.stored.wrong = ("BTC/USDT",)
    world.monitor.turn()
    world.feed.fault = fault
    turn = world.monitor.turn()
    assert set(turn.blind) == {"feed_silent"}
    assert set(turn.deaf) == {"feed"}
    assert {one.anomaly.detector for one in open_anomalies(database)} == {"feed_silent", "win_rate"}
    figures = {row.name: row.value for row in turn.samples}
    assert (figures["monitor.blind"], figures["monitor.deaf"]) == (1, 1)
    world.monitor.close()


@pytest.mark.parametrize("part", ["remedies", "writer"])
def test_a_monitor_that_cannot_act_counts_as_none_until_it_can(
    database: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    """It says so, beats no more, gives way to another one, and beats again when it works."""
    faults: list[Exception] = [ZeroDivisionError("a defect")]

    def act(looked: Looked, now_ms: int) -> Sequence[str]:
        for fault in faults:
            raise fault
        return ()

    monkeypatch.setattr("huracan.health.self_check._ACTING_MS", 0)
    monkeypatch.setattr("huracan.health.monitor._IDLE_S", 0.1)
    world = watching(database, tmp_path, act if part == "remedies" else None)
    drain = world.writer.drain
    if part == "writer":
        monkeypatch.setattr(world.writer, "drain", away)
    world.monitor.turn()
    (first,) = read_heartbeats(database, MONITOR)
    turn = world.monitor.turn()
    assert [(one.subject, one.severity) for one in turn.anomalies] == [(part, "critical")]
    asked, world.monitor._database = world.monitor._database, DatabaseSampler(lazy_engine(AWAY, 1))
    world.monitor.turn()  # nobody can try: it works no more than before
    world.monitor._database = asked
    time.sleep(0.15)
    before_s = time.monotonic()
    world.monitor.turn()
    (silent,) = read_heartbeats(database, MONITOR)
    assert silent.age_s > time.monotonic() - before_s + 0.1, "it has not beaten in this turn"
    with database.begin() as connection:
        connection.execute(
            text("UPDATE heartbeats SET at = clock_timestamp(), detail = :detail"),
            {"detail": '{"holder": "anna@elsewhere:1"}'},
        )
    assert world.monitor.turn().other == "anna@elsewhere:1"
    faults.clear()
    monkeypatch.setattr(world.writer, "drain", drain)
    assert world.monitor.turn().other == "anna@elsewhere:1"
    with database.begin() as connection:
        connection.execute(text("TRUNCATE heartbeats"))
    assert world.monitor.turn().other == ""
    (again,) = read_heartbeats(database, MONITOR)
    assert again.holder == first.holder == world.monitor.holder
    assert world.monitor.turn().anomalies == ()
    world.monitor.close()


def test_warnings_and_errors_of_other_processes_are_counted_once(database: Engine, tmp_path: Path) -> None:
    """Also when the monitor is killed after it counted them and before it deleted the file."""
    world = watching(database, tmp_path)
    file = ErrorFile("feed", world.errors)
    for number in range(3):
        file.write("error", "feed.waits", {"reason": f"away for {number} s"})
    assert world.monitor.turn().errors == 3
    (found,) = read_errors(database, 0)
    assert (found.count, found.process, found.level, found.event) == (3, "feed", "error", "feed.waits")
    assert list(world.errors.iterdir()) == []
    file.write("error", "feed.waits", {"reason": "away for 7 s"})
    world.monitor.turn()
    world.monitor.close()
    again = watching(database, tmp_path)
    again.monitor.turn()
    assert read_errors(database, 0)[0].count == 4
    again.monitor.close()


def test_a_kill_between_counting_and_deleting_counts_nothing_twice(
    database: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The batch is on disk, the file of errors is still there: the next start knows that it is counted."""
    world = watching(lazy_engine(AWAY, 1), tmp_path)
    ErrorFile("feed", world.errors).write("error", "feed.waits", {"reason": "away"})

    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("huracan.health.errors.Spool.forget", killed)
    with pytest.raises(KeyboardInterrupt):
        world.monitor.turn()
    monkeypatch.undo()
    assert len(list(world.errors.iterdir())) == 1
    world.buffer.close()
    back = watching(database, tmp_path)
    back.monitor.turn()
    back.monitor.turn()
    assert read_errors(database, 0)[0].count == 1
    back.monitor.close()


def test_a_second_monitor_stands_by_until_the_first_is_silent(database: Engine, tmp_path: Path) -> None:
    """It writes nothing of what it would see; when nobody beats any more it works."""
    with database.begin() as connection:
        connection.execute(
            text("""INSERT INTO heartbeats VALUES ('monitor', clock_timestamp(), '{"holder": "anna@elsewhere:1"}')""")
        )
    world = watching(database, tmp_path, silent_s=0.3)
    world.feed.wrong = ("BTC/USDT",)
    turn = world.monitor.turn()
    assert turn.other == "anna@elsewhere:1"
    assert open_anomalies(database) == ()
    assert read_samples(database, "database.up") == ()
    time.sleep(0.35)
    assert world.monitor.turn().other == ""
    assert len(open_anomalies(database)) == 1
    world.monitor.close()


def test_it_turns_until_it_is_told_to_stop(database: Engine, tmp_path: Path) -> None:
    """On a thread, several turns a second; then its heartbeat is taken away."""
    world, stop = watching(database, tmp_path, interval_s=0.05), threading.Event()
    thread = threading.Thread(target=world.monitor.run, args=(stop,))
    thread.start()
    give_up_s = time.monotonic() + 20
    while world.told.turns < 3 and time.monotonic() < give_up_s:
        time.sleep(0.02)
    assert read_heartbeats(database, MONITOR)
    assert world.monitor.still_s < 10
    stop.set()
    thread.join(20)
    assert world.told.turns >= 3
    assert read_heartbeats(database) == ()


def test_a_monitor_that_hangs_is_ended(database: Engine, tmp_path: Path) -> None:
    """One that moves is not, however long it lives."""
    world, stop, ended = watching(database, tmp_path), threading.Event(), threading.Event()
    codes: list[int] = []

    def end(code: int) -> None:
        codes.append(code)
        ended.set()

    thread = threading.Thread(target=watch_over, args=(world.monitor, 0.4, stop, end))
    thread.start()
    for _ in range(8):
        world.monitor.turn()
        time.sleep(0.1)
    assert codes == []
    assert ended.wait(5.0)
    assert codes == [1]
    thread.join(5)
    watch_over(world.monitor, 60.0, _set(), end)
    assert codes == [1]
    world.monitor.close()


def _set() -> threading.Event:
    event = threading.Event()
    event.set()
    return event

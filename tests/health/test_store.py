"""What the monitor writes: nothing is lost while Postgres or the disk is away, and one heart beats at a time."""

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest
from pydantic import SecretStr
from sqlalchemy import Engine, text

from huracan.config import DatabaseSettings, HealthSettings
from huracan.errors import ConfigError, DatabaseError
from huracan.health.buffer import DiskBuffer
from huracan.health.store import HELD_MAX, MONITOR, HealthWriter, Heart, health_engine, monitor_ended
from huracan.memory import lazy_engine
from huracan.memory.health import Anomaly, Sample
from huracan.memory.health_rows import Batch, ErrorGroup, open_anomalies, read_errors, read_samples
from huracan.memory.heartbeats import read_heartbeats
from huracan.trader.access import person

pytestmark = pytest.mark.postgres

T = 1_760_000_040_000
AWAY = "postgresql://nobody@127.0.0.1:1/huracan"


@pytest.fixture(autouse=True)
def _empty(database: Engine) -> None:
    with database.begin() as connection:
        connection.execute(text("TRUNCATE health_signals, anomalies, errors, error_counts, heartbeats CASCADE"))


@pytest.fixture
def buffer(tmp_path: Path) -> Iterator[DiskBuffer]:
    """A buffer of one megabyte."""
    found = DiskBuffer(tmp_path, 1_000_000)
    yield found
    found.close()


def batch(number: int) -> Batch:
    """Return a batch of one sample, whose value is its number."""
    return Batch(uuid4(), T + number, (Sample(T + number, "database", "database.up", "", float(number)),))


def values(engine: Engine) -> list[float]:
    """Return the values written."""
    return [row.value for row in read_samples(engine, "database.up")]


def test_what_waited_while_postgres_was_away_is_written_in_order(database: Engine, buffer: DiskBuffer) -> None:
    """Ten batches without a database, then one with it: eleven samples, the oldest first, and nothing waits."""
    away = HealthWriter(lazy_engine(AWAY, 1), buffer, HealthSettings())
    for number in range(10):
        assert away.keep(batch(number))
        with pytest.raises(DatabaseError):
            away.drain()
    assert (away.waiting, away.lost) == (10, 0)
    back = HealthWriter(database, buffer, HealthSettings())
    back.keep(batch(10))
    assert back.drain()
    assert values(database) == [float(number) for number in range(11)]
    assert (back.waiting, back.lost) == (0, 0)


def test_a_disk_that_takes_nothing_costs_nothing_as_long_as_postgres_does(
    database: Engine, buffer: DiskBuffer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are held in memory, in order, and written from there; or go to the disk when it takes them again."""
    writer = HealthWriter(database, buffer, HealthSettings())

    def full(number: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        for number in range(3):
            assert not writer.keep(batch(number), (f"taken-{number}",))
        assert writer.drain()
        assert values(database) == [0.0, 1.0, 2.0]
        assert not writer.keep(batch(3))
    assert writer.keep(batch(4)), "what was held is on disk before it"
    assert len(buffer.waiting()) == 2
    assert writer.drain()
    assert values(database) == [0.0, 1.0, 2.0, 3.0, 4.0]
    assert writer.lost == 0


def test_without_disk_and_postgres_memory_holds_an_hour_and_the_rest_is_counted(
    buffer: DiskBuffer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The oldest are given up."""
    writer = HealthWriter(lazy_engine(AWAY, 1), buffer, HealthSettings())

    def full(number: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    for number in range(HELD_MAX + 7):
        writer.keep(batch(number))
    assert (writer.waiting, writer.lost) == (HELD_MAX, 7)


def test_what_the_schema_refuses_costs_itself_and_stops_nothing(database: Engine, buffer: DiskBuffer) -> None:
    """An anomaly without words, an error of no fingerprint: the turn's others are written; a nameless sample is not."""
    writer = HealthWriter(database, buffer, HealthSettings())
    good = Anomaly("d", "", "A", "critical", "words", "means", None, T)
    bad = (replace(good, subject="B", words=""), replace(good, subject="C", words="nul \0"))
    error = ErrorGroup("0" * 16, "feed", "error", "feed.waits", T, T, T, 1, {})
    writer.keep(
        replace(
            batch(0),
            names=frozenset({"d"}),
            anomalies=(*bad, good),
            errors=(replace(error, fingerprint="none"), error),
        )
    )
    nameless = replace(batch(1), samples=(Sample(T, "database", "", "", 1.0),))
    writer.keep(nameless)
    writer.keep(batch(2))
    assert writer.drain()
    assert values(database) == [0.0, 2.0]
    assert [one.anomaly.subject for one in open_anomalies(database)] == ["A"]
    assert [(one.event, one.count) for one in read_errors(database, 0)] == [("feed.waits", 1)]
    assert writer.lost == 4, "three rows and a sample"
    assert len(list(buffer.folder.glob("*.refused"))) == 1


def test_what_takes_long_goes_on_at_the_next_turn(database: Engine, buffer: DiskBuffer) -> None:
    """A turn is not longer for what has waited."""
    writer = HealthWriter(database, buffer, HealthSettings())
    for number in range(3):
        writer.keep(batch(number))
    assert not writer.drain(0.0)
    assert writer.drain()


def test_what_is_old_is_forgotten_now_and_then(database: Engine, buffer: DiskBuffer) -> None:
    """Samples of long ago; at once after the start, then not for a while."""
    writer = HealthWriter(database, buffer, HealthSettings(signals_days=1.0))
    writer.keep(batch(0))
    assert writer.drain()
    writer.prune()
    assert values(database) == []
    writer.keep(batch(1))
    assert writer.drain()
    writer.prune()
    assert values(database) == [1.0]


def test_the_monitor_starts_no_server_and_no_endless_statement(database: Engine) -> None:
    """Without a URL it refuses; with one its statements end by themselves."""
    with pytest.raises(ConfigError, match="HURACAN__DATABASE__URL"):
        health_engine(DatabaseSettings())
    url = SecretStr(database.url.render_as_string(hide_password=False))
    engine = health_engine(DatabaseSettings(url=url))
    with engine.connect() as connection:
        found = connection.execute(text("SELECT current_setting('statement_timeout'), current_setting('lock_timeout')"))
        assert tuple(found.one()) == ("5s", "5s")
    engine.dispose()


def test_a_monitor_takes_the_place_of_one_that_ended_and_of_no_other(database: Engine) -> None:
    """One that ran here and does no more is known to have ended; another machine's is waited for."""
    heart = Heart(database, 30.0)
    for other, refused in (("anna@elsewhere:1", "anna@elsewhere:1"), (f"{person()}:{_dead()}", "")):
        with database.begin() as connection:
            connection.execute(text("TRUNCATE heartbeats"))
            connection.execute(
                text(
                    """INSERT INTO heartbeats VALUES ('monitor', clock_timestamp(),
                    jsonb_build_object('holder', cast(:other AS text)))"""
                ),
                {"other": other},
            )
        assert heart.beat({"turn": 1}) == refused
    assert [row.holder for row in read_heartbeats(database, MONITOR)] == [heart.holder]
    heart.end()
    assert read_heartbeats(database) == ()
    heart.end()
    Heart(lazy_engine(AWAY, 1), 30.0).end()


def test_who_has_ended_is_known_by_its_process() -> None:
    """A living process of that number that is no monitor counts as ended, one that is does not."""
    assert monitor_ended(f"{person()}:{_dead()}")
    assert not monitor_ended(f"{person()}:{os.getpid()}"), "it is this one"
    assert not monitor_ended("anna@elsewhere:1")
    assert not monitor_ended("nonsense")
    words = [sys.executable, "-c", "import sys; print(1, flush=True); sys.stdin.read()"]
    for more, ended in (((), True), (("huracan", "monitor", "run"), False)):
        with subprocess.Popen([*words, *more], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdout.readline()
            assert monitor_ended(f"{person()}:{process.pid}") is ended
            process.stdin.close()


def _dead() -> int:
    """Return the number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid

"""The deep checks find what they are made for, each on the real thing: a database, files, clocks, heartbeats."""

from collections import namedtuple
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from huracan import __version__
from huracan.config import Settings, load_settings
from huracan.errors import ArtefactError, ConfigError, DatabaseError, RefusedError
from huracan.health import checks
from huracan.health.store import MONITOR
from huracan.memory import Registry, open_run
from huracan.memory.heartbeats import beat
from tests.health.posts import http_post
from tests.health.traded import write_account
from tests.signals.serving import export

pytestmark = pytest.mark.postgres


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("DROP INDEX notices_topic", "index notices.notices_topic is missing"),
        ("ALTER TABLE notices DROP COLUMN body", "column notices.body is missing"),
        ("ALTER TABLE notices ALTER COLUMN body DROP NOT NULL", "column notices.body is another one"),
        ("ALTER TABLE fills ADD COLUMN extra integer", "column fills.extra is not ours"),
        ("DROP TRIGGER fills_fixed ON fills", "trigger fills.fills_fixed is missing"),
        ("ALTER TABLE trade_memory DROP CONSTRAINT trade_memory_identity", "trade_memory_identity is missing"),
        ("CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
         "function refuse_change() is another one"),
    ],
)  # fmt: skip
def test_a_schema_that_somebody_changed_is_found(database: Engine, change: str, words: str) -> None:
    """By what differs; and nothing stays behind of the comparison."""
    with database.connect() as connection:
        before = checks.check_schema(database)
        transaction = connection.begin()
        connection.execute(text(change))
        transaction.commit()
    try:
        with pytest.raises(DatabaseError, match="changed it by hand") as caught:
            checks.check_schema(database)
        assert words in str(caught.value)
    finally:
        _mend(database)
    assert checks.check_schema(database) == before
    with database.connect() as connection:
        assert (
            connection.execute(text("SELECT count(*) FROM pg_namespace WHERE nspname = 'huracan_verify'")).scalar_one()
            == 0
        )


def _mend(database: Engine) -> None:
    with database.begin() as connection:
        for statement in ("DROP SCHEMA public CASCADE", "CREATE SCHEMA public"):
            connection.execute(text(statement))
        from huracan.memory import schema

        schema.run_migrations(connection)


def test_an_artefact_that_was_changed_is_found(database: Engine, tmp_path: Path) -> None:
    """Of versions that decide or may; retired ones do not matter."""
    assert checks.check_artefacts(database, Settings()) == "no versions yet"
    artefact = export(tmp_path / "v1", 1)
    run_id = open_run(database, "train", Settings(), "ab" * 32, __version__)
    Registry(database).register(run_id, "v1", "*", str(tmp_path / "v1"), artefact.sha256, {}, "tests")
    assert checks.check_artefacts(database, Settings()).startswith("1 of 1 versions loaded")
    weights = tmp_path / "v1" / "policy.safetensors"
    damaged = bytearray(weights.read_bytes())
    damaged[-1] ^= 1
    weights.write_bytes(damaged)
    with pytest.raises(ArtefactError, match=r"1 of 1 versions cannot be loaded: v1 \(candidate\)"):
        checks.check_artefacts(database, Settings())
    Registry(database).retire("v1", "tests", "damaged")
    assert checks.check_artefacts(database, Settings()) == "0 of 1 versions loaded and as they were registered"


def test_a_disk_without_room_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Room for the buffers and for Postgres; room for files."""
    assert "GB free" in checks.check_disk(tmp_path, Settings())
    greedy = load_settings(None, {"health.buffer_max_mb": 1e12}, {})
    with pytest.raises(ConfigError, match="may be needed at once"):
        checks.check_disk(tmp_path, greedy)
    facts = namedtuple("facts", "f_files f_favail")(1_000_000, 9_000)
    monkeypatch.setattr(checks, "statvfs", lambda _home: facts)
    with pytest.raises(ConfigError, match="only 9,000 more files"):
        checks.check_disk(tmp_path, Settings())


def test_a_clock_that_is_off_is_found(database: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the database's; half a round trip is given to it."""
    assert "from the database" in checks.check_clock(database, Settings())
    import time

    real = time.time
    monkeypatch.setattr(checks.time, "time", lambda: real() + 2.0)
    with pytest.raises(RefusedError, match=r"\+2,0\d\d ms|\+1,9\d\d ms"):
        checks.check_clock(database, Settings())


def test_an_exchange_that_is_away_is_no_fault_of_the_clock(database: Engine) -> None:
    """It is said."""
    settings = load_settings(None, {"execution.url": "http://127.0.0.1:1"}, {})
    assert "the exchange does not answer" in checks.check_clock(database, settings)


def test_a_monitor_that_is_silent_is_found(database: Engine) -> None:
    """Once one was started; with `always` also when none ever was; with `never` nobody is missed."""
    always, never = (load_settings(None, {"health.monitor_expected": word}, {}) for word in ("always", "never"))
    assert "nobody is expected" in checks.check_heartbeats(database, Settings())
    with pytest.raises(RefusedError, match="none runs"):
        checks.check_heartbeats(database, always)
    beat(database, MONITOR, "anna@home:7", "", 30.0, {})
    assert checks.check_heartbeats(database, always).startswith(f"{MONITOR} 0 s ago")
    with database.begin() as connection:
        connection.execute(text("UPDATE heartbeats SET at = at - interval '1 minute'"))
    with pytest.raises(RefusedError, match="anna@home:7 has been silent for 60 s"):
        checks.check_heartbeats(database, Settings())
    assert checks.check_heartbeats(database, never)
    write_account(database, "main")
    assert checks.check_heartbeats(database, never)
    with database.begin() as connection:
        connection.execute(text("UPDATE account_views SET mode = 'live'"))
    with pytest.raises(RefusedError, match=r"entries of main \(live\) are denied"):
        checks.check_heartbeats(database, never)
    with database.begin() as connection:
        connection.execute(text("DELETE FROM heartbeats"))
    with pytest.raises(RefusedError, match=r"none runs: entries of main \(live\) are denied"):
        checks.check_heartbeats(database, Settings())


def test_an_address_that_is_none_is_found_without_a_word_of_it() -> None:
    """And those that are one are named; nothing is sent."""
    assert "nobody is told" in checks.check_notices(Settings())
    with http_post() as post:
        rows = [{"name": "hook", "url": post.url}]
        assert checks.check_notices(load_settings(None, {"notices.destinations": rows}, {})) == "hook told"
        assert post.asked == 0
    wrong = load_settings(None, {"notices.destinations": [{"name": "phone", "url": "nosuch://a-password"}]}, {})
    with pytest.raises(ConfigError, match="address of phone") as caught:
        checks.check_notices(wrong)
    assert "a-password" not in str(caught.value)

"""The whole monitor from a configuration: everything watched has a name, and a turn of it works on a real database."""

import socket
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import Engine, text

from huracan.clock import WallClock
from huracan.config import Settings, load_settings
from huracan.errors import ConfigError, RefusedError
from huracan.health.accounts import Accounts
from huracan.health.error_rate import ErrorRates
from huracan.health.resources import Resources
from huracan.health.sampling import sample
from huracan.health.self_check import SelfCheck
from huracan.health.window import Window
from huracan.health.wiring import Around, open_monitor
from huracan.logs import ErrorFile, errors_folder
from huracan.memory.health import Sample
from huracan.memory.health_rows import open_anomalies, read_errors, read_samples
from huracan.memory.heartbeats import read_heartbeats
from tests.health.traded import TABLES, write_account

pytestmark = pytest.mark.postgres


@pytest.fixture
def settings(database: Engine) -> Settings:
    """The configuration of a fresh database."""
    with database.begin() as connection:
        connection.execute(text(f"TRUNCATE {TABLES}, health_signals, anomalies, errors, heartbeats, notices CASCADE"))
    url = database.url.render_as_string(hide_password=False)
    return load_settings(None, {"database.url": SecretStr(url)}, {})


class Full:
    """A source that says that the disks here and of another machine have been full for a minute."""

    source = "host"

    def sample(self, now_ms: int) -> tuple[Sample, ...]:
        """See `Sampler`."""
        seen = ((now_ms - ago_ms, node) for ago_ms in (60_000, 0) for node in (socket.gethostname(), "node-2"))
        return tuple(one for at_ms, node in seen for one in sample(at_ms, "host.disk_free_mb", 3.0, node))


def test_a_turn_of_everything(database: Engine, settings: Settings, tmp_path: Path) -> None:
    """An account that trades, an error of another process, a full disk elsewhere: all of it is in the database."""
    write_account(database, "main")
    monitor = open_monitor(settings, tmp_path, WallClock(), Around(samplers=(Full(),)))
    ErrorFile("feed", errors_folder(tmp_path)).write("error", "feed.waits", {"reason": "x"})
    turn = monitor.turn()
    assert (turn.blind, turn.deaf, turn.database, turn.waiting) == ({}, {}, "", 0)
    assert read_samples(database, "trader.equity", "main")
    assert read_samples(database, "feed.candle_age_s") == (), "there is a feed to ask"
    assert read_samples(database, "notices.lost")
    assert [row.event for row in read_errors(database, 0)] == ["feed.waits"]
    found = {(one.anomaly.detector, one.anomaly.subject) for one in open_anomalies(database)}
    assert {("disk_full", socket.gethostname()), ("disk_short", "node-2")} <= found
    with database.connect() as connection:
        kinds = set(connection.execute(text("SELECT kind FROM remediations")).scalars())
        topics = set(connection.execute(text("SELECT topic FROM notices")).scalars())
    assert "reducing" in kinds, "the rule of a full disk"
    assert any("disk_full" in topic for topic in topics)
    assert read_heartbeats(database)
    with pytest.raises(RefusedError, match="another monitor"):
        open_monitor(settings, tmp_path, WallClock())
    monitor.close()
    assert not read_heartbeats(database)


def test_without_a_cluster_the_traders_closes_tell_of_the_market(
    database: Engine, settings: Settings, tmp_path: Path
) -> None:
    """On a machine that runs `huracan trade start` and `huracan monitor run`."""
    write_account(database, "main")
    monitor = open_monitor(settings, tmp_path, WallClock())
    monitor.turn()
    assert read_samples(database, "feed.candle_age_s")
    monitor.close()


def test_a_database_that_is_not_named_is_refused(tmp_path: Path) -> None:
    """The monitor starts no server."""
    with pytest.raises(ConfigError, match="HURACAN__DATABASE__URL"):
        open_monitor(load_settings(None, {}, {}), tmp_path, WallClock())


def test_no_two_detectors_have_one_name(database: Engine, settings: Settings) -> None:
    """Whoever stores anomalies ends those of a name that nobody says."""
    found = (*Accounts(database, settings).detectors(), ErrorRates(database, 1.0), Resources(Window()), SelfCheck())
    names = [name for one in found for name in one.names]
    assert len(names) == len(set(names))

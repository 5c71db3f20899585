"""Learning sampled from rows that were planted."""

from dataclasses import replace

import numpy as np
import pytest
from sqlalchemy import Engine, text

from huracan import __version__
from huracan.config import Settings
from huracan.errors import DatabaseError
from huracan.health.sampling_learning import LearningSampler
from huracan.health.signals import SIGNALS
from huracan.memory import Registry, append_trades, finish_run, lazy_engine, open_run
from tests.memory.samples import sample_trades

pytestmark = pytest.mark.postgres

NOW = 1_790_000_000_000


def _sampled(engine: Engine) -> dict[tuple[str, str], float]:
    found = LearningSampler(engine).sample(NOW)
    assert all(one.source == "learning" and SIGNALS[one.name].source == "learning" for one in found)
    return {(one.name, one.subject): one.value for one in found}


@pytest.fixture
def planted(database: Engine) -> Engine:
    """Two versions, one of them champion by force; a failed run and one that runs; trades; a request."""
    run_id = open_run(database, "train", Settings(), "ab" * 32, __version__)
    failed = open_run(database, "shadow", Settings(), "ab" * 32, __version__)
    finish_run(database, failed, "failed", "it broke")
    registry = Registry(database)
    for name in ("v1", "v2"):
        registry.register(run_id, name, "*", "folder", "ab" * 32, {}, "tests")
    for _ in range(2):
        registry.promote("v1", "tests", "because", forced=True)
    raw = database.raw_connection()
    with raw.cursor() as cursor:
        rows = sample_trades(3, 1, policy="v1", account="main")
        append_trades(cursor, run_id, replace(rows, mode=np.full(3, "paper")))
    raw.commit()
    raw.close()
    with database.begin() as connection:
        connection.execute(text("INSERT INTO retrain_requests (scope, reason) VALUES ('*', 'drift')"))
    return database


def test_it_says_what_the_registry_and_the_runs_are(planted: Engine) -> None:
    """Counts, and ages in seconds."""
    found = _sampled(planted)
    assert found[("learning.versions", "champion")] == 1
    assert found[("learning.versions", "candidate")] == 1
    assert found[("learning.proven", "")] == 0
    assert 0 <= found[("learning.champion_age_s", "*")] < 60
    assert found[("learning.runs_running", "train")] == 1
    assert found[("learning.runs_failed", "shadow")] == 1
    assert found[("learning.remembered", "paper")] == 3
    assert found[("learning.retrain_waiting", "")] == 1
    assert found[("learning.trials", "")] == 0


def test_a_database_that_is_away_is_an_error() -> None:
    """The monitor is deaf on that side."""
    with pytest.raises(DatabaseError):
        LearningSampler(lazy_engine("postgresql://huracan@127.0.0.1:1/huracan", 1)).sample(NOW)

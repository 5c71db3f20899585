"""Postgres sampled: it answers, or it does not, and both are figures."""

import pytest
from sqlalchemy import Engine, text

from huracan.health.sampling_database import DatabaseSampler
from huracan.memory import lazy_engine

pytestmark = pytest.mark.postgres

T = 1_760_000_040_000


def test_a_database_that_answers(database: Engine) -> None:
    """Latency at each turn, the other figures now and then; a transaction that somebody left open is seen."""
    sampler = DatabaseSampler(database, figures_s=30.0)
    with database.connect() as left:
        left.execute(text("SELECT pg_sleep(0.05)"))
        found = {row.name: row.value for row in sampler.sample(T)}
    assert sampler.up
    assert found["database.up"] == 1.0
    assert 0 < found["database.latency_ms"] < 1_000
    assert 0 < found["database.connections_frac"] < 1
    assert found["database.size_mb"] > 1
    assert found["database.oldest_transaction_s"] >= 0.05
    assert found["database.waiting"] == 0
    assert {row.name for row in sampler.sample(T + 5_000)} == {"database.up", "database.latency_ms"}
    assert len(sampler.sample(T + 30_000)) == 6
    assert sampler.source == "database"


def test_a_database_that_does_not_is_a_sample_as_well() -> None:
    """Zero, and why."""
    sampler = DatabaseSampler(lazy_engine("postgresql://nobody@127.0.0.1:1/huracan", 1))
    assert [(row.name, row.value) for row in sampler.sample(T)] == [("database.up", 0.0)]
    assert not sampler.up
    assert "unreachable" in sampler.problem

"""Heartbeats: one process of a name beats at a time, and one that ended as it should is not waited for."""

import time

import pytest
from sqlalchemy import Engine, text

from huracan.memory.heartbeats import beat, forget_heartbeat, read_heartbeats

pytestmark = pytest.mark.postgres


@pytest.fixture(autouse=True)
def _empty(database: Engine) -> None:
    with database.begin() as connection:
        connection.execute(text("TRUNCATE heartbeats"))


def test_one_process_of_a_name_beats_at_a_time(database: Engine) -> None:
    """A second one is told who does; it takes over when that one has ended, or has been silent for too long."""
    assert beat(database, "monitor", "anna@here:1", "", 30.0, {"turn": 7}) == ""
    assert beat(database, "monitor", "bert@there:2", "", 30.0, {}) == "anna@here:1"
    (found,) = read_heartbeats(database)
    assert (found.process, found.holder, found.detail) == ("monitor", "anna@here:1", {"turn": 7})
    assert 0 <= found.age_s < 5
    assert beat(database, "monitor", "anna@here:3", "anna@here:1", 30.0, {}) == "", "it is known to have ended"
    time.sleep(0.05)
    assert beat(database, "monitor", "bert@there:2", "", 0.01, {}) == ""
    assert beat(database, "feed", "carl@here:4", "", 30.0, {}) == ""
    assert [row.process for row in read_heartbeats(database)] == ["feed", "monitor"]


def test_a_process_that_ended_as_it_should_is_not_waited_for(database: Engine) -> None:
    """Its successor's heartbeat is left alone."""
    beat(database, "monitor", "anna@here:1", "", 30.0, {})
    assert not forget_heartbeat(database, "monitor", "bert@there:2")
    assert forget_heartbeat(database, "monitor", "anna@here:1")
    assert read_heartbeats(database, "monitor") == ()
    beat(database, "monitor", "anna@here:1", "", 30.0, {})
    assert forget_heartbeat(database, "monitor")

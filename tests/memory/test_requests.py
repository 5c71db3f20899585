"""Requests to retrain: one waiting a scope, taken up by one cycle, whoever asks how often."""

import threading
from datetime import date

import pytest
from sqlalchemy import Engine

from huracan.config import Settings
from huracan.memory import open_cycle
from huracan.memory.requests import (
    RetrainRequest,
    file_request,
    requests_of_cycle,
    take_requests,
    waiting_requests,
)

pytestmark = pytest.mark.postgres
T0 = 1_750_000_000_000
HOUR = 3_600_000


def ask(database: Engine, scope: str, at_ms: int = T0, every_ms: int = 0) -> RetrainRequest | None:
    """File a request."""
    with database.begin() as connection:
        return file_request(connection.connection.cursor(), scope, "drift", None, at_ms, every_ms)


def test_one_waits_a_scope_and_a_cycle_takes_it(database: Engine) -> None:
    """A second is none; taking twice takes once; then the next may wait."""
    first = ask(database, "A")
    assert first is not None
    assert ask(database, "A", T0 + HOUR) is None
    assert waiting_requests(database, "A") == (first,)
    assert first in waiting_requests(database)
    cycle = open_cycle(database, "A", date(2025, 1, 1), Settings(), "1")
    for _ in range(2):
        (taken,) = take_requests(database, "A", cycle.cycle_id)
        assert (taken.request_id, taken.cycle_id) == (first.request_id, cycle.cycle_id)
    assert requests_of_cycle(database, cycle.cycle_id) == (taken,)
    assert waiting_requests(database, "A") == ()
    assert ask(database, "A", T0 + 2 * HOUR) is not None
    other = open_cycle(database, "B", date(2025, 1, 1), Settings(), "1")
    assert take_requests(database, "B", other.cycle_id) == ()


def test_a_scope_asks_no_more_often_than_allowed(database: Engine) -> None:
    """Also when the first was taken up at once."""
    assert ask(database, "C", T0, 3 * HOUR) is not None
    cycle = open_cycle(database, "C", date(2025, 1, 1), Settings(), "1")
    take_requests(database, "C", cycle.cycle_id)
    assert ask(database, "C", T0 + 3 * HOUR - 1, 3 * HOUR) is None
    assert ask(database, "C", T0 + 3 * HOUR, 3 * HOUR) is not None


def test_eight_who_ask_at_once_ask_once(database: Engine) -> None:
    """The database holds it, whatever the code does."""
    threads = [threading.Thread(target=ask, args=(database, "D")) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(waiting_requests(database, "D")) == 1

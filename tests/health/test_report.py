"""The whole word on an account: versions, groups, orders and what is wrong, read at once."""

import pytest
from sqlalchemy import Engine

from huracan.health.detectors.orders import FIGURES
from huracan.health.report import read_report
from huracan.health.trading import DAY_MS
from tests.health.test_stored import fill
from tests.health.test_trading import START_MS

pytestmark = pytest.mark.postgres


def test_every_part_has_its_word_and_what_is_wrong_is_said_once(database: Engine) -> None:
    """Slippage twice; no library of patterns, and no orders yet."""
    fill(database, 60, slip=2.0)
    found = read_report(database, "main", START_MS + 90 * DAY_MS)
    assert [one.version for one in found.versions] == ["v1"]
    assert {one.health.group.kind for one in found.groups} == {"version", "coin", "regime"}
    assert {one.name: one.reading for one in found.orders} == dict.fromkeys(FIGURES)
    assert [one.detector for one in found.anomalies] == ["slippage"]
    assert not found.blind
    nothing = read_report(database, "nobody", START_MS)
    assert (nothing.versions, nothing.groups, nothing.anomalies) == ((), (), ())

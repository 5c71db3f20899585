"""A version's charts as anomalies: each says what, since when, how sure, how long it takes and what it means."""

import pytest
from sqlalchemy import Engine, text

from huracan.health.detector import look_at
from huracan.health.detectors.versions import VersionCharts
from huracan.health.history import History
from huracan.health.stored import Watched
from huracan.health.trading import DAY_MS
from tests.health.test_stored import fill
from tests.health.test_trading import START_MS

pytestmark = pytest.mark.postgres
NOW_MS = START_MS + 200 * DAY_MS


def charts_of(engine: Engine, account: str = "main") -> VersionCharts:
    """Return the detector of an account."""
    return VersionCharts(Watched(engine, account, 365.0), account, 365.0)


def test_an_alarm_is_an_anomaly_with_all_its_figures(database: Engine) -> None:
    """Slippage twice what it was after thirty good days; and nothing else is called wrong."""
    fill(database, 60, slip=2.0)
    detector = charts_of(database)
    found = look_at([detector], NOW_MS)
    assert {"slippage", "win_rate", "result"} <= found.names
    (one,) = found.anomalies
    assert (one.detector, one.account, one.subject, one.severity) == ("slippage", "main", "v1", "warning")
    assert one.since_ms is not None
    assert START_MS + 28 * DAY_MS < one.since_ms < START_MS + 40 * DAY_MS
    assert one.noticed_ms == NOW_MS
    assert one.observed is not None
    assert one.claimed is not None
    assert one.observed == pytest.approx(2.0 * one.claimed, rel=0.2)
    assert one.false_every_days == pytest.approx(8 * 365.0, rel=0.1)
    assert one.delay.endswith("trades until a change of 0.5 deviations")
    assert one.means == "fills slip more than the cost model says"
    assert "slippage of v1" in one.words
    assert (one.evidence["version"], one.evidence["scope"]) == ("v1", "*")
    assert look_at([detector], NOW_MS + 1).anomalies[0].since_ms == one.since_ms  # charts are kept, the word stands


def test_a_version_that_decides_no_more_is_left_alone(database: Engine) -> None:
    """Another one decided eight days after its last decision."""
    with database.begin() as connection:
        connection.execute(
            text(
                """INSERT INTO decisions (close_at, heard_at, decided_at, account_no, symbols, versions, version_of,
                actions, confidences) SELECT close_at + interval '8 days', heard_at, decided_at, account_no, symbols,
                '{v0}', version_of, actions, confidences FROM decisions ORDER BY close_at DESC LIMIT 1"""
            )
        )
    assert not look_at([charts_of(database)], NOW_MS).anomalies
    assert not look_at([charts_of(database, "nobody")], NOW_MS).anomalies


def test_inputs_and_predictions_that_drift_are_anomalies_too(database: Engine) -> None:
    """States of another market and another confidence on paper: one anomaly for all inputs, one for its entries."""
    with database.begin() as connection:
        connection.execute(text("DELETE FROM decisions WHERE versions = '{v0}'"))
        connection.execute(
            text(
                """UPDATE trade_memory SET entry_state = set_byte(entry_state, 30, 65), confidence = 0.9
                WHERE mode = 'paper'"""
            )
        )
    found = {one.detector: one for one in look_at([charts_of(database)], NOW_MS).anomalies}
    assert {"feature_drift", "prediction_entries"} <= set(found)
    assert found["feature_drift"].severity == "info"
    assert len(found["feature_drift"].evidence["inputs"]) == 1
    assert found["feature_drift"].delay.startswith("at most two windows of 7 days")
    entries = found["prediction_entries"]
    assert entries.observed == pytest.approx(0.9)
    assert entries.claimed == pytest.approx(0.5)
    assert entries.words == "v1 decides otherwise than its entries in shadow: mean confidence 0.900, was 0.500"


def test_while_the_past_is_being_read_what_was_said_stands(database: Engine) -> None:
    """After a restart of the monitor: a piece a look, nothing ends meanwhile, and then the same word as before."""
    past = History(database, "main", whole=False, rows_max=1)
    detector = VersionCharts(Watched(database, "main", 365.0, history=past), "main", 365.0)
    known, looks = look_at([charts_of(database)], NOW_MS).anomalies, 0
    while True:
        looks += 1
        found = look_at([detector], NOW_MS + looks)
        if not found.blind:
            break
        assert (found.anomalies, found.names) == ((), frozenset())
        assert found.blind[0].names == detector.names
        assert "being read" in found.blind[0].problem
    assert looks >= 2
    assert {one.detector for one in found.anomalies} == {one.detector for one in known} != set()

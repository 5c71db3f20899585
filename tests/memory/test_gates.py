"""Reports of the gate: kept in full, newest first, never without a version and an author."""

import pytest
from sqlalchemy import Engine

from huracan.config import Settings
from huracan.errors import UsageError
from huracan.memory import Registry, open_run, read_gates, record_gate

pytestmark = pytest.mark.postgres
SHA = "ab" * 32


def test_reports_are_kept_in_full_newest_first(database: Engine) -> None:
    """What was judged, when, by whom, and every figure."""
    run_id = open_run(database, "train", Settings(), "f", "0.1.0")
    Registry(database).register(run_id, "v1", "*", "policies/x", SHA, {}, "ann")
    assert read_gates(database, "v1") == ()
    for number, passed in ((1, False), (2, True)):
        record_gate(database, "v1", SHA, passed, {"criteria": [{"figure": number / 7, "missing": None}]}, "ann")
    second, first = read_gates(database, "v1")
    assert (first.passed, second.passed) == (False, True)
    assert second.report == {"criteria": [{"figure": 2 / 7, "missing": None}]}
    assert (second.version, second.sha256, second.author) == ("v1", SHA, "ann")
    assert second.gate_id > first.gate_id
    assert second.at >= first.at


def test_a_report_needs_a_version_and_an_author(database: Engine) -> None:
    """Nothing is kept of what nobody asked about nothing."""
    with pytest.raises(UsageError, match="no model nowhere"):
        record_gate(database, "nowhere", SHA, True, {}, "ann")
    with pytest.raises(UsageError, match="needs an author"):
        record_gate(database, "v1", SHA, True, {}, " ")

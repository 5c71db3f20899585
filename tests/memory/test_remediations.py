"""Remedies in Postgres: a row comes back as it was, one of a kind is in force, and what has ended stays ended."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from psycopg2.errors import CheckViolation, UniqueViolation
from sqlalchemy import Engine, text

from huracan.memory.remediations import (
    Remediation,
    end_remediation,
    fail_remediation,
    find_remediation,
    insert_remediation,
    lock_remedies,
    open_anomalies,
    read_remediations,
    renew_remediation,
    select_remediations,
)

pytestmark = pytest.mark.postgres
T0 = 1_750_000_000_123
ROW = Remediation(
    account="main",
    kind="reduce_size",
    subject="v1",
    state="applied",
    reason="slippage doubled",
    author="monitor",
    at_ms=T0,
    detector="slippage",
    about="v1",
    value=0.5,
    expires_ms=T0 + 3_600_001,
    before={"state": "ACTIVE", "figures": [1, 0.1]},
    after={"size": 0.5},
)


@pytest.fixture
def cursor(database: Engine) -> Iterator[Any]:
    """A cursor in a transaction that is rolled back."""
    with database.connect() as connection:
        yield connection.connection.cursor()


def test_a_row_comes_back_as_it_was_written(cursor: Any) -> None:
    """Times to the millisecond, figures bit for bit, both pictures of the state."""
    written = insert_remediation(cursor, ROW)
    assert written == replace(ROW, number=written.number)
    assert find_remediation(cursor, written.number) == written
    assert written.in_force
    bare = insert_remediation(cursor, Remediation("", "halt", "", "refused", "no", "monitor", T0))
    assert find_remediation(cursor, bare.number) == replace(bare)
    assert (bare.ended_by, bare.error, bare.before, bare.in_force) == ("", "", {}, False)
    assert find_remediation(cursor, 999_999) is None


def test_of_one_kind_and_subject_one_is_in_force(cursor: Any) -> None:
    """The database itself refuses a second; one that is refused, undone or of another account is no second."""
    first = insert_remediation(cursor, ROW)
    for other in ({"state": "refused"}, {"account": "b"}, {"subject": "v2"}, {"kind": "pause_coin"}):
        insert_remediation(cursor, replace(ROW, **other))
    assert end_remediation(cursor, first.number, "undone", T0 + 5, "ann")
    insert_remediation(cursor, ROW)
    with pytest.raises(UniqueViolation, match="remediations_in_force"):
        insert_remediation(cursor, ROW)


def test_what_has_ended_stays_ended(cursor: Any) -> None:
    """Ending twice says so; neither renewal nor failure changes what is over."""
    row = insert_remediation(cursor, ROW)
    assert end_remediation(cursor, row.number, "expired", T0 + 7, "huracan")
    assert not end_remediation(cursor, row.number, "undone", T0 + 9, "ann")
    renew_remediation(cursor, row.number, T0 + 9_000_000)
    fail_remediation(cursor, row.number, "late")
    found = find_remediation(cursor, row.number)
    assert found == replace(row, state="expired", ended_ms=T0 + 7, ended_by="huracan")


def test_an_expiry_is_put_off_and_never_brought_forward(cursor: Any) -> None:
    """Each later end counts as one renewal."""
    row = insert_remediation(cursor, ROW)
    renew_remediation(cursor, row.number, T0)
    renew_remediation(cursor, row.number, T0 + 7_200_000)
    found = find_remediation(cursor, row.number)
    assert found is not None
    assert (found.expires_ms, found.renewed) == (T0 + 7_200_000, 1)
    fail_remediation(cursor, row.number, "no such actor")
    found = find_remediation(cursor, row.number)
    assert found is not None
    assert (found.state, found.error, found.in_force) == ("failed", "no such actor", False)


def test_rows_are_selected_oldest_first_and_read_newest_first(database: Engine) -> None:
    """Who decides reads in order; who looks sees the newest, of his account and of none."""
    with database.begin() as connection:
        cursor = connection.connection.cursor()
        lock_remedies(cursor, "seen")
        numbers = [
            insert_remediation(cursor, replace(ROW, account=account, at_ms=T0 + step, state="dry_run")).number
            for step, account in enumerate(("seen", "", "other", "seen"))
        ]
        where = "WHERE account = %(account)s"
        assert [row.number for row in select_remediations(cursor, where, {"account": "seen"})] == numbers[::3]
    assert [row.number for row in read_remediations(database, "seen")] == [numbers[3], numbers[1], numbers[0]]
    assert [row.number for row in read_remediations(database, "seen", newest=1)] == [numbers[3]]
    assert [row.number for row in read_remediations(database, since_ms=T0 + 2)] == [numbers[3], numbers[2]]
    assert read_remediations(database, "seen", states=["undone"]) == ()


def test_an_open_anomaly_is_found_by_its_name(database: Engine) -> None:
    """With its number and when it was first noticed; one that has ended is not."""
    statement = """INSERT INTO anomalies (account, detector, subject, severity, words, means, noticed_at, seen_at,
        ended_at) VALUES ('main', 'slippage', :subject, 'warning', 'w', 'm', to_timestamp(:s), to_timestamp(:s),
        :ended)"""
    with database.begin() as connection:
        connection.execute(text(statement), {"subject": "v1", "s": T0 / 1_000, "ended": None})
        connection.execute(text(statement), {"subject": "v2", "s": T0 / 1_000, "ended": "2026-01-01T00:00:00Z"})
        found = open_anomalies(connection.connection.cursor())
    assert {key: noticed for key, (_, noticed) in found.items()} == {("main", "slippage", "v1"): T0}


def test_nonsense_is_refused_by_the_database(database: Engine) -> None:
    """A state that does not exist, an end without an author."""
    for broken in (replace(ROW, state="maybe"), replace(ROW, state="undone"), replace(ROW, reason="")):  # type: ignore[arg-type]
        with pytest.raises(CheckViolation), database.begin() as c:
            insert_remediation(c.connection.cursor(), broken)

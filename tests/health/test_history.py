"""The past of an account is read in pieces, is the same as when it is read at once, and costs so many rows a look."""

import dataclasses

import numpy as np
import pytest
from sqlalchemy import Engine, text

from huracan.errors import EvidenceError
from huracan.health.history import DAY_MS, ROWS_MAX, History
from huracan.health.predictions import BINS, decision_shift
from huracan.health.reading import read_only
from tests.health.test_trading import START_MS

pytestmark = pytest.mark.postgres

MANY = 300_000
HOUR_MS = 3_600_000


@pytest.fixture(autouse=True)
def account(database: Engine) -> int:
    """An account of a fresh database."""
    with database.begin() as connection:
        connection.execute(text("TRUNCATE accounts, decisions, trade_memory, orders, fills CASCADE"))
        found = connection.execute(text("INSERT INTO accounts (name) VALUES ('main') RETURNING account_no"))
        return int(found.scalar_one())


def decide(engine: Engine, account: int, first: int, count: int, every_s: int = 60) -> None:
    """Write decisions of two markets: v1's, and from the 100,000th on one is v2's; every eleventh enters."""
    with engine.begin() as connection:
        connection.execute(
            text(
                """INSERT INTO decisions (close_at, heard_at, decided_at, account_no, symbols, versions, version_of,
                actions, confidences)
                SELECT at, at + interval '1 second', at + make_interval(secs => 1.05 + 0.01 * (n % 7)), :account,
                '{A,B}', CASE WHEN n < 100000 THEN '{v1}' ELSE '{v1,v2}' END::text[],
                CASE WHEN n < 100000 THEN '{0,0}' ELSE '{0,1}' END::smallint[],
                ARRAY[CASE WHEN n % 11 = 0 THEN 2 ELSE 0 END, 0]::smallint[],
                ARRAY[(n % 100) / 100.0, 1]::real[]
                FROM generate_series(CAST(:first AS int), CAST(:last AS int)) AS n,
                    to_timestamp(:start / 1000.0 + n * :every) AS at"""
            ),
            {"account": account, "first": first, "last": first + count - 1, "start": START_MS, "every": every_s},
        )


def read(history: History, at_ms: int = 0) -> int:
    """Have a history read until all is there; returns how many looks that took."""
    for look in range(1, 200):
        try:
            history.read(at_ms + look)
        except EvidenceError as error:
            assert "the past of main is being read" in str(error)  # noqa: PT017 - the words of a value
        else:
            return look
    raise AssertionError("it never ends")


def same(one: History, two: History) -> None:
    """Hold everything that charts are given of two histories against each other, to the bit."""
    assert one.spans() == two.spans()
    for span in one.spans():
        for left, right in zip(
            *(dataclasses.astuple(past.decisions.days_of(span.version)) for past in (one, two)), strict=True
        ):
            assert left.tolist() == right.tolist()
    for left, right in (
        (one.decisions.heard(), two.decisions.heard()),
        (one.decisions.decided(), two.decisions.decided()),
    ):
        assert [part.tolist() for part in left] == [part.tolist() for part in right]


def rows_read(engine: Engine, table: str) -> int:
    """Return how many rows of a table the server has read so far, through whatever index."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("SELECT pg_stat_force_next_flush()"))
        connection.execute(text("SELECT 1"))
        found = connection.execute(
            text(
                """SELECT seq_tup_read + coalesce(idx_tup_fetch, 0) + (SELECT coalesce(sum(idx_tup_read), 0)
                FROM pg_stat_user_indexes i WHERE i.relid = t.relid) FROM pg_stat_user_tables t WHERE relname = :name"""
            ),
            {"name": table},
        )
        return int(found.scalar_one())


def test_three_hundred_thousand_decisions_cost_no_look_more_than_its_rows(database: Engine, account: int) -> None:
    """Two hundred days of closes a minute: pieces while it is read, two days afterwards; the same words as at once."""
    decide(database, account, 0, MANY)
    with database.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ANALYZE decisions"))
    past, most, looks = History(database, "main", whole=False), 0, 0
    while True:
        looks, before = looks + 1, rows_read(database, "decisions")
        try:
            past.read(looks)
        except EvidenceError:
            most = max(most, rows_read(database, "decisions") - before)
            continue
        break
    before = rows_read(database, "decisions")
    past.read(looks + 1)
    steady = rows_read(database, "decisions") - before
    with database.connect() as connection:
        size = connection.execute(text("SELECT pg_total_relation_size('decisions')")).scalar_one()
    print(f"{looks} looks of at most {most} rows; {steady} a look afterwards; {size / MANY:.0f} bytes a decision")
    assert looks == pytest.approx(MANY / ROWS_MAX, abs=2)
    assert most <= 8 * ROWS_MAX  # three questions about each row, and the way to the last of them; index and table
    assert steady <= 8 * 2 * 1_440
    whole = History(database, "main")
    whole.read()
    same(past, whole)
    assert [span.version for span in past.spans()] == ["v1", "v2"]
    for version in ("v1", "v2"):
        found, known = (
            decision_shift(one.decisions.days_of(version), START_MS + 209 * DAY_MS) for one in (past, whole)
        )
        assert found == known
        assert found is not None or version == "v2", "v1 decides on one market less from the 70th day on"


def test_what_comes_later_is_read_as_if_it_had_been_there_at_once(database: Engine, account: int) -> None:
    """Hour by hour over some days, with a restart in between, against one look at all of it."""
    rng, first = np.random.default_rng(5), 0
    past = History(database, "main", whole=False, rows_max=2_000)
    past.read(0)
    assert past.spans() == ()
    for step in range(40):
        count = int(rng.integers(1, 300))
        decide(database, account, first, count)
        first += count
        if step == 20:
            past = History(database, "main", whole=False, rows_max=2_000)
        read(past, 1_000 * (1 + step))
        whole = History(database, "main")
        whole.read()
        same(past, whole)


def test_one_look_reads_once_whoever_asks(database: Engine, account: int) -> None:
    """Detectors share it: at the same time of a look nothing is read again, and what is not there yet stays so."""
    decide(database, account, 0, 5_000)
    past = History(database, "main", whole=False, rows_max=1_440)
    for _ in range(2):
        with pytest.raises(EvidenceError):
            past.read(1)
    assert past.decisions.read_to_ms == START_MS + DAY_MS
    read(past, 1)
    before = past.spans()
    decide(database, account, 5_000, 10)
    past.read(2 + 200)
    assert past.spans()[0].close_ms == before[0].close_ms + 10 * 60_000
    unknown = History(database, "nobody", whole=False)
    unknown.read(1)
    assert unknown.spans() == ()


def test_a_day_of_more_rows_than_a_look_is_read_at_once(database: Engine, account: int) -> None:
    """A piece is whole days: medians of hours and counts of days are never put together from halves."""
    decide(database, account, 0, 9_000, every_s=20)
    past = History(database, "main", whole=False, rows_max=1_000)
    assert read(past) >= 2
    for more in range(3):
        whole = History(database, "main")
        whole.read()
        same(past, whole)
        decide(database, account, 9_000 + 2_000 * more, 2_000, every_s=20)
        read(past, 1_000 * (1 + more))


def test_decisions_are_counted_by_day_and_version(database: Engine, account: int) -> None:
    """Two markets of two versions at each of three closes, on two days; hours have their medians."""
    with database.begin() as connection:
        for hours in (0, 1, 25):
            connection.execute(
                text(
                    """INSERT INTO decisions (close_at, heard_at, decided_at, account_no, symbols, versions, version_of,
                    actions, confidences) SELECT at, at + interval '2 seconds', at + interval '2.5 seconds', :account,
                    '{A,B,C}', '{v1,v2}', '{0,1,0}', '{0,2,5}', '{0,0.5,1}' FROM to_timestamp(:at / 1000.0) AS at"""
                ),
                {"at": START_MS + hours * HOUR_MS, "account": account},
            )
    past = History(database, "main")
    past.read()
    first, second = (past.decisions.days_of(version) for version in ("v1", "v2"))
    assert len(past.decisions.days_of("v3").day_ms) == 0
    assert first.day_ms.tolist() == [START_MS, START_MS + DAY_MS]
    assert first.actions.tolist() == [[2, 0, 0, 0, 0, 2], [1, 0, 0, 0, 0, 1]]
    assert first.confidence[:, [0, BINS - 1]].tolist() == [[2, 2], [1, 1]]
    assert second.actions.tolist() == [[0, 0, 2, 0, 0, 0], [0, 0, 1, 0, 0, 0]]
    assert second.confidence[0, BINS // 2] == 2
    values, hours_ms = past.decisions.heard()
    assert values.tolist() == [2_000.0] * 3
    assert hours_ms.tolist() == [START_MS + hours * HOUR_MS for hours in (0, 1, 25)]
    assert past.decisions.decided()[0].tolist() == pytest.approx([500.0] * 3)
    with read_only(database) as cursor:
        assert past.decisions.step(cursor, account)

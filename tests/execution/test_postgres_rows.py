"""Rows: numbers of names and times go to Postgres and come back unchanged."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, text

from huracan.errors import InvariantError
from huracan.execution.book import Book, Delta, begin, record
from huracan.execution.ids import intent_id
from huracan.execution.model import Order, Record, Status, Trigger
from huracan.execution.postgres_rows import intent_number, millis, stamp, write_delta
from tests.execution.samples import fact, fill, reserve
from tests.execution.test_machine import DRAFT, book_with_order, new_book


@given(time_ms=st.integers(0, 4_102_444_800_000))
def test_times_are_exact(time_ms: int) -> None:
    """A ms stays a ms."""
    assert millis(stamp(time_ms)) == time_ms


def test_a_known_time() -> None:
    """UTC, not local time."""
    assert stamp(1_750_000_000_123) == datetime(2025, 6, 15, 15, 6, 40, 123_000, tzinfo=UTC)


@given(candle_ms=st.integers(0, 2**41))
def test_a_name_is_a_signed_number(candle_ms: int) -> None:
    """Its 64 bits, whatever the first one is."""
    name = intent_id("main", "BTC/USDT", candle_ms, "ENTER")
    assert f"{intent_number(name) % 2**64:016x}" == name


@pytest.mark.postgres
@pytest.mark.parametrize("name", ["0" * 16, "00000000000000ff", "8000000000000000", "f" * 16])
def test_postgres_shows_the_name(database: Engine, name: str) -> None:
    """`to_hex` of the number, filled up, is the name: what the view `order_names` relies on."""
    with database.connect() as connection:
        shown = connection.execute(
            text("SELECT lpad(to_hex(CAST((:n) AS bigint)), 16, '0')"), {"n": intent_number(name)}
        )
        assert shown.scalar_one() == name


def test_rows_are_written_in_an_order_that_references_allow() -> None:
    """Orders before fills before events and entries; a new order is inserted, a known one updated."""
    found = begin(new_book(), [DRAFT], reserve(DRAFT))
    assert isinstance(found, Delta)
    first = [statement.split("(")[0].split() for statement, _ in write_delta(1, found)]
    assert [words[:3] for words in first[:2]] == [["INSERT", "INTO", "orders"], ["INSERT", "INTO", "ledger"]]
    book = book_with_order()
    delta = record(book, Record(facts=(fact(DRAFT, Trigger.ACCEPT),), fills=(fill(DRAFT, "1", "3"),)), {})
    tables = [statement.split()[1 if statement.startswith("UPDATE") else 2] for statement, _ in write_delta(1, delta)]
    assert tables[:4] == ["orders", "fills", "order_events", "order_events"]
    assert tables[-1] == "reservations"


def test_a_strange_id_is_not_written() -> None:
    """Only our own ids name orders."""
    stray = replace(DRAFT, cid="stray")
    delta = Delta(Book(), orders={"stray": Order(stray, Status.SUBMITTED)})
    with pytest.raises(InvariantError, match="no client order id of ours"):
        write_delta(1, delta)

"""Rows of a file and the rules they break."""

import numpy as np
import pytest

from huracan.errors import DataError
from huracan.market import find_faults, format_ms, parse_ms
from tests.market.frames import START_MS, columns, rows


def test_each_fault_is_counted_once_per_row():
    """Two swapped rows, one repeated time and one NaN are counted as one fault each, at their rows."""
    found = columns(50)
    found["timestamp"][[10, 11]] = found["timestamp"][[11, 10]]
    found["timestamp"][20] = found["timestamp"][19]
    found["close"][30] = np.nan
    faults = {fault.kind: (fault.count, fault.row) for fault in find_faults(rows(found), 60_000)}
    assert faults == {"not_finite": (1, 30), "duplicate": (1, 20), "unsorted": (1, 11)}


def test_a_duplicate_far_away_is_a_duplicate_and_not_unsorted():
    """A row that repeats an open time from long before is reported as a duplicate only."""
    found = columns(50)
    found["timestamp"][40] = found["timestamp"][2]
    assert [(fault.kind, fault.row) for fault in find_faults(rows(found), 60_000)] == [("duplicate", 40)]


def test_sound_rows_have_no_fault():
    """Sound rows give an empty list."""
    assert find_faults(rows(columns()), 60_000) == ()


def test_dates_are_utc_both_ways():
    """2025-06-11 is 1,749,600,000,000 ms, with and without a time or zone."""
    assert parse_ms("2025-06-11") == START_MS == 1_749_600_000_000
    assert parse_ms("2025-06-11T14:12:00") == START_MS + (14 * 60 + 12) * 60_000
    assert parse_ms("2025-06-11T02:00:00+02:00") == START_MS
    assert format_ms(START_MS) == "2025-06-11T00:00:00Z"
    assert format_ms(2**62) == f"{2**62} ms"


def test_a_text_that_is_no_date_is_refused():
    """A wrong date is one line with an example."""
    with pytest.raises(DataError, match="is no date; write 2025-06-11"):
        parse_ms("11.6.2025")

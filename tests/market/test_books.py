"""Recorded books: written whole, read back to the bar, and refused when they cannot be."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from huracan.errors import DataError
from huracan.features.machines.book import BOOK_COLUMNS
from huracan.market.books import BOOK_INPUTS, RECORDED, books_folder, day_file, read_books, read_day, write_day

MINUTE = 60_000
DAY = 1_440 * MINUTE
T0 = 20_000 * DAY


def rows(count: int, seed: int = 1) -> np.ndarray:
    """Return rows that can be, the third without a book."""
    rng = np.random.default_rng(seed)
    table = rng.uniform(0.0, 1.0, (count, len(RECORDED)))
    if count > 2:
        table[2, :4] = np.nan
    return table


def times(count: int, first_ms: int = T0) -> np.ndarray:
    """Return consecutive minutes."""
    return first_ms + MINUTE * np.arange(count, dtype=np.int64)


def test_the_inputs_are_the_feature_machines_columns() -> None:
    """The two rooms name the same four columns in the same order."""
    assert BOOK_INPUTS == BOOK_COLUMNS


def test_a_day_reads_back_bit_for_bit(tmp_path: Path) -> None:
    """NaN included; the same rows give the same bytes."""
    path = day_file(books_folder(tmp_path, "BTC/USDT:USDT"), T0 + 5 * MINUTE)
    assert path == tmp_path / "books" / "BTC-USDT-PERP" / "2024-10-04.parquet"
    write_day(path, "1m", times(9), rows(9))
    first = path.read_bytes()
    found = read_day(path, "1m")
    assert (found[0].tobytes(), found[1].tobytes()) == (times(9).tobytes(), rows(9).tobytes())
    write_day(path, "1m", times(9), rows(9))
    assert path.read_bytes() == first


def test_books_stand_beside_their_candles(tmp_path: Path) -> None:
    """Two days of records, candles that miss a bar and begin and end elsewhere: each record stands at its open time."""
    folder = books_folder(tmp_path, "ADA/USDT")
    late = T0 + DAY - 5 * MINUTE
    a, b = rows(5, 2), rows(4, 3)
    write_day(day_file(folder, late), "1m", times(5, late), a)
    write_day(day_file(folder, T0 + DAY), "1m", times(4, T0 + DAY), b)
    candles = np.delete(times(9, late + MINUTE), 2)
    found = read_books(tmp_path, "ADA/USDT", "1m", candles)
    assert found is not None
    expected = np.full((8, 4), np.nan)
    expected[:2], expected[2], expected[3:6] = a[1:3, :4], a[4, :4], b[:3, :4]
    expected[6] = b[3, :4] if candles[6] == T0 + DAY + 3 * MINUTE else np.nan
    at = {int(time): row for time, row in zip(candles, found, strict=True)}
    for time, row in zip([*times(5, late), *times(4, T0 + DAY)], [*a, *b], strict=True):
        if int(time) in at:
            assert at[int(time)].tobytes() == row[:4].tobytes()
    assert np.isnan([row for time, row in at.items() if time >= T0 + DAY + 4 * MINUTE]).all()


def test_without_records_there_is_nothing(tmp_path: Path) -> None:
    """No folder, none of the time, or none with a book: None."""
    assert read_books(tmp_path, "ADA/USDT", "1m", times(9)) is None
    folder = books_folder(tmp_path, "ADA/USDT")
    write_day(day_file(folder, T0 + DAY), "1m", times(4, T0 + DAY), rows(4))
    assert read_books(tmp_path, "ADA/USDT", "1m", times(9)) is None
    empty = rows(4)
    empty[:, :4] = np.nan
    write_day(day_file(folder, T0), "1m", times(4), empty)
    assert read_books(tmp_path, "ADA/USDT", "1m", times(9)) is None
    assert read_books(tmp_path, "ADA/USDT", "1m", times(0)) is None


def test_what_cannot_be_is_refused_by_row(tmp_path: Path) -> None:
    """A negative spread, an imbalance above 1, half a book, infinity, order, another timeframe, another file."""
    path = tmp_path / "books" / "ADA-USDT" / "2024-10-04.parquet"
    for column, value in ((0, -1e-9), (2, 1.5), (3, -1.5), (1, np.nan), (4, np.inf)):
        table = rows(9)
        table[7, column] = value
        write_day(path, "1m", times(9), table)
        with pytest.raises(DataError, match=r"row 7 .* cannot be"):
            read_books(tmp_path, "ADA/USDT", "1m", times(9))
    for wrong in (times(9)[::-1], times(9) + 1):
        write_day(path, "1m", np.ascontiguousarray(wrong), rows(9))
        with pytest.raises(DataError, match="cannot be"):
            read_day(path, "1m")
    write_day(path, "5m", times(9), rows(9))
    with pytest.raises(DataError, match="beside 5m candles, not 1m"):
        read_day(path, "1m")
    pq.write_table(pa.table({"timestamp": [1]}), path)
    with pytest.raises(DataError, match="cannot be read as recorded books"):
        read_day(path, "1m")
    path.write_bytes(b"PAR1 nonsense")
    with pytest.raises(DataError, match="cannot be read as recorded books"):
        read_day(path, "1m")

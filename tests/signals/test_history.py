"""The past begins at the store's first bar, goes on with what the venue told, and holds no future."""

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from huracan.errors import DataError
from huracan.market import Candles, CandleStore
from huracan.signals.history import History, is_sound, stored_candles
from tests.signals.following import BASE_MS, close_at, klines, markets


def store(root: Path, stop: int) -> None:
    """Write the first bars of every market."""
    for rows in markets().values():
        CandleStore(root).write(rows.between(0, close_at(stop - 1)))


def columns(candles: Candles) -> bytes:
    """Return every bit of a market's candles."""
    return b"".join(values.tobytes() for values in (candles.timestamp, *candles.rows().columns.values()))


@pytest.mark.parametrize("stored", [300, 450, 900])
def test_stored_and_told_candles_are_one_history(tmp_path: Path, stored: int) -> None:
    """Whether the store ends where the venue begins, overlaps, or goes on into the future: no bar of it is known."""
    store(tmp_path, stored)
    past = History("1m", stored_candles(tmp_path, "1m"), klines(300, 500))
    assert past.last_ms == close_at(499)
    for bar in range(500, 505):
        past.add({symbol: rows[0] for symbol, rows in klines(bar, bar + 1).items()})
    assert past.last_ms == close_at(504)
    for symbol, rows in past.candles().items():
        assert columns(rows) == columns(markets()[symbol].between(0, close_at(504)))
    for symbol, rows in past.candles(close_at(123)).items():
        assert columns(rows) == columns(markets()[symbol].between(0, close_at(123)))


def test_without_a_store_the_history_is_what_the_venue_told(tmp_path: Path) -> None:
    """No folder, or one without candles of this timeframe, is no store."""
    assert stored_candles(None, "1m") is None
    assert stored_candles(tmp_path / "nowhere", "1m") is None
    assert stored_candles(tmp_path, "1m") is None
    past = History("1m", None, klines(300, 500)).candles()
    assert {symbol: int(rows.timestamp[0]) for symbol, rows in past.items()} == dict.fromkeys(past, close_at(299))


def test_where_store_and_venue_differ_the_venue_holds(tmp_path: Path) -> None:
    """A candle that was stored otherwise is taken as the venue has it now."""
    changed = {}
    for symbol, rows in markets().items():
        high = rows.high.copy()
        high[310] *= 2
        changed[symbol] = replace(rows, high=high)
        CandleStore(tmp_path).write(changed[symbol])
    past = History("1m", stored_candles(tmp_path, "1m"), klines(300, 400)).candles()
    for symbol, rows in past.items():
        assert np.array_equal(rows.high, markets()[symbol].high[:400])


def test_sick_candles_are_left_out_and_a_market_of_none_is_refused() -> None:
    """What cannot be counts as missing; nothing at all is no history."""
    told = klines(0, 20)
    sick = {symbol: [replace(row, low=Decimal(-1)) for row in rows] for symbol, rows in told.items()}
    assert not is_sound("ADA/USDT", sick["ADA/USDT"][0])
    mixed = {**told, "ADA/USDT": [*told["ADA/USDT"][:10], *sick["ADA/USDT"][10:]]}
    past = History("1m", None, mixed)
    assert past.last_ms == close_at(19)
    assert int(past.candles()["ADA/USDT"].timestamp[-1]) == close_at(9) - BASE_MS
    with pytest.raises(DataError, match="no sound candle of ADA/USDT"):
        History("1m", None, {**told, "ADA/USDT": sick["ADA/USDT"]})
    with pytest.raises(DataError, match="no sound candle of FET/USDT"):
        History("1m", None, {**told, "FET/USDT": []})

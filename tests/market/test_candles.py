"""Candles are sound by construction and cannot be changed."""

import numpy as np
import pytest

from huracan.errors import DataError
from huracan.market import Candles, candles_from_rows
from tests.market.frames import START_MS, columns, market, rows


def build(found: dict[str, np.ndarray]) -> Candles:
    """Return candles of hand-made columns."""
    return candles_from_rows("ADA/USDT", "1m", rows(found))


def test_arrays_are_read_only_and_the_callers_stay_writable():
    """Candles own frozen arrays: neither they nor the array they came from can change them."""
    found = columns()
    candles = build(found)
    before = candles.close[3]
    found["close"][3] = 1.0
    assert candles.close[3] == before
    for name in ("timestamp", *candles.rows().columns):
        with pytest.raises(ValueError, match="read-only"):
            getattr(candles, name)[0] = 1


def test_between_is_half_open():
    """between(start, end) holds the start and not the end."""
    candles = market(100)
    part = candles.between(int(candles.timestamp[10]), int(candles.timestamp[20]))
    assert part.timestamp.tolist() == candles.timestamp[10:20].tolist()
    assert part.trades.tolist() == candles.trades[10:20].tolist()


def test_fingerprint_depends_on_every_value_and_on_names():
    """Any changed price, time, symbol, timeframe or missing column changes the fingerprint; equal candles share it."""
    found = columns()
    reference = build(found).fingerprint()
    assert build(columns()).fingerprint() == reference
    seen = {reference}
    for name in ("open", "high", "low", "close", "volume"):
        changed = columns()
        changed[name][7] += 0.05 if name in ("high", "volume") else -0.05 if name == "low" else 0.001
        seen.add(build(changed).fingerprint())
    seen.add(build({**columns(), "trades": np.ones(500)}).fingerprint())
    seen.add(build({**columns(), "quote_volume": np.ones(500)}).fingerprint())
    seen.add(build(columns(start_ms=START_MS + 60_000)).fingerprint())
    seen.add(candles_from_rows("ADA/USDC", "1m", rows(columns())).fingerprint())
    assert len(seen) == 10


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (
            lambda c: c["close"].__setitem__(4, np.nan),
            "missing, NaN or infinite .1 row, first is row 4 at 2025-06-11T00:04:00Z",
        ),
        (lambda c: c["volume"].__setitem__(4, np.inf), "missing, NaN or infinite"),
        (lambda c: c["low"].__setitem__(4, 0.0), "zero or negative"),
        (lambda c: c["open"].__setitem__(4, -1.0), "zero or negative"),
        (lambda c: c["volume"].__setitem__(4, -1.0), "volume is negative"),
        (lambda c: c["high"].__setitem__(4, 50.0), "does not enclose"),
        (lambda c: c["low"].__setitem__(4, 150.0), "does not enclose"),
        (lambda c: c["timestamp"].__setitem__(4, START_MS + 4 * 60_000 + 1), "not on the timeframe's grid"),
        (lambda c: c["timestamp"].__setitem__(4, START_MS + 3 * 60_000), "occurs twice"),
        (lambda c: c["timestamp"].__setitem__(4, START_MS - 60_000), "before the row above"),
    ],
)
def test_each_broken_rule_is_named_with_row_and_time(damage, message):
    """A row that breaks a rule is refused in one line that says what, where and what to do."""
    found = columns()
    damage(found)
    with pytest.raises(DataError, match=message) as caught:
        build(found)
    assert str(caught.value).startswith("ADA/USDT 1m: ")
    assert "\n" not in str(caught.value)


def test_columns_of_different_length_are_refused():
    """A column that is shorter than the timestamps is refused."""
    found = columns()
    found["low"] = found["low"][:-1]
    with pytest.raises(DataError, match="differ in length"):
        build(found)


def test_no_candles_are_candles():
    """An empty history is sound and has a fingerprint of its own."""
    empty = np.empty(0)
    candles = Candles("ADA/USDT", "1m", np.empty(0, np.int64), empty, empty, empty, empty, empty)
    assert len(candles) == 0
    assert len(candles.fingerprint()) == 64

"""Markets of a folder: the instruments and costs of training, and where the market clock may begin."""

from pathlib import Path

import numpy as np
import pytest

from huracan.config import Settings
from huracan.errors import DataError
from huracan.market import CandleStore, MarketShape, martingale
from huracan.paper.load import default_start_ms, load_markets
from huracan.trading import build_cost_table, infer_instrument
from tests.paper.serving import SYMBOLS, candles, write_store

MINUTE_MS = 60_000


def test_markets_are_those_of_training(tmp_path: Path) -> None:
    """Instrument, cost table and quantised bars come from the functions that build the kernel's tapes."""
    loaded = load_markets(write_store(tmp_path), Settings())
    assert tuple(one.symbol for one in loaded.markets) == SYMBOLS
    for one in loaded.markets:
        known = candles(one.symbol)
        assert one.instrument == infer_instrument(known, loaded.kernel)
        assert one.costs.sha256 == build_cost_table(known, one.instrument, loaded.kernel).sha256
        assert np.array_equal(one.bars[:, 4], np.rint(known.close / float(one.instrument.tick)))
    assert loaded.first_ms == int(candles("ADA/USDT").timestamp[0])
    assert loaded.last_ms == int(candles("ADA/USDT").timestamp[-1]) + MINUTE_MS


def test_a_store_and_a_choice_of_symbols(tmp_path: Path) -> None:
    """The root of a store works like its folder; symbols named win over those of the configuration."""
    write_store(tmp_path)
    settings = Settings(data={"symbols": ["ADA/USDT"]})
    assert [one.symbol for one in load_markets(tmp_path, settings).markets] == ["ADA/USDT"]
    assert [one.symbol for one in load_markets(tmp_path, settings, ["BTC/USDT"]).markets] == ["BTC/USDT"]


def test_an_unknown_symbol_is_refused(tmp_path: Path) -> None:
    """The line names what is there."""
    with pytest.raises(DataError, match="no candles of XRP/USDT; found ADA/USDT, BTC/USDT"):
        load_markets(write_store(tmp_path), Settings(), ["XRP/USDT"])


def test_a_perpetual_stands_beside_the_spot_market_of_its_coin(tmp_path: Path) -> None:
    """Its candles are shown; alone there would be nothing to trade."""
    folder = write_store(tmp_path)
    CandleStore(tmp_path).write(martingale(MarketShape("ADA/USDT:USDT", "1m"), 100, seed=3))
    found = load_markets(folder, Settings()).markets
    assert [(one.venue_symbol, one.perpetual) for one in found if one.base == "ADA"] == [
        ("ADAUSDT", False),
        ("ADAUSDT_PERP", True),
    ]
    with pytest.raises(DataError, match="ADAUSDT_PERP: perpetuals are shown and not traded"):
        load_markets(folder, Settings(), ["ADA/USDT:USDT"])


def test_the_start_lies_within_the_candles(tmp_path: Path) -> None:
    """Default: the midnight before the middle; a given time is cut to the bars' grid; outside is refused."""
    loaded = load_markets(write_store(tmp_path), Settings())
    first, last = loaded.first_ms, loaded.last_ms
    start = default_start_ms(loaded, None)
    assert start % 86_400_000 == 0
    assert first < start <= (first + last) // 2
    assert default_start_ms(loaded, first + 5 * MINUTE_MS + 1) == first + 5 * MINUTE_MS
    for outside in (first, last, 0):
        with pytest.raises(DataError, match="lies outside the candles; give one from"):
            default_start_ms(loaded, outside)


def test_a_short_history_starts_in_its_middle(tmp_path: Path) -> None:
    """No midnight before the middle: the middle itself."""
    CandleStore(tmp_path).write(martingale(MarketShape("ADA/USDT", "1m"), 100, seed=3))
    loaded = load_markets(tmp_path, Settings())
    assert default_start_ms(loaded, None) == loaded.first_ms + 50 * MINUTE_MS

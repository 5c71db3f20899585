"""A market for the exchange, from candles and from whole numbers."""

from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest

from huracan.config import TradingSettings
from huracan.errors import DataError
from huracan.market.synthetic import wild_bars
from huracan.paper import paper_market, venue_symbol
from huracan.trading import build_cost_table, infer_instrument, resolve_settings
from tests.paper.world import BASE_MS, FLAT, START_MS, market


@pytest.mark.parametrize(
    ("symbol", "name"), [("BTC/USDT", "BTCUSDT"), ("BTC/USDT:USDT", "BTCUSDT_PERP"), ("1INCH/USDC", "1INCHUSDC")]
)
def test_venue_symbols(symbol: str, name: str) -> None:
    """Base and quote without anything between."""
    assert venue_symbol(symbol) == name


def test_candles_become_the_kernels_integers() -> None:
    """Every price and volume is a whole number of ticks and steps, and multiplies back to the candle."""
    candles, settings = wild_bars(3, 2 * 1440), resolve_settings(TradingSettings(), "1m")
    instrument = infer_instrument(candles, settings)
    made = paper_market(candles, instrument, build_cost_table(candles, instrument, settings))
    assert len(made.bars) == len(candles)
    assert made.open_ms(5) == candles.timestamp[5]
    np.testing.assert_allclose(made.bars[:, 4] * float(instrument.tick), candles.close, rtol=1e-12)
    assert (made.base, made.quote) == tuple(candles.symbol.split(":")[0].split("/"))


def test_rows_bars_and_days() -> None:
    """A row's bar, its opening time and its row of costs."""
    made = market([FLAT, (1, 4, 1, 2, 9), FLAT], missing=[1])
    assert made.bar(1) == (START_MS // BASE_MS + 2, 1, 4, 1, 2, 9)
    assert made.open_ms(1) == START_MS + 2 * BASE_MS
    assert made.day(2) == 0


def test_bars_without_costs_are_refused() -> None:
    """A price without a spread would be free money."""
    made = market([FLAT])
    with pytest.raises(DataError, match="cost table"):
        replace(made, bars=made.bars + np.array([[10**6, 0, 0, 0, 0, 0]]))


@pytest.mark.parametrize("shape", [(0, 6), (3, 5)])
def test_bars_of_another_shape_are_refused(shape: tuple[int, int]) -> None:
    """Six columns, at least one row."""
    with pytest.raises(DataError, match="six columns"):
        replace(market([FLAT]), bars=np.zeros(shape, np.int64))


def test_the_instrument_is_shared() -> None:
    """Tick and step are the kernel's."""
    assert market([FLAT]).instrument.tick == Decimal("0.01")

"""One market of the exchange: its candles as integers, its instrument and its dated costs, as the kernel reads them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from huracan.errors import DataError
from huracan.market import Candles
from huracan.trading import CostTable, Instrument
from huracan.trading.instruments import parse_prices, parse_volumes
from huracan.trading.venue_law import Bar

__all__ = ["DAY_MS", "PaperMarket", "futures_symbol", "paper_market", "venue_symbol"]

DAY_MS = 86_400_000


def venue_symbol(symbol: str) -> str:
    """Return the exchange's own name of a ccxt symbol: "BTCUSDT" of "BTC/USDT", "BTCUSDT_PERP" of its perpetual.

    Clients ask for a perpetual's candles as they do at Binance, by "BTCUSDT" under /fapi/v1; it is not traded here.
    """
    pair, colon, _ = symbol.partition(":")
    return pair.replace("/", "") + ("_PERP" if colon else "")


def futures_symbol(market: "PaperMarket") -> str:
    """Return the name of a perpetual under /fapi/v1, "BTCUSDT"."""
    return market.base + market.quote


@dataclass(frozen=True, slots=True, eq=False)
class PaperMarket:
    """One market, before and during trading.

    Attributes:
        instrument: tick, step, least order and fees; exchangeInfo is made from it.
        timeframe: of the bars, e.g. "1m".
        base_ms: its length.
        bars: int64[T, 6]: bar number (open time / base_ms), open, high, low, close in ticks, volume in steps.
        costs: dated cost table; its days cover the bars.
        quote_volume, trades, taker_buy_volume: float64[T], or None where the source lacks them.
    """

    instrument: Instrument
    timeframe: str
    base_ms: int
    bars: NDArray[np.int64]
    costs: CostTable
    quote_volume: NDArray[np.float64] | None = None
    trades: NDArray[np.float64] | None = None
    taker_buy_volume: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        if self.bars.ndim != 2 or self.bars.shape[1] != 6 or not len(self.bars):
            raise DataError(f"{self.symbol}: the exchange needs bars of six columns, got shape {self.bars.shape}")
        days = self.bars[[0, -1], 0] * self.base_ms // DAY_MS - self.costs.day_ms[0] // DAY_MS
        if days[0] < 0 or days[1] >= len(self.costs.day_ms):
            raise DataError(f"{self.symbol}: the cost table does not cover the candles; build it again from them")

    @property
    def symbol(self) -> str:
        """Return the ccxt symbol."""
        return self.instrument.symbol

    @property
    def venue_symbol(self) -> str:
        """Return the exchange's name of the market, "BTCUSDT"."""
        return venue_symbol(self.symbol)

    @property
    def perpetual(self) -> bool:
        """Return whether it is a perpetual: its candles are shown, it is not traded."""
        return ":" in self.symbol

    @property
    def base(self) -> str:
        """Return the base asset."""
        return self.symbol.split("/")[0]

    @property
    def quote(self) -> str:
        """Return the quote asset."""
        return self.symbol.split("/")[1].split(":")[0]

    def bar(self, row: int) -> Bar:
        """Return one row as the laws take it."""
        return Bar(*self.bars[row].tolist())

    def open_ms(self, row: int) -> int:
        """Return the opening time of a row."""
        return int(self.bars[row, 0]) * self.base_ms

    def day(self, row: int) -> int:
        """Return the row of the cost table for a bar."""
        return int((self.open_ms(row) - self.costs.day_ms[0]) // DAY_MS)


def paper_market(candles: Candles, instrument: Instrument, costs: CostTable) -> PaperMarket:
    """Return the market of these candles, quantised as the kernel's tape is.

    Raises:
        DataError: a price or volume is off the instrument's grid, or the costs do not cover the candles.
    """
    prices = [parse_prices(column, instrument) for column in (candles.open, candles.high, candles.low, candles.close)]
    columns = [candles.timestamp // candles.bar_ms, *prices, parse_volumes(candles.volume, instrument)]
    return PaperMarket(
        instrument=instrument,
        timeframe=candles.timeframe,
        base_ms=candles.bar_ms,
        bars=np.column_stack(columns).astype(np.int64),
        costs=costs,
        quote_volume=candles.quote_volume,
        trades=candles.trades,
        taker_buy_volume=candles.taker_buy_volume,
    )

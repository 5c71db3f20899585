"""What the laws need beside a candle: instruments, the day's costs, sigma of the feature machines; kept up to date."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from huracan.config import Settings
from huracan.errors import DataError
from huracan.execution.commands import Close
from huracan.execution.feed import ClosedCandle, close_of
from huracan.features import find_leader, windows_for
from huracan.features.batch import context_for, run_engine
from huracan.features.engine import Engine
from huracan.features.machines.coin import BAR_COLUMNS
from huracan.logs import get_logger
from huracan.market import Rows, candles_from_rows
from huracan.market.candles import Candles
from huracan.trading import CostTable, Instrument, KernelSettings, build_cost_table, build_tape
from huracan.venue.klines import Kline
from huracan.venue.orders import MarketFilters

__all__ = ["MarketData", "history_bars", "instrument_of"]

_DAY_MS = 86_400_000
_COST_DAYS = 9  # seven full days before today, one more because the first day's first return has no bar before it


def history_bars(settings: Settings, kernel: KernelSettings) -> int:
    """Return how many bars a start needs: warm machines, and the days of a cost row."""
    warm = windows_for(kernel.timeframe, settings.features.windows).ready
    return int(max(warm + 1, _COST_DAYS * _DAY_MS // kernel.base_ms))


def instrument_of(filters: MarketFilters, kernel: KernelSettings) -> Instrument:
    """Return the instrument that a venue's demands describe, with the configured fees."""
    return Instrument(
        symbol=filters.symbol,
        tick=filters.tick,
        step=filters.step,
        min_notional=max(filters.notional_min, kernel.min_notional),
        fee_maker_ppm=kernel.fee_maker_ppm,
        fee_taker_ppm=kernel.fee_taker_ppm,
        fee_in_quote=kernel.fee_in_quote,
    )


class MarketData:
    """Closed candles in, closed bars of the laws out.

    Args:
        settings: whole configuration.
        kernel: rules of the timeframe.
        instruments: by symbol.
        history: closed candles of each market, all up to the same close; what cannot be counts as missing.

    Raises:
        DataError: a market cannot be traded by the rules, or its history is unfit.

    Attributes:
        last_ms: when the newest bar closed.
    """

    def __init__(
        self,
        settings: Settings,
        kernel: KernelSettings,
        instruments: Mapping[str, Instrument],
        history: Mapping[str, Sequence[Kline]],
    ) -> None:
        self._kernel, self._instruments = kernel, dict(sorted(instruments.items()))
        self._rows = {
            symbol: [row for row in history[symbol] if self._is_sound(symbol, row)] for symbol in self._instruments
        }
        empty = [symbol for symbol, rows in self._rows.items() if not rows]
        if empty:
            raise DataError(f"no sound candle of {', '.join(empty)}; look at what the venue shows of it")
        candles = {symbol: self._candles(symbol) for symbol in self._instruments}
        leader = find_leader(candles, settings.data.leader_symbol)
        context = context_for(candles, settings.features, kernel.decision_interval_bars, leader)
        self._engine = Engine(context)
        raw = run_engine(self._engine, candles, {})
        self._costs: dict[str, CostTable] = {}
        self._sigma: dict[str, float] = {}
        for symbol, instrument in self._instruments.items():
            self._costs[symbol] = build_cost_table(candles[symbol], instrument, kernel)
            build_tape(candles[symbol], raw[symbol], instrument, self._costs[symbol], kernel)  # refuses unfit markets
            self._sigma[symbol] = float(raw[symbol].sigma[-1]) if raw[symbol].ready[-1] else math.nan
            if not raw[symbol].ready[-1]:
                get_logger().warning(
                    "data.cold", symbol=symbol, bars=len(candles[symbol]), needed=context.windows.ready
                )
        self.last_ms = max(rows[-1].open_ms for rows in self._rows.values()) + kernel.base_ms
        self._day = (self.last_ms - kernel.base_ms) // _DAY_MS

    def closes(self) -> dict[str, Close]:
        """Return the newest closed bar of each market."""
        newest = self.last_ms - self._kernel.base_ms
        rows = {symbol: rows[-1] for symbol, rows in self._rows.items() if rows[-1].open_ms == newest}
        return {symbol: self._close(symbol, row) for symbol, row in rows.items()}

    def push(self, close_ms: int, candles: Mapping[str, Kline]) -> dict[str, Close]:
        """Take in the candles of one close and return the bars of the laws.

        Raises:
            DataError: a candle is impossible.
            InvariantError: a price is off its market's grid.
        """
        open_ms = close_ms - self._kernel.base_ms
        number = open_ms // self._kernel.base_ms
        assert self._engine.next_bar_no is not None
        sound = {symbol: row for symbol, row in candles.items() if self._is_sound(symbol, row)}
        count = number - self._engine.next_bar_no + 1
        if count < 1:
            raise DataError(f"the close at {close_ms} comes after a later one; restart the trader")
        universe = self._engine.context.universe
        block = np.full((count, len(universe), BAR_COLUMNS), math.nan)
        for place, symbol in enumerate(universe):
            if symbol in sound:
                self._rows[symbol].append(sound[symbol])
                block[-1, place] = _columns(sound[symbol])
        out = self._engine.advance(self._engine.next_bar_no, block)
        for place, symbol in enumerate(universe):
            self._sigma[symbol] = float(out.sigma[-1, place]) if out.ready[-1, place] else math.nan
        self.last_ms = close_ms
        self._turn_day(open_ms)
        return {symbol: self._close(symbol, row) for symbol, row in sound.items()}

    def _is_sound(self, symbol: str, row: Kline) -> bool:
        """Return whether a candle can be; what the venue prints wrong counts as missing."""
        prices = (row.open, row.high, row.low, row.close)
        amounts = (row.volume, row.quote_volume, row.trades, row.taker_buy_volume)
        if 0 < row.low == min(prices) and row.high == max(prices) and all(amount >= 0 for amount in amounts):
            return True
        get_logger().warning("feed.impossible", symbol=symbol, candle=str(row))
        return False

    def _turn_day(self, open_ms: int) -> None:
        """Build the cost row of a new UTC day, and forget the candles that no row needs."""
        day = open_ms // _DAY_MS
        if day == self._day:
            return
        self._day = day
        first_ms = (day - _COST_DAYS) * _DAY_MS
        for symbol, instrument in self._instruments.items():
            self._rows[symbol] = [row for row in self._rows[symbol] if row.open_ms >= first_ms]
            self._costs[symbol] = build_cost_table(self._candles(symbol), instrument, self._kernel)
            get_logger().info("data.costs", symbol=symbol, day=day, sha256=self._costs[symbol].sha256[:12])

    def _close(self, symbol: str, row: Kline) -> Close:
        candle = ClosedCandle(
            symbol, row.open_ms, row.open, row.high, row.low, row.close, row.volume, self._sigma[symbol]
        )
        return close_of(candle, self._instruments[symbol], self._costs[symbol], self._kernel)

    def _candles(self, symbol: str) -> Candles:
        rows = self._rows[symbol]
        names = ("open", "high", "low", "close", "volume", "quote_volume", "trades", "taker_buy_volume")
        columns = {name: np.array([float(getattr(row, name)) for row in rows]) for name in names}
        return candles_from_rows(
            symbol, self._kernel.timeframe, Rows(np.array([row.open_ms for row in rows], np.int64), columns)
        )


def _columns(row: Kline) -> tuple[float, ...]:
    """Return a candle in the order of the machines' twelve columns; there is no book."""
    figures = (row.open, row.high, row.low, row.close, row.volume, row.quote_volume, row.trades, row.taker_buy_volume)
    return (*(float(figure) for figure in figures), *(math.nan,) * 4)

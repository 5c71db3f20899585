"""What the laws need beside a candle: instruments, the day's costs, sigma as the feed tells it; kept up to date."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from huracan.config import Settings
from huracan.errors import DataError
from huracan.execution.commands import Close
from huracan.execution.feed import ClosedCandle, close_of
from huracan.features import find_leader, windows_for
from huracan.features.batch import compute_raw
from huracan.logs import get_logger
from huracan.market import Rows, candles_from_rows
from huracan.market.candles import Candles
from huracan.signals.follower import newest_sigma
from huracan.signals.history import is_sound
from huracan.signals.model import MarketClose
from huracan.trading import Instrument, KernelSettings, build_cost_table, build_tape
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
    """Closes of the feed in, closed bars of the laws out.

    Args:
        settings: whole configuration.
        kernel: rules of the timeframe.
        instruments: by symbol.
        history: closed candles of each market, all up to the same close; what cannot be counts as missing.
        sigma: at the newest close, of the markets whose machines are warm; without it nothing is entered there.

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
        sigma: Mapping[str, float],
    ) -> None:
        self._kernel, self._instruments = kernel, dict(sorted(instruments.items()))
        self._rows = {symbol: [row for row in history[symbol] if is_sound(symbol, row)] for symbol in self._instruments}
        empty = [symbol for symbol, rows in self._rows.items() if not rows]
        if empty:
            raise DataError(f"no sound candle of {', '.join(empty)}; look at what the venue shows of it")
        self._sigma = dict(sigma)
        candles = {symbol: self._candles(symbol) for symbol in self._instruments}
        self._costs = {
            symbol: build_cost_table(candles[symbol], instrument, kernel)
            for symbol, instrument in self._instruments.items()
        }
        self._refuse_unfit(settings, candles)
        self.last_ms = max(rows[-1].open_ms for rows in self._rows.values()) + kernel.base_ms
        self._day = (self.last_ms - kernel.base_ms) // _DAY_MS
        for symbol in self._instruments:
            if symbol not in self._sigma:
                get_logger().warning("data.cold", symbol=symbol, bars=len(candles[symbol]))

    def _refuse_unfit(self, settings: Settings, candles: Mapping[str, Candles]) -> None:
        """Hold the history against everything that a market must be to be traded by the rules."""
        leader = find_leader(candles, settings.data.leader_symbol if settings.data.leader_symbol in candles else None)
        raw = compute_raw(candles, settings.features, self._kernel.decision_interval_bars, leader)
        for symbol, instrument in self._instruments.items():
            build_tape(candles[symbol], raw[symbol], instrument, self._costs[symbol], self._kernel)

    def closes(self) -> dict[str, Close]:
        """Return the newest closed bar of each market."""
        newest = self.last_ms - self._kernel.base_ms
        rows = {symbol: rows[-1] for symbol, rows in self._rows.items() if rows[-1].open_ms == newest}
        return {symbol: self._close(symbol, row) for symbol, row in rows.items()}

    def push(self, close: MarketClose) -> dict[str, Close]:
        """Take in one close and return the bars of the laws.

        Raises:
            DataError: it is not after the last one.
            InvariantError: a price is off its market's grid.
        """
        open_ms = close.close_ms - self._kernel.base_ms
        if close.close_ms <= self.last_ms:
            raise DataError(f"the close at {close.close_ms} comes after a later one; restart the trader")
        bars = {symbol: row for symbol, row in close.bars.items() if symbol in self._instruments}
        for symbol, row in bars.items():
            self._rows[symbol].append(row)
        self._sigma = newest_sigma(close)
        self.last_ms = close.close_ms
        self._turn_day(open_ms)
        return {symbol: self._close(symbol, row) for symbol, row in bars.items()}

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
            symbol, row.open_ms, row.open, row.high, row.low, row.close, row.volume, self._sigma.get(symbol, math.nan)
        )
        return close_of(candle, self._instruments[symbol], self._costs[symbol], self._kernel)

    def _candles(self, symbol: str) -> Candles:
        rows = self._rows[symbol]
        names = ("open", "high", "low", "close", "volume", "quote_volume", "trades", "taker_buy_volume")
        columns = {name: np.array([float(getattr(row, name)) for row in rows]) for name in names}
        return candles_from_rows(
            symbol, self._kernel.timeframe, Rows(np.array([row.open_ms for row in rows], np.int64), columns)
        )

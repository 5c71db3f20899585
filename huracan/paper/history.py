"""What the market has shown: candles in any timeframe and prints, from closed bars and what the forming one printed."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from huracan.errors import DataError
from huracan.market.timeframes import timeframe_ms
from huracan.paper.core import Core
from huracan.paper.errors import Refusal

__all__ = ["PRINTS_PER_BAR", "History", "Kline", "Print"]

PRINTS_PER_BAR = 4
_PHASE_IDS = 100_000
_NUMBER, _OPEN, _HIGH, _LOW, _CLOSE, _VOLUME = range(6)


@dataclass(frozen=True, slots=True)
class Kline:
    """One candle: times in ms, prices in ticks, volumes in steps, values in quote currency; `closed`: final."""

    open_ms: int
    close_ms: int
    open: int
    high: int
    low: int
    close: int
    volume: int
    quote_volume: float
    trades: int
    taker_volume: int
    taker_quote: float
    closed: bool


@dataclass(frozen=True, slots=True)
class Print:
    """One public trade: price in ticks, quantity in steps; `seller`: a seller was the taker."""

    trade_id: int
    price: int
    quantity: int
    time_ms: int
    seller: bool


@dataclass(frozen=True, slots=True)
class _Extras:
    """Columns beside the bars: value in quote, number of trades, steps bought by takers, and their value."""

    value: NDArray[np.float64]
    trades: NDArray[np.float64]
    taker: NDArray[np.float64]


class History:
    """Reads of the past; nothing of a bar is seen before the exchange has printed it."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._extras: dict[str, _Extras] = {}

    def interval_ms(self, interval: str) -> int:
        """Return the length of a timeframe that the bars can be put together to.

        Raises:
            Refusal: unknown, or no multiple of the bars.
        """
        try:
            length = timeframe_ms(interval)
        except DataError:
            raise Refusal(-1120, "Invalid interval.") from None
        if length % self._core.base_ms:
            raise Refusal(-1120, "Invalid interval.")
        return length

    # ---- prints -------------------------------------------------------------------------------------------------

    def bar_prints(self, symbol: str, row: int) -> list[Print]:
        """Return the prints of a bar: open, low, high, close, at its quarters, a quarter of the volume each.

        A bar without volume prints nothing. Ids grow with time and leave room for accounts' trades between them.
        """
        market = self._core.markets[symbol]
        _, opening, high, low, close, volume = market.bars[row].tolist()
        start, quarter = market.open_ms(row), self._core.base_ms // PRINTS_PER_BAR
        before = int(market.bars[row - 1, _CLOSE]) if row else opening
        share = volume // PRINTS_PER_BAR
        shown = []
        for i, price in enumerate((opening, low, high, close)):
            last = i == PRINTS_PER_BAR - 1
            size = volume - 3 * share if last else share
            if size:
                time_ms = start + (i + 1) * quarter - last
                shown.append(Print((row * 10 + i + 1) * _PHASE_IDS - 1, price, size, time_ms, price < before))
            before = price
        return shown

    def prints_from(self, symbol: str, first_row: int, count: int) -> list[Print]:
        """Return the public prints from a row on up to now, about `count` at most (whole bars)."""
        state, now = self._core.state.markets[symbol], self._core.state.clock.now_ms
        shown: list[Print] = []
        for row in range(max(0, first_row), state.row):
            shown += self.bar_prints(symbol, row)
            if len(shown) >= count:
                return shown
        if state.prints:
            shown += [item for item in self.bar_prints(symbol, state.row) if item.time_ms <= now]
        return shown

    def newest_prints(self, symbol: str, count: int) -> list[Print]:
        """Return the last prints, at most `count`; quiet bars are looked through back to ten times that many."""
        row = self._core.state.markets[symbol].row
        bars = max(10, 10 * count // PRINTS_PER_BAR)
        return self.prints_from(symbol, row - bars, bars * PRINTS_PER_BAR)[-count:]

    # ---- candles ------------------------------------------------------------------------------------------------

    def klines(self, symbol: str, length_ms: int, start_ms: int | None, end_ms: int | None, limit: int) -> list[Kline]:
        """Return candles that open in [start, end], at most `limit`: the first ones after `start`, else the last."""
        state, base, per_kline = self._core.state.markets[symbol], self._core.base_ms, length_ms // self._core.base_ms
        numbers = self._core.markets[symbol].bars[: state.row + bool(state.prints), _NUMBER]
        first, end = 0, len(numbers)
        if start_ms is not None:
            first = int(numbers.searchsorted(-(-start_ms // length_ms) * length_ms // base))
        if end_ms is not None:
            end = int(numbers.searchsorted((end_ms // length_ms + 1) * length_ms // base))
        if start_ms is not None:
            end = min(end, first + limit * per_kline)
        else:
            first = max(first, end - limit * per_kline)
        if end <= first:
            return []
        rows = self._rows(symbol, first, end)
        group = rows[:, _NUMBER] * base // length_ms
        edges = np.append(np.flatnonzero(np.diff(group, prepend=-1)), len(group)).tolist()
        edges = (
            edges[: limit + 1] if start_ms is not None else self._whole(symbol, first, length_ms, edges)[-limit - 1 :]
        )
        return [self._kline(symbol, rows[a:b], first + a, length_ms) for a, b in pairwise(edges)]

    def _whole(self, symbol: str, first: int, length_ms: int, edges: list[int]) -> list[int]:
        """Return the edges without the first candle when it began before the rows at hand."""
        numbers, per_kline = self._core.markets[symbol].bars[:, _NUMBER], length_ms // self._core.base_ms
        cut = first > 0 and int(numbers[first - 1]) // per_kline == int(numbers[first]) // per_kline
        return edges[1:] if cut and len(edges) > 2 else edges

    def _rows(self, symbol: str, first: int, end: int) -> NDArray[np.int64]:
        """Return bars [first, end), the forming one only as far as it was printed."""
        market, state = self._core.markets[symbol], self._core.state.markets[symbol]
        if end <= state.row:
            return market.bars[first:end]
        seen, number = state.prints, int(market.bars[state.row, _NUMBER])
        size = self._forming_volume(symbol)
        forming = np.array([[number, seen[0], max(seen), min(seen), seen[-1], size]], np.int64)
        return np.concatenate([market.bars[first : state.row], forming])

    def _forming_volume(self, symbol: str) -> int:
        state, now = self._core.state.markets[symbol], self._core.state.clock.now_ms
        return sum(item.quantity for item in self.bar_prints(symbol, state.row) if item.time_ms <= now)

    def _kline(self, symbol: str, part: NDArray[np.int64], first: int, length_ms: int) -> Kline:
        market, end = self._core.markets[symbol], first + len(part)
        extras = self._columns(symbol)
        whole = part[:, _VOLUME].astype(np.float64)
        source = market.bars[first:end, _VOLUME]
        share = np.divide(whole, source, out=np.zeros(len(part)), where=source > 0)  # the forming bar's printed part
        open_ms = int(part[0, _NUMBER]) * self._core.base_ms // length_ms * length_ms
        value = float((extras.value[first:end] * share).sum())
        volume = int(part[:, _VOLUME].sum())
        taker = int((extras.taker[first:end] * share).sum())
        return Kline(
            open_ms=open_ms,
            close_ms=open_ms + length_ms - 1,
            open=int(part[0, _OPEN]),
            high=int(part[:, _HIGH].max()),
            low=int(part[:, _LOW].min()),
            close=int(part[-1, _CLOSE]),
            volume=volume,
            quote_volume=value,
            trades=int((extras.trades[first:end] * share).sum()),
            taker_volume=taker,
            taker_quote=value * taker / volume if volume else 0.0,
            closed=open_ms + length_ms <= self._core.state.clock.now_ms,
        )

    def _columns(self, symbol: str) -> _Extras:
        """Return the optional columns of a market, made up from the bars where the source has none."""
        if symbol not in self._extras:
            market = self._core.markets[symbol]
            volume = market.bars[:, _VOLUME].astype(np.float64)
            middle = (market.bars[:, _HIGH] + market.bars[:, _LOW] + 2 * market.bars[:, _CLOSE]) / 4.0
            grid, step = float(market.instrument.tick_step_quote), float(market.instrument.step)
            value = middle * volume * grid if market.quote_volume is None else market.quote_volume
            trades = np.where(volume > 0, 4.0, 0.0) if market.trades is None else market.trades
            taker = volume // 2 if market.taker_buy_volume is None else np.rint(market.taker_buy_volume / step)
            self._extras[symbol] = _Extras(value, trades, taker)
        return self._extras[symbol]

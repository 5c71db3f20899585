"""Market streams: what is published when a bar prints and closes, as Binance words it."""

from typing import Any

from huracan.paper.core import Core
from huracan.paper.events import EventLog
from huracan.paper.faults import FaultKind
from huracan.paper.history import PRINTS_PER_BAR, History, Kline, Print
from huracan.paper.matching import book_levels, level_changes
from huracan.paper.payloads import price_text, quantity_text
from huracan.trading.venue_law import best_ask, best_bid

__all__ = ["Feed"]

_LEVEL_STEPS_MAX = 10**9


class Feed:
    """Publishes prints, books and candles of every market."""

    def __init__(self, core: Core, events: EventLog, history: History) -> None:
        self._core = core
        self._events = events
        self._history = history
        for symbol, state in core.state.markets.items():
            state.bids, state.asks = self.book(symbol)

    def book(self, symbol: str) -> tuple[dict[int, int], dict[int, int]]:
        """Return the public book (bids, asks), ticks -> steps, nearest first."""
        state, settings = self._core.state.markets[symbol], self._core.settings
        terms = self._core.terms(symbol, state.shown_row)
        return book_levels(state.shown, terms, settings.book_levels, _LEVEL_STEPS_MAX)

    def quote(self, symbol: str) -> tuple[int, int]:
        """Return (best bid, best ask) of the public book, ticks."""
        state = self._core.state.markets[symbol]
        terms = self._core.terms(symbol, state.shown_row)
        return best_bid(state.shown, terms), best_ask(state.shown, terms)

    # ---- what a bar does ----------------------------------------------------------------------------------------

    def show(self, symbol: str, index: int) -> None:
        """Publish print `index` (0 open, 1 low, 2 high, 3 close) of the bar at hand, the book and the candle."""
        state, row = self._core.state.markets[symbol], self._core.bar_row(symbol)
        price = self._core.markets[symbol].bars[row].tolist()[(1, 3, 2, 4)[index]]
        state.shown, state.shown_row = price, row
        state.prints.append(price)
        assert len(state.prints) <= PRINTS_PER_BAR
        made = [item for item in self._history.bar_prints(symbol, row) if item.trade_id % 1_000_000 // 100_000 == index]
        for item in made:
            self._trade(symbol, item)
        self._book(symbol)

    def candle(self, symbol: str) -> None:
        """Publish the candle of each published timeframe as it stands, final ones once they closed."""
        if "kline" not in self._core.settings.streams:
            return
        base = self._core.markets[symbol].timeframe
        for interval in dict.fromkeys((base, *self._core.settings.intervals)):
            found = self._history.klines(symbol, self._history.interval_ms(interval), None, None, 1)
            if found:
                self._kline(symbol, interval, found[-1])

    # ---- events -------------------------------------------------------------------------------------------------

    def _publish(self, symbol: str, kind: str, payload: dict[str, Any]) -> None:
        self._events.public(f"{symbol.lower()}@{kind}", payload)

    def _event_ms(self, symbol: str) -> int:
        """Return the time of what is shown: the last print belongs to its bar, which ends a millisecond later."""
        market, row = self._core.markets[symbol], self._core.state.markets[symbol].shown_row
        return min(self._core.state.clock.now_ms, market.open_ms(row) + market.base_ms - 1)

    def _trade(self, symbol: str, item: Print) -> None:
        market = self._core.markets[symbol]
        common = {
            "E": self._event_ms(symbol),
            "s": symbol,
            "p": price_text(item.price, market),
            "q": quantity_text(item.quantity, market),
            "T": item.time_ms,
            "m": item.seller,
            "M": True,
        }
        streams = self._core.settings.streams
        if "trade" in streams:
            self._publish(symbol, "trade", {"e": "trade", "t": item.trade_id, **common})
        if "aggTrade" in streams:
            ids = {"a": item.trade_id, "f": item.trade_id, "l": item.trade_id}
            self._publish(symbol, "aggTrade", {"e": "aggTrade", **ids, **common})

    def _book(self, symbol: str) -> None:
        """Publish the best prices and what has changed in the book."""
        market, state, streams = (
            self._core.markets[symbol],
            self._core.state.markets[symbol],
            self._core.settings.streams,
        )
        if "bookTicker" not in streams and "depth" not in streams:
            return
        bids, asks = self.book(symbol)
        gone, come = level_changes(state.bids, bids), level_changes(state.asks, asks)
        if state.crossed:
            gone[state.crossed] = bids.get(state.crossed, 0)
            state.crossed = 0
        if not gone and not come:
            return
        first = state.update_id + 1
        state.update_id, state.bids, state.asks = first, bids, asks
        faults = self._core.state.faults
        if "bookTicker" in streams:
            self._ticker(symbol)
        if "depth" not in streams:
            return
        if self._core.strikes(FaultKind.DEPTH_GAP, faults.depth_gap) is not None:
            return
        if self._core.strikes(FaultKind.CROSSED_BOOK, faults.crossed_book) is not None:
            state.crossed = max(asks) + 1
            gone[state.crossed] = 1
        payload = {
            "e": "depthUpdate",
            "E": self._event_ms(symbol),
            "s": symbol,
            "U": first,
            "u": state.update_id,
            "b": [[price_text(price, market), quantity_text(size, market)] for price, size in gone.items()],
            "a": [[price_text(price, market), quantity_text(size, market)] for price, size in come.items()],
        }
        self._publish(symbol, "depth", payload)

    def _ticker(self, symbol: str) -> None:
        market, state = self._core.markets[symbol], self._core.state.markets[symbol]
        bid, ask = self.quote(symbol)
        payload = {
            "u": state.update_id,
            "s": symbol,
            "b": price_text(bid, market),
            "B": quantity_text(state.bids.get(bid, 0), market),
            "a": price_text(ask, market),
            "A": quantity_text(state.asks.get(ask, 0), market),
        }
        self._publish(symbol, "bookTicker", payload)

    def _kline(self, symbol: str, interval: str, kline: Kline) -> None:
        market, now = self._core.markets[symbol], self._core.state.clock.now_ms
        candle = {
            "t": kline.open_ms,
            "T": kline.close_ms,
            "s": symbol,
            "i": interval,
            "f": -1,
            "L": -1,
            "o": price_text(kline.open, market),
            "c": price_text(kline.close, market),
            "h": price_text(kline.high, market),
            "l": price_text(kline.low, market),
            "v": quantity_text(kline.volume, market),
            "n": kline.trades,
            "x": kline.closed,
            "q": f"{kline.quote_volume:.8f}",
            "V": quantity_text(kline.taker_volume, market),
            "Q": f"{kline.taker_quote:.8f}",
            "B": "0",
        }
        self._publish(symbol, f"kline_{interval}", {"e": "kline", "E": now, "s": symbol, "k": candle})

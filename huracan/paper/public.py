"""Market data routes: what anybody may read."""

from decimal import Decimal
from typing import Any

from huracan.paper.core import Core
from huracan.paper.errors import Refusal, malformed
from huracan.paper.feed import Feed
from huracan.paper.history import PRINTS_PER_BAR, History, Kline, Print
from huracan.paper.limits import WINDOWS
from huracan.paper.market import futures_symbol
from huracan.paper.params import Params
from huracan.paper.payloads import money_text, price_text, quantity_text
from huracan.paper.state import OrderType
from huracan.paper.tickets import average_price

__all__ = ["PublicRoutes"]

_DAY_MS = 86_400_000
_STP_MODES = ["EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH", "NONE"]


class PublicRoutes:
    """Handlers by parameters; each returns what becomes the JSON body."""

    def __init__(self, core: Core, history: History, feed: Feed) -> None:
        self._core = core
        self._history = history
        self._feed = feed

    def ping(self, params: Params) -> Any:
        """Answer that the exchange is there."""
        return {}

    def time(self, params: Params) -> Any:
        """Return the venue's wall clock."""
        return {"serverTime": self._core.wall_ms}

    def nothing(self, params: Params) -> Any:
        """Return an empty list: wallets and margin pairs, which the exchange does not have."""
        return []

    # ---- exchangeInfo -------------------------------------------------------------------------------------------

    def exchange_info(self, params: Params) -> Any:
        """Return rate limits and the markets with their filters."""
        limits = self._core.settings.limits
        orders = {10: ("SECOND", 10, limits.orders_10s), 86_400: ("DAY", 1, limits.orders_1d)}
        rates = [
            {
                "rateLimitType": "REQUEST_WEIGHT",
                "interval": "MINUTE",
                "intervalNum": 1,
                "limit": limits.weight_1m,
            }
        ]
        for window in WINDOWS:
            unit, number, most = orders[window]
            rates.append({"rateLimitType": "ORDERS", "interval": unit, "intervalNum": number, "limit": most})
        return self._info(rates, [self._symbol(symbol) for symbol in self._symbols(params)])

    def futures_info(self, params: Params) -> Any:
        """Return the weight limit and the perpetuals whose candles are shown, of `/fapi/v1/exchangeInfo`."""
        weight = {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1}
        shown = [
            {
                "symbol": futures_symbol(market),
                "pair": futures_symbol(market),
                "contractType": "PERPETUAL",
                "status": "TRADING",
                "baseAsset": market.base,
                "quoteAsset": market.quote,
                "marginAsset": market.quote,
            }
            for market in self._core.markets.values()
            if market.perpetual
        ]
        return self._info([{**weight, "limit": self._core.settings.limits.weight_1m}], shown)

    def _info(self, rates: list[dict[str, Any]], symbols: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            "timezone": "UTC",
            "serverTime": self._core.wall_ms,
            "rateLimits": rates,
            "exchangeFilters": [],
            "symbols": symbols,
        }

    def _symbol(self, symbol: str) -> dict[str, Any]:
        market = self._core.markets[symbol]
        return {
            "symbol": symbol,
            "status": "BREAK" if self._core.halted(symbol) else "TRADING",
            "baseAsset": market.base,
            "baseAssetPrecision": 8,
            "quoteAsset": market.quote,
            "quotePrecision": 8,
            "quoteAssetPrecision": 8,
            "baseCommissionPrecision": 8,
            "quoteCommissionPrecision": 8,
            "orderTypes": [kind.value for kind in OrderType],
            "icebergAllowed": False,
            "ocoAllowed": True,
            "otoAllowed": False,
            "quoteOrderQtyMarketAllowed": True,
            "allowTrailingStop": False,
            "cancelReplaceAllowed": False,
            "amendAllowed": False,
            "isSpotTradingAllowed": True,
            "isMarginTradingAllowed": False,
            "filters": self._core.filters[symbol].payload(),
            "permissions": [],
            "permissionSets": [["SPOT"]],
            "defaultSelfTradePreventionMode": self._core.settings.stp_mode,
            "allowedSelfTradePreventionModes": _STP_MODES,
        }

    def _symbols(self, params: Params) -> list[str]:
        """Return the markets that `symbol` or `symbols` names, all without either."""
        one, many = params.get("symbol"), params.strings("symbols")
        if one is not None and many is not None:
            raise Refusal(-1128, "Combination of optional parameters invalid.")
        wanted = [one] if one is not None else many
        if wanted is None:
            return list(self._core.spot)
        for symbol in wanted:
            self._core.market(symbol)
        return wanted

    def _each(self, params: Params, view: Any) -> Any:
        """Return one view for `symbol`, else a list of them."""
        shown = [view(symbol) for symbol in self._symbols(params)]
        return shown[0] if "symbol" in params else shown

    def _one(self, params: Params) -> str:
        symbol = params.text("symbol")
        self._core.market(symbol)
        return symbol

    # ---- book and prices ----------------------------------------------------------------------------------------

    def depth(self, params: Params) -> Any:
        """Return the book."""
        symbol = self._one(params)
        market, state = self._core.markets[symbol], self._core.state.markets[symbol]
        count = params.whole("limit", 100, 5000)
        bids, asks = self._feed.book(symbol)

        def side(levels: dict[int, int]) -> list[list[str]]:
            shown = list(levels.items())[:count]
            return [[price_text(price, market), quantity_text(size, market)] for price, size in shown]

        return {"lastUpdateId": state.update_id, "bids": side(bids), "asks": side(asks)}

    def price(self, params: Params) -> Any:
        """Return the last price."""
        return self._each(params, lambda symbol: {"symbol": symbol, "price": self._shown(symbol)})

    def _shown(self, symbol: str) -> str:
        return price_text(self._core.state.markets[symbol].shown, self._core.markets[symbol])

    def book_ticker(self, params: Params) -> Any:
        """Return the best bid and ask with their sizes."""
        return self._each(params, self._book_ticker)

    def _book_ticker(self, symbol: str) -> dict[str, Any]:
        market = self._core.markets[symbol]
        (bid, ask), (bids, asks) = self._feed.quote(symbol), self._feed.book(symbol)
        return {
            "symbol": symbol,
            "bidPrice": price_text(bid, market),
            "bidQty": quantity_text(bids.get(bid, 0), market),
            "askPrice": price_text(ask, market),
            "askQty": quantity_text(asks.get(ask, 0), market),
        }

    def average(self, params: Params) -> Any:
        """Return the average price of the last five minutes."""
        symbol = self._one(params)
        now = self._core.state.clock.now_ms
        return {"mins": 5, "price": f"{average_price(self._core, symbol):.8f}", "closeTime": now}

    def day(self, params: Params) -> Any:
        """Return the statistics of the last 24 hours."""
        return self._each(params, self._day)

    def _day(self, symbol: str) -> dict[str, Any]:
        market, now = self._core.markets[symbol], self._core.state.clock.now_ms
        bars = _DAY_MS // self._core.base_ms
        seen = self._history.klines(symbol, self._core.base_ms, now - _DAY_MS, now, bars + 1)
        opening = seen[0].open if seen else self._core.state.markets[symbol].shown
        last = self._core.state.markets[symbol].shown
        volume, value = sum(one.volume for one in seen), sum(one.quote_volume for one in seen)
        traded = Decimal(volume) * market.instrument.step
        quote = self._book_ticker(symbol)
        return {
            **quote,
            "priceChange": money_text((last - opening) * market.instrument.tick),
            "priceChangePercent": f"{100 * (last - opening) / opening:.3f}",
            "weightedAvgPrice": f"{value / float(traded):.8f}" if traded else self._shown(symbol),
            "prevClosePrice": price_text(opening, market),
            "lastPrice": self._shown(symbol),
            "lastQty": "0.00000000",
            "openPrice": price_text(opening, market),
            "highPrice": price_text(max((one.high for one in seen), default=last), market),
            "lowPrice": price_text(min((one.low for one in seen), default=last), market),
            "volume": money_text(traded),
            "quoteVolume": f"{value:.8f}",
            "openTime": now - _DAY_MS,
            "closeTime": now,
            "firstId": -1,
            "lastId": -1,
            "count": sum(one.trades for one in seen),
        }

    # ---- candles and trades -------------------------------------------------------------------------------------

    def klines(self, params: Params) -> Any:
        """Return candles: closed ones, and the forming one as far as it has printed."""
        return self._klines(self._one(params), params)

    def futures_klines(self, params: Params) -> Any:
        """Return candles of a perpetual, of `/fapi/v1/klines`."""
        return self._klines(self._core.perpetual(params.text("symbol")).venue_symbol, params)

    def _klines(self, symbol: str, params: Params) -> Any:
        length = self._history.interval_ms(params.text("interval"))
        start, end = params.integer("startTime"), params.integer("endTime")
        shown = self._history.klines(symbol, length, start, end, params.whole("limit", 500, 1000))
        return [self._kline(symbol, one) for one in shown]

    def _kline(self, symbol: str, one: Kline) -> list[Any]:
        market = self._core.markets[symbol]
        return [
            one.open_ms,
            *(price_text(price, market) for price in (one.open, one.high, one.low, one.close)),
            quantity_text(one.volume, market),
            one.close_ms,
            f"{one.quote_volume:.8f}",
            one.trades,
            quantity_text(one.taker_volume, market),
            f"{one.taker_quote:.8f}",
            "0",
        ]

    def trades(self, params: Params) -> Any:
        """Return the newest prints."""
        symbol = self._one(params)
        market = self._core.markets[symbol]
        return [
            {
                "id": one.trade_id,
                "price": price_text(one.price, market),
                "qty": quantity_text(one.quantity, market),
                "quoteQty": money_text(one.price * one.quantity * market.instrument.tick_step_quote),
                "time": one.time_ms,
                "isBuyerMaker": one.seller,
                "isBestMatch": True,
            }
            for one in self._history.newest_prints(symbol, params.whole("limit", 500, 1000))
        ]

    def agg_trades(self, params: Params) -> Any:
        """Return prints, each an aggregate of itself; from an id or between two times."""
        symbol = self._one(params)
        market, limit = self._core.markets[symbol], params.whole("limit", 500, 1000)
        from_id, start, end = (params.integer(name) for name in ("fromId", "startTime", "endTime"))
        if from_id is not None and (start is not None or end is not None):
            raise Refusal(-1128, "Combination of optional parameters invalid.")
        shown = self._prints(symbol, from_id, start, end, limit)
        return [
            {
                "a": one.trade_id,
                "p": price_text(one.price, market),
                "q": quantity_text(one.quantity, market),
                "f": one.trade_id,
                "l": one.trade_id,
                "T": one.time_ms,
                "m": one.seller,
                "M": True,
            }
            for one in shown
        ]

    def _prints(self, symbol: str, from_id: int | None, start: int | None, end: int | None, limit: int) -> list[Print]:
        base_ms = self._core.base_ms
        if start is not None and end is not None and end < start:
            raise malformed("endTime")
        if from_id is None and start is None:
            found = self._history.newest_prints(symbol, limit)
            return [one for one in found if end is None or one.time_ms <= end]
        numbers = self._core.markets[symbol].bars[:, 0]
        first = from_id // 1_000_000 if from_id is not None else int(numbers.searchsorted((start or 0) // base_ms))
        found = self._history.prints_from(symbol, first, limit + 2 * PRINTS_PER_BAR)
        wanted = [
            one
            for one in found
            if (from_id is None or one.trade_id >= from_id)
            and (start is None or one.time_ms >= start)
            and (end is None or one.time_ms <= end)
        ]
        return wanted[:limit]

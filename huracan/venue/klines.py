"""Candles as they close: exact rows over REST, and the stream's word on which candle is closed, as fast as it comes."""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeVar

import aiohttp
import ccxt
import ccxt.pro

from huracan.clock import Clock
from huracan.errors import VenueError
from huracan.logs import get_logger
from huracan.venue.budget import AsyncGate, WeightBudget
from huracan.venue.client import AsyncBinance, client_config, facts_of
from huracan.venue.markets import weight_limit
from huracan.venue.weights import EXCHANGE_INFO
from huracan.venue.wire import MALFORMED, market_id, number

__all__ = ["KLINES_PAGE", "Kline", "KlineReader", "KlineStream"]

KLINES_PAGE = 1_000
"""Rows of one request, at most."""

_WEIGHT = 2
_FUTURES_WEIGHT = 5
_FUTURES_LIMIT = 2_400
_NO_SYMBOL_CODE = -1121
_ATTEMPTS = 3
_PAUSE_S = 0.3
_PATIENCE_MS = 65_000
_BACKOFF_FIRST_S = 0.5
_BACKOFF_MAX_S = 30.0
_HEARTBEAT_S = 15.0


T = TypeVar("T")


class _NoMarketError(VenueError):
    """The venue knows no such market."""


@dataclass(frozen=True, slots=True)
class Kline:
    """One candle as the venue prints it, closed or running.

    Attributes:
        open_ms: open time, ms UTC.
        open, high, low, close: prices, quote currency.
        volume: coins.
        quote_volume: quote currency.
        trades: number of trades.
        taker_buy_volume: coins bought by takers.
    """

    open_ms: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    quote_volume: Decimal
    trades: int
    taker_buy_volume: Decimal


class _Host:
    """One of the venue's hosts, which counts request weight for itself."""

    def __init__(self, base_url: str | None, clock: Clock, budget: WeightBudget, timeout_ms: int) -> None:
        self.client = AsyncBinance(client_config(base_url, timeout_ms=timeout_ms))
        self.budget = budget
        self.gate = AsyncGate(budget, clock)
        self.client.on_reply = self.gate.note_reply


class KlineReader:
    """Reads candles without blocking the event loop, those of perpetuals at the host of futures.

    Args:
        base_url: of the server; None: Binance.
        clock: for the budget's minutes.
        budget: request weight, shared with the account at the same address.
        timeout_ms: of one request.
    """

    def __init__(self, base_url: str | None, clock: Clock, budget: WeightBudget, timeout_ms: int = 5_000) -> None:
        self._spot = _Host(base_url, clock, budget, timeout_ms)
        self._futures = _Host(base_url, clock, WeightBudget(_FUTURES_LIMIT), timeout_ms)
        self._futures_known = False

    async def klines(
        self, symbol: str, timeframe: str, start_ms: int | None = None, limit: int = KLINES_PAGE
    ) -> tuple[Kline, ...]:
        """Return candles that open at `start_ms` or later, oldest first, the running one included; None: the newest.

        Raises:
            VenueError: no proper answer after three attempts, or no such market.
        """
        params = {"symbol": market_id(symbol), "interval": timeframe, "limit": str(limit)}
        params |= {} if start_ms is None else {"startTime": str(start_ms)}
        what = f"klines {symbol}"
        if ":" not in symbol:
            ask, host, weight = self._spot.client.publicGetKlines, self._spot, _WEIGHT
        else:
            await self._learn_futures()
            ask, host, weight = self._futures.client.fapiPublicGetKlines, self._futures, _FUTURES_WEIGHT
        return await self._read(host, what, weight, lambda: ask(params), lambda body: _parse(body, start_ms))

    async def has(self, symbol: str, timeframe: str) -> bool:
        """Return whether the venue has the market and a closed candle of it.

        Raises:
            VenueError: no proper answer after three attempts.
        """
        try:
            return len(await self.klines(symbol, timeframe, None, 2)) > 1
        except _NoMarketError:
            return False

    async def learn_limit(self) -> None:
        """Take over the weight per minute that the venue grants this address, whoever else uses it up.

        Raises:
            VenueError: no proper answer after three attempts.
        """
        ask = self._spot.client.publicGetExchangeInfo
        limit = await self._read(self._spot, "exchangeInfo", EXCHANGE_INFO.weight, lambda: ask({}), weight_limit)
        if limit is not None:
            self._spot.budget.set_limit(limit)

    async def _learn_futures(self) -> None:
        """Take over the weight that the host of futures grants; asked once, before the first candles."""
        if self._futures_known:
            return
        ask = self._futures.client.fapiPublicGetExchangeInfo
        limit = await self._read(self._futures, "futures exchangeInfo", 1, lambda: ask({}), weight_limit)
        if limit is not None:
            self._futures.budget.set_limit(limit)
        self._futures_known = True

    async def _read(
        self, host: _Host, what: str, weight: int, ask: Callable[[], Awaitable[Any]], parse: Callable[[Any], T]
    ) -> T:
        reason = "no answer"
        for attempt in range(_ATTEMPTS):
            if attempt:
                await asyncio.sleep(_PAUSE_S * 2**attempt)
            wait_ms = await host.gate.enter(weight, _PATIENCE_MS)
            if wait_ms:
                raise VenueError(f"GET {what}: not sent, asked to wait {wait_ms / 1_000:.0f} s")
            try:
                return parse(await ask())
            except ccxt.BaseError as error:
                facts = facts_of(error)
                reason = (
                    f"HTTP {facts.status}: {facts.message}" if facts.status else f"no reply ({type(error).__name__})"
                )
                if facts.code == _NO_SYMBOL_CODE:  # asking again makes no market of it
                    raise _NoMarketError(f"GET {what}: {reason}") from None
            except MALFORMED as error:
                reason = f"malformed reply ({error})"
        raise VenueError(f"GET {what}: {reason}, {_ATTEMPTS} attempts")

    async def close(self) -> None:
        """Close the connections."""
        await asyncio.gather(self._spot.client.close(), self._futures.client.close())


def _parse(body: Any, start_ms: int | None) -> tuple[Kline, ...]:
    if not isinstance(body, list):
        raise TypeError("not a list of candles")
    rows = tuple(_row(row) for row in body)
    times = [row.open_ms for row in rows]
    if times != sorted(set(times)) or (start_ms is not None and times and times[0] < start_ms):
        raise ValueError("candles out of order, or others than those asked for")
    return rows


def _row(row: Any) -> Kline:
    opening, high, low, closing, volume = (number(cell) for cell in row[1:6])
    return Kline(int(row[0]), opening, high, low, closing, volume, number(row[7]), int(row[8]), number(row[9]))


class KlineStream:
    """Tells which candles have closed, until it is closed itself; reconnects, waiting longer each time.

    An accelerator: what it does not tell, such as candles of perpetuals, is found by asking.

    Args:
        ws_url: of the server; None: Binance.
        symbols: ccxt symbols.
        timeframe: of the candles.
        rng: spreads reconnections.
    """

    def __init__(self, ws_url: str | None, symbols: Sequence[str], timeframe: str, rng: random.Random) -> None:
        urls: dict[str, Any] = ccxt.pro.binance(client_config(None, ws_url=ws_url)).urls["api"]["ws"]
        self._url = str(urls["spot"])
        self._symbol_of = {market_id(symbol): symbol for symbol in symbols if ":" not in symbol}
        self._names = [f"{market.lower()}@kline_{timeframe}" for market in self._symbol_of]
        self._rng = rng

    async def closed(self) -> AsyncIterator[tuple[str, int]]:
        """Yield (symbol, open time in ms) of each candle that the venue calls closed."""
        failures = 0
        while True:
            try:
                async with (
                    aiohttp.ClientSession() as session,
                    session.ws_connect(self._url, heartbeat=_HEARTBEAT_S) as socket,
                ):
                    await socket.send_json({"method": "SUBSCRIBE", "params": self._names, "id": 1})
                    async for message in socket:
                        failures = 0
                        if message.type is aiohttp.WSMsgType.TEXT and (found := self._read(message.data)) is not None:
                            yield found
                reason = "closed by the venue"
            except (aiohttp.ClientError, OSError, TimeoutError) as error:
                reason = type(error).__name__
            get_logger().warning("venue.klines_lost", reason=reason, failures=failures)
            pause_s = min(_BACKOFF_FIRST_S * 2 ** min(failures, 10), _BACKOFF_MAX_S) * (0.5 + self._rng.random() / 2)
            failures += 1
            await asyncio.sleep(pause_s)

    def _read(self, text: str) -> tuple[str, int] | None:
        """Return the closed candle of a message, None for every other message."""
        try:
            event = json.loads(text)
            event = event.get("data", event)
            kline = event.get("k")
            if event.get("e") != "kline" or kline["x"] is not True:
                return None
            symbol = self._symbol_of.get(kline["s"])
            return None if symbol is None else (symbol, int(kline["t"]))
        except MALFORMED as error:
            get_logger().warning("venue.klines_dropped", reason=f"{type(error).__name__}: {error}"[:200])
            return None

"""A venue's public data, read raw: the only door to ccxt for candles, listings and the venue's clock.

ccxt's own candle parser drops trade count, quote volume and taker-buy volume; the implicit API keeps them.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import ccxt
import numpy as np

from huracan.clock import Clock, WallClock
from huracan.errors import ConfigError, DataError, VenueError
from huracan.logs import get_logger
from huracan.market import Rows, timeframe_ms
from huracan.venue.budget import WeightBudget
from huracan.venue.classify import LIMIT_STATUSES
from huracan.venue.client import SyncBinance, client_config, facts_of, header

__all__ = ["PAGE_BARS", "Listing", "PublicVenue"]

PAGE_BARS = 1_000
"""Candles per request: the most that a spot request gives."""

ATTEMPTS = 7
_BACKOFF_FIRST_S = 0.5
_BACKOFF_MAX_S = 30.0
_RETRY_AFTER_MAX_S = 300.0
_RETRY_AFTER_DEFAULT_S = 60.0
_UNKNOWN_SYMBOL = -1121


@dataclass(frozen=True, slots=True)
class Listing:
    """One market of the venue: ccxt symbol, the venue's own name, and whether it is a perpetual."""

    symbol: str
    market_id: str
    perpetual: bool


@dataclass(frozen=True, slots=True)
class _Host:
    """One of the venue's hosts: the prefix of ccxt's implicit methods and the weight of each request there."""

    prefix: str
    path: str
    klines_weight: int
    info_weight: int
    budget: WeightBudget


class PublicVenue:
    """Binance's public REST interface, spot and USDT-margined perpetuals.

    Every request passes the shared weight budget; 429 and 418 wait as long as the venue says; broken connections,
    5xx and malformed replies are retried with exponential backoff, seven attempts in all.

    Args:
        exchange: `binance`; the raw rows of other venues have other columns.
        base_url: another server that speaks `/api/v3` and `/fapi/v1`; None: the exchange's own.
        clock: for the budget's minutes.
        sleep: waits the given seconds.
        timeout_ms: of one request.
        budget: request weight of the spot host, shared with an account at the same address; None: its own.

    Raises:
        ConfigError: the exchange is not supported or the address is none.
    """

    def __init__(
        self,
        exchange: str = "binance",
        base_url: str | None = None,
        clock: Clock | None = None,
        sleep: Callable[[float], None] = time.sleep,
        timeout_ms: int = 10_000,
        budget: WeightBudget | None = None,
    ) -> None:
        if exchange != "binance":
            raise ConfigError(f"data.exchange {exchange!r} is not supported for downloads; use binance")
        if base_url is not None and not base_url.startswith(("http://", "https://")):
            raise ConfigError(f"data.exchange_url {base_url!r} is no address; write http://host:port")
        self._clock = clock or WallClock()
        self._sleep = sleep
        self._client = SyncBinance(client_config(base_url, timeout_ms=timeout_ms))
        self._client.on_reply = self._note_reply
        self._headers: Mapping[str, str] = {}
        self._hosts = {
            False: _Host("publicGet", "/api/v3", 2, 20, budget or WeightBudget(6_000)),
            True: _Host("fapiPublicGet", "/fapi/v1", 5, 1, WeightBudget(2_400)),
        }
        self._listings: dict[bool, dict[str, Listing]] = {}
        self.requests = 0

    def close(self) -> None:
        """Close the connections."""
        self._client.session.close()

    def listing(self, symbol: str) -> Listing:
        """Return the venue's market of a ccxt symbol.

        Raises:
            DataError: the venue has no such market.
            VenueError: the venue does not answer as its protocol says.
        """
        perpetual = ":" in symbol
        if perpetual not in self._listings:
            self._listings[perpetual] = self._fetch_listings(perpetual)
        known = self._listings[perpetual]
        if symbol not in known:
            raise DataError(
                f"symbol {symbol} is unknown to binance ({len(known)} {'perpetual' if perpetual else 'spot'} markets); "
                "write it as ccxt does, e.g. BTC/USDT, or BTC/USDT:USDT for the perpetual"
            )
        return known[symbol]

    def server_time_ms(self, perpetual: bool = False) -> int:
        """Return the venue's clock, ms since the epoch (UTC)."""
        reply = self._get(self._hosts[perpetual], "Time", {}, 1, lambda body: int(body["serverTime"]))
        return int(reply)

    def first_open_ms(self, listing: Listing, timeframe: str, from_ms: int = 0) -> int | None:
        """Return when the first candle from a time on opens, ms: of the whole history, the listing; None: no candle."""
        rows = self.klines(listing, timeframe, from_ms, None, limit=1)
        return int(rows.timestamp[0]) if len(rows.timestamp) else None

    def klines(
        self, listing: Listing, timeframe: str, start_ms: int, end_ms: int | None, limit: int = PAGE_BARS
    ) -> Rows:
        """Return up to `limit` candles that open in [start_ms, end_ms), oldest first, the running one included.

        Fewer than `limit` does not mean that no more exist: ask again from behind the last one until none comes.

        Raises:
            VenueError: the venue does not answer as its protocol says, after all attempts.
        """
        host = self._hosts[listing.perpetual]
        params: dict[str, Any] = {
            "symbol": listing.market_id,
            "interval": timeframe,
            "startTime": start_ms,
            "limit": limit,
        }
        if end_ms is not None:
            params["endTime"] = end_ms - 1
        bar_ms = timeframe_ms(timeframe)

        def parse(body: Any) -> Rows:
            return _parse_klines(body, bar_ms, start_ms, end_ms)

        rows: Rows = self._get(host, "Klines", params, host.klines_weight, parse)
        return rows

    def _fetch_listings(self, perpetual: bool) -> dict[str, Listing]:
        host = self._hosts[perpetual]

        def parse(body: Any) -> dict[str, Listing]:
            for limit in body["rateLimits"]:
                if (limit["rateLimitType"], limit["interval"], limit["intervalNum"]) == ("REQUEST_WEIGHT", "MINUTE", 1):
                    host.budget.set_limit(int(limit["limit"]))
            found = {}
            for market in body["symbols"]:
                if perpetual and market["contractType"] != "PERPETUAL":
                    continue
                settle = f":{market['marginAsset']}" if perpetual else ""
                symbol = f"{market['baseAsset']}/{market['quoteAsset']}{settle}"
                found[symbol] = Listing(symbol, market["symbol"], perpetual)
            return found

        listings: dict[str, Listing] = self._get(host, "ExchangeInfo", {}, host.info_weight, parse)
        return listings

    def _get(self, host: _Host, name: str, params: dict[str, Any], weight: int, parse: Callable[[Any], Any]) -> Any:
        """Send one GET until its reply parses, at most `ATTEMPTS` times."""
        call = getattr(self._client, f"{host.prefix}{name}")
        what = f"binance {host.path} {name}"
        reason = "no answer"
        for attempt in range(ATTEMPTS):
            self._wait_for_budget(host.budget, weight)
            self._headers = {}
            self.requests += 1
            try:
                body = call(dict(params))
                self._note_weight(host.budget)
                return parse(body)
            except ccxt.BaseError as error:
                self._note_weight(host.budget)
                reason, back_off = self._judge(error, host.budget, what)
            except (KeyError, TypeError, ValueError, IndexError) as error:
                reason, back_off = f"malformed reply ({error})", True
            get_logger().warning("venue.retry", request=what, attempt=attempt + 1, of=ATTEMPTS, reason=reason)
            if back_off and attempt + 1 < ATTEMPTS:
                self._sleep(min(_BACKOFF_FIRST_S * 2**attempt, _BACKOFF_MAX_S))
        raise VenueError(f"{what}: {reason}, {ATTEMPTS} attempts; nothing is lost, run again to resume")

    def _judge(self, error: ccxt.BaseError, budget: WeightBudget, what: str) -> tuple[str, bool]:
        """Return why a request failed and whether to back off, or raise when asking again cannot help."""
        facts = facts_of(error)
        status = facts.status
        text = " ".join(str(error).split())[:200]
        if status in LIMIT_STATUSES:
            wait_s = facts.retry_after_s if facts.retry_after_s is not None else _RETRY_AFTER_DEFAULT_S
            if wait_s > _RETRY_AFTER_MAX_S:
                raise VenueError(f"{what}: {status}, banned for {wait_s:.0f} s; wait and run again to resume") from None
            budget.block(int(wait_s * 1_000), self._clock.now_ms())
            return f"HTTP {status}, asked to wait {wait_s:g} s", False
        if status is not None and 400 <= status < 500:
            if facts.code == _UNKNOWN_SYMBOL:
                raise DataError(f"{what}: the symbol is unknown ({text}); write it as ccxt does") from None
            raise VenueError(f"{what}: HTTP {status}: {text}") from None
        if status is None:  # ccxt says what it asked for, its cause says what went wrong
            cause = " ".join(str(error.__cause__ or error.__context__ or "").split())[-120:]
            return f"no reply ({cause or text})", True
        return f"HTTP {status}: {text}", True

    def _wait_for_budget(self, budget: WeightBudget, weight: int) -> None:
        while wait_ms := budget.reserve(weight, self._clock.now_ms()):
            self._sleep(wait_ms / 1_000)

    def _note_reply(self, status: int, headers: Mapping[str, str]) -> None:
        self._headers = headers

    def _note_weight(self, budget: WeightBudget) -> None:
        used = header(self._headers, "X-MBX-USED-WEIGHT-1M") or ""
        if used.isdigit():
            budget.observe(int(used), self._clock.now_ms())


def _parse_klines(body: Any, bar_ms: int, start_ms: int, end_ms: int | None) -> Rows:
    """Return the rows of a klines reply: open time, o, h, l, c, volume, close time, quote volume, trades, taker buy.

    Raises:
        ValueError: the reply is no such list, or its rows are not those asked for.
    """
    if not isinstance(body, list) or any(not isinstance(row, list) or len(row) < 10 for row in body):
        raise ValueError(f"not a list of klines: {str(body)[:80]!r}")
    time = np.array([int(row[0]) for row in body], np.int64)
    if len(time) and (time[0] < start_ms or (end_ms is not None and time[-1] >= end_ms)):
        raise ValueError("klines outside the range asked for")
    if (np.diff(time) <= 0).any() or (time % bar_ms != 0).any():
        raise ValueError("klines out of order or off the grid")
    names = {"open": 1, "high": 2, "low": 3, "close": 4, "volume": 5}
    names |= {"quote_volume": 7, "trades": 8, "taker_buy_volume": 9}
    return Rows(time, {name: np.array([float(row[at]) for row in body], float) for name, at in names.items()})

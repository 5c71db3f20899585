"""One Binance spot account: commands that are sent at most once, reads that are repeated, and the clocks' distance."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import ccxt

from huracan.clock import Clock, WallClock
from huracan.errors import DataError, InvariantError, VenueError
from huracan.logs import get_logger
from huracan.venue import weights
from huracan.venue.budget import AsyncGate, WeightBudget
from huracan.venue.classify import classify_error
from huracan.venue.client import RECV_WINDOW_MS, AsyncBinance, client_config, facts_of
from huracan.venue.credentials import Credentials
from huracan.venue.markets import parse_markets, parse_symbols, weight_limit
from huracan.venue.orders import (
    Accepted,
    Balance,
    MarketFilters,
    OcoRequest,
    OrderRequest,
    Outcome,
    RejectCode,
    Rejected,
    Side,
    Unknown,
    VenueList,
    VenueOrder,
    VenueTrade,
)
from huracan.venue.user_stream import UserStream
from huracan.venue.weights import Endpoint
from huracan.venue.wire import (
    MALFORMED,
    cancel_reply,
    market_id,
    new_oco_reply,
    new_order_reply,
    oco_params,
    order_params,
    parse_balances,
    parse_list,
    parse_order,
    parse_trade,
)

__all__ = ["SKEW_MAX_MS", "BinanceVenue"]

SKEW_MAX_MS = 500
"""Distance of the two clocks from which on nothing is bought."""

READ_ATTEMPTS = 5
"""Requests per read, at most."""

_BACKOFF_FIRST_S = 0.25
_BACKOFF_MAX_S = 4.0
_READ_PATIENCE_MS = 65_000
_COMMAND_PATIENCE_MS = 2_000
_CLOCK_SAMPLES = 3
_QUICK_MS = 100
_TIMESTAMP_CODE = -1021
_ABSENT_CODES = (-2013, -2018)
_PASSING_CODES = (-1000, -1001, -1003, -1004, -1006, -1007, -1008, -1016)


class BinanceVenue:
    """`TradingVenue` over ccxt and Binance's spot REST interface, or any server that speaks it.

    Args:
        credentials: of the account.
        base_url: of the server; None: Binance.
        ws_url: of its WebSocket interface, for `user_stream`.
        clock: ours; signs requests once its distance to the venue's is known.
        budget: request weight, shared with everyone who asks this venue from this address.
        rng: spreads the repetition of reads.
        client: another client of the same kind, in simulations; None: one is made.
        timeout_ms: of one request.
        recv_window_ms: how long after its timestamp the venue may admit a signed request; for a client made here.

    Attributes:
        skew_ms: how far our clock was ahead of the venue's at the last comparison.
    """

    def __init__(
        self,
        credentials: Credentials,
        base_url: str | None = None,
        ws_url: str | None = None,
        clock: Clock | None = None,
        budget: WeightBudget | None = None,
        rng: random.Random | None = None,
        client: AsyncBinance | None = None,
        timeout_ms: int = 5_000,
        recv_window_ms: int = RECV_WINDOW_MS,
    ) -> None:
        self._clock = clock or WallClock()
        self._rng = rng or random.Random()  # noqa: S311 (spreads retries, guards nothing)
        self._budget = budget or WeightBudget(6_000)
        self._gate = AsyncGate(self._budget, self._clock)
        self._credentials, self._base_url, self._ws_url = credentials, base_url, ws_url
        self._client = client or AsyncBinance(
            client_config(base_url, credentials, timeout_ms, recv_window_ms=recv_window_ms)
        )
        self._client.on_reply = self._gate.note_reply
        self._client.now_ms = self._venue_now_ms
        self._close_wait_s = timeout_ms / 1_000 + _COMMAND_PATIENCE_MS / 1_000 + 1.0
        self._symbol_of: dict[str, str] = {}
        self._in_flight: set[asyncio.Task[Outcome]] = set()
        self._compared = False
        self._closed = False
        self.skew_ms = 0

    @property
    def paused(self) -> bool:
        """Return True while the clocks differ by `SKEW_MAX_MS` or more, or were not compared since a -1021."""
        return not self._compared or abs(self.skew_ms) >= SKEW_MAX_MS

    async def submit(self, request: OrderRequest) -> Outcome:
        """Send one order, once; a buy is refused here while `paused`."""

        def parse(body: Any) -> Accepted:
            return new_order_reply(body, request)

        return await self._command(weights.NEW_ORDER, request.cid, order_params(request), parse, request.side)

    async def submit_oco(self, request: OcoRequest) -> Outcome:
        """Send one order list, once."""

        def parse(body: Any) -> Accepted:
            return new_oco_reply(body, request)

        return await self._command(weights.NEW_OCO, request.list_cid, oco_params(request), parse, Side.SELL)

    async def cancel(self, symbol: str, cid: str) -> Outcome:
        """Cancel an order; as a leg of a list, the whole list."""

        def parse(body: Any) -> Accepted:
            return cancel_reply(body, symbol, cid)

        params = {"symbol": market_id(symbol), "origClientOrderId": cid}
        return await self._command(weights.CANCEL_ORDER, cid, params, parse, None)

    async def cancel_oco(self, symbol: str, list_cid: str) -> Outcome:
        """Cancel both legs of an order list."""

        def parse(body: Any) -> Accepted:
            return cancel_reply(body, symbol, list_cid)

        params = {"symbol": market_id(symbol), "listClientOrderId": list_cid}
        return await self._command(weights.CANCEL_LIST, list_cid, params, parse, None)

    async def order(self, symbol: str, cid: str) -> VenueOrder | None:
        """Return an order by its client id."""

        def parse(body: Any) -> VenueOrder:
            found = parse_order(body, symbol)
            if found.cid != cid:
                raise ValueError(f"order {found.cid} instead of {cid}")
            return found

        params = {"symbol": market_id(symbol), "origClientOrderId": cid}
        found: VenueOrder | None = await self._read(weights.QUERY_ORDER, params, parse, _ABSENT_CODES)
        return found

    async def order_list(self, list_cid: str) -> VenueList | None:
        """Return an order list by its client id."""

        def parse(body: Any) -> VenueList:
            found = parse_list(body, self._symbol(body["symbol"]))
            if found.list_cid != list_cid:
                raise ValueError(f"list {found.list_cid} instead of {list_cid}")
            return found

        params = {"origClientOrderId": list_cid}
        found: VenueList | None = await self._read(weights.QUERY_LIST, params, parse, _ABSENT_CODES)
        return found

    async def open_orders(self, symbol: str) -> tuple[VenueOrder, ...]:
        """Return every resting order of a market."""

        def parse(body: Any) -> tuple[VenueOrder, ...]:
            return tuple(parse_order(row, symbol) for row in _rows(body))

        found: tuple[VenueOrder, ...] = await self._read(weights.OPEN_ORDERS, {"symbol": market_id(symbol)}, parse)
        return found

    async def open_lists(self) -> tuple[VenueList, ...]:
        """Return every resting order list; one of a market not in exchangeInfo carries the venue's name of it."""

        def parse(body: Any) -> tuple[VenueList, ...]:
            return tuple(parse_list(row, self._symbol(row["symbol"])) for row in _rows(body))

        found: tuple[VenueList, ...] = await self._read(weights.OPEN_LISTS, {}, parse)
        return found

    async def trades(
        self, symbol: str, from_id: str | None = None, venue_id: str | None = None, limit: int = 1000
    ) -> tuple[VenueTrade, ...]:
        """Return executions, oldest first."""

        def parse(body: Any) -> tuple[VenueTrade, ...]:
            found = tuple(parse_trade(row, symbol) for row in _rows(body))
            ids = [int(trade.trade_id) for trade in found]
            if ids != sorted(set(ids)) or (from_id is not None and ids and ids[0] < int(from_id)):
                raise ValueError("executions out of order, doubled or not those asked for")
            if venue_id is not None and any(trade.venue_id != venue_id for trade in found):
                raise ValueError("executions of another order")
            return found

        params = {"symbol": market_id(symbol), "limit": str(limit)}
        params |= {"fromId": from_id} if from_id is not None else {}
        params |= {"orderId": venue_id} if venue_id is not None else {}
        endpoint = weights.MY_TRADES if venue_id is None else weights.ORDER_TRADES
        found: tuple[VenueTrade, ...] = await self._read(endpoint, params, parse)
        return found

    async def balances(self) -> dict[str, Balance]:
        """Return every asset that the account holds."""
        found: dict[str, Balance] = await self._read(weights.ACCOUNT, {}, parse_balances)
        return found

    async def server_time_ms(self) -> int:
        """Return the venue's clock."""

        def parse(body: Any) -> int:
            if type(body["serverTime"]) is not int:
                raise TypeError("serverTime is no whole number")
            return int(body["serverTime"])

        return int(await self._read(weights.TIME, {}, parse))

    async def instruments(self, symbols: Sequence[str]) -> dict[str, MarketFilters]:
        """Return the demands of each market, and take over the venue's weight limit and market names.

        Raises:
            DataError: the venue has no such market.
        """

        def parse(body: Any) -> tuple[dict[str, str], dict[str, MarketFilters], int | None]:
            return parse_symbols(body), parse_markets(body, symbols), weight_limit(body)

        self._symbol_of, found, limit = await self._read(weights.EXCHANGE_INFO, {}, parse)
        if limit is not None:
            self._budget.set_limit(limit)
        for symbol in symbols:
            if symbol not in found:
                raise DataError(f"symbol {symbol} is unknown to the venue; write it as ccxt does, e.g. BTC/USDT")
        return {symbol: found[symbol] for symbol in symbols}

    async def sync_clock(self) -> int:
        """Compare the clocks and return how far ours is ahead, ms; the quickest of up to three replies counts."""
        samples = []
        for _ in range(_CLOCK_SAMPLES):
            before_ms = self._clock.now_ms()
            server_ms = await self.server_time_ms()
            after_ms = self._clock.now_ms()
            samples.append((after_ms - before_ms, (before_ms + after_ms) // 2 - server_ms))
            if after_ms - before_ms <= _QUICK_MS:
                break
        was_paused = self.paused
        self.skew_ms, self._compared = min(samples)[1], True
        if self.paused:
            get_logger().warning("venue.clock", skew_ms=self.skew_ms, paused=True)
        elif was_paused:
            get_logger().info("venue.clock", skew_ms=self.skew_ms, paused=False)
        return self.skew_ms

    def user_stream(self) -> UserStream:
        """Return a stream of this account's events; call `instruments` first, it learns the markets' names."""
        config = client_config(self._base_url, self._credentials, ws_url=self._ws_url)
        return UserStream(config, self._symbol_of, self._venue_now_ms, self._rng)

    async def close(self) -> None:
        """Wait for commands in flight, at most as long as their timeout, then close the connections."""
        self._closed = True
        if self._in_flight:
            await asyncio.wait(self._in_flight, timeout=self._close_wait_s)
        await self._client.close()

    async def _command(
        self,
        endpoint: Endpoint,
        cid: str,
        params: dict[str, str],
        parse: Callable[[Any], Accepted],
        side: Side | None,
    ) -> Outcome:
        """Run one command in a task of its own: cancelling the caller does not tear a request off in the middle."""
        if self._closed:
            raise InvariantError(f"{endpoint.what} {cid}: the venue is closed")
        task = asyncio.ensure_future(self._send_once(endpoint, cid, params, parse, side))
        self._in_flight.add(task)
        task.add_done_callback(self._in_flight.discard)
        return await asyncio.shield(task)

    async def _send_once(
        self,
        endpoint: Endpoint,
        cid: str,
        params: dict[str, str],
        parse: Callable[[Any], Accepted],
        side: Side | None,
    ) -> Outcome:
        """Send one request, no more, and return what came of it; never raises for what the world does."""
        refused = await self._refusal(endpoint, side)
        outcome = refused or await self._attempt(endpoint, params, parse)
        if isinstance(outcome, Rejected) and outcome.venue_code == _TIMESTAMP_CODE:
            self._compared = False
        if not isinstance(outcome, Accepted):
            get_logger().warning("venue.outcome", request=endpoint.what, cid=cid, outcome=repr(outcome))
        return outcome

    async def _refusal(self, endpoint: Endpoint, side: Side | None) -> Rejected | None:
        """Return why nothing is sent; the clocks are compared first when a reply said that they differ."""
        if not self._compared:
            try:
                async with asyncio.timeout(_COMMAND_PATIENCE_MS / 1_000):
                    await self.sync_clock()
            except (VenueError, TimeoutError):
                if side is not None:  # a cancel is sent all the same: it can only reduce
                    return Rejected(RejectCode.CLOCK, None, "not sent: the venue does not tell its time")
        if self.paused and side is Side.BUY:
            return Rejected(RejectCode.CLOCK, None, f"not sent: our clock is off by {self.skew_ms} ms")
        wait_ms = await self._gate.enter(endpoint.weight, _COMMAND_PATIENCE_MS, endpoint.urgent)
        if wait_ms:
            return Rejected(RejectCode.RATE_LIMIT, None, "not sent: no request weight left", wait_ms / 1_000)
        return None

    async def _attempt(self, endpoint: Endpoint, params: dict[str, str], parse: Callable[[Any], Accepted]) -> Outcome:
        try:
            body = await self._call(endpoint)(params)
        except asyncio.CancelledError:  # the loop is going down; the request may have left already
            return Unknown("CANCELLED")
        except Exception as error:  # after the send, whatever went wrong leaves an order that may exist
            return classify_error(error)
        try:
            return parse(body)
        except MALFORMED as error:
            return Unknown(f"MALFORMED: {type(error).__name__}: {error}"[:200])

    async def _read(
        self,
        endpoint: Endpoint,
        params: dict[str, str],
        parse: Callable[[Any], Any],
        absent_codes: tuple[int, ...] = (),
    ) -> Any:
        """Ask until a reply parses, at most `READ_ATTEMPTS` times; None for a code that says there is no such thing.

        Raises:
            VenueError: no proper answer, or one that asking again does not change.
        """
        reason = "no answer"
        for attempt in range(READ_ATTEMPTS):
            if endpoint.signed and not self._compared:
                await self.sync_clock()
            wait_ms = await self._gate.enter(endpoint.weight, _READ_PATIENCE_MS)
            if wait_ms:
                raise VenueError(f"{endpoint.what}: not sent, asked to wait {wait_ms / 1_000:.0f} s; ask again then")
            try:
                return parse(await self._call(endpoint)(dict(params)))
            except ccxt.BaseError as error:
                facts = facts_of(error)
                if facts.status == 400 and facts.code in absent_codes:
                    return None
                reason = self._judge(endpoint, error)
            except MALFORMED as error:
                reason = f"malformed reply ({type(error).__name__}: {error})"[:200]
            get_logger().warning("venue.retry", request=endpoint.what, attempt=attempt + 1, reason=reason)
            if attempt + 1 < READ_ATTEMPTS:
                pause_s = min(_BACKOFF_FIRST_S * 2**attempt, _BACKOFF_MAX_S)
                await asyncio.sleep(pause_s * (0.5 + self._rng.random() / 2))
        raise VenueError(f"{endpoint.what}: {reason}, {READ_ATTEMPTS} attempts; nothing is lost, ask again")

    def _judge(self, endpoint: Endpoint, error: ccxt.BaseError) -> str:
        """Return why a read failed, or raise when asking again cannot help."""
        facts = facts_of(error)
        if facts.status is None:
            return f"no reply ({type(error).__name__})"
        said = f"HTTP {facts.status}, code {facts.code}: {facts.message or 'no message'}"
        if facts.code == _TIMESTAMP_CODE:
            self._compared = False
        elif facts.status in (400, 401) and facts.code is not None and facts.code not in _PASSING_CODES:
            raise VenueError(f"{endpoint.what}: {said}") from None
        return said

    def _call(self, endpoint: Endpoint) -> Callable[[dict[str, str]], Awaitable[Any]]:
        found: Callable[[dict[str, str]], Awaitable[Any]] = getattr(self._client, endpoint.method)
        return found

    def _venue_now_ms(self) -> int:
        return self._clock.now_ms() - self.skew_ms

    def _symbol(self, market: str) -> str:
        return self._symbol_of.get(market, market)


def _rows(body: Any) -> list[Any]:
    if not isinstance(body, list):
        raise TypeError("not a list")
    return body

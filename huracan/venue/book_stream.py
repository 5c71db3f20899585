"""What a market shows between candles: best prices, the book's depth and trades, in the order of the venue's time."""

import asyncio
import json
import math
import random
from collections import deque
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import aiohttp
import ccxt
import ccxt.pro

from huracan.clock import Clock
from huracan.errors import VenueError
from huracan.logs import get_logger
from huracan.venue.budget import AsyncGate, WeightBudget
from huracan.venue.client import AsyncBinance, client_config, facts_of
from huracan.venue.depth_book import SNAPSHOT_LEVELS, BookFault, DepthBook, DepthUpdate, Snapshot
from huracan.venue.wire import MALFORMED, market_id

__all__ = [
    "BookEvent",
    "BookSource",
    "BookStream",
    "DepthReader",
    "DepthSum",
    "Hole",
    "Quote",
    "SnapshotSource",
    "Tape",
]

STREAMS = ("bookTicker", "depth", "aggTrade")
"""Kinds of streams of each market."""

_NAMES = {"bookTicker": "bookTicker", "depth": "depth@100ms", "aggTrade": "aggTrade"}
_NAMES_PER_MESSAGE = 100
_MESSAGE_PAUSE_S = 0.25
_WEIGHT = 5
_PATIENCE_MS = 65_000
_BACKOFF_FIRST_S = 0.5
_BACKOFF_MAX_S = 30.0
_HEARTBEAT_S = 15.0
_SNAPSHOTS_AT_ONCE = 4
_UNTIMED_MAX = 5_000


@dataclass(frozen=True, slots=True)
class Quote:
    """A change of the best bid or ask.

    Attributes:
        symbol: ccxt symbol.
        time_ms: when, ms UTC by the venue's clock; up to one depth update (100 ms) late, never early.
        bid: best bid, below `ask`; `bid_qty` coins on it.
        bid_qty: see `bid`.
        ask: best ask; `ask_qty` coins on it.
        ask_qty: see `ask`.
    """

    symbol: str
    time_ms: int
    bid: float
    bid_qty: float
    ask: float
    ask_qty: float


@dataclass(frozen=True, slots=True)
class Tape:
    """Trades of one taker at one price: `trades` of them, `quantity` coins; `taker_buys`: the taker bought."""

    symbol: str
    time_ms: int
    price: float
    quantity: float
    trades: int
    taker_buys: bool


@dataclass(frozen=True, slots=True)
class DepthSum:
    """Coins on the ten best levels of each side; only of a book whose updates have followed on one another."""

    symbol: str
    time_ms: int
    bid_qty: float
    ask_qty: float


@dataclass(frozen=True, slots=True)
class Hole:
    """Something of this market was missed since the event before: what changed in between is unknown."""

    symbol: str
    reason: str


BookEvent = Quote | Tape | DepthSum | Hole


class BookSource(Protocol):
    """Whoever tells what the books show; `connections` counts subscriptions, `dropped` messages that could not be."""

    connections: int
    dropped: int

    def events(self) -> AsyncIterator[BookEvent]:
        """Yield events as long as somebody asks; a lost connection is a `Hole` of every market."""
        ...

    def ages_s(self) -> Mapping[str, float]:
        """Return the seconds since each stream's last word, by `symbol stream`; since the start when it said none."""
        ...


class SnapshotSource(Protocol):
    """Whoever can be asked for a whole book."""

    async def snapshot(self, symbol: str) -> Snapshot:
        """Return a market's book; `VenueError` when there is no proper answer."""
        ...


class DepthReader:
    """Asks for whole books without blocking the event loop.

    Args:
        base_url: of the server; None: Binance.
        clock: for the budget's minutes.
        budget: request weight, shared with everyone at the same address.
        timeout_ms: of one request.
    """

    def __init__(self, base_url: str | None, clock: Clock, budget: WeightBudget, timeout_ms: int = 5_000) -> None:
        self._client = AsyncBinance(client_config(base_url, timeout_ms=timeout_ms))
        self._gate = AsyncGate(budget, clock)
        self._client.on_reply = self._gate.note_reply

    async def snapshot(self, symbol: str) -> Snapshot:
        """Return a market's book, one attempt.

        Raises:
            VenueError: no proper answer.
        """
        wait_ms = await self._gate.enter(_WEIGHT, _PATIENCE_MS)
        if wait_ms:
            raise VenueError(f"GET depth {symbol}: not sent, asked to wait {wait_ms / 1_000:.0f} s")
        try:
            body = await self._client.publicGetDepth({"symbol": market_id(symbol), "limit": str(SNAPSHOT_LEVELS)})
            return Snapshot(int(body["lastUpdateId"]), _levels(body["bids"]), _levels(body["asks"]))
        except ccxt.BaseError as error:
            facts = facts_of(error)
            reason = f"HTTP {facts.status}: {facts.message}" if facts.status else f"no reply ({type(error).__name__})"
            raise VenueError(f"GET depth {symbol}: {reason}") from None
        except MALFORMED as error:
            raise VenueError(f"GET depth {symbol}: malformed reply ({error})") from None

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()


@dataclass(slots=True)
class _Market:
    """What is known of one market.

    Attributes:
        book: its levels.
        ticker: number of the newest best price.
        trade: number of the newest trade; None: none since the connection began.
        depth: number and time of the newest depth update; None: none since the connection began.
        untimed: best prices that no depth update has dated yet: number and figures; the first came at `untimed_ms`.
        untimed_ms: wall clock, see `untimed`.
        asking: a snapshot is being asked for.
    """

    symbol: str
    book: DepthBook
    ticker: int = -1
    trade: int | None = None
    depth: tuple[int, int] | None = None
    untimed: deque[tuple[int, tuple[float, float, float, float]]] = field(default_factory=deque)
    untimed_ms: int = 0
    asking: bool = False


class BookStream:
    """Follows the books of some markets until closed; reconnects, waiting longer each time.

    Binance's best prices carry no time, only the number of their change. A depth update names the numbers that it
    covers and the time, so that each best price is given the time of the update that covers it.

    Args:
        ws_url: of the server; None: Binance.
        symbols: ccxt symbols.
        snapshots: asked for whole books.
        clock: wall clock, for ages.
        rng: spreads reconnections.
        silence_s: a connection that says nothing for so long is given up.

    Attributes:
        connections: how often it was subscribed.
        dropped: messages that could not be: garbage, prices that are none, what came twice or too late.
        resyncs: how often a book had to be asked for again.
    """

    def __init__(
        self,
        ws_url: str | None,
        symbols: Sequence[str],
        snapshots: SnapshotSource,
        clock: Clock,
        rng: random.Random,
        silence_s: float = 60.0,
    ) -> None:
        urls: dict[str, Any] = ccxt.pro.binance(client_config(None, ws_url=ws_url)).urls["api"]["ws"]
        self._url = str(urls["spot"])
        self._snapshots, self._clock, self._rng, self._silence_s = snapshots, clock, rng, silence_s
        self._markets = {market_id(symbol): _Market(symbol, DepthBook()) for symbol in symbols}
        self._names = [f"{market.lower()}@{_NAMES[kind]}" for market in self._markets for kind in STREAMS]
        self._heard_ms = {(symbol, kind): clock.now_ms() for symbol in symbols for kind in STREAMS}
        self._asking = asyncio.Semaphore(_SNAPSHOTS_AT_ONCE)
        self._tasks: set[asyncio.Task[None]] = set()
        self.connections = 0
        self.dropped = 0
        self.resyncs = 0

    def ages_s(self) -> dict[str, float]:
        """Return the seconds since each stream's last word, by `symbol stream`; since the start when it said none."""
        now_ms = self._clock.now_ms()
        return {f"{symbol} {kind}": max(0.0, (now_ms - at) / 1_000) for (symbol, kind), at in self._heard_ms.items()}

    async def events(self) -> AsyncIterator[BookEvent]:
        """Yield what the books show; a lost connection is a `Hole` of every market."""
        failures = 0
        try:
            while True:
                reason = ""
                try:
                    async with (
                        aiohttp.ClientSession() as session,
                        session.ws_connect(self._url, heartbeat=_HEARTBEAT_S) as socket,
                    ):
                        await self._subscribe(socket)
                        while True:
                            message = await self._next(socket)
                            if message.type is not aiohttp.WSMsgType.TEXT:
                                if message.type is aiohttp.WSMsgType.BINARY:
                                    self.dropped += 1
                                    continue
                                break
                            for event in self._read(message.data):
                                failures = 0
                                yield event
                    reason = "closed by the venue"
                except (aiohttp.ClientError, OSError, TimeoutError, VenueError) as error:
                    reason = str(error) if isinstance(error, VenueError) else type(error).__name__
                get_logger().warning("venue.books_lost", reason=reason, failures=failures)
                for hole in self._lose(reason):
                    yield hole
                pause_s = min(_BACKOFF_FIRST_S * 2 ** min(failures, 10), _BACKOFF_MAX_S)
                failures += 1
                await asyncio.sleep(pause_s * (0.5 + self._rng.random() / 2))
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _subscribe(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        """Ask for every stream, in messages that the venue's limits allow."""
        for number, first in enumerate(range(0, len(self._names), _NAMES_PER_MESSAGE), 1):
            if number > 1:
                await asyncio.sleep(_MESSAGE_PAUSE_S)
            names = self._names[first : first + _NAMES_PER_MESSAGE]
            await socket.send_json({"method": "SUBSCRIBE", "params": names, "id": number})
        self.connections += 1
        for market in self._markets.values():
            self._ask(market)

    async def _next(self, socket: aiohttp.ClientWebSocketResponse) -> aiohttp.WSMessage:
        try:
            async with asyncio.timeout(self._silence_s):
                return await socket.receive()
        except TimeoutError:
            raise VenueError(f"silent for {self._silence_s:g} s") from None

    def _lose(self, reason: str) -> Iterator[Hole]:
        """Forget what a new connection does not follow on."""
        for market in self._markets.values():
            market.book.reset()
            market.untimed.clear()
            market.ticker, market.trade, market.depth = -1, None, None
            yield Hole(market.symbol, reason)

    # ---- books asked for ----------------------------------------------------------------------------------------

    def _ask(self, market: _Market) -> None:
        """Ask for a market's book, beside the stream."""
        if market.asking:
            return
        market.asking = True
        task = asyncio.ensure_future(self._resync(market))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _resync(self, market: _Market) -> None:
        """Ask until the book follows on the updates heard; each time waits longer."""
        failures = 0
        try:
            while True:
                try:
                    async with self._asking:
                        snapshot = await self._snapshots.snapshot(market.symbol)
                    self.resyncs += 1
                    if market.book.take(snapshot):
                        return
                except (VenueError, ValueError) as error:
                    get_logger().warning("venue.depth_waits", symbol=market.symbol, reason=str(error)[:200])
                await asyncio.sleep(min(_BACKOFF_FIRST_S * 2 ** min(failures, 10), _BACKOFF_MAX_S))
                failures += 1
        finally:
            market.asking = False

    # ---- messages -----------------------------------------------------------------------------------------------

    def _read(self, text: str) -> Iterator[BookEvent]:
        """Yield what a message says; one that cannot be is dropped and counted.

        Raises:
            VenueError: the venue refused the subscription, or one of its streams is dead.
        """
        try:
            event = json.loads(text)
            if isinstance(event, dict) and "error" in event:
                raise VenueError(f"refused by the venue: {str(event['error'])[:120]}")
            event = event.get("data", event)
            if "s" not in event:
                return
            market = self._markets.get(event["s"])
            if market is None:
                return
            if event.get("e") == "depthUpdate":
                yield from self._depth(market, event)
            elif event.get("e") == "aggTrade":
                yield from self._trade(market, event)
            elif "e" not in event and "u" in event:
                yield from self._ticker(market, event)
        except (*MALFORMED, RecursionError) as error:
            self.dropped += 1
            get_logger().warning("venue.books_dropped", reason=f"{type(error).__name__}: {error}"[:200])

    def _heard(self, market: _Market, kind: str) -> None:
        self._heard_ms[market.symbol, kind] = self._clock.now_ms()

    def _ticker(self, market: _Market, event: Mapping[str, Any]) -> Iterator[BookEvent]:
        number = _count(event["u"])
        figures = (_positive(event["b"]), _positive(event["B"]), _positive(event["a"]), _positive(event["A"]))
        if figures[0] >= figures[2]:
            raise ValueError(f"{market.symbol}: the bid {figures[0]} is not below the ask {figures[2]}")
        self._heard(market, "bookTicker")
        if number <= market.ticker:
            self.dropped += 1
            return
        market.ticker = number
        if market.depth is not None and number <= market.depth[0]:
            yield Quote(market.symbol, market.depth[1], *figures)
            return
        now_ms = self._clock.now_ms()
        if not market.untimed:
            market.untimed_ms = now_ms
        elif now_ms - market.untimed_ms > self._silence_s * 1_000:
            raise VenueError(f"{market.symbol}: best prices change and depth is silent for {self._silence_s:g} s")
        market.untimed.append((number, figures))
        if len(market.untimed) > _UNTIMED_MAX:
            market.untimed.clear()
            yield Hole(market.symbol, "no depth update dates the best prices")

    def _depth(self, market: _Market, event: Mapping[str, Any]) -> Iterator[BookEvent]:
        time_ms = _count(event["E"])
        update = DepthUpdate(_count(event["U"]), _count(event["u"]), _levels(event["b"]), _levels(event["a"]))
        if update.first > update.last:
            raise ValueError(f"{market.symbol}: an update from {update.first} to {update.last}")
        self._heard(market, "depth")
        if market.depth is not None and update.last <= market.depth[0]:
            self.dropped += 1
            return
        if market.depth is not None and update.first > market.depth[0] + 1:
            yield Hole(market.symbol, f"depth updates {market.depth[0] + 1} to {update.first - 1} are missing")
        market.depth = (update.last, time_ms)
        while market.untimed and market.untimed[0][0] <= update.last:
            yield Quote(market.symbol, time_ms, *market.untimed.popleft()[1])
        fault = market.book.apply(update)
        if fault is not None:
            get_logger().warning("venue.depth_resync", symbol=market.symbol, reason=fault.value)
            if fault is BookFault.CROSSED:
                self.dropped += 1
        if not market.book.live:
            self._ask(market)
        elif (depth := market.book.depth()) is not None:
            yield DepthSum(market.symbol, time_ms, *depth)

    def _trade(self, market: _Market, event: Mapping[str, Any]) -> Iterator[BookEvent]:
        number, time_ms = _count(event["a"]), _count(event["T"])
        trades = _count(event["l"]) - _count(event["f"]) + 1
        price, quantity, seller = _positive(event["p"]), _positive(event["q"]), event["m"]
        if trades < 1 or not isinstance(seller, bool):
            raise ValueError(f"{market.symbol}: a trade that is none: {str(event)[:120]}")
        self._heard(market, "aggTrade")
        if market.trade is not None and number <= market.trade:
            self.dropped += 1
            return
        market.trade = number
        yield Tape(market.symbol, time_ms, price, quantity, trades, not seller)


def _count(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f"{str(value)[:40]!r} is no number of an event or time")
    return value


def _positive(text: Any) -> float:
    value = _number(text)
    if value <= 0.0:
        raise ValueError(f"{str(text)[:40]!r} is no price or quantity")
    return value


def _number(text: Any) -> float:
    if isinstance(text, bool):
        raise TypeError("a truth value instead of a number")
    value = float(text)
    if not math.isfinite(value) or value < 0.0:
        raise ValueError(f"{str(text)[:40]!r} is no price or quantity")
    return value


def _levels(rows: Any) -> tuple[tuple[float, float], ...]:
    return tuple((_positive(row[0]), _number(row[1])) for row in rows)

"""Replay: the engine over the real ccxt code trades candles on a paper exchange in lock-step, all in one process.

Nothing of it is a model of the engine: planner, ledger, submit protocol and venue client are those of live trading, and
the exchange matches by the kernel's venue law. Wall time is market time, so that a replay is the same each time.
"""

import asyncio
import random
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray
from pydantic import SecretStr

from huracan.clock import MarketClock
from huracan.errors import InvariantError
from huracan.execution.commands import ENTRIES, Close
from huracan.execution.engine import Engine
from huracan.execution.feed import ClosedCandle, close_of
from huracan.execution.ids import intent_id
from huracan.execution.memory_store import MemoryDatabase, MemoryStore
from huracan.execution.model import EventLog, Intent, IntentKind
from huracan.execution.ports import EngineSettings, Market
from huracan.execution.replay import differences
from huracan.memory import TradeRows
from huracan.paper import PaperAccount, PaperExchange, PaperMarket, PaperSettings, RateLimits, Request
from huracan.risk.live import Approval, OrderIntent, Reservation
from huracan.trading import Action, KernelSettings
from huracan.venue.binance import BinanceVenue
from huracan.venue.budget import WeightBudget
from huracan.venue.client import InProcessBinance, WireReply, client_config
from huracan.venue.credentials import Credentials
from huracan.venue.orders import Side

__all__ = ["Decider", "EntryWish", "Leg", "ReplayData", "ReplayMarket", "book_faults", "patience_bars", "replay_leg"]

ACCOUNT = "replay"
_CREDENTIALS = Credentials(SecretStr("replay-key"), SecretStr("replay-secret"))
_WITHOUT_END = 10**9
_NO_LIMITS = RateLimits(weight_1m=_WITHOUT_END, orders_10s=_WITHOUT_END, orders_1d=_WITHOUT_END)
_STILL = EngineSettings(  # nothing looks around by itself: what is asked, is asked at closes and fills
    lease_ttl_s=float(_WITHOUT_END),
    close_wait_s=600.0,
    watch_s=float(_WITHOUT_END),
    orders_s=float(_WITHOUT_END),
    trades_s=float(_WITHOUT_END),
    balances_s=float(_WITHOUT_END),
)
_STAKES_PER_COIN = 100

Decider = Callable[[int], Mapping[str, Action]]
"""Returns what is wanted of each market at the close of the market time given, ms UTC."""
VenueTrades = Mapping[tuple[str, str], tuple[Decimal, Decimal, Decimal]]
"""Quantity, price and commission by symbol and trade id."""


@dataclass(frozen=True, slots=True, eq=False)
class ReplayMarket:
    """One market of a replay.

    Attributes:
        paper: all its bars; those after the replay's end are looked at by measurements alone.
        sigma: float64[T], the feature machines' sigma at each bar's close; NaN while they are cold.
    """

    paper: PaperMarket
    sigma: NDArray[np.float64]

    @property
    def symbol(self) -> str:
        """Return the ccxt symbol."""
        return self.paper.symbol

    def row_at(self, open_ms: int) -> int | None:
        """Return the row of the bar that opens at a time, None when there is none."""
        number = open_ms // self.paper.base_ms
        row = int(np.searchsorted(self.paper.bars[:, 0], number))
        return row if row < len(self.paper.bars) and int(self.paper.bars[row, 0]) == number else None


@dataclass(frozen=True, slots=True, eq=False)
class ReplayData:
    """What is replayed: markets sorted by symbol, the rules, and the span of market time, ms UTC."""

    markets: tuple[ReplayMarket, ...]
    kernel: KernelSettings
    start_ms: int
    end_ms: int

    def market(self, symbol: str) -> ReplayMarket:
        """Return a market by its symbol."""
        return next(market for market in self.markets if market.symbol == symbol)


@dataclass(frozen=True, slots=True)
class EntryWish:
    """An entry that was decided and approved: its intent, the decision's close, and the coins wanted."""

    intent_id: str
    symbol: str
    close_ms: int
    quantity: Decimal


@dataclass(frozen=True, slots=True, eq=False)
class Leg:
    """What one way of entering made of the candles.

    Attributes:
        kernel: its rules.
        entries: in order of time, then symbol.
        log: every order, event and fill of the ledger.
        trades: closed trades.
        open_at_end: positions that were still held.
        requests: HTTP requests that the engine sent.
        wall_s: how long it took.
    """

    kernel: KernelSettings
    entries: tuple[EntryWish, ...]
    log: EventLog
    trades: TradeRows
    open_at_end: int
    requests: int
    wall_s: float


class _Approving:
    """Risk that denies nothing: a replay measures execution, and a denial would hide an order from it."""

    def check(self, intent: OrderIntent) -> Approval:
        assert intent.price is not None, "entries have a limit"
        fee_frac = Decimal("0.001")
        reservation = Reservation(
            key=intent.key,
            symbol=intent.symbol,
            side=Side.BUY,
            quantity=intent.quantity,
            price=intent.price,
            stop=intent.stop,
            fee_frac=fee_frac,
            at_ms=0,
        )
        return Approval(intent, reservation)

    def filled(self, key: str, quantity: Decimal) -> None:
        """Hear of a fill."""

    def ended(self, key: str, filled: Decimal) -> None:
        """Hear of an end."""


def replay_leg(data: ReplayData, kernel: KernelSettings, decide: Decider, seed: int) -> Leg:
    """Trade the span once and return what became of it.

    Args:
        data: markets and span.
        kernel: the rules of this leg; `data.kernel` but for how it enters.
        decide: what is wanted at each close.
        seed: of whatever the exchange draws.

    No entry is decided so late that its maker attempts would reach beyond the span: both ways of entering can finish
    what they are compared on.

    Raises:
        InvariantError: the ledger does not follow from its history, or is not the exchange's account.
    """
    begun_s = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="huracan-") as folder:
        return asyncio.run(_Run(data, kernel, decide, seed, Path(folder)).trade(begun_s))


def patience_bars(kernel: KernelSettings) -> int:
    """Return how many bars after its decision the last attempt of a maker-first entry is over."""
    return kernel.maker_life_bars * kernel.maker_tries + 1


def book_faults(log: EventLog, theirs: VenueTrades) -> list[str]:
    """Return where a ledger differs from its own history and from the exchange's account; empty when it is sound."""
    faults = [*differences(log), *(f"alarm {alarm.code}: {alarm.detail}" for alarm in log.alarms)]
    ours = {fill.key: (fill.quantity, fill.price, fill.commission) for fill in log.fills}
    if ours != theirs:
        faults.append(f"{len(set(ours.items()) ^ set(theirs.items()))} trades differ from the exchange's")
    return faults


class _Run:
    """One leg under way."""

    def __init__(self, data: ReplayData, kernel: KernelSettings, decide: Decider, seed: int, folder: Path) -> None:
        self._data, self._kernel, self._decide, self._seed, self._folder = data, kernel, decide, seed, folder
        self._clock = MarketClock(data.start_ms)
        quotes = {market.paper.quote for market in data.markets}
        wallet = kernel.stake_quote * _STAKES_PER_COIN * len(data.markets)
        key, secret = _CREDENTIALS.api_key.get_secret_value(), _CREDENTIALS.secret.get_secret_value()
        self._exchange = PaperExchange(
            PaperSettings(
                start_ms=data.start_ms,
                lockstep=True,
                share_num=kernel.share_num,
                share_den=kernel.share_den,
                stop_slip_range_frac=kernel.stop_slip_range_frac,
                limits=_NO_LIMITS,
                streams=(),
            ),
            [_cut(market.paper, data.end_ms) for market in data.markets],
            [PaperAccount(ACCOUNT, key, secret, dict.fromkeys(quotes, wallet))],
            seed,
            self._clock,
        )
        self._store = MemoryStore(MemoryDatabase(self._clock), ACCOUNT)
        self._last_entry_ms = data.end_ms - patience_bars(kernel) * kernel.base_ms
        self._entries: list[EntryWish] = []
        self._requests = 0

    async def trade(self, begun_s: float) -> Leg:
        """Trade from the first close to the last."""
        client = InProcessBinance(client_config("http://inside", _CREDENTIALS), self._carry)
        budget, rng = WeightBudget(_WITHOUT_END), random.Random(self._seed)  # noqa: S311 - spreads retries
        venue = BinanceVenue(_CREDENTIALS, clock=self._clock, budget=budget, rng=rng, client=client)
        engine = Engine(
            markets={m.symbol: Market(m.paper.instrument, self._kernel) for m in self._data.markets},
            venue=venue,
            store=self._store,
            clock=self._clock,
            risk=_Approving(),
            settings=_STILL,
            holder="replay",
            folder=self._folder,
        )
        try:
            await engine.start()
            await self._close(engine, self._data.start_ms)
            while self._exchange.stage is not None:
                await self._play(engine)
                await self._close(engine, self._closed_ms())
            held = sum(desk.planner.position.held for desk in engine.desks.values())
            await engine.stop()
        finally:
            await venue.close()
        log = await self._store.log()
        if faults := book_faults(log, self._venue_trades()):
            raise InvariantError(f"the replay's books are wrong: {faults[0]}")
        trades = await self._store.closed_trades(0)
        wall_s = time.perf_counter() - begun_s
        return Leg(self._kernel, tuple(self._entries), log, trades, held, self._requests, wall_s)

    async def _carry(self, method: str, url: str, headers: Mapping[str, str], body: str | None) -> WireReply:
        """Carry one request to the exchange."""
        parts = urlsplit(url)
        request = Request(method, parts.path, parts.query, body or "", dict(headers))
        self._requests += 1
        self._exchange.begin(request)
        try:
            reply = self._exchange.handle(request)
        finally:
            self._exchange.end(request)
        self._exchange.drain()
        return WireReply(reply.status, reply.headers, reply.body)

    # ---- time -------------------------------------------------------------------------------------------------

    async def _play(self, engine: Engine) -> None:
        """Let the next bar pass; the engine answers what filled inside it."""
        self._step()
        stage = self._exchange.stage
        if stage is not None and stage.stage == "fills":
            await engine.poll()
            await engine.quiesce()
            self._step()

    def _step(self) -> None:
        stage = self._exchange.stage
        assert stage is not None, "the exchange has ended"
        done = self._exchange.ack(ACCOUNT, stage.bar, stage.stage, self._exchange.seq(ACCOUNT))
        assert done.accepted, done.reason
        self._exchange.drain()
        self._clock.advance(self._exchange.now_ms)

    def _closed_ms(self) -> int:
        stage, base_ms = self._exchange.stage, self._kernel.base_ms
        return self._data.end_ms if stage is None else (stage.bar + 1) * base_ms

    async def _close(self, engine: Engine, close_ms: int) -> None:
        """Show the engine the bars that closed, and what is wanted; after the last close nothing is."""
        self._clock.advance(max(close_ms, self._clock.now_ms()))
        closes = self._closes(close_ms)
        await engine.on_close(closes)
        wishes = {} if self._exchange.stage is None else self._decide(close_ms)
        intents = [
            self._intent(symbol, action, close_ms)
            for symbol, action in wishes.items()
            if symbol in closes and (action not in ENTRIES or close_ms <= self._last_entry_ms)
        ]
        verdicts = await engine.on_intents(intents)
        for intent in sorted(intents, key=lambda intent: intent.symbol):
            verdict = verdicts[intent.intent_id]
            if isinstance(verdict, Approval):
                quantity = verdict.intent.quantity
                self._entries.append(EntryWish(intent.intent_id, intent.symbol, close_ms, quantity))
        await engine.quiesce()

    def _closes(self, close_ms: int) -> dict[str, Close]:
        found = {}
        for market in self._data.markets:
            row = market.row_at(close_ms - self._kernel.base_ms)
            if row is not None:
                found[market.symbol] = self._bar(market, row)
        return found

    def _bar(self, market: ReplayMarket, row: int) -> Close:
        paper, instrument = market.paper, market.paper.instrument
        bar, tick = paper.bar(row), instrument.tick
        candle = ClosedCandle(
            symbol=market.symbol,
            open_ms=paper.open_ms(row),
            open=bar.open * tick,
            high=bar.high * tick,
            low=bar.low * tick,
            close=bar.close * tick,
            volume=bar.volume * instrument.step,
            sigma=float(market.sigma[row]),
        )
        return close_of(candle, instrument, paper.costs, self._kernel)

    def _intent(self, symbol: str, action: Action, close_ms: int) -> Intent:
        candle_ms = close_ms - self._kernel.base_ms
        kind = IntentKind.ENTER if action in ENTRIES else IntentKind.EXIT
        return Intent(
            intent_id=intent_id(ACCOUNT, symbol, candle_ms, kind),
            account=ACCOUNT,
            symbol=symbol,
            candle_ms=candle_ms,
            kind=kind,
            side=Side.BUY if kind is IntentKind.ENTER else Side.SELL,
            created_ms=close_ms,
            action=int(action),
        )

    def _venue_trades(self) -> VenueTrades:
        names = {market.paper.venue_symbol: market.symbol for market in self._data.markets}
        return {
            (names[row["symbol"]], str(row["id"])): (
                Decimal(row["qty"]),
                Decimal(row["price"]),
                Decimal(row["commission"]),
            )
            for row in self._exchange.trades(ACCOUNT)
        }


def _cut(market: PaperMarket, end_ms: int) -> PaperMarket:
    """Return the market without what opens at `end_ms` or later: the exchange must not know it."""
    stop = int(np.searchsorted(market.bars[:, 0], end_ms // market.base_ms))

    def shorter(column: NDArray[np.float64] | None) -> NDArray[np.float64] | None:
        return None if column is None else column[:stop]

    return replace(
        market,
        bars=market.bars[:stop],
        quote_volume=shorter(market.quote_volume),
        trades=shorter(market.trades),
        taker_buy_volume=shorter(market.taker_buy_volume),
    )

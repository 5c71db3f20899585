"""The trader: at each close it books, looks, decides and sends; between closes it obeys and watches."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from huracan.clock import Clock, MarketClock
from huracan.errors import DatabaseError, DataError, VenueError
from huracan.execution.commands import ENTRIES, Close
from huracan.execution.engine import Engine
from huracan.execution.ids import intent_id
from huracan.execution.model import Intent, IntentKind
from huracan.execution.ports import Verdict
from huracan.execution.store import Store
from huracan.logs import get_logger
from huracan.risk.live import ClockSkew, Denied, FeedAge, RiskKeeper, TradingState
from huracan.signals.model import CloseSource, MarketClose
from huracan.trader.account_book import AccountBook, Feed
from huracan.trader.answers import Answers
from huracan.trader.beside import Besides
from huracan.trader.deciding import Decider, PolicyDecider, Wish
from huracan.trader.guard import Guard
from huracan.trader.inbox import Inbox
from huracan.trader.lockstep import LockStep
from huracan.trader.market_data import MarketData
from huracan.trader.performer import EnginePerformer
from huracan.trader.reporting import ViewWriter
from huracan.trader.status import Holding, holdings
from huracan.trader.watched_venue import WatchedVenue
from huracan.trading import Action, ExitReason
from huracan.venue.orders import Side
from huracan.venue.user_stream import UserStream
from huracan.venue.wire import plain_text

__all__ = ["Beside", "Trader"]

_TICK_S = 0.5
_SKEW_TURNS = 60
_SETTLE_S = 0.1
_STEP_S = 0.005

Beside = Callable[[], Coroutine[Any, Any, None]]
"""A loop that runs until it is cancelled."""


class Trader:
    """One process that trades one account.

    Args:
        engine: not started.
        source: closes of the market.
        newest: the close at which the trader starts.
        data: what the laws need.
        decider: decisions.
        book: the account as risk sees it.
        guard: risk.
        keeper: what the guard remembers.
        performer: its hands.
        venue: the account at the venue.
        store: of the account.
        writer: writes down what a restart and `trade status` need.
        fresh: how old the data is.
        clock: wall clock.
        market: market clock.
        base_ms: length of a bar.
        drain_s: longest time for taking entries back at the end.
        users: the account's stream; it only makes things faster.
        beside: what runs as long as the trader does: the stream of candles, a look at the registry.
        besides: versions that trade beside the account, in shadow.
        before_close: called with a close before it is carried out; what changes, changes between two closes.
        after_close: called when it is.
        lock_step: market time waits for us; None: it does not.
    """

    def __init__(
        self,
        *,
        engine: Engine,
        source: CloseSource,
        newest: MarketClose,
        data: MarketData,
        decider: Decider,
        book: AccountBook,
        guard: Guard,
        keeper: RiskKeeper,
        performer: EnginePerformer,
        venue: WatchedVenue,
        store: Store,
        writer: ViewWriter,
        fresh: Feed,
        clock: Clock,
        market: MarketClock,
        base_ms: int,
        drain_s: float,
        users: UserStream,
        beside: Sequence[Beside] = (),
        before_close: Callable[[MarketClose], Awaitable[None]] | None = None,
        after_close: Beside | None = None,
        besides: Besides | None = None,
        lock_step: LockStep | None = None,
    ) -> None:
        self._engine, self._book, self._guard, self._store = engine, book, guard, store
        self._market, self._clock, self._fresh = market, clock, fresh
        self._reconciled_ms = 0
        self._unkept = False  # a close was heard that the account's view does not show
        self._source, self._newest, self._data, self._decider = source, newest, data, decider
        self._performer, self._venue, self._writer = performer, venue, writer
        self._base_ms, self._drain_s, self._users = base_ms, drain_s, users
        self._beside, self._lock_step = tuple(beside), lock_step
        self._before_close, self._after_close = before_close, after_close
        self._besides = besides
        self._connections = 0
        self._decisions = 0
        self._keeper = keeper
        self._closing = asyncio.Lock()
        policies = decider if isinstance(decider, PolicyDecider) else None
        self.answers = Answers(store.account, engine, keeper, policies, lambda: self._newest, self._closing, base_ms)
        self._inbox = Inbox(engine, store, base_ms, market.now_ms, self._closing, self._forced, self._log_foreign)

    @property
    def symbols(self) -> tuple[str, ...]:
        """Return the markets traded."""
        return tuple(self._engine.desks)

    @property
    def state(self) -> TradingState:
        """Return the trading state that the engine obeys."""
        return self._engine.state

    @property
    def market_ms(self) -> int:
        """Return the market clock."""
        return self._market.now_ms()

    @property
    def newest(self) -> MarketClose:
        """Return the newest close that was carried out."""
        return self._newest

    @property
    def engine(self) -> Engine:
        """Return the engine."""
        return self._engine

    # ---- life -------------------------------------------------------------------------------------------------

    async def start(self, accept_balances: bool = False) -> None:
        """Take the lease, reconcile, and stand at the last close; in lock-step it is decided on, time waits for it.

        Raises:
            RefusedError: another trader has the account, or the books do not agree.
            VenueError: the venue does not answer.
            DatabaseError: the database does not answer.
        """
        await self._engine.start(accept_balances)
        self._reconciled_ms = self._fresh.heard_ms = self._clock.now_ms()
        await self._close(replace(self._newest, late=self._lock_step is None), self._data.closes())

    async def run(self, stop: asyncio.Event) -> None:
        """Trade until `stop` is set, then take entries back, leave brackets where they are, and give the lease back.

        Raises:
            FencedError: the lease was lost: nothing more was sent.
            InvariantError: the engine contradicts itself: nothing more was sent.
        """
        trade = self._trade if self._lock_step is None else self._trade_in_step
        own = (trade, self._inbox.run, self._guard.act, self._watch, self._follow, self._ask, self._listen_account)
        loops = (*own, *self._beside)
        tasks = [asyncio.ensure_future(work) for work in (*(loop() for loop in loops), _until(stop))]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        await self._drain()

    async def held(self) -> tuple[Holding, ...] | None:
        """Return what is held by the ledger and whether a stop rests for it, None when the database does not answer."""
        try:
            return holdings(await self._store.load(), self._book.steps)
        except DatabaseError as error:
            get_logger().warning("trader.waits", what="ledger", reason=str(error))
            return None

    async def _drain(self) -> None:
        """Take back what would still be bought, and let go of the account."""
        desks = self._engine.desks.values()
        for desk in desks:
            desk.planner.entries_blocked = True
            desk.planner.give_up_entry()
        try:
            async with asyncio.timeout(self._drain_s):
                while any(desk.planner.entry is not None for desk in desks):
                    await self._engine.tasks.all(desk.settle for desk in desks)
                    await self._engine.poll()
                    await asyncio.sleep(_SETTLE_S)
                await self._engine.stop()
        except (TimeoutError, VenueError, DatabaseError) as error:
            raise VenueError(
                f"stopped, but not everything was taken back within {self._drain_s:g} s ({error or 'no answer'}): look "
                "with `huracan trade status`, or end it with `huracan halt`; the lease runs out by itself"
            ) from None
        await self._keep()
        get_logger().info("trader.stopped", decisions=self._decisions)

    # ---- closes -----------------------------------------------------------------------------------------------

    async def _trade(self) -> None:
        async for close in self._source.follow(self._newest.close_ms):
            await self._carry_out(close)

    async def _trade_in_step(self) -> None:
        """Let time go on only when everything that it has brought is carried out and nothing is under way."""
        assert self._lock_step is not None
        closes = self._source.follow(self._newest.close_ms)
        while True:
            step = await self._lock_step.next()
            try:
                if step.stage == "fills":
                    await self._engine.poll()
                while self._newest.close_ms < step.closed_ms(self._base_ms):
                    await self._carry_out(replace(await anext(closes), late=step.ended))
                await self._engine.quiesce()
            except (DatabaseError, VenueError, TimeoutError) as error:  # time waits
                get_logger().warning("trader.waits", what="step", reason=str(error) or repr(error))
                await asyncio.sleep(_SETTLE_S)
                continue
            if step.ended:
                get_logger().info("trader.market_ended", close_ms=self._newest.close_ms)
                await asyncio.Event().wait()
            if not await self._lock_step.ack(step):
                await asyncio.sleep(_STEP_S)

    async def _carry_out(self, close: MarketClose) -> None:
        self._fresh.heard_ms = close.heard_ms or self._clock.now_ms()
        try:
            closes = self._data.push(close)
        except DataError as error:
            get_logger().error("trader.close_left_out", close_ms=close.close_ms, reason=str(error))
            return
        self._newest = close
        try:
            await self._close(close, closes)
        except (DatabaseError, VenueError, TimeoutError) as error:  # the next close tries again
            self._unkept = True
            get_logger().error("trader.close_unfinished", close_ms=close.close_ms, reason=str(error))

    async def _close(self, close: MarketClose, closes: Mapping[str, Close]) -> None:
        """Carry out one close: fills, account, limits, decisions, orders; the inbox waits meanwhile."""
        async with self._closing:
            if self._before_close is not None:
                await self._before_close(close)
            await self._obey_close(close, closes)
            if self._besides is not None:
                await self._besides.on_close(close, closes)
            if self._after_close is not None:
                await self._after_close()

    async def _obey_close(self, close: MarketClose, closes: Mapping[str, Close]) -> None:
        self._market.advance(max(close.close_ms, self._market.now_ms()))
        self._book.mark(closes, close.close_ms)
        await self._engine.on_close(closes)
        await self._book.refresh(self._store)
        result = self._book.close_day()
        if result is not None:
            self._guard.tell(result)
        try:
            await self._guard.protect(close.bars)
        except DatabaseError as error:
            get_logger().warning("trader.waits", what="protections", reason=str(error))
        forced = self._forced()
        wishes = () if close.late else await self._wishes(close)
        intents = {wish.symbol: self._intent(self._within(wish), close.close_ms) for wish in wishes if wish.acts}
        acting = [intent for symbol, intent in sorted(intents.items()) if symbol in closes]
        verdicts = await self._engine.on_intents(acting, forced)
        for wish in wishes:
            self._log(wish, intents.get(wish.symbol), verdicts, forced)
        await self._keep()

    async def _wishes(self, close: MarketClose) -> tuple[Wish, ...]:
        """Return what is wanted; what could not be written down is not wanted, and exits wait for the next close."""
        try:
            return await self._decider.decide(close, self._engine.desks)
        except DatabaseError as error:
            get_logger().error("trader.undecided", close_ms=close.close_ms, reason=str(error))
            return ()

    def _forced(self) -> dict[str, ExitReason]:
        """Return what is sold whatever is decided: after a trip that sells, or a day that lost too much."""
        forced = self._performer.forced()
        if self._book.kept is not None and self._book.kept.day.breached:
            for symbol, desk in self._engine.desks.items():
                if not desk.planner.idle:
                    forced.setdefault(symbol, ExitReason.RISK_EXIT)
        return forced

    def _within(self, wish: Wish) -> Wish:
        """Return what is ordered of a wish: of an entry that is larger than remedies allow, the largest that is not."""
        action = self._keeper.restrictions.stepped(wish.symbol, wish.action, wish.policy)
        return wish if action == wish.action else replace(wish, action=action)

    def _intent(self, wish: Wish, close_ms: int) -> Intent:
        candle_ms = close_ms - self._base_ms
        kind = IntentKind.ENTER if wish.action in ENTRIES else IntentKind.EXIT
        account = self._store.account
        return Intent(
            intent_id=intent_id(account, wish.symbol, candle_ms, kind),
            account=account,
            symbol=wish.symbol,
            candle_ms=candle_ms,
            kind=kind,
            side=Side.BUY if kind is IntentKind.ENTER else Side.SELL,
            created_ms=close_ms,
            action=wish.action,
            policy=wish.policy,
            confidence=wish.confidence,
            regime=wish.regime,
            state=wish.state if kind is IntentKind.ENTER else b"",
            layout=wish.layout if kind is IntentKind.ENTER else 0,
        )

    def _log(
        self,
        wish: Wish,
        intent: Intent | None,
        verdicts: Mapping[str, Verdict],
        forced: Mapping[str, ExitReason],
    ) -> None:
        """Write the one event of a decision."""
        self._decisions += 1
        close = self._newest
        verdict = None if intent is None else verdicts.get(intent.intent_id)
        desk = self._engine.desks.get(wish.symbol)
        if wish.symbol in forced:
            outcome, code = "overruled", forced[wish.symbol].name
        elif intent is None:
            outcome, code = "no_op", ""
        elif intent.intent_id not in verdicts:
            outcome, code = "no_candle", ""
        elif isinstance(verdict, Denied):
            outcome, code = "denied", str(verdict.code)
        else:
            done = "no_op" if intent.kind is IntentKind.ENTER else "obeyed"  # an entry that nobody judged is none
            outcome, code = (done if verdict is None else "approved"), ""
        get_logger().info(
            "trade.decision",
            symbol=wish.symbol,
            close_ms=close.close_ms,
            action=wish.action,
            ordered=None if intent is None else intent.action,
            outcome=outcome,
            code=code,
            detail=verdict.detail if isinstance(verdict, Denied) else "",
            intent=None if intent is None else intent.intent_id,
            quantity=None if verdict is None or isinstance(verdict, Denied) else _text(verdict.intent.quantity),
            price=_text(self._book.prices.get(wish.symbol)),
            held=None if desk is None else _text(desk.planner.position.grid.quantity(desk.planner.position.sellable)),
            equity=_text(self._book.equity),
            policy=wish.policy,
            confidence=round(wish.confidence, 6),
            regime=wish.regime,
            decided_after_ms=wish.decided_ms - close.heard_ms if wish.decided_ms and close.heard_ms else None,
            done_after_ms=self._clock.now_ms() - close.heard_ms if close.heard_ms else None,
        )

    def _log_foreign(self, intent: Intent, verdicts: Mapping[str, Verdict], forced: Mapping[str, ExitReason]) -> None:
        """Write the event of an intent that somebody else wrote down."""
        action = int(Action.DO_NOTHING) if intent.action is None else intent.action
        wish = Wish(intent.symbol, action, intent.policy, intent.confidence, intent.regime)
        self._log(wish, intent, verdicts, forced)

    async def _keep(self) -> None:
        try:
            await self._writer.keep(self._market.now_ms(), self._reconciled_ms)
            self._unkept = False
        except DatabaseError as error:
            self._unkept = True
            get_logger().warning("trader.waits", what="account view", reason=str(error))

    # ---- between closes ---------------------------------------------------------------------------------------

    async def _watch(self) -> None:
        """Tell the breaker how late the data is; end when the engine has a fault. Waits for nobody."""
        while True:
            self._engine.tasks.check()
            if self._engine.tasks.fault is not None:
                raise self._engine.tasks.fault
            if self._fresh.overdue_s is not None:
                self._guard.tell(FeedAge(self._fresh.overdue_s))
            await asyncio.sleep(_TICK_S)

    async def _follow(self) -> None:
        """Obey the database, and write down late what it did not take at a close: no silence is read from the view."""
        while True:
            try:
                await self._guard.follow()
                if self._unkept:
                    await self._keep()
            except (DatabaseError, VenueError) as error:
                get_logger().warning("trader.waits", what="database", reason=str(error))
            await asyncio.sleep(_TICK_S)

    async def _ask(self) -> None:
        """Compare the clocks, and catch up when the account's stream was away; the venue may let us wait minutes."""
        turn = 0
        while True:
            try:
                if turn % _SKEW_TURNS == 0:
                    self._guard.tell(ClockSkew(await self._venue.sync_clock()))
                if self._users.connections > self._connections:
                    self._connections = self._users.connections  # what came in between was missed
                    await self._engine.poll()
            except (DatabaseError, VenueError) as error:
                get_logger().warning("trader.waits", what="venue", reason=str(error))
            turn += 1
            await asyncio.sleep(_TICK_S)

    async def _listen_account(self) -> None:
        events: AsyncIterator[Any] = self._users.__aiter__()
        try:
            async for event in events:
                try:
                    await self._engine.on_event(event)
                except (DatabaseError, VenueError, TimeoutError) as error:
                    get_logger().warning("trader.waits", what="event", reason=str(error))
        finally:
            await self._users.close()


def _text(value: Decimal | None) -> str | None:
    return None if value is None else plain_text(value)


async def _until(stop: asyncio.Event) -> None:
    await stop.wait()

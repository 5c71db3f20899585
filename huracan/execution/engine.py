"""The engine: one account, many markets; it holds the lease, starts by reconciling, trades at closes, and can stop.

Everything it waits for is the loop's clock or the venue. Whoever cancels a caller of the engine cancels the waiting,
never an order half sent: all work runs in tasks that the engine owns and drains.
"""

import asyncio
from collections.abc import Awaitable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from huracan.clock import Clock
from huracan.errors import DatabaseError, FencedError, VenueError
from huracan.execution.desk import Desk, Hooks
from huracan.execution.failpoints import Failpoints, no_failpoints
from huracan.execution.ids import intent_id
from huracan.execution.journal import Journal
from huracan.execution.lease import LeaseKeeper
from huracan.execution.model import Alarm, AlarmCode, Booked, Intent, IntentKind, IntentStatus, Record, StateChange
from huracan.execution.planner import ENTRIES, Close, Place, Planner, Role
from huracan.execution.positions import Position
from huracan.execution.reconcile import balance_differences, strangers
from huracan.execution.resolver import Resolver, ResolverSettings
from huracan.execution.results import ClosedTrade, Decision, trade_rows
from huracan.execution.start import Starter
from huracan.execution.store import Store
from huracan.execution.submit import Submitter
from huracan.logs import get_logger
from huracan.memory import TradeRows, join_trades
from huracan.risk.live import Approval, DenialCode, Denied, HaltPolicy, OrderIntent, TradingState
from huracan.trading import Action, ExitReason, Instrument, KernelSettings
from huracan.venue.orders import Side, UserEvent, VenueOrder, VenueTrade
from huracan.venue.protocol import TradingVenue

__all__ = ["Engine", "EngineSettings", "Market", "RiskPort", "Verdict"]


@dataclass(frozen=True, slots=True)
class Market:
    """One market to trade: its grid and fees, and the kernel's settings."""

    instrument: Instrument
    settings: KernelSettings


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """How the engine keeps itself informed; seconds of the loop's clock.

    Attributes:
        lease_ttl_s: how long a lease holds without renewal.
        lease_wait_s: how long the start waits for another holder's lease.
        start_s: longest time for the questions of the start.
        close_wait_s: how long a close waits for the books of its markets; then entries are denied there.
        watch_s: period of the loop that flushes the journal, reads the trading state and asks after orders.
        orders_s: period of asking for statuses and trades of markets at work.
        trades_s: period of asking for trades and foreign orders everywhere.
        balances_s: period of comparing balances.
        balance_strikes: comparisons in a row that must differ before trading reduces.
        halt_s: longest time for the proof that nothing rests at the venue.
        halt_policy: what a halt does to positions.
        rates: quote currency per unit of assets that pay fees and are not traded here.
        resolver: see there.
    """

    lease_ttl_s: float = 15.0
    lease_wait_s: float = 0.0
    start_s: float = 60.0
    close_wait_s: float = 10.0
    watch_s: float = 1.0
    orders_s: float = 5.0
    trades_s: float = 60.0
    balances_s: float = 60.0
    balance_strikes: int = 3
    halt_s: float = 60.0
    halt_policy: HaltPolicy = HaltPolicy.CANCEL
    rates: Mapping[str, Decimal] = field(default_factory=dict)
    resolver: ResolverSettings = field(default_factory=ResolverSettings)


class RiskPort(Protocol):
    """What the engine asks of risk and tells it."""

    def check(self, intent: OrderIntent) -> Approval | Denied:
        """Judge an order, and reserve for it when it is approved."""
        ...

    def filled(self, key: str, quantity: Decimal) -> None:
        """Note a booked fill of an intent."""
        ...

    def ended(self, key: str, filled: Decimal) -> None:
        """Note that no order of an intent can fill any more."""
        ...


Verdict = Approval | Denied | None
"""What became of an intent: approved, denied with a code, or nothing to judge (an exit, a no-op)."""


class Engine:
    """The execution engine of one account.

    Args:
        markets: what is traded, by ccxt symbol.
        venue: the account at the venue.
        store: the account's memory.
        clock: wall clock.
        risk: judges entries.
        settings: see there.
        holder: name under which the lease is held.
        folder: where the journal keeps what the store could not take.
        failpoints: places at which tests kill.
    """

    def __init__(
        self,
        markets: Mapping[str, Market],
        venue: TradingVenue,
        store: Store,
        clock: Clock,
        risk: RiskPort,
        settings: EngineSettings,
        holder: str,
        folder: Path,
        failpoints: Failpoints = no_failpoints,
    ) -> None:
        self.markets = dict(sorted(markets.items()))
        self.settings = settings
        self.desks: dict[str, Desk] = {}
        self.state = TradingState.HALTED
        self.fault: BaseException | None = None
        self._venue, self._store, self._clock, self._risk = venue, store, clock, risk
        self._keeper = LeaseKeeper(store, holder, settings.lease_ttl_s)
        self._journal = Journal(store, self._keeper, folder / f"{store.account}.journal")
        self._failpoints = failpoints
        self._submitter = Submitter(venue, store, self._keeper, self._journal, clock, failpoints, self._allowed)
        self._resolver = Resolver(settings.resolver, clock)
        self._resolving: set[str] = set()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._questions: set[asyncio.Task[Any]] = set()
        self._background: list[asyncio.Task[Any]] = []
        self._intents: dict[str, Intent] = {}
        self._approvals: dict[str, Approval] = {}
        self._strikes: dict[str, int] = {}
        self._locked: set[str] = set()
        self._flattening = False
        self._trades_closed = 0
        self._draining = False

    # ---- life -------------------------------------------------------------------------------------------------

    async def start(self, accept_balances: bool = False) -> None:
        """Take the lease, reconcile, adopt what is at the venue, and be ready to trade.

        Args:
            accept_balances: book balances that differ as a deposit or withdrawal instead of refusing.

        Raises:
            RefusedError: another holder has the lease, or the books do not agree; the message names every reason.
            VenueError: the venue does not answer.
            DatabaseError: the store does not answer.
        """
        await self._keeper.acquire(self.settings.lease_wait_s)
        self._background.append(self._spawn(self._guard(self._keeper.keep())))
        try:
            starter = Starter(self._store, self._venue, self._keeper, self._journal, self._clock, self._resolver)
            snapshot = await starter.run(self.markets, self._new_desk, accept_balances, self.settings.start_s)
        except BaseException:
            await self._release()
            raise
        self.desks = starter.desks
        self._intents = dict(snapshot.intents)
        self._trades_closed = len(await self._store.closed_trades(0))
        self.state = TradingState(snapshot.state.state) if snapshot.state is not None else TradingState.ACTIVE
        for lock in snapshot.locks:
            if lock.author == "ledger" and lock.symbol in self.desks:
                self._locked.add(lock.symbol)
        for desk in self.desks.values():
            desk.frozen = False
        if self.state is TradingState.HALTED:
            await self._flat_out(self.settings.halt_policy)
        else:
            self._restrict()
            await self._all(desk.settle for desk in self.desks.values())
        self._background.append(self._spawn(self._guard(self._watch())))
        get_logger().info("engine.started", account=self._store.account, state=self.state, markets=len(self.desks))

    def _new_desk(self, symbol: str, position: Position, cursor: str | None) -> Desk:
        market = self.markets[symbol]
        hooks = Hooks(self._resolve, self._exposure, self._closed, self._booked)
        instrument = market.instrument
        fee_frac = Decimal(instrument.fee_taker_ppm).scaleb(-6) if instrument.fee_in_quote else Decimal(0)
        planner = Planner(position, market.settings.rules)
        return Desk(planner, self._venue, self._journal, self._submitter, self._clock, hooks, fee_frac, cursor)

    async def drain(self) -> None:
        """Take no more intents and wait until every command under way is answered; what is unknown then stays so."""
        self._draining = True
        while self._tasks:
            await asyncio.wait(tuple(self._tasks))
        for question in self._questions:
            question.cancel()
        await asyncio.gather(*self._questions, return_exceptions=True)
        self._raise_fault()

    async def quiesce(self) -> None:
        """Wait until nothing is under way: no command, no question after an order."""
        while self._tasks or self._questions:
            await asyncio.wait((*self._tasks, *self._questions))
            self._raise_fault()

    async def stop(self) -> None:
        """Drain, then let go of the lease; orders at the venue stay, brackets above all."""
        await self.drain()
        await self._release()

    async def _release(self) -> None:
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
        self._background = []
        try:
            await self._keeper.release()
        except DatabaseError as error:
            get_logger().warning("engine.lease_left", reason=str(error))

    # ---- trading ----------------------------------------------------------------------------------------------

    async def on_close(self, closes: Mapping[str, Close]) -> None:
        """Book what the venue has and keep house at closed bars; what follows is sent by `on_intents`."""
        self._raise_fault()
        jobs = [self.desks[symbol].on_close(close) for symbol, close in sorted(closes.items())]
        await self._within(self.settings.close_wait_s, jobs)

    async def on_intents(
        self, intents: Sequence[Intent], forced: Mapping[str, ExitReason] | None = None
    ) -> dict[str, Verdict]:
        """Decide at the last close and send everything that follows, exits before entries.

        Args:
            intents: the policy's, at most one a market.
            forced: markets that risk or the operator sells, whatever the policy says.

        Returns:
            What became of each intent, by id.
        """
        self._raise_fault()
        return await self._owned(self._decide_and_send(tuple(intents), dict(forced or {})))

    async def _decide_and_send(self, intents: tuple[Intent, ...], forced: dict[str, ExitReason]) -> dict[str, Verdict]:
        for symbol, reason in sorted(forced.items()):
            self.desks[symbol].planner.force(reason)
        verdicts: dict[str, Verdict] = {}
        for intent in sorted(intents, key=lambda row: row.symbol):
            if intent.symbol not in forced:
                verdicts[intent.intent_id] = await self._decide(intent)
        leaving = [desk for desk in self.desks.values() if not desk.quiet and int(desk.planner.position.slot.want) == 0]
        entering = [desk for desk in self.desks.values() if desk not in leaving]
        await asyncio.gather(*(desk.settle() for desk in leaving))
        await asyncio.gather(*(desk.settle() for desk in entering))
        return verdicts

    async def _decide(self, intent: Intent) -> Verdict:
        known = await self._store.put_intent(intent)
        if known.status is not IntentStatus.OPEN or known.intent_id in self._intents:
            return None  # decided before: whoever repeats an intent gets the same one
        verdict = self._judge(known)
        if isinstance(verdict, Denied):
            await self._finish(known, IntentStatus.DENIED, verdict.code)
            return verdict
        if isinstance(verdict, Approval):
            await self._enter(known, verdict)
            return verdict
        self.desks[intent.symbol].planner.decide(known.action or 0, "", "")
        await self._finish(known, IntentStatus.DONE, "")
        return None

    def _judge(self, intent: Intent) -> Verdict:
        """Return risk's word on an entry, None for what needs none; what cannot be an action is denied."""
        desk, action = self.desks.get(intent.symbol), intent.action
        if type(action) is not int or action not in tuple(Action):
            return Denied(DenialCode.STATE_UNKNOWN, float("nan"), float("nan"), "no action")
        if desk is None or desk.planner.close is None:
            return Denied(DenialCode.STATE_UNKNOWN, float("nan"), float("nan"), "no closed bar")
        if action not in ENTRIES:
            return None
        if not desk.booked or self._journal.blocked or self._draining or not desk.planner.settled:
            return Denied(DenialCode.STATE_UNKNOWN, float("nan"), float("nan"), "fills of the bar are not booked")
        preview = desk.planner.preview(action) if desk.planner.may_enter else None
        if preview is None:
            return None
        steps, cap, stop = preview
        grid = desk.planner.position.grid
        return self._risk.check(
            OrderIntent(
                key=intent.intent_id,
                symbol=intent.symbol,
                side=Side.BUY,
                quantity=grid.quantity(steps),
                price=grid.price(cap),
                stop=grid.price(stop),
            )
        )

    async def _enter(self, intent: Intent, approval: Approval) -> None:
        desk, lease = self.desks[intent.symbol], self._keeper.lease
        sells = Intent(
            intent_id=intent_id(intent.account, intent.symbol, intent.candle_ms, IntentKind.PROTECT),
            account=intent.account,
            symbol=intent.symbol,
            candle_ms=intent.candle_ms,
            kind=IntentKind.PROTECT,
            side=Side.SELL,
            created_ms=intent.created_ms,
            quantity=approval.intent.quantity,
        )
        before = desk.planner.position.exit_intent
        assert desk.planner.close is not None
        if not desk.planner.decide(intent.action or 0, intent.intent_id, sells.intent_id):
            self._risk.ended(intent.intent_id, Decimal(0))
            await self._finish(intent, IntentStatus.GIVEN_UP, "VOID")
            return
        self._approvals[intent.intent_id] = approval
        try:
            if before:
                await self._store.update_intent(lease, before, IntentStatus.DONE)
            await self._store.put_intent(sells)
            self._intents[intent.intent_id] = await self._store.update_intent(
                lease, intent.intent_id, IntentStatus.OPEN, quantity=approval.intent.quantity
            )
        except DatabaseError:  # fail closed: without its rows the entry cannot be begun
            desk.planner.give_up_entry()
            self._end_entry(desk, intent.intent_id)
            raise

    async def _finish(self, intent: Intent, status: IntentStatus, code: str) -> None:
        await self._store.update_intent(self._keeper.lease, intent.intent_id, status, code)

    async def on_event(self, event: UserEvent) -> None:
        """Take in what the user stream tells; it only makes things faster."""
        if isinstance(event, VenueOrder) and event.symbol in self.desks:
            await self._owned(self.desks[event.symbol].take(orders=(event,)))
        elif isinstance(event, VenueTrade) and event.symbol in self.desks:
            await self._owned(self.desks[event.symbol].take(trades=(event,)))

    async def poll(self) -> None:
        """Ask the venue for orders and trades of every market at work, and answer them."""
        self._raise_fault()
        await self._all(desk.poll for desk in self.desks.values() if not desk.quiet)

    # ---- halt -------------------------------------------------------------------------------------------------

    async def halt(self, policy: HaltPolicy, author: str, reason: str) -> None:
        """Stop: no new order from now on, cancel everything, prove that nothing rests, then hold or flatten.

        Raises:
            VenueError: the proof failed in time; the state stays HALTED.
        """
        self.state = TradingState.HALTED
        await self._owned(self._halt(policy, author, reason))

    async def _halt(self, policy: HaltPolicy, author: str, reason: str) -> None:
        try:
            await self._write_state(TradingState.HALTED, author, reason)
        except DatabaseError as error:  # the halt holds in this process; the row follows when someone repeats it
            get_logger().error("engine.halt_unwritten", reason=str(error))
        await self._flat_out(policy)

    async def _flat_out(self, policy: HaltPolicy) -> None:
        """Cancel everything and prove it; HOLD leaves brackets where they are."""
        for desk in self.desks.values():
            desk.planner.give_up_entry()
            desk.planner.entries_blocked = True
            desk.planner.muted = policy is not HaltPolicy.HOLD
        async with asyncio.timeout(self.settings.halt_s):
            await asyncio.gather(*(self._clear(desk, policy) for desk in self.desks.values()))
        get_logger().warning("engine.halted", policy=policy)
        if policy is HaltPolicy.FLATTEN:
            self._flattening = True
            for desk in self.desks.values():
                desk.planner.muted = False
                desk.planner.force(ExitReason.KILL_SWITCH)
            await asyncio.gather(*(desk.settle() for desk in self.desks.values()))

    async def _clear(self, desk: Desk, policy: HaltPolicy) -> None:
        """Cancel until the venue shows no open order of ours; a stop or target of HOLD may stay."""
        pause_s = 0.1
        while True:
            await desk.settle()
            try:
                rest = await self._venue.open_orders(desk.symbol)
            except VenueError as error:
                get_logger().warning("engine.halt_waits", symbol=desk.symbol, reason=str(error))
            else:
                if policy is HaltPolicy.HOLD:
                    rest = tuple(order for order in rest if order.side is Side.BUY)
                foreign = {order.cid for order in strangers(desk, rest)}
                for order in rest:
                    if order.cid in foreign:
                        await self._venue.cancel(desk.symbol, order.cid)
                if not rest and (policy is HaltPolicy.HOLD or not desk.alive):
                    return
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, 2.0)

    async def resume(self, author: str, reason: str) -> None:
        """Trade again after a halt or a reduction; a person's decision."""
        await self._write_state(TradingState.ACTIVE, author, reason)
        self.state, self._flattening = TradingState.ACTIVE, False
        self._restrict()
        await self._all(desk.settle for desk in self.desks.values())

    async def reduce(self, author: str, reason: str) -> None:
        """Let positions only shrink: entries at work are cancelled, exits go on."""
        if self.state is TradingState.ACTIVE:
            self.state = TradingState.REDUCING
            self._restrict()
            await self._write_state(TradingState.REDUCING, author, reason)
            await self._all(desk.settle for desk in self.desks.values())

    def _restrict(self) -> None:
        for desk in self.desks.values():
            desk.planner.muted = False
            desk.planner.entries_blocked = self.state is not TradingState.ACTIVE or desk.symbol in self._locked

    async def _write_state(self, state: TradingState, author: str, reason: str) -> None:
        for _ in range(10):
            last = await self._store.state()
            seq = last.seq + 1 if last is not None else 1
            if await self._store.change_state(StateChange(seq, state, author, reason, self._clock.now_ms())):
                return
        raise DatabaseError("the trading state changes faster than it can be written; ask again")

    def _allowed(self, side: Side) -> bool:
        """Return whether an order of this side may still go: asked right before the socket write."""
        if self.fault is not None:
            return False
        if self.state is TradingState.HALTED:
            return side is Side.SELL and (self._flattening or self.settings.halt_policy is HaltPolicy.HOLD)
        return side is Side.SELL or self.state is TradingState.ACTIVE

    # ---- hooks of the desks -----------------------------------------------------------------------------------

    def _resolve(self, desk: Desk, key: str) -> None:
        if key in self._resolving:
            return
        self._resolving.add(key)
        task = self._spawn(self._guard(self._resolver.resolve(desk, key)))
        self._questions.add(task)
        task.add_done_callback(self._questions.discard)
        task.add_done_callback(lambda _: self._resolving.discard(key))

    def _exposure(self, place: Place) -> tuple[Decimal, Decimal]:
        approval = self._approvals.get(place.intent) if place.role is Role.ENTRY else None
        if approval is None:
            return Decimal(0), Decimal(0)
        return approval.reservation.notional, approval.reservation.heat

    def _closed(self, trades: Sequence[ClosedTrade]) -> TradeRows | None:
        rows = [self._row(trade, self._trades_closed + number) for number, trade in enumerate(trades)]
        self._trades_closed += len(trades)
        return join_trades(rows) if rows else None

    def _row(self, trade: ClosedTrade, seq: int) -> TradeRows:
        intent = self._intents.get(trade.entry_intent)
        state = np.frombuffer(intent.state, "<f4") if intent is not None and intent.state else np.zeros(80, np.float32)
        decision = Decision(
            state.astype(np.float32),
            intent.regime if intent is not None else -1,
            intent.confidence if intent is not None else 0.0,
        )
        policy = intent.policy if intent is not None else ""
        rates = {**self.settings.rates, **self._prices()}
        return trade_rows([trade], [decision], rates, policy, self._store.account, "paper", seq)

    def _prices(self) -> dict[str, Decimal]:
        found = {}
        for desk in self.desks.values():
            grid, close = desk.planner.position.grid, desk.planner.close
            if close is not None:
                found[grid.base] = grid.price(close.bar.close)
        return found

    def _booked(self, desk: Desk, booked: Booked | None) -> None:
        """Follow up what the store took: fills release risk's reservations, alarms halt their market."""
        if booked is None:
            return
        for order in booked.orders:
            intent = order.draft.intent_id
            if intent in self._approvals:
                for fill in booked.fills:
                    if fill.cid == order.cid:
                        self._risk.filled(intent, fill.quantity)
        for intent_key in [key for key, approval in self._approvals.items() if approval.intent.symbol == desk.symbol]:
            self._end_entry(desk, intent_key)
        for alarm in booked.alarms:
            get_logger().error("alarm.raised", code=alarm.code, symbol=alarm.symbol, detail=alarm.detail)
            if alarm.symbol in self.desks:
                self._locked.add(alarm.symbol)
                self.desks[alarm.symbol].planner.entries_blocked = True

    def _end_entry(self, desk: Desk, key: str) -> None:
        """Tell risk that an entry is over: nothing wanted, nothing at the venue, every fill booked."""
        planner = desk.planner
        if planner.entry is None and int(planner.position.slot.want) == 0 and key in self._approvals:
            approval = self._approvals.pop(key)
            grid = planner.position.grid
            filled = grid.quantity(sum(child.filled for child in planner.retired.values() if child.intent == key))
            self._risk.ended(approval.intent.key, filled)

    # ---- watching ---------------------------------------------------------------------------------------------

    async def _watch(self) -> None:
        """Keep informed until cancelled: the journal, the trading state, orders, trades, strangers, balances."""
        loop = asyncio.get_running_loop()
        last = dict.fromkeys(("orders", "trades", "balances"), loop.time())
        while True:
            await asyncio.sleep(self.settings.watch_s)
            try:
                await self._watch_once(last)
            except (VenueError, DatabaseError, TimeoutError) as error:  # ask again at the next turn
                get_logger().warning("watch.waits", reason=str(error))

    async def _watch_once(self, last: dict[str, float]) -> None:
        now_s = asyncio.get_running_loop().time()
        if self._journal.blocked and await self._journal.flush():
            await asyncio.gather(*(desk.settle() for desk in self.desks.values()))
        await self._follow_state()
        if now_s - last["orders"] >= self.settings.orders_s:
            last["orders"] = now_s
            for desk in self.desks.values():
                if not desk.quiet:
                    await desk.poll()
        if now_s - last["trades"] >= self.settings.trades_s:
            last["trades"] = now_s
            for desk in self.desks.values():
                await desk.take(await self._venue.open_orders(desk.symbol), await desk.new_trades())
        if now_s - last["balances"] >= self.settings.balances_s:
            last["balances"] = now_s
            await self.compare_balances()

    async def _follow_state(self) -> None:
        """Obey a change of the trading state that somebody wrote into the store."""
        row = await self._store.state()
        if row is None or row.state == self.state:
            return
        get_logger().warning("engine.state", state=row.state, author=row.author, reason=row.reason)
        self.state = TradingState(row.state)
        if self.state is TradingState.HALTED:
            await self._flat_out(self.settings.halt_policy)
        else:
            self._restrict()
            await asyncio.gather(*(desk.settle() for desk in self.desks.values()))

    async def compare_balances(self) -> None:
        """Compare the ledger's balances with the venue's; a difference that stays reduces trading."""
        if self._journal.blocked or not all(desk.planner.settled for desk in self.desks.values()):
            return
        theirs, snapshot = await self._venue.balances(), await self._store.load()
        assets = {asset for desk in self.desks.values() for asset in desk.planner.position.grid.assets}
        found = balance_differences(snapshot.balances, theirs, assets | set(snapshot.balances))
        for asset in {*self._strikes} - {row.what for row in found}:
            del self._strikes[asset]
        for row in found:
            self._strikes[row.what] = self._strikes.get(row.what, 0) + 1
            if self._strikes[row.what] == self.settings.balance_strikes:
                alarm = Alarm(AlarmCode.BALANCE_MISMATCH, "", self._clock.now_ms(), row.words)
                await self._journal.book(Record(alarms=(alarm,)))
                await self.reduce("engine", row.words)

    # ---- tasks ------------------------------------------------------------------------------------------------

    def _spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        return asyncio.get_running_loop().create_task(work)

    async def _guard(self, work: Awaitable[Any]) -> Any:
        """Stop everything at a fault: an engine that contradicts itself, or lost its lease, sends nothing more."""
        try:
            return await work
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            self.fault = self.fault or error
            get_logger().error("engine.fault", reason=repr(error))
            raise

    async def _owned(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Run work in a task of the engine's own: cancelling the caller leaves it running."""
        task = self._spawn(self._guard(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return await asyncio.shield(task)

    async def _all(self, calls: Any) -> None:
        async def together() -> None:
            await asyncio.gather(*(call() for call in calls))

        await self._owned(together())

    async def _within(self, limit_s: float, jobs: Sequence[Coroutine[Any, Any, None]]) -> None:
        """Run jobs as the engine's own and wait for them a limited time; the rest go on by themselves."""
        tasks = []
        for job in jobs:
            task = self._spawn(self._guard(job))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            tasks.append(task)
        if tasks:
            done, _ = await asyncio.wait(tasks, timeout=limit_s)
            for task in done:
                task.result()

    def _raise_fault(self) -> None:
        if self.fault is not None:
            if isinstance(self.fault, FencedError):
                raise FencedError(str(self.fault)) from self.fault
            raise self.fault

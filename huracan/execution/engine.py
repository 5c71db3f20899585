"""The engine: one account, many markets; it holds the lease, starts by reconciling, trades at closes, and can stop.

Everything it waits for is the loop's clock or the venue. Whoever cancels a caller of the engine cancels the waiting,
never an order half sent: all work runs in tasks that the engine owns and drains.
"""

import asyncio
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path

import numpy as np

from huracan.clock import Clock
from huracan.errors import DatabaseError
from huracan.execution.commands import Close
from huracan.execution.decisions import Decisions
from huracan.execution.desk import Desk, Hooks
from huracan.execution.failpoints import Failpoints, no_failpoints
from huracan.execution.halting import clear_all, flatten
from huracan.execution.ids import parse_child
from huracan.execution.journal import Journal
from huracan.execution.lease import LeaseKeeper
from huracan.execution.model import Booked, Intent, StateChange
from huracan.execution.planner import Planner
from huracan.execution.ports import EngineSettings, Market, RiskPort, Verdict
from huracan.execution.positions import Position
from huracan.execution.resolver import Resolver
from huracan.execution.results import ClosedTrade, Decision, trade_rows
from huracan.execution.start import Starter
from huracan.execution.states import StateWriter, obeyed
from huracan.execution.store import Store
from huracan.execution.submit import Submitter
from huracan.execution.tasks import Tasks
from huracan.execution.watch import Watch
from huracan.execution.working import Works
from huracan.logs import get_logger
from huracan.memory import TradeRows, join_trades
from huracan.risk.live import Denied, HaltPolicy, OrderIntent, TradingState
from huracan.trading import ExitReason
from huracan.venue.orders import Side, UserEvent, VenueOrder, VenueTrade
from huracan.venue.protocol import TradingVenue

__all__ = ["Engine"]


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

    Attributes:
        desks: by market, once started.
        state: the trading state in force here.
        tasks: what is under way.
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
        self.desks: dict[str, Desk] = {}
        self.state = TradingState.HALTED
        self.tasks = Tasks()
        self._markets, self._settings = dict(sorted(markets.items())), settings
        self._venue, self._store, self._clock = venue, store, clock
        self._keeper = LeaseKeeper(store, holder, settings.lease_ttl_s)
        self._journal = Journal(store, self._keeper, folder / f"{store.account}.journal")
        self._submitter = Submitter(venue, store, self._keeper, self._journal, clock, failpoints, self._allowed)
        self._resolver = Resolver(settings.resolver, clock)
        self._decisions = Decisions(self.desks, store, self._keeper, self._journal, risk)
        self._watch = Watch(self.desks, venue, store, self._journal, clock, settings, self._follow, self.reduce)
        self._states = StateWriter(store, clock, folder / f"{store.account}.state")
        self._resolving: set[str] = set()
        self._locked: set[str] = set()
        self._policy: HaltPolicy | None = None
        self._uncarried: HaltPolicy | None = None  # a halt whose proof is still to be had
        self._carrying = False
        self._trades_closed = 0
        self._arming: asyncio.TimerHandle | None = None  # exits do not wait longer for a decision that does not come

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
        await self._keeper.acquire(self._settings.lease_wait_s)
        self.tasks.loop(self._keeper.keep())
        try:
            await self._states.recover()
            starter = Starter(self._store, self._venue, self._keeper, self._journal, self._clock, self._resolver)
            snapshot = await starter.run(self._markets, self._new_desk, accept_balances, self._settings.start_s)
            self._trades_closed = len(await self._store.closed_trades(0))
            self.desks.update(starter.desks)
            await self._decisions.recover(snapshot.intents, self._settings.still)
        except BaseException:
            await self._release()
            raise
        self._locked |= {lock.symbol for lock in snapshot.locks if lock.author == "ledger"}
        for desk in self.desks.values():
            desk.frozen = False
        self.state = TradingState.ACTIVE
        self._restrict()
        if snapshot.state is not None:
            await self.tasks.owned(self._obey(snapshot.state))
        await self.tasks.all(desk.settle for desk in self.desks.values())
        for watching in self._watch.loops():
            self.tasks.loop(watching)
        get_logger().info("engine.started", account=self._store.account, state=self.state, markets=len(self.desks))

    def _new_desk(self, symbol: str, position: Position, works: Works) -> Desk:
        market = self._markets[symbol]
        hooks = Hooks(self._resolve, self._decisions.exposure, self._closed, self._booked)
        instrument = market.instrument
        fee_frac = Decimal(instrument.fee_taker_ppm).scaleb(-6) if instrument.fee_in_quote else Decimal(0)
        planner = Planner(position, market.settings.rules, still=self._settings.still)
        return Desk(planner, self._venue, self._journal, self._submitter, self._clock, hooks, fee_frac, works)

    async def quiesce(self) -> None:
        """Wait until nothing is under way, questions after orders included."""
        await self.tasks.quiesce()

    async def drain(self) -> None:
        """Take no more entries and wait until every command under way is answered."""
        self._decisions.closing = True
        await self.tasks.drain()
        self.tasks.check()

    async def stop(self) -> None:
        """Drain, then let go of the lease; orders at the venue stay, brackets above all."""
        await self.drain()
        await self._release()

    async def _release(self) -> None:
        if self._arming is not None:
            self._arming.cancel()
        await self.tasks.end()
        try:
            await self._keeper.release()
        except DatabaseError as error:
            get_logger().warning("engine.lease_left", reason=str(error))

    # ---- trading ----------------------------------------------------------------------------------------------

    async def on_close(self, closes: Mapping[str, Close]) -> None:
        """Book what the venue has and keep house at closed bars; what follows is sent by `on_intents`.

        A market that is not booked in time goes on by itself, and its entries are denied until it is.
        """
        self.tasks.check()
        if self._arming is not None:
            self._arming.cancel()
        self._arming = asyncio.get_running_loop().call_later(self._settings.close_wait_s, self._arm)
        jobs = [self.desks[symbol].on_close(close) for symbol, close in sorted(closes.items())]
        await self.tasks.within(self._settings.close_wait_s, jobs)

    async def on_intents(
        self, intents: Sequence[Intent], forced: Mapping[str, ExitReason] | None = None
    ) -> dict[str, Verdict]:
        """Decide at the last close and send everything that follows; call it at every close, exits wait for it.

        Args:
            intents: the policy's, at most one a market.
            forced: markets that risk or the operator sells, whatever the policy says.

        Returns:
            What became of each intent, by id.
        """
        self.tasks.check()
        found: dict[str, Verdict] = await self.tasks.owned(self._decide(tuple(intents), dict(forced or {})))
        return found

    async def _decide(self, intents: tuple[Intent, ...], forced: dict[str, ExitReason]) -> dict[str, Verdict]:
        verdicts = await self._decisions.decide([intent for intent in intents if intent.symbol not in forced])
        for symbol, reason in sorted(forced.items()):
            self.desks[symbol].planner.force(reason)
        self._arm()
        entering = {symbol for symbol, desk in self.desks.items() if int(desk.planner.position.slot.want) > 0}
        for first in (False, True):  # what leaves the market goes first and frees its money
            await asyncio.gather(
                *(desk.settle() for symbol, desk in self.desks.items() if (symbol in entering) is first)
            )
        await self._decisions.conclude()
        return verdicts

    def _arm(self) -> None:
        """Let the market exits of the last close go out; what is decided there is judged before that."""
        if self._arming is not None:
            self._arming.cancel()
            self._arming = None
        for desk in self.desks.values():
            desk.planner.arm()

    def preview(self, intent: Intent) -> OrderIntent | Denied | None:
        """Return the order that an intent would need risk's word for now; None: it needs none, or is not possible."""
        return self._decisions.preview(intent)

    async def give_up(self, intent: Intent, code: str) -> None:
        """End an intent that somebody wrote down and nobody has acted on; `code` says why.

        Raises:
            FencedError: the lease is lost.
            DatabaseError: the store does not answer.
        """
        await self.tasks.owned(self._decisions.give_up(intent, code))

    async def on_event(self, event: UserEvent) -> None:
        """Take in what the user stream tells; it only makes things faster."""
        if isinstance(event, VenueOrder) and event.symbol in self.desks:
            if parse_child(event.cid) is not None and self.desks[event.symbol].works.leg(event.cid) is None:
                return  # an old order of ours told late: orphans are looked for in the venue's own list
            await self.tasks.owned(self.desks[event.symbol].take(orders=(event,)))
        elif isinstance(event, VenueTrade) and event.symbol in self.desks:
            await self.tasks.owned(self.desks[event.symbol].take(trades=(event,)))

    async def poll(self) -> None:
        """Ask the venue for orders and trades of every market at work, and answer them."""
        self.tasks.check()
        await self.tasks.all(desk.poll for desk in self.desks.values() if not desk.quiet)

    # ---- trading state ----------------------------------------------------------------------------------------

    async def halt(self, policy: HaltPolicy, author: str, reason: str) -> None:
        """Stop: no new order from now on, cancel everything, prove that nothing rests, then hold or flatten.

        Raises:
            TimeoutError: the proof failed in time; the state stays HALTED.
        """
        self.state, self._policy = TradingState.HALTED, policy
        await self.tasks.owned(self._halt(policy, author, reason))

    async def _halt(self, policy: HaltPolicy, author: str, reason: str) -> None:
        self._uncarried = policy
        await self._states.insist(TradingState.HALTED, author, reason)
        await self._carry_out(policy)

    async def _carry_out(self, policy: HaltPolicy) -> None:
        """Cancel and prove; whoever fails to in time is repeated by the watch until it is done."""
        self._uncarried, self._carrying = policy, True
        self._policy = HaltPolicy.CANCEL if policy is HaltPolicy.FLATTEN else policy
        try:
            await clear_all(self.desks.values(), self._venue, policy, self._settings.halt_s, self.tasks)
        finally:
            self._carrying = False
        if self.state is not TradingState.HALTED or self._uncarried is not policy:
            return
        self._policy = policy
        if policy is HaltPolicy.FLATTEN:
            await flatten(self.desks.values())
        self._uncarried = None

    async def freeze(self, author: str, reason: str) -> None:
        """Halt and touch nothing: what rests at the venue stays, until a person decides."""
        self.state, self._uncarried = TradingState.HALTED, None
        for desk in self.desks.values():
            desk.frozen = True
        await self._states.insist(TradingState.HALTED, author, reason)

    async def resume(self, author: str, reason: str) -> None:
        """Trade again after a halt or a reduction; a person's decision."""
        await self._states.write(TradingState.ACTIVE, author, reason)
        self.state = TradingState.ACTIVE
        self._policy = self._uncarried = None
        self._restrict()
        await self.tasks.all(desk.settle for desk in self.desks.values())

    async def reduce(self, author: str, reason: str) -> None:
        """Let positions only shrink: entries at work are cancelled, exits go on."""
        if self.state is TradingState.ACTIVE:
            self.state = TradingState.REDUCING
            self._restrict()
            await self._states.insist(TradingState.REDUCING, author, reason)
            await self.tasks.all(desk.settle for desk in self.desks.values())

    async def _follow(self) -> None:
        """Bring store and engine to one trading state; one turn of the watch."""
        away: DatabaseError | None = None
        try:
            await self._states.flush()
            row = await self._store.state()
        except DatabaseError as error:
            away, row = error, None
        if row is not None:
            await self._obey(row)
        if self._uncarried is not None and not self._carrying and self.state is TradingState.HALTED:
            await self._carry_out(self._uncarried)
        if away is not None:
            raise away

    async def _obey(self, row: StateChange) -> None:
        """Follow the trading state that stands in the store; an old row undoes nothing that was ordered since.

        A program's row loosens nothing either: what stands here is written over it again.
        """
        if row.seq <= self._states.seq:
            return
        rows = [one for one in await self._store.state_history() if one.seq > self._states.seq]
        if not rows:  # what was ordered here meanwhile is newer
            return
        newest, found = rows[-1], obeyed(self.state, rows)
        self._states.seq = newest.seq
        try:
            if found is not None:
                self._states.standing = found
                await self._take(found)
        finally:
            if found is not newest:
                await self._refuse(newest)

    async def _refuse(self, row: StateChange) -> None:
        """Write what stands here over a program's row that would loosen it."""
        get_logger().error("engine.state_refused", state=row.state, author=row.author, reason=row.reason)
        own = self._states.standing
        if own is not None and own.state == self.state:  # else another order is on its way to the store
            await self._states.insist(self.state, own.author, own.reason)

    async def _take(self, row: StateChange) -> None:
        """Put a stored state into force here."""
        if row.state == self.state:
            return
        get_logger().warning("engine.state", state=row.state, author=row.author, reason=row.reason)
        self.state = TradingState(row.state)
        if self.state is TradingState.HALTED:
            gentle = row.author in self._settings.gentle
            await self._carry_out(HaltPolicy.HOLD if gentle else self._settings.halt_policy)
        else:
            self._policy = self._uncarried = None
            self._restrict()
            await asyncio.gather(*(desk.settle() for desk in self.desks.values()))

    def _restrict(self) -> None:
        for symbol, desk in self.desks.items():
            desk.planner.muted = False
            desk.planner.entries_blocked = self.state is not TradingState.ACTIVE or symbol in self._locked

    def _allowed(self, side: Side) -> bool:
        """Return whether an order of this side may still go: asked right before the socket write."""
        if self.tasks.fault is not None:
            return False
        if self.state is TradingState.HALTED:
            return side is Side.SELL and self._policy in (HaltPolicy.FLATTEN, HaltPolicy.HOLD)
        return side is Side.SELL or self.state is TradingState.ACTIVE

    # ---- hooks of the desks -----------------------------------------------------------------------------------

    def _resolve(self, desk: Desk, key: str) -> None:
        if key not in self._resolving:
            self._resolving.add(key)
            self.tasks.ask(self._resolver.resolve(desk, key), lambda: self._resolving.discard(key))

    def _closed(self, trades: Sequence[ClosedTrade]) -> TradeRows | None:
        if not trades:
            return None
        rows = [self._row(trade, self._trades_closed + number) for number, trade in enumerate(trades)]
        self._trades_closed += len(trades)
        return join_trades(rows)

    def _row(self, trade: ClosedTrade, seq: int) -> TradeRows:
        intent = self._decisions.intents.get(trade.entry_intent)
        decision, policy = Decision(np.zeros(80, np.float32), -1, 0.0), ""
        if intent is not None:
            state, layout, policy = decision.state, 0, intent.policy
            if intent.state:
                state, layout = np.frombuffer(intent.state, "<f4").astype(np.float32), intent.layout
            decision = Decision(state, intent.regime, intent.confidence, layout)
        rates = {**self._settings.rates, **self._prices()}
        return trade_rows([trade], [decision], rates, policy, self._store.account, self._settings.mode, seq)

    def _prices(self) -> dict[str, Decimal]:
        """Return the last close of each coin, to value fees paid in it."""
        seen = ((desk.planner.position.grid, desk.planner.close) for desk in self.desks.values())
        return {grid.base: grid.price(close.bar.close) for grid, close in seen if close is not None}

    def _booked(self, desk: Desk, booked: Booked | None) -> None:
        """Follow up what the store took: risk's reservations, and alarms that halt their market."""
        if booked is None:
            return
        self._decisions.booked(desk, booked)
        for alarm in booked.alarms:
            get_logger().error("alarm.raised", code=alarm.code, symbol=alarm.symbol, detail=alarm.detail)
        for lock in booked.locks:
            self._locked.add(lock.symbol)
            if lock.symbol in self.desks:
                self.desks[lock.symbol].planner.entries_blocked = True

"""The guard: what risk remembers of a running account, told facts, obeying the database, and acting on its own."""

import asyncio
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress

import numpy as np

from huracan.clock import Clock, MarketClock
from huracan.config import RiskSettings
from huracan.errors import DatabaseError, VenueError
from huracan.execution.model import Lock, StateChange
from huracan.execution.states import obeyed
from huracan.execution.store import Store
from huracan.logs import get_logger
from huracan.memory import TradeRows
from huracan.risk.breaker import Fact
from huracan.risk.live import (
    BY_ITSELF,
    MONITOR,
    Author,
    BalanceCheck,
    ClosedTrade,
    Effect,
    HaltPolicy,
    PairLock,
    Restrictions,
    RiskKeeper,
    SetState,
    Slippage,
    StateRefused,
    StateRow,
    TradingState,
    kill,
    perform,
)
from huracan.trader.performer import EnginePerformer
from huracan.trader.pulse import Pulse
from huracan.trader.restricting import RestrictionSource
from huracan.trading import ExitReason
from huracan.venue.klines import Kline

__all__ = ["FIRST_STATE", "Guard", "beyond_model_bps", "pair_lock", "state_row", "traded"]

FIRST_STATE = StateRow(TradingState.ACTIVE, None, "huracan", "first start", 0)
_PAUSE_FIRST_S = 1.0
_PAUSE_MAX_S = 10.0


class Guard:
    """Risk of one running account.

    Args:
        keeper: judges, and remembers.
        performer: does what follows.
        store: of the account.
        risk: limits, protections, policies.
        clock: wall clock.
        market: market clock.
        base_ms: length of a bar.
        stop_slip_range_frac: kappa of the cost model, what a stop slips as a share of its bar's range.
        seq: number of the trading state that the keeper began with; 0: none.
        locks: as the store had them at the start.
        trades: numbers of the trades that were closed before.
        restricting: where restrictions are read.
        layouts: returns the layout of the states that each market is decided on.
        pulse: tells for how long nobody has watched.
        resumed: is shown the history of the trading state when it has changed, before any of it is obeyed.
    """

    def __init__(
        self,
        keeper: RiskKeeper,
        performer: EnginePerformer,
        store: Store,
        risk: RiskSettings,
        clock: Clock,
        market: MarketClock,
        base_ms: int,
        stop_slip_range_frac: float,
        seq: int,
        locks: Sequence[Lock],
        trades: Collection[int],
        restricting: RestrictionSource,
        layouts: Callable[[], Mapping[str, int]],
        pulse: Pulse,
        resumed: Callable[[Sequence[StateChange]], None] = lambda _: None,
    ) -> None:
        self._keeper, self._performer, self._store, self._risk = keeper, performer, store, risk
        self._clock, self._market, self._base_ms = clock, market, base_ms
        self._kappa, self._seq = stop_slip_range_frac, seq
        self._locks = {lock.lock_id: lock for lock in locks}
        self._restricting, self._layouts, self._pulse, self._resumed = restricting, layouts, pulse, resumed
        self._unwritten: list[PairLock] = []
        self._seen = set(trades)
        self._wanted: tuple[Effect, ...] = ()  # not done yet
        self._wanted_ms = 0
        self._told = asyncio.Event()

    def tell(self, fact: Fact) -> None:
        """Tell the breaker a fact; what follows is done by `act`."""
        self._want(self._keeper.observe(fact, self._clock.now_ms()))

    def _want(self, effects: tuple[Effect, ...]) -> None:
        """Have effects done; they are at least as strict as what still waits, which is not asked for any more.

        The state among them is in force here from now on, whenever it can be written.
        """
        for effect in effects:
            if isinstance(effect, SetState):
                self._keeper.obey(effect.row)
        if effects:
            self._wanted, self._wanted_ms = effects, self._clock.now_ms()
            self._told.set()

    async def act(self) -> None:
        """Do what risk decides, as it decides it, until cancelled; what fails is tried again until it is done."""
        pause_s = _PAUSE_FIRST_S
        while True:
            if not self._wanted:
                await self._told.wait()
            self._told.clear()
            effects = self._wanted
            try:
                await perform(effects[:1], self._performer)
            except (VenueError, DatabaseError, TimeoutError) as error:
                get_logger().error("risk.unfinished", effect=repr(effects[0]), reason=str(error) or repr(error))
                with suppress(TimeoutError):  # a later decision does not wait for this one
                    async with asyncio.timeout(pause_s):
                        await self._told.wait()
                pause_s = min(2 * pause_s, _PAUSE_MAX_S)
                continue
            pause_s = _PAUSE_FIRST_S
            if self._wanted is effects:
                self._wanted = effects[1:]

    # ---- what stands in the store -----------------------------------------------------------------------------

    async def follow(self) -> None:
        """Obey trading state, restrictions and locks as they stand in the store, and see who watches; one turn.

        Raises:
            DatabaseError: the store is away; what is known stays in force.
        """
        row = await self._store.state()
        if row is not None and row.seq > self._seq:
            history = await self._store.state_history()
            self._resumed(history)
            await self._take_states([one for one in history if one.seq > self._seq])
        await self.restrict()
        await self._pulse.look()
        await self._write_locks()
        self._take_locks({lock.lock_id: lock for lock in await self._store.locks()})

    async def begin(self) -> None:
        """Ask what must be known before the first decision: restrictions, and who watches.

        Raises:
            DatabaseError: the store is away.
        """
        await self.restrict()
        await self._pulse.look()

    async def restrict(self) -> None:
        """Obey the restrictions that stand in the store and have not expired.

        Raises:
            DatabaseError: the store is away; those that are known stay in force, expired or not.
        """
        before = self._keeper.restrictions
        found = Restrictions(await self._restricting.load(), self._layouts()).active(self._clock.now_ms())
        self._keeper.restrict(found)
        for row in found.rows:
            if row.number not in {one.number for one in before.rows}:
                get_logger().warning("risk.restricted", kind=row.kind, subject=row.subject, reason=row.words)
        for row in before.rows:
            if row.number not in {one.number for one in found.rows}:
                get_logger().info("risk.unrestricted", kind=row.kind, subject=row.subject, remedy=row.number)

    async def _take_states(self, rows: Sequence[StateChange]) -> None:
        """Obey what is new in the history; a program's row that loosens is not, and the engine writes over it."""
        self._seq = rows[-1].seq
        before = self._keeper.state
        row = obeyed(before.state, rows)
        if row is None:
            return
        self._keeper.obey(state_row(row, self._risk))
        word = next((one for one in reversed(rows) if one.author not in BY_ITSELF), None)  # a person's last
        if word is not None and row.state != TradingState.HALTED:
            await self._performer.resume()
        if word is not None and word.state != TradingState.HALTED and word.at_ms >= self._wanted_ms:
            self._wanted = ()  # a person has looked, and decided otherwise
        if word is not None and word.state == before.state == TradingState.HALTED:
            # the engine has halted already, perhaps with its stops at the venue: a person's halt clears those as well
            policy = HaltPolicy(self._risk.halt_policy)
            found = kill(before, policy, Author("trader", person=True), f"{word.author}: {word.reason}", word.at_ms)
            assert not isinstance(found, StateRefused), found
            self._want(found)
        if row.author == "engine" and row.state == TradingState.REDUCING:  # it does so for one reason alone
            self.tell(BalanceCheck(row.reason.partition(":")[0], math.nan))

    def _take_locks(self, found: dict[int, Lock]) -> None:
        now_ms = self._market.now_ms()
        for number in self._locks.keys() - found.keys():
            self._keeper.unlock(self._locks[number].symbol, "a person", now_ms)
        for number in found.keys() - self._locks.keys():
            self._keeper.lock(pair_lock(found[number]))
        self._locks = found

    async def _write_locks(self) -> None:
        while self._unwritten:
            row = self._unwritten[0]
            lock = Lock(row.symbol, row.source, row.reason, "risk", row.since_ms, row.until_ms)
            written = await self._store.put_lock(lock)
            self._locks[written.lock_id] = written
            self._unwritten.pop(0)

    # ---- a close ----------------------------------------------------------------------------------------------

    async def protect(self, bars: Mapping[str, Kline]) -> None:
        """Lock what the protections say of the trades that ended at this close.

        Args:
            bars: candles that have just closed.

        Raises:
            DatabaseError: the store is away; the trades are looked at again at the next close.
        """
        back = [max(one.lookback_period_candles, one.stop_duration_candles) for one in self._risk.protections]
        now_ms = self._market.now_ms()
        rows = await self._store.closed_trades(now_ms - (max(back, default=0) + 2) * self._base_ms)
        fresh = [number for number in range(len(rows)) if int(rows.seq[number]) not in self._seen]
        for number in fresh:
            self.tell(Slippage(beyond_model_bps(rows, number, bars, self._kappa)))
        trades, closed = traded(rows), {str(rows.symbol[number]) for number in fresh}
        locks = self._keeper.protect(self._risk.protections, trades, closed, now_ms, self._base_ms)
        self._seen |= {int(rows.seq[number]) for number in fresh}
        for lock in locks:
            get_logger().warning("risk.locked", symbol=lock.symbol, until_ms=lock.until_ms, reason=lock.reason)
        self._unwritten += locks
        await self._write_locks()


def beyond_model_bps(rows: TradeRows, number: int, bars: Mapping[str, Kline], kappa: float) -> float:
    """Return what a closed trade slipped beyond what the cost model charges, basis points of the value bought.

    The model lets a stop slip by kappa times the range of its bar: on a day's candle that is much, and no surprise.

    Args:
        rows: closed trades.
        number: which of them.
        bars: candles that have just closed, by symbol; a stop in another bar is allowed nothing.
        kappa: share of the range.

    Returns:
        At least 0; NaN of a trade that bought nothing.
    """
    paid = float(rows.quantity[number] * rows.entry_price[number])
    slipped, bar = -float(rows.slippage_part[number]), bars.get(str(rows.symbol[number]))
    stopped = str(rows.exit_reason[number]) == ExitReason.STOP_LOSS.name.lower()
    if bar is not None and stopped and int(rows.exit_time[number]) == bar.open_ms:
        slipped -= kappa * float(bar.high - bar.low) * float(rows.quantity[number])
    return max(0.0, slipped) / paid * 10_000 if paid > 0 else math.nan


def state_row(row: StateChange | None, risk: RiskSettings) -> StateRow:
    """Return a stored trading state as risk obeys it."""
    if row is None:
        return FIRST_STATE
    state = TradingState(row.state)
    policy = HaltPolicy(risk.breaker_policy if row.author == "breaker" else risk.halt_policy)
    if row.author == MONITOR.name:
        policy = HaltPolicy.CANCEL  # entries alone: protective stops stay at the venue
    return StateRow(state, policy if state is TradingState.HALTED else None, row.author, row.reason, row.at_ms)


def pair_lock(lock: Lock) -> PairLock:
    """Return a stored lock as risk obeys it."""
    return PairLock(lock.symbol, lock.from_ms, lock.until_ms, lock.code, lock.detail)


def traded(rows: TradeRows) -> tuple[ClosedTrade, ...]:
    """Return stored trades as protections see them."""
    paid = np.asarray(rows.quantity * rows.entry_price, float)
    return tuple(
        ClosedTrade(
            symbol=str(rows.symbol[number]),
            exit_ms=int(rows.exit_time[number]),
            profit_frac=float(rows.net[number] / paid[number]) if paid[number] > 0 else math.nan,
            reason=ExitReason[str(rows.exit_reason[number]).upper()],
        )
        for number in range(len(rows))
    )

"""The world of one seed: the exchange and its clock, the database, the network, and the processes that run engines."""

import asyncio
import contextlib
import copy
import hashlib
import random
import shutil
import tempfile
from collections import Counter, deque
from collections.abc import Callable, Coroutine, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from huracan.errors import DatabaseError, FencedError, RefusedError, VenueError
from huracan.execution.commands import Close
from huracan.execution.engine import Engine
from huracan.execution.failpoints import Failpoint
from huracan.execution.feed import ClosedCandle, close_of
from huracan.execution.ids import intent_id
from huracan.execution.invariants import Sent, Violation
from huracan.execution.memory_store import MemoryDatabase
from huracan.execution.model import AlarmCode, Intent, IntentKind, Status, Trigger
from huracan.execution.ports import Market, Verdict
from huracan.paper import PaperExchange, PaperMarket, PaperSettings, RateLimits
from huracan.paper.wire import StreamEvent
from huracan.risk.live import Approval, DenialCode, Denied, HaltPolicy, OrderIntent, TradingState
from huracan.trader.inbox import Inbox
from huracan.trading import ExitReason
from huracan.venue.binance import BinanceVenue
from huracan.venue.budget import WeightBudget
from huracan.venue.client import InProcessBinance, Transport, WireReply, client_config
from huracan.venue.orders import OrderKind, Side
from huracan.venue.wire import parse_user_event
from tests.execution.world import CREDENTIALS, OpenGate
from tests.simulation.checks import Checker
from tests.simulation.coverage import events_met
from tests.simulation.flaky_store import FlakyStore, Outage
from tests.simulation.network import Network
from tests.simulation.plan import ACCOUNT, BASE_MS, Plan
from tests.simulation.processes import Killed, Process, SimulationLoop
from tests.venue.virtual import START_MS, LoopClock

__all__ = ["Trader", "World"]

NO_LIMITS = RateLimits(weight_1m=10**9, orders_10s=10**9, orders_1d=10**9)
OBEY_S = 30.0
"""Within this a process must follow a trading state that somebody wrote into the store."""
CLOSES_WAITING_MAX = 3
FAILPOINTS = {
    Failpoint.AFTER_T1: "F1 killed after T1",
    Failpoint.AFTER_T2: "F2 killed after T2",
    Failpoint.AFTER_ACCEPT: "F3 killed after the venue accepted",
    Failpoint.AFTER_BOOK: "F4 killed after booking",
}


@cache
def _template() -> InProcessBinance:
    return InProcessBinance(client_config("http://inside", CREDENTIALS, 5_000), _nowhere)


async def _nowhere(method: str, url: str, headers: Mapping[str, str], body: str | None) -> WireReply:
    raise ConnectionError(url)


def _client(carry: Transport) -> InProcessBinance:
    """Return a client as a process makes it; ccxt takes 10 ms to make one, so each is a copy of the first."""
    client = copy.copy(_template())
    client.options, client.headers = dict(client.options), dict(client.headers)
    client._transport = carry
    return client


class Gate(OpenGate):
    """Approves, and denies now and then; what it has reserved is asked after every step."""

    def __init__(self, rng: random.Random, deny_frac: float) -> None:
        super().__init__()
        self._rng, self._deny_frac = rng, deny_frac

    def check(self, intent: OrderIntent) -> Approval | Denied:
        """Approve most."""
        if self._rng.random() < self._deny_frac:
            return Denied(DenialCode.HEAT, 1.0, 0.5, "drawn")
        return super().check(intent)


class Trader:
    """A process that runs an engine: it starts, takes closes one after the other, and does what an operator says.

    Attributes:
        engine: the code under test.
        ready: it has started.
        over: it has ended by itself: stopped, refused, fenced.
        refused: why the start was refused.
        ordered: (state, policy) that an operator has ordered in this process; None: as the store says.
    """

    def __init__(self, world: "World", name: str, accept: bool) -> None:
        self._world, self.process = world, Process(name)
        self.ready = self.over = False
        self.refused = ""
        self.ordered: tuple[TradingState, HaltPolicy | None] | None = None
        self.turn: asyncio.Task[Any] | None = None
        self._closes: deque[tuple[dict[str, Close], list[Intent], dict[str, ExitReason]]] = deque()
        self._closing, self.close_ms = asyncio.Lock(), 0
        self._come = asyncio.Event()
        plan = world.plan
        client = _client(self._carry)
        venue = BinanceVenue(
            CREDENTIALS, clock=world.clock, budget=WeightBudget(10**9), rng=random.Random(world.seed), client=client
        )
        self.venue = venue
        self.gate = Gate(world.rng, plan.deny_frac)
        self.engine = Engine(
            markets={market.symbol: Market(market.instrument, plan.settings) for market in plan.markets},
            venue=venue,
            store=FlakyStore(world, self.process),
            clock=world.clock,
            risk=self.gate,
            settings=plan.engine,
            holder=name,
            folder=world.folder,
            failpoints=lambda place: self.process.strike(place.value),
        )
        store = FlakyStore(world, self.process)
        self.inbox = Inbox(self.engine, store, BASE_MS, lambda: self.close_ms, self._closing, dict, self._carried_out)
        self.process.spawn(self._run(accept))

    @property
    def alive(self) -> bool:
        """Return whether the process runs."""
        return self.process.alive and not self.over

    async def _carry(self, method: str, url: str, headers: Any, body: str | None) -> Any:
        return await self._world.network.carry(self.process, method, url, headers, body)

    async def _run(self, accept: bool) -> None:
        seen = self._world.disturbed
        try:
            await self.engine.start(accept_balances=accept)
        except RefusedError as error:
            self.refused = str(error)
            self.end()
            return
        except (VenueError, DatabaseError, FencedError, TimeoutError):
            self.end()
            return
        except Killed:
            return
        except Exception as error:  # whatever the engine cannot start with is a finding
            self._world.violate("ENGINE", f"start: {error!r}")
            self.end()
            return
        self.ready = True
        self._world.accepted = max(self._world.accepted, seen)
        while True:
            await self._come.wait()
            closes, intents, forced = self._closes.popleft()
            if not self._closes:
                self._come.clear()
            self.turn = self.call(self._close(closes, intents, forced))
            await asyncio.wait((self.turn,))

    async def _close(self, closes: dict[str, Close], intents: list[Intent], forced: dict[str, ExitReason]) -> None:
        async with self._closing:
            await self.engine.on_close(closes)
            self.close_ms = max((close.bar.number + 1) * BASE_MS for close in closes.values())
            verdicts = await self.engine.on_intents(intents, forced)
        await self.inbox.look()
        for intent in intents:
            verdict = verdicts.get(intent.intent_id)
            if isinstance(verdict, Denied) and not (type(intent.action) is int and 0 <= intent.action <= 5):
                self._world.meet("F22 no action", True)

    def _carried_out(self, intent: Intent, verdicts: Mapping[str, Verdict], forced: Mapping[str, ExitReason]) -> None:
        self._world.meet("outside intent carried out", intent.intent_id in verdicts)

    def close(self, closes: dict[str, Close], intents: list[Intent], forced: dict[str, ExitReason]) -> None:
        """Hand over closed bars with what was decided on them."""
        if len(self._closes) >= CLOSES_WAITING_MAX:
            self._closes.popleft()
        self._closes.append((closes, intents, forced))
        self._come.set()

    def call(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run something in the process; what it raises is judged."""
        return self.process.spawn(self._judged(work))

    async def _judged(self, work: Coroutine[Any, Any, Any]) -> None:
        try:
            await work
        except (DatabaseError, VenueError, TimeoutError, RefusedError, asyncio.CancelledError, Killed):
            return
        except FencedError:
            self.end()
        except Exception as error:  # an engine that contradicts itself is a finding
            self._world.violate("ENGINE", repr(error))
            self.end()

    async def stop(self) -> None:
        """Stop as SIGTERM does."""
        self._world.meet("stop in flight", self._world.network.open_posts > 0)
        await self.engine.stop()
        self.end()

    def end(self) -> None:
        """Leave: the process exits by itself."""
        self.over = True
        self.process.kill()

    def look(self) -> None:
        """Judge a fault that nobody was told of."""
        fault = self.engine.tasks.fault
        if fault is not None and self.alive:
            if not isinstance(fault, FencedError | Killed):
                self._world.violate("ENGINE", repr(fault))
            self.end()


class World:
    """Everything of one seed.

    Args:
        seed: of everything.
        plan: drawn from it.

    Attributes:
        rng: for what is decided on the way.
        outage: how the store is away now.
        late_frac: part of the requests that arrive late.
        show: told of every line of the trace.
        met: coverage.
        violations: what was found.
        disturbed: how often somebody's hand was in the account; `accepted` of them an operator has accepted.
        outage_at: the transaction at which the store goes away; empty: none.
    """

    def __init__(self, seed: int, plan: Plan, loop: SimulationLoop) -> None:
        self.seed, self.plan, self._loop = seed, plan, loop
        self.rng = random.Random(f"{seed}:world")
        self.clock = LoopClock()
        settings = plan.settings
        self.exchange = PaperExchange(
            PaperSettings(
                start_ms=START_MS,
                share_num=settings.share_num,
                share_den=settings.share_den,
                stop_slip_range_frac=settings.stop_slip_range_frac,
                latency=plan.latency,
                limits=NO_LIMITS,
                streams=(),
            ),
            plan.markets,
            [plan.account],
            seed,
            self.clock,
        )
        self.account = self.exchange._core.account(ACCOUNT)
        self.by_venue: Mapping[str, PaperMarket] = {market.venue_symbol: market for market in plan.markets}
        self._symbols = {market.venue_symbol: market.symbol for market in plan.markets}
        self.database = MemoryDatabase(self.clock)
        self.tables = self.database.tables(ACCOUNT)
        self.network = Network(self)
        shared = Path("/dev/shm")  # noqa: S108 (a journal's fsync need not reach a disk here)
        self.folder = Path(tempfile.mkdtemp(prefix="huracan-sim-", dir=shared if shared.is_dir() else None))
        self.outage = Outage.NONE
        self.outage_at = ""
        self.late_frac = plan.late_frac
        self.met: Counter[str] = Counter()
        self.violations: list[Violation] = []
        self.traders: list[Trader] = []
        self.told: list[StreamEvent] = []
        self.intents: list[Intent] = []
        self.forced: set[str] = set()
        self.illegal: Any = None
        self.repeat = False
        self.disturbed = self.accepted = 0
        self.calm = False
        self.show: Callable[[str], None] | None = None
        self._hash = hashlib.blake2b(digest_size=16)
        self._alarms = self._told_count = 0
        self._statuses: dict[str, Any] = {}
        self.checker = Checker(self.database, self.account, self.by_venue, self.network.sent)
        self.meet("two markets", len(plan.markets) > 1)
        self._rows = {name: state.row for name, state in self.exchange._core.state.markets.items()}
        self._schedule()

    # ---- time -----------------------------------------------------------------------------------------------------

    @property
    def now_ms(self) -> int:
        """Return the true time."""
        return START_MS + int(self._loop.time() * 1_000)

    def tick(self) -> None:
        """Bring the market up to now; its clock may run faster than the wall's, so that more happens."""
        market_ms = START_MS + int(self._loop.time() * 1_000 * self.plan.speed)
        if market_ms >= self.exchange.now_ms:
            seq = self.account.seq
            self.exchange.advance(market_ms)
            self.meet(
                "F15 stream silent while the account changes", self.account.seq > seq and self.exchange.faults.silent
            )

    def _schedule(self) -> None:
        due_ms = self.exchange.next_ms()
        if due_ms is not None:
            self._loop.call_at((due_ms - START_MS + 0.5) / 1_000 / self.plan.speed, self._phase)

    def _phase(self) -> None:
        self.tick()
        self.drain()
        rows = {name: state.row for name, state in self.exchange._core.state.markets.items()}
        closed = {self._symbols[name]: row - 1 for name, row in rows.items() if row > self._rows[name]}
        self._rows = rows  # a request at the same instant may have moved the market already
        if closed:
            self._closed(closed)
        self._schedule()

    def _closed(self, rows: dict[str, int]) -> None:
        """Tell the engines of closed bars, most of the time."""
        for trader in self.traders:
            if trader.alive and trader.ready and not trader.process.paused:
                if not self.calm and self.rng.random() < self.plan.missing_frac:
                    continue
                intents = [] if self.calm else self._wishes(trader, rows)
                forced = {symbol: ExitReason.RISK_EXIT for symbol in rows if self.calm or symbol in self.forced}
                self.forced.clear()
                closes = {market.symbol: self._bar(market, rows[market.symbol]) for market in self.plan.markets}
                trader.close(closes, intents, forced)

    def _bar(self, market: PaperMarket, row: int) -> Close:
        grid = market.instrument
        _, opening, high, low, closing, volume = market.bars[row].tolist()
        candle = ClosedCandle(
            market.symbol,
            market.open_ms(row),
            *(price * grid.tick for price in (opening, high, low, closing)),
            volume * grid.step,
            1e-4,
        )
        return close_of(candle, grid, market.costs, self.plan.settings)

    def _wishes(self, trader: Trader, rows: dict[str, int]) -> list[Intent]:
        """Return what a policy wants at these closes, now and then something that it must not want."""
        found = []
        for symbol, row in rows.items():
            held = trader.engine.desks[symbol].planner.position.open
            drawn = self.rng.random()
            if held:
                action = 4 if drawn < self.plan.exit_frac else 5
            else:
                action = self.rng.choice((1, 2, 2, 3)) if drawn < self.plan.enter_frac else 0
            if self.rng.random() < 0.05:
                action = self.rng.randrange(6)
            market = next(one for one in self.plan.markets if one.symbol == symbol)
            found.append(self._intent(symbol, market.open_ms(row), action))
        if self.illegal is not None:
            index = self.rng.randrange(len(found))
            found[index] = self._intent(found[index].symbol, found[index].candle_ms, self.illegal)
            self.illegal = None
        if self.repeat and self.intents:
            self.repeat = False
            again = self.rng.choice(self.intents[-4:])
            self.meet("F23 intent repeated", True)
            found = [one for one in found if one.symbol != again.symbol] + [again]
        self.intents += found
        return found

    def outside(self) -> Intent:
        """Return what somebody outside wants: an entry or exit of the last close, of one before, or of the next."""
        market = self.rng.choice(self.plan.markets)
        row = self._rows[market.venue_symbol] - 1 + self.rng.choice((0, 0, 0, -1, -3, 1))
        return self._intent(market.symbol, market.open_ms(row), self.rng.choice((1, 2, 2, 3, 4)))

    @staticmethod
    def _intent(symbol: str, candle_ms: int, action: Any) -> Intent:
        enters = action in (1, 2, 3)
        kind = IntentKind.ENTER if enters else IntentKind.EXIT
        return Intent(
            intent_id=intent_id(ACCOUNT, symbol, candle_ms, kind),
            account=ACCOUNT,
            symbol=symbol,
            candle_ms=candle_ms,
            kind=kind,
            side=Side.BUY if enters else Side.SELL,
            created_ms=candle_ms + BASE_MS,
            action=action,
        )

    # ---- the user stream --------------------------------------------------------------------------------------------

    def drain(self) -> None:
        """Send the account's events on their way."""
        for event in self.exchange.drain():
            if event.account is not None and event.payload["e"] == "executionReport":
                self.told.append(event)
                self._told_count += 1  # of two that are due together the earlier one comes first
                self._loop.call_later(event.delay_ms / 1_000 + self._told_count * 1e-9, self.tell, event)

    def tell(self, event: StreamEvent) -> None:
        """Let every process that listens hear an event."""
        status = getattr(self.tables.book.orders.get(event.payload["c"]), "status", None)
        early = event.payload["x"] == "TRADE" and status in (Status.SUBMITTED, Status.UNKNOWN)
        self.meet("F8 fill before its acknowledgement", early)
        for trader in self.traders:
            if trader.alive and trader.ready and not trader.process.paused:
                for one in parse_user_event(event.payload, self._symbols):
                    booked = (getattr(one, "symbol", ""), getattr(one, "trade_id", "")) in self.tables.fills
                    self.meet("F7 trade told again", booked)
                    trader.call(trader.engine.on_event(one))

    # ---- processes --------------------------------------------------------------------------------------------------

    @property
    def trader(self) -> Trader | None:
        """Return the newest process that runs."""
        return next((one for one in reversed(self.traders) if one.alive), None)

    def boot(self) -> Trader:
        """Start another process."""
        trader = Trader(self, f"engine-{len(self.traders) + 1}", self.disturbed > self.accepted)
        self.traders.append(trader)
        return trader

    # ---- what is noted -------------------------------------------------------------------------------------------

    def meet(self, name: str, really: bool) -> None:
        """Note that something was met."""
        if really:
            self.met[name] += 1

    def trace(self, line: str) -> None:
        """Add a line to the run's hash."""
        if self.show is not None:
            self.show(line)
        self._hash.update(line.encode())
        self._hash.update(b"\n")

    @property
    def digest(self) -> str:
        """Return the hash of everything so far."""
        return self._hash.hexdigest()

    def violate(self, name: str, detail: str) -> None:
        """Note a violation."""
        self.violations.append(Violation(name, detail))

    def check_sent(self, process: Process, sent: Sent) -> None:
        """I9: after a halt nothing is sent but cancels and what the policy allows; reducing lets no buy go."""
        if not sent.post:
            return
        trader = next(one for one in self.traders if one.process is process)
        if trader.ordered is not None:
            state, policy = trader.ordered
        elif self.tables.states and self.now_ms - self.tables.states[-1].at_ms > OBEY_S * 1_000:
            state, policy = TradingState(self.tables.states[-1].state), self.plan.engine.halt_policy
        else:
            return
        sells = sent.side is Side.SELL
        if state is TradingState.HALTED and not (sells and policy in (HaltPolicy.FLATTEN, HaltPolicy.HOLD)):
            self.violate("I9", f"{sent.cids} left {process.name} at {sent.at_ms} in spite of {state} ({policy})")
        if state is TradingState.REDUCING and not sells:
            self.violate("I9", f"{sent.cids} left {process.name} at {sent.at_ms} in spite of {state}")

    def check(self) -> None:
        """Check everything after a step."""
        for trader in self.traders:
            trader.look()
        self.violations += self.checker.step()
        if self._loop.errors:
            self.violations += [Violation("HARNESS", words) for words in self._loop.errors]
            self._loop.errors.clear()
        self.met.update(events_met(self.checker.new_events, self._statuses))
        for event in self.checker.new_events:
            order = self.tables.book.orders[event.cid]
            self.meet("F9 cancelled after a partial fill", event.trigger is Trigger.CANCEL and order.filled > 0)
            market = order.draft.kind is OrderKind.MARKET
            self.meet("F19 expired with a remainder", event.trigger is Trigger.EXPIRE and market)
        for alarm in self.tables.alarms[self._alarms :]:
            self.meet("F7 trade told otherwise", alarm.code is AlarmCode.TRADE_CHANGED)
            self.meet(f"alarm {alarm.code}", True)
        self._alarms = len(self.tables.alarms)
        for fill in self.checker.new_fills:
            self.meet("F21 fee in a third asset", fill.commission_asset == "BNB")
            self.meet("F20 order of a stranger", fill.cid is None)
        self.checker.new_events, self.checker.new_fills = [], []

    def close(self) -> None:
        """End every process and tidy up."""
        for trader in self.traders:
            trader.process.kill()
        with contextlib.suppress(OSError):
            shutil.rmtree(self.folder)

"""The desk: one market of one account; it alone touches the market's planner, one thing at a time.

The venue is asked without the desk's lock, and what it answers is taken in under it: a word that comes late or twice
changes nothing, because statuses only go forward and trades are booked by their id.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from huracan.clock import Clock
from huracan.errors import DatabaseError, InvariantError, VenueError
from huracan.execution.commands import Cancel, Close, Command, Place, Role, Stage
from huracan.execution.failpoints import Failpoint
from huracan.execution.journal import Journal
from huracan.execution.model import Alarm, AlarmCode, Booked, Fill, OrderFact, Record, SlotRow, Trigger
from huracan.execution.planner import Planner
from huracan.execution.results import ClosedTrade
from huracan.execution.submit import NotSent, Submitter
from huracan.execution.working import Working, Works, fact_of, working_of
from huracan.logs import get_logger
from huracan.memory import TradeRows
from huracan.venue.orders import (
    Accepted,
    OcoRequest,
    Outcome,
    RejectCode,
    Rejected,
    Unknown,
    VenueOrder,
    VenueTrade,
)
from huracan.venue.protocol import TradingVenue

__all__ = ["ROUNDS_MAX", "TRADES_PAGE", "Desk", "Hooks"]

ROUNDS_MAX = 40
"""Rounds of commands and answers before the desk calls itself confused."""
TRADES_PAGE = 1_000
PAGES_MAX = 100
_CLOCKS_MS = 60_000  # the venue's trade times and our clock may lie apart in replays; a stranger's trade is rare


@dataclass(frozen=True, slots=True)
class Hooks:
    """What the engine does for its desks.

    Attributes:
        resolve: start asking after a child whose fate is unknown.
        exposure: (notional, heat) that risk counts for a command.
        closed: closed trades as rows for the trade memory.
        booked: told of everything that the store took.
    """

    resolve: Callable[["Desk", str], None]
    exposure: Callable[[Place], tuple[Decimal, Decimal]]
    closed: Callable[[Sequence[ClosedTrade]], TradeRows | None]
    booked: Callable[["Desk", Booked | None], None]


class Desk:
    """One market; every public coroutine may be called at any time.

    Args:
        planner: the market's.
        venue: the account at the venue.
        journal: books.
        submitter: the only way to a POST.
        clock: wall clock.
        hooks: the engine's part.
        fee_frac: part of a buy's value that its fee may take in quote currency.
        works: children and cursor as the store has them.

    Attributes:
        works: what the venue said of our children, and the trades seen of them.
        booked: at the last close every fill was booked.
        frozen: nothing is sent; so until the start is complete.
    """

    def __init__(
        self,
        planner: Planner,
        venue: TradingVenue,
        journal: Journal,
        submitter: Submitter,
        clock: Clock,
        hooks: Hooks,
        fee_frac: Decimal,
        works: Works,
    ) -> None:
        self.planner = planner
        self.works = works
        self.booked = True
        self.frozen = True
        self._venue, self._journal, self._submitter = venue, journal, submitter
        self._clock, self._hooks, self._fee_frac = clock, hooks, fee_frac
        self._lock = asyncio.Lock()
        self._asides: list[Record] = []
        self._saved = b""

    @property
    def symbol(self) -> str:
        """Return the market."""
        return self.planner.position.grid.symbol

    @property
    def quiet(self) -> bool:
        """Return whether nothing is at the venue, held or wanted, and nothing is unknown."""
        return self.planner.idle and not self.alive

    @property
    def alive(self) -> tuple[Working, ...]:
        """Return the children that are not over as far as we know."""
        keys = [child.key for child in (self.planner.entry, self.planner.sale) if child is not None]
        return tuple(self.works.by_key[key] for key in keys if key in self.works.by_key)

    # ---- what the engine asks for -----------------------------------------------------------------------------

    async def on_close(self, close: Close) -> None:
        """Book what the venue has, then keep house at a closed bar; nothing is sent."""
        self.booked = False
        try:
            self.booked = self.quiet or await self.poll()
        except VenueError as error:  # the bar goes on all the same; entries are denied here
            get_logger().warning("close.unbooked", symbol=self.symbol, reason=str(error))
        async with self._lock:
            self.planner.on_close(close)
            await self._save(())

    async def apply(self, change: Callable[[Planner], None]) -> None:
        """Change the planner and send what follows."""
        async with self._lock:
            change(self.planner)
            await self._settle()

    async def settle(self) -> None:
        """Send what the slot asks for until the venue has it."""
        async with self._lock:
            await self._settle()

    async def take(self, orders: Iterable[VenueOrder] = (), trades: Iterable[VenueTrade] = ()) -> None:
        """Take in what a stream or a query brought, and send what follows."""
        async with self._lock:
            await self._absorb(orders, trades)
            await self._settle()

    async def poll(self) -> bool:
        """Ask for statuses and trades of this market and take them in; returns whether everything is booked."""
        known = [leg for work in self.works.by_key.values() for leg in work.legs.values() if not leg.complete]
        orders = [order for leg in known if (order := await self._venue.order(self.symbol, leg.cid)) is not None]
        trades = await self.new_trades()
        async with self._lock:
            await self._absorb(orders, trades, cursor=trades[-1].trade_id if trades else None)
            await self._fetch_lacking()
            await self._settle()
        return self.planner.settled and not any(work.lacking for work in self.works.by_key.values())

    async def new_trades(self) -> tuple[VenueTrade, ...]:
        """Return every trade after the cursor."""
        found: list[VenueTrade] = []
        start = None if self.works.cursor is None else str(int(self.works.cursor) + 1)
        for _ in range(PAGES_MAX):
            page = await self._venue.trades(self.symbol, from_id=start or "0", limit=TRADES_PAGE)
            found += page
            if len(page) < TRADES_PAGE:
                return tuple(found)
            start = str(int(page[-1].trade_id) + 1)
        raise InvariantError(f"{self.symbol}: more than {PAGES_MAX * TRADES_PAGE} trades since {self.works.cursor}")

    def remember(self, data: bytes) -> None:
        """Note which bytes of the position the store has."""
        self._saved = data

    async def note(self, facts: tuple[OrderFact, ...]) -> None:
        """Book facts that the start has found."""
        async with self._lock:
            await self._save(facts)

    # ---- commands ---------------------------------------------------------------------------------------------

    async def _settle(self) -> None:
        try:
            await self._rounds()
        finally:
            self._ask_undecided()

    async def _rounds(self) -> None:
        for _ in range(ROUNDS_MAX):
            if self.frozen or self._journal.blocked:
                return
            commands = self.planner.plan()
            if not await self._save(()):
                self._undo(commands)
                return
            if not commands:
                return
            begun = 0
            try:
                for command in commands:
                    begun += 1
                    await (self._cancel(command) if isinstance(command, Cancel) else self._place(command))
            finally:  # one of them failed half-way: the others were planned on top of it
                self._undo(commands[begun:])
        raise InvariantError(f"{self.symbol}: {ROUNDS_MAX} rounds of orders without coming to rest")

    def _ask_undecided(self) -> None:
        """See to it that whatever was begun and not answered is asked for, however it was interrupted."""
        if self.frozen:
            return  # the start asks by itself
        for work in self.alive:
            child = self.planner.child(work.key)
            if child is not None and child.stage is not Stage.OPEN:
                work.unknown = True
                self._hooks.resolve(self, work.key)

    def _undo(self, commands: Iterable[Command]) -> None:
        """Take back commands that were planned and not begun."""
        for command in commands:
            if isinstance(command, Cancel):
                self.planner.on_open(command.key)
            else:
                self.planner.on_never_arrived(command.key)

    async def _place(self, place: Place) -> None:
        work = self.works.by_key[place.key] = working_of(place)
        self.works.forget(self.alive)
        work.sent_ms = self._clock.now_ms()
        notional, heat = self._hooks.exposure(place)
        buy = place.role is Role.ENTRY
        outcome = await self._submitter.send(place, notional, heat, self._fee_frac if buy else Decimal(0))
        if isinstance(outcome, NotSent):
            await self._not_sent(work, outcome)
        elif isinstance(outcome, Accepted):
            await self._absorb(outcome.orders, outcome.trades, opened=True)
            self._submitter.failpoints(Failpoint.AFTER_BOOK)
            await self._fetch_lacking()
        elif isinstance(outcome, Rejected):
            await self._rejected(work, outcome)
        else:
            await self._lost(work, outcome)

    async def _not_sent(self, work: Working, outcome: NotSent) -> None:
        self.works.by_key.pop(work.key)
        trigger = Trigger.REJECT if outcome.marked else Trigger.ABANDON
        facts = self._facts(work, trigger, outcome.reason) if outcome.written else ()
        if work.place.role is Role.ENTRY:
            self.planner.give_up_entry()
        self.planner.on_never_arrived(work.key)
        await self._save(facts)

    async def _rejected(self, work: Working, outcome: Rejected) -> None:
        """Book a definite refusal; one before T1 (no money) was never written down."""
        self.works.by_key.pop(work.key)
        written = outcome.code is not RejectCode.INSUFFICIENT_BALANCE or outcome.venue_code is not None
        reason = f"{outcome.code}: {outcome.message}"[:200]
        facts = self._facts(work, Trigger.REJECT, reason) if written else ()
        self.planner.on_refused(work.key, outcome.code)
        await self._save(facts)
        get_logger().warning("order.rejected", cid=work.key, symbol=self.symbol, code=outcome.code)

    async def _lost(self, work: Working, outcome: Unknown) -> None:
        work.unknown = True
        await self._save(self._facts(work, Trigger.LOSE, outcome.reason))
        get_logger().warning("order.unknown", cid=work.key, symbol=self.symbol, reason=outcome.reason)
        self._hooks.resolve(self, work.key)

    async def _cancel(self, cancel: Cancel) -> None:
        work = self.works.by_key[cancel.key]
        call = self._venue.cancel_oco if cancel.is_list else self._venue.cancel
        outcome: Outcome = await call(self.symbol, cancel.key)
        sent = self._facts(work, Trigger.CANCEL_SENT, "")
        if isinstance(outcome, Accepted):
            await self._absorb(outcome.orders, outcome.trades, before=sent)
            await self._fetch_lacking()
        else:
            await self._save(sent)
        child = self.planner.child(cancel.key)
        if child in (self.planner.entry, self.planner.sale):  # the venue has not said that it is over: ask
            work.unknown = True
            self._hooks.resolve(self, cancel.key)

    # ---- the venue's facts ------------------------------------------------------------------------------------

    async def _absorb(
        self,
        orders: Iterable[VenueOrder],
        trades: Iterable[VenueTrade],
        opened: bool = False,
        before: tuple[OrderFact, ...] = (),
        cursor: str | None = None,
    ) -> None:
        """Take in orders and trades as one record: planner, ledger, cursor and slot move together.

        Args:
            orders: the venue's words on orders.
            trades: the venue's trades.
            opened: the words are an answer to our question, so that "resting" ends a cancel that did not happen.
            before: facts that came first.
            cursor: newest trade id among all that were asked for.
        """
        asked = tuple(trades)
        trades = await self._sure(asked)
        cursor = cursor if len(trades) == len(asked) else None
        facts, heard = list(before), []
        now_ms = self._clock.now_ms()
        for order in orders:
            found = self.works.leg(order.cid)
            if found is None:
                self._note_external(order)
                continue
            work, leg = found
            if leg.hear(order):
                facts.append(fact_of(order, order.update_ms or now_ms))
            heard.append(work)
        fills, complete = self._book(trades)
        for work in {work.key: work for work in (*heard, *self.alive)}.values():
            self._tell(work, opened and work in heard)
        if complete and cursor is not None:
            self.works.cursor = cursor
        cursors = {self.symbol: cursor} if complete and cursor is not None else {}
        await self._save(tuple(facts), fills, cursors)

    async def _sure(self, trades: tuple[VenueTrade, ...]) -> tuple[VenueTrade, ...]:
        """Note as seen what the store has of doubtful trades; while it is away they are left for the next question."""
        doubtful = self.works.doubtful(trades)
        if not doubtful:
            return trades
        fills = self.works.fills_of(doubtful)
        try:
            unseen = {fill.key for fill in await self._journal.unseen(fills)}
        except DatabaseError:
            return tuple(trade for trade in trades if trade not in doubtful)
        self.works.seen.update({fill.trade_id: fill for fill in fills if fill.key not in unseen})
        return trades

    def _book(self, trades: Iterable[VenueTrade]) -> tuple[tuple[Fill, ...], bool]:
        """Book new trades in the planner; returns them, and whether every trade could be placed."""
        found = self.works.sort(trades)
        for trade, _, owner in found.fresh:
            if owner is not None:
                work, leg = owner
                leg.filled += trade.quantity
                self.planner.on_fill(work.key, leg.leg, trade)
        # the ledger keeps the first figures of a trade and raises the alarm
        self._asides += [Record(fills=(fill,)) for fill in found.changed]
        return tuple(fill for _, fill, _ in found.fresh), found.complete

    def _tell(self, work: Working, answered: bool) -> None:
        """Tell the planner that a child rests or is over."""
        if work.complete:
            work.unknown = False
            self.planner.on_end(work.key, work.verdict)
        elif work.heard and not all(leg.over for leg in work.legs.values()):
            child = self.planner.child(work.key)
            if child is not None and (answered or child.stage is Stage.SENT):
                work.unknown = False
                self.planner.on_open(work.key)

    async def _fetch_lacking(self) -> None:
        """Fetch the trades of orders that the venue calls filled beyond what is booked."""
        for work in list(self.works.by_key.values()):
            for leg in work.lacking:
                assert leg.venue_id is not None
                trades = await self._venue.trades(self.symbol, venue_id=leg.venue_id)
                await self._absorb((), trades)
            if work.lacking:
                self._hooks.resolve(self, work.key)

    async def _save(
        self, facts: tuple[OrderFact, ...], fills: tuple[Fill, ...] = (), cursors: dict[str, str] | None = None
    ) -> bool:
        """Book facts and fills with the slot that follows from them, in one transaction; returns whether it was."""
        trades = self._hooks.closed(self.planner.take_trades())
        data = self.planner.position.to_bytes()
        bar_no = max(self.planner.kept_bar, 0)
        slots = (SlotRow(self.symbol, bar_no, data),) if data != self._saved else ()
        record = Record(facts=facts, fills=fills, cursors=cursors or {}, slots=slots, trades=trades)
        if facts or fills or cursors or slots or trades is not None:
            booked = await self._journal.book(record)
            self._saved = data
            self._hooks.booked(self, booked)
        asides, self._asides = self._asides, []
        for aside in asides:
            self._hooks.booked(self, await self._journal.book(aside))
        return not self._journal.blocked

    # ---- helpers ----------------------------------------------------------------------------------------------

    def _facts(self, work: Working, trigger: Trigger, reason: str) -> tuple[OrderFact, ...]:
        now_ms = self._clock.now_ms()
        return tuple(OrderFact(cid, trigger, now_ms, reason=reason) for cid, leg in work.legs.items() if not leg.over)

    def _note_external(self, order: VenueOrder) -> None:
        if order.cid not in self.works.foreign:
            self.works.foreign.add(order.cid)
            detail = f"order {order.venue_id} ({order.cid}): {order.side} {order.quantity} by no order of ours"
            alarm = Alarm(AlarmCode.EXTERNAL_ORDER, self.symbol, self._clock.now_ms(), detail)
            self._asides.append(Record(alarms=(alarm,)))

    # ---- questions --------------------------------------------------------------------------------------------

    async def inquire(self, key: str) -> bool:
        """Ask the venue for a child whose fate is unknown; returns whether it is known now.

        Raises:
            VenueError: no proper answer.
        """
        work = self.works.by_key.get(key)
        if work is None or self._decided(work):
            return True
        orders: list[VenueOrder] = []
        for leg in list(work.legs.values()):
            if leg.over:
                continue
            order = await self._venue.order(self.symbol, leg.cid)
            if order is None:
                leg.absent += 1
            else:
                orders.append(order)
        trades = [
            trade
            for leg in work.legs.values()
            if (venue_id := leg.venue_id or _id_of(orders, leg.cid)) is not None
            for trade in await self._venue.trades(self.symbol, venue_id=venue_id)
        ]
        async with self._lock:
            await self._absorb(orders, trades, opened=True)
            known = self._decided(work)
            await self._settle()
        return known and self._decided(work)

    def _decided(self, work: Working) -> bool:
        """Return whether a child is over with all its trades, or rests without a cancel under way."""
        child = self.planner.child(work.key)
        alive = child is not None and child in (self.planner.entry, self.planner.sale)
        return not work.lacking and (
            not alive or (not work.unknown and child is not None and child.stage is Stage.OPEN)
        )

    def missing_since(self, key: str) -> tuple[int, int]:
        """Return (how often in a row the venue knew no leg of a child, when it was sent); (0, 0) once it was heard."""
        work = self.works.by_key.get(key)
        if work is None or work.heard:
            return 0, 0
        return min(leg.absent for leg in work.legs.values()), work.sent_ms

    async def report_stuck(self, key: str) -> None:
        """Raise the alarm for a child that nobody can decide about."""
        async with self._lock:
            detail = (
                f"{key}: its fate is unknown since {self.works.by_key[key].sent_ms if key in self.works.by_key else 0}"
            )
            self._asides.append(
                Record(alarms=(Alarm(AlarmCode.STUCK_ORDER, self.symbol, self._clock.now_ms(), detail),))
            )
            await self._save(())

    async def prove_absent(self, key: str) -> bool:
        """Finish the proof that the venue never had a child, and book it; returns whether it held.

        A cancel by its id must find nothing (the matching engine answers that, not a database), and no trade may have
        come that belongs to no order of ours.

        Raises:
            VenueError: no proper answer.
        """
        work = self.works.by_key[key]
        is_list = isinstance(work.place.request, OcoRequest)
        cancel = self._venue.cancel_oco if is_list else self._venue.cancel
        outcome = await cancel(self.symbol, key)
        if isinstance(outcome, Accepted):
            await self.take(outcome.orders, outcome.trades)
            return False
        if not isinstance(outcome, Rejected) or outcome.code is not RejectCode.UNKNOWN_ORDER:
            return False
        strangers = [trade for trade in await self.new_trades() if self.works.leg_of(trade) is None]
        if any(
            trade.trade_id not in self.works.seen and trade.time_ms >= work.sent_ms - _CLOCKS_MS for trade in strangers
        ):
            return False
        async with self._lock:
            if work.heard:
                return False
            facts = self._facts(work, Trigger.REJECT, "never arrived")
            self.works.by_key.pop(key)
            self.planner.on_never_arrived(key)
            await self._save(facts)
            await self._settle()
        get_logger().info("order.absent", cid=key, symbol=self.symbol)
        return True


def _id_of(orders: Iterable[VenueOrder], cid: str) -> str | None:
    return next((order.venue_id for order in orders if order.cid == cid), None)

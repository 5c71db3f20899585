"""The store in memory: for simulation and tests, where it outlives the engines that use it as Postgres would."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

from huracan.clock import Clock
from huracan.errors import FencedError
from huracan.execution import book as ledger_book
from huracan.execution.book import Book, Delta
from huracan.execution.model import (
    Alarm,
    Booked,
    Draft,
    EventLog,
    Fill,
    Held,
    Intent,
    IntentStatus,
    Lease,
    LedgerEntry,
    Lock,
    Order,
    OrderEvent,
    Record,
    Reservation,
    Shortfall,
    Snapshot,
    StateChange,
)
from huracan.memory import TradeRows, join_trades

__all__ = ["MemoryDatabase", "MemoryStore"]


@dataclass(slots=True)
class _Tables:
    """All rows of one account."""

    book: Book = field(default_factory=Book)
    events: list[OrderEvent] = field(default_factory=list)
    fills: dict[tuple[str, str], Fill] = field(default_factory=dict)
    entries: list[LedgerEntry] = field(default_factory=list)
    alarms: list[Alarm] = field(default_factory=list)
    locks: dict[int, Lock] = field(default_factory=dict)
    locks_written: int = 0
    states: list[StateChange] = field(default_factory=list)
    trades: list[TradeRows] = field(default_factory=list)
    lease: Lease | None = None
    epoch: int = 0


class MemoryDatabase:
    """What several stores share, as several processes share a database.

    Args:
        clock: by which leases expire.
    """

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self._accounts: dict[str, _Tables] = {}

    def tables(self, account: str) -> _Tables:
        """Return an account's rows."""
        return self._accounts.setdefault(account, _Tables())


class MemoryStore:
    """`Store` over a `MemoryDatabase`; no method yields to the loop, so each is one transaction by itself."""

    def __init__(self, database: MemoryDatabase, account: str) -> None:
        self._clock = database.clock
        self._tables = database.tables(account)
        self._account = account

    @property
    def account(self) -> str:
        """Return the account's name."""
        return self._account

    async def acquire(self, holder: str, ttl_s: float) -> Lease | Held:
        """See `Store.acquire`."""
        tables, now_ms = self._tables, self._clock.now_ms()
        if tables.lease is not None and tables.lease.expires_ms > now_ms:
            return Held(tables.lease.holder, tables.lease.epoch, tables.lease.expires_ms - now_ms)
        tables.epoch += 1
        tables.lease = Lease(self._account, holder, tables.epoch, now_ms + round(ttl_s * 1000))
        return tables.lease

    async def renew(self, lease: Lease, ttl_s: float) -> Lease:
        """See `Store.renew`."""
        self._fence(lease)
        self._tables.lease = replace(lease, expires_ms=self._clock.now_ms() + round(ttl_s * 1000))
        return self._tables.lease

    async def release(self, lease: Lease) -> None:
        """See `Store.release`."""
        if self._tables.lease is not None and self._tables.lease.epoch == lease.epoch:
            self._tables.lease = None

    def _fence(self, lease: Lease) -> None:
        held = self._tables.lease
        if held is None or (held.account, held.epoch) != (lease.account, lease.epoch):
            raise FencedError(f"epoch {lease.epoch} of {self._account} is over, now it is {self._tables.epoch}")

    async def put_intent(self, intent: Intent) -> Intent:
        """See `Store.put_intent`."""
        ledger_book.check_intent(intent, self._account)
        return self._tables.book.intents.setdefault(intent.intent_id, intent)

    async def intent(self, intent_id: str) -> Intent | None:
        """See `Store.intent`."""
        return self._tables.book.intents.get(intent_id)

    async def unclaimed(self) -> tuple[Intent, ...]:
        """See `Store.unclaimed`."""
        found = (row for row in self._tables.book.intents.values() if ledger_book.unclaimed(row))
        return tuple(sorted(found, key=lambda row: (row.created_ms, row.intent_id)))

    async def update_intent(
        self, lease: Lease, intent_id: str, status: IntentStatus, code: str = "", quantity: Decimal | None = None
    ) -> Intent:
        """See `Store.update_intent`."""
        self._fence(lease)
        book = self._tables.book
        updated = ledger_book.settle(book.intents.get(intent_id), intent_id, status, code, quantity)
        book.intents[intent_id] = updated
        return updated

    async def begin_entry(
        self, lease: Lease, intent_id: str, quantity: Decimal, sells: Intent
    ) -> tuple[Intent, Intent]:
        """See `Store.begin_entry`."""
        ledger_book.check_intent(sells, self._account)
        entry = await self.update_intent(lease, intent_id, IntentStatus.OPEN, quantity=quantity)
        return entry, await self.put_intent(sells)

    async def children(self, intent_id: str) -> tuple[Order, ...]:
        """See `Store.children`."""
        return self._tables.book.of_intent(intent_id)

    async def order(self, cid: str) -> Order | None:
        """See `Store.order`."""
        return self._tables.book.orders.get(cid)

    async def begin_order(
        self, lease: Lease, drafts: Sequence[Draft], reservation: Reservation
    ) -> tuple[Order, ...] | Shortfall:
        """See `Store.begin_order`."""
        self._fence(lease)
        found = ledger_book.begin(self._tables.book, drafts, reservation)
        if isinstance(found, Delta):
            self._write(found)
            return tuple(found.orders.values())
        return found

    async def mark_sent(self, lease: Lease, cids: Sequence[str], at_ms: int) -> None:
        """See `Store.mark_sent`."""
        self._fence(lease)
        for order in ledger_book.mark(self._tables.book, cids, at_ms):
            self._tables.book.add_order(order)

    async def unseen(self, fills: Sequence[Fill]) -> tuple[Fill, ...]:
        """See `Store.unseen`."""
        found = {fill.key: fill for fill in reversed(fills) if fill.key not in self._tables.fills}
        return tuple(reversed(found.values()))

    async def record(self, lease: Lease, record: Record) -> Booked:
        """See `Store.record`."""
        self._fence(lease)
        ledger_book.check_trades(record.trades, self._account)
        tables = self._tables
        delta = ledger_book.record(tables.book, record, tables.fills)
        ledger_book.halts(delta, tuple(tables.locks.values()))
        locks = tuple(self._add_lock(lock) for lock in delta.locks)
        self._write(delta)
        if record.trades is not None and len(record.trades):
            tables.trades.append(record.trades)
        return delta.booked(locks)

    def _write(self, delta: Delta) -> None:
        tables = self._tables
        tables.events += delta.events
        tables.fills.update({fill.key: fill for fill in delta.fills})
        tables.entries += delta.entries
        tables.alarms += delta.alarms
        tables.book.commit(delta)

    def _add_lock(self, lock: Lock) -> Lock:
        self._tables.locks_written += 1
        written = replace(lock, lock_id=self._tables.locks_written)
        self._tables.locks[written.lock_id] = written
        return written

    async def put_lock(self, lock: Lock) -> Lock:
        """See `Store.put_lock`."""
        return self._add_lock(lock)

    async def end_lock(self, lock_id: int, author: str, reason: str, at_ms: int) -> bool:
        """See `Store.end_lock`."""
        ledger_book.check_words(author, reason)
        return self._tables.locks.pop(lock_id, None) is not None

    async def locks(self) -> tuple[Lock, ...]:
        """See `Store.locks`."""
        return tuple(self._tables.locks.values())

    async def change_state(self, change: StateChange) -> bool:
        """See `Store.change_state`."""
        ledger_book.check_words(change.author, change.reason)
        if change.seq != len(self._tables.states) + 1:
            return False
        self._tables.states.append(change)
        return True

    async def state(self) -> StateChange | None:
        """See `Store.state`."""
        return self._tables.states[-1] if self._tables.states else None

    async def state_history(self) -> tuple[StateChange, ...]:
        """See `Store.state_history`."""
        return tuple(self._tables.states)

    async def load(self) -> Snapshot:
        """See `Store.load`."""
        book = self._tables.book
        intents = {key: value for key, value in book.intents.items() if value.status is IntentStatus.OPEN}
        orders = {
            cid: order
            for cid, order in sorted(book.orders.items())
            if order.draft.intent_id in intents or not order.complete
        }
        return Snapshot(
            intents,
            orders,
            dict(book.reservations),
            dict(book.positions),
            dict(book.balances),
            dict(book.cursors),
            dict(book.slots),
            await self.locks(),
            await self.state(),
        )

    async def log(self) -> EventLog:
        """See `Store.log`."""
        tables, book = self._tables, self._tables.book
        place = {cid: number for number, cid in enumerate(book.orders)}
        return EventLog(
            tuple(book.orders.values()),
            tuple(sorted(tables.events, key=lambda event: (place[event.cid], event.seq))),
            tuple(tables.fills.values()),
            tuple(tables.entries),
            tuple(tables.alarms),
            dict(book.reservations),
            dict(book.positions),
            dict(book.balances),
        )

    async def closed_trades(self, since_ms: int) -> TradeRows:
        """See `Store.closed_trades`."""
        found = join_trades(self._tables.trades)
        rows = [number for number in found.exit_time.argsort(kind="stable") if found.exit_time[number] >= since_ms]
        return found.rows(rows)

    async def close(self) -> None:
        """See `Store.close`."""

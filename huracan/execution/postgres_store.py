"""The store in Postgres: one thread, one connection, one transaction a call, the epoch checked in each.

While this store holds the lease nobody else writes the account's book, so what is not over is kept in memory as well
and a call needs no reading first. The copy is made after acquiring, changes only after a commit, and is thrown away
after any failure.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any, TypeVar

from sqlalchemy import Engine

from huracan.errors import FencedError, InvariantError
from huracan.execution import book as ledger_book
from huracan.execution import postgres_rows as rows
from huracan.execution.book import Book, Delta
from huracan.execution.ids import parse_child
from huracan.execution.model import (
    Booked,
    Draft,
    EventLog,
    Fill,
    Held,
    Intent,
    IntentStatus,
    Lease,
    Lock,
    Order,
    Record,
    Reservation,
    Shortfall,
    Snapshot,
    StateChange,
)
from huracan.execution.sql_thread import SqlThread
from huracan.memory import TradeRows, append_trades, select_trades

__all__ = ["PostgresStore"]

T = TypeVar("T")


class PostgresStore:
    """`Store` over Postgres.

    Args:
        engine: of a database at this version's schema (`huracan.memory.open_database`).
        account: name of the account; its row is made with its first write.
        run_id: the run that closed trades belong to; None: none may be recorded.
        timeout_s: how long a call may take before it is a `DatabaseError`, > 0; the server gives up at the same time.
    """

    def __init__(self, engine: Engine, account: str, run_id: int | None = None, timeout_s: float = 5.0) -> None:
        self._account = account
        self._run_id = run_id
        self._thread = SqlThread(engine, timeout_s)
        self._account_no = 0  # 0: not known; no row has it
        self._epoch: int | None = None
        self._book: Book | None = None

    @property
    def account(self) -> str:
        """Return the account's name."""
        return self._account

    # ---- lease ---------------------------------------------------------------------------------------------------

    async def acquire(self, holder: str, ttl_s: float) -> Lease | Held:
        """See `Store.acquire`."""

        def work(cursor: Any) -> Lease | Held:
            number = self._make_account(cursor)
            cursor.execute(
                """INSERT INTO leases AS l (account_no, epoch, expires_at, holder)
                VALUES (%(account)s, 1, clock_timestamp() + %(ttl)s * interval '1 s', %(holder)s)
                ON CONFLICT (account_no) DO UPDATE SET epoch = l.epoch + 1, expires_at = excluded.expires_at,
                    holder = excluded.holder, released = false
                    WHERE l.released OR l.expires_at <= clock_timestamp()
                RETURNING epoch, expires_at""",
                {"account": number, "ttl": ttl_s, "holder": holder},
            )
            if row := cursor.fetchone():
                self._epoch, self._book = row[0], None
                return Lease(self._account, holder, row[0], rows.millis(row[1]))
            cursor.execute(
                """SELECT holder, epoch, greatest(0, extract(epoch FROM expires_at - clock_timestamp()) * 1000)::bigint
                FROM leases WHERE account_no = %s""",
                (number,),
            )
            return Held(*cursor.fetchone())

        return await self._call(work)

    async def renew(self, lease: Lease, ttl_s: float) -> Lease:
        """See `Store.renew`."""

        def work(cursor: Any) -> Lease:
            self._fence(cursor, lease)
            cursor.execute(
                """UPDATE leases SET expires_at = clock_timestamp() + %s * interval '1 s'
                WHERE account_no = %s AND epoch = %s RETURNING expires_at""",
                (ttl_s, self._account_no, lease.epoch),
            )
            return replace(lease, expires_ms=rows.millis(cursor.fetchone()[0]))

        return await self._call(work)

    async def release(self, lease: Lease) -> None:
        """See `Store.release`."""

        def work(cursor: Any) -> None:
            values = (self._find_account(cursor), lease.epoch)
            cursor.execute("UPDATE leases SET released = true WHERE account_no = %s AND epoch = %s", values)
            self._book = None

        await self._call(work)

    # ---- intents and orders --------------------------------------------------------------------------------------

    async def put_intent(self, intent: Intent) -> Intent:
        """See `Store.put_intent`."""
        ledger_book.check_intent(intent, self._account)

        def commit(found: tuple[Intent, bool]) -> Intent:
            written, fresh = found
            if fresh and self._book is not None:
                self._book.intents[written.intent_id] = written  # it has no order yet: there is nothing more to read
            return written

        return await self._call(lambda cursor: self._put_intent(cursor, intent), commit)

    def _put_intent(self, cursor: Any, intent: Intent) -> tuple[Intent, bool]:
        """Return the intent as it stands, and whether it was written just now."""
        number = self._make_account(cursor)
        statements = (rows.insert_market(number, intent.symbol), rows.insert_intent(number, intent))
        cursor.execute(b";\n".join(cursor.mogrify(*statement) for statement in statements))
        fresh = cursor.rowcount == 1
        return self._intents(cursor, (intent.intent_id,))[0], fresh

    async def intent(self, intent_id: str) -> Intent | None:
        """See `Store.intent`."""
        return next(iter(await self._call(lambda cursor: self._intents(cursor, (intent_id,)))), None)

    async def unclaimed(self) -> tuple[Intent, ...]:
        """See `Store.unclaimed`."""
        return await self._call(lambda c: tuple(rows.select_unclaimed(c, self._account, self._values(c))))

    async def update_intent(
        self, lease: Lease, intent_id: str, status: IntentStatus, code: str = "", quantity: Decimal | None = None
    ) -> Intent:
        """See `Store.update_intent`."""

        def work(cursor: Any) -> tuple[Intent, Book]:
            return self._settle_intent(cursor, lease, intent_id, status, code, quantity)

        def commit(found: tuple[Intent, Book]) -> Intent:
            updated, book = found
            book.intents[intent_id] = updated
            if updated.status is not IntentStatus.OPEN:
                book.forget(intent_id)
            return updated

        return await self._call(work, commit)

    async def begin_entry(
        self, lease: Lease, intent_id: str, quantity: Decimal, sells: Intent
    ) -> tuple[Intent, Intent]:
        """See `Store.begin_entry`."""
        ledger_book.check_intent(sells, self._account)

        def work(cursor: Any) -> tuple[Intent, Intent, Book]:
            entry, book = self._settle_intent(cursor, lease, intent_id, IntentStatus.OPEN, "", quantity)
            return entry, self._put_intent(cursor, sells)[0], book

        def commit(found: tuple[Intent, Intent, Book]) -> tuple[Intent, Intent]:
            entry, written, book = found
            book.intents[intent_id] = entry
            return entry, written

        return await self._call(work, commit)

    def _settle_intent(
        self, cursor: Any, lease: Lease, intent_id: str, status: IntentStatus, code: str, quantity: Decimal | None
    ) -> tuple[Intent, Book]:
        book = self._own(cursor, lease)
        self._fence(cursor, lease)
        self._fetch_intent(cursor, book, intent_id)
        updated = ledger_book.settle(book.intents.get(intent_id), intent_id, status, code, quantity)
        cursor.execute(
            "UPDATE intents SET status = %s, code = %s, quantity = %s, state = %s WHERE intent_id = %s",
            (status.value, code, updated.quantity, updated.state, rows.intent_number(intent_id)),
        )
        return updated, book

    async def children(self, intent_id: str) -> tuple[Order, ...]:
        """See `Store.children`."""
        return await self._call(lambda cursor: tuple(self._of_intents(cursor, (intent_id,))))

    async def order(self, cid: str) -> Order | None:
        """See `Store.order`."""
        return next(iter(await self._call(lambda c: [o for o in self._of_orders(c, (cid,)) if o.cid == cid])), None)

    async def begin_order(
        self, lease: Lease, drafts: Sequence[Draft], reservation: Reservation
    ) -> tuple[Order, ...] | Shortfall:
        """See `Store.begin_order`."""

        def work(cursor: Any) -> Delta | Shortfall | tuple[Order, ...]:
            book = self._own(cursor, lease)
            self._fetch_intent(cursor, book, drafts[0].intent_id)
            found = self._checked(cursor, lease, lambda: ledger_book.begin(book, drafts, reservation))
            if isinstance(found, Delta):
                self._write(cursor, lease, rows.write_delta(self._account_no, found))
            else:
                self._fence(cursor, lease)
            return found

        def commit(found: Delta | Shortfall | tuple[Order, ...]) -> tuple[Order, ...] | Shortfall:
            if isinstance(found, Delta):
                found.book.commit(found)
                return tuple(found.orders.values())
            return found

        return await self._call(work, commit)

    async def mark_sent(self, lease: Lease, cids: Sequence[str], at_ms: int) -> None:
        """See `Store.mark_sent`."""

        def work(cursor: Any) -> tuple[Book, tuple[Order, ...]]:
            book = self._own(cursor, lease)
            marked = self._checked(cursor, lease, lambda: ledger_book.mark(book, cids, at_ms))
            self._write(cursor, lease, rows.write_sent(marked))
            return book, marked

        def commit(found: tuple[Book, tuple[Order, ...]]) -> None:
            for order in found[1]:
                found[0].add_order(order)

        await self._call(work, commit)

    async def unseen(self, fills: Sequence[Fill]) -> tuple[Fill, ...]:
        """See `Store.unseen`."""

        def work(cursor: Any) -> tuple[Fill, ...]:
            known = self._known(cursor, fills)
            found = {fill.key: fill for fill in reversed(fills) if fill.key not in known}
            return tuple(reversed(found.values()))

        return await self._call(work)

    async def record(self, lease: Lease, record: Record) -> Booked:
        """See `Store.record`."""
        ledger_book.check_trades(record.trades, self._account)

        def work(cursor: Any) -> tuple[Delta, tuple[Lock, ...]]:
            book = self._own(cursor, lease)
            self._fetch_orders(cursor, book, record)
            known = self._known(cursor, record.fills)
            delta = self._checked(cursor, lease, lambda: ledger_book.record(book, record, known))
            if delta.alarms:
                ledger_book.halts(delta, rows.select_locks(cursor, self._values(cursor)))
            number = self._account_no
            statements = [*rows.write_delta(number, delta), *rows.insert_alarms(number, delta.alarms)]
            self._write(cursor, lease, statements)
            locks = tuple(self._insert_lock(cursor, lock) for lock in delta.locks)
            if record.trades is not None and len(record.trades):
                if self._run_id is None:
                    raise InvariantError(f"trades of {self._account} were closed outside of any run")
                append_trades(cursor, self._run_id, record.trades)
            return delta, locks

        def commit(found: tuple[Delta, tuple[Lock, ...]]) -> Booked:
            delta, locks = found
            delta.book.commit(delta)
            for intent_id in {order.draft.intent_id for order in delta.orders.values()} - delta.book.intents.keys():
                delta.book.forget(intent_id)
            return delta.booked(locks)

        return await self._call(work, commit)

    # ---- locks and the trading state -----------------------------------------------------------------------------

    async def put_lock(self, lock: Lock) -> Lock:
        """See `Store.put_lock`."""
        return await self._call(lambda cursor: self._insert_lock(cursor, lock))

    async def end_lock(self, lock_id: int, author: str, reason: str, at_ms: int) -> bool:
        """See `Store.end_lock`."""
        ledger_book.check_words(author, reason)

        def work(cursor: Any) -> bool:
            cursor.execute(
                """UPDATE locks SET ended_at = %s, ended_by = %s, end_reason = %s
                WHERE lock_no = %s AND account_no = %s AND ended_at IS NULL""",
                (rows.stamp(at_ms), author, reason, lock_id, self._find_account(cursor)),
            )
            return bool(cursor.rowcount)

        return await self._call(work)

    async def locks(self) -> tuple[Lock, ...]:
        """See `Store.locks`."""
        return await self._call(lambda cursor: rows.select_locks(cursor, self._values(cursor)))

    async def change_state(self, change: StateChange) -> bool:
        """See `Store.change_state`."""
        ledger_book.check_words(change.author, change.reason)

        def work(cursor: Any) -> bool:
            cursor.execute(*rows.insert_state(self._make_account(cursor), change))
            return cursor.fetchone() is not None

        return await self._call(work)

    async def state(self) -> StateChange | None:
        """See `Store.state`."""
        return next(iter(await self._call(lambda c: rows.select_states(c, self._values(c), 1))), None)

    async def state_history(self) -> tuple[StateChange, ...]:
        """See `Store.state_history`."""
        return await self._call(lambda cursor: rows.select_states(cursor, self._values(cursor), None))

    # ---- reading -------------------------------------------------------------------------------------------------

    async def load(self) -> Snapshot:
        """See `Store.load`."""

        def work(cursor: Any) -> Snapshot:
            _one_moment(cursor)
            values = self._values(cursor)
            book = self._read_book(cursor)
            states = rows.select_states(cursor, values, 1)
            return Snapshot(
                book.intents,
                dict(sorted(book.orders.items())),
                book.reservations,
                book.positions,
                book.balances,
                book.cursors,
                book.slots,
                rows.select_locks(cursor, values),
                states[-1] if states else None,
            )

        return await self._call(work)

    async def log(self) -> EventLog:
        """See `Store.log`."""

        def work(cursor: Any) -> EventLog:
            _one_moment(cursor)
            values = self._values(cursor)
            orders = tuple(rows.select_orders(cursor, "n.account_no = %(account)s", values))
            fills = tuple(rows.select_fills(cursor, "m.account_no = %(account)s", values))
            return EventLog(
                orders,
                tuple(rows.select_events(cursor, orders, fills, values)),
                fills,
                tuple(rows.select_entries(cursor, values)),
                rows.select_alarms(cursor, values),
                rows.select_reservations(cursor, values),
                rows.select_positions(cursor, values),
                rows.select_balances(cursor, values),
            )

        return await self._call(work)

    async def closed_trades(self, since_ms: int) -> TradeRows:
        """See `Store.closed_trades`."""
        clause = """WHERE account = %(account)s AND mode IN ('paper', 'live') AND exit_time >= %(since)s
            ORDER BY exit_time, trade_id"""
        values = {"account": self._account, "since": rows.stamp(since_ms)}
        return await self._call(lambda cursor: select_trades(cursor, clause, values))

    async def close(self) -> None:
        """See `Store.close`."""
        await self._thread.close()

    async def _call(self, work: Callable[[Any], T], commit: Callable[[T], Any] | None = None) -> Any:
        """Run `work` in a transaction on the store's thread, then `commit` what it returned to the copy in memory."""

        def transact() -> Any:
            try:
                found = self._thread.transact(work)
                return found if commit is None else commit(found)
            except BaseException:
                self._book = None
                raise

        return await self._thread.call(transact)

    # ---- inside a transaction ------------------------------------------------------------------------------------

    def _find_account(self, cursor: Any) -> int:
        if self._account_no == 0:
            cursor.execute("SELECT account_no FROM accounts WHERE name = %s", (self._account,))
            row = cursor.fetchone()
            self._account_no = row[0] if row else 0
        return self._account_no

    def _make_account(self, cursor: Any) -> int:
        if self._find_account(cursor) == 0:
            cursor.execute("INSERT INTO accounts (name) VALUES (%s) ON CONFLICT DO NOTHING", (self._account,))
            cursor.connection.commit()
        return self._find_account(cursor)

    def _values(self, cursor: Any) -> dict[str, Any]:
        return {"account": self._find_account(cursor)}

    def _own(self, cursor: Any, lease: Lease) -> Book:
        """Return the copy in memory: it is the book of the epoch that this store acquired, and of no other."""
        if lease.account != self._account or lease.epoch != self._epoch:
            raise FencedError(f"epoch {lease.epoch} of {lease.account} was not acquired here, but {self._epoch} was")
        if self._book is None:
            self._book = self._read_book(cursor)
        return self._book

    def _read_book(self, cursor: Any) -> Book:
        values = self._values(cursor)
        where = "m.account_no = %(account)s AND status = 'OPEN'"
        book = Book(
            intents={found.intent_id: found for found in rows.select_intents(cursor, self._account, where, values)},
            reservations=rows.select_reservations(cursor, values),
            balances=rows.select_balances(cursor, values),
            positions=rows.select_positions(cursor, values),
            cursors=rows.select_cursors(cursor, values),
            slots=rows.select_slots(cursor, values),
        )
        for order in rows.select_orders(cursor, f"n.account_no = %(account)s AND {rows.OPEN_ORDERS}", values):
            book.add_order(order)
        return book

    def _fence(self, cursor: Any, lease: Lease) -> None:
        cursor.execute("SELECT check_epoch(%s::smallint, %s)", (self._find_account(cursor), lease.epoch))

    def _checked(self, cursor: Any, lease: Lease, decide: Callable[[], T]) -> T:
        """Decide on the copy; what looks like a defect of the caller may be that the copy is of a lease long lost."""
        try:
            return decide()
        except InvariantError:
            self._fence(cursor, lease)
            raise

    def _write(self, cursor: Any, lease: Lease, statements: Sequence[rows.Statement]) -> None:
        """Send the fence and every statement in one message."""
        fence = ("SELECT check_epoch(%s::smallint, %s)", (self._account_no, lease.epoch))
        cursor.execute(b";\n".join(cursor.mogrify(*statement) for statement in (fence, *statements)))

    def _intents(self, cursor: Any, names: Sequence[str]) -> list[Intent]:
        values = {**self._values(cursor), "names": [rows.intent_number(name) for name in names]}
        where = "m.account_no = %(account)s AND intent_id = ANY (%(names)s::bigint[])"
        return rows.select_intents(cursor, self._account, where, values)

    def _of_intents(self, cursor: Any, names: Sequence[str]) -> list[Order]:
        """Return every child of some intents."""
        values = {**self._values(cursor), "names": [rows.intent_number(name) for name in names]}
        where = "n.account_no = %(account)s AND o.intent_id = ANY (%(names)s::bigint[])"
        return rows.select_orders(cursor, where, values)

    def _of_orders(self, cursor: Any, cids: Iterable[str]) -> list[Order]:
        """Return some orders with all children of their intents."""
        names = {name.intent_id for name in map(parse_child, cids) if name is not None}
        return self._of_intents(cursor, sorted(names)) if names else []

    def _fetch_intent(self, cursor: Any, book: Book, intent_id: str) -> None:
        """Put an intent that was written since, by anyone, into the copy, with its orders."""
        if intent_id not in book.intents:
            book.intents.update({found.intent_id: found for found in self._intents(cursor, (intent_id,))})
            for order in self._of_intents(cursor, (intent_id,)):
                book.add_order(order)

    def _fetch_orders(self, cursor: Any, book: Book, record: Record) -> None:
        """Put orders that are long over, and now heard of again, into the copy, with their siblings."""
        named = {fact.cid for fact in record.facts} | {fill.cid for fill in record.fills if fill.cid is not None}
        for order in self._of_orders(cursor, named - book.orders.keys()):
            book.add_order(order)

    def _known(self, cursor: Any, fills: Sequence[Fill]) -> dict[tuple[str, str], Fill]:
        if not fills:
            return {}
        values = {
            **self._values(cursor),
            "symbols": [fill.symbol for fill in fills],
            "trades": [fill.trade_id for fill in fills],
        }
        where = """m.account_no = %(account)s AND (m.symbol, f.trade_id) IN
            (SELECT * FROM unnest(%(symbols)s::text[], %(trades)s::text[]))"""
        return {fill.key: fill for fill in rows.select_fills(cursor, where, values)}

    def _insert_lock(self, cursor: Any, lock: Lock) -> Lock:
        cursor.execute(*rows.insert_lock(self._make_account(cursor), lock))
        return replace(lock, lock_id=cursor.fetchone()[0])


def _one_moment(cursor: Any) -> None:
    cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")

"""Rows of the trading tables: what is read becomes frozen values, what changed becomes SQL with its values."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from huracan.errors import InvariantError
from huracan.execution.book import Delta
from huracan.execution.ids import parse_child
from huracan.execution.machine import advance, next_status, submit_event
from huracan.execution.model import (
    Account,
    Alarm,
    AlarmCode,
    Balances,
    Draft,
    Fill,
    Intent,
    IntentKind,
    IntentStatus,
    LedgerEntry,
    Lock,
    Order,
    OrderEvent,
    Position,
    Reservation,
    SlotRow,
    StateChange,
    Status,
    Trigger,
)
from huracan.venue.orders import OrderKind, Side

__all__ = [
    "OPEN_ORDERS",
    "Statement",
    "insert_alarms",
    "insert_intent",
    "insert_lock",
    "insert_market",
    "insert_state",
    "intent_number",
    "millis",
    "select_alarms",
    "select_balances",
    "select_cursors",
    "select_entries",
    "select_events",
    "select_fills",
    "select_intents",
    "select_locks",
    "select_orders",
    "select_positions",
    "select_reservations",
    "select_slots",
    "select_states",
    "select_unclaimed",
    "stamp",
    "write_delta",
    "write_sent",
]

Statement = tuple[str, tuple[Any, ...]]
"""SQL and its values."""

Cursor = Any

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)

OPEN_ORDERS = """(o.status NOT IN ('FILLED', 'EXPIRED', 'CANCELED', 'REJECTED', 'NEVER_SENT')
    OR o.filled < o.venue_filled
    OR i.status = 'OPEN')"""
"""Which orders a start needs."""


def stamp(time_ms: int) -> datetime:
    """Return a time as Postgres takes it, exactly."""
    return _EPOCH + time_ms * _MS


def millis(time: datetime) -> int:
    """Return a time of Postgres in ms since the epoch (UTC)."""
    return (time - _EPOCH) // _MS


def intent_number(name: str) -> int:
    """Return an intent's name, 16 hex digits, as the signed number that Postgres shows as these digits."""
    return int.from_bytes(bytes.fromhex(name), "big", signed=True)


def _child(cid: str) -> tuple[int, int]:
    name = parse_child(cid)
    if name is None:
        raise InvariantError(f"{cid} is no client order id of ours")
    return intent_number(name.intent_id), name.number


def _optional(time: datetime | None) -> int | None:
    return None if time is None else millis(time)


# ---- reading ---------------------------------------------------------------------------------------------------------


def _rows(cursor: Cursor, query: str, values: Mapping[str, Any]) -> list[Any]:
    cursor.execute(query, values)
    return list(cursor.fetchall())


def select_intents(cursor: Cursor, account: str, where: str, values: Mapping[str, Any]) -> list[Intent]:
    """Return intents (alias `i`, market `m`), oldest first."""
    query = f"""SELECT lpad(to_hex(intent_id), 16, '0'), m.symbol, candle_at, kind, side, created_at, quantity, action,
        reason, policy, confidence, regime, state, layout, status, code
        FROM intents i JOIN markets m USING (market_no) WHERE {where} ORDER BY created_at, intent_id"""  # noqa: S608
    return [
        Intent(
            *(row[0], account, row[1], millis(row[2]), IntentKind(row[3]), Side(row[4]), millis(row[5]), *row[6:12],
              bytes(row[12]), row[13], IntentStatus(row[14]), row[15])
        )
        for row in _rows(cursor, query, values)
    ]  # fmt: skip


def select_unclaimed(cursor: Cursor, account: str, values: Mapping[str, Any]) -> list[Intent]:
    """Return entries and exits of an account that nobody has acted on, oldest first."""
    where = "m.account_no = %(account)s AND status = 'OPEN' AND quantity IS NULL AND kind IN ('ENTER', 'EXIT')"
    return select_intents(cursor, account, where, values)


def select_orders(cursor: Cursor, where: str, values: Mapping[str, Any]) -> list[Order]:
    """Return orders (alias `o`, intent `i`, names `n`), oldest first."""
    query = f"""SELECT n.cid, n.intent_name, n.symbol, i.side, o.kind, o.quantity, o.price, o.stop_price, n.list_cid,
        o.created_at, o.status, o.sent_at, o.venue_id, o.filled, o.cost, o.venue_filled, o.seq, o.updated_at, o.reason
        FROM orders o JOIN order_names n USING (order_no) JOIN intents i ON i.intent_id = o.intent_id
        WHERE {where} ORDER BY o.order_no"""  # noqa: S608 - constant clauses
    return [
        Order(
            Draft(*(*row[:3], Side(row[3]), OrderKind(row[4]), *row[5:9], millis(row[9]))),
            *(Status(row[10]), _optional(row[11]), *row[12:17], millis(row[17]), row[18]),
        )
        for row in _rows(cursor, query, values)
    ]


def select_fills(cursor: Cursor, where: str, values: Mapping[str, Any]) -> list[Fill]:
    """Return fills (alias `f`, market `m`) in the order in which they were booked."""
    query = f"""SELECT m.symbol, f.trade_id, n.cid, f.side, f.quantity, f.price, f.commission, f.commission_asset,
        f.maker, f.at FROM fills f JOIN markets m USING (market_no) LEFT JOIN order_names n USING (order_no)
        WHERE {where} ORDER BY f.fill_no"""  # noqa: S608 - constant clauses
    return [Fill(*(*row[:3], Side(row[3]), *row[4:9], millis(row[9]))) for row in _rows(cursor, query, values)]


def select_events(
    cursor: Cursor, orders: Sequence[Order], fills: Sequence[Fill], values: Mapping[str, Any]
) -> list[OrderEvent]:
    """Return every event of the orders, by order and number; the first is the order's row, statuses follow."""
    query = """SELECT n.cid, e.seq, e.trigger, e.at, e.venue_id, f.trade_id, e.venue_filled, coalesce(e.reason, '')
        FROM order_events e JOIN order_names n USING (order_no) LEFT JOIN fills f USING (fill_no)
        WHERE n.account_no = %(account)s ORDER BY e.order_no, e.seq"""
    booked = {fill.key: fill for fill in fills}
    later: dict[str, list[Any]] = {order.cid: [] for order in orders}
    for row in _rows(cursor, query, values):
        later[row[0]].append(row)
    found: list[OrderEvent] = []
    for stored in orders:
        found.append(submit_event(stored.draft))
        order = advance(None, found[-1], stored.draft, None)
        for row in later[stored.cid]:
            fill = booked.get((stored.draft.symbol, row[5]))
            status = next_status(order, Trigger(row[2]))
            found.append(OrderEvent(row[0], row[1], Trigger(row[2]), status, millis(row[3]), *row[4:]))
            order = advance(order, found[-1], stored.draft, fill)
    return found


def select_entries(cursor: Cursor, values: Mapping[str, Any]) -> list[LedgerEntry]:
    """Return the ledger of an account, oldest first."""
    query = """SELECT l.asset, l.amount, l.source, l.target, coalesce(l.at, f.at), coalesce(n.list_cid, n.cid, ''),
        coalesce(m.symbol, ''), coalesce(f.trade_id, ''), coalesce(l.reason, '')
        FROM ledger l LEFT JOIN fills f USING (fill_no) LEFT JOIN markets m USING (market_no)
        LEFT JOIN order_names n ON n.order_no = l.order_no
        WHERE l.account_no = %(account)s ORDER BY l.entry_no"""
    return [
        LedgerEntry(*(row[0], row[1], Account(row[2]), Account(row[3]), millis(row[4]), *row[5:]))
        for row in _rows(cursor, query, values)
    ]


def select_reservations(cursor: Cursor, values: Mapping[str, Any]) -> dict[str, Reservation]:
    """Return what is set aside, by ref."""
    query = """SELECT ref, lpad(to_hex(intent_id), 16, '0'), symbol, asset, amount, remaining, notional, heat
        FROM reservations WHERE account_no = %(account)s ORDER BY ref"""
    return {row[0]: Reservation(*row) for row in _rows(cursor, query, values)}


def select_balances(cursor: Cursor, values: Mapping[str, Any]) -> dict[str, Balances]:
    """Return balances by asset."""
    query = (
        "SELECT asset, free, locked, venue, fees, external FROM balances WHERE account_no = %(account)s ORDER BY asset"
    )
    return {row[0]: Balances(*row[1:]) for row in _rows(cursor, query, values)}


def select_positions(cursor: Cursor, values: Mapping[str, Any]) -> dict[str, Position]:
    """Return positions by symbol."""
    query = """SELECT symbol, bought, sold, paid, received, fee_base, fee_quote FROM positions
        WHERE account_no = %(account)s ORDER BY symbol"""
    return {row[0]: Position(*row) for row in _rows(cursor, query, values)}


def select_cursors(cursor: Cursor, values: Mapping[str, Any]) -> dict[str, str]:
    """Return the newest trade id read, by symbol."""
    query = "SELECT symbol, trade_id FROM cursors WHERE account_no = %(account)s ORDER BY symbol"
    return dict(_rows(cursor, query, values))


def select_slots(cursor: Cursor, values: Mapping[str, Any]) -> dict[str, SlotRow]:
    """Return slots by symbol."""
    query = "SELECT symbol, bar_no, data FROM slots WHERE account_no = %(account)s ORDER BY symbol"
    return {row[0]: SlotRow(row[0], row[1], bytes(row[2])) for row in _rows(cursor, query, values)}


def select_locks(cursor: Cursor, values: Mapping[str, Any]) -> tuple[Lock, ...]:
    """Return locks that nobody ended."""
    query = """SELECT symbol, code, detail, author, from_at, until_at, lock_no FROM locks
        WHERE account_no = %(account)s AND ended_at IS NULL ORDER BY lock_no"""
    rows = _rows(cursor, query, values)
    return tuple(Lock(*(*row[:4], millis(row[4]), _optional(row[5]), row[6])) for row in rows)


def select_states(cursor: Cursor, values: Mapping[str, Any], limit: int | None) -> tuple[StateChange, ...]:
    """Return changes of the trading state, oldest first; only the newest `limit` of them."""
    query = """SELECT seq, state, author, reason, at FROM trading_state
        WHERE account_no = %(account)s ORDER BY seq DESC LIMIT %(limit)s"""
    rows = _rows(cursor, query, {**values, "limit": limit})
    return tuple(StateChange(*(*row[:4], millis(row[4]))) for row in reversed(rows))


def select_alarms(cursor: Cursor, values: Mapping[str, Any]) -> tuple[Alarm, ...]:
    """Return every alarm, oldest first."""
    query = "SELECT code, symbol, at, detail FROM alarms WHERE account_no = %(account)s ORDER BY alarm_no"
    return tuple(Alarm(AlarmCode(row[0]), row[1], millis(row[2]), row[3]) for row in _rows(cursor, query, values))


# ---- writing ---------------------------------------------------------------------------------------------------------

_MARKET_NO = "(SELECT market_no FROM markets WHERE account_no = %s AND symbol = %s)"
_ORDER_NO = "(SELECT order_no FROM orders WHERE intent_id = %s AND child = %s)"
_ORDER_NO_OF_REF = "(SELECT min(order_no) FROM orders WHERE intent_id = %s AND %s IN (child, list_child))"
_FILL_NO = f"(SELECT fill_no FROM fills WHERE market_no = {_MARKET_NO} AND trade_id = %s)"  # noqa: S608


def insert_market(account: int, symbol: str) -> Statement:
    """Return the statement that gives a market its number, once."""
    return (
        f"INSERT INTO markets (account_no, symbol) SELECT %s, %s WHERE {_MARKET_NO} IS NULL ON CONFLICT DO NOTHING",
        (account, symbol, account, symbol),
    )


def insert_intent(account: int, intent: Intent) -> Statement:
    """Return the statement that writes an intent unless its key is taken."""
    return (
        f"""INSERT INTO intents (market_no, intent_id, candle_at, kind, side, created_at, quantity, action, reason,
        policy, confidence, regime, state, layout, status, code)
        VALUES ({_MARKET_NO}, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING""",  # noqa: S608
        (
            account, intent.symbol, intent_number(intent.intent_id), stamp(intent.candle_ms), intent.kind.value,
            intent.side.value, stamp(intent.created_ms), intent.quantity, intent.action, intent.reason, intent.policy,
            intent.confidence, intent.regime, intent.state, intent.layout, intent.status.value,
            intent.code,
        ),
    )  # fmt: skip


def write_sent(orders: Iterable[Order]) -> list[Statement]:
    """Return T2."""
    return [
        (
            "UPDATE orders SET sent_at = %s WHERE intent_id = %s AND child = %s",
            (stamp(order.sent_ms), *_child(order.cid)),
        )
        for order in orders
        if order.sent_ms is not None
    ]


def write_delta(account: int, delta: Delta) -> list[Statement]:
    """Return everything that a change writes, but alarms and locks, in an order that references allow."""
    out: list[Statement] = []
    for order in delta.orders.values():
        out.append(_update_order(order) if order.cid in delta.book.orders else _insert_order(order))
    out += [
        insert_market(account, symbol) for symbol in sorted({fill.symbol for fill in delta.fills if fill.cid is None})
    ]
    out += [_insert_fill(account, fill) for fill in delta.fills]
    symbols = {cid: order.draft.symbol for cid, order in delta.orders.items()}
    out += [_insert_event(account, event, symbols[event.cid]) for event in delta.events if event.seq > 1]
    out += [_insert_entry(account, entry) for entry in delta.entries]
    out += [_write_balances(account, asset, row) for asset, row in delta.balances.items()]
    out += [_write_position(account, row) for row in delta.positions.values()]
    out += [_write_reservation(account, ref, row) for ref, row in delta.reservations.items()]
    for symbol, trade_id in delta.cursors.items():
        out.append(
            (
                """INSERT INTO cursors (account_no, symbol, trade_id) VALUES (%s, %s, %s)
                ON CONFLICT (account_no, symbol) DO UPDATE SET trade_id = excluded.trade_id""",
                (account, symbol, trade_id),
            )
        )
    for slot in delta.slots:
        out.append(
            (
                """INSERT INTO slots (account_no, symbol, bar_no, data) VALUES (%s, %s, %s, %s)
                ON CONFLICT (account_no, symbol) DO UPDATE SET bar_no = excluded.bar_no, data = excluded.data""",
                (account, slot.symbol, slot.bar_no, slot.data),
            )
        )
    return out


def _insert_order(order: Order) -> Statement:
    draft = order.draft
    return (
        """INSERT INTO orders (intent_id, child, list_child, kind, quantity, price, stop_price, created_at, status,
        filled, cost, venue_filled, seq, updated_at, reason)
        VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)""",
        (
            *_child(draft.cid), None if draft.list_cid is None else _child(draft.list_cid)[1], draft.kind.value,
            draft.quantity, draft.price, draft.stop_price, stamp(draft.created_ms), order.status.value, order.filled,
            order.cost, order.venue_filled, order.seq, stamp(order.updated_ms), order.reason,
        ),
    )  # fmt: skip


def _update_order(order: Order) -> Statement:
    return (
        """UPDATE orders SET status = %s, venue_id = %s, filled = %s, cost = %s, venue_filled = %s, seq = %s,
        updated_at = %s, reason = %s WHERE intent_id = %s AND child = %s""",
        (
            order.status.value, order.venue_id, order.filled, order.cost, order.venue_filled, order.seq,
            stamp(order.updated_ms), order.reason, *_child(order.cid),
        ),
    )  # fmt: skip


def _insert_fill(account: int, fill: Fill) -> Statement:
    return (
        f"""INSERT INTO fills (market_no, order_no, trade_id, side, quantity, price, commission, commission_asset,
        maker, at) VALUES ({_MARKET_NO}, {_ORDER_NO}, %s, %s, %s, %s, %s, %s, %s, %s)""",  # noqa: S608
        (
            account, fill.symbol, *(_child(fill.cid) if fill.cid else (None, None)), fill.trade_id, fill.side.value,
            fill.quantity, fill.price, fill.commission, fill.commission_asset, fill.maker, stamp(fill.at_ms),
        ),
    )  # fmt: skip


def _insert_event(account: int, event: OrderEvent, symbol: str) -> Statement:
    return (
        f"""INSERT INTO order_events (order_no, seq, trigger, at, venue_id, fill_no, venue_filled, reason)
        VALUES ({_ORDER_NO}, %s, %s, %s, %s, {_FILL_NO}, %s, %s)""",  # noqa: S608
        (
            *_child(event.cid), event.seq, event.trigger.value, stamp(event.at_ms), event.venue_id, account, symbol,
            event.trade_id, event.venue_filled, event.reason or None,
        ),
    )  # fmt: skip


def _insert_entry(account: int, entry: LedgerEntry) -> Statement:
    return (
        f"""INSERT INTO ledger (account_no, asset, amount, source, target, at, order_no, fill_no, reason)
        VALUES (%s, %s, %s, %s, %s, %s, {_ORDER_NO_OF_REF}, {_FILL_NO}, %s)""",  # noqa: S608
        (
            account, entry.asset, entry.amount, entry.source.value, entry.target.value,
            None if entry.trade_id else stamp(entry.at_ms), *(_child(entry.ref) if entry.ref else (None, None)),
            account, entry.symbol, entry.trade_id, entry.reason or None,
        ),
    )  # fmt: skip


def _write_balances(account: int, asset: str, row: Balances) -> Statement:
    return (
        """INSERT INTO balances (account_no, asset, free, locked, venue, fees, external)
        VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT (account_no, asset) DO UPDATE SET free = excluded.free,
        locked = excluded.locked, venue = excluded.venue, fees = excluded.fees, external = excluded.external""",
        (account, asset, row.free, row.locked, row.venue, row.fees, row.external),
    )


def _write_position(account: int, row: Position) -> Statement:
    return (
        """INSERT INTO positions (account_no, symbol, bought, sold, paid, received, fee_base, fee_quote)
        VALUES (%s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT (account_no, symbol) DO UPDATE SET bought = excluded.bought,
        sold = excluded.sold, paid = excluded.paid, received = excluded.received, fee_base = excluded.fee_base,
        fee_quote = excluded.fee_quote""",
        (account, row.symbol, row.bought, row.sold, row.paid, row.received, row.fee_base, row.fee_quote),
    )


def _write_reservation(account: int, ref: str, row: Reservation | None) -> Statement:
    if row is None:
        return "DELETE FROM reservations WHERE ref = %s", (ref,)
    return (
        """INSERT INTO reservations (account_no, ref, intent_id, symbol, asset, amount, remaining, notional, heat)
        VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT (ref) DO UPDATE SET remaining = excluded.remaining""",
        (
            account,
            ref,
            intent_number(row.intent_id),
            row.symbol,
            row.asset,
            row.amount,
            row.left,
            row.notional,
            row.heat,
        ),
    )


def insert_alarms(account: int, alarms: Sequence[Alarm]) -> list[Statement]:
    """Return the statements that keep alarms."""
    return [
        (
            "INSERT INTO alarms (account_no, code, symbol, at, detail) VALUES (%s, %s, %s, %s, %s)",
            (account, alarm.code.value, alarm.symbol, stamp(alarm.at_ms), alarm.detail),
        )
        for alarm in alarms
    ]


def insert_lock(account: int, lock: Lock) -> Statement:
    """Return the statement that writes a lock and gives its number."""
    return (
        """INSERT INTO locks (account_no, symbol, code, detail, author, from_at, until_at)
        VALUES (%s, %s, %s, %s, %s, %s, %s) RETURNING lock_no""",
        (
            account, lock.symbol, lock.code, lock.detail, lock.author, stamp(lock.from_ms),
            None if lock.until_ms is None else stamp(lock.until_ms),
        ),
    )  # fmt: skip


def insert_state(account: int, change: StateChange) -> Statement:
    """Return the statement that appends a change of the trading state when its number is the next one."""
    return (
        """INSERT INTO trading_state (account_no, seq, state, author, reason, at)
        SELECT %s, %s, %s, %s, %s, %s
        WHERE %s = 1 + coalesce((SELECT max(seq) FROM trading_state WHERE account_no = %s), 0)
        ON CONFLICT DO NOTHING RETURNING seq""",
        (
            account, change.seq, change.state, change.author, change.reason, stamp(change.at_ms), change.seq, account,
        ),
    )  # fmt: skip

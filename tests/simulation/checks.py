"""I1 to I13 after every step, at the price of what has changed since the last one.

`huracan.execution.invariants` says the same of a whole history; it is asked at the end of every run, and after every
step in a thorough one. Here the sums are kept beside the ledger by arithmetic of their own.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import fields
from decimal import Decimal
from itertools import islice
from typing import Any

from huracan.execution.book import newer
from huracan.execution.ids import parse_child
from huracan.execution.invariants import Sent, Truth, Violation
from huracan.execution.machine import RANK, advance
from huracan.execution.memory_store import MemoryDatabase
from huracan.execution.model import TERMINAL, Account, AlarmCode, Fill, LedgerEntry, Order, OrderEvent, Status
from huracan.paper import PaperMarket
from huracan.paper.payloads import my_trade, order_view
from huracan.paper.state import AccountState
from huracan.paper.state import Order as PaperOrder
from huracan.venue.orders import Balance, Side
from huracan.venue.wire import parse_order, parse_trade
from tests.simulation.plan import ACCOUNT

__all__ = ["Checker", "truth_of"]

ZERO = Decimal(0)
_AT_VENUE = TERMINAL - {Status.REJECTED, Status.NEVER_SENT} | {
    Status.ACCEPTED,
    Status.PARTIALLY_FILLED,
    Status.PENDING_CANCEL,
}


def truth_of(account: AccountState, markets: Mapping[str, PaperMarket]) -> Truth:
    """Return the exchange's own record of the account."""
    names = {market.venue_symbol: market.symbol for market in markets.values()}
    orders = [parse_order(order_view(one, markets[one.symbol]), names[one.symbol]) for one in account.orders.values()]
    trades = [parse_trade(my_trade(one, markets[one.symbol]), names[one.symbol]) for one in account.trades]
    balances = {asset: Balance(one.free, one.locked) for asset, one in account.money.items()}
    return Truth(tuple(orders), tuple(trades), balances)


class Checker:
    """Reads what is new in the database, at the exchange and on the wire, and says what does not fit.

    Args:
        database: of the engines.
        account: the exchange's record.
        markets: by the exchange's symbol.
        sent: the network's list of commands; it grows.
    """

    def __init__(
        self, database: MemoryDatabase, account: AccountState, markets: Mapping[str, PaperMarket], sent: list[Sent]
    ) -> None:
        self._tables = database.tables(ACCOUNT)
        self._account, self._markets, self._sent = account, markets, sent
        self._names = {name: market.symbol for name, market in markets.items()}
        self._grids = {market.symbol: (market.instrument.tick, market.instrument.step) for market in markets.values()}
        self._events = self._fills = self._entries = self._trades = self._posts_read = 0
        self._orders: dict[str, Order] = {}
        self._replayed: dict[str, Order] = {}
        self._accounts: dict[tuple[str, Account], Decimal] = defaultdict(Decimal)
        self._bought: dict[str, list[Decimal]] = defaultdict(lambda: [ZERO, ZERO])
        self._sums: dict[str, list[Decimal]] = defaultdict(lambda: [ZERO, ZERO])
        self._locked: dict[str, Decimal] = defaultdict(Decimal)
        self._cursors: dict[str, str] = {}
        self._posts: Counter[str] = Counter()
        self._seq = -1
        self._theirs: dict[str, PaperOrder] = {}
        self._open: dict[int, None] = {}
        self._known_ids = 0
        self._filled: dict[str, dict[str, int]] = defaultdict(dict)
        self._real: dict[str, Decimal] = defaultdict(Decimal)
        self.new_events: list[OrderEvent] = []
        self.new_fills: list[Fill] = []

    def step(self) -> tuple[Violation, ...]:
        """Return what is wrong now."""
        return tuple(Violation(*found) for found in self._step())

    def _step(self) -> Iterator[tuple[str, str]]:
        tables, book = self._tables, self._tables.book
        self.new_events = tables.events[self._events :]
        self.new_fills = list(islice(tables.fills.values(), self._fills, None))
        entries = tables.entries[self._entries :]
        self._events, self._fills, self._entries = len(tables.events), len(tables.fills), len(tables.entries)
        changed = [order for cid, order in book.orders.items() if self._orders.get(cid) is not order]
        posts, self._posts_read = self._sent[self._posts_read :], len(self._sent)
        moved = self._account.seq != self._seq
        if not (changed or entries or posts or moved or self.new_fills):
            return
        theirs = self._read_truth() if moved else []
        yield from self._money(entries)
        yield from self._position()
        yield from self._history(changed)
        yield from self._wire(posts)
        yield from self._numbers(changed, self.new_fills, entries)
        for order in changed:
            self._orders[order.cid] = order
        yield from self._venue(changed, theirs)
        yield from self._intents(theirs)
        yield from self._exposure()
        for symbol, trade_id in self._cursors.items():
            if newer(trade_id, book.cursors.get(symbol)):
                yield "I10", f"the cursor of {symbol} went back from {trade_id}"
        self._cursors = dict(book.cursors)

    # ---- our books ----------------------------------------------------------------------------------------------

    def _money(self, entries: list[LedgerEntry]) -> Iterator[tuple[str, str]]:
        """I1 and I12 of balances and of what is reserved; I2's money."""
        book = self._tables.book
        refs = {fill.key: fill.cid for fill in self.new_fills}
        for entry in entries:
            self._accounts[entry.asset, entry.source] -= entry.amount
            self._accounts[entry.asset, entry.target] += entry.amount
            cid = refs.get((entry.symbol, entry.trade_id))
            ref = entry.ref or (book.orders[cid].draft.ref if cid is not None else "")
            self._locked[ref] += entry.amount * ((entry.target is Account.LOCKED) - (entry.source is Account.LOCKED))
        for asset in {entry.asset: None for entry in entries}:
            row = book.balances[asset]
            if row.free + row.locked + row.venue + row.fees + row.external != 0:
                yield "I1", f"the accounts of {asset} do not sum to zero: {row}"
            if row.locked < 0 or (row.free < 0 and not self._alarmed(AlarmCode.BALANCE_SHORT, asset)):
                yield "I1", f"{asset}: {row.free} free, {row.locked} locked"
            for account in Account:
                if self._accounts[asset, account] != getattr(row, account.value.lower()):
                    yield "I12", f"{asset} {account}: the entries sum to {self._accounts[asset, account]}, stored {row}"
        for ref, amount in list(self._locked.items()):
            kept = book.reservations[ref].left if ref in book.reservations else ZERO
            if kept != amount:
                yield "I12", f"{ref} has {kept} reserved, the ledger locks {amount}"
            if amount == 0 and ref not in book.reservations:
                del self._locked[ref]

    def _position(self) -> Iterator[tuple[str, str]]:
        """I2: positions are their fills; I3: so are the sums of orders."""
        book = self._tables.book
        for fill in self.new_fills:
            sums = self._bought[fill.symbol]
            signed = fill.quantity if fill.side is Side.BUY else -fill.quantity
            sums[0] += signed
            sums[1] += signed - (fill.commission if fill.commission_asset == fill.symbol.partition("/")[0] else 0)
            if fill.cid is not None:
                own = self._sums[fill.cid]
                own[0] += fill.quantity
                own[1] += fill.quantity * fill.price
        for symbol in {fill.symbol: None for fill in self.new_fills}:
            row = book.positions[symbol]
            if [row.quantity, row.holding] != self._bought[symbol]:
                yield "I2", f"{symbol}: {row.quantity}, {row.holding} held, its fills say {self._bought[symbol]}"

    def _history(self, changed: list[Order]) -> Iterator[tuple[str, str]]:
        """I3, I10 and I12 of every order that changed."""
        fills = {fill.key: fill for fill in self.new_fills}
        for event in self.new_events:
            order = self._tables.book.orders[event.cid]
            fill = fills.get((order.draft.symbol, event.trade_id)) if event.trade_id is not None else None
            self._replayed[event.cid] = advance(self._replayed.get(event.cid), event, order.draft, fill)
        for order in changed:
            before, made = self._orders.get(order.cid), self._replayed.get(order.cid)
            if made is None or any(
                getattr(made, name) != getattr(order, name)
                for name in ("status", "venue_id", "filled", "cost", "venue_filled", "seq", "updated_ms", "reason")
            ):
                yield "I12", f"{order.cid} is stored as {order}, its events make it {made}"
            if [order.filled, order.cost] != self._sums[order.cid]:
                yield "I3", f"{order.cid}: {order.filled} at {order.cost}, its fills sum to {self._sums[order.cid]}"
            if order.overfill > 0 and not self._alarmed(AlarmCode.OVERFILL, order.cid):
                yield "I3", f"{order.cid}: {order.overfill} overfilled and nobody was alarmed"
            if before is not None:
                yield from _monotone(before, order)

    def _numbers(self, *rows: list[Any]) -> Iterator[tuple[str, str]]:
        """I13: exact, finite, on the grid."""
        for row in (one for group in rows for one in group):
            for column in fields(row):
                value = getattr(row, column.name)
                if isinstance(value, float) or (isinstance(value, Decimal) and not value.is_finite()):
                    yield "I13", f"{column.name} of {row} is {value!r}"
        for order in rows[0]:
            if order.cid not in self._orders:
                draft, (tick, step) = order.draft, self._grids[order.draft.symbol]
                for value, unit in ((draft.price, tick), (draft.stop_price, tick), (draft.quantity, step)):
                    if value is not None and (value <= 0 or value % unit != 0):
                        yield "I13", f"{draft.cid}: {value} is not positive or no multiple of {unit}"

    # ---- the wire and the exchange --------------------------------------------------------------------------------

    def _wire(self, posts: list[Sent]) -> Iterator[tuple[str, str]]:
        """I4: a client order id is POSTed once; I7: never before it is marked as sent."""
        for sent in posts:
            for cid in sent.cids if sent.post else ():
                self._posts[cid] += 1
                order = self._tables.book.orders.get(cid)
                if self._posts[cid] > 1:
                    yield "I4", f"{cid} was POSTed {self._posts[cid]} times"
                if order is None or order.sent_ms is None:
                    yield "I7", f"{cid} was POSTed and is not marked as sent: {order}"

    def _read_truth(self) -> list[PaperOrder]:
        """Return the exchange's orders that are new or were open at the last look."""
        account = self._account
        self._seq = account.seq
        fresh = islice(account.orders, self._known_ids, None)
        found = [account.orders[key] for key in (*self._open, *fresh)]
        self._known_ids, self._open = len(account.orders), dict.fromkeys(account.open_orders)
        for order in found:
            if parse_child(order.cid) is not None:
                self._theirs[order.cid] = order
        for trade in account.trades[self._trades :]:
            order = account.orders[trade.order_id]
            if order.cid in self._theirs:
                step = self._markets[trade.symbol].instrument.step
                self._real[trade.symbol] += trade.quantity * step * (1 if trade.side.value == "BUY" else -1)
        self._trades = len(account.trades)
        return found

    def _venue(self, changed: list[Order], theirs: list[PaperOrder]) -> Iterator[tuple[str, str]]:
        """I6: nothing rests under our name that was never written down; I7: nothing is there by our word alone."""
        ours = self._tables.book.orders
        for found in theirs:
            if parse_child(found.cid) is not None and found.cid not in ours:
                yield "I6", f"{found.cid} is at the venue and was never written down"
        for order in changed:
            if order.status in _AT_VENUE and order.cid not in self._theirs:
                yield "I7", f"{order.cid} is {order.status} and the venue does not know it"
        for cid in {order.cid: None for order in (*changed, *theirs)}:
            order = ours.get(cid)
            absent = order is not None and order.status in (Status.REJECTED, Status.NEVER_SENT)
            if absent and cid in self._theirs and not self._alarmed(AlarmCode.REVIVED, cid):
                yield "I7", f"{cid} is {order.status}, the venue has it as {self._theirs[cid].status}"

    def _intents(self, theirs: list[PaperOrder]) -> Iterator[tuple[str, str]]:
        """I4: of an intent one order (or list) is live at the venue, and it gets no more than it wants."""
        live: dict[str, set[str]] = defaultdict(set)
        for key in self._account.open_orders:
            order = self._account.orders[key]
            name, ours = parse_child(order.cid), self._tables.book.orders.get(order.cid)
            if name is not None and ours is not None:
                live[name.intent_id].add(ours.draft.ref)
        for intent_id, refs in live.items():
            if len(refs) > 1:
                yield "I4", f"intent {intent_id} has {sorted(refs)} at the venue at once"
        for order in theirs:
            name = parse_child(order.cid)
            if name is None:
                continue
            self._filled[name.intent_id][order.cid] = order.filled
            intent = self._tables.book.intents.get(name.intent_id)
            total = sum(self._filled[name.intent_id].values()) * self._markets[order.symbol].instrument.step
            if intent is not None and intent.quantity is not None and total > intent.quantity:
                yield "I4", f"intent {name.intent_id} wants {intent.quantity} and got {total}"

    def _exposure(self) -> Iterator[tuple[str, str]]:
        """I8: what the ledger counts, unknown buys included, is at least what the venue has or may still buy."""
        book = self._tables.book
        counted: dict[str, Decimal] = defaultdict(Decimal)
        for fill in self._bought:
            counted[fill] += self._bought[fill][0]
        for order in book.orders.values():
            if order.draft.side is Side.BUY and not order.complete:
                counted[order.draft.symbol] += order.leaves
        real = dict(self._real)
        for key in self._account.open_orders:
            order = self._account.orders[key]
            if order.side.value == "BUY" and order.cid in self._theirs:
                real[order.symbol] = (
                    real.get(order.symbol, ZERO) + order.rest * self._markets[order.symbol].instrument.step
                )
        foreign = {alarm.symbol for alarm in self._tables.alarms if alarm.code is AlarmCode.EXTERNAL_FILL}
        for name, quantity in real.items():
            symbol = self._names[name]
            if quantity > counted[symbol] and symbol not in foreign:
                yield "I8", f"{symbol}: the ledger counts {counted[symbol]} coins, the venue has or may buy {quantity}"

    def _alarmed(self, code: AlarmCode, word: str) -> bool:
        return any(alarm.code is code and word in alarm.detail for alarm in self._tables.alarms)


def _monotone(before: Order, after: Order) -> Iterator[tuple[str, str]]:
    """I10: sums never fall, an end stays an end."""
    if before.draft != after.draft or before.sent_ms not in (None, after.sent_ms):
        yield "I10", f"{before.cid} has become another order"
    if any(getattr(after, name) < getattr(before, name) for name in ("filled", "cost", "seq", "venue_filled")):
        yield "I10", f"{before.cid} went back from {before} to {after}"
    if before.status in TERMINAL and RANK.get(after.status, 0) < RANK[before.status]:
        yield "I10", f"{before.cid} was {before.status} and is {after.status}"

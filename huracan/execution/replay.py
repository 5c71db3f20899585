"""Replay: the projections that follow from an account's history, and where the stored ones differ from them.

Orders follow from their events and fills, positions from fills, balances and what is reserved from the ledger; the
ledger of fills follows from the fills once more. In a sound store there is no difference, to the last digit.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from decimal import Decimal, localcontext

from huracan.errors import InvariantError
from huracan.execution.ledger import fill_entries, fold_balances, fold_positions
from huracan.execution.machine import advance
from huracan.execution.model import Account, EventLog, Order, Trigger
from huracan.execution.money import EXACT

__all__ = ["differences", "replay_orders"]


def replay_orders(log: EventLog) -> Mapping[str, Order]:
    """Return every order as its events and fills make it; drafts and the time of sending are facts, not derived.

    Raises:
        InvariantError: events with a gap, or a fill's event without its fill.
    """
    fills = {fill.key: fill for fill in log.fills}
    stored = {order.cid: order for order in log.orders}
    found: dict[str, Order] = {}
    for event in log.events:
        if event.cid not in stored:
            raise InvariantError(f"event {event.seq} of {event.cid}, which is no order")
        draft = stored[event.cid].draft
        fill = None if event.trade_id is None else fills.get((draft.symbol, event.trade_id))
        if event.trigger in (Trigger.FILL_PART, Trigger.FILL_ALL) and (fill is None or fill.cid != event.cid):
            raise InvariantError(f"event {event.seq} of {event.cid} names trade {event.trade_id}, which is not its own")
        found[event.cid] = advance(found.get(event.cid), event, draft, fill)
    return found


def differences(log: EventLog) -> tuple[str, ...]:
    """Return what is stored otherwise than it follows from the history, one line each; empty when all is well."""
    try:
        return tuple(_differences(log))
    except InvariantError as error:
        return (str(error),)


def _differences(log: EventLog) -> Iterator[str]:
    replayed = replay_orders(log)
    for order in log.orders:
        found = replayed.get(order.cid)
        if found is None or found.draft != order.draft or _derived(found) != _derived(order):
            yield f"order {order.cid} is stored as {order}, its events make it {found}"
    named = {(log_event.cid, log_event.trade_id) for log_event in log.events if log_event.trade_id is not None}
    for fill in log.fills:
        if fill.cid is not None and (fill.cid, fill.trade_id) not in named:
            yield f"trade {fill.trade_id} of {fill.cid} has no event"
    for what, stored, derived in (
        ("positions", log.positions, fold_positions(log.fills)),
        ("balances", log.balances, fold_balances(log.entries)),
        ("locked", {ref: row.left for ref, row in log.reservations.items()}, _locked(log)),
    ):
        if dict(stored) != dict(derived):
            yield f"{what} are stored as {stored}, the history makes them {derived}"
    yield from _ledger_of_fills(log)


def _derived(order: Order) -> tuple[object, ...]:
    return (
        order.status, order.venue_id, order.filled, order.cost, order.venue_filled, order.seq, order.updated_ms,
        order.reason,
    )  # fmt: skip


def _locked(log: EventLog) -> Mapping[str, Decimal]:
    """Return what each reservation of a working order still locks, from the ledger alone."""
    refs = {order.cid: order.draft.ref for order in log.orders}
    of_fill = {fill.key: refs.get(fill.cid or "", "") for fill in log.fills}
    left: dict[str, Decimal] = defaultdict(Decimal)
    with localcontext(EXACT):
        for entry in log.entries:
            ref = entry.ref or of_fill.get((entry.symbol, entry.trade_id), "")
            if entry.target is Account.LOCKED:
                left[ref] += entry.amount
            elif entry.source is Account.LOCKED:
                left[ref] -= entry.amount
    working = {order.draft.ref for order in log.orders if not order.complete}
    return {ref: amount for ref, amount in left.items() if amount != 0 or ref in working}


def _ledger_of_fills(log: EventLog) -> Iterator[str]:
    """Compare what each fill moved with what it must move, wherever the money was taken from."""
    moved: dict[tuple[str, str], dict[tuple[str, str], Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    with localcontext(EXACT):
        for entry in log.entries:
            if entry.trade_id:
                for account, sign in ((entry.source, -1), (entry.target, 1)):
                    moved[entry.symbol, entry.trade_id][entry.asset, _owner(account)] += sign * entry.amount
        for fill in log.fills:
            wanted: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
            for made in fill_entries(fill, None)[0]:
                for account, sign in ((made.source, -1), (made.target, 1)):
                    wanted[made.asset, _owner(account)] += sign * made.amount
            if dict(moved.pop(fill.key, {})) != dict(wanted):
                yield f"trade {fill.trade_id} of {fill.symbol} moved other money than {dict(wanted)}"
    for symbol, trade_id in moved:
        yield f"the ledger moves money for trade {trade_id} of {symbol}, which is not booked"


def _owner(account: Account) -> str:
    return "OURS" if account in (Account.FREE, Account.LOCKED) else account.value

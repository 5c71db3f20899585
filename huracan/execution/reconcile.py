"""Reconciliation: what the store says, what the venue says, and the reasons not to trade when they differ."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from huracan.errors import InvariantError
from huracan.execution.commands import Child, Place, Role, Stage
from huracan.execution.desk import Desk
from huracan.execution.grid import Grid
from huracan.execution.ids import parse_child
from huracan.execution.model import Balances, Order, Position, Snapshot, Transfer
from huracan.execution.planner import Planner
from huracan.execution.working import Working, working_of
from huracan.trading import Instrument
from huracan.trading.instruments import UNITS_PER_COIN
from huracan.venue.orders import Balance, MarketFilters, OcoRequest, OrderKind, OrderRequest, Side, VenueOrder
from huracan.venue.wire import plain_text

__all__ = [
    "UNEXPLAINED",
    "Difference",
    "adopt",
    "balance_differences",
    "filter_differences",
    "opening_transfers",
    "orders_of",
    "places_of",
    "position_difference",
    "strangers",
]

UNEXPLAINED = "find the deposit, withdrawal or foreign trade, then start once with --accept-balances"
"""What to do about balances that differ."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One way in which two accounts of the same thing differ.

    Attributes:
        what: asset or market.
        ours: the ledger's figure.
        theirs: the venue's figure, or the slot's.
        words: one line for the operator.
    """

    what: str
    ours: Decimal
    theirs: Decimal
    words: str


def places_of(orders: Iterable[Order]) -> tuple[tuple[Place, tuple[Order, ...]], ...]:
    """Return the children that the store's orders belong to, each with its rows, in the order of creation."""
    groups: dict[str, list[Order]] = {}
    for order in orders:
        groups.setdefault(order.draft.ref, []).append(order)
    return tuple((_place_of(rows), tuple(rows)) for rows in groups.values())


def _place_of(rows: Sequence[Order]) -> Place:
    first = rows[0].draft
    if first.list_cid is None:
        request = OrderRequest(first.cid, first.symbol, first.side, first.kind, first.quantity, first.price)
        return Place(request, first.intent_id, Role.ENTRY if first.side is Side.BUY else Role.EXIT)
    upper = next(row.draft for row in rows if row.draft.kind is OrderKind.POST_ONLY)
    lower = next(row.draft for row in rows if row.draft.kind is OrderKind.STOP)
    if upper.price is None or lower.stop_price is None:
        raise InvariantError(f"{first.list_cid}: a list without its prices")
    pair = OcoRequest(
        list_cid=first.list_cid,
        above_cid=upper.cid,
        below_cid=lower.cid,
        symbol=first.symbol,
        quantity=first.quantity,
        target=upper.price,
        stop=lower.stop_price,
    )
    return Place(pair, first.intent_id, Role.BRACKET)


def adopt(planner: Planner, grid: Grid, orders: Iterable[Order]) -> dict[str, Working]:
    """Give a planner its children back from the store's rows; returns what is known of each.

    Raises:
        InvariantError: two entries or two sells of one market are alive.
    """
    works: dict[str, Working] = {}
    for place, rows in places_of(orders):
        work = works[place.key] = working_of(place, rows)
        filled = grid.steps(sum((row.filled for row in rows), Decimal(0)))
        heard = any(row.venue_id is not None for row in rows)
        child = Child(place.key, place.request, place.intent, place.role, Stage.OPEN if heard else Stage.SENT, filled)
        _count(planner, rows)
        if all(row.complete for row in rows):
            planner.retired[place.key] = child
        elif place.role is Role.ENTRY:
            _alone(planner.entry, child)
            planner.entry = child
        else:
            _alone(planner.sale, child)
            planner.sale = child
        work.unknown = not all(row.complete for row in rows)
    return works


def _alone(other: Child | None, child: Child) -> None:
    if other is not None:
        raise InvariantError(f"{other.key} and {child.key} are both alive; one of them must end first")


def _count(planner: Planner, rows: Iterable[Order]) -> None:
    """Number the next child after every id that was ever used."""
    sequence = planner.position.sequence
    for row in rows:
        for cid in (row.cid, row.draft.list_cid):
            name = parse_child(cid) if cid is not None else None
            if name is not None:
                sequence[name.intent_id] = max(sequence.get(name.intent_id, 0), name.number + 1)


def filter_differences(instrument: Instrument, filters: MarketFilters) -> tuple[str, ...]:
    """Return why a market must not be traded by these rules; empty when it may."""
    found = []
    if (filters.tick, filters.step) != (instrument.tick, instrument.step):
        found.append(
            f"{instrument.symbol}: the venue has tick {filters.tick} and step {filters.step}, the instrument table "
            f"{instrument.tick} and {instrument.step}; build the table from the venue"
        )
    if filters.notional_min > instrument.min_notional:
        found.append(
            f"{instrument.symbol}: the venue wants orders of {filters.notional_min} at least, the instrument table "
            f"says {instrument.min_notional}; raise trading.min_notional"
        )
    if not filters.oco_allowed:
        found.append(f"{instrument.symbol}: the venue takes no order lists here, and a position needs its stop")
    return tuple(found)


def strangers(desk: Desk, orders: Iterable[VenueOrder]) -> tuple[VenueOrder, ...]:
    """Return the open orders at the venue that no row of ours knows."""
    ours = {cid for work in desk.works.by_key.values() for cid in work.legs}
    return tuple(order for order in orders if order.cid not in ours)


def position_difference(desk: Desk, position: Position | None) -> Difference | None:
    """Return how the slot's coins differ from the sum of all fills of its market (I2); None when they do not."""
    booked = position.holding if position is not None else Decimal(0)
    ours = desk.planner.position
    held = Decimal(int(ours.slot.coins) + ours.parked) / UNITS_PER_COIN
    if booked == held:
        return None
    words = (
        f"{desk.symbol}: fills add up to {plain_text(booked)} coins, the slot holds {plain_text(held)}; the ledger "
        "needs a look"
    )
    return Difference(desk.symbol, booked, held, words)


def balance_differences(
    ours: Mapping[str, Balances], theirs: Mapping[str, Balance], assets: Iterable[str]
) -> tuple[Difference, ...]:
    """Return every asset of which the venue holds another total than the ledger."""
    found = []
    for asset in sorted(set(assets)):
        mine = ours[asset].total if asset in ours else Decimal(0)
        balance = theirs.get(asset)
        venue = balance.free + balance.locked if balance is not None else Decimal(0)
        if mine != venue:
            more = "+" if venue > mine else ""
            words = (
                f"{asset}: the ledger has {plain_text(mine)}, the venue {plain_text(venue)}, "
                f"{more}{plain_text(venue - mine)} unexplained"
            )
            found.append(Difference(asset, mine, venue, words))
    return tuple(found)


def opening_transfers(differences: Iterable[Difference], reason: str, at_ms: int) -> tuple[Transfer, ...]:
    """Return the transfers that make the ledger's balances the venue's."""
    return tuple(Transfer(row.what, row.theirs - row.ours, at_ms, reason) for row in differences)


def orders_of(snapshot: Snapshot, symbol: str) -> tuple[Order, ...]:
    """Return a market's orders in the order of their creation."""
    rows = (order for order in snapshot.orders.values() if order.draft.symbol == symbol)
    return tuple(sorted(rows, key=lambda order: (order.draft.created_ms, order.cid)))

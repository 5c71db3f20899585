"""What the database alone knows of an account: positions, orders, limits, locks, state, and who trades it."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from huracan.execution import model
from huracan.execution.model import Lock, Order, Position, Snapshot, StateChange
from huracan.execution.store import Store
from huracan.trader.views import AccountState, AccountViews, Holder
from huracan.venue.wire import plain_text

__all__ = ["Holding", "Limit", "OpenOrder", "OpenPosition", "Status", "holdings", "read_status", "steps_of"]

_RESTING = (model.Status.ACCEPTED, model.Status.PARTIALLY_FILLED)


@dataclass(frozen=True, slots=True)
class Holding:
    """Coins held in a market; `protected`: stops for all of them are known to rest at the venue."""

    symbol: str
    quantity: str
    protected: bool


@dataclass(frozen=True, slots=True)
class OpenPosition:
    """Coins held in a market; money in quote currency.

    Attributes:
        symbol: ccxt symbol.
        quantity: coins.
        price: last close that the trader saw; None: none.
        value: at that price.
        result: realised and unrealised since the account's first trade in it, fees in the quote currency included.
    """

    symbol: str
    quantity: str
    price: str | None
    value: str | None
    result: str | None


@dataclass(frozen=True, slots=True)
class OpenOrder:
    """An order that is not over as far as the ledger knows; `list_cid` names the pair it belongs to."""

    cid: str
    list_cid: str | None
    symbol: str
    side: str
    kind: str
    status: str
    quantity: str
    filled: str
    price: str | None
    stop_price: str | None


@dataclass(frozen=True, slots=True)
class Limit:
    """What is used of a limit; None: no limit is set."""

    name: str
    used: float
    limit: float | None


@dataclass(frozen=True, slots=True)
class Status:
    """One account.

    Attributes:
        account: its name.
        mode: "paper" or "live"; None: it was never traded.
        state, state_author, state_reason, state_ms: trading state in force; ACTIVE before the first.
        breaker: why the breaker is open; None: it is closed.
        holder: who trades; None: nobody.
        holder_for_s: how long the holder's lease still lasts.
        reconciled_ms: when the trader last started with books that agree with the venue, wall clock.
        seen_ms: when the trader last closed a bar, wall clock; market_ms: that close, market clock.
        currency, equity, cash: money at that close.
        day_result: of the UTC day, realised and unrealised.
        positions, orders, limits: as of that close; orders and positions as the ledger has them now.
        locks: those that stand.
        unknown: orders whose fate is not known.
    """

    account: str
    mode: str | None
    state: str
    state_author: str
    state_reason: str
    state_ms: int | None
    breaker: str | None
    holder: str | None
    holder_for_s: float
    reconciled_ms: int | None
    seen_ms: int | None
    market_ms: int | None
    currency: str | None
    equity: str | None
    cash: str | None
    day_result: float | None
    positions: tuple[OpenPosition, ...]
    orders: tuple[OpenOrder, ...]
    limits: tuple[Limit, ...]
    locks: tuple[Lock, ...]
    unknown: int


async def read_status(store: Store, views: AccountViews, now_ms: int) -> Status:
    """Read an account.

    Args:
        store: of the account.
        views: of the same.
        now_ms: wall clock, for locks of an account that no trader has seen a market for.

    Raises:
        DatabaseError: the database does not answer.
    """
    snapshot, view, holder = await store.load(), await views.load(), await views.holder()
    return status_of(store.account, snapshot, view, holder, now_ms)


def status_of(
    account: str, snapshot: Snapshot, view: AccountState | None, holder: Holder | None, now_ms: int
) -> Status:
    """Return the status that these rows amount to."""
    state = snapshot.state or StateChange(0, "ACTIVE", "huracan", "never changed", 0)
    report: dict[str, Any] = {} if view is None else dict(view.report)
    market_ms = now_ms if view is None else view.market_ms
    orders = tuple(_order(order) for order in snapshot.orders.values() if not order.complete)
    return Status(
        account=account,
        mode=None if view is None else view.mode,
        state=state.state,
        state_author=state.author,
        state_reason=state.reason,
        state_ms=state.at_ms or None,
        breaker=state.reason if state.author == "breaker" and state.state != "ACTIVE" else None,
        holder=None if holder is None else holder.name,
        holder_for_s=0.0 if holder is None else holder.for_s,
        reconciled_ms=None if view is None else view.reconciled_ms,
        seen_ms=None if view is None else view.at_ms,
        market_ms=None if view is None else view.market_ms,
        currency=report.get("currency"),
        equity=report.get("equity"),
        cash=report.get("cash"),
        day_result=None if view is None else view.day.pnl,
        positions=_positions(snapshot, report.get("prices", {}), steps_of(view)),
        orders=orders,
        limits=tuple(Limit(**row) for row in report.get("limits", ())),
        locks=tuple(
            lock for lock in snapshot.locks if market_ms < (math.inf if lock.until_ms is None else lock.until_ms)
        ),
        unknown=sum(order.status == "UNKNOWN" for order in orders),
    )


def holdings(snapshot: Snapshot, steps: Mapping[str, Decimal]) -> tuple[Holding, ...]:
    """Return what is held in whole steps, and whether stops of ours rest for all of it; sorted by market."""
    covered: dict[str, Decimal] = {}
    for order in snapshot.orders.values():
        if order.status in _RESTING and not order.complete and order.draft.stop_price is not None:
            covered[order.draft.symbol] = covered.get(order.draft.symbol, Decimal(0)) + order.leaves
    found = []
    for row in _held(snapshot, steps):
        stopped, step = covered.get(row.symbol, Decimal(0)), steps.get(row.symbol)
        found.append(
            Holding(row.symbol, _text(row.holding), stopped > 0 and (step is None or stopped + step > row.holding))
        )
    return tuple(found)


def steps_of(view: AccountState | None) -> dict[str, Decimal]:
    """Return the quantity steps that a trader has written down, by market."""
    return {} if view is None else {symbol: Decimal(step) for symbol, step in view.report.get("steps", {}).items()}


def _held(snapshot: Snapshot, steps: Mapping[str, Decimal]) -> Iterator[Position]:
    """Yield what is held in whole steps; less is dust, which the next trade sells."""
    for symbol, position in sorted(snapshot.positions.items()):
        if position.holding > 0 and position.holding >= steps.get(symbol, 0):
            yield position


def _positions(snapshot: Snapshot, prices: dict[str, str], steps: Mapping[str, Decimal]) -> tuple[OpenPosition, ...]:
    rows = []
    for position in _held(snapshot, steps):
        symbol = position.symbol
        price = Decimal(prices[symbol]) if symbol in prices else None
        value = None if price is None else position.holding * price
        result = None if value is None else position.received - position.paid - position.fee_quote + value
        rows.append(OpenPosition(symbol, _text(position.holding), _text(price), _text(value), _text(result)))
    return tuple(rows)


def _order(order: Order) -> OpenOrder:
    draft = order.draft
    return OpenOrder(
        cid=order.cid,
        list_cid=draft.list_cid,
        symbol=draft.symbol,
        side=draft.side,
        kind=draft.kind,
        status=order.status,
        quantity=_text(draft.quantity),
        filled=_text(order.filled),
        price=_text(draft.price),
        stop_price=_text(draft.stop_price),
    )


def _text(value: Decimal | None) -> Any:
    return None if value is None else plain_text(value)

"""The ledger: double entry in Decimal, per asset, over the accounts free, locked, venue, fees and external.

An entry moves an amount of one asset from one of its accounts to another, so their sum stays zero whatever is booked.
Money is spent in two phases: T1 locks what an order may spend, fills take from there, the end of the order releases the
rest. Entries never change; a mistake of the world is put right by another entry, from or to external.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from decimal import Decimal, localcontext

from huracan.errors import InvariantError
from huracan.execution.model import (
    Account,
    Balances,
    Fill,
    LedgerEntry,
    Position,
    Reservation,
    Transfer,
    assets_of,
)
from huracan.execution.money import EXACT
from huracan.venue.orders import Side

__all__ = [
    "book_entry",
    "book_position",
    "fill_entries",
    "fold_balances",
    "fold_positions",
    "lock_entry",
    "release_entry",
    "transfer_entry",
]

_FIELD = {account: account.value.lower() for account in Account}


def lock_entry(reservation: Reservation, at_ms: int) -> LedgerEntry:
    """Return the entry that sets aside what an order may spend."""
    if reservation.left != reservation.amount:
        raise InvariantError(f"reservation {reservation.ref} begins with {reservation.left} of {reservation.amount}")
    return LedgerEntry(reservation.asset, reservation.amount, Account.FREE, Account.LOCKED, at_ms, ref=reservation.ref)


def release_entry(reservation: Reservation, at_ms: int) -> LedgerEntry | None:
    """Return the entry that frees the rest of a reservation; None when nothing is left."""
    if reservation.left == 0:
        return None
    return LedgerEntry(reservation.asset, reservation.left, Account.LOCKED, Account.FREE, at_ms, ref=reservation.ref)


def transfer_entry(transfer: Transfer) -> LedgerEntry:
    """Return the entry of money from or to outside."""
    accounts = (Account.EXTERNAL, Account.FREE) if transfer.amount > 0 else (Account.FREE, Account.EXTERNAL)
    return LedgerEntry(transfer.asset, abs(transfer.amount), *accounts, at_ms=transfer.at_ms, reason=transfer.reason)


def fill_entries(fill: Fill, reservation: Reservation | None) -> tuple[tuple[LedgerEntry, ...], Reservation | None]:
    """Return the entries of a fill, and the reservation after it.

    What leaves in the reservation's asset is taken from what is locked there first, then from free: a fill beyond the
    reservation, or after its release, is booked all the same.
    """
    base, quote = assets_of(fill.symbol)
    with localcontext(EXACT):
        cost = fill.price * fill.quantity
        given, got = (
            ((quote, cost), (base, fill.quantity)) if fill.side is Side.BUY else ((base, fill.quantity), (quote, cost))
        )
        entries: list[LedgerEntry] = []

        def move(asset: str, amount: Decimal, source: Account, target: Account) -> None:
            if amount > 0:
                entries.append(
                    LedgerEntry(asset, amount, source, target, fill.at_ms, symbol=fill.symbol, trade_id=fill.trade_id)
                )

        def spend(asset: str, amount: Decimal, target: Account) -> None:
            nonlocal reservation
            locked = Decimal(0)
            if reservation is not None and reservation.asset == asset:
                locked = min(amount, reservation.left)
                reservation = replace(reservation, left=reservation.left - locked)
            move(asset, locked, Account.LOCKED, target)
            move(asset, amount - locked, Account.FREE, target)

        spend(*given, Account.VENUE)
        move(*got, Account.VENUE, Account.FREE)
        if fill.commission > 0:
            spend(fill.commission_asset, fill.commission, Account.FEES)
        else:
            move(fill.commission_asset, -fill.commission, Account.FEES, Account.FREE)
    return tuple(entries), reservation


def book_entry(balances: Balances, entry: LedgerEntry) -> Balances:
    """Return an asset's balances after one of its entries."""
    source, target = _FIELD[entry.source], _FIELD[entry.target]
    with localcontext(EXACT):
        after = replace(
            balances,
            **{
                source: getattr(balances, source) - entry.amount,
                target: getattr(balances, target) + entry.amount,
            },
        )
        total = after.free + after.locked + after.venue + after.fees + after.external
    if total != 0:
        raise InvariantError(f"the accounts of {entry.asset} sum to {total}, not to zero")
    return after


def book_position(position: Position, fill: Fill) -> Position:
    """Return a market's position after one fill."""
    base, quote = assets_of(fill.symbol)
    with localcontext(EXACT):
        cost = fill.price * fill.quantity
        buying = fill.side is Side.BUY
        return replace(
            position,
            bought=position.bought + (fill.quantity if buying else 0),
            sold=position.sold + (0 if buying else fill.quantity),
            paid=position.paid + (cost if buying else 0),
            received=position.received + (0 if buying else cost),
            fee_base=position.fee_base + (fill.commission if fill.commission_asset == base else 0),
            fee_quote=position.fee_quote + (fill.commission if fill.commission_asset == quote else 0),
        )


def fold_balances(entries: Iterable[LedgerEntry]) -> Mapping[str, Balances]:
    """Return every asset's balances from the whole ledger."""
    found: dict[str, Balances] = {}
    for entry in entries:
        found[entry.asset] = book_entry(found.get(entry.asset, Balances()), entry)
    return found


def fold_positions(fills: Iterable[Fill]) -> Mapping[str, Position]:
    """Return every market's position from all fills."""
    found: dict[str, Position] = {}
    for fill in fills:
        found[fill.symbol] = book_position(found.get(fill.symbol, Position(fill.symbol)), fill)
    return found

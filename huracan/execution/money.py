"""Money as execution writes it down: entries between five accounts of each asset, and what follows from them.

All of it is frozen and in finite `Decimal`s; times are ms since the epoch (UTC).
"""

from dataclasses import dataclass
from decimal import Context, Decimal, DivisionByZero, Inexact, InvalidOperation, Overflow
from enum import StrEnum
from typing import Final

from huracan.errors import InvariantError

__all__ = [
    "EXACT",
    "ZERO",
    "Account",
    "Balances",
    "LedgerEntry",
    "Position",
    "Reservation",
    "Shortfall",
    "Transfer",
    "assets_of",
    "not_negative",
    "positive",
]

ZERO = Decimal(0)

EXACT: Final = Context(prec=96, traps=[Inexact, InvalidOperation, DivisionByZero, Overflow])
"""Sums and products of money are exact or they are a defect; nothing is ever rounded."""


class Account(StrEnum):
    """The five accounts of each asset; their sum is zero, always."""

    FREE = "FREE"
    LOCKED = "LOCKED"
    VENUE = "VENUE"  # the other side of every fill
    FEES = "FEES"
    EXTERNAL = "EXTERNAL"  # the other side of deposits, withdrawals and the opening balance


def assets_of(symbol: str) -> tuple[str, str]:
    """Return base and quote asset of a ccxt symbol: `BTC/USDT` is of BTC and USDT.

    Raises:
        InvariantError: not a symbol of two assets.
    """
    base, slash, quote = symbol.partition(":")[0].partition("/")
    if not (base and slash and quote):
        raise InvariantError(f"{symbol!r} is no symbol: expected BASE/QUOTE")
    return base, quote


def positive(value: Decimal, what: str) -> None:
    """Refuse anything but a finite Decimal above 0."""
    if type(value) is not Decimal or not value.is_finite() or value <= 0:
        raise InvariantError(f"{what} is {value!r}, not a positive finite Decimal")


def not_negative(value: Decimal, what: str) -> None:
    """Refuse anything but a finite Decimal of at least 0."""
    if type(value) is not Decimal or not value.is_finite() or value < 0:
        raise InvariantError(f"{what} is {value!r}, not a finite Decimal of at least 0")


@dataclass(frozen=True, slots=True)
class Reservation:
    """What is set aside for an order or an order list until its outcome is known.

    Attributes:
        ref: cid, or list_cid for both legs together.
        intent_id, symbol: whose.
        asset: what is locked: quote currency to buy, coins to sell.
        amount: locked at the beginning, > 0.
        left: still locked.
        notional: exposure that risk counts until the order is complete, quote currency.
        heat: loss at the stop that risk counts, quote currency.
    """

    ref: str
    intent_id: str
    symbol: str
    asset: str
    amount: Decimal
    left: Decimal
    notional: Decimal = ZERO
    heat: Decimal = ZERO

    def __post_init__(self) -> None:
        positive(self.amount, f"reservation {self.ref}: amount")
        for value in (self.left, self.notional, self.heat):
            not_negative(value, f"reservation {self.ref}")


@dataclass(frozen=True, slots=True)
class Shortfall:
    """Nothing was written: `needed` of `asset` was asked for, `free` is there."""

    asset: str
    free: Decimal
    needed: Decimal


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """One movement of one asset between two of its accounts: the sum over them cannot change.

    Attributes:
        asset: what moved.
        amount: how much, > 0.
        source: account that lost it.
        target: account that got it.
        at_ms: when.
        ref: reservation that was locked or released; empty for others.
        symbol, trade_id: the fill that moved it; empty for others.
        reason: author and reason of an external movement; empty for others.
    """

    asset: str
    amount: Decimal
    source: Account
    target: Account
    at_ms: int
    ref: str = ""
    symbol: str = ""
    trade_id: str = ""
    reason: str = ""

    def __post_init__(self) -> None:
        positive(self.amount, f"ledger entry of {self.asset}")
        if self.source is self.target:
            raise InvariantError(f"ledger entry of {self.asset} from {self.source} to itself")


@dataclass(frozen=True, slots=True)
class Transfer:
    """Money that came (amount > 0) or went (< 0) outside of trading; the opening balance is one."""

    asset: str
    amount: Decimal
    at_ms: int
    reason: str

    def __post_init__(self) -> None:
        positive(abs(self.amount), f"transfer of {self.asset}")
        if not self.reason.strip():
            raise InvariantError(f"transfer of {self.asset} without a reason")


@dataclass(frozen=True, slots=True)
class Balances:
    """The five accounts of one asset; their sum is zero."""

    free: Decimal = ZERO
    locked: Decimal = ZERO
    venue: Decimal = ZERO
    fees: Decimal = ZERO
    external: Decimal = ZERO

    @property
    def total(self) -> Decimal:
        """What we hold: free and locked."""
        return EXACT.add(self.free, self.locked)


@dataclass(frozen=True, slots=True)
class Position:
    """Sums over all fills of one market.

    Attributes:
        symbol: which.
        bought, sold: coins.
        paid, received: quote currency, fees aside.
        fee_base, fee_quote: fees taken in coins and in quote currency.
    """

    symbol: str
    bought: Decimal = ZERO
    sold: Decimal = ZERO
    paid: Decimal = ZERO
    received: Decimal = ZERO
    fee_base: Decimal = ZERO
    fee_quote: Decimal = ZERO

    @property
    def quantity(self) -> Decimal:
        """Signed sum of fills, coins."""
        return EXACT.subtract(self.bought, self.sold)

    @property
    def holding(self) -> Decimal:
        """What trading left in coins: the signed sum of fills less fees taken in coins."""
        return EXACT.subtract(self.quantity, self.fee_base)

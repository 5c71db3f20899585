"""Money's types refuse what is no money."""

from decimal import Decimal
from typing import Any

import pytest

from huracan.errors import InvariantError
from huracan.execution.money import Account, Balances, LedgerEntry, Position, Reservation, Transfer, assets_of


@pytest.mark.parametrize(("symbol", "assets"), [("BTC/USDT", ("BTC", "USDT")), ("BTC/USDC:USDC", ("BTC", "USDC"))])
def test_a_symbol_has_two_assets(symbol: str, assets: tuple[str, str]) -> None:
    """Base and quote, whatever settles."""
    assert assets_of(symbol) == assets


@pytest.mark.parametrize("symbol", ["", "BTC", "BTCUSDT", "/USDT", "BTC/"])
def test_what_is_no_symbol_is_refused(symbol: str) -> None:
    """A symbol without two assets is a defect."""
    with pytest.raises(InvariantError, match="no symbol"):
        assets_of(symbol)


@pytest.mark.parametrize("amount", [0, 1.0, "1", Decimal(0), Decimal(-1), Decimal("NaN"), Decimal("Infinity")])
def test_an_amount_is_a_positive_finite_decimal(amount: Any) -> None:
    """Floats, zero, negatives and what is not finite do not enter the ledger (I13)."""
    with pytest.raises(InvariantError, match="not a positive finite Decimal"):
        LedgerEntry("USDT", amount, Account.FREE, Account.LOCKED, 0)
    with pytest.raises(InvariantError, match="not a positive finite Decimal"):
        Reservation("ref", "intent", "BTC/USDT", "USDT", amount, Decimal(0))


def test_an_entry_moves_money() -> None:
    """From an account to itself is no movement; a transfer has a reason."""
    with pytest.raises(InvariantError, match="to itself"):
        LedgerEntry("USDT", Decimal(1), Account.FREE, Account.FREE, 0)
    with pytest.raises(InvariantError, match="without a reason"):
        Transfer("USDT", Decimal(1), 0, " ")


def test_what_follows_from_sums() -> None:
    """Total is free and locked; a holding is what was bought less what was sold and taken as fee."""
    assert Balances(free=Decimal(2), locked=Decimal(3), venue=Decimal(-5)).total == 5
    position = Position("BTC/USDT", bought=Decimal(3), sold=Decimal(1), fee_base=Decimal("0.5"))
    assert (position.quantity, position.holding) == (Decimal(2), Decimal("1.5"))

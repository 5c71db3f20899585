"""The ledger: double entry per asset, exact, two-phase."""

from decimal import Decimal, Inexact, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from huracan.errors import InvariantError
from huracan.execution.ledger import (
    book_entry,
    fill_entries,
    fold_balances,
    fold_positions,
    lock_entry,
    release_entry,
    transfer_entry,
)
from huracan.execution.model import Account, Balances, Transfer
from huracan.execution.money import EXACT
from huracan.venue.orders import Side
from tests.execution.samples import NOW_MS, D, buy, fill, intent, market_sell, reserve

ENTER = intent()
BUY = buy(ENTER)
SELL = market_sell(ENTER, 1, "3")


def test_a_buy_takes_from_what_is_locked() -> None:
    """Cost from locked, coins from the venue, the fee out of the coins; the rest stays locked."""
    entries, after = fill_entries(fill(BUY, "1", "2", price="99"), reserve(BUY))
    assert [(item.asset, item.amount, item.source, item.target) for item in entries] == [
        ("USDT", D(198), Account.LOCKED, Account.VENUE),
        ("BTC", D(2), Account.VENUE, Account.FREE),
        ("BTC", D("0.002"), Account.FREE, Account.FEES),
    ]
    assert after is not None
    assert after.left == D(102)
    released = release_entry(after, NOW_MS)
    assert released is not None
    assert (released.amount, released.source, released.target) == (D(102), Account.LOCKED, Account.FREE)


def test_what_exceeds_the_reservation_is_free_money() -> None:
    """A fill beyond what was locked, or after the release, is booked all the same."""
    entries, after = fill_entries(fill(BUY, "1", "4"), reserve(BUY))
    assert [(item.amount, item.source) for item in entries[:2]] == [(D(300), Account.LOCKED), (D(100), Account.FREE)]
    assert after is not None
    assert after.left == 0
    assert release_entry(after, NOW_MS) is None
    entries, after = fill_entries(fill(SELL, "2", "1"), None)
    assert entries[0].source is Account.FREE
    assert after is None


def test_a_fee_in_the_locked_asset_comes_from_there() -> None:
    """A buy with its fee in quote currency spends both out of the reservation."""
    paid = fill(BUY, "1", "1", commission=D("0.1"), commission_asset="USDT")
    entries, after = fill_entries(paid, reserve(BUY))
    assert (entries[-1].source, entries[-1].target) == (Account.LOCKED, Account.FEES)
    assert after is not None
    assert after.left == D("199.9")


amounts = st.integers(1, 10**24).map(lambda number: Decimal(number).scaleb(-12))


@given(
    trades=st.lists(st.tuples(st.booleans(), amounts, amounts, st.decimals(-5, 5, places=8)), max_size=20),
    deposit=amounts,
)
def test_every_asset_sums_to_zero(trades: list[tuple[bool, Decimal, Decimal, Decimal]], deposit: Decimal) -> None:
    """Whatever is booked, in numbers of 24 digits, the five accounts of each asset sum to exactly zero (I1, I13)."""
    entries = [transfer_entry(Transfer("USDT", deposit, NOW_MS, "opening"))]
    fills = []
    for number, (buying, quantity, price, commission) in enumerate(trades):
        draft = BUY if buying else SELL
        made = fill(draft, str(number), str(quantity), str(price), commission=commission, commission_asset="BNB")
        fills.append(made)
        entries += fill_entries(made, None)[0]
    for row in fold_balances(entries).values():
        with localcontext(EXACT):
            assert row.free + row.locked + row.venue + row.fees + row.external == 0
        assert all(isinstance(value, Decimal) for value in (row.free, row.venue))
    with localcontext(EXACT):
        signed = sum((item.quantity if item.side is Side.BUY else -item.quantity for item in fills), D(0))
    position = fold_positions(fills).get("BTC/USDT")
    assert (position.quantity if position else D(0)) == signed


def test_nothing_is_ever_rounded() -> None:
    """A sum that would lose a digit is a defect, not a number."""
    huge = Balances(free=Decimal("1e60"), external=Decimal("-1e60"))
    entry = transfer_entry(Transfer("USDT", Decimal("1e-60"), NOW_MS, "dust"))
    with pytest.raises(Inexact):
        book_entry(huge, entry)


def test_books_that_do_not_balance_are_refused() -> None:
    """An asset whose accounts do not sum to zero is not written on."""
    with pytest.raises(InvariantError, match="sum to 1"):
        book_entry(Balances(free=D(1)), lock_entry(reserve(BUY), NOW_MS))


def test_a_reservation_begins_whole() -> None:
    """What is locked at the beginning is all of it."""
    _, used = fill_entries(fill(BUY, "1", "1"), reserve(BUY))
    assert used is not None
    with pytest.raises(InvariantError, match="begins with 200 of 300"):
        lock_entry(used, NOW_MS)

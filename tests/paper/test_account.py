"""Money of an account."""

from decimal import Decimal

import pytest

from huracan.errors import InvariantError
from huracan.paper.account import check_locks, lock, lock_needed, move, open_account, release, settle
from huracan.paper.errors import Refusal
from huracan.paper.matching import Part, make_terms
from huracan.paper.settings import PaperSettings
from huracan.paper.state import Order, OrderType, Phase, Side, Tif
from tests.paper.world import ANNA, FLAT, market

LISTED = market([FLAT])
TERMS = make_terms(LISTED, 0, PaperSettings(0))


def order(side: Side, quantity: int, limit: int) -> Order:
    """Return a resting limit."""
    return Order(
        1, "a", "anna", "AAAUSDT", side, OrderType.LIMIT, Tif.GTC, quantity, limit, 0, Decimal(0), "NONE", 2, 0,
        Phase.WINDOW, 0, 0, True,
    )  # fmt: skip


def test_a_buy_locks_its_price_and_releases_what_better_prices_save() -> None:
    """1.000 at 100.00 locks 100; 0.4 bought at 99.00 spend 39.60, and 60 stay locked for the rest."""
    state, one = open_account(ANNA), order(Side.BUY, 1_000, 10_000)
    asset, amount = lock_needed(one, 1_000, LISTED, TERMS)
    assert (asset, amount) == ("USDT", 100)
    lock(state, one, asset, amount)
    after = lock_needed(one, 600, LISTED, TERMS)[1]
    settle(state, one, LISTED, Side.BUY, Part(9_900, 400), (Decimal("0.0004"), "AAA"), after)
    assert (state.money["USDT"].free, state.money["USDT"].locked) == (Decimal("99900.4"), 60)
    assert state.money["AAA"].free == Decimal("0.3996")
    release(state, one, "USDT")
    assert state.money["USDT"].locked == 0
    assert one.locked == 0


def test_a_sell_locks_its_coins() -> None:
    """And its fee comes from the proceeds."""
    state, one = open_account(ANNA), order(Side.SELL, 1_000, 10_000)
    move(state, "AAA", Decimal(1))
    lock(state, one, *lock_needed(one, 1_000, LISTED, TERMS))
    settle(state, one, LISTED, Side.SELL, Part(10_000, 1_000), (Decimal("0.1"), "USDT"), Decimal(0))
    assert state.money["AAA"].free + state.money["AAA"].locked == 0
    assert state.money["USDT"].free == Decimal("100099.9")


def test_more_than_is_free_cannot_be_locked() -> None:
    """-2010, and nothing has moved."""
    state, one = open_account(ANNA), order(Side.BUY, 10**7, 10_001)
    with pytest.raises(Refusal, match="insufficient balance"):
        lock(state, one, *lock_needed(one, one.quantity, LISTED, TERMS))
    assert state.money["USDT"].free == 100_000


def test_money_is_never_negative() -> None:
    """Such a move is a defect, not a debt."""
    state = open_account(ANNA)
    with pytest.raises(InvariantError, match="cannot move"):
        move(state, "USDT", Decimal(-100_001))
    with pytest.raises(InvariantError, match="cannot move"):
        move(state, "USDT", Decimal(0), Decimal(-1))


def test_locks_without_orders_are_found() -> None:
    """Locked money is what orders hold, at every event."""
    state = open_account(ANNA)
    check_locks(state)
    move(state, "USDT", Decimal(-1), Decimal(1))
    with pytest.raises(InvariantError, match="locked"):
        check_locks(state)


def test_an_ended_order_that_holds_money_is_found() -> None:
    """The sums agree and yet the order is not open."""
    state, one = open_account(ANNA), order(Side.BUY, 1_000, 10_000)
    lock(state, one, "USDT", Decimal(100))
    state.orders[1] = one
    with pytest.raises(InvariantError, match="stale"):
        check_locks(state)

"""Status: what rows amount to, dust and expired locks left out."""

from dataclasses import replace
from decimal import Decimal

import pytest

from huracan.execution.model import Lock, Order, Position, Snapshot, StateChange, Status
from huracan.risk.live import DayBook
from huracan.trader.status import Holding, holdings, status_of, steps_of
from huracan.trader.views import AccountState, Holder
from tests.execution.samples import bracket, intent

EMPTY = Snapshot({}, {}, {}, {}, {}, {}, {}, (), None)
VIEW = AccountState(
    9_000, 5_000, 8_000, "paper", DayBook(0, 100.0, 90.0), Decimal(110),
    {
        "equity": "90", "cash": "40", "currency": "USDT", "prices": {"A/USDT": "50"},
        "steps": {"A/USDT": "0.1", "B/USDT": "0.1"}, "limits": [{"name": "heat_frac", "used": 0.1, "limit": 0.15}],
    },
)  # fmt: skip


def held(symbol: str, bought: str, sold: str = "0", **changes: str) -> Position:
    """Return a position bought at 40 and sold at 45."""
    plain = Position(symbol, Decimal(bought), Decimal(sold), 40 * Decimal(bought), 45 * Decimal(sold))
    return replace(plain, **{name: Decimal(value) for name, value in changes.items()})


def test_an_account_that_was_never_traded_is_active_and_empty() -> None:
    """Nothing is made up."""
    found = status_of("main", EMPTY, None, None, 1)
    assert (found.mode, found.state, found.breaker, found.holder, found.equity) == (None, "ACTIVE", None, None, None)
    assert (found.positions, found.orders, found.limits, found.locks, found.unknown) == ((), (), (), (), 0)


def test_positions_are_valued_and_dust_is_left_out() -> None:
    """Result: received - paid - fees + value, and no digit more than there is."""
    positions = {
        "A/USDT": held("A/USDT", "2.0", "0.5", fee_base="0.002", fee_quote="1.5"),
        "B/USDT": held("B/USDT", "1.05", "1"),
        "C/USDT": held("C/USDT", "1", "1"),
        "D/USDT": held("D/USDT", "3"),
    }
    found = status_of("main", replace(EMPTY, positions=positions), VIEW, Holder("anna@home:7", 3.5), 1)
    first, second = found.positions
    assert (first.symbol, first.quantity, first.price, first.value) == ("A/USDT", "1.498", "50", "74.9")
    assert first.result == "15.9"
    assert (second.symbol, second.price, second.result) == ("D/USDT", None, None)
    assert (found.holder, found.holder_for_s, found.day_result) == ("anna@home:7", 3.5, -10.0)
    assert [(row.name, row.used, row.limit) for row in found.limits] == [("heat_frac", 0.1, 0.15)]


@pytest.mark.parametrize(
    ("quantity", "status", "protected"),
    [
        ("1.4", Status.ACCEPTED, True),  # what is left is less than a step
        ("1.3", Status.ACCEPTED, False),
        ("1.4", Status.PARTIALLY_FILLED, True),
        ("1.4", Status.UNKNOWN, False),
        ("1.4", Status.PENDING_CANCEL, False),
        ("1.4", Status.CANCELED, False),
    ],
)
def test_what_is_held_is_protected_by_a_stop_for_all_of_it_that_is_known_to_rest(
    quantity: str, status: Status, protected: bool
) -> None:
    """Dust is not counted; an order that may be there, or may be going, is no stop."""
    legs = bracket(intent(symbol="A/USDT"), 1, quantity, "50", "30")
    orders = {leg.cid: Order(leg, status) for leg in legs}
    positions = {"A/USDT": held("A/USDT", "2", "0.5", fee_base="0.002"), "B/USDT": held("B/USDT", "1.05", "1")}
    snapshot = replace(EMPTY, positions=positions, orders=orders)
    assert holdings(snapshot, steps_of(VIEW)) == (Holding("A/USDT", "1.498", protected),)


def test_the_breaker_is_open_as_long_as_its_state_stands() -> None:
    """A person's halt is no trip."""
    tripped = StateChange(3, "HALTED", "breaker", "breaker: rejects 5, limit 5", 7)
    assert status_of("main", replace(EMPTY, state=tripped), VIEW, None, 1).breaker == tripped.reason
    by_hand = replace(tripped, author="anna@home")
    assert status_of("main", replace(EMPTY, state=by_hand), VIEW, None, 1).breaker is None


def test_locks_end_on_the_market_clock() -> None:
    """At 5,000 one that ended then is over; without a view the wall clock must do."""
    locks = tuple(Lock("A/USDT", "X", "d", "risk", 0, until) for until in (5_000, 5_001, None))
    snapshot = replace(EMPTY, locks=locks)
    assert [row.until_ms for row in status_of("main", snapshot, VIEW, None, 10**12).locks] == [5_001, None]
    assert [row.until_ms for row in status_of("main", snapshot, None, None, 10**12).locks] == [None]

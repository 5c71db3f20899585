"""Orders' types refuse what must never be sent, and derive what follows from fills."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from huracan.errors import InvariantError
from huracan.execution.orders import Fill, Order, OrderFact, Status, Trigger
from huracan.venue.orders import OrderKind
from tests.execution.samples import D, bracket, buy, fill, intent, market_sell

PARENT = intent()
DRAFT = buy(PARENT)


def test_figures_follow_from_sums() -> None:
    """Leaves and overfill are never negative; the average is for people."""
    order = Order(DRAFT, Status.PARTIALLY_FILLED, filled=D("0.3"), cost=D("29.7"))
    assert (order.leaves, order.overfill, order.average) == (D("2.7"), D(0), D(99))
    over = replace(order, status=Status.FILLED, filled=D("3.5"))
    assert (over.leaves, over.overfill) == (D(0), D("0.5"))
    assert Order(DRAFT, Status.SUBMITTED).average is None


@pytest.mark.parametrize(
    ("status", "filled", "venue_filled", "complete"),
    [
        (Status.EXPIRED, 1, 1, True),
        (Status.EXPIRED, 0, 1, False),
        (Status.CANCELED, 1, 0, True),
        (Status.PENDING_CANCEL, 1, 1, False),
        (Status.NEVER_SENT, 0, 0, True),
        (Status.UNKNOWN, 0, 0, False),
    ],
)
def test_complete_is_over_and_booked(status: Status, filled: int, venue_filled: int, complete: bool) -> None:
    """An order is over once the venue's executed quantity is booked, not when its status says so."""
    assert Order(DRAFT, status, filled=D(filled), venue_filled=D(venue_filled)).complete is complete


def test_a_draft_has_the_prices_of_its_kind() -> None:
    """A market order has none, a stop a trigger, all others a limit; a list's legs are reserved together."""
    above, below = bracket(PARENT, 0, "1", "110", "90")
    assert above.ref == below.ref == above.list_cid
    assert DRAFT.ref == DRAFT.cid
    assert market_sell(PARENT, 1, "1").price is None
    with pytest.raises(InvariantError, match="with limit"):
        replace(DRAFT, price=None)
    with pytest.raises(InvariantError, match="with limit"):
        replace(DRAFT, kind=OrderKind.MARKET)
    with pytest.raises(InvariantError, match="with trigger"):
        replace(below, kind=OrderKind.LIMIT, price=D(1))


@pytest.mark.parametrize("number", [0, 1.5, Decimal("NaN"), Decimal("Infinity"), Decimal(-1), Decimal(0)])
def test_a_figure_is_a_positive_finite_decimal(number: Any) -> None:
    """Of a draft, an intent and a fill alike (I13)."""
    for column in ("quantity", "price"):
        with pytest.raises(InvariantError, match="not a positive finite Decimal"):
            replace(DRAFT, **{column: number})
        with pytest.raises(InvariantError, match="not a positive finite Decimal"):
            replace(fill(DRAFT, "1", "1"), **{column: number})
    with pytest.raises(InvariantError, match="not a positive finite Decimal"):
        intent(quantity=number)


def test_a_commission_may_be_a_rebate_but_is_a_number() -> None:
    """Negative is fine, NaN and floats are not."""
    made: Fill = fill(DRAFT, "1", "1", commission=D("-0.1"))
    assert made.commission == D("-0.1")
    for wrong in (0.1, Decimal("NaN")):
        with pytest.raises(InvariantError, match="commission"):
            replace(made, commission=wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("trigger", [Trigger.SUBMIT, Trigger.FILL_PART, Trigger.FILL_ALL])
def test_a_fill_is_not_stated(trigger: Trigger) -> None:
    """Only fills say that an order filled."""
    with pytest.raises(InvariantError, match="not stated"):
        OrderFact(DRAFT.cid, trigger, 0)


def test_an_intent_has_a_whole_state_or_none() -> None:
    """80 float32 are 320 bytes."""
    with pytest.raises(InvariantError, match="319 bytes"):
        intent(state=bytes(319))

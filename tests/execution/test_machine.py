"""The order machine: one table, and the same end whatever the order of arrival."""

import random
from decimal import Decimal
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from huracan.errors import InvariantError
from huracan.execution.book import Book, Delta, begin, record
from huracan.execution.machine import RANK, TRANSITIONS, advance, fill_event, next_status, state_event, submit_event
from huracan.execution.model import (
    TERMINAL,
    Balances,
    Fill,
    Order,
    OrderFact,
    Record,
    Status,
    Trigger,
)
from tests.execution.samples import NOW_MS, D, buy, fact, fill, intent, reserve

PARENT = intent()
DRAFT = buy(PARENT)
START = advance(None, submit_event(DRAFT), DRAFT, None)


def new_book() -> Book:
    """Return a book with an intent and 1,000 USDT."""
    return Book(intents={PARENT.intent_id: PARENT}, balances={"USDT": Balances(free=D(1000), external=D(-1000))})


def book_with_order() -> Book:
    """Return the same with its order written down."""
    book = new_book()
    delta = begin(book, [DRAFT], reserve(DRAFT))
    assert isinstance(delta, Delta)
    book.commit(delta)
    return book


def _outcome(news: tuple[OrderFact | Fill, ...]) -> tuple[object, ...]:
    """Tell the news one by one and return how the order, the money and the reservation end."""
    book = book_with_order()
    known: dict[tuple[str, str], Fill] = {}
    for item in news:
        request = Record(fills=(item,)) if isinstance(item, Fill) else Record(facts=(item,))
        delta = record(book, request, known)
        book.commit(delta)
        known.update({new.key: new for new in delta.fills})
    order = book.orders[DRAFT.cid]
    figures = (order.status, order.filled, order.cost, order.venue_filled, order.venue_id, order.leaves)
    return (*figures, book.balances, book.positions, book.reservations)


NEWS: tuple[OrderFact | Fill, ...] = (
    fact(DRAFT, Trigger.ACCEPT, venue_id="77"),
    fact(DRAFT, Trigger.LOSE),
    fill(DRAFT, "1", "1"),
    fill(DRAFT, "2", "0.5", price="99.5"),
    fact(DRAFT, Trigger.CANCEL, venue_filled=D("1.5")),
    fact(DRAFT, Trigger.EXPIRE, venue_filled=D("1.5")),
)


def test_every_order_of_arrival_ends_the_same() -> None:
    """Acknowledgement, loss, two fills, cancel and expiry: 720 arrivals, one order, one balance, one position."""
    ends = [_outcome(news) for news in permutations(NEWS)]
    assert all(end == ends[0] for end in ends)
    assert ends[0][:2] == (Status.EXPIRED, D("1.5"))
    assert ends[0][-1] == {}


@settings(max_examples=300, deadline=None)
@given(
    quantities=st.lists(st.integers(1, 15), min_size=0, max_size=5),
    end=st.sampled_from([None, Trigger.CANCEL, Trigger.EXPIRE]),
    seed=st.integers(0, 2**32 - 1),
)
def test_any_news_in_any_order_with_repetitions(quantities: list[int], end: Trigger | None, seed: int) -> None:
    """Fills up to and beyond the quantity, an end, everything told up to three times: the end does not depend on it."""
    fills = [fill(DRAFT, str(number), str(Decimal(size) / 10)) for number, size in enumerate(quantities)]
    total = Decimal(sum(quantities)) / 10
    news: list[OrderFact | Fill] = [fact(DRAFT, Trigger.ACCEPT, venue_id="77"), *fills]
    if end is not None:
        news.append(fact(DRAFT, end, venue_filled=min(total, DRAFT.quantity)))
    expected = _outcome(tuple(news))
    shuffled = [item for item in news for _ in range(1 + seed % 3)]
    random.Random(seed).shuffle(shuffled)
    assert _outcome(tuple(shuffled)) == expected
    assert expected[1] == total
    if total >= DRAFT.quantity:
        assert expected[0] is Status.FILLED


def test_a_terminal_status_only_rises() -> None:
    """Every row of the table that leaves a terminal status leads to a higher one; nothing that ended works again."""
    for (status, _), after in TRANSITIONS.items():
        if status in TERMINAL:
            assert after in TERMINAL
            assert RANK[after] >= RANK[status]
    assert set(RANK) == set(TERMINAL)


def test_only_a_complete_fill_makes_filled() -> None:
    """FILLED is never a venue's word: it follows from fills, from every status."""
    for (status, trigger), after in TRANSITIONS.items():
        assert (after is Status.FILLED) == (status is Status.FILLED or trigger is Trigger.FILL_ALL)
    for status in Status:
        assert TRANSITIONS[status, Trigger.FILL_ALL] is Status.FILLED
        assert (status, Trigger.FILL_PART) in TRANSITIONS


@pytest.mark.parametrize("status", [item for item in Status if item is not Status.SUBMITTED])
def test_only_a_fresh_order_is_abandoned(status: Status) -> None:
    """NEVER_SENT is said of what was never sent, and may be said again."""
    order = Order(DRAFT, status)
    if status is Status.NEVER_SENT:
        assert next_status(order, Trigger.ABANDON) is Status.NEVER_SENT
    else:
        with pytest.raises(InvariantError, match="impossible"):
            next_status(order, Trigger.ABANDON)


def test_an_order_that_was_marked_is_not_abandoned() -> None:
    """With a time of sending it may be at the venue: only the resolver may end it."""
    with pytest.raises(InvariantError, match="impossible"):
        next_status(Order(DRAFT, Status.SUBMITTED, sent_ms=NOW_MS), Trigger.ABANDON)


def test_a_refused_cancel_returns_to_where_it_was() -> None:
    """Back to ACCEPTED without fills, to PARTIALLY_FILLED with some."""
    resting = Order(DRAFT, Status.PENDING_CANCEL)
    assert next_status(resting, Trigger.CANCEL_REFUSED) is Status.ACCEPTED
    partly = Order(DRAFT, Status.PENDING_CANCEL, filled=D(1), cost=D(100))
    assert next_status(partly, Trigger.CANCEL_REFUSED) is Status.PARTIALLY_FILLED


def test_old_news_makes_no_event() -> None:
    """Nothing new in status, id or executed quantity: no line in the history."""
    first = state_event(START, fact(DRAFT, Trigger.ACCEPT, venue_id="77", venue_filled=D(1)))
    assert first is not None
    order = advance(START, first, DRAFT, None)
    assert state_event(order, fact(DRAFT, Trigger.ACCEPT, venue_id="77", venue_filled=D("0.5"))) is None
    more = state_event(order, fact(DRAFT, Trigger.ACCEPT, venue_filled=D(2)))
    assert more is not None
    assert (more.seq, more.venue_id, more.venue_filled) == (3, None, D(2))
    with pytest.raises(InvariantError, match="said to be 78"):
        state_event(order, fact(DRAFT, Trigger.ACCEPT, venue_id="78"))


def test_history_has_no_gap() -> None:
    """An event that does not follow, or whose fill is missing, is refused."""
    bought = fill(DRAFT, "1", "1")
    event = fill_event(START, bought)
    assert advance(START, event, DRAFT, bought).filled == D(1)
    with pytest.raises(InvariantError, match="do not belong together"):
        advance(START, event, DRAFT, None)
    with pytest.raises(InvariantError, match="begins with event 2"):
        advance(None, event, DRAFT, bought)
    with pytest.raises(InvariantError, match="follows"):
        advance(advance(START, event, DRAFT, bought), event, DRAFT, bought)

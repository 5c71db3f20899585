"""The book: requests and what is known give changes, and nothing changes before the commit."""

from copy import deepcopy

import pytest

from huracan.errors import InvariantError
from huracan.execution.book import Book, Delta, begin, halts, mark, newer, record, settle
from huracan.execution.model import (
    Alarm,
    AlarmCode,
    Balances,
    IntentKind,
    IntentStatus,
    Lock,
    Record,
    Status,
    Trigger,
)
from tests.execution.samples import NOW_MS, SYMBOL, D, bracket, buy, fact, fill, intent, reserve

PARENT = intent()
DRAFT = buy(PARENT)


@pytest.fixture
def book() -> Book:
    """An intent to buy 3, and 1,000 USDT."""
    return Book(intents={PARENT.intent_id: PARENT}, balances={"USDT": Balances(free=D(1000), external=D(-1000))})


def _begun(book: Book) -> Book:
    delta = begin(book, [DRAFT], reserve(DRAFT))
    assert isinstance(delta, Delta)
    book.commit(delta)
    return book


def test_nothing_changes_before_the_commit(book: Book) -> None:
    """A change that could not be written leaves the book as it was."""
    before = deepcopy(book)
    begin(book, [DRAFT], reserve(DRAFT))
    assert book == before
    before = deepcopy(_begun(book))
    record(book, Record(fills=(fill(DRAFT, "1", "3"),), cursors={SYMBOL: "1"}), {})
    mark(book, [DRAFT.cid], NOW_MS)
    assert book == before


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        ({"side_of": IntentKind.PROTECT}, "of an intent to"),
        ({"reservation": "other"}, "is not its own"),
        ({"legs": 3}, "an order alone"),
        ({"legs": 1}, "an order alone"),
        ({"no_intent": True}, "does not exist"),
    ],
)
def test_what_contradicts_itself_is_refused(book: Book, change: dict[str, object], refusal: str) -> None:
    """A wrong side, another order's reservation, half a list or an order without an intent is a defect."""
    drafts, reservation = [DRAFT], reserve(DRAFT)
    if "side_of" in change:
        other = intent(kind=IntentKind.PROTECT, side=DRAFT.side)
        book.intents[PARENT.intent_id] = intent(side=bracket(other, 0, "1", "2", "1")[0].side)
    if "reservation" in change:
        reservation = reserve(buy(PARENT, 7))
    if "legs" in change:
        legs = list(bracket(PARENT, 0, "1", "110", "90"))
        drafts = legs[:1] if change["legs"] == 1 else [*legs, legs[0]]
        reservation = reserve(*legs)
    if "no_intent" in change:
        book.intents.clear()
    with pytest.raises(InvariantError, match=refusal):
        begin(book, drafts, reservation)


def test_a_book_lets_go_of_what_is_over(book: Book) -> None:
    """A closed intent is forgotten with its orders, but not while one of them may still fill."""
    _begun(book).forget(PARENT.intent_id)
    assert DRAFT.cid in book.orders
    book.commit(record(book, Record(facts=(fact(DRAFT, Trigger.REJECT),)), {}))
    book.forget(PARENT.intent_id)
    assert not book.orders
    assert not book.intents
    assert not book.children


def test_an_order_marked_sent_stays_marked(book: Book) -> None:
    """T2 happens once."""
    (sent,) = mark(_begun(book), [DRAFT.cid], NOW_MS)
    assert (sent.status, sent.sent_ms, sent.seq) == (Status.SUBMITTED, NOW_MS, 1)
    book.add_order(sent)
    with pytest.raises(InvariantError, match="not to be sent"):
        mark(book, [DRAFT.cid], NOW_MS)


def test_alarms_halt_once(book: Book) -> None:
    """A named symbol is locked without end unless it is for the same reason; quiet alarms lock nothing."""
    told = (
        Alarm(AlarmCode.BALANCE_MISMATCH, "*", NOW_MS, "a"),
        Alarm(AlarmCode.BALANCE_MISMATCH, "*", NOW_MS, "a"),
        Alarm(AlarmCode.BALANCE_SHORT, SYMBOL, NOW_MS, "b"),
        Alarm(AlarmCode.STUCK_ORDER, SYMBOL, NOW_MS, "c"),
        Alarm(AlarmCode.INVARIANT, "", NOW_MS, "d"),
    )
    delta = record(book, Record(alarms=told), {})
    halts(delta, [Lock(SYMBOL, "STUCK_ORDER", "c", "ledger", NOW_MS, None)])
    assert delta.alarms == [told[0], told[2], told[4]]
    assert [(lock.symbol, lock.code, lock.until_ms) for lock in delta.locks] == [("*", "BALANCE_MISMATCH", None)]


def test_a_revived_order_is_an_alarm(book: Book) -> None:
    """The venue acknowledges what was proven absent: it stays rejected, and a person must look."""
    _begun(book)
    book.commit(record(book, Record(facts=(fact(DRAFT, Trigger.REJECT, reason="absent"),)), {}))
    delta = record(book, Record(facts=(fact(DRAFT, Trigger.ACCEPT, venue_id="77"),)), {})
    assert [alarm.code for alarm in delta.alarms] == [AlarmCode.REVIVED]
    assert delta.orders[DRAFT.cid].status is Status.REJECTED


@pytest.mark.parametrize(
    ("trade_id", "than", "result"), [("1", None, True), ("10", "9", True), ("9", "10", False), ("9", "9", False)]
)
def test_trade_ids_are_ordered_as_numbers(trade_id: str, than: str | None, result: bool) -> None:
    """A longer id is a later one."""
    assert newer(trade_id, than) is result


def test_an_intent_that_does_not_exist_is_not_settled() -> None:
    """Settling nothing is a defect."""
    with pytest.raises(InvariantError, match="there is no intent"):
        settle(None, "x", IntentStatus.DONE, "", None)

"""Reservations: what risk counts is never less than what the venue may have done, and nothing is counted for ever."""

from dataclasses import dataclass, replace
from decimal import Decimal as D

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, multiple, rule

from huracan.errors import InvariantError
from huracan.risk.live import Reservation, ReservationBook
from huracan.venue.orders import Side
from tests.risk.cases import reservation


def _buy(key: str, quantity: int) -> Reservation:
    return reservation(key, quantity=D(quantity))


def test_a_reservation_shrinks_by_booked_fills_only() -> None:
    """Ten approved, three booked: seven may come; booked in full it is gone."""
    book = ReservationBook().held(_buy("a", 10)).filled("a", D(3))
    assert [row.left for row in book.rows] == [D(7)]
    assert book.filled("a", D(7)) == ReservationBook()


def test_a_terminal_word_keeps_what_it_says_was_filled_until_that_is_booked() -> None:
    """Cancelled after six of ten, two of them booked: four are still to come, then nothing."""
    book = ReservationBook().held(_buy("a", 10)).filled("a", D(2)).ended("a", D(6))
    assert [row.left for row in book.rows] == [D(4)]
    assert book.filled("a", D(4)) == ReservationBook()


def test_what_was_never_sent_or_rejected_is_released() -> None:
    """Nothing was filled and nothing will be."""
    assert ReservationBook().held(_buy("a", 10)).ended("a", D(0)) == ReservationBook()


def test_of_two_terminal_words_the_larger_counts() -> None:
    """A late word with less filled does not release what an earlier one announced; one with more reserves it."""
    book = ReservationBook().held(_buy("a", 10)).ended("a", D(6))
    assert book.ended("a", D(0)) == book
    assert [row.left for row in book.ended("a", D(8)).rows] == [D(8)]


def test_an_overfill_counts_in_full() -> None:
    """The venue says twelve of ten: twelve are expected."""
    assert [row.left for row in ReservationBook().held(_buy("a", 10)).ended("a", D(12)).rows] == [D(12)]


def test_a_fact_about_an_intent_that_is_over_changes_nothing() -> None:
    """Its fill is in the position; a repeated terminal word is old news."""
    assert ReservationBook().filled("gone", D(1)) == ReservationBook()
    assert ReservationBook().ended("gone", D(1)) == ReservationBook()


def test_buys_and_sells_are_counted_apart() -> None:
    """Cash is reserved by buys, coins by sells; a bracket that is being replaced can be left out."""
    book = ReservationBook().held(_buy("a", 10)).held(reservation("s", side=Side.SELL)).held(_buy("b", 1))
    assert [row.key for row in book.buys("B/USDT")] == ["a", "b"]
    assert book.buys("A/USDT") == ()
    assert book.selling("B/USDT") == D(1)
    assert book.selling("B/USDT", frozenset({"s"})) == book.selling("A/USDT") == D(0)
    assert book.cash == 11 * 200 * D("1.001")


def test_an_order_without_a_stop_risks_everything_it_costs() -> None:
    """Ten at 200 with a fee of 0.1 %: 2,002 paid; stopped at 190 1,898.1 come back."""
    row = _buy("a", 10)
    assert (row.notional, row.heat) == (D(2_002), D(2_002) - D("1898.1"))
    assert replace(row, stop=None).heat == row.notional


def test_a_defect_is_a_fault() -> None:
    """Reserving twice or nothing, and a fill of nothing, are bugs of the caller and never pass silently."""
    book = ReservationBook().held(_buy("a", 10))
    with pytest.raises(InvariantError, match="there already"):
        book.held(_buy("a", 1))
    with pytest.raises(InvariantError, match="empty"):
        book.held(_buy("b", 0))
    for bad in (D(0), D(-1), D("NaN")):
        with pytest.raises((InvariantError, ArithmeticError)):
            book.filled("a", bad)


@dataclass
class _Order:
    """One order as the venue has it, and how much of it we booked."""

    intent: str
    quantity: int
    sent: bool = False
    filled: int = 0
    terminal: bool = False
    booked: int = 0
    known_terminal: bool = False


class Exposure(RuleBasedStateMachine):
    """A venue that acts when it likes, words that arrive when they like, and a book that must never say too little."""

    orders = Bundle("orders")

    def __init__(self) -> None:
        super().__init__()
        self.book = ReservationBook()
        self.position = 0
        self.intents: dict[str, int] = {}
        self.over: set[str] = set()
        self.all: list[_Order] = []

    def _of(self, intent: str) -> list[_Order]:
        return [order for order in self.all if order.intent == intent]

    @rule(target=orders, quantity=st.integers(1, 20))
    def approve(self, quantity: int) -> _Order:
        """Reserve a new intent; its first order is not sent yet."""
        intent = f"i{len(self.intents)}"
        self.intents[intent] = quantity
        self.book = self.book.held(_buy(intent, quantity))
        self.all.append(_Order(intent, quantity))
        return self.all[-1]

    @rule(order=orders)
    def send(self, order: _Order) -> None:
        """Let the request leave; whether an answer comes is open."""
        order.sent = order.sent or not order.known_terminal

    @rule(order=orders, quantity=st.integers(1, 20))
    def venue_fills(self, order: _Order, quantity: int) -> None:
        """Fill part of a working order, unknown to us."""
        if order.sent and not order.terminal:
            order.filled = min(order.quantity, order.filled + quantity)
            order.terminal = order.filled == order.quantity

    @rule(order=orders)
    def venue_ends(self, order: _Order) -> None:
        """Cancel, expire or reject it at the venue, unknown to us."""
        order.terminal = order.terminal or order.sent

    @rule(order=orders, quantity=st.integers(1, 20))
    def book_fill(self, order: _Order, quantity: int) -> None:
        """Book a fill that the venue told us, position and reservation in one transaction."""
        quantity = min(quantity, order.filled - order.booked)
        if quantity > 0:
            order.booked += quantity
            self.position += quantity
            self.book = self.book.filled(order.intent, D(quantity))

    @rule(target=orders, order=consumes(orders), chase=st.booleans())
    def hear_the_end(self, order: _Order, chase: bool) -> object:
        """Hear the terminal word, before or after its fills; end the intent, or chase the rest with another order."""
        if order.sent and not order.terminal:
            return order
        order.known_terminal = True
        mine = self._of(order.intent)
        if not all(other.known_terminal for other in mine):
            return order
        done = sum(other.filled for other in mine)
        if chase and done < self.intents[order.intent] and order.intent not in self.over:
            self.all.append(_Order(order.intent, self.intents[order.intent] - done))
            return multiple(order, self.all[-1])
        self.over.add(order.intent)
        self.book = self.book.ended(order.intent, D(done))
        return order

    @invariant()
    def risk_counts_at_least_what_the_venue_may_have_done(self) -> None:
        """I8: position and reservations cover all fills, and all that unsent and working orders may still fill."""
        may_be = sum(order.filled if order.known_terminal or order.terminal else order.quantity for order in self.all)
        counted = self.position + sum(row.left for row in self.book.rows)
        assert counted >= may_be

    def teardown(self) -> None:
        """Let every word arrive: then risk counts the position, and nothing besides."""
        for order in self.all:
            if order.filled > order.booked:
                self.position += order.filled - order.booked
                self.book = self.book.filled(order.intent, D(order.filled - order.booked))
        for intent in self.intents:
            self.book = self.book.ended(intent, D(sum(order.filled for order in self._of(intent))))
        assert self.position == sum(order.filled for order in self.all)
        assert self.book == ReservationBook()


TestExposure = Exposure.TestCase
TestExposure.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)

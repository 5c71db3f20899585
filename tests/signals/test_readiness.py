"""A new book waits for its features; the old one decides meanwhile."""

from huracan.signals.readiness import ReadyPolicies
from tests.signals.stand_ins import HeldMarket, HeldPolicies, RuleBook, market_close, version


def test_a_book_of_known_features_decides_at_once() -> None:
    """Nothing to wait for."""
    market, wanted = HeldMarket(), HeldPolicies()
    ready = ReadyPolicies(wanted, market)
    wanted.book = RuleBook(served=(version("v2", "fit-a"),))
    assert set(ready.book.versions) == {"v2"}
    assert ready.problem == ""


def test_a_book_of_unknown_features_waits_for_the_first_close_that_has_them() -> None:
    """And the wait is told."""
    market, wanted = HeldMarket(), HeldPolicies()
    ready = ReadyPolicies(wanted, market)
    wanted.book = RuleBook(served=(version("v2", "fit-b"),))
    assert set(ready.book.versions) == {"v1"}
    assert "v2 waits" in ready.problem
    market.newest = market_close(fits=("fit-b",))
    assert set(ready.book.versions) == {"v2"}
    assert ready.problem == ""


def test_the_first_book_waits_for_nobody() -> None:
    """There is nothing that could go on meanwhile, and requests say why they have no answer."""
    market, wanted = HeldMarket(newest=None), HeldPolicies(RuleBook(served=()))
    ready = ReadyPolicies(wanted, market)
    wanted.book = RuleBook()
    assert set(ready.book.versions) == {"v1"}


def test_the_registrys_own_problem_is_told_first() -> None:
    """A tampered artefact is why the book is old."""
    wanted = HeldPolicies(problem="tampered")
    assert ReadyPolicies(wanted, HeldMarket()).problem == "tampered"

"""The UTC day of an account: its start, its result, and a breach that stays until midnight."""

from dataclasses import replace

from huracan.risk import DayBook, RiskLimits

LIMITS = RiskLimits(5_000.0, 500.0, 0.15, 1.0, 0.2, 50)


def test_the_day_begins_at_the_last_value_of_the_day_before() -> None:
    """An overnight position carries its value at midnight, not its cost, into the new day."""
    book = DayBook(10, 1_000.0, 1_000.0).closed(10, 900.0, LIMITS).closed(11, 950.0, LIMITS)
    assert (book.day, book.value_start, book.pnl) == (11, 900.0, 50.0)


def test_a_breach_stays_until_the_next_day() -> None:
    """Down 500, back to -100: still breached; a new day is open again."""
    book = DayBook(10, 10_000.0, 10_000.0)
    assert not book.closed(10, 9_500.01, LIMITS).breached
    book = book.closed(10, 9_500.0, LIMITS)
    assert book.breached
    book = book.closed(10, 9_900.0, LIMITS)
    assert book.breached
    assert not book.closed(11, 9_900.0, LIMITS).breached


def test_a_day_that_begins_with_a_crash_is_breached_at_once() -> None:
    """The first bar of a day counts against the value at midnight."""
    assert DayBook(10, 1_000.0, 1_000.0).closed(11, 400.0, LIMITS).breached


def test_entries_are_judged_by_a_breach_until_midnight() -> None:
    """Sold out at -490 after a close at -510: the day still counts as lost, the next one does not."""
    book = DayBook(10, 10_000.0, 10_000.0).closed(10, 9_490.0, LIMITS).closed(10, 9_510.0, LIMITS)
    assert (book.pnl, book.judged_pnl(LIMITS)) == (-490.0, -500.0)
    assert book.closed(10, 9_000.0, LIMITS).judged_pnl(LIMITS) == -1_000.0
    assert book.closed(11, 9_510.0, LIMITS).judged_pnl(LIMITS) == 0.0


def test_a_profit_target_once_reached_ends_the_day() -> None:
    """At +200 the day is done, also when the positions that run on give some back; without a target nothing ends."""
    limits = replace(LIMITS, daily_profit_target=200.0)
    book = DayBook(10, 10_000.0, 10_000.0).closed(10, 10_200.0, limits).closed(10, 10_050.0, limits)
    assert (book.reached, book.judged_pnl(limits)) == (True, 200.0)
    assert book.closed(11, 10_050.0, limits).judged_pnl(limits) == 0.0
    assert DayBook(10, 10_000.0, 10_000.0).closed(10, 10_200.0, LIMITS).judged_pnl(LIMITS) == 200.0
    assert not DayBook(10, 10_000.0, 10_000.0).closed(10, 10_199.99, limits).reached


def test_a_loss_weighs_more_than_a_target_reached_before() -> None:
    """Up 200 in the morning, down 500 in the afternoon: the day is lost, not won."""
    limits = replace(LIMITS, daily_profit_target=200.0)
    book = DayBook(10, 10_000.0, 10_000.0).closed(10, 10_200.0, limits).closed(10, 9_500.0, limits)
    assert book.judged_pnl(limits) == -500.0

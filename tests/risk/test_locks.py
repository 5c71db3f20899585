"""Locks: they bind until their end, say why, are made once, and stay lifted once a person lifts them."""

from huracan.risk.live import EVERY_SYMBOL, LockBook, PairLock

A = PairLock("A/USDT", 0, 1_000, "CooldownPeriod", "sold")
ALL = PairLock(EVERY_SYMBOL, 0, 500, "MaxDrawdown", "fell")


def test_a_lock_ends_at_its_end() -> None:
    """Until the end nothing enters, at the end everything may."""
    book = LockBook((A,))
    assert book.blocking("A/USDT", 999) == A
    assert book.blocking("A/USDT", 1_000) is None
    assert book.blocking("B/USDT", 0) is None


def test_a_lock_of_all_coins_locks_each() -> None:
    """The longest lock is the one that is named."""
    book = LockBook((ALL, A))
    assert book.blocking("B/USDT", 499) == ALL
    assert book.blocking("A/USDT", 499) == A
    assert book.active(499) == (ALL, A)
    assert book.active(500) == (A,)


def test_the_same_rule_on_the_same_trades_makes_one_lock() -> None:
    """Judging again changes nothing; a longer lock is added, a shorter one is not."""
    book = LockBook().added(A, A).added(A)
    assert book.rows == (A,)
    longer = PairLock("A/USDT", 5, 2_000, "CooldownPeriod", "sold again")
    shorter = PairLock("A/USDT", 5, 900, "LowProfitPairs", "poor")
    assert book.added(shorter) == book
    assert book.added(longer).rows == (A, longer)
    assert book.added(ALL).rows == (A, ALL)


def test_a_lock_without_an_end_waits_for_a_person() -> None:
    """A coin that an alarm halted stays locked, outlasts every other lock, and is never dropped."""
    alarm = PairLock("A/USDT", 0, None, "ledger", "overfill")
    book = LockBook().added(alarm, A)
    assert book.rows == (alarm,)
    assert LockBook((A, alarm)).blocking("A/USDT", 10**15) == alarm
    assert book.pruned(10**15) == book
    assert book.removed("A/USDT", "ann", 10).blocking("A/USDT", 10) is None


def test_a_lifted_lock_stays_lifted() -> None:
    """The row is kept with who lifted it, so that the next judgement of the same trades does not make it anew."""
    book = LockBook((A, ALL)).removed("A/USDT", "ann", 10)
    assert book.blocking("A/USDT", 10) == ALL
    assert [row.removed_by for row in book.rows] == ["ann", None]
    assert book.added(A) == book
    later = PairLock("A/USDT", 20, 1_500, "CooldownPeriod", "sold again")
    assert book.added(later).blocking("A/USDT", 600) == later


def test_lifting_names_one_coin_or_all_of_them() -> None:
    """`*` lifts the locks of all coins and leaves the single ones; an expired lock is not rewritten."""
    book = LockBook((A, ALL)).removed(EVERY_SYMBOL, "ann", 10)
    assert book.blocking("B/USDT", 10) is None
    assert book.blocking("A/USDT", 10) == A
    assert LockBook((ALL,)).removed(EVERY_SYMBOL, "ann", 500) == LockBook((ALL,))


def test_only_what_changed_is_stored_and_what_expired_is_dropped() -> None:
    """A new row and a lifted one are to be written, under keys that differ."""
    before = LockBook((A,))
    after = before.removed("A/USDT", "ann", 10).added(ALL)
    changed = after.changed_since(before)
    assert {row.lock_id for row in changed} == {A.lock_id, ALL.lock_id}
    assert before.changed_since(before) == ()
    assert after.pruned(500).rows == (after.rows[0],)
    assert after.pruned(1_000).rows == ()

"""A book from a snapshot and numbered updates: the venue's rule, its exceptions, and a model that knows everything."""

import random

import pytest

from huracan.venue.depth_book import SNAPSHOT_LEVELS, BookFault, DepthBook, DepthUpdate, Snapshot

BIDS = ((100.0, 2.0), (99.0, 3.0))
ASKS = ((101.0, 4.0), (102.0, 5.0))


def update(first: int, last: int, bids: tuple = (), asks: tuple = ()) -> DepthUpdate:
    """Return an update of some levels."""
    return DepthUpdate(first, last, bids, asks)


def live() -> DepthBook:
    """Return a book that stands at change 10."""
    book = DepthBook()
    assert book.take(Snapshot(10, BIDS, ASKS))
    return book


def test_updates_change_add_and_take_away_levels() -> None:
    """Known answer: one level gone, one changed, one new."""
    book = live()
    assert book.apply(update(11, 13, ((100.0, 0.0), (99.5, 7.0)), ((101.0, 1.0),))) is None
    assert book.best() == (99.5, 101.0)
    assert book.depth() == (10.0, 6.0)


def test_only_the_best_levels_are_summed() -> None:
    """Two levels a side of three."""
    book = DepthBook(levels=2)
    book.take(Snapshot(1, (*BIDS, (90.0, 50.0)), (*ASKS, (110.0, 60.0))))
    assert book.depth() == (5.0, 9.0)


def test_what_was_heard_before_the_snapshot_is_applied_on_it() -> None:
    """Older updates are dropped, the one that contains the next number is applied, and so are those after it."""
    book = DepthBook()
    for heard in (update(5, 8, ((50.0, 1.0),)), update(9, 12, ((100.0, 9.0),)), update(13, 13, (), ((102.0, 0.0),))):
        assert book.apply(heard) is None
    assert not book.live
    assert book.take(Snapshot(10, BIDS, ASKS))
    assert book.depth() == (12.0, 4.0)


def test_a_snapshot_older_than_what_was_heard_is_asked_for_again() -> None:
    """Changes 11 to 19 are nowhere: the book stays off until a snapshot covers them."""
    book = DepthBook()
    book.apply(update(20, 21, ((100.0, 1.0),)))
    assert not book.take(Snapshot(10, BIDS, ASKS))
    assert not book.live
    assert book.best() is None
    assert book.take(Snapshot(19, BIDS, ASKS))
    assert book.depth() == (4.0, 9.0)


def test_a_gap_ends_the_book() -> None:
    """Change 11 is missing; with the next snapshot the update that came too early counts."""
    book = live()
    assert book.apply(update(12, 12, ((100.0, 6.0),))) is BookFault.GAP
    assert not book.live
    assert book.depth() is None
    assert book.take(Snapshot(11, BIDS, ASKS))
    assert book.depth() == (9.0, 9.0)


def test_what_comes_twice_or_late_changes_nothing() -> None:
    """An update of numbers already passed is no gap and no change."""
    book = live()
    first = update(11, 12, ((100.0, 1.0),))
    assert book.apply(first) is None
    before = book.depth()
    assert book.apply(first) is None
    assert book.apply(update(3, 9, ((100.0, 77.0),))) is None
    assert (book.live, book.depth()) == (True, before)


def test_a_crossed_book_is_none() -> None:
    """A bid at the ask, or a side that is empty, is believed by nobody."""
    assert live().apply(update(11, 11, ((101.0, 1.0),))) is BookFault.CROSSED
    assert live().apply(update(11, 11, ((100.0, 0.0), (99.0, 0.0)))) is BookFault.CROSSED
    for bids, asks in ((BIDS, ()), ((), ASKS), (ASKS, BIDS)):
        with pytest.raises(ValueError, match="snapshot"):
            DepthBook().take(Snapshot(1, bids, asks))


def test_prices_that_leave_the_snapshot_behind_end_the_book() -> None:
    """Below the hundredth bid nothing is known: a book that has fallen so far would lack levels."""
    bids = tuple((1_000.0 - n, 1.0) for n in range(SNAPSHOT_LEVELS))
    asks = tuple((1_001.0 + n, 1.0) for n in range(SNAPSHOT_LEVELS))
    book = DepthBook()
    book.take(Snapshot(1, bids, asks))
    gone = tuple((price, 0.0) for price, _ in bids[:90])
    assert book.apply(update(2, 2, gone)) is None
    assert book.apply(update(3, 3, ((bids[90][0], 0.0),))) is BookFault.OUT_OF_RANGE


def test_the_book_is_the_venues_at_every_update() -> None:
    """A venue's whole book moves at random; snapshots come late; the best ten levels are always its own."""
    for seed in range(20):
        rng = random.Random(seed)
        bids = {1_000.0 - n: 1.0 + n for n in range(400)}
        asks = {1_001.0 + n: 1.0 + n for n in range(400)}
        book, number, compared = DepthBook(), 0, 0
        for step in range(400):
            middle = (max(bids) + min(asks)) / 2
            changes: tuple[list, list] = ([], [])
            for side, change, sign in ((bids, changes[0], -1), (asks, changes[1], 1)):
                for _ in range(rng.randrange(4)):
                    price = round(middle + sign * rng.randint(1, 40) + sign * 0.5)
                    wrong = price >= min(asks) if side is bids else price <= max(bids)
                    if wrong:
                        continue
                    quantity = rng.choice((0.0, 0.0, 1.0, 5.0))
                    if quantity == 0.0 and len(side) < 50:
                        continue
                    change.append((float(price), quantity))
                    if quantity:
                        side[float(price)] = quantity
                    else:
                        side.pop(float(price), None)
            number += 1
            heard = update(number, number, tuple(changes[0]), tuple(changes[1]))
            fault = book.apply(heard)
            assert fault in (None, BookFault.OUT_OF_RANGE), f"seed {seed} step {step}"
            if not book.live and rng.random() < 0.3:
                best = sorted(bids.items(), reverse=True)[:SNAPSHOT_LEVELS]
                book.take(Snapshot(number, tuple(best), tuple(sorted(asks.items())[:SNAPSHOT_LEVELS])))
            if book.live:
                compared += 1
                assert book.best() == (max(bids), min(asks)), f"seed {seed} step {step}"
                sums = (
                    sum(bids[price] for price in sorted(bids, reverse=True)[:10]),
                    sum(asks[price] for price in sorted(asks)[:10]),
                )
                assert book.depth() == sums, f"seed {seed} step {step}"
        assert compared > 200, f"seed {seed}"

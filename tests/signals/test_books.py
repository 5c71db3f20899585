"""Summaries of bars from book events: known answers, the market clock's word on time, holes, restarts, an oracle."""

import math
import random

import numpy as np
import pytest

from huracan.errors import ArtefactError
from huracan.signals.books import BookBar, Books
from huracan.venue.book_stream import BookEvent, DepthSum, Hole, Quote, Tape

MINUTE = 60_000
T0 = 28_000_000 * MINUTE
A, B = "A/USDT", "B/USDT"


def quote(at_s: float, bid: float, bid_qty: float, ask: float, ask_qty: float, symbol: str = A) -> Quote:
    """Return a best price at a second after T0."""
    return Quote(symbol, T0 + int(at_s * 1_000), bid, bid_qty, ask, ask_qty)


def books(*symbols: str) -> Books:
    """Return books that stand at T0 and have seen a best price just before it, so that the first bar is whole."""
    made = Books(symbols or (A,), MINUTE)
    made.begin(T0 - MINUTE)
    for symbol in symbols or (A,):
        made.hear(Quote(symbol, T0 - 1, 99.0, 10.0, 101.0, 10.0))
    made.close(T0)
    return made


def same(a: BookBar, b: BookBar) -> bool:
    """Return whether two bars are equal bit for bit, NaN included."""
    return repr(a) == repr(b)


def test_a_bar_by_hand() -> None:
    """Spread, order flow over mean depth, mean imbalance of the last 30 s and microprice of five changes.

    Events against (99 x 10, 101 x 10): more bids +4; bid up +6; asks fewer +3; ask up +7; bid down -6.
    """
    made = books()
    steps = [
        (5, 99, 14, 101, 10),
        (20, 100, 6, 101, 10),
        (31, 100, 6, 101, 7),
        (40, 100, 6, 102, 9),
        (59, 99, 8, 102, 9),
    ]
    for step in steps:
        made.hear(quote(*step))
    made.hear(DepthSum(A, T0 + 1_000, 1.0, 2.0))
    made.hear(DepthSum(A, T0 + 58_000, 30.0, 40.0))
    made.hear(Tape(A, T0 + 7_000, 101.0, 2.0, 3, True))
    made.hear(Tape(A, T0 + 8_000, 99.0, 6.0, 1, False))
    bar = made.close(T0 + MINUTE)[A]
    depth = (24 + 16 + 13 + 15 + 17) / 2 / 5
    expected = (3 / 100.5, (4 + 6 + 3 + 7 - 6) / depth, (-1 / 13 + -3 / 15 + -1 / 17) / 3, -1 / 17)
    assert bar.book == pytest.approx(expected, rel=1e-14)
    assert (bar.quotes, bar.trades, bar.volume, bar.taker_buy_volume) == (5, 4, 8.0, 2.0)
    assert (bar.bid_depth, bar.ask_depth, bar.taker_imbalance) == (30.0, 40.0, -0.5)
    assert bar.seen


def test_without_anything_seen_there_is_no_book() -> None:
    """A quiet bar: four NaN, no trades, no depth; the next one goes on from the last best price."""
    made = books()
    bar = made.close(T0 + MINUTE)[A]
    assert all(math.isnan(figure) for figure in (*bar.book, bar.bid_depth, bar.ask_depth, bar.taker_imbalance))
    assert (bar.quotes, bar.trades, bar.seen) == (0, 0, False)
    made.hear(quote(70, 99.0, 13.0, 101.0, 10.0))
    assert made.close(T0 + 2 * MINUTE)[A].book[1] == pytest.approx(3.0 / 11.5)


def test_the_end_of_a_bar_is_the_next_ones_beginning() -> None:
    """An event at the close to the millisecond belongs to the bar that opens."""
    made = books()
    made.hear(quote(59.999, 99.0, 11.0, 101.0, 10.0))
    made.hear(quote(60.0, 99.0, 30.0, 101.0, 10.0))
    made.hear(Tape(A, T0 + MINUTE, 100.0, 5.0, 1, True))
    first, second = made.close(T0 + MINUTE)[A], made.close(T0 + 2 * MINUTE)[A]
    assert (first.quotes, first.trades, first.book[3]) == (1, 0, pytest.approx(1 / 21))
    assert (second.quotes, second.trades, second.book[3]) == (1, 1, pytest.approx(20 / 40))


def test_what_comes_before_the_candle_waits_for_it() -> None:
    """The candle of a bar is late; its book, and the next one's, are what they would have been."""
    early, late = books(), books()
    events = [quote(10, 99, 12, 101, 10), quote(61, 99, 9, 101, 10), quote(122, 98, 9, 101, 10)]
    for number, event in enumerate(events):
        early.hear(event)
        late.hear(event)
        expected = early.close(T0 + (number + 1) * MINUTE)[A]
        if number == 0:
            first = expected
    assert same(late.close(T0 + MINUTE)[A], first)
    late.close(T0 + 2 * MINUTE)
    assert same(late.close(T0 + 3 * MINUTE)[A], expected)


def test_what_comes_after_its_bar_was_closed_is_in_no_bar() -> None:
    """It is counted; the next bar's order flow counts from it all the same."""
    made = books()
    made.close(T0 + MINUTE)
    made.hear(quote(59, 99.0, 30.0, 101.0, 10.0))
    made.hear(Tape(A, T0 + 59_000, 100.0, 5.0, 1, True))
    made.hear(DepthSum(A, T0 + 59_000, 1.0, 1.0))
    made.hear(quote(61, 99.0, 31.0, 101.0, 10.0))
    bar = made.close(T0 + 2 * MINUTE)[A]
    assert (made.late, bar.quotes, bar.trades) == (3, 1, 0)
    assert bar.book[1] == pytest.approx(1.0 / 20.5)
    assert math.isnan(bar.bid_depth)


def test_a_time_far_ahead_is_not_believed() -> None:
    """A clock that jumps an hour adds to no bar and moves nothing; when market time is there, it counts."""
    made = books()
    made.hear(quote(3_600, 50.0, 1.0, 51.0, 1.0))
    made.hear(quote(10, 99.0, 12.0, 101.0, 10.0))
    bar = made.close(T0 + MINUTE)[A]
    assert (made.ahead, bar.quotes, bar.book[1]) == (1, 1, pytest.approx(2.0 / 11.0))
    assert not made.close(T0 + 3_600_000)[A].seen
    made.hear(quote(3_601, 99.0, 12.0, 101.0, 10.0))
    assert made.close(T0 + 3_600_000 + MINUTE)[A].quotes == 1


@pytest.mark.parametrize("at_s", [0.5, 30.0, 59.5])
def test_a_bar_of_which_a_part_was_missed_has_no_book(at_s: float) -> None:
    """Whenever the hole came; trades seen are still told, and the bar after the first best price is whole."""
    made = books()
    made.hear(quote(0.1, 99.0, 12.0, 101.0, 10.0))
    made.hear(Hole(A, "lost"))
    made.hear(quote(at_s, 99.0, 15.0, 101.0, 10.0))
    made.hear(Tape(A, T0 + 59_600, 100.0, 5.0, 1, True))
    bar = made.close(T0 + MINUTE)[A]
    assert (bar.seen, bar.trades, made.holes) == (False, 1, 1)
    made.hear(quote(61, 99.0, 16.0, 101.0, 10.0))
    after = made.close(T0 + 2 * MINUTE)[A]
    assert after.seen
    assert after.book[1] == pytest.approx(1.0 / 13.0)


def test_a_hole_lasts_until_something_is_heard() -> None:
    """Two bars pass without a word; neither they nor the one in which it ends have a book."""
    made = books()
    made.hear(Hole(A, "lost"))
    assert not made.close(T0 + MINUTE)[A].seen
    assert not made.close(T0 + 2 * MINUTE)[A].seen
    made.hear(quote(125, 99.0, 15.0, 101.0, 10.0))
    assert not made.close(T0 + 3 * MINUTE)[A].seen
    made.hear(quote(181, 99.0, 15.0, 101.0, 10.0))
    assert made.close(T0 + 4 * MINUTE)[A].seen


def test_in_long_bars_only_a_hole_near_the_close_matters() -> None:
    """Order flow is that of the last minute: a hole of the first half hour is none, one of the last minute is."""
    for at_s, seen in ((1_800.0, True), (3_539.0, True), (3_541.0, False)):
        made = Books((A,), 3_600_000)
        made.begin(T0)
        made.hear(quote(at_s, 99.0, 15.0, 101.0, 10.0))
        made.hear(quote(3_550, 99.0, 15.0, 101.0, 10.0))
        assert made.close(T0 + 3_600_000)[A].seen is seen


def random_events(seed: int, symbols: tuple[str, ...], bars: int = 6) -> list[tuple[BookEvent, int]]:
    """Return events with the close that has been taken when each is heard, holes and clock jumps among them."""
    rng = random.Random(seed)
    events: list[tuple[BookEvent, int]] = []
    for symbol in symbols:
        at_ms, bid = 0, 100
        while at_ms < bars * MINUTE:
            at_ms += rng.choice((1, 50, 400, 9_000, 20_000))
            bid = max(2, bid + rng.choice((-1, 0, 0, 1)))
            figures = (float(bid), rng.randint(1, 9), float(bid + rng.randint(1, 3)), rng.randint(1, 9))
            lag_ms = rng.choice((0, 0, 0, 70_000))
            taken_ms = T0 + (at_ms + lag_ms) // MINUTE * MINUTE
            kind = rng.random()
            if kind < 0.03:
                events.append((Hole(symbol, "lost"), taken_ms))
            elif kind < 0.2:
                tape = Tape(symbol, T0 + at_ms, 1.0, float(rng.randint(1, 9)), rng.randint(1, 4), rng.random() < 0.5)
                events.append((tape, taken_ms))
            elif kind < 0.3:
                events.append((DepthSum(symbol, T0 + at_ms, float(figures[1]), float(figures[3])), taken_ms))
            else:
                jump = 10**9 if rng.random() < 0.02 else 0
                events.append((Quote(symbol, T0 + at_ms + jump, *map(float, figures)), taken_ms))
    return sorted(events, key=lambda item: item[1])


def play(made: Books, events: list[tuple[BookEvent, int]], restart_at: frozenset[int] = frozenset()) -> list[BookBar]:
    """Hear events and take closes as time goes by, with restarts from bytes before some events."""
    found: list[BookBar] = []
    taken_ms = T0
    for number, (event, at_ms) in enumerate([*events, (Hole(A, "the end"), T0 + 9 * MINUTE)]):
        while taken_ms < at_ms:
            taken_ms += MINUTE
            found += made.close(taken_ms).values()
        if number in restart_at:
            saved = made.snapshot()
            made = Books(tuple(made.close(T0)), MINUTE)
            made.restore(saved)
        made.hear(event)
    return found


@pytest.mark.parametrize("seed", range(10))
def test_the_order_of_independent_markets_does_not_matter(seed: int) -> None:
    """Two markets' events interleaved, or one market's alone: the same bars bit for bit."""
    both = play(books(A, B), random_events(seed, (A, B)))
    for symbol in (A, B):
        events = [item for item in random_events(seed, (A, B)) if item[0].symbol == symbol]
        alone = play(books(symbol), events)
        assert [repr(bar) for bar in both if bar.symbol == symbol] == [repr(bar) for bar in alone]


@pytest.mark.parametrize("seed", range(10))
def test_a_restart_in_the_middle_of_a_bar_changes_nothing(seed: int) -> None:
    """Saved and restored before five events of any kind."""
    events = random_events(seed, (A, B))
    restarts = frozenset(random.Random(seed).sample(range(len(events)), 5))
    whole, torn = play(books(A, B), events), play(books(A, B), events, restarts)
    assert [repr(bar) for bar in whole] == [repr(bar) for bar in torn]
    assert sum(bar.seen for bar in whole) > 0


def oracle(events: list[tuple[BookEvent, int]], close_ms: int) -> tuple[float, ...] | None:
    """Return the book of a bar without holes by going through all its events again; None: nothing was seen."""
    before, last = (99.0, 10.0, 101.0, 10.0), None
    flow, means, depths = 0.0, [], []
    for event, taken_ms in events:
        if not isinstance(event, Quote) or not event.time_ms < min(taken_ms + 16 * MINUTE, close_ms):
            continue
        figures = (event.bid, event.bid_qty, event.ask, event.ask_qty)
        if event.time_ms >= max(close_ms - MINUTE, taken_ms):
            flow += figures[1] * (figures[0] >= before[0]) - before[1] * (figures[0] <= before[0])
            flow += before[3] * (figures[2] >= before[2]) - figures[3] * (figures[2] <= before[2])
            depths.append((figures[1] + figures[3]) / 2)
            last = figures
            if close_ms - event.time_ms <= 30_000:
                means.append((figures[1] - figures[3]) / (figures[1] + figures[3]))
        before = figures
    if last is None:
        return None
    micro = (last[1] - last[3]) / (last[1] + last[3])
    spread = (last[2] - last[0]) / ((last[0] + last[2]) / 2)
    return (spread, flow / float(np.mean(depths)), float(np.mean(means)) if means else micro, micro)


@pytest.mark.parametrize("seed", range(10))
def test_every_bar_is_what_going_through_all_events_again_gives(seed: int) -> None:
    """An oracle without machines, over events that come in time and events that come late."""
    events = [item for item in random_events(seed, (A,)) if not isinstance(item[0], Hole)]
    bars = play(books(A), events)
    for bar in bars:
        expected = oracle(events, bar.close_ms)
        assert bar.seen is (expected is not None), f"seed {seed} {bar}"
        if expected is not None:
            assert bar.book == pytest.approx(expected, rel=1e-12, abs=1e-12), f"seed {seed} {bar}"
    assert sum(bar.seen for bar in bars) >= 3, f"seed {seed}"


def test_a_snapshot_that_is_damaged_or_of_other_markets_is_refused() -> None:
    """Nothing is taken over from it."""
    saved = books(A).snapshot()
    with pytest.raises(ArtefactError, match="damaged"):
        Books((A,), MINUTE).restore(saved[:-2] + b"x}")
    with pytest.raises(ArtefactError, match="damaged"):
        Books((A,), MINUTE).restore(b"nonsense")
    for other in (Books((B,), MINUTE), Books((A,), 5 * MINUTE)):
        with pytest.raises(ArtefactError, match="other markets"):
            other.restore(saved)

"""The feed says of each close, bit for bit, what training computed of it, over restarts, gaps and other versions."""

from dataclasses import replace
from decimal import Decimal
from functools import cache

import numpy as np
import pytest

from huracan.errors import ArtefactError, ConfigError, DataError
from huracan.features import FeatureFit, RawFeatures, apply_fit, compute_raw
from huracan.features.layout import S_OFI
from huracan.signals.follower import BARE, Follower, newest_sigma
from huracan.signals.history import BooksOf, History
from huracan.signals.model import MarketClose
from tests.features.markets import LEADER, SMALL, K, books
from tests.signals.following import (
    GAP,
    bare,
    bars_of,
    close_at,
    expect,
    fit,
    follower,
    history,
    klines,
    markets,
    raw,
)

WARM = 640


def told(feed: Follower, first: int, stop: int) -> list[MarketClose]:
    """Push bars [first, stop) one close at a time."""
    return [feed.push(close_at(bar), bars_of(bar), False, 1_000 + bar) for bar in range(first, stop)]


def same(one: MarketClose, other: MarketClose) -> None:
    """Hold that two closes agree in every bit of every fit."""
    assert (one.close_ms, one.symbols, dict(one.bars)) == (other.close_ms, other.symbols, dict(other.bars))
    assert set(one.fits) == set(other.fits)
    for name, rows in one.fits.items():
        for column in ("market", "due", "age", "sigma", "ready"):
            assert getattr(rows, column).tobytes() == getattr(other.fits[name], column).tobytes(), (name, column)


@pytest.mark.parametrize("warm", [WARM, GAP[0] + 1, GAP[1]])
def test_each_close_is_the_batch_bit_for_bit(warm: int) -> None:
    """Two fits beside each other, from a start before, inside and behind missing bars on."""
    feed = follower(fit(1), fit(2))
    newest = feed.start(history(warm))[-1]
    expect(newest, warm - 1, fit(1), fit(2))
    for bar, close in enumerate(told(feed, warm, 760), warm):
        expect(close, bar, fit(1), fit(2))
        assert (close.late, close.heard_ms) == (False, 1_000 + bar)


def test_without_a_version_the_machines_alone_are_followed() -> None:
    """Sigma is there for the rules, and nobody decides on features."""
    feed = follower()
    expect(feed.start(history(WARM))[-1], WARM - 1)
    for bar, close in enumerate(told(feed, WARM, GAP[1] + 2), WARM):
        expect(close, bar)
        assert newest_sigma(close) == {
            symbol: float(raw()[symbol].sigma[np.searchsorted(raw()[symbol].timestamp, close_at(bar) - 60_000)])
            for symbol in close.bars
        }
    assert not feed.newest.fits[BARE].market.any()


def test_a_version_of_fewer_coins_leaves_the_others_to_the_machines_alone() -> None:
    """A traded coin has its sigma whoever decides on it, and no row of a universe that it is not of."""
    pair = fit(1, ("ADA/USDT", LEADER))
    feed = follower(pair)
    feed.start(history(WARM))
    assert feed.fits == (BARE, pair.sha256)
    close = told(feed, WARM, WARM + 20)[-1]
    assert set(newest_sigma(close)) == set(markets())
    place = close.symbols.index("FET/USDT")
    assert np.isnan(close.fits[pair.sha256].sigma[place])
    assert not close.fits[pair.sha256].due[place]


def test_the_last_closes_of_the_past_are_told_as_late_ones() -> None:
    """Whoever was away is told what it missed, each close once and in order; only the newest is to be decided on."""
    feed = follower(fit())
    closes = feed.start(history(WARM), keep=7)
    assert [close.close_ms for close in closes] == [close_at(bar) for bar in range(WARM - 7, WARM)]
    assert [close.late for close in closes] == [True] * 6 + [False]
    for bar, close in enumerate(closes, WARM - 7):
        expect(close, bar, fit())


@pytest.mark.parametrize("missed", [0, 1, 90])
def test_a_restored_feed_goes_on_as_if_it_had_never_stopped(missed: int) -> None:
    """The bytes go on bit for bit, and the closes in between are told once each: none is lost, none doubled."""
    whole = follower(fit(1), fit(2))
    whole.start(history(WARM))
    before = told(whole, WARM, WARM + 40)
    saved = whole.snapshot()
    after = told(whole, WARM + 40, WARM + 40 + missed)
    again = follower(fit(1), fit(2))
    again.restore(saved)
    closes = again.start(history(WARM + 40 + missed, first=500))  # no store: a young history would give other bits
    assert len(closes) == missed
    for one, other in zip(closes, after, strict=True):
        same(one, other)
    same(again.newest, (before + after)[-1])
    for one, other in zip(told(again, 770, 780), told(whole, 770, 780), strict=True):
        same(one, other)


def test_a_snapshot_that_is_damaged_or_of_others_is_refused() -> None:
    """One flipped bit anywhere, cut bytes, other markets: the feed starts from the candles instead."""
    feed = follower(fit())
    feed.start(history(WARM))
    saved = feed.snapshot()
    rng = np.random.default_rng(7)
    places = [0, 70, 130, len(saved) - 1, *rng.integers(0, len(saved), 60).tolist()]
    for place in places:
        flipped = bytearray(saved)
        flipped[place] ^= 1 << int(rng.integers(0, 8))
        with pytest.raises(ArtefactError, match="start it from the candles"):
            follower(fit()).restore(bytes(flipped))
    for cut in (b"", saved[:50], saved[:-1], saved + b"x"):
        with pytest.raises(ArtefactError, match="damaged"):
            follower(fit()).restore(cut)
    fewer = replace(bare(), universe=("ADA/USDT", LEADER))
    with pytest.raises(ArtefactError, match="other markets"):
        Follower(fewer, fewer.universe).restore(saved)
    late = follower(fit())
    late.restore(saved)
    with pytest.raises(DataError, match="start without it"):
        late.start(history(WARM - 5))


def test_another_version_is_warmed_up_from_the_first_bar_while_the_feed_runs() -> None:
    """A fit that comes later has the same bits as one that was there from the start; one that goes is gone."""
    feed = follower(fit(1))
    feed.start(history(WARM))
    told(feed, WARM, WARM + 33)
    feed.serve([fit(1), fit(2)])
    expect(feed.newest, WARM + 32, fit(1), fit(2))
    for bar, close in enumerate(told(feed, WARM + 33, WARM + 50), WARM + 33):
        expect(close, bar, fit(1), fit(2))
    feed.serve([fit(2)])
    for bar, close in enumerate(told(feed, WARM + 50, WARM + 66), WARM + 50):
        expect(close, bar, fit(2))
    feed.serve([])
    expect(told(feed, WARM + 66, WARM + 67)[0], WARM + 66)


def test_a_snapshot_without_a_version_that_is_served_now_is_made_up_for() -> None:
    """The stored fit goes on from the bytes, the new one begins at the first bar of the history."""
    first = follower(fit(1))
    first.start(history(WARM))
    saved = first.snapshot()
    feed = follower(fit(1), fit(2))
    feed.restore(saved)
    for bar, close in enumerate(feed.start(history(WARM + 30)), WARM):
        expect(close, bar, fit(1), fit(2))


def test_what_cannot_be_counts_as_missing_and_what_is_not_followed_is_left_out() -> None:
    """An impossible candle does not reach the machines, nor a stranger's."""
    feed = follower(fit())
    feed.start(history(WARM))
    bars = dict(bars_of(WARM))
    sick = bars["ADA/USDT"] = replace(bars["ADA/USDT"], low=Decimal(0))
    close = feed.push(close_at(WARM), {**bars, "XRP/USDT": sick}, False, 0)
    assert set(close.bars) == {"FET/USDT", LEADER}
    place = close.symbols.index("ADA/USDT")
    assert np.isnan(close.fits[fit().sha256].sigma[place])


def test_skipped_closes_are_missing_bars_and_time_never_runs_back() -> None:
    """A close that nobody saw is a gap for all; an earlier one is refused and changes nothing."""
    feed, other = follower(fit()), follower(fit())
    for one in (feed, other):
        one.start(history(WARM))
    told(feed, WARM + 3, WARM + 4)
    for bar in range(WARM, WARM + 3):
        other.push(close_at(bar), {}, False, 0)
    told(other, WARM + 3, WARM + 4)
    same(feed.newest, other.newest)
    for bar in (WARM + 3, WARM, 0):
        with pytest.raises(DataError, match="not after"):
            feed.push(close_at(bar), bars_of(bar), False, 0)
    with pytest.raises(DataError, match="off the grid"):
        feed.push(close_at(WARM + 4) + 1, {}, False, 0)
    same(feed.newest, other.newest)


def test_versions_that_the_feed_cannot_follow_are_refused() -> None:
    """Markets that nobody asks for, another timeframe, a history of other markets."""
    small = replace(bare(), universe=("ADA/USDT",), leader=None)
    with pytest.raises(ConfigError, match=r"BTC/USDT, FET/USDT.* not follow"):
        Follower(small, ("ADA/USDT",), [fit()])
    with pytest.raises(ConfigError, match="traded and not followed"):
        Follower(small, ("XRP/USDT",))
    with pytest.raises(DataError, match="are followed"):
        Follower(small, ("ADA/USDT",)).start(history(WARM))


@cache
def booked() -> tuple[dict[str, np.ndarray], dict[str, RawFeatures], FeatureFit]:
    """Return recorded books of one coin, the batch's features with them, and a fit that has them as an input."""
    found = books(markets())
    rich = compute_raw(markets(), SMALL, K, LEADER, found)
    start_ms = int(markets()[LEADER].timestamp[0])
    return found, rich, FeatureFit.fit(rich, start_ms, start_ms + 600 * 60_000, 1)


def recorded(until_ms: int) -> BooksOf:
    """Return what was recorded by a time."""

    def of(symbol: str, timestamp: np.ndarray) -> np.ndarray | None:
        if symbol not in booked()[0]:
            return None
        book = booked()[0][symbol][np.searchsorted(markets()[symbol].timestamp, timestamp)].copy()
        book[timestamp >= until_ms] = np.nan
        return book

    return of


def row_at(bar: int) -> dict[str, tuple[float, float, float, float]]:
    """Return the books of one bar."""
    book = booked()[0]["ADA/USDT"][bar].tolist()
    return {} if np.isnan(book[0]) else {"ADA/USDT": (book[0], book[1], book[2], book[3])}


@pytest.mark.parametrize(("warm", "keep"), [(WARM, 1), (WARM, 25), (320, 7)])
def test_books_recorded_and_live_are_the_batchs(warm: int, keep: int) -> None:
    """With a fit that has the input: from recorded books at the start and live ones after it, every bit is training's.

    ADA has no book in bars 300 to 339: one of the starts lies among them.
    """
    _, rich, one = booked()
    assert "book" in one.inputs
    feed = follower(one)
    past = History("1m", None, klines(0, warm), recorded(close_at(warm - 1)))
    closes = [*feed.start(past, keep)]
    closes += [feed.push(close_at(bar), bars_of(bar), False, 0, row_at(bar)) for bar in range(warm, warm + 60)]
    batch, compared = rich["ADA/USDT"], 0
    states = apply_fit(one, batch)
    for close in closes:
        row = int(np.searchsorted(batch.row_close_ms, close.close_ms, side="right")) - 1
        place = close.symbols.index("ADA/USDT")
        assert close.fits[one.sha256].market[place].tobytes() == states[row].tobytes()
        compared += int(states[row][S_OFI] != 0)
    assert compared > 10


def test_a_version_that_was_not_trained_with_books_does_not_see_them() -> None:
    """Its rows are the same bits with and without, and the machines alone say the same."""
    for fits in ((fit(1),), ()):
        plain, rich = follower(*fits), follower(*fits)
        plain.start(history(WARM), 10)
        rich.start(History("1m", None, klines(0, WARM), recorded(close_at(WARM - 1))), 10)
        same(plain.newest, rich.newest)
        for bar in range(WARM, WARM + 40):
            without = plain.push(close_at(bar), bars_of(bar), False, 0)
            same(without, rich.push(close_at(bar), bars_of(bar), False, 0, row_at(bar)))


def test_recorded_books_that_cannot_be_read_are_left_out() -> None:
    """A damaged file of recorded books is an input that is absent, no reason to stop."""

    def damaged(symbol: str, timestamp: np.ndarray) -> np.ndarray | None:
        raise DataError(f"{symbol}: damaged")

    one = booked()[2]
    feed, other = follower(one), follower(one)
    other.start(history(WARM))
    same(feed.start(History("1m", None, klines(0, WARM), damaged))[-1], other.newest)

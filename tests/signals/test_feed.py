"""The feed for several consumers: each close once, the batch's bits, over kills, absences, bad data and full disks."""

import asyncio
import random
import shutil
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from huracan.config import FeatureSettings
from huracan.errors import ConfigError, DataError
from huracan.features import FeatureContext, FeatureFit, compute_raw
from huracan.features.layout import S_AVAILABLE, S_OFI
from huracan.market import Candles, read_books
from huracan.signals.feed import SNAPSHOT_NAME, Feed
from huracan.signals.model import MarketClose
from huracan.venue.book_stream import Hole, Quote
from tests.features.markets import HAVE_REAL, LEADER, SMALL, K, books, real_universe
from tests.signals.feeding import MINUTE, Books, Market, feed_of, impossible, running, told
from tests.signals.following import bare, close_at, expect, fit, markets

WARM = 640
A = "ADA/USDT"


def run(steps: Callable[[], Awaitable[Any]], limit_s: float = 120.0) -> Any:
    """Run a coroutine on a loop of its own."""

    async def bounded() -> Any:
        async with asyncio.timeout(limit_s):
            return await steps()

    return asyncio.run(bounded())


def same(one: MarketClose, other: MarketClose) -> None:
    """Hold that two closes agree in candles and in every bit of every fit."""
    assert (one.close_ms, dict(one.bars)) == (other.close_ms, dict(other.bars))
    assert set(one.fits) == set(other.fits)
    for name, rows in one.fits.items():
        for column in ("market", "due", "age", "sigma", "ready"):
            assert getattr(rows, column).tobytes() == getattr(other.fits[name], column).tobytes(), (name, column)


def small(tmp_path: Path, closed: int = WARM, **options: Any) -> tuple[Market, Feed]:
    """Return the small universe's market and a feed of one fit."""
    market = Market(markets(), closed)
    return market, feed_of(market, tmp_path, bare(), (fit(1),), **options)


def test_every_consumer_sees_each_close_once_and_bit_for_bit(tmp_path: Path) -> None:
    """One asks all the time, one after every seventh close, one comes late: the same closes in order."""

    async def consume(feed: Feed, pause: int, after_ms: int, upto_ms: int) -> list[MarketClose]:
        found: list[MarketClose] = []
        while not found or found[-1].close_ms < upto_ms:
            got = await feed.closes(found[-1].close_ms if found else after_ms, 5.0)
            found += got
            for _ in range(pause):
                await asyncio.sleep(0.002)
        return found

    async def steps() -> None:
        market, made = small(tmp_path)
        async with running(made) as feed:
            first = close_at(WARM - 1)
            upto = close_at(WARM + 99)
            readers = [asyncio.ensure_future(consume(feed, pause, first, upto)) for pause in (0, 7)]
            readers.append(asyncio.ensure_future(consume(feed, 0, close_at(WARM - 30), upto)))
            for bar in range(WARM, WARM + 100):
                market.closed = bar + 1
                while (newest := feed.newest()) is None or newest.close_ms < close_at(bar):
                    await asyncio.sleep(0.001)
            for reader, begun in zip(readers, (WARM, WARM, WARM - 29), strict=True):
                found = await reader
                assert [close.close_ms for close in found] == [close_at(bar) for bar in range(begun, WARM + 100)]
                for bar, close in enumerate(found, begun):
                    expect(close, bar, fit(1))
            status = feed.status()
            assert (status.closes, status.gaps, status.left_out, status.stale) == (100, 0, 0, False)
            assert {age.symbol: age.missing for age in status.markets} == {A: 0, LEADER: 0, "FET/USDT": 3}

    run(steps)


def test_a_position_that_is_gone_is_told_so(tmp_path: Path) -> None:
    """Older than what is kept, or of another market time: restart from history. Waiting in vain is no error."""

    async def steps() -> None:
        market, made = small(tmp_path, ring=10)
        async with running(made) as feed:
            await told(feed, market, range(WARM, WARM + 30))
            assert len(await feed.closes(close_at(WARM + 19))) == 10
            for position in (close_at(WARM + 18), -1, close_at(WARM + 100)):
                with pytest.raises(DataError, match="restart from history"):
                    await feed.closes(position)
            assert await feed.closes(close_at(WARM + 29), 0.05) == ()
            following = feed.follow(close_at(WARM + 27))
            assert [(await anext(following)).close_ms for _ in range(2)] == [close_at(WARM + 28), close_at(WARM + 29)]
            await following.aclose()

    run(steps)


@cache
def real() -> tuple[dict[str, Candles], FeatureContext, FeatureFit]:
    """Return five days and some of real coins and a fit of them, or the small universe."""
    if not HAVE_REAL:
        return markets(), bare(), fit(1)
    candles = real_universe(5.5)
    raw = compute_raw(candles, FeatureSettings(), 15, "BTC/USDT:USDT")
    first = min(int(rows.timestamp[0]) for rows in candles.values())
    made = FeatureFit.fit(raw, first, first + 5 * 86_400_000, seed=4)
    return candles, made.context, made


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_killed_at_any_close_nothing_is_lost_doubled_or_changed(seed: int, tmp_path: Path) -> None:
    """What is on the disk at four random moments is all that the next feed has; bars pass while nobody follows.

    A consumer that goes on from its own position sees each close once, with the bits of a feed that was never killed.
    """
    candles, context, one = real()
    rng = random.Random(seed)
    first = 7_200 if HAVE_REAL else WARM
    bars = range(first, first + 120)

    async def whole() -> list[MarketClose]:
        market = Market(candles, first)
        async with running(feed_of(market, tmp_path / "whole", context, (one,), history_bars=20_000)) as feed:
            return await told(feed, market, bars)

    async def torn() -> tuple[list[MarketClose], int]:
        market, folder, found, caught = Market(candles, first), tmp_path / "torn0", [], 0
        kills = sorted(rng.sample(range(first + 5, first + 115), 4))
        position = close_at_of(market, first - 1)
        at = first
        for number, kill in enumerate([*kills, first + 120]):
            made = feed_of(
                market, folder, context, (one,), history_bars=20_000, snapshot_interval_s=rng.choice((0.0, 0.02))
            )
            async with running(made) as feed:
                caught += feed.status().caught_up
                while at < kill:
                    market.closed = at = at + 1
                    while position < close_at_of(market, at - 1):
                        for close in await feed.closes(position, 10.0):
                            found.append(close)
                            position = close.close_ms
                folder, left = tmp_path / f"torn{number + 1}", folder
                folder.mkdir()
                if (left / SNAPSHOT_NAME).exists():  # as a kill at this moment leaves it: whole or not there
                    shutil.copy(left / SNAPSHOT_NAME, folder)
                (folder / f".{SNAPSHOT_NAME}.1.partial").write_bytes(b"half of")
            market.closed = at = min(first + 120, at + rng.choice((0, 1, 4)))
        while position < close_at_of(market, first + 119):
            raise AssertionError("closes after the last kill were not told")
        return found, caught

    uninterrupted, (after_kills, caught) = run(whole), run(torn)
    print(f"seed {seed}: {caught} closes caught up at restarts")
    assert [close.close_ms for close in after_kills] == [close.close_ms for close in uninterrupted]
    for ours, theirs in zip(after_kills, uninterrupted, strict=True):
        same(ours, theirs)
    assert not list((tmp_path / "torn4").glob(".*.partial")), "what a killed write left is cleared away"


def close_at_of(market: Market, bar: int) -> int:
    """Return when a bar of a market closes."""
    return market.close_ms(bar)


def test_a_snapshot_that_cannot_be_used_is_no_reason_to_stop(tmp_path: Path) -> None:
    """Damaged, of other versions, or ahead of the venue: the past is read anew, and gives the same bits."""

    async def steps() -> None:
        market, made = small(tmp_path)
        async with running(made) as feed:
            await told(feed, market, range(WARM, WARM + 8))
        saved = (tmp_path / SNAPSHOT_NAME).read_bytes()
        for spoil in ("damaged", "other fits", "ahead"):
            (tmp_path / SNAPSHOT_NAME).write_bytes(saved[:-1] if spoil == "damaged" else saved)
            fits = (fit(2),) if spoil == "other fits" else (fit(1),)
            market.closed = WARM + 3 if spoil == "ahead" else WARM + 8
            async with running(feed_of(market, tmp_path, bare(), fits)) as feed:
                assert feed.status().caught_up == 0, spoil
                newest = feed.newest()
                assert newest is not None
                expect(newest, market.closed - 1, *fits)
                for close in await told(feed, market, range(market.closed, market.closed + 3)):
                    expect(close, (close.close_ms - close_at(0)) // MINUTE, *fits)

    run(steps)


def test_the_venue_is_away_for_a_while(tmp_path: Path) -> None:
    """Nothing comes and the data is said to be stale; then every missed close comes once, late but the last."""

    async def steps() -> None:
        market, made = small(tmp_path, stale_after_s=2.0)
        async with running(made) as feed:
            await told(feed, market, range(WARM, WARM + 2))
            assert not feed.status().stale
            market.away = True
            market.closed += 5
            while not (status := feed.status()).stale:
                await asyncio.sleep(0.05)
            assert all(age.stale for age in status.markets)
            market.away = False
            found: list[MarketClose] = []
            while len(found) < 5:
                found += await feed.closes(found[-1].close_ms if found else close_at(WARM + 1), 5.0)
            assert [close.close_ms for close in found] == [close_at(WARM + 2 + n) for n in range(5)]
            for bar, close in enumerate(found, WARM + 2):
                expect(close, bar, fit(1))
            assert feed.status().late == 4
            assert not feed.status().stale

    run(steps)


def test_candles_that_cannot_be_count_as_missing(tmp_path: Path) -> None:
    """A negative, zero or swapped price, a negative volume, an open outside: that coin has no bar, the others do."""

    async def steps() -> None:
        market, made = small(tmp_path)
        row = market.shown(A, WARM)
        assert row is not None
        for number, wrong in enumerate(impossible(row)):
            at = replace(wrong, open_ms=row.open_ms + number * MINUTE)
            market.wrong[A, WARM + number] = at
        async with running(made) as feed:
            found = await told(feed, market, range(WARM, WARM + 6))
            assert [A in close.bars for close in found] == [False] * 5 + [True]
            assert all(LEADER in close.bars for close in found)
            ages = {age.symbol: age for age in feed.status().markets}
            assert (ages[A].missing, ages[A].age_bars, ages[LEADER].missing) == (5, 0, 0)
            for close in found:
                for rows in close.fits.values():
                    assert np.isfinite(rows.market).all()

    run(steps)


def test_a_market_whose_candles_stop_is_stale_alone(tmp_path: Path) -> None:
    """The others go on; its age grows by the market clock."""

    async def steps() -> None:
        market, made = small(tmp_path)
        for bar in range(WARM, WARM + 9):
            market._rows[A].pop(bar)
        async with running(made) as feed:
            await told(feed, market, range(WARM, WARM + 9))
            ages = {age.symbol: (age.age_bars, age.stale) for age in feed.status().markets}
            assert ages == {A: (9, True), LEADER: (0, False), "FET/USDT": (0, False)}

    run(steps)


class JumpingClock:
    """A wall clock that somebody sets."""

    def __init__(self) -> None:
        self.ms = 1_800_000_000_000

    def now_ms(self) -> int:
        """Return what it was set to."""
        return self.ms


def test_a_clock_that_jumps_changes_nothing_but_the_time_of_arrival(tmp_path: Path) -> None:
    """A day forward, two days back: each close once, nothing is stale, ages are not negative."""

    async def steps() -> None:
        clock = JumpingClock()
        market, made = small(tmp_path, clock=clock)
        async with running(made) as feed:
            for bar, jump_ms in enumerate((0, 86_400_000, -172_800_000, 5), WARM):
                clock.ms += jump_ms
                (close,) = await told(feed, market, [bar])
                expect(close, bar, fit(1))
                assert close.heard_ms == clock.ms
                status = feed.status()
                assert not status.stale
                assert all(0.0 <= age.age_s < 5.0 for age in status.markets if age.age_s is not None)

    run(steps)


def test_a_close_that_comes_after_a_later_one_is_left_out(tmp_path: Path) -> None:
    """Candles out of order and twice: what was told stays told, in order, and the next close goes on."""

    async def steps() -> None:
        market, made = small(tmp_path)
        async with running(made) as feed:
            found = await told(feed, market, range(WARM, WARM + 2))
            late = type("Batch", (), {"close_ms": close_at(WARM), "candles": found[0].bars, "late": False})()
            again = type("Batch", (), {"close_ms": close_at(WARM + 1), "candles": found[1].bars, "late": False})()
            for batch in (late, again):
                await feed._close(batch)
            assert feed.status().left_out == 2
            (after,) = await told(feed, market, [WARM + 2])
            expect(after, WARM + 2, fit(1))

    run(steps)


def test_other_versions_are_followed_from_the_next_close_on(tmp_path: Path) -> None:
    """One more, then another set; a fit of a market that nobody follows changes nothing. The snapshot is of the new."""

    async def steps() -> None:
        market, made = small(tmp_path, snapshot_interval_s=3_600.0)
        async with running(made) as feed:
            await told(feed, market, range(WARM, WARM + 5))
            await feed.serve((fit(1), fit(2)))
            (close,) = await told(feed, market, [WARM + 5])
            expect(close, WARM + 5, fit(1), fit(2))
            context = replace(fit(1).context, universe=("XYZ/USDT",), leader=None)
            with pytest.raises(ConfigError, match="XYZ/USDT"):
                await feed.serve((replace(fit(1), context=context),))
            await feed.serve((fit(2),))
            (close,) = await told(feed, market, [WARM + 6])
            expect(close, WARM + 6, fit(2))
            while feed.status().snapshot_ms == 0:
                await asyncio.sleep(0.01)
        async with running(feed_of(market, tmp_path, bare(), (fit(2),))) as feed:
            newest = feed.newest()
            assert newest is not None
            expect(newest, WARM + 6, fit(2))
            (close,) = await told(feed, market, [WARM + 7])
            expect(close, WARM + 7, fit(2))

    run(steps)


def test_a_snapshot_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """The folder is a file: closes go on, the status says why; when it is mended the snapshot is written."""

    async def steps() -> None:
        folder = tmp_path / "feed"
        folder.write_text("in the way")
        market, made = small(folder)
        async with running(made) as feed:
            await told(feed, market, range(WARM, WARM + 3))
            while not feed.status().snapshot_failed:
                await asyncio.sleep(0.01)
            folder.unlink()
            await told(feed, market, range(WARM + 3, WARM + 5))
            while feed.status().snapshot_failed or not feed.status().snapshot_ms:
                await told(feed, market, [market.closed])
        assert (folder / SNAPSHOT_NAME).stat().st_size == feed.status().snapshot_bytes

    run(steps)


@cache
def booked() -> FeatureFit:
    """Return a fit that was trained with books."""
    start_ms = int(markets()[LEADER].timestamp[0])
    rich = compute_raw(markets(), SMALL, K, LEADER, books(markets()))
    return FeatureFit.fit(rich, start_ms, start_ms + 600 * MINUTE, 1)


def test_books_are_seen_recorded_and_read_again(tmp_path: Path) -> None:
    """A version trained with them gets them, one that was not has the bits of a feed that looks at no book.

    What was recorded is what was seen, and a feed that begins anew with the past has the same bits from the record.
    """
    fits = (fit(1), booked())
    store = tmp_path / "candles"

    async def quiet() -> list[MarketClose]:
        market = Market(markets(), WARM)
        async with running(feed_of(market, tmp_path / "quiet", bare(), fits)) as feed:
            return await told(feed, market, range(WARM, WARM + 20))

    async def looking() -> tuple[list[MarketClose], MarketClose]:
        market, source = Market(markets(), WARM), Books()
        made = feed_of(market, tmp_path / "looking", bare(), fits, books=source, record=store)
        found: list[MarketClose] = []
        async with running(made) as feed:
            for bar in range(WARM, WARM + 20):
                for second in (1, 20, 40, 59):
                    at_ms = close_at(bar) - MINUTE + second * 1_000
                    quantity = float(1 + (bar * second) % 13)
                    source.told.put_nowait(Quote(A, at_ms, 99.0 + bar % 3, quantity, 102.0, 5.0))
                if bar == WARM + 12:
                    source.told.put_nowait(Hole(A, "lost"))
                await source.told.join()
                found += await told(feed, market, [bar])
            status = feed.status()
            assert (status.book_holes, status.record_failed, status.stream_ages_s) == (1, "", {"ADA/USDT depth": 1.5})
        again = feed_of(market, tmp_path / "again", bare(), fits, books=Books(), record=store)
        await again.start()
        newest = again.newest()
        assert newest is not None
        return found, newest

    without, (seen, again) = run(quiet), run(looking)
    plain, rich = (one.sha256 for one in fits)
    place = seen[0].symbols.index(A)
    flows = []
    for one, other in zip(seen, without, strict=True):
        assert one.fits[plain].market.tobytes() == other.fits[plain].market.tobytes()
        assert one.fits[plain].sigma.tobytes() == other.fits[plain].sigma.tobytes()
        if one.fits[rich].due[place]:
            row = one.fits[rich].market[place]
            flows.append((row[S_OFI] != 0, row[S_AVAILABLE] > other.fits[rich].market[place][S_AVAILABLE]))
    assert (True, True) in flows
    book = read_books(store, A, "1m", np.array([close_at(bar) - MINUTE for bar in range(WARM, WARM + 20)]))
    assert book is not None
    lost = [n for n in range(20) if np.isnan(book[n, 0])]
    assert lost == [0, 12, 13], "the bar of the start, of the hole, and the one in which the first word came again"
    same(again, seen[-1])

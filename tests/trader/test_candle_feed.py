"""The feed in virtual time: closed candles only, in order, together; late and missing ones, a venue that is away."""

import asyncio
from collections.abc import Callable
from decimal import Decimal

import pytest

from huracan.errors import DataError, VenueError
from huracan.trader.candle_feed import Batch, CandleFeed
from huracan.venue.klines import KLINES_PAGE, Kline
from tests.execution.world import virtually

MINUTE = 60_000
T0 = 100 * MINUTE


def kline(open_ms: int) -> Kline:
    """Return a candle whose close tells when it opened."""
    price = Decimal(open_ms // MINUTE)
    return Kline(open_ms, price, price, price, price, Decimal(1), price, 1, Decimal(1))


class Source:
    """Candles that a minute of the loop's time brings; `lag_s` by market, `gaps` that never come."""

    def __init__(self) -> None:
        self.lag_s: dict[str, float] = {}
        self.gaps: set[tuple[str, int]] = set()
        self.away = False
        self.failing: set[str] = set()
        self.asked = 0

    def now_ms(self) -> int:
        """Return the market's time."""
        return T0 + int(asyncio.get_running_loop().time() * 1_000)

    async def klines(
        self, symbol: str, timeframe: str, start_ms: int | None = None, limit: int = KLINES_PAGE
    ) -> tuple[Kline, ...]:
        """Return what is there at this moment, the running candle included."""
        self.asked += 1
        if self.away or symbol in self.failing:
            raise VenueError("away")
        newest = (self.now_ms() - int(self.lag_s.get(symbol, 0.0) * 1_000)) // MINUTE * MINUTE
        first = newest if start_ms is None else max(start_ms, 0)
        opens = [at for at in range(first, newest + 1, MINUTE) if (symbol, at) not in self.gaps]
        return tuple(kline(at) for at in opens[:limit])


def feed_of(source: Source, wall: bool = False, poll_s: float = 1.0) -> CandleFeed:
    """Return a feed of two markets."""
    venue_ms: Callable[[], int] | None = source.now_ms if wall else None
    return CandleFeed(source, ("A/USDT", "B/USDT"), "1m", MINUTE, poll_s, 5.0, venue_ms)


async def take(feed: CandleFeed, count: int) -> list[tuple[Batch, float]]:
    """Return the next closes, with the loop's time at which each came."""
    found: list[tuple[Batch, float]] = []
    async for batch in feed.follow():
        found.append((batch, asyncio.get_running_loop().time()))
        if len(found) == count:
            return found
    raise AssertionError("the feed ended")


def test_the_history_ends_with_the_last_closed_candle_of_all() -> None:
    """The running candle is not in it; a market that lags holds the others back."""

    async def steps() -> None:
        source = Source()
        await asyncio.sleep(90.0)
        source.lag_s["B/USDT"] = 60.0
        rows = await feed_of(source).history(10)
        assert {symbol: found[-1].open_ms for symbol, found in rows.items()} == dict.fromkeys(rows, T0 - MINUTE)
        assert len(rows["A/USDT"]) == 9
        pages = await feed_of(source).history(95)
        assert pages["A/USDT"][0].open_ms == T0 + MINUTE - 95 * MINUTE

    virtually(steps)


def test_each_close_comes_once_in_order_and_with_all_markets() -> None:
    """Asking alone finds each close within a poll of its end."""

    async def steps() -> None:
        source = Source()
        feed = feed_of(source)
        await feed.history(5)
        found = await take(feed, 3)
        assert [batch.close_ms for batch, _ in found] == [T0 + MINUTE, T0 + 2 * MINUTE, T0 + 3 * MINUTE]
        assert all(set(batch.candles) == {"A/USDT", "B/USDT"} for batch, _ in found)
        assert all(row.open_ms == batch.close_ms - MINUTE for batch, _ in found for row in batch.candles.values())
        assert not any(batch.late for batch, _ in found)
        assert all(0.0 <= at_s - 60.0 * (n + 1) <= 2.0 for n, (_, at_s) in enumerate(found))

    virtually(steps)


def test_the_streams_word_wakes_it_at_once() -> None:
    """With a poll a minute apart the close still comes in the moment it is told, running candle or none."""

    async def steps() -> None:
        source = Source()
        feed = feed_of(source, poll_s=45.0)
        await feed.history(5)
        taking = asyncio.ensure_future(take(feed, 1))
        await asyncio.sleep(60.0)
        source.gaps = {("A/USDT", T0 + MINUTE), ("B/USDT", T0 + MINUTE)}  # nothing after the close yet
        feed.tell("A/USDT", T0)
        feed.tell("B/USDT", T0)
        [(batch, at_s)] = await taking
        assert (batch.close_ms, at_s, len(batch.candles)) == (T0 + MINUTE, 60.0, 2)

    virtually(steps)


def test_a_market_that_lags_is_waited_for_a_while() -> None:
    """Three seconds late it is waited for; for ever late the close goes on without it, and it comes back later."""

    async def steps() -> None:
        source = Source()
        feed = feed_of(source)
        await feed.history(5)
        source.lag_s["B/USDT"] = 3.0
        [(batch, at_s)] = await take(feed, 1)
        assert set(batch.candles) == {"A/USDT", "B/USDT"}
        assert 63.0 <= at_s <= 65.0
        source.gaps.add(("B/USDT", T0 + MINUTE))
        source.lag_s["B/USDT"] = 50.0
        found = await take(feed, 2)
        assert [set(batch.candles) for batch, _ in found] == [{"A/USDT"}, {"A/USDT"}]
        source.lag_s["B/USDT"] = 0.0
        found = await take(feed, 2)
        assert set(found[-1][0].candles) == {"A/USDT", "B/USDT"}

    virtually(steps)


def test_after_a_silence_all_that_was_missed_comes_and_only_the_last_is_fresh() -> None:
    """The venue is away for three minutes."""

    async def steps() -> None:
        source = Source()
        feed = feed_of(source)
        await feed.history(5)
        source.away = True
        taking = asyncio.ensure_future(take(feed, 3))
        await asyncio.sleep(200.0)
        source.away = False
        found = await taking
        assert [batch.close_ms for batch, _ in found] == [T0 + n * MINUTE for n in (1, 2, 3)]
        assert [batch.late for batch, _ in found] == [True, True, False]

    virtually(steps)


def test_a_candle_that_nobody_could_ask_for_is_not_missing() -> None:
    """The venue goes when one market's candle has come and the other's has not: both are in the close after all."""

    async def steps() -> None:
        source = Source()
        feed = feed_of(source)
        await feed.history(5)
        source.lag_s["B/USDT"] = 3.0
        taking = asyncio.ensure_future(take(feed, 3))
        await asyncio.sleep(62.0)
        source.away = True
        await asyncio.sleep(110.0)
        source.away, source.lag_s = False, {}
        found = await taking
        assert [batch.close_ms for batch, _ in found] == [T0 + n * MINUTE for n in (1, 2, 3)]
        assert all(set(batch.candles) == {"A/USDT", "B/USDT"} for batch, _ in found)

    virtually(steps)


def test_a_market_that_alone_does_not_answer_is_given_up_in_the_end() -> None:
    """Ten times as long as a candle that is late it is waited for, then the others go on without it."""

    async def steps() -> None:
        source = Source()
        feed = feed_of(source)
        await feed.history(5)
        source.failing.add("B/USDT")
        [(batch, at_s)] = await take(feed, 1)
        assert set(batch.candles) == {"A/USDT"}
        assert 50.0 <= at_s <= 120.0
        source.failing.clear()
        found = await take(feed, 3)
        assert set(found[-1][0].candles) == {"A/USDT", "B/USDT"}

    virtually(steps)


def test_where_market_time_is_wall_time_nobody_is_asked_before_the_end_of_a_bar() -> None:
    """Between closes there is nothing to ask, and a close needs no later candle."""

    async def steps() -> None:
        source = Source()
        feed = feed_of(source, wall=True)
        await feed.history(5)
        before = source.asked
        [(batch, at_s)] = await take(feed, 1)
        assert (batch.close_ms, source.asked - before) == (T0 + MINUTE, 2)
        assert 60.0 <= at_s <= 61.0

    virtually(steps)


def test_a_market_without_a_candle_is_refused() -> None:
    """There is nothing to trade on."""

    async def steps() -> None:
        source = Source()
        source.gaps = {("B/USDT", at) for at in range(0, T0 + MINUTE, MINUTE)}
        with pytest.raises(DataError, match="B/USDT"):
            await feed_of(source).history(5)

    virtually(steps)


def test_in_a_replay_a_perpetual_has_closed_when_the_stream_says_so_of_any_market() -> None:
    """No stream tells of perpetuals: its close must not wait until its next candle prints."""

    async def steps() -> None:
        source = Source()
        feed = CandleFeed(source, ("A/USDT", "B/USDT:USDT"), "1m", MINUTE, 45.0, 5.0, None)
        await feed.history(5)
        taking = asyncio.ensure_future(take(feed, 1))
        await asyncio.sleep(60.0)
        source.gaps = {("A/USDT", T0 + MINUTE), ("B/USDT:USDT", T0 + MINUTE)}  # nothing after the close yet
        feed.tell("A/USDT", T0)
        ((batch, at_s),) = await taking
        assert (set(batch.candles), at_s) == ({"A/USDT", "B/USDT:USDT"}, 60.0)

    virtually(steps)

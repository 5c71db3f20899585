"""Best prices, depth and trades over a real socket: dated, in order, once; holes are told, nothing dies silently."""

import asyncio
import contextlib
import json
import random
from collections.abc import AsyncIterator
from typing import Any

import aiohttp.web
import pytest

from huracan.clock import WallClock
from huracan.errors import VenueError
from huracan.paper import FaultKind, ScriptedFault
from huracan.venue.book_stream import BookEvent, BookStream, DepthReader, DepthSum, Hole, Quote, Tape
from huracan.venue.budget import WeightBudget
from huracan.venue.depth_book import Snapshot
from tests.paper import serving as paper
from tests.venue.scripted import Answer, error, reply, run, serving

T0 = 1_750_000_020_000
DROP = "drop the connection"
REFUSE = "refuse the connection"
PAUSE = "say nothing for a while"


def ticker(number: int, bid: Any = "1.0", ask: Any = "1.1", market: str = "ADAUSDT", **changes: Any) -> dict[str, Any]:
    """Return a best price."""
    return {"u": number, "s": market, "b": bid, "B": "5", "a": ask, "A": "7"} | changes


def depth(first: int, last: int, at_ms: int, market: str = "ADAUSDT", **changes: Any) -> dict[str, Any]:
    """Return a depth update that changes no level."""
    return {"e": "depthUpdate", "E": at_ms, "s": market, "U": first, "u": last, "b": [], "a": []} | changes


def trade(number: int, at_ms: int, seller: Any = False, **changes: Any) -> dict[str, Any]:
    """Return an aggregate of three trades."""
    plain = {"e": "aggTrade", "E": at_ms, "s": "ADAUSDT", "a": number, "p": "1.05", "q": "2", "T": at_ms, "m": seller}
    return plain | {"f": 3 * number, "l": 3 * number + 2} | changes


class Books:
    """Snapshots of the same levels; the number of the last change is what the test says."""

    def __init__(self, last: int = 0, failing: int = 0) -> None:
        self.last, self.failing, self.asked = last, failing, 0

    async def snapshot(self, symbol: str) -> Snapshot:
        """Return the book."""
        self.asked += 1
        if self.failing:
            self.failing -= 1
            raise VenueError("away")
        return Snapshot(self.last, ((1.0, 5.0), (0.9, 1.0)), ((1.1, 7.0), (1.2, 2.0)))


class Server:
    """Accepts subscriptions and plays one script per connection."""

    def __init__(self, *scripts: list[Any]) -> None:
        self.scripts = list(scripts)
        self.subscriptions: list[Any] = []
        self.refused = 0

    async def serve(self, request: aiohttp.web.Request) -> aiohttp.web.StreamResponse:
        """Serve one connection."""
        script = self.scripts.pop(0) if self.scripts else []
        if script[:1] == [REFUSE]:
            self.refused += 1
            return aiohttp.web.Response(status=503)
        socket = aiohttp.web.WebSocketResponse()
        await socket.prepare(request)
        self.subscriptions.append(json.loads((await socket.receive()).data))
        await socket.send_json({"result": None, "id": 1})
        for step in script:
            if step == DROP:
                await socket.close()
                return socket
            if step == PAUSE:
                await asyncio.sleep(0.2)
            elif isinstance(step, bytes):
                await socket.send_bytes(step)
            else:
                await socket.send_str(step if isinstance(step, str) else json.dumps(step))
        async for _ in socket:
            pass
        return socket


@contextlib.asynccontextmanager
async def streaming(
    *scripts: list[Any], books: Books | None = None, symbols: tuple[str, ...] = ("ADA/USDT",), silence_s: float = 30.0
) -> AsyncIterator[tuple[Server, BookStream]]:
    """Yield a server and a stream of it."""
    server = Server(*scripts)
    app = aiohttp.web.Application()
    app.router.add_get("/stream/ws", server.serve)
    runner = aiohttp.web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await aiohttp.web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"ws://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield server, BookStream(url, symbols, books or Books(), WallClock(), random.Random(1), silence_s)
    finally:
        await runner.cleanup()


async def take(stream: BookStream, count: int) -> list[BookEvent]:
    """Return the next events and leave."""
    found: list[BookEvent] = []
    async with contextlib.aclosing(stream.events()) as events:
        async for event in events:
            found.append(event)
            if len(found) == count:
                break
    return found


def play(*script: Any, count: int, books: Books | None = None) -> tuple[list[BookEvent], BookStream]:
    """Return what a stream makes of one connection's messages."""

    async def steps() -> tuple[list[BookEvent], BookStream]:
        async with streaming(list(script), books=books) as (_, stream):
            return await take(stream, count), stream

    found: tuple[list[BookEvent], BookStream] = run(steps)
    return found


QUOTE = (1.0, 5.0, 1.1, 7.0)


def test_a_best_price_is_dated_by_the_update_that_covers_it() -> None:
    """Two wait for the update of their numbers; one that comes after its update has that update's time."""
    script = [PAUSE, ticker(1), ticker(3), depth(1, 3, T0), ticker(5), depth(4, 6, T0 + 100), ticker(6)]
    found, _ = play(*script, count=6)
    quotes = [event.time_ms for event in found if isinstance(event, Quote)]
    assert quotes == [T0, T0, T0 + 100, T0 + 100]
    assert found[0] == Quote("ADA/USDT", T0, *QUOTE)
    assert [event for event in found if isinstance(event, DepthSum)] == [
        DepthSum("ADA/USDT", T0, 6.0, 9.0),
        DepthSum("ADA/USDT", T0 + 100, 6.0, 9.0),
    ]


def test_trades_tell_who_took() -> None:
    """The buyer rests: the taker sold; an aggregate counts as the trades in it."""
    found, _ = play(trade(1, T0), trade(2, T0 + 5, True), count=2)
    assert found == [Tape("ADA/USDT", T0, 1.05, 2.0, 3, True), Tape("ADA/USDT", T0 + 5, 1.05, 2.0, 3, False)]


def test_what_comes_twice_or_out_of_order_counts_once() -> None:
    """Each stream's numbers only grow."""
    script = [PAUSE, ticker(2), ticker(2), ticker(1), depth(1, 2, T0), depth(1, 2, T0), depth(1, 1, T0 - 50)]
    found, stream = play(*script, trade(7, T0), trade(7, T0), trade(6, T0), trade(8, T0), count=4)
    assert [type(event) for event in found] == [Quote, DepthSum, Tape, Tape]
    assert stream.dropped == 6


def test_what_cannot_be_is_dropped_and_counted() -> None:
    """NaN, negative, zero, crossed, truth values, missing fields, garbage, deep nests: the next message counts."""
    bad = [
        ticker(1, bid="NaN"),
        ticker(1, bid=float("nan")),
        ticker(1, bid="-1"),
        ticker(1, bid="0"),
        ticker(1, ask="Infinity"),
        ticker(1, bid="1.1"),
        ticker(1, bid="1.2"),
        ticker(1, B="0"),
        ticker(1, bid=True),
        ticker(1, bid=None),
        ticker("1"),
        ticker(-1),
        depth(5, 4, T0),
        depth(1, 1, "now"),
        depth(1, 1, T0, b=[["1.0"]]),
        depth(1, 1, T0, b=[["-1.0", "1"]]),
        depth(1, 1, T0, a=[["1.0", "NaN"]]),
        trade(1, T0, "yes"),
        trade(1, T0, q="0"),
        trade(1, T0, p="nan"),
        trade(1, T0, l=2),
        trade(1, T0, T=None),
        "garbage",
        "[1, 2]",
        "3",
        "[" * 100_000,
        b"\x00\x01",
    ]
    others = [{"result": None, "id": 7}, ticker(1, market="XYZUSDT"), {"e": "kline", "s": "ADAUSDT"}]
    found, stream = play(*bad, *others, trade(1, T0), count=1)
    assert found == [Tape("ADA/USDT", T0, 1.05, 2.0, 3, True)]
    assert stream.dropped == len(bad)


def test_a_missing_update_is_a_hole_and_the_book_is_asked_for_again() -> None:
    """Changes 3 and 4 never came; depth is silent until a snapshot that covers them is there."""
    books = Books()

    async def steps() -> list[BookEvent]:
        script = [PAUSE, depth(1, 2, T0), depth(5, 6, T0 + 100), PAUSE, depth(7, 7, T0 + 200)]
        async with streaming(script, books=books) as (_, stream):
            found = []
            async with contextlib.aclosing(stream.events()) as events:
                async for event in events:
                    found.append(event)
                    books.last = 4
                    if len(found) == 3:
                        return found
        raise AssertionError("the stream ended")

    found = run(steps)
    hole, after = found[1:]
    assert isinstance(hole, Hole)
    assert "3 to 4" in hole.reason
    assert (after, books.asked) == (DepthSum("ADA/USDT", T0 + 200, 6.0, 9.0), 2)


def test_a_lost_connection_is_a_hole_of_every_market() -> None:
    """After a drop and a refusal it subscribes anew, and numbers may begin anew."""

    async def steps() -> tuple[list[BookEvent], int, int]:
        scripts = ([trade(9, T0), DROP], [REFUSE], [trade(1, T0 + 9)])
        async with streaming(*scripts, symbols=("ADA/USDT", "BTC/USDT")) as (server, stream):
            return await take(stream, 6), len(server.subscriptions), server.refused

    found, subscriptions, refused = run(steps)
    assert [event.symbol for event in found if isinstance(event, Hole)] == ["ADA/USDT", "BTC/USDT"] * 2
    assert [event.time_ms for event in found if isinstance(event, Tape)] == [T0, T0 + 9]
    assert (subscriptions, refused) == (2, 1)


def test_a_connection_that_says_nothing_is_given_up() -> None:
    """The socket answers pings, no message comes: after the given time it is a hole, and a new connection."""

    async def steps() -> tuple[list[BookEvent], int]:
        async with streaming([], [trade(1, T0)], silence_s=0.3) as (_, stream):
            return await take(stream, 2), stream.connections

    found, connections = run(steps)
    assert found[0] == Hole("ADA/USDT", "silent for 0.3 s")
    assert (isinstance(found[1], Tape), connections) == (True, 2)


def test_a_depth_stream_that_is_dead_alone_is_given_up() -> None:
    """Best prices go on and nothing dates them: after the given time it is a hole, and a new connection."""

    async def steps() -> tuple[list[BookEvent], int]:
        silent = [step for number in range(1, 6) for step in (ticker(number), PAUSE)]
        async with streaming(silent, [PAUSE, ticker(1), depth(1, 1, T0)], silence_s=0.5) as (_, stream):
            return await take(stream, 2), stream.connections

    found, connections = run(steps)
    assert isinstance(found[0], Hole)
    assert "depth is silent" in found[0].reason
    assert (found[1], connections) == (Quote("ADA/USDT", T0, *QUOTE), 2)


def test_a_refused_subscription_is_told() -> None:
    """The venue's words are the reason; the next connection is tried."""
    refusal = {"error": {"code": 2, "msg": "Invalid request: no such stream"}, "id": 1}
    found, _ = play(refusal, count=1)
    assert isinstance(found[0], Hole)
    assert "no such stream" in found[0].reason


def test_a_snapshot_that_does_not_come_is_asked_for_again() -> None:
    """Two failures, then the book; best prices never waited for it."""
    books = Books(last=2, failing=2)

    async def steps() -> list[BookEvent]:
        script = [ticker(1), depth(1, 2, T0), *[PAUSE] * 12, depth(3, 3, T0 + 100)]
        async with streaming(script, books=books) as (_, stream):
            return await take(stream, 2)

    found = run(steps)
    assert [type(event) for event in found] == [Quote, DepthSum]
    assert books.asked == 3


def test_ages_are_kept_by_market_and_stream() -> None:
    """What was heard is young, what never was has the age of the stream."""

    async def steps() -> dict[str, float]:
        async with streaming([*[PAUSE] * 2, trade(1, T0)]) as (_, stream):
            await take(stream, 1)
            return stream.ages_s()

    ages = run(steps)
    assert set(ages) == {f"ADA/USDT {kind}" for kind in ("bookTicker", "depth", "aggTrade")}
    assert ages["ADA/USDT aggTrade"] < 0.2 < ages["ADA/USDT depth"] == ages["ADA/USDT bookTicker"]


def test_whole_books_are_read_or_refused() -> None:
    """Known answer; a refusal and nonsense are errors that name the market."""

    async def steps() -> None:
        good = {"lastUpdateId": 7, "bids": [["1.0", "2"]], "asks": [["1.1", "3"]]}
        answers = [reply(good), error(400, -1121, "Invalid symbol."), reply([]), Answer(200, "<html>")]
        answers.append(reply(good | {"bids": [["NaN", "1"]]}))
        async with serving(*answers) as server:
            reader = DepthReader(server.url, WallClock(), WeightBudget(6_000))
            try:
                assert await reader.snapshot("ADA/USDT") == Snapshot(7, ((1.0, 2.0),), ((1.1, 3.0),))
                for reason in ("Invalid symbol", "malformed", "", "malformed"):
                    with pytest.raises(VenueError, match=f"GET depth ADA/USDT.*{reason}"):
                        await reader.snapshot("ADA/USDT")
            finally:
                await reader.close()

    run(steps)


def test_at_the_paper_exchange_gaps_and_crossed_books_are_mended() -> None:
    """Against the server that traders meet: an update left out and a crossed book, then depth goes on."""

    async def steps() -> tuple[list[BookEvent], BookStream]:
        served = paper.exchange()
        async with paper.serving(served, speed=600.0) as server:
            reader = DepthReader(server.url, WallClock(), WeightBudget(10**9))
            stream = BookStream(
                "ws" + server.url.removeprefix("http"), paper.SYMBOLS, reader, WallClock(), random.Random(1)
            )
            found: list[BookEvent] = []
            try:
                async with contextlib.aclosing(stream.events()) as events:
                    async for event in events:
                        found.append(event)
                        if len(found) in (60, 120):
                            kind = FaultKind.DEPTH_GAP if len(found) == 60 else FaultKind.CROSSED_BOOK
                            served.script(ScriptedFault(kind))
                        if len(found) == 400:
                            return found, stream
            finally:
                await reader.close()
        raise AssertionError("the stream ended")

    found, stream = run(steps)
    holes = [at for at, event in enumerate(found) if isinstance(event, Hole)]
    assert len(holes) == 1, [found[at] for at in holes]
    assert stream.resyncs >= 4, "two at the start, one each after the gap and the cross"
    for symbol in paper.SYMBOLS:
        mine = [event for event in found if event.symbol == symbol and not isinstance(event, Hole)]
        assert {type(event) for event in mine[-60:]} == {Quote, Tape, DepthSum}
        times = [event.time_ms for event in mine if isinstance(event, Quote)]
        assert times == sorted(times)
        quotes = [event for event in mine if isinstance(event, Quote)]
        assert all(quote.bid < quote.ask for quote in quotes)

"""Candles over a real server: every digit, in order, or a fault; and the stream's word on which of them have closed."""

import asyncio
import contextlib
import json
import random
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import aiohttp.web
import pytest

from huracan.clock import WallClock
from huracan.errors import VenueError
from huracan.venue.budget import WeightBudget
from huracan.venue.klines import Kline, KlineReader, KlineStream
from tests.paper import serving as paper
from tests.paper.world import StillClock
from tests.venue.scripted import Answer, ScriptedServer, error, reply, run, serving

MINUTE = 60_000
T0 = 1_750_000_020_000
PATH = "/api/v3/klines"


def row(open_ms: int = T0, **cells: Any) -> list[Any]:
    """Return a candle as the venue prints it; `cells` are changed by place, `c4="1.5"`."""
    plain = [
        open_ms, "0.10000000", "0.30000001", "0.09999999", "0.20000000", "12345678901.12345678", open_ms + MINUTE - 1,
        "2469135780.22469135", 308, "6172839450.56172839", "1234567890.11234567", "0",
    ]  # fmt: skip
    for name, cell in cells.items():
        plain[int(name[1:])] = cell
    return plain


@contextlib.asynccontextmanager
async def reading(
    server: ScriptedServer, budget: WeightBudget | None = None, clock: Any = None, timeout_ms: int = 10_000
) -> AsyncIterator[KlineReader]:
    """Yield a reader of a server, closed at the end."""
    reader = KlineReader(server.url, clock or WallClock(), budget or WeightBudget(6_000), timeout_ms)
    try:
        yield reader
    finally:
        await reader.close()


def read(*answers: Answer, start_ms: int | None = None) -> tuple[Kline, ...]:
    """Return what a reader makes of these answers, all of which it must have asked for."""

    async def steps() -> tuple[Kline, ...]:
        async with serving(*answers) as server, reading(server) as reader:
            return await reader.klines("ADA/USDT", "1m", start_ms)

    found: tuple[Kline, ...] = run(steps)
    return found


# ---- over REST ------------------------------------------------------------------------------------------------------


def test_every_column_is_kept_to_the_last_digit() -> None:
    """Text or JSON number, no figure passes through a float; the running candle is among them."""
    first = row()
    exact = json.dumps([first, row(T0 + MINUTE, c4="CLOSE")]).replace('"CLOSE"', "0.1234567890123456789")
    found = read(Answer(200, exact, {"Content-Type": "application/json"}))
    assert found[0] == Kline(
        T0,
        Decimal("0.10000000"),
        Decimal("0.30000001"),
        Decimal("0.09999999"),
        Decimal("0.20000000"),
        Decimal("12345678901.12345678"),
        Decimal("2469135780.22469135"),
        308,
        Decimal("6172839450.56172839"),
    )
    assert [str(found[0].open), str(found[0].volume)] == [first[1], first[5]]
    assert (found[1].open_ms, str(found[1].close)) == (T0 + MINUTE, "0.1234567890123456789")


def test_the_venue_is_asked_for_what_is_wanted() -> None:
    """Without a start the newest ones; a start and a limit are passed on as they are."""

    async def steps() -> list[dict[str, str]]:
        async with serving(reply([]), reply([row()])) as server, reading(server) as reader:
            assert await reader.klines("ADA/USDT", "1m") == ()
            assert len(await reader.klines("BTC/USDT", "5m", T0, 7)) == 1
            return [seen.params for seen in server.sent("GET", PATH)]

    assert run(steps) == [
        {"symbol": "ADAUSDT", "interval": "1m", "limit": "1000"},
        {"symbol": "BTCUSDT", "interval": "5m", "limit": "7", "startTime": str(T0)},
    ]


MALFORMED = {
    "an object": reply({"rows": [row()]}),
    "a page of HTML": Answer(200, "<html>maintenance</html>"),
    "nothing": Answer(200, ""),
    "half of it": Answer(200, json.dumps([row()])[:40], {"Content-Type": "application/json"}),
    "a short row": reply([row()[:9]]),
    "a row that is none": reply([None]),
    "no number": reply([row(c2="high")]),
    "not finite": reply([row(c3="NaN")]),
    "endless": reply([row(c5="Infinity")]),
    "JSON's NaN": Answer(200, json.dumps([row(c3=float("nan"))]), {"Content-Type": "application/json"}),
    "null": reply([row(c7=None)]),
    "a truth value": reply([row(c1=True)]),
    "no count": reply([row(c8="many")]),
    "no time": reply([row(c0="soon")]),
    "twice the same": reply([row(), row()]),
    "newest first": reply([row(T0 + MINUTE), row()]),
    "before the start": reply([row(T0 - MINUTE), row()]),
}


def test_what_is_no_list_of_candles_in_order_is_a_fault() -> None:
    """Three times the same nonsense end in an error that names the market; no part of the reply is believed."""

    async def ask(answer: Answer) -> None:
        async with serving(*[answer] * 3) as server, reading(server) as reader:
            with pytest.raises(VenueError, match="klines ADA/USDT: malformed reply"):
                await reader.klines("ADA/USDT", "1m", T0)

    async def steps() -> None:
        await asyncio.gather(*map(ask, MALFORMED.values()))

    run(steps)


def test_a_passing_fault_is_passed_over() -> None:
    """A reply of every kind of bad luck, then a proper one."""
    bad_luck = [
        [error(500, -1000, "unknown")],
        [Answer(502, "<html>bad gateway</html>")],
        [Answer(fate="reset"), Answer(fate="close")],
        [Answer(200, json.dumps([row()]), {"Content-Type": "application/json"}, fate="cut")],
        [Answer(fate="hang"), reply([row(), row()])],
    ]

    async def ask(answers: list[Answer]) -> int:
        timeout_ms = 1_500 if answers[0].fate == "hang" else 10_000
        async with serving(*answers, reply([row()])) as server, reading(server, timeout_ms=timeout_ms) as reader:
            return len(await reader.klines("ADA/USDT", "1m", T0))

    async def steps() -> list[int]:
        return await asyncio.gather(*map(ask, bad_luck))

    assert run(steps) == [1] * len(bad_luck)


def test_an_unknown_market_is_a_fault_with_the_venues_words() -> None:
    """Whoever reads the error knows what to mend; asking again would not make a market of it."""

    async def steps() -> int:
        async with serving(error(400, -1121, "Invalid symbol.")) as server, reading(server) as reader:
            with pytest.raises(VenueError, match="HTTP 400: Invalid symbol"):
                await reader.klines("ADA/USDT", "1m")
            return len(server.sent("GET"))

    assert run(steps) == 1


def test_a_venue_that_wants_silence_gets_it() -> None:
    """After a 429 nothing is sent before its time, neither from here nor by others who share the budget."""

    async def steps() -> None:
        clock, budget = StillClock(), WeightBudget(6_000)
        slow_down = error(429, -1003, "Too many requests.", Retry_After="100")
        async with serving(slow_down) as server, reading(server, budget, clock) as reader:
            with pytest.raises(VenueError, match="not sent, asked to wait 100 s"):
                await reader.klines("ADA/USDT", "1m")
            with pytest.raises(VenueError, match="not sent"):
                await reader.klines("BTC/USDT", "1m")
            assert len(server.seen) == 1
            assert 99_000 < budget.reserve(1, clock.now_ms()) <= 100_001

    run(steps)


def test_the_venues_own_limit_is_taken_over() -> None:
    """Whoever shares an address is counted in the venue's figure, so its limit must be the venue's as well."""
    limits = [
        {"rateLimitType": "RAW_REQUESTS", "interval": "MINUTE", "intervalNum": 5, "limit": 61_000},
        {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 50_000},
    ]

    async def steps() -> int:
        budget = WeightBudget(6_000)
        async with serving(reply({"rateLimits": limits})) as server, reading(server, budget) as reader:
            await reader.learn_limit()
        return budget.limit

    assert run(steps) == 40_000


def test_weight_is_spent_and_the_venues_count_is_believed() -> None:
    """Two per request of our own count; what others behind the same address spent comes with the reply."""

    async def steps() -> None:
        clock, budget = StillClock(), WeightBudget(100, share_frac=1.0)
        told = Answer(200, "[]", {"Content-Type": "application/json", "X-MBX-USED-WEIGHT-1M": "90"})
        async with serving(reply([]), told) as server, reading(server, budget, clock) as reader:
            await reader.klines("ADA/USDT", "1m")
            assert (budget.reserve(99, clock.now_ms()) > 0, budget.reserve(0, clock.now_ms())) == (True, 0)
            await reader.klines("ADA/USDT", "1m")
            assert budget.reserve(11, clock.now_ms()) > 0
            assert budget.reserve(10, clock.now_ms()) == 0

    run(steps)


# ---- over the stream ------------------------------------------------------------------------------------------------

DROP = "drop the connection"
REFUSE = "refuse the connection"


def told(market: str = "ADAUSDT", open_ms: int = T0, closed: Any = True, **changes: Any) -> dict[str, Any]:
    """Return an event of the stream."""
    kline = {"t": open_ms, "T": open_ms + MINUTE - 1, "s": market, "i": "1m", "c": "0.2", "x": closed}
    return {"e": "kline", "E": open_ms + MINUTE, "s": market, "k": kline | changes}


class KlineServer:
    """Accepts subscriptions and plays one script per connection: events, text, `DROP`, or `REFUSE` as the first."""

    def __init__(self, *scripts: list[Any]) -> None:
        self.scripts = list(scripts)
        self.subscriptions: list[Any] = []
        self.refused = 0
        self.left = asyncio.Event()

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
            if isinstance(step, bytes):
                await socket.send_bytes(step)
            else:
                await socket.send_str(step if isinstance(step, str) else json.dumps(step))
        async for _ in socket:
            pass
        self.left.set()
        return socket


@contextlib.asynccontextmanager
async def streaming(*scripts: list[Any]) -> AsyncIterator[tuple[KlineServer, KlineStream]]:
    """Yield a server and a stream of two of its markets."""
    server = KlineServer(*scripts)
    app = aiohttp.web.Application()
    app.router.add_get("/stream/ws", server.serve)
    runner = aiohttp.web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await aiohttp.web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"ws://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield server, KlineStream(url, ("ADA/USDT", "BTC/USDT"), "1m", random.Random(1))
    finally:
        await runner.cleanup()


async def take(stream: KlineStream, count: int) -> list[tuple[str, int]]:
    """Return the next `count` closed candles and leave."""
    found: list[tuple[str, int]] = []
    async with contextlib.aclosing(stream.closed()) as closed:
        async for one in closed:
            found.append(one)
            if len(found) == count:
                break
    return found


def test_the_stream_tells_closed_candles_only() -> None:
    """Each update of a running candle is no word; alone or wrapped with its stream's name, an event means the same."""
    wrapped = {"stream": "btcusdt@kline_1m", "data": told("BTCUSDT", T0)}
    script = [told(closed=False), told(), told(open_ms=T0 + MINUTE, closed=False), wrapped, told(open_ms=T0 + MINUTE)]

    async def steps() -> tuple[list[tuple[str, int]], list[Any]]:
        async with streaming(script) as (server, stream):
            return await take(stream, 3), server.subscriptions

    found, subscriptions = run(steps)
    assert found == [("ADA/USDT", T0), ("BTC/USDT", T0), ("ADA/USDT", T0 + MINUTE)]
    names = ["adausdt@kline_1m", "btcusdt@kline_1m"]
    assert subscriptions == [{"method": "SUBSCRIBE", "params": names, "id": 1}]


def test_what_the_stream_does_not_know_or_understand_is_dropped() -> None:
    """Other markets, other events, words instead of truth values, garbage: the connection stays and the next counts."""
    odd = [
        told("XYZUSDT"),
        told(closed="true"),
        told(closed=1),
        told() | {"e": "trade"},
        told() | {"k": None},
        {"e": "kline"},
        told(t="soon"),
        {"data": "words"},
        {"error": {"code": 2, "msg": "Invalid request"}},
        "garbage",
        "[1, 2]",
        "3",
        b"\x00\x01",
    ]

    async def steps() -> tuple[list[tuple[str, int]], int]:
        async with streaming([*odd, told(open_ms=T0 + MINUTE)]) as (server, stream):
            return await take(stream, 1), len(server.subscriptions)

    assert run(steps) == ([("ADA/USDT", T0 + MINUTE)], 1)


def test_a_lost_stream_is_connected_again() -> None:
    """After a drop, and after the venue refused a connection, it subscribes anew and goes on."""

    async def steps() -> tuple[list[tuple[str, int]], int, int]:
        async with streaming([told(), DROP], [REFUSE], [told(open_ms=T0 + MINUTE)]) as (server, stream):
            return await take(stream, 2), len(server.subscriptions), server.refused

    assert run(steps) == ([("ADA/USDT", T0), ("ADA/USDT", T0 + MINUTE)], 2, 1)


def test_whoever_stops_listening_is_disconnected() -> None:
    """A listener that leaves, or that is cancelled while it waits, leaves no connection behind."""

    async def steps() -> None:
        async with streaming([told()]) as (server, stream):
            await take(stream, 1)
            await asyncio.wait_for(server.left.wait(), 10.0)
        async with streaming([]) as (server, stream):
            waiting = asyncio.ensure_future(take(stream, 1))
            while not server.subscriptions:
                await asyncio.sleep(0.01)
            waiting.cancel()
            await asyncio.wait_for(server.left.wait(), 10.0)

    run(steps)


def test_at_the_paper_exchange_a_candle_that_was_called_closed_does_not_change_any_more() -> None:
    """Reader and stream against the server that traders meet: consecutive minutes, and each row stays as it was."""

    async def steps() -> None:
        budget = WeightBudget(10**9)
        async with paper.serving(paper.exchange(), speed=240.0) as server:
            stream = KlineStream("ws" + server.url.removeprefix("http"), paper.SYMBOLS, "1m", random.Random(1))
            reader = KlineReader(server.url, WallClock(), budget)
            try:
                rows: dict[tuple[str, int], Kline] = {}
                async with contextlib.aclosing(stream.closed()) as closed:
                    async for symbol, open_ms in closed:
                        (rows[symbol, open_ms],) = await reader.klines(symbol, "1m", open_ms, 1)
                        if len(rows) == 6:
                            break
                times = {symbol: [at for name, at in rows if name == symbol] for symbol in paper.SYMBOLS}
                for symbol, opens in times.items():
                    assert opens == [opens[0] + n * MINUTE for n in range(3)]
                    later = await reader.klines(symbol, "1m", opens[0])
                    assert later[:3] == tuple(rows[symbol, at] for at in opens)
            finally:
                await reader.close()

    run(steps)


def test_candles_of_a_perpetual_come_from_the_host_of_futures() -> None:
    """It has the spot market's name there, and a limit of its own, which is asked for once; the spot limit is not."""
    info = {"rateLimits": [{"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 2400}]}

    async def steps() -> None:
        budget = WeightBudget(1)
        async with (
            serving(reply(info), reply([row()]), reply([row(), row(T0 + MINUTE)])) as server,
            reading(server, budget) as reader,
        ):
            assert [one.open_ms for one in await reader.klines("BTC/USDT:USDT", "1m")] == [T0]
            assert await reader.has("BTC/USDT:USDT", "1m")
        assert [one.path for one in server.seen] == ["/fapi/v1/exchangeInfo", "/fapi/v1/klines", "/fapi/v1/klines"]
        assert server.seen[1].params["symbol"] == "BTCUSDT"

    run(steps)


def test_a_market_is_there_when_it_has_a_closed_candle() -> None:
    """The venue's word that there is none is an answer; its silence is not."""

    async def has(*answers: Answer) -> bool:
        async with serving(*answers) as server, reading(server) as reader:
            return await reader.has("ADA/USDT", "1m")

    assert run(lambda: has(reply([row(), row(T0 + MINUTE)])))
    assert not run(lambda: has(reply([row()])))
    assert not run(lambda: has(error(400, -1121, "Invalid symbol.")))
    with pytest.raises(VenueError, match="3 attempts"):
        run(lambda: has(*[error(500, -1000, "down")] * 3))

"""Market streams of one bar, and their faults (F16)."""

from decimal import Decimal
from typing import Any

from huracan.paper import FaultKind, ScriptedFault
from tests.paper.world import BASE_MS, FLAT, START_MS, World, market

MOVE = (10_010, 10_060, 9_950, 10_020, 4_000)


def world(**settings: Any) -> World:
    """Return an exchange whose window's bar moves."""
    return World([market([FLAT, MOVE, MOVE, FLAT], impact=0.05)], **settings)


def by_stream(here: World) -> dict[str, list[dict[str, Any]]]:
    """Return drained public payloads by stream."""
    found: dict[str, list[dict[str, Any]]] = {}
    for event in here.drained():
        found.setdefault(event.stream, []).append(event.payload)
    return found


def test_a_bar_prints_four_times_and_closes_once() -> None:
    """Trades, books and candles; the last candle is final."""
    here = world()
    assert here.drained() == [], "the window says nothing"
    here.bar()
    shown = by_stream(here)
    assert [p["p"] for p in shown["aaausdt@trade"]] == ["100.10000000", "99.50000000", "100.60000000", "100.20000000"]
    assert len(shown["aaausdt@aggTrade"]) == len(shown["aaausdt@bookTicker"]) == len(shown["aaausdt@depth"]) == 4
    candles = [payload["k"] for payload in shown["aaausdt@kline_1m"]]
    assert [candle["x"] for candle in candles] == [False, False, False, True]
    last = candles[-1]
    assert (last["t"], last["o"], last["h"], last["l"], last["c"], last["v"]) == (
        START_MS + BASE_MS,
        "100.10000000",
        "100.60000000",
        "99.50000000",
        "100.20000000",
        "4.00000000",
    )


def apply(book: dict[str, dict[Decimal, Decimal]], update: dict[str, Any]) -> None:
    """Change a book by one depth update, as a client does."""
    for side in ("b", "a"):
        for price, size in update[side]:
            book[side][Decimal(price)] = Decimal(size)
            if not Decimal(size):
                del book[side][Decimal(price)]


def snapshot(here: World) -> tuple[int, dict[str, dict[Decimal, Decimal]]]:
    """Return (update id, book) of GET depth."""
    shown = here.get("/api/v3/depth", symbol="AAAUSDT")
    sides = {"b": shown["bids"], "a": shown["asks"]}
    return shown["lastUpdateId"], {
        side: {Decimal(price): Decimal(size) for price, size in levels} for side, levels in sides.items()
    }


def test_a_snapshot_and_the_updates_are_the_book() -> None:
    """U follows the last u without a hole, and the result is what GET depth says."""
    here = world()
    last, book = snapshot(here)
    for _ in range(2):
        here.bar()
        for update in by_stream(here)["aaausdt@depth"]:
            assert update["U"] == last + 1
            last = update["u"]
            apply(book, update)
            assert max(book["b"]) < min(book["a"])
    assert (last, book) == snapshot(here)


def test_what_is_shown_at_a_close_belongs_to_the_bar_that_closes() -> None:
    """Binance's events of a bar come before its close; the last print's is a millisecond before it."""
    here = world()
    here.bar()
    shown = by_stream(here)
    opened = START_MS + BASE_MS
    times = [opened + BASE_MS * quarter // 4 for quarter in (1, 2, 3)] + [opened + BASE_MS - 1]
    for stream in ("depth", "trade", "aggTrade"):
        assert [payload["E"] for payload in shown[f"aaausdt@{stream}"]] == times


def test_f16_an_update_is_left_out() -> None:
    """The next U does not follow the last u."""
    here = world()
    here.exchange.script(ScriptedFault(FaultKind.DEPTH_GAP, skip=1))
    here.bar()
    first = [update["U"] for update in by_stream(here)["aaausdt@depth"]]
    assert first == [2, 4, 5]


def test_f16_a_crossed_book_and_its_repair() -> None:
    """A bid above the best ask comes and goes."""
    here = world()
    _, book = snapshot(here)
    here.exchange.script(ScriptedFault(FaultKind.CROSSED_BOOK))
    here.bar()
    crossed = []
    for update in by_stream(here)["aaausdt@depth"]:
        apply(book, update)
        crossed.append(max(book["b"]) >= min(book["a"]))
    assert crossed == [True, False, False, False]


def test_only_wanted_streams_are_published() -> None:
    """A simulation asks for candles alone, and for a coarser timeframe beside."""
    here = world(streams=("kline",), intervals=("3m",))
    here.bar()
    here.bar()
    shown = by_stream(here)
    assert set(shown) == {"aaausdt@kline_1m", "aaausdt@kline_3m"}
    assert [payload["k"]["x"] for payload in shown["aaausdt@kline_3m"]][-1] is True


def test_a_quiet_bar_closes_without_a_print() -> None:
    """Its candle repeats the close before it."""
    here = World([market([FLAT, (10_000, 10_000, 10_000, 10_000, 0), FLAT])])
    here.bar()
    shown = by_stream(here)
    assert set(shown) == {"aaausdt@kline_1m"}
    (candle,) = (payload["k"] for payload in shown["aaausdt@kline_1m"])
    assert (candle["x"], candle["v"], candle["c"]) == (True, "0.00000000", "100.00000000")

"""The replay clock: speeds read, every phase at its time, none left out."""

import asyncio

import pytest

from huracan.errors import UsageError
from huracan.paper import PaperExchange
from huracan.paper.replay import Replay, parse_speed
from tests.paper.serving import BARS, exchange

BAR_MS = 60_000


@pytest.mark.parametrize(("text", "speed"), [("60x", 60.0), ("60", 60.0), (" 1.5x ", 1.5), ("1e6x", 1e6)])
def test_speeds_are_market_seconds_per_second(text: str, speed: float) -> None:
    """With or without the x."""
    assert parse_speed(text) == speed


@pytest.mark.parametrize("text", ["", "x", "fast", "0", "-1x", "nan", "inf", "1e7x", "60xx"])
def test_what_is_no_speed_is_refused(text: str) -> None:
    """The line shows how to write one."""
    with pytest.raises(UsageError, match="is no speed; give market seconds per wall second"):
        parse_speed(text)


def replayed(speed: float, bars: int) -> tuple[list[tuple[float, int]], PaperExchange, Replay]:
    """Return (wall s since the beginning, market ms) of each phase in the first `bars` bars."""
    served, seen = exchange(), []

    async def scenario() -> Replay:
        loop = asyncio.get_running_loop()
        began, market_ms = loop.time(), served.now_ms
        enough = asyncio.Event()

        def publish() -> None:
            seen.append((loop.time() - began, served.now_ms - market_ms))
            if served.now_ms - market_ms >= bars * BAR_MS:
                enough.set()

        replay = Replay(served, speed, publish)
        running = asyncio.create_task(replay.run())
        await asyncio.wait_for(enough.wait(), 30)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        return replay

    return seen, served, asyncio.run(scenario())


def test_phases_come_at_their_time_and_none_is_left_out() -> None:
    """At 30,000x a bar takes 2 ms: quarters of bars, in order, never before they are due."""
    seen, _, _ = replayed(30_000.0, 20)
    market = [at for _, at in seen]
    assert market == sorted(market)
    assert {at % BAR_MS for at in market} == {0, BAR_MS // 4, BAR_MS // 2, 3 * BAR_MS // 4}
    assert set(range(BAR_MS // 4, 20 * BAR_MS, BAR_MS // 4)) <= set(market)
    assert all(wall_s >= at / 1_000 / 30_000 - 0.002 for wall_s, at in seen)


def test_a_machine_too_slow_falls_behind_and_says_so() -> None:
    """No phase is skipped to catch up."""
    seen, _, replay = replayed(1_000_000.0, 20)
    assert set(range(BAR_MS // 4, 20 * BAR_MS, BAR_MS // 4)) <= {at for _, at in seen}
    assert replay.behind_ms > 0


def test_a_replay_ends_with_the_candles() -> None:
    """After the last bar has closed it returns; the exchange can still be asked."""
    served = exchange()
    for _ in range(4 * (BARS // 2 - 3)):
        served.advance(served.next_ms())
    asyncio.run(asyncio.wait_for(Replay(served, 1e6, served.drain).run(), 30))
    assert served.ended
    assert served.next_ms() is None

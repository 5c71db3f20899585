"""The replay clock: wall time times a speed is market time; the exchange moves from phase to phase, none left out."""

import asyncio
import math
from collections.abc import Callable

from huracan.errors import UsageError
from huracan.paper.exchange import PaperExchange

__all__ = ["SPEED_MAX", "Replay", "parse_speed"]

SPEED_MAX = 1_000_000.0
"""Faster than any machine can match; the market then lags behind its schedule."""


def parse_speed(text: str) -> float:
    """Return market seconds per wall second: "60x" or "60" is a minute each second.

    Raises:
        UsageError: it is no number above 0 and up to `SPEED_MAX`.
    """
    try:
        speed = float(text.strip().removesuffix("x"))
    except ValueError:
        speed = math.nan
    if not 0 < speed <= SPEED_MAX:
        raise UsageError(f"speed {text!r} is no speed; give market seconds per wall second, e.g. 60x, at most 1000000x")
    return speed


class Replay:
    """Moves a free-running exchange along its candles.

    Args:
        exchange: its market clock is where the replay begins.
        speed: market seconds per wall second.
        publish: called after each phase, to send what happened.
    """

    def __init__(self, exchange: PaperExchange, speed: float, publish: Callable[[], None]) -> None:
        assert 0 < speed <= SPEED_MAX
        self._exchange = exchange
        self._speed = speed
        self._publish = publish
        self.behind_ms = 0.0
        """Wall time by which the last phase came too late: above 0 the machine is slower than the speed asked for."""

    async def run(self) -> None:
        """Match one phase after the other at its time, until the last bar has closed."""
        loop = asyncio.get_running_loop()
        wall_s, market_ms = loop.time(), self._exchange.now_ms
        while (due_ms := self._exchange.next_ms()) is not None:
            wait_s = wall_s + (due_ms - market_ms) / 1_000 / self._speed - loop.time()
            self.behind_ms = max(0.0, -wait_s * 1_000)
            await asyncio.sleep(max(0.0, wait_s))
            self._exchange.advance(due_ms)
            self._publish()

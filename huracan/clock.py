"""The two clocks: wall time for protocols, market time (the last closed candle) for decisions."""

import time
from typing import Protocol

__all__ = ["Clock", "MarketClock", "WallClock"]


class Clock(Protocol):
    """Anything that tells the time in milliseconds since the epoch, UTC."""

    def now_ms(self) -> int:
        """Return the current time in ms since the epoch (UTC)."""
        ...


class WallClock:
    """The machine's clock: for signing, leases and timeouts."""

    def now_ms(self) -> int:
        """Return the wall time in ms since the epoch (UTC)."""
        return time.time_ns() // 1_000_000


class MarketClock:
    """The close time of the last closed candle: for everything a decision depends on."""

    def __init__(self, start_ms: int) -> None:
        self._now_ms = start_ms

    def now_ms(self) -> int:
        """Return the market time in ms since the epoch (UTC)."""
        return self._now_ms

    def advance(self, now_ms: int) -> None:
        """Move to `now_ms`; a market clock never runs backwards.

        Raises:
            ValueError: `now_ms` lies before the current time.
        """
        if now_ms < self._now_ms:
            raise ValueError(f"market clock cannot go back from {self._now_ms} to {now_ms}")
        self._now_ms = now_ms

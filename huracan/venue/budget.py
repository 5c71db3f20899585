"""The request weight that one address may spend per minute, shared by everyone who asks a venue."""

import asyncio
import threading
from collections.abc import Mapping

from huracan.clock import Clock
from huracan.errors import InvariantError
from huracan.logs import get_logger
from huracan.venue.classify import LIMIT_STATUSES
from huracan.venue.client import header

__all__ = ["AsyncGate", "WeightBudget"]

_WINDOW_MS = 60_000
_ROUNDS_MAX = 10_000
_RETRY_AFTER_DEFAULT_S = 60.0
_SAID_MS = 1_000


class WeightBudget:
    """Weight spent in the current minute of the venue's clock; says how long to wait before the next request.

    The venue counts per address and resets at each full minute. Its used-weight header is the truth, because other
    processes behind the same address spend too; between two replies our own spending is added to it. Safe to share
    between threads.

    Args:
        limit: weight per minute that the venue grants.
        share_frac: part of it that may be spent here; the rest is left to other processes of this address.
        urgent_frac: part of it that urgent requests (cancels) may reach, at least `share_frac`.
    """

    def __init__(self, limit: int, share_frac: float = 0.8, urgent_frac: float = 0.95) -> None:
        self._lock = threading.Lock()
        self._share_frac = share_frac
        self._urgent_frac = max(share_frac, urgent_frac)
        self._limit = limit
        self._window = -1
        self._used = 0
        self._blocked_until_ms = 0

    @property
    def limit(self) -> int:
        """Weight per minute that may be spent here."""
        return int(self._limit * self._share_frac)

    def set_limit(self, limit: int) -> None:
        """Take over the venue's own statement of its limit."""
        with self._lock:
            self._limit = limit

    def reserve(self, weight: int, now_ms: int, urgent: bool = False) -> int:
        """Spend `weight` now if possible and return 0, else return how many ms to wait before asking again.

        Raises:
            ValueError: the weight alone exceeds a minute's budget: it would wait for ever.
        """
        with self._lock:
            limit = int(self._limit * self._urgent_frac) if urgent else self.limit
            if weight > limit:
                raise ValueError(f"a request of weight {weight} never fits into {limit} per minute")
            if now_ms < self._blocked_until_ms:
                return self._blocked_until_ms - now_ms
            self._roll(now_ms)
            if self._used + weight > limit:
                return (self._window + 1) * _WINDOW_MS - now_ms
            self._used += weight
            return 0

    def observe(self, used: int, now_ms: int) -> None:
        """Take over the used weight of the current minute as a reply's header states it."""
        with self._lock:
            self._roll(now_ms)
            self._used = max(self._used, used)

    def block(self, wait_ms: int, now_ms: int) -> None:
        """Send nothing for `wait_ms`: the venue said so (Retry-After)."""
        with self._lock:
            self._blocked_until_ms = max(self._blocked_until_ms, now_ms + wait_ms)

    def _roll(self, now_ms: int) -> None:
        window = now_ms // _WINDOW_MS
        if window > self._window:
            self._window, self._used = window, 0


class AsyncGate:
    """Waits for a budget without blocking an event loop; urgent requests pass before all others that wait.

    Args:
        budget: shared with everyone who asks the same venue.
        clock: tells the budget's minutes; must move on while the loop sleeps.
    """

    def __init__(self, budget: WeightBudget, clock: Clock) -> None:
        self._budget, self._clock = budget, clock
        self._urgent, self._said_until_ms = 0, 0
        self._no_urgent = asyncio.Event()
        self._no_urgent.set()

    def note_reply(self, status: int, headers: Mapping[str, str]) -> None:
        """Take over the used weight of a reply, and let nobody send when the venue wants silence."""
        now_ms = self._clock.now_ms()
        used = header(headers, "X-MBX-USED-WEIGHT-1M") or ""
        if used.isdecimal():
            self._budget.observe(int(used), now_ms)
        if status in LIMIT_STATUSES:
            text = header(headers, "Retry-After") or ""
            wait_s = float(text) if text.isdecimal() else _RETRY_AFTER_DEFAULT_S
            self._budget.block(int(wait_s * 1_000) + 1, now_ms)  # our clock tells whole ms, rounded down

    async def enter(self, weight: int, patience_ms: int, urgent: bool = False) -> int:
        """Wait for the budget, spend `weight` and return 0; or return the ms still to wait, having spent nothing.

        Args:
            weight: of the request that follows at once.
            patience_ms: longest wait in all.
            urgent: pass before requests that are not.
        """
        if urgent:
            self._urgent += 1
            self._no_urgent.clear()
        try:
            return await self._wait(weight, self._clock.now_ms() + patience_ms, urgent)
        finally:
            if urgent:
                self._urgent -= 1
                if self._urgent == 0:
                    self._no_urgent.set()

    async def _wait(self, weight: int, give_up_ms: int, urgent: bool) -> int:
        for _ in range(_ROUNDS_MAX):
            if not urgent:
                await self._no_urgent.wait()
            now_ms = self._clock.now_ms()
            wait_ms = self._budget.reserve(weight, now_ms, urgent)
            if wait_ms == 0 or now_ms + wait_ms > give_up_ms:
                return wait_ms
            if wait_ms > _SAID_MS and now_ms + wait_ms != self._said_until_ms:  # once for all who wait for it
                self._said_until_ms = now_ms + wait_ms
                get_logger().warning("venue.weight_spent", wait_s=wait_ms / 1_000, limit=self._budget.limit)
            await asyncio.sleep(wait_ms / 1_000)
        raise InvariantError("the clock stands still while the event loop sleeps; give both the same time")

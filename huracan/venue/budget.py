"""The request weight that one address may spend per minute, shared by everyone who asks a venue."""

import threading

__all__ = ["WeightBudget"]

_WINDOW_MS = 60_000


class WeightBudget:
    """Weight spent in the current minute of the venue's clock; says how long to wait before the next request.

    The venue counts per address and resets at each full minute. Its used-weight header is the truth, because other
    processes behind the same address spend too; between two replies our own spending is added to it. Safe to share
    between threads.

    Args:
        limit: weight per minute that the venue grants.
        share_frac: part of it that may be spent here; the rest is left to other processes of this address.
    """

    def __init__(self, limit: int, share_frac: float = 0.8) -> None:
        self._lock = threading.Lock()
        self._share_frac = share_frac
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

    def reserve(self, weight: int, now_ms: int) -> int:
        """Spend `weight` now if possible and return 0, else return how many ms to wait before asking again.

        Raises:
            ValueError: the weight alone exceeds a minute's budget: it would wait for ever.
        """
        with self._lock:
            if weight > self.limit:
                raise ValueError(f"a request of weight {weight} never fits into {self.limit} per minute")
            if now_ms < self._blocked_until_ms:
                return self._blocked_until_ms - now_ms
            self._roll(now_ms)
            if self._used + weight > self.limit:
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

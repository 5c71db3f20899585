"""The order rate: a sliding window over the orders sent; an entry over the limit is denied, never queued."""

from dataclasses import dataclass

from huracan.config import RiskSettings

__all__ = ["OrderRate"]


@dataclass(frozen=True, slots=True)
class OrderRate:
    """When orders were sent; a value, replaced at every send. Every order counts, only entries are ever denied.

    Attributes:
        limit: orders within the window at which it is full, > 0.
        window_ms: length of the window, > 0.
        sent_ms: times of the newest `limit` orders, oldest first; so it is bounded whatever exits are sent.
    """

    limit: int
    window_ms: int
    sent_ms: tuple[int, ...] = ()

    @classmethod
    def of(cls, risk: RiskSettings) -> "OrderRate":
        """Return an empty window of the configured limit."""
        return cls(risk.order_rate_max, risk.order_rate_window_s * 1000)

    def used(self, now_ms: int) -> int:
        """Return the orders within (now - window, ...]; one that seems to lie ahead of a clock set back counts."""
        return sum(1 for sent in self.sent_ms if sent > now_ms - self.window_ms)

    def full(self, now_ms: int) -> bool:
        """Return True when one more entry would pass the limit."""
        return self.used(now_ms) >= self.limit

    def recorded(self, now_ms: int) -> "OrderRate":
        """Return the window after an order was sent at `now_ms`."""
        return OrderRate(self.limit, self.window_ms, (*self.sent_ms, now_ms)[-self.limit :])

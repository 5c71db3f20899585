"""A market's book put together from a snapshot and numbered updates; what does not follow on ends it until the next."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

__all__ = ["SNAPSHOT_LEVELS", "BookFault", "DepthBook", "DepthUpdate", "Snapshot"]

SNAPSHOT_LEVELS = 100
"""Levels a side of a snapshot, at most."""

_WAITING_MAX = 1_000

Levels = tuple[tuple[float, float], ...]


class BookFault(StrEnum):
    """Why a book has to be asked for again."""

    GAP = "gap"
    CROSSED = "crossed"
    OUT_OF_RANGE = "out_of_range"


@dataclass(frozen=True, slots=True)
class DepthUpdate:
    """Levels that changed.

    Attributes:
        first: number of the first change in it.
        last: number of the last one.
        bids: (price, coins on it now); 0 coins take the level away.
        asks: likewise.
    """

    first: int
    last: int
    bids: Levels
    asks: Levels


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A whole book as asked for: the number of its last change, and (price, coins) of its best levels."""

    last: int
    bids: Levels
    asks: Levels


class DepthBook:
    """The best levels of one market.

    The rule is the venue's: updates that came before the snapshot's number are dropped, the first one applied contains
    the number after it, every further one begins with the number after the last one's end.

    Args:
        levels: a side, of which `depth` tells the sum; fewer than a snapshot holds.
    """

    def __init__(self, levels: int = 10) -> None:
        self._levels = levels
        self._bids: dict[float, float] = {}
        self._asks: dict[float, float] = {}
        self._last = -1
        self._waiting: deque[DepthUpdate] = deque(maxlen=_WAITING_MAX)
        self._floor, self._ceiling = 0.0, float("inf")
        self.live = False
        """Whether it is the venue's book at this moment; False: a snapshot is needed."""

    def reset(self) -> None:
        """Forget everything: updates were missed."""
        self._bids, self._asks, self._last, self.live = {}, {}, -1, False
        self._waiting.clear()

    def take(self, snapshot: Snapshot) -> bool:
        """Begin with a snapshot and the updates since it; False: it is older than what was heard, ask for a newer one.

        Raises:
            ValueError: the snapshot is crossed or empty on a side.
        """
        bids, asks = dict(snapshot.bids), dict(snapshot.asks)
        if not bids or not asks or max(bids) >= min(asks):
            raise ValueError("a snapshot without bids or asks, or crossed")
        later = [update for update in self._waiting if update.last > snapshot.last]
        if later and later[0].first > snapshot.last + 1:
            return False
        self._bids, self._asks, self._last = bids, asks, snapshot.last
        self._floor = min(bids) if len(bids) >= SNAPSHOT_LEVELS else 0.0
        self._ceiling = max(asks) if len(asks) >= SNAPSHOT_LEVELS else float("inf")
        self._waiting.clear()
        self.live = True
        return all(self.apply(update) is None for update in later)

    def apply(self, update: DepthUpdate) -> BookFault | None:
        """Take in an update; what does not fit ends the book, and says why."""
        if not self.live:
            self._waiting.append(update)
            return None
        if update.last <= self._last:
            return None
        if update.first > self._last + 1:
            return self._end(BookFault.GAP, update)
        _change(self._bids, update.bids)
        _change(self._asks, update.asks)
        self._last = update.last
        if not self._bids or not self._asks or max(self._bids) >= min(self._asks):
            return self._end(BookFault.CROSSED, None)
        if self._beyond():
            return self._end(BookFault.OUT_OF_RANGE, None)
        return None

    def best(self) -> tuple[float, float] | None:
        """Return (best bid, best ask), None while the book is not live."""
        return (max(self._bids), min(self._asks)) if self.live else None

    def depth(self) -> tuple[float, float] | None:
        """Return the coins on the best levels (bids, asks), None while the book is not live."""
        if not self.live:
            return None
        bids = sorted(self._bids, reverse=True)[: self._levels]
        asks = sorted(self._asks)[: self._levels]
        return sum(self._bids[price] for price in bids), sum(self._asks[price] for price in asks)

    def _beyond(self) -> bool:
        """Return whether the best levels reach where the snapshot did not; drop levels that are too many to matter."""
        bids, asks = sorted(self._bids, reverse=True), sorted(self._asks)
        for book, prices in ((self._bids, bids), (self._asks, asks)):
            for price in prices[2 * SNAPSHOT_LEVELS :]:
                del book[price]
        if len(bids) > 2 * SNAPSHOT_LEVELS:
            self._floor = max(self._floor, bids[2 * SNAPSHOT_LEVELS - 1])
        if len(asks) > 2 * SNAPSHOT_LEVELS:
            self._ceiling = min(self._ceiling, asks[2 * SNAPSHOT_LEVELS - 1])
        far_bid = bids[min(self._levels, len(bids)) - 1]
        far_ask = asks[min(self._levels, len(asks)) - 1]
        short = (len(bids) < self._levels and self._floor > 0.0) or (
            len(asks) < self._levels and self._ceiling < float("inf")
        )
        return short or far_bid < self._floor or far_ask > self._ceiling

    def _end(self, fault: BookFault, update: DepthUpdate | None) -> BookFault:
        self.reset()
        if update is not None:
            self._waiting.append(update)  # the next snapshot may well follow on it
        return fault


def _change(side: dict[float, float], levels: Iterable[tuple[float, float]]) -> None:
    for price, quantity in levels:
        if quantity > 0.0:
            side[price] = quantity
        else:
            side.pop(price, None)

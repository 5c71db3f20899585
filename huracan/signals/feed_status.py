"""How the feed is: the age of what it knows by both clocks, what was missed, and what it costs."""

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["FeedAnswer", "FeedStatus", "MarketAge"]


@dataclass(frozen=True, slots=True)
class MarketAge:
    """How old what is known of a market is.

    Attributes:
        symbol: ccxt symbol.
        age_s: time since its newest candle came, on a clock that nobody sets; None: none came since the start.
        age_bars: bars by which its newest candle lags the market clock.
        missing: closes without its candle since the start.
        stale: too old by either.
    """

    symbol: str
    age_s: float | None
    age_bars: int
    missing: int
    stale: bool


@dataclass(frozen=True, slots=True)
class FeedStatus:
    """How the feed is.

    Attributes:
        last_ms: market clock, the newest close; -1 before the first.
        age_s: time since it came; None: since the start none did.
        stale: nothing came for too long.
        markets: each market's age.
        stream_ages_s: time since each book stream's last word, by `symbol stream`.
        closes: since the start, late ones among them.
        late: closes that came after a newer one was known.
        gaps: closes that nobody has a candle of.
        caught_up: closes told at the start that had been missed.
        left_out: closes that could not be taken in.
        reconnects: of the book streams; `book_holes`, `book_late` and `book_dropped` count what was missed or useless.
        book_holes: see `reconnects`.
        book_late: see `reconnects`.
        book_dropped: see `reconnects`.
        record_failed: why books are not recorded at the moment, "" when they are, or are not to be.
        snapshot_ms: wall clock of the newest snapshot, 0 without one; `snapshot_bytes` its size.
        snapshot_bytes: see `snapshot_ms`.
        snapshot_failed: why the last one could not be written, "" when it was.
        fits: fits followed.
        ring: closes kept.
        memory_bytes: of the process.
    """

    last_ms: int
    age_s: float | None
    stale: bool
    markets: tuple[MarketAge, ...]
    stream_ages_s: Mapping[str, float]
    closes: int
    late: int
    gaps: int
    caught_up: int
    left_out: int
    reconnects: int
    book_holes: int
    book_late: int
    book_dropped: int
    record_failed: str
    snapshot_ms: int
    snapshot_bytes: int
    snapshot_failed: str
    fits: tuple[str, ...]
    ring: int
    memory_bytes: int


@dataclass(frozen=True, slots=True)
class FeedAnswer:
    """What a feed says of itself that runs in a process of its own.

    Attributes:
        problem: why it does not follow the market, "" when it does.
        refused: why a version that the registry wants is not followed, by its name.
        status: how the feed is; None: there is none at the moment.
    """

    problem: str
    refused: Mapping[str, str]
    status: FeedStatus | None

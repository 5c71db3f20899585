"""The feed of one process: candles of the venue, stored ones before them, and one close after the other out of both."""

from collections import deque
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field

from huracan.clock import Clock
from huracan.errors import DataError
from huracan.features import FeatureFit
from huracan.logs import get_logger
from huracan.signals.follower import Follower
from huracan.signals.history import History, stored_candles
from huracan.signals.model import MarketClose
from huracan.storage import Location
from huracan.trader.candle_feed import CandleFeed
from huracan.venue.klines import Kline, KlineStream

__all__ = ["MarketFeed"]

CLOSES_KEPT = 256
"""Closes that whoever was away can still be told."""


@dataclass(slots=True)
class MarketFeed:
    """A `CloseSource` over candles and features.

    Args:
        candles: of every market followed.
        follower: not started; `restore` it before `start` to go on where a snapshot was taken.
        clock: wall clock.
        store: folder of stored candles; None: there are none.
        stream: tells which candles have closed, as fast as it comes; None: they are found by asking.
    """

    candles: CandleFeed
    follower: Follower
    clock: Clock
    store: Location | None
    stream: KlineStream | None = None
    _kept: deque[MarketClose] = field(default_factory=lambda: deque(maxlen=CLOSES_KEPT))

    @property
    def newest(self) -> MarketClose:
        """Return the newest close."""
        return self.follower.newest

    async def start(self, bars: int, keep: int = 1) -> dict[str, tuple[Kline, ...]]:
        """Take in the past: stored candles from their first bar, then what the venue has; return what the venue told.

        Args:
            bars: closed candles to be asked for at least.
            keep: of the newest closes, how many can be told to whoever asks for closes after an earlier one.

        Raises:
            DataError: a market has no closed candle, or the past does not fit a restored follower.
            VenueError: the venue does not answer.
        """
        folder = stored_candles(self.store, self.candles.timeframe)
        ends: dict[str, int] = {}
        for symbol in self.candles.symbols:
            if folder is not None and symbol in folder.files:
                ends[symbol] = int(folder.read(symbol).timestamp[-1])
            elif folder is not None:
                get_logger().warning("feed.not_stored", symbol=symbol, folder=str(folder.path))
        told = await self.candles.history(bars, ends)
        history = History(self.candles.timeframe, folder, told)
        self._kept.extend(self.follower.start(history, keep))
        return told

    async def follow(self, after_ms: int) -> AsyncIterator[MarketClose]:
        """Yield each close after one that is still kept, then each as it comes; for a single caller."""
        for close in tuple(self._kept):
            if close.close_ms > after_ms:
                yield close
        async for batch in self.candles.follow():
            try:
                close = self.follower.push(batch.close_ms, batch.candles, batch.late, self.clock.now_ms())
            except DataError as error:
                get_logger().error("feed.close_left_out", close_ms=batch.close_ms, reason=str(error))
                continue
            self._kept.append(close)
            if close.close_ms > after_ms:
                yield close

    async def listen(self) -> None:
        """Hear the stream until cancelled."""
        if self.stream is not None:
            async for symbol, open_ms in self.stream.closed():
                self.candles.tell(symbol, open_ms)

    def serve(self, fits: Iterable[FeatureFit]) -> None:
        """Follow exactly these fits from now on; see `Follower.serve`."""
        self.follower.serve(fits)

"""What the books showed in each bar: best prices, depth and trades in, one summary a market and close out.

The market clock decides where an event belongs: a bar that closes at t holds the events of [t - bar, t). What comes
after its bar was closed is counted and adds to no bar; what claims a time far ahead is not believed. A bar of which a
part was missed has no book: a wrong order flow would be worse than none.
"""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from huracan.errors import ArtefactError
from huracan.features.machines.book import ASK, ASK_QTY, BID, BID_QTY, FLOW_MS, SEEN, book_close, book_init, book_sample
from huracan.logs import get_logger
from huracan.venue.book_stream import BookEvent, DepthSum, Hole, Quote

__all__ = ["NO_BOOK", "BookBar", "BookRow", "Books"]

BookRow = tuple[float, float, float, float]
"""`BOOK_COLUMNS` of a closed bar."""

NO_BOOK: BookRow = (math.nan, math.nan, math.nan, math.nan)

_AHEAD_BARS = 16
_FORMAT = 1


@dataclass(frozen=True, slots=True)
class BookBar:
    """What one market's book and tape showed in one bar.

    Attributes:
        symbol: ccxt symbol.
        close_ms: when the bar closed, ms UTC.
        book: `BOOK_COLUMNS`; NaN when nothing was seen, or not all of what they need.
        quotes: changes of the best prices seen.
        trades: trades seen; `volume` and `taker_buy_volume` coins of them.
        volume: see `trades`.
        taker_buy_volume: see `trades`.
        bid_depth: coins on the ten best bids at the last look, NaN without one; `ask_depth` likewise.
        ask_depth: see `bid_depth`.
    """

    symbol: str
    close_ms: int
    book: BookRow
    quotes: int
    trades: int
    volume: float
    taker_buy_volume: float
    bid_depth: float
    ask_depth: float

    @property
    def taker_imbalance(self) -> float:
        """Return (bought - sold) / volume by takers, NaN without a trade."""
        return (2.0 * self.taker_buy_volume - self.volume) / self.volume if self.volume > 0.0 else math.nan

    @property
    def seen(self) -> bool:
        """Return whether there is a book."""
        return not math.isnan(self.book[0])


class _Lane:
    """One kind of events of one market, bar by bar; bars that ended wait to be taken."""

    def __init__(self, base_ms: int) -> None:
        self.base_ms = base_ms
        self.taken_ms = 0
        self.close_ms = 0
        self.held: dict[int, list[float]] = {}

    def begin(self, close_ms: int) -> None:
        """Stand behind a close: the next bar is the first one."""
        self.taken_ms, self.close_ms = close_ms, close_ms + self.base_ms
        self.held.clear()
        self.clear()

    def place(self, time_ms: int) -> str:
        """Move to the bar of an event; tell `""`, `late` or `ahead`, of which the latter two are in no bar."""
        if time_ms >= self.taken_ms + _AHEAD_BARS * self.base_ms:
            return "ahead"
        if time_ms < self.close_ms - self.base_ms:
            return "late"
        while time_ms >= self.close_ms:
            self._roll()
        return ""

    def take(self, close_ms: int) -> list[float] | None:
        """Return the summary of the bar that closes now; None: the bar was skipped, nothing was seen of it."""
        if close_ms <= self.taken_ms:
            return None
        if close_ms > self.close_ms + _AHEAD_BARS * self.base_ms:  # away for long: nothing of what is held is wanted
            self.held.clear()
            self._roll()
            self.close_ms = close_ms
        while self.close_ms <= close_ms:
            self._roll()
        found = self.held.pop(close_ms, None)
        self.taken_ms = close_ms
        self.held = {at: row for at, row in self.held.items() if at > close_ms}
        return found

    def _roll(self) -> None:
        self.held[self.close_ms] = self.summary()
        self.close_ms += self.base_ms

    def clear(self) -> None:
        """Forget everything."""
        raise NotImplementedError

    def summary(self) -> list[float]:
        """Return what the bar showed and begin the next one."""
        raise NotImplementedError

    def state(self) -> list[Any]:
        """Return everything that the next event depends on."""
        return [self.taken_ms, self.close_ms, [[at, *row] for at, row in sorted(self.held.items())]]

    def load(self, state: Sequence[Any]) -> None:
        """Take over what `state` returned."""
        self.taken_ms, self.close_ms = int(state[0]), int(state[1])
        self.held = {int(row[0]): [float(figure) for figure in row[1:]] for row in state[2]}


class _Quotes(_Lane):
    """Best prices; `away` until the first one after a hole, whose time is `back_ms`."""

    def __init__(self, base_ms: int) -> None:
        super().__init__(base_ms)
        self.clear()

    def clear(self) -> None:
        self._s, self._out, self.count = book_init(), np.empty(4), 0
        self.away, self.back_ms = True, 0

    def lose(self) -> None:
        """Forget the last best price: what came after it was missed."""
        self.away, self._s[SEEN] = True, 0.0

    def hear(self, quote: Quote) -> str:
        where = self.place(quote.time_ms)
        if where == "ahead":
            return where
        if self.away:
            self.away, self.back_ms = False, quote.time_ms
        if where == "late":
            self._s[[BID, BID_QTY, ASK, ASK_QTY, SEEN]] = quote.bid, quote.bid_qty, quote.ask, quote.ask_qty, 1.0
            return where
        book_sample(self._s, float(self.close_ms - quote.time_ms), quote.bid, quote.bid_qty, quote.ask, quote.ask_qty)
        self.count += 1
        return where

    def summary(self) -> list[float]:
        book_close(self._s, self._out)
        whole = not self.away and self.back_ms <= max(self.close_ms - self._s[FLOW_MS], self.close_ms - self.base_ms)
        count, self.count = self.count, 0
        return [*(self._out.tolist() if whole else NO_BOOK), float(count)]

    def state(self) -> list[Any]:
        return [*super().state(), self._s.tolist(), self.count, self.away, self.back_ms]

    def load(self, state: Sequence[Any]) -> None:
        super().load(state)
        self._s[:] = state[3]
        self.count, self.away, self.back_ms = int(state[4]), bool(state[5]), int(state[6])


class _Sums(_Lane):
    """Trades, added up: their number, coins, coins that takers bought."""

    def __init__(self, base_ms: int) -> None:
        super().__init__(base_ms)
        self.clear()

    def clear(self) -> None:
        self._sums = [0.0, 0.0, 0.0]

    def hear(self, time_ms: int, trades: int, quantity: float, bought: float) -> str:
        where = self.place(time_ms)
        if not where:
            self._sums = [a + b for a, b in zip(self._sums, (float(trades), quantity, bought), strict=True)]
        return where

    def summary(self) -> list[float]:
        found = self._sums
        self.clear()
        return found

    def state(self) -> list[Any]:
        return [*super().state(), self._sums]

    def load(self, state: Sequence[Any]) -> None:
        super().load(state)
        self._sums = [float(figure) for figure in state[3]]


class _Last(_Lane):
    """The newest depth of a bar."""

    def __init__(self, base_ms: int) -> None:
        super().__init__(base_ms)
        self.clear()

    def clear(self) -> None:
        self._last = [math.nan, math.nan]

    def hear(self, depth: DepthSum) -> str:
        where = self.place(depth.time_ms)
        if not where:
            self._last = [depth.bid_qty, depth.ask_qty]
        return where

    def summary(self) -> list[float]:
        found = self._last
        self.clear()
        return found

    def state(self) -> list[Any]:
        return [*super().state(), self._last]

    def load(self, state: Sequence[Any]) -> None:
        super().load(state)
        self._last = [float(figure) for figure in state[3]]


class Books:
    """The books of some markets.

    Args:
        symbols: markets.
        base_ms: length of a bar.

    Attributes:
        late: events that came after their bar was closed.
        ahead: events that claimed a time many bars ahead of the market clock.
        holes: times something was missed.
    """

    def __init__(self, symbols: Sequence[str], base_ms: int) -> None:
        self._base_ms = base_ms
        self._lanes = {symbol: (_Quotes(base_ms), _Sums(base_ms), _Last(base_ms)) for symbol in sorted(symbols)}
        self.late = self.ahead = self.holes = 0

    def begin(self, close_ms: int) -> None:
        """Stand behind a close; nothing has been seen of the bar that runs."""
        for lanes in self._lanes.values():
            for lane in lanes:
                lane.begin(close_ms)

    def lose(self) -> None:
        """Nobody has looked for a while: the bars meanwhile, and the one that runs, have no book."""
        for quotes, _, _ in self._lanes.values():
            quotes.lose()

    def hear(self, event: BookEvent) -> None:
        """Take in one event; those of other markets are passed over."""
        lanes = self._lanes.get(event.symbol)
        if lanes is None:
            return
        quotes, tape, depth = lanes
        if isinstance(event, Hole):
            self.holes += 1
            quotes.lose()
            return
        if isinstance(event, Quote):
            where = quotes.hear(event)
        elif isinstance(event, DepthSum):
            where = depth.hear(event)
        else:
            bought = event.quantity if event.taker_buys else 0.0
            where = tape.hear(event.time_ms, event.trades, event.quantity, bought)
        self.late += where == "late"
        if where == "ahead":
            self.ahead += 1
            if self.ahead & (self.ahead - 1) == 0:  # the first, second, fourth, eighth... is told
                get_logger().warning("feed.book_ahead", symbol=event.symbol, time_ms=event.time_ms, count=self.ahead)

    def close(self, close_ms: int) -> dict[str, BookBar]:
        """Return what each market's book showed in the bar that closes now; closes only grow."""
        return {symbol: self._bar(symbol, close_ms) for symbol in self._lanes}

    def _bar(self, symbol: str, close_ms: int) -> BookBar:
        quotes, tape, depth = (lane.take(close_ms) for lane in self._lanes[symbol])
        *book, count = quotes or (*NO_BOOK, 0.0)
        trades, volume, bought = tape or (0.0, 0.0, 0.0)
        bids, asks = depth or (math.nan, math.nan)
        row = (book[0], book[1], book[2], book[3])
        return BookBar(symbol, close_ms, row, int(count), int(trades), volume, bought, bids, asks)

    # ---- snapshots ----------------------------------------------------------------------------------------------

    def snapshot(self) -> bytes:
        """Return everything the next event depends on, as bytes."""
        states = {symbol: [lane.state() for lane in lanes] for symbol, lanes in self._lanes.items()}
        counts = [self.late, self.ahead, self.holes]
        tree = {"format": _FORMAT, "base_ms": self._base_ms, "counts": counts, "markets": states}
        body = json.dumps(tree, sort_keys=True).encode()
        return hashlib.sha256(body).hexdigest().encode() + b"\n" + body

    def restore(self, data: bytes) -> None:
        """Go on where `snapshot` was taken; whoever was away in between calls `lose`.

        Raises:
            ArtefactError: the bytes are damaged, or of other markets or bars.
        """
        mark, _, body = data.partition(b"\n")
        if mark.decode("ascii", "replace") != hashlib.sha256(body).hexdigest():
            raise ArtefactError("snapshot of the books is damaged; start without it")
        tree: Mapping[str, Any] = json.loads(body)
        ours = (_FORMAT, self._base_ms, sorted(self._lanes))
        if (tree.get("format"), tree.get("base_ms"), sorted(tree.get("markets", ()))) != ours:
            raise ArtefactError("snapshot of the books is of other markets or bars; start without it")
        self.late, self.ahead, self.holes = tree["counts"]
        for symbol, lanes in self._lanes.items():
            for lane, state in zip(lanes, tree["markets"][symbol], strict=True):
                lane.load(state)

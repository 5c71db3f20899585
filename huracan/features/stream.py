"""The live side of the same machines: one close at a time for all coins, with snapshots of the whole state."""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from huracan.errors import ArtefactError, DataError
from huracan.features.batch import RawFeatures, run_engine
from huracan.features.engine import Engine
from huracan.features.fit import FeatureFit, finish_block, finish_with, new_regime
from huracan.features.machines.coin import BAR_COLUMNS
from huracan.market.candles import Candles

__all__ = ["Bar", "FeatureStream", "StreamRow"]

CHUNK_BARS = 1_024


@dataclass(frozen=True, slots=True)
class Bar:
    """One closed candle of one coin.

    Attributes:
        open: first price, quote currency; `high`, `low` and `close` likewise.
        high: highest price.
        low: lowest price.
        close: last price.
        volume: base currency.
        quote_volume: quote currency, None where unknown; `trades` and `taker_buy_volume` likewise.
        trades: number of trades.
        taker_buy_volume: base currency bought by takers.
        book: the bar's summary from `machines.book.book_close` (`BOOK_COLUMNS`), None without a book.
    """

    open: float
    high: float
    low: float
    close: float
    volume: float
    quote_volume: float | None = None
    trades: float | None = None
    taker_buy_volume: float | None = None
    book: tuple[float, float, float, float] | None = None

    def columns(self) -> tuple[float, ...]:
        """Return the bar in the order of the machines' twelve columns, NaN where absent."""
        optional = (self.quote_volume, self.trades, self.taker_buy_volume)
        book = (math.nan,) * 4 if self.book is None else self.book
        known = (math.nan if x is None else x for x in optional)
        return (self.open, self.high, self.low, self.close, self.volume, *known, *book)

    def sound(self) -> bool:
        """Return whether prices are positive and finite, within low and high, and the volume can be."""
        prices = (self.open, self.high, self.low, self.close)
        finite = all(map(math.isfinite, (*prices, self.volume)))
        return finite and 0.0 < self.low == min(prices) and self.high == max(prices) and self.volume >= 0.0


@dataclass(frozen=True, slots=True, eq=False)
class StreamRow:
    """What one close yields for one coin.

    Attributes:
        symbol: ccxt symbol.
        close_ms: close time, ms UTC.
        sigma: EWMA standard deviation per base bar.
        ready: machines warm.
        segment: gap-free run id.
        state: float32[52] market entries if a decision is due, else None.
    """

    symbol: str
    close_ms: int
    sigma: float
    ready: bool
    segment: int
    state: NDArray[np.float32] | None


class FeatureStream:
    """Feeds closes to the machines and finishes decision rows with a fit; universe and windows are the fit's.

    A stream starts at the store's first bar (`warm_up`) or from a snapshot: an EWMA never forgets its start bitwise.
    """

    def __init__(self, fit: FeatureFit) -> None:
        self.fit = fit
        self._engine = Engine(fit.context)
        self._regimes = np.tile(new_regime(fit.hmm), (len(fit.context.universe), 1))

    @property
    def next_close_ms(self) -> int | None:
        """Return the close time expected next, ms UTC; None before the first bar."""
        number = self._engine.next_bar_no
        return None if number is None else (number + 1) * self.fit.context.base_ms

    def warm_up(
        self, candles: Mapping[str, Candles], books: Mapping[str, NDArray[np.float64]] | None = None
    ) -> dict[str, RawFeatures]:
        """Feed a history by the batch path and return its raw features; the stream goes on after its last bar.

        Args:
            candles: of every symbol of the universe.
            books: float64[T, 4] book summaries per bar of the symbols that have them, NaN where absent.

        Raises:
            DataError: a symbol of the universe is missing, or its timeframe is another.
        """
        wanted = self.fit.context.windows.timeframe
        other = sorted(c.symbol for c in candles.values() if c.timeframe != wanted)
        if other:
            raise DataError(f"candles of {other} are not {wanted}, the timeframe of the fit")
        raw = run_engine(self._engine, candles, books or {})
        for n, symbol in enumerate(self.fit.context.universe):
            r = raw[symbol]
            segment = r.segment[r.rows]
            finish_with(self.fit, r.values, r.available, r.row_close_ms, segment, self._regimes[n])
        return raw

    def push(self, bars: Mapping[str, Bar], close_ms: int) -> dict[str, StreamRow]:
        """Feed one close of all coins at once and return a row per coin that has a bar.

        Closes skipped since the last push are fed as missing.

        Args:
            bars: closed candles by symbol; a coin left out has no bar at this close.
            close_ms: close time, ms UTC, on the grid and later than the last one.

        Raises:
            DataError: a symbol is not of the universe, a price is not positive, or the time does not fit.
        """
        context = self.fit.context
        number, rest = divmod(close_ms, context.base_ms)
        number -= 1
        expected = self._engine.next_bar_no
        if rest or (expected is not None and number < expected):
            raise DataError(f"close {close_ms} is off the {context.windows.timeframe} grid or not after the last close")
        places = {symbol: n for n, symbol in enumerate(context.universe)}
        block = np.full((1, len(places), BAR_COLUMNS), math.nan)
        for symbol, bar in bars.items():
            if symbol not in places:
                raise DataError(f"{symbol} is not of the stream's universe {', '.join(context.universe)}")
            if not bar.sound():
                raise DataError(f"{symbol}: the bar closing {close_ms} has a price or volume that cannot be: {bar}")
            block[0, places[symbol]] = bar.columns()
        if expected is not None:
            for start in range(expected, number, CHUNK_BARS):
                missing = min(CHUNK_BARS, number - start)
                self._engine.advance(start, np.full((missing, *block.shape[1:]), math.nan))
        out = self._engine.advance(number, block)
        states = finish_block(self.fit, out, close_ms, self._regimes) if out.row_count.any() else None
        rows = {}
        for symbol in bars:
            n = places[symbol]
            state = states[n] if states is not None and out.row_count[n] else None
            sigma, ready, segment = float(out.sigma[0, n]), bool(out.ready[0, n]), int(out.segment[0, n])
            rows[symbol] = StreamRow(symbol, close_ms, sigma, ready, segment, state)
        return rows

    def snapshot(self) -> bytes:
        """Return everything the next close depends on, as bytes; the fit itself travels apart, its hash within."""
        body = self._regimes.tobytes() + self._engine.snapshot()
        head = {"fit": self.fit.sha256, "body": hashlib.sha256(body).hexdigest()}
        return json.dumps(head, sort_keys=True).encode() + b"\n" + body

    def restore(self, data: bytes) -> None:
        """Take the place of the stream that wrote `snapshot`.

        Raises:
            ArtefactError: the bytes were damaged, or belong to another fit.
        """
        line, _, body = data.partition(b"\n")
        try:
            head = json.loads(line)
            sound = head["body"] == hashlib.sha256(body).hexdigest()
            same = head["fit"] == self.fit.sha256
        except (ValueError, KeyError, TypeError):
            sound = same = False
        if not sound or not same:
            why = "belongs to another fit" if sound else "is damaged"
            raise ArtefactError(f"feature snapshot {why}; warm the stream up from the candles")
        size = self._regimes.nbytes
        self._engine.restore(body[size:])
        self._regimes[:] = np.frombuffer(body[:size]).reshape(self._regimes.shape)

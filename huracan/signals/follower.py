"""Follows the market: closed candles in, one close after the other out, with what every fit makes of it."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from huracan.errors import ArtefactError, ConfigError, DataError
from huracan.features import MARKET_SIZE, Bar, FeatureContext, FeatureFit, FeatureStream, RawFeatures, apply_fit
from huracan.features.batch import CHUNK_BARS, run_engine
from huracan.features.engine import Engine
from huracan.features.machines.coin import BAR_COLUMNS
from huracan.logs import get_logger
from huracan.market import Candles
from huracan.signals.books import BookRow
from huracan.signals.history import History, bar_of, closes_of, is_sound
from huracan.signals.model import FitRows, MarketClose
from huracan.venue.klines import Kline

__all__ = ["BARE", "Follower", "newest_sigma"]

BARE = ""
"""Name of the machines alone, without a fit, in `MarketClose.fits`."""

_FORMAT = 1


def newest_sigma(close: MarketClose) -> dict[str, float]:
    """Return sigma of each market with a bar at this close whose machines are warm.

    Sigma is the machines' own and depends on no fit: any that follows the market has it.
    """
    found: dict[str, float] = {}
    for rows in close.fits.values():
        for place, symbol in enumerate(close.symbols):
            if rows.ready[place] and np.isfinite(rows.sigma[place]):
                found.setdefault(symbol, float(rows.sigma[place]))
    return found


class Follower:
    """Drives one feature stream per distinct fit, and the machines alone for markets that no fit covers.

    It begins with `start`, which takes in the past, or with `restore` and then `start`, which goes on where a snapshot
    was taken; after that it takes one close at a time.

    Args:
        bare: windows, decision interval and leader of the machines alone; its universe is every market followed.
        traded: markets that need sigma whatever is served; they are in the universe of `bare`.
        fits: of the versions served, distinct or not.

    Raises:
        ConfigError: a fit is of another timeframe, or covers a market that is not followed.
    """

    def __init__(self, bare: FeatureContext, traded: Sequence[str], fits: Iterable[FeatureFit] = ()) -> None:
        if not set(traded) <= set(bare.universe):
            raise ConfigError(f"markets {sorted(set(traded) - set(bare.universe))} are traded and not followed")
        self._bare, self._traded = bare, tuple(sorted(traded))
        self._history: History | None = None
        self._last_ms, self._bars, self._late, self._heard_ms = -1, dict[str, Kline](), False, 0
        self._lines = {line.name: line for line in self._lines_of(fits)}

    @property
    def symbols(self) -> tuple[str, ...]:
        """Return the markets followed, sorted."""
        return self._bare.universe

    @property
    def fits(self) -> tuple[str, ...]:
        """Return the names under which rows are found in a close."""
        return tuple(self._lines)

    @property
    def last_ms(self) -> int:
        """Return the newest close taken in, ms UTC; -1 before the first."""
        return self._last_ms

    @property
    def newest(self) -> MarketClose:
        """Return the newest close once more, with the rows of the fits that are followed now."""
        fits = {name: line.rows() for name, line in self._lines.items()}
        return MarketClose(self._last_ms, self._late, self.symbols, self._bars, fits, self._heard_ms)

    def start(self, history: History, keep: int = 1) -> tuple[MarketClose, ...]:
        """Take in the past and return its last `keep` closes, oldest first, all but the newest late.

        After `restore` every close since the snapshot is returned, and no more.

        Args:
            history: of all markets followed; the follower goes on filling it.
            keep: closes to go through one at a time, so that whoever was away can be told.

        Raises:
            DataError: the history lacks a market, or ends before the snapshot.
        """
        if set(history.symbols) != set(self.symbols):
            raise DataError(f"history of {', '.join(history.symbols)}, but {', '.join(self.symbols)} are followed")
        if self._last_ms > history.last_ms:
            raise DataError(
                f"the snapshot was taken at {self._last_ms}, after candle {history.last_ms}; start without it"
            )
        self._history = history
        base_ms = self._bare.base_ms
        restored = self._last_ms >= 0
        upto_ms = self._last_ms if restored else history.last_ms - keep * base_ms
        past = history.candles()
        first_ms = min(int(rows.timestamp[0]) for rows in past.values()) + base_ms
        if upto_ms < first_ms:
            upto_ms = first_ms
        fresh = [line for line in self._lines.values() if not line.started]
        books = history.books({symbol: rows.between(0, upto_ms) for symbol, rows in past.items()}) if fresh else {}
        for line in fresh:
            line.warm_up(past, books, upto_ms)
        self._last_ms = upto_ms
        recorded = _recorded(history, past, upto_ms)
        found = [
            self._step(close_ms, bars, close_ms < history.last_ms, 0, recorded.get(close_ms, {}))
            for close_ms, bars in closes_of(past, upto_ms, history.last_ms)
        ]
        if found:
            return tuple(found)
        self._bars = dict(closes_of(past, upto_ms - base_ms, upto_ms)).get(upto_ms, {})
        return () if restored else (self.newest,)

    def push(
        self,
        close_ms: int,
        bars: Mapping[str, Kline],
        late: bool,
        heard_ms: int,
        books: Mapping[str, BookRow] | None = None,
    ) -> MarketClose:
        """Take in the candles of one close; skipped closes count as missing.

        Args:
            close_ms: close time, ms UTC, after the last one.
            bars: closed candles by symbol; what cannot be, and markets that are not followed, are left out.
            late: a newer close is known already.
            heard_ms: wall clock of their arrival.
            books: what the books of some markets showed in the bar; without one its features are 0, their flag down.

        Raises:
            DataError: the close is not after the last one, or off the grid.
        """
        assert self._history is not None, "start() comes first"
        if close_ms <= self._last_ms or close_ms % self._bare.base_ms:
            raise DataError(f"close {close_ms} is off the grid or not after {self._last_ms}; restart the feed")
        known = set(self.symbols)
        sound = {symbol: row for symbol, row in bars.items() if symbol in known and is_sound(symbol, row)}
        self._history.add(sound)
        return self._step(close_ms, sound, late, heard_ms, books or {})

    def serve(self, fits: Iterable[FeatureFit]) -> None:
        """Follow exactly these fits from now on; a new one is warmed up from the whole past.

        Raises:
            ConfigError: as at the beginning; nothing has changed then.
            DataError: the stored candles can no longer be read; nothing has changed then.
        """
        assert self._history is not None, "start() comes first"
        lines = {line.name: self._lines.get(line.name, line) for line in self._lines_of(fits)}
        fresh = [line for line in lines.values() if not line.started]
        if fresh:
            past = self._history.candles(self._last_ms)
            books = self._history.books(past)
            for line in fresh:
                line.warm_up(past, books, self._last_ms)
        gone = self._lines.keys() - lines.keys()
        self._lines = lines
        if fresh or gone:
            get_logger().info(
                "feed.fits", added=[line.name[:12] for line in fresh], removed=[name[:12] for name in sorted(gone)]
            )

    # ---- snapshots --------------------------------------------------------------------------------------------

    def snapshot(self) -> bytes:
        """Return everything the next close depends on but the past candles, as bytes."""
        parts = {name: line.snapshot() for name, line in self._lines.items()}
        body = b"".join(parts.values())
        head = {
            "format": _FORMAT,
            "symbols": self.symbols,
            "last_ms": self._last_ms,
            "lines": [[name, len(part)] for name, part in parts.items()],
            "body": hashlib.sha256(body).hexdigest(),
        }
        line = json.dumps(head, sort_keys=True).encode()
        return hashlib.sha256(line).hexdigest().encode() + b"\n" + line + b"\n" + body

    def restore(self, data: bytes) -> None:
        """Go on where `snapshot` was taken; a fit that it does not hold is warmed up by `start`.

        Raises:
            ArtefactError: the bytes are damaged, of another format, or of other markets.
        """
        mark, _, rest = data.partition(b"\n")
        line, _, body = rest.partition(b"\n")
        try:
            sound = mark.decode() == hashlib.sha256(line).hexdigest()
            head: dict[str, Any] = json.loads(line)
            sound = sound and head["body"] == hashlib.sha256(body).hexdigest()
            parts, start = {}, 0
            for name, size in head["lines"]:
                parts[name] = body[start : start + size]
                start += size
            sound = sound and start == len(body)
            ours = (head["format"], tuple(head["symbols"])) == (_FORMAT, self.symbols)
            last_ms = int(head["last_ms"])
        except (ValueError, KeyError, TypeError):
            sound = ours = False
        if not sound or not ours:
            why = "is of other markets or another version" if sound else "is damaged"
            raise ArtefactError(f"snapshot of the feed {why}; start it from the candles")
        for name, line_of in self._lines.items():
            if name in parts:
                line_of.restore(parts[name])
        self._last_ms = last_ms

    # ---- one close --------------------------------------------------------------------------------------------

    def _lines_of(self, fits: Iterable[FeatureFit]) -> list["_Line"]:
        found: dict[str, _Line] = {}
        for fit in fits:
            context = fit.context
            if context.windows.timeframe != self._bare.windows.timeframe:
                raise ConfigError(
                    f"a version of {context.windows.timeframe} candles cannot follow {self._bare.windows.timeframe}"
                )
            if unknown := sorted(set(context.universe) - set(self.symbols)):
                raise ConfigError(f"a version's universe holds {', '.join(unknown)}, which the feed does not follow")
            found.setdefault(fit.sha256, _Line(fit.sha256, FeatureStream(fit), self.symbols))
        covered = {symbol for line in found.values() for symbol in line.universe}
        if not set(self._traded) <= covered:
            found[BARE] = _Line(BARE, _Machines(self._bare), self.symbols)
        return [found[name] for name in sorted(found)]

    def _step(
        self, close_ms: int, bars: Mapping[str, Kline], late: bool, heard_ms: int, books: Mapping[str, BookRow]
    ) -> MarketClose:
        """Feed one close."""
        assert self._history is not None, "start() comes first"
        known = self._history.columns
        rows = {symbol: bar_of(row, books.get(symbol), known(symbol)) for symbol, row in bars.items()}
        for line in self._lines.values():
            line.push(rows, close_ms)
        self._last_ms, self._bars, self._late, self._heard_ms = close_ms, dict(bars), late, heard_ms
        return self.newest


def _recorded(history: History, past: Mapping[str, Candles], after_ms: int) -> dict[int, dict[str, BookRow]]:
    """Return what was recorded of the bars that close after a time, by close and market."""
    rest = {symbol: rows.between(after_ms, history.last_ms) for symbol, rows in past.items()}
    found: dict[int, dict[str, BookRow]] = {}
    for symbol, book in history.books(rest).items():
        for open_ms, row in zip(rest[symbol].timestamp.tolist(), book.tolist(), strict=True):
            if not np.isnan(row[0]):
                found.setdefault(open_ms + rest[symbol].bar_ms, {})[symbol] = (row[0], row[1], row[2], row[3])
    return found


class _Machines:
    """The machines alone, fed like a stream."""

    def __init__(self, context: FeatureContext) -> None:
        self.context = context
        self._engine = Engine(context)

    def warm_up(
        self, candles: Mapping[str, Candles], books: Mapping[str, NDArray[np.float64]]
    ) -> dict[str, RawFeatures]:
        return run_engine(self._engine, candles, books)

    def advance(
        self, bars: Mapping[str, Bar], close_ms: int
    ) -> dict[str, tuple[float, bool, NDArray[np.float32] | None]]:
        number, universe = close_ms // self.context.base_ms - 1, self.context.universe
        expected = self._engine.next_bar_no
        block = np.full((1, len(universe), BAR_COLUMNS), np.nan)
        for symbol, bar in bars.items():
            if symbol in universe:
                block[0, universe.index(symbol)] = bar.columns()
        for start in range(number if expected is None else expected, number, CHUNK_BARS):
            missing = min(CHUNK_BARS, number - start)
            self._engine.advance(start, np.full((missing, *block.shape[1:]), np.nan))
        out = self._engine.advance(number, block)
        nothing = np.zeros(MARKET_SIZE, np.float32)
        return {
            symbol: (float(out.sigma[0, n]), bool(out.ready[0, n]), nothing if out.row_count[n] else None)
            for n, symbol in enumerate(universe)
            if symbol in bars
        }

    def snapshot(self) -> bytes:
        return self._engine.snapshot()

    def restore(self, data: bytes) -> None:
        try:
            self._engine.restore(data)
        except ConfigError as error:
            raise ArtefactError(f"{error}") from None


@dataclass(slots=True)
class _Line:
    """One fit, or the machines alone, with what its rows are at the last close.

    Attributes:
        name: sha256 of the fit, `BARE`.
        source: what is fed.
        symbols: all markets followed; arrays below have a row for each.
        started: the past has been taken in.
        counts: int64[N, 2], number of the last decision's bar (of the first bar before it) and bars since; -1: no bar.
    """

    name: str
    source: "FeatureStream | _Machines"
    symbols: tuple[str, ...]
    started: bool = False
    counts: NDArray[np.int64] = field(init=False)
    market: NDArray[np.float32] = field(init=False)
    due: NDArray[np.bool_] = field(init=False)
    age: NDArray[np.float32] = field(init=False)
    sigma: NDArray[np.float64] = field(init=False)
    ready: NDArray[np.bool_] = field(init=False)

    def __post_init__(self) -> None:
        count = len(self.symbols)
        self.counts = np.full((count, 2), -1, np.int64)
        self.market = np.zeros((count, MARKET_SIZE), np.float32)
        self.due = np.zeros(count, np.bool_)
        self.age = np.zeros(count, np.float32)
        self.sigma = np.full(count, np.nan)
        self.ready = np.zeros(count, np.bool_)

    @property
    def context(self) -> FeatureContext:
        """Return windows and universe."""
        return self.source.context if isinstance(self.source, _Machines) else self.source.fit.context

    @property
    def universe(self) -> tuple[str, ...]:
        """Return the markets of its cross-section."""
        return self.context.universe

    def warm_up(self, past: Mapping[str, Candles], books: Mapping[str, NDArray[np.float64]], until_ms: int) -> None:
        """Take in every candle of the past that closed by `until_ms`; `books` may end with them."""
        base_ms = self.context.base_ms
        wanted = {symbol: past[symbol].between(0, until_ms - base_ms + 1) for symbol in self.universe}
        self.started = True
        if not any(len(rows) for rows in wanted.values()):
            return
        raw = self.source.warm_up(wanted, {s: books[s][: len(rows)] for s, rows in wanted.items() if s in books})
        for symbol, found in raw.items():
            if len(found.timestamp):
                self._begin(symbol, found, until_ms)

    def _begin(self, symbol: str, raw: RawFeatures, until_ms: int) -> None:
        """Write the row of a market whose past was taken in as a whole."""
        place, base_ms = self.symbols.index(symbol), self.context.base_ms
        numbers = raw.timestamp // base_ms
        last = int(raw.rows[-1]) if len(raw.rows) else 0
        self.counts[place] = numbers[last], len(numbers) - 1 - last
        if len(raw.rows):
            before = int(raw.rows[-2]) if len(raw.rows) > 1 else 0
            self.age[place] = int(numbers[last] - numbers[before]) - (last - before)
            if isinstance(self.source, FeatureStream):
                self.market[place] = apply_fit(self.source.fit, raw)[-1]
        if int(raw.timestamp[-1]) + base_ms == until_ms:
            self.sigma[place], self.ready[place] = raw.sigma[-1], raw.ready[-1]
            self.due[place] = len(raw.rows) > 0 and last == len(numbers) - 1

    def push(self, bars: Mapping[str, Bar], close_ms: int) -> None:
        """Take in one close."""
        number = close_ms // self.context.base_ms - 1
        self.due[:] = False
        self.sigma[:] = np.nan
        self.ready[:] = False
        for symbol, (sigma, ready, state) in self._advance(bars, close_ms).items():
            place = self.symbols.index(symbol)
            self.sigma[place], self.ready[place] = sigma, ready
            if self.counts[place, 0] < 0:
                self.counts[place] = number, 0
            else:
                self.counts[place, 1] += 1
            if state is not None:
                self.market[place], self.due[place] = state, True
                self.age[place] = number - self.counts[place, 0] - self.counts[place, 1]
                self.counts[place] = number, 0

    def _advance(
        self, bars: Mapping[str, Bar], close_ms: int
    ) -> Mapping[str, tuple[float, bool, NDArray[np.float32] | None]]:
        if isinstance(self.source, _Machines):
            return self.source.advance(bars, close_ms)
        mine = {symbol: bar for symbol, bar in bars.items() if symbol in self.universe}
        rows = self.source.push(mine, close_ms)
        return {symbol: (row.sigma, row.ready, row.state) for symbol, row in rows.items()}

    def rows(self) -> FitRows:
        """Return copies of the rows."""
        return FitRows(self.market.copy(), self.due.copy(), self.age.copy(), self.sigma.copy(), self.ready.copy())

    @property
    def _columns(self) -> tuple[NDArray[Any], ...]:
        return self.counts, self.market, self.due, self.age, self.sigma, self.ready

    def snapshot(self) -> bytes:
        """Return counts, rows and machines as bytes."""
        return b"".join(column.tobytes() for column in self._columns) + self.source.snapshot()

    def restore(self, data: bytes) -> None:
        """Take the place of the line that wrote `snapshot`."""
        start = 0
        for column in self._columns:
            column[...] = np.frombuffer(data, column.dtype, column.size, start).reshape(column.shape)
            start += column.nbytes
        self.source.restore(data[start:])
        self.started = True

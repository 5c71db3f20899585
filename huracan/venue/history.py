"""Downloading candle histories into a store: resumable, growing at both ends, always a contiguous span on disk."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from huracan.config import DataSettings
from huracan.errors import DataError
from huracan.market import Candles, CandleStore, Rows, candles_from_rows, read_metadata, symbol_to_stem, timeframe_ms
from huracan.storage import Location
from huracan.venue.public import PAGE_BARS, Listing, PublicVenue

__all__ = ["DownloadSummary", "Progress", "SymbolDownload", "download"]

_PAGES_PER_WRITE = 50

Progress = Callable[[str, int, int], None]
"""Called after each page: symbol, bars fetched so far, bars that the span could hold."""


@dataclass(frozen=True, slots=True)
class SymbolDownload:
    """What the store holds of one symbol after a download.

    Attributes:
        symbol: ccxt symbol.
        path: its file; None when the venue has no candle in the range.
        bars: candles in the file.
        new_bars: of them, fetched by this run.
        missing_bars: bars of the span that the venue does not have.
        first_ms: open time of the first candle, ms UTC; None without a file.
        last_ms: open time of the last one.
        listed_ms: open time of the first candle the venue has; None: it has none.
    """

    symbol: str
    path: Location | None
    bars: int
    new_bars: int
    missing_bars: int
    first_ms: int | None
    last_ms: int | None
    listed_ms: int | None


@dataclass(frozen=True, slots=True)
class DownloadSummary:
    """The result of one download: where, what timeframe, each symbol, and how many requests it took."""

    folder: Location
    timeframe: str
    symbols: tuple[SymbolDownload, ...]
    requests: int


def download(
    settings: DataSettings,
    symbols: Sequence[str],
    timeframe: str,
    start_ms: int | None,
    end_ms: int | None,
    folder: Location,
    venue: PublicVenue | None = None,
    progress: Progress | None = None,
) -> DownloadSummary:
    """Bring `folder/<timeframe>/<symbol>.parquet` to hold [start_ms, end_ms) of each symbol, closed candles only.

    What a file holds already is not asked for again: the run prepends and appends. Between the old span and the range
    asked for nothing is left out, so a file is always one span without a hole of our own making. Files are replaced
    whole every 50,000 candles and when the run is interrupted; running again resumes there.

    Args:
        settings: exchange and its address.
        symbols: ccxt symbols; every one is looked up before the first candle is fetched.
        timeframe: one of `TIMEFRAMES`.
        start_ms: first open time wanted, ms UTC; None, or before the listing: from the listing.
        end_ms: end of the last bar wanted; None, or in the future: the last closed bar.
        folder: root of the store.
        venue: connection to use; None opens one from `settings`.
        progress: told after every page.

    Raises:
        DataError: a symbol or timeframe is unknown, the range is empty, or a file is unsound or of another origin.
        VenueError: the venue failed for good; what was fetched is kept.
    """
    timeframe_ms(timeframe)
    if start_ms is not None and end_ms is not None and start_ms >= end_ms:
        raise DataError(f"the range from {start_ms} to {end_ms} ms is empty; let the start lie before the end")
    if not symbols:
        raise DataError("no symbol to download; name at least one, e.g. BTC/USDT")
    for symbol in symbols:
        symbol_to_stem(symbol)  # refused before the first request
    store = CandleStore(folder)
    opened = venue or PublicVenue(settings.exchange, settings.exchange_url)
    before = opened.requests
    try:
        listings = [opened.listing(symbol) for symbol in dict.fromkeys(symbols)]
        done = [
            _SymbolHistory(opened, listing, timeframe, store, progress).extend(start_ms, end_ms) for listing in listings
        ]
        return DownloadSummary(folder, timeframe, tuple(done), opened.requests - before)
    finally:
        if venue is None:
            opened.close()


class _SymbolHistory:
    """The file of one symbol while it grows."""

    def __init__(
        self, venue: PublicVenue, listing: Listing, timeframe: str, store: CandleStore, progress: Progress | None
    ) -> None:
        self._venue, self._listing, self._timeframe, self._store = venue, listing, timeframe, store
        self._bar_ms = timeframe_ms(timeframe)
        self._progress = progress
        self._path = store.path(listing.symbol, timeframe)
        self._origin = {"exchange": "binance", "market": listing.market_id}
        self._held = self._read_held()
        self._pages: list[Rows] = []
        self._new_bars = 0
        self._span_bars = 0

    def extend(self, start_ms: int | None, end_ms: int | None) -> SymbolDownload:
        """Fetch what is missing at either end of the file and return what it holds then."""
        listed_ms = self._venue.first_open_ms(self._listing, self._timeframe)
        closed_ms = self._venue.server_time_ms(self._listing.perpetual) // self._bar_ms * self._bar_ms
        if listed_ms is not None:
            start = max(listed_ms, -(-(start_ms or 0) // self._bar_ms) * self._bar_ms)
            end = min(closed_ms, (closed_ms if end_ms is None else end_ms) // self._bar_ms * self._bar_ms)
            held = self._held
            if held is None:
                self._fetch(_windows(start, end, self._bar_ms))
            else:
                first, behind = int(held.timestamp[0]), int(held.timestamp[-1]) + self._bar_ms
                self._fetch(reversed(list(_windows(start, first, self._bar_ms))))
                self._fetch(_windows(behind, end, self._bar_ms))
        return self._summary(listed_ms)

    def _fetch(self, windows: Iterator[tuple[int, int]]) -> None:
        """Fetch windows that adjoin the file, in this order, and write them; also when interrupted in between."""
        todo = list(windows)
        self._span_bars += sum(end - start for start, end in todo) // self._bar_ms
        nothing_until = 0
        try:
            for count, (start, end) in enumerate(todo, 1):
                if end <= nothing_until:
                    continue
                page = self._window(start, end)
                forward = count < len(todo) and todo[count][0] == end
                if len(page.timestamp) == 0 and forward:  # delisted, or a long pause: one question for what follows
                    follows = self._venue.first_open_ms(self._listing, self._timeframe, end)
                    nothing_until = todo[-1][1] if follows is None else follows
                self._pages.append(page)
                if self._progress is not None:
                    fetched = self._new_bars + sum(len(page.timestamp) for page in self._pages)
                    self._progress(self._listing.symbol, fetched, self._span_bars)
                if count % _PAGES_PER_WRITE == 0:
                    self._write()
        finally:
            self._write()

    def _window(self, start: int, end: int) -> Rows:
        """Return every candle the venue has in [start, end): asks on behind the last one until none comes."""
        parts: list[Rows] = []
        at = start
        while at < end:
            page = self._venue.klines(self._listing, self._timeframe, at, end)
            if len(page.timestamp) == 0:
                break
            parts.append(page)
            at = int(page.timestamp[-1]) + self._bar_ms
        return _joined(parts)

    def _write(self) -> None:
        """Merge the pages fetched since the last write into the file."""
        pages = [page for page in self._pages if len(page.timestamp)]
        self._pages = []
        if not pages:
            return
        rows = _joined([*([self._held.rows()] if self._held is not None else []), *pages])
        order = np.argsort(rows.timestamp, kind="stable")
        sorted_rows = Rows(rows.timestamp[order], {name: values[order] for name, values in rows.columns.items()})
        self._held = candles_from_rows(self._listing.symbol, self._timeframe, sorted_rows)
        self._store.write(self._held, self._origin)
        self._new_bars += sum(len(page.timestamp) for page in pages)

    def _read_held(self) -> Candles | None:
        if not self._path.is_file():
            return None
        origin = read_metadata(self._path)
        if origin != self._origin:
            raise DataError(
                f"{self._path}: does not come from {self._origin['exchange']} {self._origin['market']} "
                f"(it says {origin or 'nothing'}); candles of two origins are not mixed, download to another folder"
            )
        return self._store.read(self._listing.symbol, self._timeframe)

    def _summary(self, listed_ms: int | None) -> SymbolDownload:
        held = self._held
        if held is None:
            return SymbolDownload(self._listing.symbol, None, 0, 0, 0, None, None, listed_ms)
        first, last = int(held.timestamp[0]), int(held.timestamp[-1])
        span = (last - first) // self._bar_ms + 1
        return SymbolDownload(
            self._listing.symbol, self._path, len(held), self._new_bars, span - len(held), first, last, listed_ms
        )


def _windows(start: int, end: int, bar_ms: int) -> Iterator[tuple[int, int]]:
    """Yield [start, end) in windows of one page each, oldest first; nothing when it is empty."""
    for at in range(start, end, PAGE_BARS * bar_ms):
        yield at, min(at + PAGE_BARS * bar_ms, end)


def _joined(parts: list[Rows]) -> Rows:
    """Return the rows of all parts, one after the other."""
    if not parts:
        return Rows(np.empty(0, np.int64), {})
    columns = {name: np.concatenate([part.columns[name] for part in parts]) for name in parts[0].columns}
    return Rows(np.concatenate([part.timestamp for part in parts]), columns)

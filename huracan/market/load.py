"""From a folder to the candles that training may use: every file reported, gated, and repaired only where allowed."""

from collections.abc import Container, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from huracan.config import DataSettings, QualitySettings
from huracan.errors import DataError, RefusedError
from huracan.market.books import read_books
from huracan.market.candles import Candles, candles_from_rows
from huracan.market.quality import Verdict, gate, quality_report, repair, without_unclosed
from huracan.market.rows import Rows
from huracan.market.store import CandleFolder, open_folder, read_rows
from huracan.market.timeframes import timeframe_ms
from huracan.storage import Location, for_each

__all__ = ["CandleSet", "CandleSource", "folder_quality", "leader_of", "load_candles"]

LEADERS = ("BTC/USDT", "BTC/USDT:USDT")
"""Market leaders looked for when none is configured, best first."""


@dataclass(frozen=True, slots=True)
class CandleSource:
    """Where a set's candles were read and how they were judged: whoever reads there again gets the same ones.

    Attributes:
        folder: of the files.
        quality: thresholds.
        now_ms: which last bar counted as open.
    """

    folder: CandleFolder
    quality: QualitySettings
    now_ms: int

    def read(self, symbol: str, fingerprint: str) -> tuple[Candles, NDArray[np.float64] | None]:
        """Return an accepted symbol's candles, and its recorded books, if any.

        Raises:
            DataError: the file cannot be used, or holds other candles than those of the fingerprint by now.
        """
        verdict, rows = _read(self.folder, symbol, self.quality, self.now_ms)
        candles = _candles(self.folder, verdict, rows)
        if candles.fingerprint() != fingerprint:
            raise DataError(
                f"{self.folder.path_of(symbol)}: was changed while it was read; run again when no download writes it"
            )
        return candles, read_books(self.folder.path, symbol, self.folder.timeframe, candles.timestamp)


@dataclass(frozen=True, slots=True)
class CandleSet:
    """What the gate let through.

    Attributes:
        timeframe: of all candles.
        symbols: to be traded, sorted.
        leader: market leader, traded or not; None when there is none.
        candles: by symbol, of `symbols` and the leader.
        verdicts: of every symbol looked at, sorted by symbol.
        books: float64[T, 4] of `BOOK_INPUTS` for each candle of the symbols whose books were recorded beside them.
        source: where they were read; None: they were made.
    """

    timeframe: str
    symbols: tuple[str, ...]
    leader: str | None
    candles: Mapping[str, Candles]
    verdicts: tuple[Verdict, ...]
    books: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    source: CandleSource | None = None


def load_candles(path: Location, data: DataSettings, quality: QualitySettings, now_ms: int) -> CandleSet:
    """Read a folder, report on each symbol asked for, and keep what the gate accepts, with the books recorded beside.

    Without `data.symbols` a refused symbol is left out; with it, or when none is left, the whole load is refused.

    Raises:
        DataError: the folder, a file in it or a symbol asked for cannot be used.
        RefusedError: a symbol asked for is unfit, or every symbol is; the line names the figures and the settings.
    """
    folder = open_folder(path, data.timeframe)
    for symbol in quality.allow:
        folder.path_of(symbol)
    leader = leader_of(data.leader_symbol, folder.files)
    wanted = sorted(data.symbols or folder.symbols)
    looked_at = sorted({*wanted, *([leader] if leader else [])})
    done = for_each(path, lambda symbol: _read(folder, symbol, quality, now_ms), looked_at)
    read = dict(zip(looked_at, done, strict=True))
    verdicts = tuple(verdict for verdict, _ in read.values())
    candles = {symbol: _candles(folder, verdict, rows) for symbol, (verdict, rows) in read.items() if verdict.accepted}
    named = {*data.symbols, *([data.leader_symbol] if data.leader_symbol else [])}
    refused = [verdict for verdict in verdicts if not verdict.accepted]
    fatal = [verdict for verdict in refused if verdict.report.symbol in named]
    symbols = tuple(symbol for symbol in wanted if symbol in candles)
    if fatal or not symbols:
        raise RefusedError(_refusal(path, fatal or refused, len(verdicts)))
    found = {s: read_books(folder.path, s, folder.timeframe, rows.timestamp) for s, rows in candles.items()}
    books = {symbol: book for symbol, book in found.items() if book is not None}
    source = CandleSource(folder, quality, now_ms)
    return CandleSet(folder.timeframe, symbols, leader if leader in candles else None, candles, verdicts, books, source)


def leader_of(configured: str | None, stored: Container[str]) -> str | None:
    """Return the market leader that candles are loaded with: the configured one, else the first stored of `LEADERS`."""
    return configured or next((symbol for symbol in LEADERS if symbol in stored), None)


def folder_quality(path: Location, data: DataSettings, quality: QualitySettings, now_ms: int) -> tuple[Verdict, ...]:
    """Return the gate's verdict on each symbol asked for (`data quality`), sorted by symbol.

    Raises:
        DataError: the folder, a file in it or a symbol asked for cannot be used.
    """
    folder = open_folder(path, data.timeframe)
    symbols = sorted(data.symbols or folder.symbols)
    return tuple(for_each(path, lambda symbol: _read(folder, symbol, quality, now_ms)[0], symbols))


def _read(folder: CandleFolder, symbol: str, quality: QualitySettings, now_ms: int) -> tuple[Verdict, Rows]:
    file = folder.path_of(symbol)
    rows = read_rows(file)
    try:
        report = quality_report(symbol, folder.timeframe, rows, now_ms)
    except DataError as error:
        raise DataError(f"{file}: {error}") from None
    return gate(report, quality), without_unclosed(rows, timeframe_ms(folder.timeframe), now_ms)


def _candles(folder: CandleFolder, verdict: Verdict, rows: Rows) -> Candles:
    """Return the candles of an accepted symbol; only one that was let through in spite of its report is repaired."""
    sound = repair(rows, timeframe_ms(folder.timeframe)) if verdict.reasons else rows
    return candles_from_rows(verdict.report.symbol, folder.timeframe, sound)


def _refusal(path: Location, refused: list[Verdict], looked_at: int) -> str:
    first = refused[0]
    others = f"; and {len(refused) - 1} more symbols" if len(refused) > 1 else ""
    return (
        f"{path}: {first.report.symbol} refused ({len(refused)} of {looked_at} symbols): {'; '.join(first.reasons)}"
        f"{others}; change the setting, mend the data, or name the symbol in quality.allow"
    )

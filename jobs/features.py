"""The state of one's own candles: written out for a look (`build`), and proven free of look-ahead (`check`)."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from huracan.clock import Clock, WallClock
from huracan.config import Settings
from huracan.errors import DataError, InvariantError
from huracan.features import CATALOGUE, MARKET_SIZE, Bar, FeatureFit, FeatureStream, RawFeatures, apply_fit, compute_raw
from huracan.market import Candles, CandleSet, atomic_file, load_candles, symbol_to_stem
from huracan.trading import resolve_settings

__all__ = ["FeatureCheck", "FeaturesBuilt", "build_features", "check_features"]


@dataclass(frozen=True, slots=True)
class FeaturesBuilt:
    """What `build_features` wrote.

    Attributes:
        folder: one Parquet file a symbol and `fit.json`.
        symbols: written, sorted.
        rows: decision rows in all files.
        fit_sha256: of the fitted constants.
    """

    folder: Path
    symbols: tuple[str, ...]
    rows: int
    fit_sha256: str


@dataclass(frozen=True, slots=True)
class FeatureCheck:
    """What `check_features` compared, all of it equal bit for bit.

    Attributes:
        symbols: checked, sorted.
        closes: pushed one at a time.
        states: 52-entry states compared.
        restarts: times the stream was saved and restored on the way.
        rows_before: raw rows that stayed the same without their future.
    """

    symbols: tuple[str, ...]
    closes: int
    states: int
    restarts: int
    rows_before: int


def build_features(settings: Settings, folder: Path, clock: Clock | None = None) -> FeaturesBuilt:
    """Compute the market part of the state of every symbol and write it, fitted on the whole history, to `folder`.

    The files are for looking at: training fits each fold on its own training window.

    Raises:
        DataError: the candles cannot be used, or the folder cannot be written.
        RefusedError: the quality gate refuses the candles.
    """
    found = _load(settings, clock)
    raw = _raw(found.candles, settings, found, found.books)
    start, end = _span(found.candles)
    fit = FeatureFit.fit(raw, start, end, settings.search.seed)
    names = [spec.name for spec in CATALOGUE[:MARKET_SIZE]]
    rows = 0
    for symbol in found.symbols:
        states = apply_fit(fit, raw[symbol])
        closes = pa.array(raw[symbol].row_close_ms, pa.timestamp("ms", tz="UTC"))
        columns = [closes, *(pa.array(np.ascontiguousarray(column)) for column in states.T)]
        with atomic_file(folder / f"{symbol_to_stem(symbol)}.parquet") as file:
            pq.write_table(pa.Table.from_arrays(columns, ["close_time", *names]), file)
        rows += len(states)
    with atomic_file(folder / "fit.json") as file:
        file.write(fit.to_json().encode())
    return FeaturesBuilt(folder, found.symbols, rows, fit.sha256)


def check_features(
    settings: Settings, tail_bars: int = 500, restarts: int = 3, clock: Clock | None = None
) -> FeatureCheck:
    """Prove on one's own candles that live equals training: stream = batch, and no row changes with its future.

    The last `tail_bars` closes are pushed one at a time, with restarts from snapshots on the way, and compared with the
    batch over the whole history; and the batch over the history before them with the same rows of the whole.

    Raises:
        DataError: the candles cannot be used, or are shorter than the tail.
        InvariantError: a state differs; the line names symbol, time and entry.
    """
    found = _load(settings, clock)
    start, end = _span(found.candles)
    bar_ms = next(iter(found.candles.values())).bar_ms
    cut = end - tail_bars * bar_ms
    before = {symbol: candles.between(start, cut) for symbol, candles in found.candles.items()}
    short = [symbol for symbol, candles in before.items() if len(candles.timestamp) == 0]
    if short:
        raise DataError(f"{', '.join(short)}: no bar before the last {tail_bars}; check with fewer (--bars)")
    past = {symbol: book[: len(before[symbol])] for symbol, book in found.books.items()}
    whole, prefix = _raw(found.candles, settings, found, found.books), _raw(before, settings, found, past)
    rows_before = sum(_same_prefix(prefix[symbol], whole[symbol]) for symbol in sorted(whole))
    fit = FeatureFit.fit(prefix, start, cut, settings.search.seed)
    expected = {symbol: apply_fit(fit, raw) for symbol, raw in whole.items()}
    at = {symbol: {int(ms): row for row, ms in enumerate(raw.row_close_ms)} for symbol, raw in whole.items()}
    stream = FeatureStream(fit)
    stream.warm_up(before, past)
    states = 0
    again = {cut + (tail_bars * part // (restarts + 1)) * bar_ms for part in range(1, restarts + 1)}
    for open_ms in range(cut, end, bar_ms):
        if open_ms in again:
            saved = stream.snapshot()
            stream = FeatureStream(fit)
            stream.restore(saved)
        bars = {
            symbol: bar
            for symbol, c in found.candles.items()
            if (bar := _bar_at(c, found.books.get(symbol), open_ms)) is not None
        }
        for symbol, row in stream.push(bars, open_ms + bar_ms).items():
            due = at[symbol].get(row.close_ms)
            if (row.state is None) != (due is None):
                raise InvariantError(f"{symbol}: stream and batch disagree whether {row.close_ms} is a decision row")
            if row.state is not None and due is not None:
                _compare(symbol, row.close_ms, row.state, expected[symbol][due])
                states += 1
    return FeatureCheck(tuple(sorted(whole)), tail_bars, states, len(again), rows_before)


def _load(settings: Settings, clock: Clock | None) -> CandleSet:
    folder = settings.data.folder
    if folder is None:
        raise DataError("no candles are configured: give a folder of Parquet files in data.folder")
    return load_candles(folder, settings.data, settings.quality, (clock or WallClock()).now_ms())


def _raw(
    candles: Mapping[str, Candles], settings: Settings, found: CandleSet, books: Mapping[str, NDArray[np.float64]]
) -> dict[str, RawFeatures]:
    interval = resolve_settings(settings.trading, found.timeframe).decision_interval_bars
    return compute_raw(candles, settings.features, interval, found.leader, books)


def _span(candles: Mapping[str, Candles]) -> tuple[int, int]:
    """Return the open time of the first bar of any symbol and the close time of the last."""
    first = min(int(c.timestamp[0]) for c in candles.values())
    return first, max(int(c.timestamp[-1]) + c.bar_ms for c in candles.values())


def _same_prefix(prefix: RawFeatures, whole: RawFeatures) -> int:
    count = len(prefix.rows)
    for name in ("rows", "values", "available"):
        if getattr(prefix, name).tobytes() != getattr(whole, name)[:count].tobytes():
            raise InvariantError(f"{prefix.symbol}: {name} of the past change when the future is known: look-ahead")
    return count


def _bar_at(candles: Candles, books: NDArray[np.float64] | None, open_ms: int) -> Bar | None:
    index = int(np.searchsorted(candles.timestamp, open_ms))
    if index == len(candles.timestamp) or int(candles.timestamp[index]) != open_ms:
        return None

    def at(column: NDArray[np.float64] | None) -> float | None:
        return None if column is None else float(column[index])

    seen = books is not None and not np.isnan(books[index, 0])
    return Bar(
        open=float(candles.open[index]),
        high=float(candles.high[index]),
        low=float(candles.low[index]),
        close=float(candles.close[index]),
        volume=float(candles.volume[index]),
        quote_volume=at(candles.quote_volume),
        trades=at(candles.trades),
        taker_buy_volume=at(candles.taker_buy_volume),
        book=tuple(books[index].tolist()) if seen and books is not None else None,
    )


def _compare(symbol: str, close_ms: int, live: NDArray[np.float32], batch: NDArray[np.float32]) -> None:
    if live.tobytes() != batch.tobytes():
        different = [CATALOGUE[i].name for i in range(len(live)) if live[i].tobytes() != batch[i].tobytes()]
        raise InvariantError(f"{symbol} at {close_ms}: stream and batch differ in {', '.join(different)}")

"""Whether a history is fit for training: one report per symbol, and the gate that names figures and settings."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from huracan.config import QualitySettings
from huracan.errors import DataError
from huracan.market.rows import Fault, Rows, fault_masks, find_faults, format_ms
from huracan.market.timeframes import timeframe_ms

__all__ = ["Gap", "QualityReport", "Verdict", "gate", "quality_report", "repair", "without_unclosed"]

OUTLIER_SIGMAS = 50.0
STALE_BARS_PASSED = 7
"""A run this short says little: a coin of a coarse tick repeats its close for days, be they bars of 12 hours."""
_HOUR_MS = 3_600_000
_GAPS_KEPT = 20
_MEDIAN_OF_SQUARE = 0.454936  # median of a squared standard normal


@dataclass(frozen=True, slots=True)
class Gap:
    """A run of missing bars: open time of the first one, and how many."""

    start_ms: int
    bars: int


@dataclass(frozen=True, slots=True)
class QualityReport:
    """What one history is like, counted on its closed bars after `repair`; `faults` tells what was repaired.

    Attributes:
        symbol: ccxt symbol.
        timeframe: one of `TIMEFRAMES`.
        bars: sound closed bars, each open time counted once.
        expected_bars: bars from the first available one to the last, by the timeframe.
        first_ms: open time of the first available bar (the listing, or where the history begins), ms UTC.
        last_ms: open time of the last closed bar.
        faults: broken rules of single rows: NaN, prices <= 0, OHLC violations, off-grid, duplicated, unsorted.
        gaps: the longest runs of missing bars, longest first, 20 at most.
        gap_count: number of runs of missing bars.
        zero_volume_frac: share of bars without a trade.
        zero_volume_unflat: zero-volume bars that are not flat, or not at the close of the bar just before.
        zero_volume_unflat_ms: open time of the first of them, or None.
        stale_bars: longest run of bars whose close repeats the close before.
        stale_start_ms: open time of that run's first bar, or None.
        outlier_bars: bars whose log return exceeds 50 robust sigmas.
        outlier_worst_ms: open time of the greatest absolute return, or None.
        outlier_worst_frac: that return, log, with its sign.
        unclosed_last_bar: the file ended with a bar that was still open; it is not used.
    """

    symbol: str
    timeframe: str
    bars: int
    expected_bars: int
    first_ms: int
    last_ms: int
    faults: tuple[Fault, ...]
    gaps: tuple[Gap, ...]
    gap_count: int
    zero_volume_frac: float
    zero_volume_unflat: int
    zero_volume_unflat_ms: int | None
    stale_bars: int
    stale_start_ms: int | None
    outlier_bars: int
    outlier_worst_ms: int | None
    outlier_worst_frac: float
    unclosed_last_bar: bool

    @property
    def coverage_frac(self) -> float:
        """Bars present / bars expected since the first available one."""
        return self.bars / self.expected_bars

    @property
    def gap_longest_bars(self) -> int:
        """Longest run of missing bars; 0 without a gap."""
        return self.gaps[0].bars if self.gaps else 0


@dataclass(frozen=True, slots=True)
class Verdict:
    """The gate's word on one symbol.

    Attributes:
        report: the figures.
        reasons: why it is unfit, each line with the figure and the setting that changes it; empty when it is fit.
        allowed: it is let through in spite of them, as `quality.allow` says.
    """

    report: QualityReport
    reasons: tuple[str, ...]
    allowed: bool

    @property
    def accepted(self) -> bool:
        """Whether training may use the symbol."""
        return self.allowed or not self.reasons


def quality_report(symbol: str, timeframe: str, rows: Rows, now_ms: int) -> QualityReport:
    """Return the report of one history.

    Args:
        symbol: ccxt symbol.
        timeframe: one of `TIMEFRAMES`; the number of bars expected follows from it alone.
        rows: as read, sound or not.
        now_ms: current time, ms UTC; a bar that closes after it is unclosed.

    Raises:
        DataError: not a single sound, closed bar is left.
    """
    bar_ms = timeframe_ms(timeframe)
    closed = without_unclosed(rows, bar_ms, now_ms)
    sound = _sound(closed, bar_ms)
    time = sound.timestamp
    if len(time) == 0:
        raise DataError(
            f"{symbol} {timeframe}: no sound closed bar among {len(rows.timestamp)} rows; download it again"
        )
    steps = np.diff(time) // bar_ms
    unflat = _unflat(sound, bar_ms)
    stale_bars, stale_row = _longest_stale(sound.columns["close"])
    returns = np.diff(np.log(sound.columns["close"]))
    worst = int(np.abs(returns).argmax()) if len(returns) else None
    return QualityReport(
        symbol=symbol,
        timeframe=timeframe,
        bars=len(time),
        expected_bars=int((time[-1] - time[0]) // bar_ms) + 1,
        first_ms=int(time[0]),
        last_ms=int(time[-1]),
        faults=find_faults(closed, bar_ms),
        gaps=_gaps(time, steps, bar_ms),
        gap_count=int((steps > 1).sum()),
        zero_volume_frac=float((sound.columns["volume"] == 0.0).mean()),
        zero_volume_unflat=int(unflat.sum()),
        zero_volume_unflat_ms=int(time[unflat.argmax()]) if unflat.any() else None,
        stale_bars=stale_bars,
        stale_start_ms=int(time[stale_row]) if stale_bars else None,
        outlier_bars=_outliers(returns),
        outlier_worst_ms=None if worst is None else int(time[worst + 1]),
        outlier_worst_frac=0.0 if worst is None else float(returns[worst]),
        unclosed_last_bar=len(closed.timestamp) < len(rows.timestamp),
    )


def gate(report: QualityReport, settings: QualitySettings) -> Verdict:
    """Return whether training may use a history, with a line for each threshold that it misses.

    Thresholds of a run are hours of market time, so that they ask the same of every timeframe.
    """
    bar_ms = timeframe_ms(report.timeframe)
    reasons = [fault.line() for fault in report.faults]
    if report.zero_volume_unflat:
        reasons.append(
            f"{report.zero_volume_unflat} bars without volume are not flat at the previous close (first at "
            f"{format_ms(report.zero_volume_unflat_ms or 0)}); the kernel's fills need that, mend the bars"
        )
    if report.coverage_frac < settings.coverage_min_frac:
        reasons.append(
            f"coverage {report.coverage_frac:.4f} ({report.bars} of {report.expected_bars} bars since "
            f"{format_ms(report.first_ms)}) is below quality.coverage_min_frac {settings.coverage_min_frac:g}"
        )
    gap_h = report.gap_longest_bars * bar_ms / _HOUR_MS
    if gap_h > settings.gap_max_h:
        reasons.append(
            f"a gap of {gap_h:g} h ({report.gap_longest_bars} bars) from {format_ms(report.gaps[0].start_ms)} exceeds "
            f"quality.gap_max_h {settings.gap_max_h:g}"
        )
    if report.zero_volume_frac > settings.zero_volume_max_frac:
        reasons.append(
            f"{report.zero_volume_frac:.1%} of bars have no trade, above quality.zero_volume_max_frac "
            f"{settings.zero_volume_max_frac:g}"
        )
    stale_h = report.stale_bars * bar_ms / _HOUR_MS
    if stale_h > settings.stale_max_h and report.stale_bars > STALE_BARS_PASSED:
        reasons.append(
            f"the close stands still for {stale_h:g} h ({report.stale_bars} bars) from "
            f"{format_ms(report.stale_start_ms or 0)}, above quality.stale_max_h {settings.stale_max_h:g}"
        )
    if report.outlier_bars > settings.outlier_max_frac * report.bars:
        reasons.append(
            f"{report.outlier_bars} of {report.bars} returns exceed {OUTLIER_SIGMAS:g} robust sigmas (greatest "
            f"{report.outlier_worst_frac:+.1%} at {format_ms(report.outlier_worst_ms or 0)}), above "
            f"quality.outlier_max_frac {settings.outlier_max_frac:g}"
        )
    if report.bars < settings.history_min_bars:
        reasons.append(f"{report.bars} bars are fewer than quality.history_min_bars {settings.history_min_bars}")
    return Verdict(report, tuple(reasons), report.symbol in settings.allow)


def without_unclosed(rows: Rows, bar_ms: int, now_ms: int) -> Rows:
    """Return the rows whose bar had closed by `now_ms`."""
    closed = rows.timestamp + bar_ms <= now_ms
    return rows if closed.all() else _select(rows, np.flatnonzero(closed))


def repair(rows: Rows, bar_ms: int) -> Rows:
    """Return sound rows: the explicit override for a symbol named in `quality.allow`.

    Rows with a value that cannot be are dropped (they become missing bars), the rest is sorted, of duplicates the last
    one stays, and a bar without volume is made flat at the close before it, for it had no trade.
    """
    sound = _sound(rows, bar_ms)
    columns = dict(sound.columns)
    silent = columns["volume"] == 0.0
    if silent.any():
        source = np.maximum.accumulate(np.where(silent, -1, np.arange(len(silent))))
        first = int(np.argmin(silent))  # bars before the first trade take its open
        close = np.where(source >= 0, columns["close"][np.maximum(source, 0)], columns["open"][first])
        for name in ("open", "high", "low", "close"):
            columns[name] = np.where(silent, close, columns[name])
    return Rows(sound.timestamp, columns)


def _sound(rows: Rows, bar_ms: int) -> Rows:
    """Return the rows without broken values, sorted, the last of duplicates kept."""
    masks = fault_masks(rows, bar_ms)
    if not any(mask.any() for mask in masks.values()):
        return rows
    broken = masks["not_finite"] | masks["not_positive"] | masks["negative_volume"] | masks["bad_range"]
    kept = np.flatnonzero(~(broken | masks["off_grid"]))
    kept = kept[np.argsort(rows.timestamp[kept], kind="stable")]
    time = rows.timestamp[kept]
    last = np.ones(len(kept), bool)
    last[:-1] = time[1:] != time[:-1]
    return _select(rows, kept[last])


def _select(rows: Rows, index: NDArray[np.int64]) -> Rows:
    return Rows(rows.timestamp[index], {name: values[index] for name, values in rows.columns.items()})


def _gaps(time: NDArray[np.int64], steps: NDArray[np.int64], bar_ms: int) -> tuple[Gap, ...]:
    """Return the longest runs of missing bars, longest first, the earlier one first when equal."""
    places = np.flatnonzero(steps > 1)
    order = places[np.argsort(-steps[places], kind="stable")][:_GAPS_KEPT]
    return tuple(Gap(int(time[place]) + bar_ms, int(steps[place]) - 1) for place in order)


def _unflat(rows: Rows, bar_ms: int) -> NDArray[np.bool_]:
    """Return bool[T]: zero-volume bars that break O = H = L = C = previous close (after a gap: O = H = L = C)."""
    open_, high, low, close = (rows.columns[name] for name in ("open", "high", "low", "close"))
    unflat = (high != low) | (open_ != close)
    unflat[1:] |= (open_[1:] != close[:-1]) & (np.diff(rows.timestamp) == bar_ms)
    return unflat & (rows.columns["volume"] == 0.0)


def _longest_stale(close: NDArray[np.float64]) -> tuple[int, int]:
    """Return (length, first row) of the longest run of closes that repeat the close before them."""
    moved = np.concatenate(([0], np.flatnonzero(np.diff(close) != 0.0) + 1, [len(close)]))
    runs = np.diff(moved) - 1
    longest = int(runs.argmax())
    return int(runs[longest]), int(moved[longest]) + 1


def _outliers(returns: NDArray[np.float64]) -> int:
    """Return how many log returns exceed 50 sigmas, sigma from the median square of the returns that are not 0."""
    moves = returns[returns != 0.0]
    if len(moves) == 0:
        return 0
    sigma = np.sqrt(np.median(moves**2) / _MEDIAN_OF_SQUARE)
    return int((np.abs(returns) > OUTLIER_SIGMAS * sigma).sum())

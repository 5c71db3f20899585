"""The tape: everything the kernel reads of one market, as integers, checked once so that no rule can overflow."""

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from huracan.errors import DataError
from huracan.features.layout import HEAD_SIZE
from huracan.market import Candles
from huracan.trading.costs import DAY_MS, CostTable
from huracan.trading.instruments import Instrument, parse_prices, parse_volumes
from huracan.trading.settings import KernelSettings

__all__ = ["COST_SCALE_MAX", "MarketColumns", "Tape", "build_tape", "check_stop", "decision_rows"]

NUMBER, OPEN, HIGH, LOW, CLOSE, VOLUME = range(6)
"""Columns of `Tape.bars`."""

_CASH_MAX = 2**52
_THROUGH_MAX = 2**62
COST_SCALE_MAX = 8
"""Largest multiplier of fees for which no product can overflow."""


class MarketColumns(Protocol):
    """What a tape takes from the features of one market (`huracan.features.RawFeatures`), per existing bar."""

    @property
    def timestamp(self) -> NDArray[np.int64]:
        """Open times, ms, int64[T]."""

    @property
    def sigma(self) -> NDArray[np.float64]:
        """Ex-ante standard deviation of a base bar's log return, float64[T]."""

    @property
    def ready(self) -> NDArray[np.bool_]:
        """Whether the feature machines are warm, bool[T]."""

    @property
    def segment(self) -> NDArray[np.int32]:
        """Number of the gap-free run, int32[T]."""

    @property
    def rows(self) -> NDArray[np.int64]:
        """Bar indices of the decisions, int64[M]."""


@dataclass(frozen=True, slots=True, eq=False)
class Tape:
    """One market as the kernel sees it.

    Attributes:
        symbol: ccxt symbol.
        instrument: its entry of the instrument table.
        timeframe: base timeframe.
        bars: int64[T, 6]: bar_no (open time / bar length), open, high, low, close in ticks, volume in steps.
        sigma: float64[T], ex-ante standard deviation of a base bar's log return, known at the bar's close.
        day: int32[T], row of the cost table of the bar's UTC day.
        costs: the dated cost table.
        rows: int64[M], indices of the bars at whose close a decision is due, increasing.
        features: float32[M, 62], state entries 0-61 at those decisions.
        ready: bool[T], feature machines warm.
        segment: int32[T], number of the gap-free run.
    """

    symbol: str
    instrument: Instrument
    timeframe: str
    bars: NDArray[np.int64]
    sigma: NDArray[np.float64]
    day: NDArray[np.int32]
    costs: CostTable
    rows: NDArray[np.int64]
    features: NDArray[np.float32]
    ready: NDArray[np.bool_]
    segment: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.bars)

    def between(self, first: int, stop: int) -> "Tape":
        """Return bars [first, stop) as views of this tape's arrays, nothing copied; empty where there is no such bar.

        It begins one decision earlier, so that state 79 of the first decision still counts missing bars.
        """
        row_first, row_stop = (int(place) for place in np.searchsorted(self.rows, (first, stop)))
        row_first = max(0, row_first - 1)
        first = int(self.rows[row_first]) if row_first < self.rows.size else first
        return replace(
            self,
            bars=self.bars[first:stop],
            sigma=self.sigma[first:stop],
            day=self.day[first:stop],
            rows=self.rows[row_first:row_stop] - first,
            features=self.features[row_first:row_stop],
            ready=self.ready[first:stop],
            segment=self.segment[first:stop],
        )

    def every(self, decision_interval_bars: int) -> "Tape":
        """Return the tape with a decision every `decision_interval_bars`, its features zero until `with_features`."""
        rows = decision_rows(self.bars[:, NUMBER], decision_interval_bars)
        return replace(self, rows=rows, features=np.zeros((len(rows), HEAD_SIZE), np.float32))

    def with_features(self, features: NDArray[np.float32]) -> "Tape":
        """Return the tape with other state entries 0-61.

        Args:
            features: float32[M, 62].

        Raises:
            DataError: the shape differs from (number of decisions, 62).
        """
        if features.shape != (len(self.rows), HEAD_SIZE):
            raise DataError(
                f"{self.symbol}: features have shape {features.shape}, the tape has {len(self.rows)} decisions of "
                f"{HEAD_SIZE}; build both from the same candles"
            )
        return replace(self, features=np.ascontiguousarray(features, dtype=np.float32))


def decision_rows(bar_no: NDArray[np.int64], interval: int) -> NDArray[np.int64]:
    """Return the indices of the bars at whose close a decision is due.

    Due is (bar_no + 1) % interval == 0; when that bar is missing, the next existing one takes its place.

    Args:
        bar_no: int64[T], increasing.
        interval: k, bars.
    """
    period = (bar_no + 1) // interval
    due = np.diff(period, prepend=period[:1]) > 0
    due[:1] = (bar_no[:1] + 1) % interval == 0
    return np.flatnonzero(due).astype(np.int64)


def build_tape(
    candles: Candles, raw: MarketColumns, instrument: Instrument, costs: CostTable, settings: KernelSettings
) -> Tape:
    """Return the tape of one market, its features zero until `with_features`.

    Raises:
        DataError: candles, features and cost table do not belong together, a bar without volume moves, or the market
            cannot be traded by the rules (section 2 of the contract: step, tick, least order, integer margins).
    """
    if not np.array_equal(candles.timestamp, raw.timestamp):
        raise DataError(f"{candles.symbol}: candles and features have different bars; build both from the same candles")
    prices = [parse_prices(column, instrument) for column in (candles.open, candles.high, candles.low, candles.close)]
    volume = parse_volumes(candles.volume, instrument)
    bars = np.column_stack([candles.timestamp // settings.base_ms, *prices, volume]).astype(np.int64)
    day = (candles.timestamp - costs.day_ms[0]) // DAY_MS
    if day[0] < 0 or day[-1] >= len(costs.day_ms):
        raise DataError(f"{candles.symbol}: the cost table does not cover the candles; build it again from them")
    _check_margins(instrument, bars, settings)
    _check_stake(instrument, bars, settings)
    _check_quiet_bars(candles.symbol, bars)
    rows = decision_rows(bars[:, NUMBER], settings.decision_interval_bars)
    if not np.array_equal(rows, raw.rows):
        raise DataError(
            f"{candles.symbol}: the features were made for another decision interval than "
            f"{settings.decision_interval_bars}; build them again"
        )
    tape = Tape(
        symbol=candles.symbol,
        instrument=instrument,
        timeframe=candles.timeframe,
        bars=bars,
        sigma=np.ascontiguousarray(raw.sigma, dtype=np.float64),
        day=day.astype(np.int32),
        costs=costs,
        rows=rows,
        features=np.zeros((len(rows), HEAD_SIZE), np.float32),
        ready=raw.ready,
        segment=raw.segment,
    )
    check_stop(tape, settings)
    return tape


def check_stop(tape: Tape, settings: KernelSettings) -> None:
    """Hold that the stop of these rules lies ten ticks away, in the middle of the history.

    Raises:
        DataError: it does not.
    """
    close = float(np.median(tape.bars[:, CLOSE]))
    finite = tape.sigma[np.isfinite(tape.sigma)]
    distance = np.maximum(finite * settings.rules.sqrt_hold, settings.distance_min) * settings.stop_sigmas
    stop_ticks = close * float(np.median(distance)) if len(finite) else close * settings.distance_min
    if settings.stops_enabled and stop_ticks < 10:
        raise DataError(
            f"{tape.symbol}: with stop_sigmas {settings.stop_sigmas:g} and hold_bars {settings.hold_bars} the stop "
            f"lies {stop_ticks:.1f} ticks away, under ten: the tick is too coarse; leave it out, or raise the setting "
            "(trading.*, or search.* where rules are searched)"
        )


def _check_margins(instrument: Instrument, bars: NDArray[np.int64], settings: KernelSettings) -> None:
    """Refuse a market whose integers would leave the range in which every rule is exact."""
    stake = instrument.stake_ticks_steps(settings.stake_quote)
    if 3 * stake >= 2 * _CASH_MAX:
        raise DataError(
            f"{instrument.symbol}: 1.5 stakes are {3 * stake // 2} ticks x steps (tick {instrument.tick}, step "
            f"{instrument.step}), more than 2^52; lower trading.stake_amount"
        )
    ratio, ppm = instrument.quote_ratio, COST_SCALE_MAX * max(instrument.fee_maker_ppm, instrument.fee_taker_ppm)
    if ppm * ratio.numerator * 1_000_000 * ratio.denominator >= _THROUGH_MAX:
        raise DataError(
            f"{instrument.symbol}: fees on tick {instrument.tick} and step {instrument.step} leave the 62-bit range; "
            "give an instrument whose tick x step is a decimal nearer to 1e-8"
        )
    through = bars[:, VOLUME].astype(np.float64) * (bars[:, HIGH] - bars[:, LOW]) * settings.share_num
    if through.max(initial=0.0) >= _THROUGH_MAX:
        at = int(np.argmax(through))
        raise DataError(
            f"{instrument.symbol}: volume x range of row {at} leaves the 62-bit range; give a coarser tick or step"
        )


def _check_stake(instrument: Instrument, bars: NDArray[np.int64], settings: KernelSettings) -> None:
    """Refuse a market whose step or least order is too coarse for the stake."""
    symbol, stake = instrument.symbol, settings.stake_quote
    close = float(np.median(bars[:, CLOSE]))
    step_value = close * float(instrument.tick_step_quote)
    if not instrument.fee_in_quote and step_value > 0.01 * float(stake):
        raise DataError(
            f"{symbol}: one step is worth {step_value:.2f}, over 1 % of the stake {stake}, and fees are paid in the "
            "coin: what the fee leaves of a step could not be sold; raise trading.stake_amount or set fee_asset quote"
        )
    if stake < 8 * settings.min_notional:
        raise DataError(
            f"{symbol}: half a stake of {stake} is below four least orders of {settings.min_notional}; "
            "raise trading.stake_amount"
        )


def _check_quiet_bars(symbol: str, bars: NDArray[np.int64]) -> None:
    """Refuse bars without volume whose price moves: the venue could not have printed it."""
    before = np.concatenate([bars[:1, OPEN], bars[:-1, CLOSE]])
    moved = (bars[:, VOLUME] == 0) & (bars[:, OPEN : CLOSE + 1] != before[:, None]).any(axis=1)
    if moved.any():
        raise DataError(
            f"{symbol}: {int(moved.sum())} bars without volume differ from the close before them (first is row "
            f"{int(np.argmax(moved))}); set their prices to that close"
        )

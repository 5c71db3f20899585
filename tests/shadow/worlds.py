"""Small markets for shadow tests: synthetic candles as tapes with random market features."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from huracan.config import RiskSettings, TradingSettings
from huracan.features.layout import HEAD_SIZE
from huracan.market import Candles, wild_bars
from huracan.shadow.splits import DAY_MS, Window
from huracan.trading import (
    KernelSettings,
    Limits,
    Tape,
    build_cost_table,
    build_tape,
    decision_rows,
    infer_instrument,
    resolve_settings,
)

LIMITS = Limits.of(RiskSettings())


@dataclass(frozen=True, slots=True)
class Columns:
    """What a tape needs of a market's features."""

    timestamp: npt.NDArray[np.int64]
    sigma: npt.NDArray[np.float64]
    ready: npt.NDArray[np.bool_]
    segment: npt.NDArray[np.int32]
    rows: npt.NDArray[np.int64]


def rules(**trading: object) -> KernelSettings:
    """Return quick rules for minute bars: a decision every 5 bars, at most 60 bars in a position."""
    return resolve_settings(TradingSettings(**({"decision_interval_bars": 5, "hold_bars": 60} | trading)), "1m")


def tape_of(candles: Candles, kernel: KernelSettings, *, seed: int = 0, warm_bars: int = 100) -> Tape:
    """Return candles as a tape with standard normal features; a gap of more than 5 missing bars starts a segment."""
    bar_no = candles.timestamp // kernel.base_ms
    segment = np.cumsum(np.diff(bar_no, prepend=bar_no[0]) > 6).astype(np.int32)
    returns = np.diff(np.log(candles.close), prepend=np.log(candles.open[0]))
    columns = Columns(
        timestamp=candles.timestamp,
        sigma=np.sqrt(np.convolve(returns**2, np.full(60, 1 / 60))[: returns.size] + 1e-8),
        ready=np.arange(bar_no.size) - np.searchsorted(segment, segment) >= warm_bars,
        segment=segment,
        rows=decision_rows(bar_no, kernel.decision_interval_bars),
    )
    instrument = infer_instrument(candles, kernel)
    tape = build_tape(candles, columns, instrument, build_cost_table(candles, instrument, kernel), kernel)
    features = np.random.default_rng(seed).standard_normal((columns.rows.size, HEAD_SIZE))
    return tape.with_features(features.astype(np.float32))


def wild_world(kernel: KernelSettings, coins: int = 3, days: int = 6) -> list[Tape]:
    """Return markets with jumps, silent and missing bars."""
    names = [f"W{coin}/USDT" for coin in range(coins)]
    return [
        tape_of(wild_bars(31 + coin, days * 1_440, symbol=name), kernel, seed=coin) for coin, name in enumerate(names)
    ]


def window_of(tapes: list[Tape], first_day: int, days: int) -> Window:
    """Return whole UTC days, counted from the first midnight of the first tape."""
    midnight = -(-int(tapes[0].bars[0, 0]) * 60_000 // DAY_MS) * DAY_MS
    return Window(midnight + first_day * DAY_MS, midnight + (first_day + days) * DAY_MS)

"""Small markets for the environment's tests: wild synthetic candles as tapes, without the feature room."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from huracan.config import EnvSettings, TradingSettings
from huracan.env import Window
from huracan.features.layout import HEAD_SIZE
from huracan.market import Candles, timeframe_ms, wild_bars
from huracan.trading import KernelSettings, Tape, build_cost_table, build_tape, decision_rows, infer_instrument
from huracan.trading import resolve_settings as resolve

WARM_BARS = 200


@dataclass(frozen=True, slots=True)
class Columns:
    """What a tape needs of a market's features."""

    timestamp: NDArray[np.int64]
    sigma: NDArray[np.float64]
    ready: NDArray[np.bool_]
    segment: NDArray[np.int32]
    rows: NDArray[np.int64]


def kernel_settings(**trading: object) -> KernelSettings:
    """Return the rules at one-minute bars, quick enough for short histories."""
    return resolve(TradingSettings(**({"decision_interval_bars": 5, "hold_bars": 30} | trading)), "1m")


def tape_of(candles: Candles, kernel: KernelSettings, seed: int = 0, gap_bars: int = 5) -> Tape:
    """Return the tape of `candles` with random features; a gap longer than `gap_bars` starts a new segment."""
    bar_no = candles.timestamp // timeframe_ms(candles.timeframe)
    segment = np.cumsum(np.diff(bar_no, prepend=bar_no[0]) > gap_bars + 1).astype(np.int32)
    started = np.searchsorted(segment, segment)
    returns = np.diff(np.log(candles.close), prepend=np.log(candles.open[0]))
    columns = Columns(
        timestamp=candles.timestamp,
        sigma=np.sqrt(np.convolve(returns**2, np.ones(60) / 60.0)[: len(returns)] + 1e-8),
        ready=np.arange(len(returns)) - started >= WARM_BARS,
        segment=segment,
        rows=decision_rows(bar_no, kernel.decision_interval_bars),
    )
    instrument = infer_instrument(candles, kernel)
    tape = build_tape(candles, columns, instrument, build_cost_table(candles, instrument, kernel), kernel)
    rng = np.random.default_rng(seed)
    return tape.with_features(rng.standard_normal((len(columns.rows), HEAD_SIZE)).astype(np.float32))


def wild_tapes(kernel: KernelSettings, count: int = 3, bars: int = 4_320) -> list[Tape]:
    """Return `count` markets with jumps, silent and missing bars."""
    return [tape_of(wild_bars(seed, bars, symbol=f"W{seed}/USDT"), kernel, seed) for seed in range(1, count + 1)]


def whole(tapes: list[Tape]) -> Window:
    """Return the window that holds every bar of `tapes`."""
    bar_ms = timeframe_ms(tapes[0].timeframe)
    return Window(
        int(min(tape.bars[0, 0] for tape in tapes)) * bar_ms,
        (int(max(tape.bars[-1, 0] for tape in tapes)) + 1) * bar_ms,
    )


def short_episodes(**settings: object) -> EnvSettings:
    """Return episodes of 60 to 120 bars."""
    return EnvSettings(**({"episode_bars": (60, 120), "num_envs": 8} | settings))

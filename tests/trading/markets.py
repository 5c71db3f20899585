"""Tapes written by hand or drawn at random, in ticks and steps, for the tests of the kernel."""

from collections.abc import Sequence
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from huracan.config import TradingSettings
from huracan.features.layout import HEAD_SIZE
from huracan.market import Candles
from huracan.trading import CostTable, Instrument, KernelSettings, Lanes, Tape, decision_rows, resolve_settings
from huracan.trading.costs import DAY_MS, make_cost_table

Ohlcv = tuple[int, int, int, int, int]
CALM: Ohlcv = (10_000, 10_000, 10_000, 10_000, 1_000)
"""A bar in which nothing moves: open, high, low, close, volume."""


def settings_of(**changes: Any) -> KernelSettings:
    """Return one-minute settings with a decision every bar, target 2 and no impact noise, changed as told."""
    plain: dict[str, Any] = {"decision_interval_bars": 1, "target_sigmas": 2.0, "hold_bars": 100}
    return resolve_settings(TradingSettings(**{**plain, **changes}), "1m")


def instrument_of(settings: KernelSettings) -> Instrument:
    """Return a market of tick 0.01 and step 0.01: a tick x step is 0.0001 quote, a stake 10^7 of them."""
    return Instrument(
        symbol="HAND/USDT",
        tick=Decimal("0.01"),
        step=Decimal("0.01"),
        min_notional=settings.min_notional,
        fee_maker_ppm=settings.fee_maker_ppm,
        fee_taker_ppm=settings.fee_taker_ppm,
        fee_in_quote=settings.fee_in_quote,
    )


def costs_of(days: int, spread: int = 2, impact: float = 0.0, qcap: int = 1_000_000) -> CostTable:
    """Return the same costs for every day from the epoch."""
    return make_cost_table(
        "HAND/USDT",
        np.arange(days, dtype=np.int64) * DAY_MS,
        np.full(days, spread, np.int64),
        np.full(days, qcap, np.int64),
        np.full(days, impact),
    )


def tape_of(
    bars: Sequence[Ohlcv] | NDArray[np.int64],
    settings: KernelSettings,
    numbers: Sequence[int] | None = None,
    sigma: float | NDArray[np.float64] = 0.0,
    **costs: Any,
) -> Tape:
    """Return a tape of hand-made bars; `numbers` are their bar numbers (0, 1, ... by default).

    Sigma 0 leaves the floor: with ks 1 and kt 2 the stop is 60 bp below and the target 120 bp above the decision.
    """
    number = np.arange(len(bars)) if numbers is None else np.asarray(numbers)
    table = np.column_stack([number, np.asarray(bars)]).astype(np.int64)
    day = (number * settings.base_ms // DAY_MS).astype(np.int32)
    rows = decision_rows(table[:, 0], settings.decision_interval_bars)
    features = np.random.default_rng(11).normal(size=(len(rows), HEAD_SIZE)).astype(np.float32)
    return Tape(
        symbol="HAND/USDT",
        instrument=instrument_of(settings),
        timeframe=settings.timeframe,
        bars=table,
        sigma=np.full(len(bars), sigma) if isinstance(sigma, float) else sigma,
        day=day,
        costs=costs_of(int(day[-1]) + 1, **costs),
        rows=rows,
        features=features,
        ready=np.ones(len(bars), np.bool_),
        segment=np.zeros(len(bars), np.int32),
    )


def lane_over(tape: Tape, settings: KernelSettings, at_end: bool = False, **options: Any) -> Lanes:
    """Return one recording lane over a whole tape, at its first decision."""
    lanes = Lanes([tape], settings, 1, record=True, **options)
    start, stop = np.array([tape.rows[0]]), np.array([len(tape)])
    lanes.reset(np.array([0]), np.array([0]), start, stop, np.array([at_end]))
    return lanes


def play(lanes: Lanes, actions: Sequence[int], forced: dict[int, int] | None = None) -> None:
    """Step the lanes by a script, the same action in each; `forced`: step -> reason."""
    for step, action in enumerate(actions):
        force = np.full(lanes.num_lanes, (forced or {}).get(step, 0))
        lanes.step(np.full(lanes.num_lanes, action), force)


def script(
    bars: Sequence[Ohlcv], actions: Sequence[int], forced: dict[int, int] | None = None, **options: Any
) -> Lanes:
    """Return a lane played over hand-made bars; settings, costs and bar numbers by keyword."""
    tape_keys = ("numbers", "sigma", "spread", "impact", "qcap")
    lane_keys = ("at_end", "every_bar")
    settings = settings_of(**{k: v for k, v in options.items() if k not in tape_keys + lane_keys})
    tape = tape_of(bars, settings, **{k: v for k, v in options.items() if k in tape_keys})
    lanes = lane_over(tape, settings, **{k: v for k, v in options.items() if k in lane_keys})
    play(lanes, actions, forced)
    return lanes


def random_bars(seed: int, count: int, gap_frac: float = 0.02) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return wild bars int64[count, 5] and their numbers: jumps, opening gaps, empty and missing bars."""
    rng = np.random.default_rng(seed)
    path = 10_000 * np.exp(np.cumsum(rng.standard_t(3, (count, 6)) * 6e-4).reshape(count, 6))
    ticks = np.rint(path).astype(np.int64)
    bars = np.column_stack([ticks[:, 0], ticks.max(1), ticks.min(1), ticks[:, -1], rng.integers(1, 40_000, count)])
    for row in np.flatnonzero(rng.random(count) < 0.05):
        if row:
            bars[row] = (*[bars[row - 1, 3]] * 4, 0)
    return bars, np.cumsum(1 + (rng.random(count) < gap_frac) * rng.integers(1, 6, count))


def random_tape(seed: int, settings: KernelSettings, count: int = 600) -> Tape:
    """Return a tape of random bars with a cost table that binds now and then."""
    bars, numbers = random_bars(seed, count)
    rng = np.random.default_rng(seed + 1)
    sigma = np.full(count, 1e-3) * rng.uniform(0.5, 2.0)
    return tape_of(bars, settings, list(numbers), sigma, spread=int(rng.integers(1, 6)), impact=0.05, qcap=1_400)


def columns_of(candles: Candles, settings: KernelSettings, sigma: float = 1e-3) -> Any:
    """Return what a tape takes from the features of these candles."""
    rows = decision_rows(candles.timestamp // settings.base_ms, settings.decision_interval_bars)
    return SimpleNamespace(
        timestamp=candles.timestamp,
        sigma=np.full(len(candles), sigma),
        ready=np.ones(len(candles), np.bool_),
        segment=np.zeros(len(candles), np.int32),
        rows=rows,
    )


def candles_of(prices: NDArray[np.float64], volume: NDArray[np.float64], timeframe: str = "1m") -> Candles:
    """Return candles from float64[T, 4] prices and float64[T] volumes, from a UTC midnight on."""
    step = {"1m": 60_000, "1h": 3_600_000, "1d": DAY_MS}[timeframe]
    time = 20_000 * DAY_MS + np.arange(len(prices), dtype=np.int64) * step
    return Candles("HAND/USDT", timeframe, time, *prices.T, volume)

"""Martingales on an integer grid, and settings without costs, for statistics on the kernel's rules."""

from dataclasses import replace
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from huracan.config import TradingSettings
from huracan.trading import KernelSettings, Tape, decision_rows, resolve_settings
from tests.parity.convert import make_tape
from tests.parity.wild import DAY_MS, START_MS, IntegerMarket, wild_market, wild_settings

BASE_MS = 60_000
PRICE_TICKS = 200_000


def martingale_market(
    seed: tuple[int, ...],
    ticks_per_bar: int,
    jumps: bool,
    length: int,
    prints: int = 60,
    spread: int = 0,
    depth: int = 2_000,
) -> IntegerMarket:
    """Return bars of a driftless random walk on whole ticks.

    Args:
        seed: of the generator.
        ticks_per_bar: standard deviation of a bar's move, ticks.
        jumps: add symmetric gaps of ten bars' deviation before one open in a hundred.
        length: bars.
        prints: price points per bar.
        spread: ticks.
        depth: median volume of a bar, steps (1x is 500).
    """
    rng = np.random.default_rng(seed)
    moves = np.rint(rng.normal(0.0, ticks_per_bar / np.sqrt(prints), (length, prints)))
    if jumps:
        gap = np.rint(rng.normal(0.0, 10.0 * ticks_per_bar, length))
        moves[:, 0] += np.where(rng.random(length) < 0.01, gap, 0.0)
    path = (PRICE_TICKS + np.cumsum(moves.ravel())).reshape(length, prints).astype(np.int64)
    assert path.min() > PRICE_TICKS // 10, "the walk came near zero; lower length or ticks_per_bar"
    first = START_MS // BASE_MS
    volume = np.ceil(depth * rng.lognormal(0.0, 1.0, length)).astype(np.int64)
    columns = [np.arange(first, first + length), path[:, 0], path.max(1), path.min(1), path[:, -1], volume]
    day = (np.arange(length) * BASE_MS // DAY_MS).astype(np.int64)
    days = int(day[-1]) + 1
    return IntegerMarket(
        symbol="FAIR/USDT",
        tick=Decimal("0.001"),
        step=Decimal("0.01"),
        min_notional=Decimal(5),
        base_ms=BASE_MS,
        bars=np.column_stack(columns).astype(np.int64),
        sigma=np.full(length, ticks_per_bar / PRICE_TICKS),
        ready=np.ones(length, np.bool_),
        day=day,
        day_ms=(START_MS + np.arange(days) * DAY_MS).astype(np.int64),
        spread=np.full(days, spread, np.int64),
        qcap=np.full(days, 10**9, np.int64),
        impact=np.zeros(days),
    )


def free_settings(ticks_per_bar: int, maker: bool, kappa: float, bracket: tuple[float, float, int]) -> KernelSettings:
    """Return settings without fees for such a market; bracket: stop and target in sigmas, hold in bars.

    The cap lies one bar's deviation (at least 1 bp) above the close, the floor of the distance twice as far.
    """
    stop, target, hold = bracket
    cap_bps = max(1, ticks_per_bar * 10_000 // PRICE_TICKS)
    trading = TradingSettings(
        decision_interval_bars=1,
        hold_bars=hold,
        stop_sigmas=stop,
        target_sigmas=target,
        distance_min_bps=2.0 * cap_bps,
        cap_bps=cap_bps,
        entry="maker" if maker else "taker",
        exit="maker" if maker else "taker",
        fee_maker_ppm=0,
        fee_taker_ppm=0,
        stop_slip_range_frac=kappa,
    )
    return resolve_settings(trading, "1m")


def wild_tape(seed: int, length: int = 700, **changes: object) -> tuple[Tape, KernelSettings]:
    """Return a wild market's tape under random settings, some of them replaced."""
    rng = np.random.default_rng(seed)
    settings = replace(wild_settings(rng), **changes)  # type: ignore[arg-type]
    return make_tape(wild_market(rng, settings, length), settings), settings


def wild_tapes(count: int, settings: KernelSettings, seed: int, length: int = 700) -> list[Tape]:
    """Return several wild markets under the same settings."""
    return [make_tape(wild_market(np.random.default_rng((seed, i)), settings, length), settings) for i in range(count)]


def with_interval(tape: Tape, interval: int) -> Tape:
    """Return the tape with a decision every `interval` bars."""
    rows = decision_rows(tape.bars[:, 0], interval)
    return replace(tape, rows=rows, features=np.zeros((len(rows), 62), np.float32))


def clustered_z(values: NDArray[np.float64], clusters: NDArray[np.int64]) -> tuple[float, float]:
    """Return mean and standard error of values whose clusters (tapes) are independent, one mean over all."""
    count = np.bincount(clusters)
    sums = np.bincount(clusters, values)
    mean = float(values.mean())
    residual = sums - mean * count
    groups = len(count)
    return mean, float(np.sqrt((residual**2).sum() * groups / (groups - 1)) / count.sum())

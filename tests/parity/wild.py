"""Wild synthetic bars as exact integers: gaps, fat tails, jumps, thin and zero volume, missing bars, random costs."""

from dataclasses import dataclass
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from huracan.config import TradingSettings
from huracan.trading import KernelSettings, resolve_settings

DAY_MS = 86_400_000
START_MS = 1_749_600_000_000  # 2025-06-11T00:00Z


@dataclass(frozen=True, slots=True, eq=False)
class IntegerMarket:
    """One market on its own grid.

    Attributes:
        symbol: ccxt symbol.
        tick, step, min_notional: the venue's grid and least order value.
        base_ms: length of a bar.
        bars: int64[T, 6]: bar number, open, high, low, close in ticks, volume in steps.
        sigma: float64[T], standard deviation of one bar's log return.
        ready: bool[T].
        day: int64[T], row of the cost columns.
        day_ms, spread, qcap: int64[D]; impact: float64[D], ticks per sqrt(step).
    """

    symbol: str
    tick: Decimal
    step: Decimal
    min_notional: Decimal
    base_ms: int
    bars: NDArray[np.int64]
    sigma: NDArray[np.float64]
    ready: NDArray[np.bool_]
    day: NDArray[np.int64]
    day_ms: NDArray[np.int64]
    spread: NDArray[np.int64]
    qcap: NDArray[np.int64]
    impact: NDArray[np.float64]


def wild_settings(rng: np.random.Generator) -> KernelSettings:
    """Draw a random, consistent configuration of the kernel."""
    hold = int(rng.choice([6, 12, 30, 60, 120]))
    least = 2.05 / np.sqrt(hold)
    stop = max(least, float(rng.uniform(0.3, 2.0)))
    target = max(least, float(rng.uniform(0.4, 2.5)))
    distance = float(rng.choice([20.0, 60.0, 150.0]))
    cap = int(rng.integers(3, max(4, int(target * distance * 0.95))))
    trading = TradingSettings(
        stake_amount=float(rng.choice([150.0, 1000.0, 3000.0])),
        decision_interval_bars=int(rng.choice([1, 1, 3, 5, 15])),
        hold_bars=hold,
        stop_sigmas=stop,
        target_sigmas=target,
        distance_min_bps=distance,
        cap_bps=min(cap, 120),
        entry=str(rng.choice(["taker", "maker"])),
        exit=str(rng.choice(["taker", "maker"])),
        maker_life_bars=int(rng.integers(1, 6)),
        maker_tries=int(rng.integers(1, 4)),
        maker_fallback=str(rng.choice(["taker", "give_up"])),
        maker_exit_life_bars=int(rng.integers(1, 12)),
        volume_share=(1, int(rng.choice([2, 10, 20]))),
        fee_maker_ppm=int(rng.choice([0, 200, 1000])),
        fee_taker_ppm=int(rng.choice([0, 750, 1000, 6000])),
        fee_asset=str(rng.choice(["received", "quote"])),
        stop_slip_range_frac=float(rng.choice([0.0, 0.1, 0.37])),
        min_notional=float(rng.choice([1.0, 5.0])),
    )
    return resolve_settings(trading, str(rng.choice(["1m", "15m", "1h"])))


def wild_market(rng: np.random.Generator, settings: KernelSettings, length: int = 700) -> IntegerMarket:
    """Draw one market on which every rule has a chance to matter; see the module's first line."""
    price = int(10 ** rng.uniform(2.8, 5.5))
    tick = Decimal(1).scaleb(-int(rng.integers(0, 8)))
    stake_steps = int(10 ** rng.uniform(1.6, 4.5))
    exact = settings.stake_quote / (price * tick * stake_steps)
    step = max(Decimal(1).scaleb(exact.adjusted()), Decimal("1e-8"))
    lot_steps = float(settings.stake_quote / (price * tick * step))
    sigma = float(10 ** rng.uniform(-3.3, -2.2))
    bars = _walk(rng, price, sigma, lot_steps, length)
    missing = rng.random(length) < rng.choice([0.0, 0.01, 0.05])
    first = START_MS // settings.base_ms + int(rng.integers(0, 2000))
    bars[:, 0] = first + np.cumsum(1 + np.where(missing, rng.integers(1, 20, length), 0)) - 1
    day_ms_of_bar = bars[:, 0] * settings.base_ms // DAY_MS * DAY_MS
    day_ms = np.arange(day_ms_of_bar[0], day_ms_of_bar[-1] + DAY_MS, DAY_MS)
    days = len(day_ms)
    widest = max(2, int(price * 0.002))
    return IntegerMarket(
        symbol="WILD/USDT",
        tick=tick,
        step=step,
        min_notional=settings.min_notional,
        base_ms=settings.base_ms,
        bars=bars,
        sigma=sigma * np.exp(rng.normal(0.0, 0.2, length)),
        ready=np.ones(length, dtype=np.bool_),
        day=((day_ms_of_bar - day_ms[0]) // DAY_MS).astype(np.int64),
        day_ms=day_ms.astype(np.int64),
        spread=rng.integers(1, widest, days).astype(np.int64),
        qcap=rng.choice([0, int(lot_steps) // 3 + 2, 10 * int(lot_steps) + 5], days, p=[0.05, 0.1, 0.85]).astype(
            np.int64
        ),
        impact=10 ** rng.uniform(-3.0, -0.5, days) * price * 1e-3 / np.sqrt(max(lot_steps, 1.0)),
    )


def _walk(rng: np.random.Generator, price: int, sigma: float, stake_steps: float, length: int) -> NDArray[np.int64]:
    """Draw open, high, low, close, volume; a bar without volume repeats the close before it."""
    bars = np.zeros((length, 6), dtype=np.int64)
    close = price
    thin = float(rng.choice([3.0, 30.0, 300.0]))
    for t in range(length):
        if t > 0 and rng.random() < 0.06:
            bars[t, 1:5] = close
            continue
        gap = rng.normal(0.0, 4.0 * sigma) if rng.random() < 0.08 else rng.normal(0.0, 0.05 * sigma)
        jump = rng.normal(0.0, 12.0 * sigma) if rng.random() < 0.01 else 0.0
        opening = max(60, round(close * float(np.exp(gap))))
        pull = 0.02 * np.log(price / close)
        close = max(60, round(opening * float(np.exp(pull + sigma * rng.standard_t(3.0) / 1.7 + jump))))
        up, down = np.abs(rng.normal(0.0, 0.7 * sigma, 2))
        high = max(opening, close, round(max(opening, close) * float(np.exp(up))))
        low = max(50, min(opening, close, round(min(opening, close) * float(np.exp(-down)))))
        volume = max(1, round(stake_steps * thin * float(rng.lognormal(0.0, 1.2))))
        bars[t, 1:] = opening, high, low, close, volume
    return bars

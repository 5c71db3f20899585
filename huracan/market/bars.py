"""From a path of print prices to candles: integer ticks and steps, volumes, silent bars, optional columns."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from huracan.market.candles import Candles
from huracan.market.timeframes import timeframe_ms

__all__ = ["SYNTHETIC_START_MS", "MarketShape", "candles_from_prints"]

SYNTHETIC_START_MS = 1_735_689_600_000
"""2025-01-01T00:00:00Z: where synthetic histories begin; a day's start, so on the grid of every timeframe."""


@dataclass(frozen=True, slots=True)
class MarketShape:
    """What a synthetic market looks like apart from its price path.

    Attributes:
        symbol: ccxt symbol.
        timeframe: one of `TIMEFRAMES`.
        start_ms: open time of the first bar, ms (UTC), on the grid.
        price: price at the start, quote currency.
        price_decimals: d; prices are whole multiples of the tick 10^-d.
        volume_decimals: e; volumes are whole multiples of the step 10^-e.
        notional_per_bar: mean traded value of a bar, quote currency.
        prints_per_bar: price points per bar, the last of which is the close; >= 1.
        silent_frac: share of bars without a trade (flat at the previous close).
        open_at_previous_close: the open repeats the previous close, so that a decision and its fill see one price.
    """

    symbol: str
    timeframe: str = "1m"
    start_ms: int = SYNTHETIC_START_MS
    price: float = 100.0
    price_decimals: int = 3
    volume_decimals: int = 3
    notional_per_bar: float = 100_000.0
    prints_per_bar: int = 8
    silent_frac: float = 0.0
    open_at_previous_close: bool = False

    @property
    def tick(self) -> float:
        """Price grid, quote currency."""
        return float(10.0**-self.price_decimals)

    @property
    def step(self) -> float:
        """Quantity grid, base currency."""
        return float(10.0**-self.volume_decimals)


def candles_from_prints(
    shape: MarketShape,
    relative: NDArray[np.float64],
    rng: np.random.Generator,
    missing: NDArray[np.bool_] | None = None,
) -> Candles:
    """Return the candles that the prints of a market make.

    A bar with trades has open = its first print (or the previous close), high and low = the extremes, close = its
    last print. A bar without a trade is flat at the close of the bar before it in the history, with
    volume 0, as venues report it.

    Args:
        shape: the market.
        relative: float64[T, prints_per_bar], price of each print over `shape.price`, > 0.
        rng: source of volumes, trade counts and silent bars.
        missing: bool[T], bars that the history lacks altogether; None: none.
    """
    kept = np.arange(len(relative)) if missing is None else np.flatnonzero(~missing)
    relative = relative[kept]
    bars = len(kept)
    scale = 10**shape.price_decimals
    prints = np.maximum(np.rint(relative * (shape.price * scale)), 1.0)
    first_close = max(round(shape.price * scale), 1)
    silent = rng.random(bars) < shape.silent_frac
    close = _last_trade(prints[:, -1], silent, first_close)
    before = np.concatenate(([first_close], close[:-1]))
    open_ = np.where(silent, before, before if shape.open_at_previous_close else prints[:, 0])
    high = np.where(silent, before, np.maximum(prints.max(axis=1), open_))
    low = np.where(silent, before, np.minimum(prints.min(axis=1), open_))
    move = np.log(close / open_)
    steps, trades, taker_steps = _volumes(shape, move, np.sqrt(np.mean(move**2)), close / scale, silent, rng)
    volume_scale = 10**shape.volume_decimals
    volume = steps / volume_scale
    quote = np.clip(volume * (open_ + high + low + close) / (4 * scale), volume * low / scale, volume * high / scale)
    return Candles(
        shape.symbol,
        shape.timeframe,
        shape.start_ms + timeframe_ms(shape.timeframe) * kept.astype(np.int64),
        open_ / scale,
        high / scale,
        low / scale,
        close / scale,
        volume,
        quote,
        trades,
        taker_steps / volume_scale,
    )


def _last_trade(close: NDArray[np.float64], silent: NDArray[np.bool_], first: float) -> NDArray[np.float64]:
    """Return, for each bar, the close of the last bar up to it that traded; `first` before any trade."""
    source = np.maximum.accumulate(np.where(silent, -1, np.arange(len(close))))
    return np.where(source >= 0, close[np.maximum(source, 0)], first)


def _volumes(
    shape: MarketShape,
    move: NDArray[np.float64],
    sigma: float,
    price: NDArray[np.float64],
    silent: NDArray[np.bool_],
    rng: np.random.Generator,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return (volume in steps, trade count, taker-bought steps), float64[T] each.

    Volume is log-normal (mean 1, standard deviation about 0.5) around a level that grows with the bar's own move;
    takers buy more in rising bars. None of it tells anything about the next bar.
    """
    bars = len(move)
    strength = move / sigma if sigma > 0 else np.zeros(bars)
    size = np.exp(0.5 * rng.standard_normal(bars) - 0.125) * (0.5 + 0.5 * np.minimum(np.abs(strength), 5.0))
    steps = np.maximum(np.rint(shape.notional_per_bar * size / price * 10**shape.volume_decimals), 1.0)
    steps = np.where(silent, 0.0, steps)
    trades = np.minimum(1.0 + rng.poisson(20.0 * size), steps)
    share = np.clip(0.5 + 0.15 * strength + 0.1 * rng.standard_normal(bars), 0.0, 1.0)
    return steps, trades, np.rint(steps * share)

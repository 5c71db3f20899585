"""Synthetic markets without an edge: martingales of several kinds, and wild bars that try every rule of the kernel."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from huracan.market.bars import SYNTHETIC_START_MS, MarketShape, candles_from_prints
from huracan.market.candles import Candles

__all__ = ["MartingaleKind", "martingale", "martingale_returns", "wild_bars"]

MartingaleKind = Literal["iid", "garch", "heavy"]

_RETURN_MAX = 0.3
"""Bound of one simple return: keeps prices positive; symmetric, so the expectation stays zero."""


def martingale(
    shape: MarketShape, bars: int, seed: int | tuple[int, ...], sigma_bps: float = 10.0, kind: MartingaleKind = "iid"
) -> Candles:
    """Return a market on which no rule earns anything: the price is a martingale.

    Args:
        shape: what the market looks like.
        bars: T >= 1.
        seed: same seed, same candles.
        sigma_bps: standard deviation of a bar's return, basis points.
        kind: `iid` normal, `garch` (clustered volatility), `heavy` (Student t, 3 degrees of freedom).
    """
    rng = np.random.default_rng(seed)
    returns = martingale_returns(rng, bars, shape.prints_per_bar, sigma_bps * 1e-4, kind)
    return candles_from_prints(shape, _compound(returns), rng)


def martingale_returns(
    rng: np.random.Generator, bars: int, prints: int, sigma: float, kind: MartingaleKind
) -> NDArray[np.float64]:
    """Return float64[bars, prints]: simple returns from print to print, symmetric about zero given the past.

    `sigma` is the standard deviation of a whole bar (fraction). `garch` is GARCH(1,1) with alpha 0.08 and beta 0.90
    over bars; `heavy` draws each print from Student's t with 3 degrees of freedom, scaled to unit variance.
    """
    if kind == "heavy":
        noise = rng.standard_t(3.0, (bars, prints)) / np.sqrt(3.0)
    else:
        noise = rng.standard_normal((bars, prints))
    if kind == "garch":
        noise *= _garch_scale(noise)[:, None]
    return np.clip(noise * (sigma / np.sqrt(prints)), -_RETURN_MAX, _RETURN_MAX)


def _garch_scale(noise: NDArray[np.float64], alpha: float = 0.08, beta: float = 0.90) -> NDArray[np.float64]:
    """Return float64[T]: the volatility of each bar over its long-run level, driven by the bars before it."""
    shock = noise.sum(axis=1) / np.sqrt(noise.shape[1])
    scale = np.empty(len(noise))
    variance = 1.0
    for bar, innovation in enumerate(shock.tolist()):
        scale[bar] = variance**0.5
        variance = (1.0 - alpha - beta) + variance * (alpha * innovation * innovation + beta)
    return scale


def _compound(returns: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the price path over its start, float64[T, prints], from simple returns in time order."""
    path: NDArray[np.float64] = np.exp(np.cumsum(np.log1p(returns.ravel()))).reshape(returns.shape)
    return path


def wild_bars(
    seed: int,
    bars: int = 2_880,
    timeframe: str = "1m",
    symbol: str = "WILD/USDT",
    start_ms: int = SYNTHETIC_START_MS,
) -> Candles:
    """Return candles that a tame history never shows, for property and differential tests.

    Every seed draws its own mix of: coarse or fine ticks (0.1 to 5 bp of the price), fat tails (Student t with 2 to 5
    degrees of freedom), jumps inside bars, opening gaps between bars, zero-volume bars (up to a fifth), missing bars
    (runs of 1 to 40), thin or thick volume, a small or a large price. All rules of `Candles` and the zero-volume
    rule hold.

    Args:
        seed: same seed, same candles.
        bars: bars of the full grid, of which some are missing; the first and the last are present.
        timeframe: one of `TIMEFRAMES`.
        symbol: ccxt symbol.
        start_ms: open time of the first bar, ms (UTC).
    """
    rng = np.random.default_rng((seed, 0x57494C44))
    decimals = int(rng.integers(0, 7))
    ticks = 10.0 ** rng.uniform(np.log10(2_000.0), 5.0)
    price = max(round(ticks), 1) * 10.0**-decimals
    # The step is worth 1e-6 to 1e-4 of a stake of 1,000, so that sizes and dust are neither trivial nor refused.
    volume_decimals = int(np.clip(np.ceil(np.log10(price / 10.0 ** rng.uniform(-3.0, -1.0))), 0, 12 - decimals))
    shape = MarketShape(
        symbol=symbol,
        timeframe=timeframe,
        start_ms=start_ms,
        price=price,
        price_decimals=decimals,
        volume_decimals=volume_decimals,
        notional_per_bar=10.0 ** rng.uniform(3.0, 6.0),
        prints_per_bar=int(rng.integers(2, 12)),
        silent_frac=float(rng.uniform(0.0, 0.2)),
    )
    sigma = 10.0 ** rng.uniform(-3.2, -2.2)  # 6 to 63 bp a bar
    noise = rng.standard_t(rng.uniform(2.0, 5.0), (bars, shape.prints_per_bar))
    returns = noise * (sigma / np.sqrt(shape.prints_per_bar))
    returns += _rare(rng, returns.shape, rng.uniform(0.0, 0.004), 20.0 * sigma)
    returns[:, :1] += _rare(rng, (bars, 1), rng.uniform(0.0, 0.05), 8.0 * sigma)
    path = np.cumsum(np.clip(returns, -0.2, 0.2).ravel()).reshape(returns.shape)
    return candles_from_prints(shape, np.exp(_fold(path, 0.6)), rng, _missing_runs(rng, bars))


def _rare(rng: np.random.Generator, size: tuple[int, ...], frequency: float, scale: float) -> NDArray[np.float64]:
    """Return normal shocks of standard deviation `scale` at a share `frequency` of the places, zero elsewhere."""
    shocks: NDArray[np.float64] = np.where(rng.random(size) < frequency, scale * rng.standard_normal(size), 0.0)
    return shocks


def _fold(path: NDArray[np.float64], bound: float) -> NDArray[np.float64]:
    """Reflect a path at +-bound, so that the tick stays a sensible share of the price."""
    folded: NDArray[np.float64] = np.abs((path - bound) % (4.0 * bound) - 2.0 * bound) - bound
    return folded


def _missing_runs(rng: np.random.Generator, bars: int) -> NDArray[np.bool_]:
    """Return bool[bars]: runs of missing bars, mostly short, a few long; never the first or the last bar."""
    missing = np.zeros(bars, bool)
    for _ in range(int(rng.integers(0, max(bars // 200, 2)))):
        length = int(rng.integers(1, 4)) if rng.random() < 0.7 else int(rng.integers(4, 41))
        start = int(rng.integers(1, bars))
        missing[start : start + length] = True
    missing[[0, -1]] = False
    return missing

"""Markets with a planted edge, as candles together with what a perfect trader sees and earns on them."""

import json
import math
from dataclasses import asdict, dataclass, replace
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from huracan.errors import DataError
from huracan.market.bars import MarketShape, candles_from_prints
from huracan.market.candles import Candles
from huracan.market.planted import (
    LONG_FLAT,
    LONG_SHORT,
    Ar1Problem,
    Optimum,
    ar1_optimum,
    hidden_regime_grid,
    mean_reverting_price,
    solve_grid,
)
from huracan.market.store import atomic_file, write_candles
from huracan.market.synthetic import MartingaleKind, martingale
from huracan.market.timeframes import symbol_to_stem, timeframe_ms
from huracan.storage import Location

__all__ = [
    "MarketTruth",
    "PlantedMarket",
    "SyntheticSpec",
    "mean_reverting_market",
    "predictor_market",
    "read_truths",
    "regime_market",
    "write_synthetic",
]

TRUTH_FILE = "markets.json"
_DAY_MS = 86_400_000
_HOUR_MS = 3_600_000
_DECISION_MS = 900_000

_LISTING = ((0.5, 5), (20.0, 3), (150.0, 2), (2_000.0, 2), (0.02, 6), (65_000.0, 2))
"""Start price and decimals of the synthetic coins, in turn: ticks of 0.002 to 0.7 bp."""

_NULL_SIGMA_BPS = 10.0
"""Standard deviation of a minute's return where nothing reverts, basis points."""
_REGIME_STRENGTH = 1.9
_REGIME_SPAN_BPS = 1e-5
_NULL_KINDS: tuple[MartingaleKind, ...] = ("garch", "iid", "heavy")


@dataclass(frozen=True, slots=True)
class PlantedMarket:
    """Candles and what lies behind them.

    Attributes:
        candles: T bars, none missing.
        signal: float64[T], what the optimum knows at the close of each bar, in the unit its generator states.
    """

    candles: Candles
    signal: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class MarketTruth:
    """What was planted in one synthetic coin and what the best trader earns on it.

    Values are for one unit of stake, frictionless fills at the decision's close and a linear cost; they are log
    returns in basis points. Both are 0, and the threshold None, where nothing was planted.

    Attributes:
        symbol: ccxt symbol.
        kind: `mean_reverting_price`, `hidden_regime` (the optimum sees candles only) or `martingale_<kind>`.
        sigma_bar_bps: standard deviation of one bar's return.
        half_life_bars: of the deviation from the anchor; None without one.
        sd_bps: standard deviation of the deviation; None without one.
        anchor_bps_per_day: volatility of the anchor, a random walk; None without one.
        decision_interval_bars: bars between decisions.
        cost_bps: linear cost of one side.
        threshold_bps: buy at a deviation <= -threshold, sell at >= threshold; None: nothing to deviate from.
        long_flat_bps_per_day: mean gain of the best long-or-flat trader.
        long_short_bps_per_day: mean gain of the best long-or-short trader.
    """

    symbol: str
    kind: str
    sigma_bar_bps: float
    half_life_bars: float | None
    sd_bps: float | None
    anchor_bps_per_day: float | None
    decision_interval_bars: int
    cost_bps: float
    threshold_bps: float | None
    long_flat_bps_per_day: float
    long_short_bps_per_day: float


@dataclass(frozen=True, slots=True)
class SyntheticSpec:
    """The folder that `write_synthetic` makes.

    Attributes:
        timeframe: one of `TIMEFRAMES`.
        bars: length of every history.
        planted: coins with a mean-reverting price (`REV1/USDT`, ...).
        regime: coins whose drift switches its sign with a hidden regime (`REG1/USDT`, ...).
        null: coins without any edge; the first is called `BTC/USDT` so that the leader features have a leader.
        cost_bps: linear cost of one side for which the optimum is stated: fee 10, half-spread 0.5, impact about 0.5.
        sd_bps: standard deviation of the planted deviation, for a half-life of one hour; grows with its square root.
        anchor_bps_per_day: volatility of the anchor; what hides the deviation from those who see candles only.
    """

    timeframe: str = "1m"
    bars: int = 60 * 1_440
    planted: int = 5
    regime: int = 0
    null: int = 4
    cost_bps: float = 11.0
    sd_bps: float = 80.0
    anchor_bps_per_day: float = 40.0


def predictor_market(
    problem: Ar1Problem,
    bars: int,
    seed: int | tuple[int, ...],
    noise_sd: float = 30.0,
    unit_ppm: float = 1.0,
    shape: MarketShape | None = None,
) -> PlantedMarket:
    """Return a market whose next price change is an AR(1) predictor plus noise (market A).

    close[t+1] - close[t] = (signal[t] + noise) units, one unit being `unit_ppm` parts per million of the start price:
    a taker fee of `problem.cost * unit_ppm` ppm is the problem's linear cost. Every open repeats the close before it,
    so fills are frictionless. Prices wander by about noise_sd * sqrt(bars) units: keep that below a few percent.

    Args:
        problem: predictor and cost, in units.
        bars: T.
        seed: same seed, same market.
        noise_sd: standard deviation of the noise, units.
        unit_ppm: size of a unit.
        shape: what the market looks like; None: a fine tick (a tenth of a ppm) and deep volume.

    Raises:
        DataError: the wandering price left the range in which the problem is linear (half to twice the start).
    """
    rng = np.random.default_rng(seed)
    shape = shape or MarketShape("AR1/USDT", price=1.0, price_decimals=7, volume_decimals=2, notional_per_bar=1e8)
    shape = replace(shape, prints_per_bar=1, silent_frac=0.0, open_at_previous_close=True)
    signal = _ar1(rng, bars, problem.rho, problem.sd)
    change = np.zeros(bars)
    change[1:] = signal[:-1] + noise_sd * rng.standard_normal(bars - 1)
    relative = 1.0 + unit_ppm * 1e-6 * np.cumsum(change)
    if not 0.5 < relative.min() <= relative.max() < 2.0:
        raise DataError("predictor market: the price wandered beyond half or twice its start; take a smaller unit_ppm")
    return PlantedMarket(candles_from_prints(shape, relative[:, None], rng), signal)


def mean_reverting_market(
    shape: MarketShape,
    bars: int,
    seed: int | tuple[int, ...],
    half_life_bars: float,
    sd_bps: float,
    anchor_bps_per_day: float = 0.0,
) -> PlantedMarket:
    """Return a market whose log price reverts to a slowly wandering anchor; the signal is the deviation, bp.

    At the closes the deviation is exactly x' = rho x + e with rho = 2^(-1/half_life_bars); inside a bar it is the same
    process at the prints. The anchor is a random walk, independent of it: it adds noise and no edge.
    """
    rng = np.random.default_rng(seed)
    prints = bars * shape.prints_per_bar
    rho = 2.0 ** (-1.0 / (half_life_bars * shape.prints_per_bar))
    deviation = _ar1(rng, prints, rho, sd_bps)
    per_print = anchor_bps_per_day * math.sqrt(timeframe_ms(shape.timeframe) / _DAY_MS / shape.prints_per_bar)
    anchor = per_print * np.cumsum(rng.standard_normal(prints))
    relative = np.exp(1e-4 * (deviation + anchor)).reshape(bars, shape.prints_per_bar)
    signal = np.ascontiguousarray(deviation[shape.prints_per_bar - 1 :: shape.prints_per_bar])
    return PlantedMarket(candles_from_prints(shape, relative, rng), signal)


def regime_market(
    shape: MarketShape, bars: int, seed: int | tuple[int, ...], edge_bps: float, sigma_bps: float, switch: float
) -> PlantedMarket:
    """Return a market whose mean return is +-edge_bps by regime (markets B and C); the signal is the regime, +-1.

    signal[t] is the regime of the return from close t to close t+1; it flips with probability `switch` a bar.
    """
    rng = np.random.default_rng(seed)
    flips = rng.random(bars) < switch
    signal = np.where(np.cumsum(flips) % 2 == 0, 1.0, -1.0) * rng.choice([-1.0, 1.0])
    drift = np.concatenate(([0.0], signal[:-1])) * edge_bps / shape.prints_per_bar
    noise = rng.standard_normal((bars, shape.prints_per_bar)) * (sigma_bps / math.sqrt(shape.prints_per_bar))
    path = np.cumsum((drift[:, None] + noise).ravel()).reshape(noise.shape)
    return PlantedMarket(candles_from_prints(shape, np.exp(1e-4 * path), rng), signal)


def write_synthetic(folder: Location, spec: SyntheticSpec, seed: int) -> tuple[MarketTruth, ...]:
    """Write a flat folder of synthetic candles, and beside them `markets.json` with what was planted.

    Same spec and seed: same files, byte for byte. The planted coins revert with a half-life of one hour (two bars, when
    bars are longer than half an hour) and are decided every 15 minutes (every bar, when bars are longer).

    Returns:
        What was planted, sorted by symbol.

    Raises:
        DataError: the folder cannot be written, the timeframe is unknown, or the spec asks for no market.
    """
    if spec.planted + spec.regime + spec.null == 0:
        raise DataError(f"{folder}: planted, regime and null are all 0, which is no market; ask for at least one coin")
    truths = []
    for index, symbol in enumerate(_symbols(spec)):
        shape = _shape(symbol, index, spec.timeframe)
        if symbol.startswith("REV"):
            candles, truth = _planted_coin(shape, spec, (seed, index))
        elif symbol.startswith("REG"):
            candles, truth = _regime_coin(shape, spec, (seed, index))
        else:
            kind = _NULL_KINDS[(index - spec.planted - spec.regime) % 3]
            candles, truth = _null_coin(shape, spec, (seed, index), kind)
        write_candles(candles, folder / f"{symbol_to_stem(symbol)}.parquet", {"source": "synthetic", "seed": str(seed)})
        truths.append(truth)
    truths.sort(key=lambda truth: truth.symbol)
    document = {"seed": seed, "spec": asdict(spec), "markets": [asdict(truth) for truth in truths]}
    with atomic_file(folder / TRUTH_FILE) as file:
        file.write((json.dumps(document, indent=2) + "\n").encode())
    return tuple(truths)


def read_truths(folder: Location) -> tuple[MarketTruth, ...]:
    """Return what `write_synthetic` planted in a folder; empty for a folder of other candles.

    Raises:
        DataError: `markets.json` is there and is not what `write_synthetic` writes.
    """
    path = folder / TRUTH_FILE
    if not path.is_file():
        return ()
    try:
        return tuple(MarketTruth(**market) for market in json.loads(path.read_bytes())["markets"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path}: is not a list of planted markets ({error}); write the folder again") from None


def _planted_coin(shape: MarketShape, spec: SyntheticSpec, seed: tuple[int, int]) -> tuple[Candles, MarketTruth]:
    bar_ms = timeframe_ms(spec.timeframe)
    half_life = max(_HOUR_MS / bar_ms, 2.0)
    sd = spec.sd_bps * math.sqrt(half_life * bar_ms / _HOUR_MS)
    interval = max(_DECISION_MS // bar_ms, 1)
    market = mean_reverting_market(shape, spec.bars, seed, half_life, sd, spec.anchor_bps_per_day)
    rho_bar = 2.0 ** (-1.0 / half_life)
    rho = rho_bar**interval
    problem = mean_reverting_price(rho, sd, spec.cost_bps)
    best: Optimum = ar1_optimum(problem, LONG_FLAT)
    decisions_per_day = _DAY_MS / (bar_ms * interval)
    anchor_bar = spec.anchor_bps_per_day * math.sqrt(bar_ms / _DAY_MS)
    truth = MarketTruth(
        symbol=shape.symbol,
        kind="mean_reverting_price",
        sigma_bar_bps=math.sqrt(2.0 * (1.0 - rho_bar) * sd**2 + anchor_bar**2),
        half_life_bars=half_life,
        sd_bps=sd,
        anchor_bps_per_day=spec.anchor_bps_per_day,
        decision_interval_bars=interval,
        cost_bps=spec.cost_bps,
        threshold_bps=best.threshold / (1.0 - rho),
        long_flat_bps_per_day=best.value * decisions_per_day,
        long_short_bps_per_day=ar1_optimum(problem, LONG_SHORT).value * decisions_per_day,
    )
    return market.candles, truth


def _null_coin(
    shape: MarketShape, spec: SyntheticSpec, seed: tuple[int, int], kind: MartingaleKind
) -> tuple[Candles, MarketTruth]:
    bar_ms = timeframe_ms(spec.timeframe)
    sigma = _NULL_SIGMA_BPS * math.sqrt(bar_ms / 60_000)
    truth = MarketTruth(
        symbol=shape.symbol,
        kind=f"martingale_{kind}",
        sigma_bar_bps=sigma,
        half_life_bars=None,
        sd_bps=None,
        anchor_bps_per_day=None,
        decision_interval_bars=max(_DECISION_MS // bar_ms, 1),
        cost_bps=spec.cost_bps,
        threshold_bps=None,
        long_flat_bps_per_day=0.0,
        long_short_bps_per_day=0.0,
    )
    return martingale(shape, spec.bars, seed, sigma, kind), truth


def _regime_coin(shape: MarketShape, spec: SyntheticSpec, seed: tuple[int, int]) -> tuple[Candles, MarketTruth]:
    """Return a coin whose regime lasts a day on average (at least eight bars) and its exact optimum from candles.

    The drift of a regime is 1.9 standard deviations of the return over its mean length.
    """
    bar_ms = timeframe_ms(spec.timeframe)
    sigma = _NULL_SIGMA_BPS * math.sqrt(bar_ms / 60_000)
    length = max(_DAY_MS / bar_ms, 8.0)
    edge = _REGIME_STRENGTH * sigma / math.sqrt(length)
    grid = hidden_regime_grid(edge, sigma, 1.0 / length, points=801, nodes=21)
    market = regime_market(shape, spec.bars, seed, edge, sigma, 1.0 / length)
    bars_per_day = _DAY_MS / bar_ms
    truth = MarketTruth(
        symbol=shape.symbol,
        kind="hidden_regime",
        sigma_bar_bps=sigma,
        half_life_bars=None,
        sd_bps=None,
        anchor_bps_per_day=None,
        decision_interval_bars=1,
        cost_bps=spec.cost_bps,
        threshold_bps=None,
        long_flat_bps_per_day=solve_grid(grid, LONG_FLAT, spec.cost_bps, _REGIME_SPAN_BPS).value * bars_per_day,
        long_short_bps_per_day=solve_grid(grid, LONG_SHORT, spec.cost_bps, _REGIME_SPAN_BPS).value * bars_per_day,
    )
    return market.candles, truth


def _symbols(spec: SyntheticSpec) -> list[str]:
    reverting = [f"REV{index + 1}/USDT" for index in range(spec.planted)]
    regime = [f"REG{index + 1}/USDT" for index in range(spec.regime)]
    null = ["BTC/USDT" if index == 0 else f"NUL{index}/USDT" for index in range(spec.null)]
    return [*reverting, *regime, *null]


def _shape(symbol: str, index: int, timeframe: str) -> MarketShape:
    price, decimals = (65_000.0, 2) if symbol == "BTC/USDT" else _LISTING[index % (len(_LISTING) - 1)]
    return MarketShape(
        symbol=symbol,
        timeframe=timeframe,
        price=price,
        price_decimals=decimals,
        volume_decimals=max(math.ceil(math.log10(price / 0.05)), 0),
        notional_per_bar=1e6 * timeframe_ms(timeframe) / 60_000,
        silent_frac=0.01 if index % 2 else 0.0,
    )


def _ar1(rng: np.random.Generator, length: int, rho: float, sd: float) -> NDArray[np.float64]:
    """Return float64[length]: x' = rho x + e, stationary with standard deviation `sd` from its first value on."""
    shocks = rng.standard_normal(length) * (sd * math.sqrt(1.0 - rho**2))
    shocks[0] = sd * rng.standard_normal()
    return np.fromiter(accumulate(shocks.tolist(), lambda x, e: rho * x + e), np.float64, length)

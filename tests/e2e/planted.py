"""Planted markets as tapes, and the value of a policy on them: what a learned policy earns of what can be earned.

The market is `huracan.market.predictor_market` (market A: an AR(1) predictor plus noise), the fills are frictionless
(spread and impact 0, a taker's fee in quote currency as the linear cost), stops are off, a decision falls every bar.
The predictor itself is put into one slot of the state. What remains is the textbook problem, whose long-only optimum
`huracan.market.ar1_optimum` knows exactly; the policy meets it through the real lanes, mask and state.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

from huracan.config import EnvSettings, FeatureSettings, TradingSettings
from huracan.env import Window
from huracan.features import FeatureFit, apply_fit, compute_raw
from huracan.features.layout import HEAD_SIZE, MARKET_SIZE, S_IS_LONG
from huracan.learn.recipe import normaliser_of
from huracan.market import LONG_FLAT, Ar1Problem, Candles, MarketShape, PlantedMarket, ar1_optimum, predictor_market
from huracan.policy import Normaliser, Policy
from huracan.trading import Action, Instrument, KernelSettings, Lanes, Tape, resolve_settings
from huracan.trading.costs import make_cost_table

PROBLEM = Ar1Problem(rho=0.98, innovation=1.0, cost=10.0)
"""One unit is 1 ppm of the start price, so the cost is a fee of 10 ppm."""
SLOT = 3
"""State entry that holds the predictor in its own standard deviations."""
BEST = ar1_optimum(PROBLEM, LONG_FLAT)
SHAPE = MarketShape("AR1/USDT", price=1.0, price_decimals=7, volume_decimals=2, notional_per_bar=1e8)
REWARD_UNITS = 100.0
"""The tapes' constant sigma; with stops off it only scales the reward, so that values are of the order of one."""
DAY_BARS = 1_440
LANES_PER_MARKET = 64
LARGEST = float(Action.ENTER_LONG_LARGE)


@dataclass(frozen=True, slots=True, eq=False)
class Market:
    """A tape and what lies behind it.

    Attributes:
        tape: what the kernel and the policy see.
        signal: float64[T], the expected next change at each close, units.
        first: index of the first bar that a score may use.
    """

    tape: Tape
    signal: NDArray[np.float64]
    first: int = 0


@dataclass(frozen=True, slots=True)
class Score:
    """What a policy earns per bar, in units of the predictor.

    Attributes:
        value: mean expected gain per bar, by the best rule's known value and the difference from it on one path.
        error: standard error of `value`.
        realised: mean result per bar of the account itself, noise included.
        realised_error: its standard error.
        entries: ENTER decisions that were taken; likewise `exits`.
        exits: EXIT decisions.
        holds: HOLD decisions.
        held_frac: share of bars spent in a position.
    """

    value: float
    error: float
    realised: float
    realised_error: float
    entries: int
    exits: int
    holds: int
    held_frac: float

    @property
    def fraction(self) -> float:
        """Return `value` over the exact long-only optimum."""
        return self.value / BEST.value


def kernel_settings() -> KernelSettings:
    """Return the textbook problem's rules: stops off, a decision a bar, a fee in quote currency the only cost."""
    return resolve_settings(
        TradingSettings(
            decision_interval_bars=1,
            stops_enabled=False,
            distance_min_bps=1.0,
            fee_taker_ppm=round(PROBLEM.cost),
            fee_maker_ppm=round(PROBLEM.cost),
            fee_asset="quote",
            spread_floor_bps=0.0,
            impact_y=0.0,
        ),
        "1m",
    )


def env_settings(num_envs: int) -> EnvSettings:
    """Return episodes of 500 to 1,000 decisions in an account of their own."""
    return EnvSettings(num_envs=num_envs, episode_bars=(500, 1_000), portfolio_frac=0.0)


def injected_market(seed: int, bars: int, noise_sd: float, distractors: bool, planted: bool = True) -> Market:
    """Return one market of the problem whose predictor stands in the state.

    Args:
        seed: same seed, same market.
        bars: T.
        noise_sd: of a bar's change beside the predictor, units.
        distractors: fill the other 61 entries with AR(1) noise of the predictor's own persistence; else zeros.
        planted: False gives the null market: the same state, whose predictor foretells nothing.
    """
    market = _market_a("AR1/USDT", seed, bars, noise_sd, PROBLEM.innovation if planted else 1e-9)
    features = np.zeros((bars, HEAD_SIZE), np.float32)
    if distractors or not planted:
        features[:] = _distractors(np.random.default_rng((seed, 1)), bars)
    if planted:
        features[:, SLOT] = market.signal / PROBLEM.sd
    return Market(_tape(market.candles, features), market.signal if planted else np.zeros(bars))


def _market_a(symbol: str, seed: int, bars: int, noise_sd: float, innovation: float = 1.0) -> PlantedMarket:
    """Return market A with a fine tick (a tenth of a unit) and deep volume."""
    problem = Ar1Problem(PROBLEM.rho, innovation, PROBLEM.cost)
    return predictor_market(problem, bars, seed, noise_sd, shape=replace(SHAPE, symbol=symbol))


def _distractors(rng: np.random.Generator, bars: int) -> NDArray[np.float32]:
    """Return float32[T, 62]: independent AR(1) paths of unit variance."""
    shocks = rng.standard_normal((bars, HEAD_SIZE), dtype=np.float32) * np.float32(np.sqrt(1 - PROBLEM.rho**2))
    shocks[0] = rng.standard_normal(HEAD_SIZE)
    return lfilter([1.0], [1.0, -PROBLEM.rho], shocks, axis=0).astype(np.float32)


def _tape(candles: Candles, features: NDArray[np.float32]) -> Tape:
    """Return the tape of frictionless candles."""
    kernel = kernel_settings()
    bars = len(candles)
    instrument = Instrument(
        candles.symbol,
        Decimal("1e-7"),
        Decimal("0.01"),
        kernel.min_notional,
        kernel.fee_maker_ppm,
        kernel.fee_taker_ppm,
        kernel.fee_in_quote,
    )
    prices = [np.rint(column / SHAPE.tick) for column in (candles.open, candles.high, candles.low, candles.close)]
    bar_no = candles.timestamp // candles.bar_ms
    day = (bar_no // DAY_BARS - bar_no[0] // DAY_BARS).astype(np.int32)
    days = int(day[-1]) + 1
    costs = make_cost_table(
        candles.symbol,
        (bar_no[0] // DAY_BARS + np.arange(days, dtype=np.int64)) * DAY_BARS * candles.bar_ms,
        spread=np.zeros(days, np.int64),
        qcap=np.full(days, 2**40),
        impact=np.zeros(days),
    )
    return Tape(
        symbol=candles.symbol,
        instrument=instrument,
        timeframe=candles.timeframe,
        bars=np.column_stack([bar_no, *prices, np.rint(candles.volume / SHAPE.step)]).astype(np.int64),
        sigma=np.full(bars, REWARD_UNITS * 1e-6),
        day=day,
        costs=costs,
        rows=np.arange(bars, dtype=np.int64),
        features=features,
        ready=np.ones(bars, np.bool_),
        segment=np.zeros(bars, np.int32),
    )


def candle_markets(seeds: Sequence[int], bars: int, noise_sd: float) -> tuple[list[Market], Normaliser]:
    """Return markets of the problem as the product sees them: candles through the feature room, no predictor given.

    The constants of the features and the network's input scaling are fitted on the first three quarters; a score uses
    the rest.
    """
    planted = {f"C{seed}/USDT": _market_a(f"C{seed}/USDT", seed, bars, noise_sd) for seed in seeds}
    candles = {symbol: market.candles for symbol, market in planted.items()}
    raw = compute_raw(candles, FeatureSettings(), decision_interval_bars=1, leader=None)
    times = next(iter(candles.values())).timestamp
    first = 3 * bars // 4
    fit = FeatureFit.fit(raw, int(times[0]), int(times[first]), seed=1)
    markets = []
    for symbol, market in planted.items():
        features = np.zeros((bars, HEAD_SIZE), np.float32)
        features[:, :MARKET_SIZE] = apply_fit(fit, raw[symbol])
        tape = replace(_tape(market.candles, features), ready=raw[symbol].ready)
        markets.append(Market(tape, market.signal, first))
    return markets, normaliser_of(fit, fit.inputs)


def candle_optimum(noise_sd: float) -> float:
    """Return the exact long-only optimum of a trader who sees the prices alone, units per bar.

    His estimate of the predictor (steady-state Kalman filter, one bar behind) is itself AR(1) with the same rho, and
    the expected next change given all he knows, so the problem is the same with a smaller innovation: its variance is
    (Var p - M)(1 - rho^2), M = rho^2 M N / (M + N) + s^2 the error of the estimate, N the variance of the noise.
    """
    rho, noise = PROBLEM.rho, noise_sd**2
    error = PROBLEM.sd**2
    for _ in range(10_000):
        error = rho**2 * error * noise / (error + noise) + PROBLEM.innovation**2
    seen = float(np.sqrt((PROBLEM.sd**2 - error) * (1.0 - rho**2)))
    return ar1_optimum(Ar1Problem(rho, seen, PROBLEM.cost), LONG_FLAT).value


def window_of(tapes: Sequence[Tape]) -> Window:
    """Return the window of all bars of all tapes."""
    first, last = min(tape.bars[0, 0] for tape in tapes), max(tape.bars[-1, 0] for tape in tapes)
    return Window(int(first) * 60_000, int(last + 1) * 60_000)


def best_rule(signal: NDArray[np.float64], held: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the exact optimum's actions, int64[N]: long at p >= threshold, flat at p <= -threshold, else keep."""
    keep = np.where(held, Action.HOLD, Action.DO_NOTHING)
    out = np.where(~held & (signal >= BEST.threshold), Action.ENTER_LONG_LARGE, keep)
    return np.where(held & (signal <= -BEST.threshold), Action.EXIT, out)


def score(policy: Policy | None, markets: Sequence[Market]) -> Score:
    """Return what a policy (None: the best rule) earns on fresh markets, as the kernel plays it.

    The expected gain per bar is p a - cost |a - a'| with a the position in units of the largest, so the noise of the
    market does not enter. The optimum's own exact value is known, and both meet the same predictor path: the value is
    the optimum's plus the mean difference (a control variate), with the standard error over independent lanes.
    """
    gain, realised, chosen, held = _play(policy, markets)
    best = _play(None, markets)[0]
    base = BEST.value if any(market.signal.any() for market in markets) else 0.0
    difference, lanes = gain - best, len(gain)
    return Score(
        value=base + float(difference.mean()),
        error=float(difference.std(ddof=1) / np.sqrt(lanes)),
        realised=float(realised.mean()),
        realised_error=float(realised.std(ddof=1) / np.sqrt(lanes)),
        entries=int(chosen[Action.ENTER_LONG_SMALL : Action.EXIT].sum()),
        exits=int(chosen[Action.EXIT]),
        holds=int(chosen[Action.HOLD]),
        held_frac=held,
    )


def _play(
    policy: Policy | None, markets: Sequence[Market]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64], float]:
    """Return per lane (mean expected gain, mean realised gain), the count of each action, and the share held."""
    kernel, count = kernel_settings(), LANES_PER_MARKET * len(markets)
    lanes = Lanes([market.tape for market in markets], kernel, count)
    steps = min(len(market.tape) - market.first for market in markets) // LANES_PER_MARKET - 1
    offset = np.arange(LANES_PER_MARKET) * (steps + 1)
    start = np.concatenate([market.first + offset for market in markets])
    tape = np.repeat(np.arange(len(markets)), LANES_PER_MARKET)
    lanes.reset(np.arange(count), tape, start, start + steps + 1, np.zeros(count, np.bool_))
    signals = np.stack(
        [market.signal[begin : begin + steps] for market in markets for begin in market.first + offset], axis=1
    )
    position = np.zeros(count)
    gain, held, chosen = np.zeros(count), 0.0, np.zeros(len(Action), np.int64)
    for signal in signals:
        action = best_rule(signal, position > 0) if policy is None else policy.act(lanes.obs)
        lanes.step(action)
        chosen += np.bincount(action, minlength=len(Action))
        size = np.where(position > 0, position, action / LARGEST) * (lanes.obs[:, S_IS_LONG] > 0)
        gain += size * signal - PROBLEM.cost * np.abs(size - position)
        position = size
        held += float((size > 0).mean())
    realised = lanes.equity / kernel.capital_quote * 1e6
    return gain / steps, realised / steps, chosen, held / steps

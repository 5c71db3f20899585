"""Planted markets as tapes, and the value of a policy on them: what a learned policy earns of what can be earned.

The market is `huracan.market.predictor_market` (market A: an AR(1) predictor plus noise), the fills are frictionless
(spread and impact 0, a taker's fee in quote currency as the linear cost), stops are off, a decision falls every bar.
The predictor itself is put into one slot of the state. What remains is the textbook problem, whose long-only optimum
`huracan.market.ar1_optimum` knows exactly; the policy meets it through the real lanes, mask and state.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

from huracan.config import EnvSettings, TradingSettings
from huracan.env import Window
from huracan.features.layout import HEAD_SIZE, S_IS_LONG
from huracan.market import LONG_FLAT, Ar1Problem, Candles, MarketShape, ar1_optimum, predictor_market
from huracan.policy import Policy
from huracan.trading import Action, Instrument, KernelSettings, Lanes, Tape, resolve_settings
from huracan.trading.costs import make_cost_table

PROBLEM = Ar1Problem(rho=0.98, innovation=1.0, cost=10.0)
"""One unit is 1 ppm of the start price, so the cost is a fee of 10 ppm."""
SLOT = 3
"""State entry that holds the predictor in its own standard deviations."""
BEST = ar1_optimum(PROBLEM, LONG_FLAT)
REWARD_UNITS = 100.0
"""The tapes' constant sigma; with stops off it only scales the reward, so that values are of the order of one."""
DAY_BARS = 1_440
LANES_PER_TAPE = 64
LARGEST = float(Action.ENTER_LONG_LARGE)


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


def predictor_tape(seed: int, bars: int, noise_sd: float, distractors: bool, planted: bool = True) -> Tape:
    """Return one market of the problem.

    Args:
        seed: same seed, same market.
        bars: T.
        noise_sd: of a bar's change beside the predictor, units.
        distractors: fill the other 61 entries with AR(1) noise of the predictor's own persistence; else zeros.
        planted: False gives the null market: the same state, whose predictor foretells nothing.
    """
    problem = PROBLEM if planted else Ar1Problem(PROBLEM.rho, 1e-9, PROBLEM.cost)
    market = predictor_market(problem, bars, seed, noise_sd)
    features = np.zeros((bars, HEAD_SIZE), np.float32)
    if distractors or not planted:
        features[:] = _distractors(np.random.default_rng((seed, 1)), bars)
    if planted:
        features[:, SLOT] = market.signal / PROBLEM.sd
    return _tape(market.candles, features)


def _distractors(rng: np.random.Generator, bars: int) -> NDArray[np.float32]:
    """Return float32[T, 62]: independent AR(1) paths of unit variance."""
    shocks = rng.standard_normal((bars, HEAD_SIZE), dtype=np.float32) * np.float32(np.sqrt(1 - PROBLEM.rho**2))
    shocks[0] = rng.standard_normal(HEAD_SIZE)
    return lfilter([1.0], [1.0, -PROBLEM.rho], shocks, axis=0).astype(np.float32)


def _tape(candles: Candles, features: NDArray[np.float32]) -> Tape:
    """Return the tape of frictionless candles."""
    kernel = kernel_settings()
    bars = len(candles)
    shape = MarketShape("AR1/USDT", price_decimals=7, volume_decimals=2)
    instrument = Instrument(
        candles.symbol,
        Decimal("1e-7"),
        Decimal("0.01"),
        kernel.min_notional,
        kernel.fee_maker_ppm,
        kernel.fee_taker_ppm,
        kernel.fee_in_quote,
    )
    prices = [np.rint(column / shape.tick) for column in (candles.open, candles.high, candles.low, candles.close)]
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
        bars=np.column_stack([bar_no, *prices, np.rint(candles.volume / shape.step)]).astype(np.int64),
        sigma=np.full(bars, REWARD_UNITS * 1e-6),
        day=day,
        costs=costs,
        rows=np.arange(bars, dtype=np.int64),
        features=features,
        ready=np.ones(bars, np.bool_),
        segment=np.zeros(bars, np.int32),
    )


def window_of(tapes: Sequence[Tape]) -> Window:
    """Return the window of all bars of all tapes."""
    first, last = min(tape.bars[0, 0] for tape in tapes), max(tape.bars[-1, 0] for tape in tapes)
    return Window(int(first) * 60_000, int(last + 1) * 60_000)


class BestRule:
    """The exact optimum as a policy: long at p >= threshold, flat at p <= -threshold, else keep."""

    def act(self, states: NDArray[np.float32]) -> NDArray[np.int64]:
        """Return int64[N] for raw states float32[N, 80]."""
        signal, held = states[:, SLOT] * PROBLEM.sd, states[:, S_IS_LONG] > 0
        keep = np.where(held, Action.HOLD, Action.DO_NOTHING)
        out = np.where(~held & (signal >= BEST.threshold), Action.ENTER_LONG_LARGE, keep)
        return np.where(held & (signal <= -BEST.threshold), Action.EXIT, out)


def score(policy: Policy, tapes: Sequence[Tape], planted: bool = True) -> Score:
    """Return what a policy earns on fresh markets, as the kernel plays it.

    The expected gain per bar is a p - cost |a - a'| with a the position in units of the largest, so the noise of the
    market does not enter. The optimum's own exact value is known, and both meet the same predictor path: the value is
    the optimum's plus the mean difference (a control variate), with the standard error over independent lanes.
    """
    gain, realised, chosen, held = _play(policy, tapes, planted)
    best, base = (_play(BestRule(), tapes, planted)[0], BEST.value) if planted else (np.zeros_like(gain), 0.0)
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
    policy: Policy, tapes: Sequence[Tape], planted: bool
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64], float]:
    """Return per lane (mean expected gain, mean realised gain), the count of each action, and the share held."""
    kernel = kernel_settings()
    lanes = Lanes(tapes, kernel, LANES_PER_TAPE * len(tapes))
    steps = min(len(tape) for tape in tapes) // LANES_PER_TAPE - 1
    start = np.tile(np.arange(LANES_PER_TAPE) * (steps + 1), len(tapes))
    tape = np.repeat(np.arange(len(tapes)), LANES_PER_TAPE)
    lanes.reset(np.arange(len(start)), tape, start, start + steps + 1, np.zeros(len(start), np.bool_))
    position = np.zeros(len(start))
    gain, held, chosen = np.zeros(len(start)), 0.0, np.zeros(len(Action), np.int64)
    for _ in range(steps):
        signal = lanes.obs[:, SLOT] * PROBLEM.sd if planted else 0.0
        action = policy.act(lanes.obs)
        lanes.step(action)
        chosen += np.bincount(action, minlength=len(Action))
        size = np.where(position > 0, position, action / LARGEST) * (lanes.obs[:, S_IS_LONG] > 0)
        gain += size * signal - PROBLEM.cost * np.abs(size - position)
        position = size
        held += float((size > 0).mean())
    realised = lanes.equity / kernel.capital_quote * 1e6
    return gain / steps, realised / steps, chosen, held / steps

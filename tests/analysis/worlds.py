"""Markets, closed trades and planted cases for the tests of the analysis."""

from dataclasses import replace

import numpy as np

from huracan.analysis.cases import Case, Similar
from huracan.analysis.paths import MarketPath
from huracan.market import SYNTHETIC_START_MS, MarketShape, martingale
from huracan.memory import TradeRows
from huracan.shadow import Window, trade_rows
from huracan.shadow.run import shadow_block
from huracan.trading import Action, KernelSettings, Tape
from tests.shadow.worlds import LIMITS, rules, tape_of, window_of

MINUTE_MS = 60_000
START = SYNTHETIC_START_MS // MINUTE_MS


class Turns:
    """Enters whenever it may and leaves at random, one choice a lane and step: every exit reason occurs."""

    def __init__(self, seed: int, leave: float = 0.05) -> None:
        self.rng, self.leave = np.random.default_rng(seed), leave

    def act(self, states: np.ndarray) -> np.ndarray:
        """Return int64[N]."""
        busy = (states[:, 62] > 0) | (states[:, 70] > 0)
        out = self.rng.random(len(states)) < self.leave
        enter = self.rng.integers(1, 4, len(states))
        return np.where(busy, np.where(out, Action.EXIT, Action.HOLD), enter).astype(np.int64)


def shadow_world(
    *,
    coins: int = 2,
    days: int = 6,
    seed: int = 1,
    kernel: KernelSettings | None = None,
    leave: float = 0.05,
    sigma_bps: float = 10.0,
) -> tuple[TradeRows, list[Tape], KernelSettings, Window]:
    """Return the trades of a random policy on martingales, with the tapes they were made on, which go on behind."""
    kernel = kernel or rules()
    tapes = []
    for coin in range(coins):
        shape = MarketShape(symbol=f"M{coin}/USDT")
        tapes.append(tape_of(martingale(shape, (days + 3) * 1_440, (seed, coin), sigma_bps), kernel, seed=coin))
    window = window_of(tapes, 1, days)
    result = shadow_block(Turns(seed, leave), tapes, window, kernel, LIMITS, name="ensemble", fold=0)
    return trade_rows(result, "coin", 7), tapes, kernel, window


def flat_path(bars: int = 400, price: int = 10_000, sigma: float = 0.001) -> MarketPath:
    """Return a market that does not move: closes at `price` ticks, one tick wide, every figure known."""
    level = np.full(bars, price, np.int64)
    return MarketPath(
        symbol="P/USDT",
        base_ms=MINUTE_MS,
        tick=0.01,
        number=START + np.arange(bars),
        open=level,
        high=level + 1,
        low=level - 1,
        close=level,
        sigma=np.full(bars, sigma),
        spread=np.full(bars, 2, np.int64),
        impact=np.zeros(bars),
        taker_frac=0.001,
        high_vol=np.zeros(bars),
        trend=np.zeros(bars),
    )


def with_closes(path: MarketPath, closes: np.ndarray) -> MarketPath:
    """Return a path with these closes: opens are the closes before, highs and lows one tick beyond both."""
    close = np.asarray(closes, np.int64)
    before = np.concatenate([close[:1], close[:-1]])
    return replace(
        path, open=before, close=close, high=np.maximum(before, close) + 1, low=np.minimum(before, close) - 1
    )


def ramp(*corners: tuple[int, int], bars: int = 400) -> np.ndarray:
    """Return closes on straight lines between (bar, ticks), flat before the first and behind the last."""
    at, price = zip(*corners, strict=True)
    return np.rint(np.interp(np.arange(bars), at, price)).astype(np.int64)


def case(
    path: MarketPath,
    *,
    first: int = 200,
    last: int = 260,
    entry: float = 10_001.0,
    leave: float = 10_000.0,
    cost: float = 20.0,
    risk: float = 110.0,
    target: float = 165.0,
    reason: str = "policy_exit",
    similar: Similar | None = None,
) -> Case:
    """Return one trade over a path, held for at most 120 bars: one deviation of that time is 110 ticks."""
    gross = leave - entry
    return Case(path, first, last, entry, leave, gross, cost, risk, target, 120, reason, similar)

"""Labels made up for tests, with the chance of each win known by construction."""

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from huracan.features.layout import MARKET_SIZE
from huracan.trees import Labels, TreeFit, fit_tree

BAR_MS = 60_000
DAY_MS = 86_400_000
START_MS = 20_000 * DAY_MS
EVERY_BARS = 15
HOLD_BARS = 60
FIT = "ab" * 32


def truth(market: NDArray[np.float32], skill: float) -> NDArray[np.float64]:
    """Return the chance of a win that is planted in rows: a curve over two of the entries."""
    return expit(skill * (1.2 * market[:, 0] - 0.8 * np.abs(market[:, 3])) - 0.2)


def made_labels(count: int, seed: int, skill: float, coins: int = 2, hold_bars: int = HOLD_BARS) -> Labels:
    """Return labels of a few coins, a decision every quarter of an hour, held at most `hold_bars`.

    A win brings 1.0 R, a loss costs 0.9 R; a stake risks 10 quote.
    """
    rng = np.random.default_rng(seed)
    each = count // coins
    market = rng.standard_normal((each * coins, MARKET_SIZE)).astype(np.float32)
    won = rng.random(len(market)) < truth(market, skill)
    bar = np.tile((np.arange(each) + 1) * EVERY_BARS, coins).astype(np.int64)
    exit_bar = bar + rng.integers(1, hold_bars + 1, len(bar))
    result = np.where(won, 1.0, -0.9)
    return Labels(
        symbols=tuple(f"M{coin}/USDT" for coin in range(coins)),
        bar_ms=BAR_MS,
        coin=np.repeat(np.arange(coins), each),
        bar=bar,
        exit_bar=exit_bar,
        close_ms=START_MS + (bar + 1) * BAR_MS,
        end_ms=START_MS + (exit_bar + 1) * BAR_MS,
        reason=np.where(won, 1, 2),
        net=10.0 * result,
        result=result,
        market=market,
        asked=len(bar),
        void=0,
        open=0,
    )


def end_of(labels: Labels) -> int:
    """Return the end of a window that holds all labels."""
    return int(labels.end_ms.max())


def fitted(labels: Labels, seed: int = 1) -> TreeFit:
    """Return the tree model of made-up labels."""
    return fit_tree(labels, fit=FIT, hold_bars=HOLD_BARS, start_ms=START_MS, end_ms=end_of(labels), seed=seed)

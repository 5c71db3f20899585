"""What a rule over labels earns: one position a coin at a time, from entry to exit to the next entry.

A labelled entry says when its position ends and what it brings; a rule that enters where a score passes a threshold,
and leaves to the kernel's exits, is therefore known trade by trade without trading it again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from huracan.trees.labels import Labels

__all__ = ["Chain", "chain_of", "choose_threshold", "daily_net"]

DAY_MS: Final = 86_400_000
QUANTILES: Final[Sequence[float]] = (0.0, 0.25, 0.5, 0.75, 0.9)
"""Candidates of the threshold beside 0: quantiles of the expected gains."""
TRADES_MIN: Final = 10
DAYS_MIN: Final = 2

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Chain:
    """The entries that a rule would have made.

    Attributes:
        rows: int64[m], labels entered, coin by coin in time.
    """

    rows: NDArray[np.int64]


def chain_of(labels: Labels, wanted: NDArray[np.bool_]) -> Chain:
    """Return the entries of a rule that wants these labels, skipping those at which its position is still held."""
    taken = [rows[_chain(labels.bar[rows], labels.exit_bar[rows], wanted[rows])] for rows in _by_coin(labels)]
    return Chain(np.concatenate([np.zeros(0, np.int64), *taken]))


def daily_net(labels: Labels, chain: Chain, start_ms: int, end_ms: int) -> Floats:
    """Return float64[D], net result by UTC day of the exit, over all coins, quote currency; days from start to end."""
    first, last = start_ms // DAY_MS, -(-end_ms // DAY_MS)
    days = np.zeros(int(last - first))
    np.add.at(days, (labels.end_ms[chain.rows] - 1) // DAY_MS - first, labels.net[chain.rows])
    return days


def choose_threshold(labels: Labels, edge: Floats) -> float:
    """Return the threshold on p - p* whose chain of held-out entries earns most for sure; infinite where none does.

    Judged is the mean net result of a UTC day less its standard error, as the search judges policies; it must be
    positive. Candidates are 0 (enter when the expected net result is positive) and quantiles of the positive edges;
    ties go to the lower one. A candidate with fewer than ten entries is not judged.

    Args:
        labels: of the training window.
        edge: float64[n], p - p* of each by a forest that did not see it.
    """
    hopeful = edge[edge > 0.0]
    if not hopeful.size:
        return float("inf")
    start_ms, end_ms = int(labels.close_ms.min()), int(labels.end_ms.max())
    best, chosen = 0.0, float("inf")
    for candidate in sorted({0.0, *np.quantile(hopeful, QUANTILES).tolist()}):
        chain = chain_of(labels, edge > candidate)
        daily = daily_net(labels, chain, start_ms, end_ms)
        if chain.rows.size < TRADES_MIN or daily.size < DAYS_MIN:
            continue
        sure = float(daily.mean() - daily.std(ddof=1) / np.sqrt(daily.size))
        if sure > best:
            best, chosen = sure, float(candidate)
    return chosen


def _by_coin(labels: Labels) -> list[NDArray[np.int64]]:
    return [labels.of_coin(coin) for coin in range(len(labels.symbols))]


@njit(cache=True)
def _chain(bar: NDArray[np.int64], exit_bar: NDArray[np.int64], wanted: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return which of one coin's labels are entered; the close of the exit's bar may enter again."""
    taken = np.zeros(len(bar), np.bool_)
    free = np.int64(-1)
    for row in range(len(bar)):
        if wanted[row] and bar[row] >= free:
            taken[row] = True
            free = exit_bar[row]
    return taken

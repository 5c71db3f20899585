"""Results by the regime a trade was entered in, and whether the regime it carries is the one its market was in.

A regime is read off the state at the decision: filtered probabilities, which no later candle changes. Smoothed ones,
which know the future, are nowhere used.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from huracan.analysis.cases import Case
from huracan.analysis.days import DayBlocks, DayMean
from huracan.memory.trades import regime_name

__all__ = ["RegimeRow", "by_regime", "regime_of_path"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class RegimeRow:
    """The trades entered in one regime.

    Attributes:
        regime: number; -1: unknown.
        name: in words.
        trades, wins: how many.
        net_bps: mean net result, basis points of the value bought, with its interval.
        best_hold_bars: length of the hold that was best on the early days; None: too few trades or days.
        hold_proven: whether it pays on the later days too.
    """

    regime: int
    name: str
    trades: int
    wins: int
    net_bps: DayMean
    best_hold_bars: int | None
    hold_proven: bool


def regime_of_path(case: Case) -> int:
    """Return the regime of a trade's market at its decision, -1 when it is unknown."""
    high, trend = case.path.high_vol[case.decided], case.path.trend[case.decided]
    if not (np.isfinite(high) and np.isfinite(trend)):
        return -1
    return 3 * int(high > 0.5) + 1 + int(trend > np.float32(1 / 3)) - int(trend < np.float32(-1 / 3))


def by_regime(
    regime: Ints, time_ms: Ints, net_bps: Floats, *, resamples: int, level: float, seed: int
) -> tuple[RegimeRow, ...]:
    """Return one row for each regime that has a trade, by number; holds are left open."""
    if not len(regime):
        return ()
    blocks = DayBlocks(time_ms, net_bps, resamples=resamples, level=level, seed=seed)
    rows = []
    for number in np.unique(regime).tolist():
        mine = regime == number
        found = blocks.mean(net_bps[mine], time_ms[mine])
        assert found is not None, "the regime has a trade"
        wins = int((net_bps[mine] > 0).sum())
        rows.append(RegimeRow(number, regime_name(number), found.trades, wins, found, None, False))
    return tuple(rows)

"""A new version beside the champion, on the same days that neither has learnt from, each by its own rules.

The champion was chosen by what it earned on some of these days, the new version was not: the comparison leans towards
the champion, so that it is not replaced by luck.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from huracan.config import ShadowSettings
from huracan.shadow.bootstrap import Interval, Resampler, mean
from huracan.shadow.splits import DAY_MS, Fold, Window

__all__ = ["Comparison", "Pair", "compare_days", "unseen_windows"]

Floats = npt.NDArray[np.float64]
COMPARE_SEED = 20_251_126


@dataclass(frozen=True, slots=True)
class Pair:
    """Net result per day of one window: float64[D] of both, quote currency, on the same days and coins."""

    new: Floats
    champion: Floats
    new_trades: int
    champion_trades: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """Both on the same days.

    Attributes:
        days: UTC days.
        new_net, champion_net: sums, quote currency.
        new_trades, champion_trades: closed trades.
        new_day, champion_day: mean per day with its interval.
        difference: new minus champion per day, both drawn on the same days.
    """

    days: int
    new_net: float
    champion_net: float
    new_trades: int
    champion_trades: int
    new_day: Interval
    champion_day: Interval
    difference: Interval


def unseen_windows(folds: Sequence[Fold], champion_end_ms: int) -> list[tuple[Fold, Window]]:
    """Return the part of each fold's test that begins after the champion's training; folds without one are left out."""
    first_ms = -(-champion_end_ms // DAY_MS) * DAY_MS
    return [
        (fold, Window(max(fold.test.start_ms, first_ms), fold.test.end_ms))
        for fold in folds
        if first_ms < fold.test.end_ms
    ]


def compare_days(pairs: Sequence[Pair], settings: ShadowSettings) -> Comparison:
    """Return the comparison over the windows of `pairs` behind each other; at least one day."""
    new, champion = (np.concatenate([getattr(pair, name) for pair in pairs]) for name in ("new", "champion"))
    draws = Resampler(
        new - champion,
        resamples=settings.bootstrap_resamples,
        level=settings.confidence_level,
        seed=COMPARE_SEED,
    )
    return Comparison(
        days=new.size,
        new_net=float(new.sum()),
        champion_net=float(champion.sum()),
        new_trades=sum(pair.new_trades for pair in pairs),
        champion_trades=sum(pair.champion_trades for pair in pairs),
        new_day=draws.interval(new, mean),
        champion_day=draws.interval(champion, mean),
        difference=draws.difference(new, champion),
    )

"""CPCV of the tree model: how it would have fared along several held-out paths through one window.

Every split of the window is trained, calibrated and given its threshold on its own training side, then trades its test
groups. Each path strings together one prediction for every group; the distribution over the paths, never the best one,
says how much of a result is the accident of one division of time.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from huracan.errors import DataError
from huracan.trees.calibration import auc, fit_platt
from huracan.trees.chain import chain_of, choose_threshold, daily_net
from huracan.trees.fit import EMBARGO_FRAC, check_trainable, held_out, spans_of, train_forest
from huracan.trees.labels import Labels, uniqueness
from huracan.trees.splits import Split, combinatorial_splits, paths_of, purged_folds

__all__ = ["PathReport", "cpcv_paths"]

GROUPS: Final = 6
TESTED: Final = 2
INNER_FOLDS: Final = 3
LOW: Final = 0.05

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class PathReport:
    """Held-out figures of every path through a window.

    Attributes:
        groups: N.
        tested: k.
        splits: C(N, k), forests trained for them.
        auc: by path.
        net: by path, net result, quote currency.
        trades: by path.
        sharpe_day: by path, mean over standard deviation of the daily net result; 0 for a path without trades.
    """

    groups: int
    tested: int
    splits: int
    auc: tuple[float, ...]
    net: tuple[float, ...]
    trades: tuple[int, ...]
    sharpe_day: tuple[float, ...]

    @property
    def sharpe_median(self) -> float:
        """Return the median over the paths."""
        return float(np.median(self.sharpe_day))

    @property
    def sharpe_low(self) -> float:
        """Return the 5 % quantile over the paths."""
        return float(np.quantile(self.sharpe_day, LOW))

    @property
    def losing_share(self) -> float:
        """Return the share of paths with a negative result."""
        return float(np.mean([net < 0 for net in self.net]))


def cpcv_paths(
    labels: Labels, start_ms: int, end_ms: int, seed: int, *, groups: int = GROUPS, tested: int = TESTED
) -> PathReport:
    """Train every split of a window and report its paths.

    Args:
        labels: of the window.
        start_ms: first bar of the window, ms UTC.
        end_ms: its end, exclusive.
        seed: of LightGBM.
        groups: N.
        tested: k.

    Raises:
        DataError: the window has too few labels, or a split or path lacks wins or losses.
    """
    check_trainable(labels, end_ms)
    weight, spans = uniqueness(labels), spans_of(labels)
    embargo_ms = round(EMBARGO_FRAC * (end_ms - start_ms))
    splits = combinatorial_splits(spans, groups, tested, embargo_ms)
    told = [_predict(labels, weight, split, embargo_ms, seed) for split in splits]
    paths = paths_of(splits, groups)
    group = np.empty(len(labels), np.int64)
    for split in splits:
        group[split.test] = split.group
    rows = [_path(labels, group, path, told, start_ms, end_ms) for path in paths]
    return PathReport(
        groups=groups,
        tested=tested,
        splits=len(splits),
        auc=tuple(row[0] for row in rows),
        net=tuple(row[1] for row in rows),
        trades=tuple(row[2] for row in rows),
        sharpe_day=tuple(row[3] for row in rows),
    )


def _predict(
    labels: Labels, weight: Floats, split: Split, embargo_ms: int, seed: int
) -> tuple[Floats, NDArray[np.bool_]]:
    """Return (p - p*, whether to enter) of a split's test rows, NaN elsewhere, all chosen on its training side."""
    inner = labels.rows(split.train)
    found = held_out(inner, weight[split.train], purged_folds(spans_of(inner), INNER_FOLDS, embargo_ms), seed)
    won = inner.won
    platt = fit_platt(found.score, won, weight[split.train])
    win, loss = float(inner.result[won].mean()), -float(inner.result[~won].mean())
    even = loss / (win + loss)
    threshold = choose_threshold(inner, platt.probability(found.score) - even)
    forest = train_forest(inner.market, won, weight[split.train], seed)
    edge = np.full(len(labels), np.nan)
    edge[split.test] = platt.probability(forest.score(labels.market[split.test])) - even
    return edge, np.nan_to_num(edge, nan=-np.inf) > threshold


def _path(
    labels: Labels,
    group: NDArray[np.int64],
    path: tuple[int, ...],
    told: list[tuple[Floats, NDArray[np.bool_]]],
    start_ms: int,
    end_ms: int,
) -> tuple[float, float, int, float]:
    """Return (auc, net, trades, daily Sharpe) of one path."""
    edge, enter = np.empty(len(labels)), np.empty(len(labels), np.bool_)
    for number, split in enumerate(path):
        rows = group == number
        edge[rows], enter[rows] = told[split][0][rows], told[split][1][rows]
    if not np.isfinite(edge).all():
        raise DataError("cpcv: a path has rows that no split predicted")
    chain = chain_of(labels, enter)
    daily = daily_net(labels, chain, start_ms, end_ms)
    spread = float(daily.std(ddof=1)) if daily.size > 1 else 0.0
    sharpe = float(daily.mean()) / spread if spread > 0 else 0.0
    return auc(edge, labels.won), float(daily.sum()), int(chain.rows.size), sharpe

"""What in an entry's state speaks for its result: a LightGBM model of results, and each feature's exact share in it.

Trees are additive, so a prediction splits exactly into a base value and one contribution a feature (TreeSHAP, Lundberg
et al. 2018, path-dependent: what a tree says of an unknown feature is the mean of its branches, weighted by the trades
that took them). Every trade is explained by a model that has not seen it: folds are contiguous in time, and trades that
overlap a fold in time are purged from its training. Contributions explain the model, not the market; how much the model
itself is worth on trades it has not seen is measured beside them.
"""

from dataclasses import dataclass
from typing import Any, Final

import lightgbm
import numpy as np
from numpy.typing import NDArray

from huracan.analysis.days import DayBlocks
from huracan.errors import InvariantError
from huracan.features.layout import STATE_SIZE

__all__ = ["TOP", "TRADES_MIN", "Outcome", "contributions_of", "explain"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

TRADES_MIN: Final = 100
FOLDS: Final = 5
ROUNDS: Final = 60
TOP: Final = 3
"""Contributions kept of each trade, largest first."""
RESULT_CLIP_R: Final = 5.0


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """The model's word on N trades, each out of fold.

    Attributes:
        predicted: float64[N], expected result, R.
        base: float64[N], what the model says of no trade in particular.
        contributions: float64[N, 80], by state entry; base + their sum = predicted, to rounding.
        gain: mean fall of the squared error against predicting the training mean, R^2; with its interval.
        gain_low, gain_high: None on too few days.
        importance: float64[80], mean absolute contribution.
    """

    predicted: Floats
    base: Floats
    contributions: Floats
    gain: float
    gain_low: float | None
    gain_high: float | None
    importance: Floats

    @property
    def explains(self) -> bool:
        """Return whether the model knows more than the mean of trades it has not seen, by its interval."""
        return self.gain_low is not None and self.gain_low > 0.0

    def top(self, row: int) -> tuple[tuple[int, float], ...]:
        """Return the largest contributions of a trade as (state entry, R), strongest first; zeros are left out."""
        order = np.argsort(-np.abs(self.contributions[row]), kind="stable")[:TOP]
        return tuple((int(i), float(self.contributions[row, i])) for i in order if self.contributions[row, i] != 0.0)


def explain(
    states: NDArray[np.float32],
    result_r: Floats,
    entry_ms: Ints,
    exit_ms: Ints,
    *,
    purge_ms: int,
    resamples: int,
    level: float,
    seed: int,
) -> Outcome | None:
    """Fit the model on all folds but one, fold by fold; None with fewer than `TRADES_MIN` trades to learn from.

    Args:
        states: float32[N, 80], of the entries.
        result_r: float64[N], net results, R; finite.
        entry_ms: int64[N].
        exit_ms: int64[N].
        purge_ms: kept free on either side of a fold: the longest hold.
        resamples: draws of days.
        level: of the interval.
        seed: of model and draws.

    Raises:
        InvariantError: contributions do not add up to the prediction.
    """
    count = len(result_r)
    if count < TRADES_MIN:
        return None
    target = np.clip(result_r, -RESULT_CLIP_R, RESULT_CLIP_R)
    order = np.argsort(entry_ms, kind="stable")
    shares, mean = np.zeros((count, STATE_SIZE + 1)), np.zeros(count)
    for test in np.array_split(order, FOLDS):
        begin, end = int(entry_ms[test].min()) - purge_ms, int(exit_ms[test].max()) + purge_ms
        train = np.setdiff1d(np.flatnonzero((exit_ms < begin) | (entry_ms > end)), test)
        if len(train) < TRADES_MIN // 2:
            return None
        model = fit_model(states[train], target[train], seed)
        shares[test], mean[test] = contributions_of(model, states[test]), target[train].mean()
    predicted = shares.sum(axis=1)
    gain = (target - mean) ** 2 - (target - predicted) ** 2
    blocks = DayBlocks(entry_ms, gain, resamples=resamples, level=level, seed=seed)
    found = blocks.bounds(blocks.draws(gain, entry_ms))
    return Outcome(
        predicted=predicted,
        base=shares[:, -1],
        contributions=shares[:, :-1],
        gain=float(gain.mean()),
        gain_low=None if found is None else found[0],
        gain_high=None if found is None else found[1],
        importance=np.abs(shares[:, :-1]).mean(axis=0),
    )


def fit_model(states: NDArray[np.float32], target: Floats, seed: int) -> lightgbm.Booster:
    """Fit a small forest of shallow trees; the same trades and seed give the same model."""
    params: dict[str, Any] = {
        "objective": "regression",
        "num_leaves": 7,
        "learning_rate": 0.05,
        "min_data_in_leaf": max(20, len(target) // 50),
        "lambda_l2": 1.0,
        "feature_fraction": 0.5,
        "bagging_fraction": 0.8,
        "bagging_freq": 1,
        "seed": seed,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": 1,
        "verbosity": -1,
    }
    data = lightgbm.Dataset(states.astype(np.float64), target, params={"verbosity": -1})
    return lightgbm.train(params, data, num_boost_round=ROUNDS)


def contributions_of(model: lightgbm.Booster, states: NDArray[np.float32]) -> Floats:
    """Return float64[N, F + 1]: contribution of each feature, and the base value last.

    Raises:
        InvariantError: they do not add up to the prediction.
    """
    values = states.astype(np.float64)
    shares = np.asarray(model.predict(values, pred_contrib=True), np.float64)
    predicted = np.asarray(model.predict(values), np.float64)
    off = float(np.abs(shares.sum(axis=1) - predicted).max(initial=0.0))
    if not off <= 1e-9 * max(1.0, float(np.abs(predicted).max(initial=0.0))):
        raise InvariantError(f"contributions of features differ from the prediction by {off!r}; do not trust them")
    return shares

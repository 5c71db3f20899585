"""The compiled evaluation is LightGBM's, bit for bit, and reads nothing that it could not evaluate."""

import pickle

import lightgbm
import numpy as np
import pytest

from huracan.errors import ArtefactError, DataError
from huracan.trees.fit import PARAMETERS
from huracan.trees.forest import Forest


def _booster(rows: int, seed: int, trees: int = 40, **parameters: object) -> tuple[lightgbm.Booster, np.ndarray]:
    rng = np.random.default_rng(seed)
    market = rng.standard_normal((rows, 52)).astype(np.float32)
    market[:, 5] = np.round(market[:, 5])
    won = market[:, 0] + market[:, 5] + rng.standard_normal(rows) > 0
    told = {**PARAMETERS, "seed": seed, **parameters}
    data = lightgbm.Dataset(market, won.astype(float), params=told)
    return lightgbm.train(told, data, trees), market


@pytest.mark.parametrize(("rows", "seed"), [(2_000, 1), (400, 2), (60, 3)])
def test_scores_are_those_of_the_library(rows: int, seed: int) -> None:
    """Training rows, unseen rows and rows that lie on a threshold; in a batch and one by one."""
    booster, market = _booster(rows, seed)
    forest = Forest.of_text(booster.model_to_string())
    assert len(forest) == booster.num_trees()
    asked = np.concatenate([market, np.nextafter(market, np.float32(9)), 3 * market])
    on_threshold = np.tile(forest.threshold.astype(np.float32)[:20, None], (1, 52)) if forest.threshold.size else asked
    for rows_asked in (asked, np.ascontiguousarray(on_threshold)):
        expected = booster.predict(rows_asked, raw_score=True)
        np.testing.assert_array_equal(forest.score(rows_asked), expected)
    single = np.array([forest.score(row[None, :])[0] for row in asked[:50]])
    np.testing.assert_array_equal(single, forest.score(asked)[:50])


def test_a_forest_travels_as_text() -> None:
    """What arrives scores the same."""
    booster, market = _booster(500, 4)
    forest = Forest.of_text(booster.model_to_string())
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(forest)).score(market), forest.score(market))  # noqa: S301


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("end of trees", "end of"),
        ("num_cat=0", "num_cat=1"),
        ("version=v4", "version=v5"),
        ("objective=binary", "objective=regression"),
        ("Tree=3\n", "Tree=4\n"),
        ("left_child=", "left_child=0 "),
        ("split_feature=", "split_feature=99 "),
        ("is_linear=0", "is_linear=1"),
        ("leaf_value=", "leaf_value=nan "),
        ("threshold=", "threshold=x"),
    ],
)
def test_a_text_that_was_changed_is_refused(old: str, new: str) -> None:
    """One line says that it is no tree model and what to do."""
    text = _booster(300, 5, trees=6)[0].model_to_string()
    assert old in text
    with pytest.raises(ArtefactError, match="train again"):
        Forest.of_text(text.replace(old, new, 1))


def test_a_tree_whose_nodes_lead_in_a_circle_is_refused() -> None:
    """A walk through it would never end."""
    text = _booster(300, 5, trees=1)[0].model_to_string()
    line = next(line for line in text.splitlines() if line.startswith("left_child="))
    with pytest.raises(ArtefactError, match=r"hang together|leads back"):
        Forest.of_text(text.replace(line, "left_child=" + " ".join(["0"] * len(line.split("=")[1].split()))))


def test_models_that_treat_missing_values_apart_are_refused() -> None:
    """A NaN would be sent to a side that the evaluation does not know of."""
    rng = np.random.default_rng(6)
    market = rng.standard_normal((500, 52))
    market[::7, 0] = np.nan
    told = {**PARAMETERS, "use_missing": True, "feature_fraction": 1.0}
    data = lightgbm.Dataset(market, (np.nan_to_num(market[:, 0]) > 0).astype(float), params=told)
    with pytest.raises(ArtefactError, match="missing values"):
        Forest.of_text(lightgbm.train(told, data, 3).model_to_string())


def test_rows_that_are_not_finite_or_too_short_are_refused() -> None:
    """The message names the row."""
    booster, market = _booster(300, 7, trees=3)
    forest = Forest.of_text(booster.model_to_string())
    market[4, 51] = np.inf
    with pytest.raises(DataError, match="row 4 of 300"):
        forest.score(market)
    with pytest.raises(DataError, match="lack some of its 52"):
        forest.score(market[:4, :51])

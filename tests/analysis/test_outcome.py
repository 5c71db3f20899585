"""The model of results: contributions are exact, planted features are found, and noise explains nothing."""

import itertools
import math
from typing import Any

import numpy as np
import pytest

from huracan.analysis.outcome import TOP, TRADES_MIN, contributions_of, explain, fit_model
from huracan.shadow import DAY_MS

START = 1_750_000_000_000 // DAY_MS * DAY_MS


def _times(count: int) -> tuple[np.ndarray, np.ndarray]:
    entry = START + np.arange(count) * 3_600_000
    return entry, entry + 1_800_000


def _explain(states: np.ndarray, result: np.ndarray) -> Any:
    entry, leave = _times(len(result))
    return explain(
        states.astype(np.float32), result, entry, leave, purge_ms=3_600_000, resamples=300, level=0.9, seed=1
    )


def test_contributions_are_the_shapley_values_of_the_trees() -> None:
    """Against the definition: the mean marginal contribution over all orders of the features, on small trees."""
    rng = np.random.default_rng(3)
    states = rng.standard_normal((300, 5)).astype(np.float32)
    target = states[:, 0] * (states[:, 1] > 0) - states[:, 3] ** 2 + 0.1 * rng.standard_normal(300)
    model = fit_model(states, target, 7)
    trees = [tree["tree_structure"] for tree in model.dump_model()["tree_info"]]
    for row in states[:6].astype(np.float64):
        exact = np.zeros(6)
        for tree in trees:
            exact += _shapley(tree, row, 5)
        assert contributions_of(model, row[None].astype(np.float32))[0] == pytest.approx(exact, abs=1e-9)


def _shapley(tree: dict[str, Any], row: np.ndarray, features: int) -> np.ndarray:
    """Shapley values of one tree by their definition, its base value last."""
    shares = np.zeros(features + 1)
    shares[-1] = _worth(tree, row, frozenset())
    for feature in range(features):
        others = [f for f in range(features) if f != feature]
        for size in range(features):
            weight = math.factorial(size) * math.factorial(features - size - 1) / math.factorial(features)
            for chosen in itertools.combinations(others, size):
                known = frozenset(chosen)
                shares[feature] += weight * (_worth(tree, row, known | {feature}) - _worth(tree, row, known))
    return shares


def _worth(node: dict[str, Any], row: np.ndarray, known: frozenset[int]) -> float:
    """What a tree says when only some features are known: unknown splits by the share of trades."""
    if "leaf_value" in node:
        return float(node["leaf_value"])
    left, right = node["left_child"], node["right_child"]
    if node["split_feature"] in known:
        return _worth(left if row[node["split_feature"]] <= node["threshold"] else right, row, known)
    heavy = [child.get("internal_count", child.get("leaf_count")) for child in (left, right)]
    return (heavy[0] * _worth(left, row, known) + heavy[1] * _worth(right, row, known)) / sum(heavy)


def test_contributions_add_up_out_of_fold() -> None:
    """Base plus contributions is the prediction, to rounding; at most five are kept of a trade, largest first."""
    rng = np.random.default_rng(4)
    states = rng.standard_normal((400, 80))
    found = _explain(states, states[:, 7] + 0.5 * rng.standard_normal(400))
    assert found is not None
    assert found.base + found.contributions.sum(axis=1) == pytest.approx(found.predicted, abs=1e-12)
    top = found.top(0)
    assert len(top) <= TOP
    assert [abs(share) for _, share in top] == sorted((abs(share) for _, share in top), reverse=True)


def test_a_planted_feature_is_found_on_unseen_trades() -> None:
    """The entry that makes the result is the most important, and the model explains by its interval."""
    rng = np.random.default_rng(4)
    states = rng.standard_normal((600, 80))
    found = _explain(states, np.sign(states[:, 42]) + rng.standard_normal(600))
    assert found is not None
    assert int(np.argmax(found.importance)) == 42
    assert found.explains


def test_noise_explains_nothing() -> None:
    """Results without any relation: of 20 samples at most 3 claim more than the mean at a one-sided 5 %."""
    rng = np.random.default_rng(11)
    claims = 0
    for _ in range(20):
        found = _explain(rng.standard_normal((200, 80)), rng.standard_normal(200))
        assert found is not None
        claims += found.explains
    print(f"seed 11: {claims} of 20 claim")
    assert claims <= 3


def test_a_trade_is_never_explained_by_its_own_result() -> None:
    """Other results of the last trades: what is said of them rests on the others alone, and stays."""
    rng = np.random.default_rng(4)
    states, result = rng.standard_normal((300, 80)), rng.standard_normal(300)
    changed = result.copy()
    changed[-20:] += 3.0
    before, after = _explain(states, result), _explain(states, changed)
    assert before is not None
    assert after is not None
    assert (before.predicted[-60:] == after.predicted[-60:]).all()


@pytest.mark.parametrize("count", [0, 1, TRADES_MIN - 1])
def test_too_few_trades_are_not_explained(count: int) -> None:
    """No model of a handful of trades."""
    assert _explain(np.zeros((count, 80)), np.zeros(count)) is None


def test_constant_results_have_no_contributions() -> None:
    """Nothing varies: the prediction is the constant, and the model knows no more than the mean."""
    found = _explain(np.random.default_rng(1).standard_normal((200, 80)), np.full(200, -0.25))
    assert found is not None
    assert found.predicted == pytest.approx(-0.25)
    assert not found.contributions.any()
    assert not found.explains

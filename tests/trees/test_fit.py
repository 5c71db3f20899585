"""Training finds what is planted, finds nothing in noise, repeats itself, and never looks at what it judges."""

from dataclasses import replace

import numpy as np
import pytest

from huracan.errors import DataError
from huracan.trees import auc, brier, fit_tree, held_out, reliability, spans_of, uniqueness
from huracan.trees.splits import Split
from tests.trees.worlds import FIT, HOLD_BARS, START_MS, end_of, fitted, made_labels, truth


def test_planted_skill_is_found_and_its_probabilities_are_calibrated() -> None:
    """On unseen labels: near the best possible AUC and Brier score, which the known chance itself has."""
    model = fitted(made_labels(12_000, 1, 1.2)).model
    unseen = made_labels(12_000, 2, 1.2)
    said, best = model.probability(unseen.market), truth(unseen.market, 1.2)
    assert auc(best, unseen.won) - auc(said, unseen.won) < 0.015
    assert brier(said, unseen.won) - brier(best, unseen.won) < 0.006
    assert reliability(said, unseen.won).ece < 0.03
    assert np.mean(np.abs(said - best)) < 0.06
    assert np.isfinite(model.threshold)


def test_noise_gives_no_skill_and_no_entry_that_costs() -> None:
    """Ten null windows: mean AUC on unseen labels within three standard errors of a half, calibration near the base."""
    found, said = [], []
    for seed in range(10):
        fit = fitted(made_labels(2_000, 100 + seed, 0.0))
        unseen = made_labels(2_000, 200 + seed, 0.0)
        chance = fit.model.probability(unseen.market)
        found.append(auc(chance, unseen.won) if np.ptp(chance) > 0 else 0.5)
        said.append(float(np.abs(chance - truth(unseen.market, 0.0)).mean()))
        assert not np.isfinite(fit.model.threshold) or fit.model.platt.slope > 0
    assert abs(np.mean(found) - 0.5) < 3 * np.std(found, ddof=1) / np.sqrt(10) + 0.005
    assert np.mean(said) < 0.04


def test_the_same_labels_give_the_same_bytes() -> None:
    """Twice the same, another seed another model."""
    labels = made_labels(2_000, 3, 1.0)
    assert fitted(labels).model.to_files() == fitted(labels).model.to_files()
    assert fitted(labels).model.sha256 != fitted(labels, seed=2).model.sha256


def test_a_row_of_the_window_is_judged_by_a_forest_that_did_not_see_it() -> None:
    """A label turned round changes the edge of no row of its own fold; the final model, and other folds, do change."""
    labels = made_labels(3_000, 4, 1.0)
    honest = fitted(labels)
    inside = honest.held_out.splits[2].test
    turned = inside[len(inside) // 3 : 2 * len(inside) // 3]
    net, result = labels.net.copy(), labels.result.copy()
    net[turned], result[turned] = -net[turned], -result[turned]
    other = fitted(replace(labels, net=net, result=result))
    np.testing.assert_array_equal(honest.held_out.score[inside], other.held_out.score[inside])
    elsewhere = honest.held_out.splits[0].test
    assert (honest.held_out.score[elsewhere] != other.held_out.score[elsewhere]).any()
    assert (honest.model.forest.score(labels.market) != other.model.forest.score(labels.market)).any()


def test_history_is_out_of_fold_inside_the_window_and_the_model_behind_it() -> None:
    """Inside, the held-out scores of the labels themselves; after the window's end, the final forest."""
    labels = made_labels(3_000, 5, 1.0)
    fit = fitted(labels)
    inside = fit.history(labels.market, labels.close_ms)
    held = fit.model.edge_of(fit.model.platt.probability(fit.held_out.score))
    np.testing.assert_array_equal(inside, held)
    assert auc(fit.model.edge(labels.market), labels.won) > auc(inside, labels.won) + 0.05, "in-sample would flatter"
    after = fit.history(labels.market, labels.close_ms + end_of(labels))
    np.testing.assert_array_equal(after, fit.model.edge(labels.market))


def test_bad_labels_are_refused() -> None:
    """Too few, one outcome, NaN, a label that reaches past the window, overlapping folds."""
    labels = made_labels(2_000, 6, 1.0)
    told = {"fit": FIT, "hold_bars": HOLD_BARS, "start_ms": START_MS, "seed": 1}
    with pytest.raises(DataError, match=r"100 labels .* at least 200"):
        fit_tree(labels.rows(np.arange(100)), end_ms=end_of(labels), **told)
    with pytest.raises(DataError, match="0 wins and 2000 losses"):
        fit_tree(replace(labels, net=-np.abs(labels.net)), end_ms=end_of(labels), **told)
    holed = labels.market.copy()
    holed[7, 3] = np.nan
    with pytest.raises(DataError, match=r"NaN or infinity .first: row 7"):
        fit_tree(replace(labels, market=holed), end_ms=end_of(labels), **told)
    with pytest.raises(DataError, match="known only after"):
        fit_tree(labels, end_ms=end_of(labels) - 60_000, **told)
    half = Split(np.arange(1_000), np.arange(900, 2_000), (0,), np.zeros(1_100, np.int64), 0, 0)
    with pytest.raises(DataError, match="must not overlap"):
        held_out(labels, uniqueness(labels), [half], 1)
    assert len(spans_of(labels)) == len(labels)

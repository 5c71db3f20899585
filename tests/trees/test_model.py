"""A tree model is stored whole and checked whole."""

import json
from dataclasses import replace

import numpy as np
import pytest

from huracan.errors import ArtefactError, DataError
from huracan.trees import TreeModel
from huracan.trees.model import check_market
from tests.trees.worlds import FIT, fitted, made_labels


@pytest.fixture(scope="module")
def model() -> TreeModel:
    """Return the model of a planted window."""
    return fitted(made_labels(3_000, 1, 1.0)).model


def test_what_is_read_is_what_was_written(model: TreeModel) -> None:
    """Same scores, same threshold, same bytes, same hash."""
    text, document = model.to_files()
    again = TreeModel.from_files(text, document, FIT)
    market = np.random.default_rng(5).standard_normal((100, 52)).astype(np.float32)
    np.testing.assert_array_equal(again.edge(market), model.edge(market))
    assert again.facts == model.facts
    assert again.threshold == model.threshold
    assert again.to_files() == (text, document)
    assert again.sha256 == model.sha256


def test_a_model_that_never_enters_is_stored_too(model: TreeModel) -> None:
    """An infinite threshold is JSON's null."""
    never = replace(model, threshold=float("inf"))
    assert TreeModel.from_files(*never.to_files()).threshold == float("inf")


def test_the_edge_is_the_distance_to_break_even(model: TreeModel) -> None:
    """It is p - L / (W + L) as float32, and the expected result is that times W + L."""
    market = np.random.default_rng(6).standard_normal((50, 52)).astype(np.float32)
    chance = model.probability(market)
    expected = chance * model.win - (1 - chance) * model.loss
    np.testing.assert_allclose(model.expected_result(market), expected, rtol=1e-12)
    np.testing.assert_array_equal(model.edge(market), (chance - model.loss / (model.win + model.loss)).astype("f4"))
    assert model.break_even == pytest.approx(0.9 / 1.9)


def test_a_changed_or_foreign_model_is_refused(model: TreeModel) -> None:
    """A byte of the text, the JSON's figures, another fit, another format."""
    text, document = model.to_files()
    with pytest.raises(ArtefactError, match="text_sha256 differs"):
        TreeModel.from_files(text + b" ", document)
    with pytest.raises(ArtefactError, match="another feature fit"):
        TreeModel.from_files(text, document, "cd" * 32)
    told = json.loads(document)
    told["body"]["platt"]["slope"] *= 1.01
    with pytest.raises(ArtefactError, match="do not repeat"):
        TreeModel.from_files(text, json.dumps(told).encode())
    for change in ({"format_version": 9}, {"format": "x"}, {"body": {}}):
        with pytest.raises(ArtefactError, match="describes no tree model"):
            TreeModel.from_files(text, json.dumps(json.loads(document) | change).encode())
    with pytest.raises(ArtefactError, match="describes no tree model"):
        TreeModel.from_files(text, b"\x80pickle")


def test_a_model_of_another_layout_is_refused(model: TreeModel) -> None:
    """It reads as many entries as the market part of a state has."""
    forest = replace(model.forest, columns=51)
    with pytest.raises(ArtefactError, match="another feature layout"):
        replace(model, forest=forest)
    with pytest.raises(ArtefactError, match="mean win"):
        replace(model, win=0.0)
    with pytest.raises(DataError, match="another feature layout"):
        check_market(np.zeros((5, 51), np.float32))
    with pytest.raises(DataError, match="row 2"):
        check_market(np.where(np.arange(5)[:, None] == 2, np.nan, np.zeros((5, 52))).astype(np.float32))

"""How far a new version rises: by the gate, by the configuration, and past a champion only when it is better."""

import itertools
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import Engine

from huracan.clock import MarketClock
from huracan.config import Settings
from huracan.env import Dataset
from huracan.errors import ArtefactError
from huracan.features import apply_fit
from huracan.memory import Model, Registry, open_run, record_gate
from jobs.retrain_worth import Beside, Standing, promotion_of, with_features_of
from tests.learn.worlds import NOW_MS, small_dataset

pytestmark = pytest.mark.postgres
FREE = Standing(None, False, None, None)
_numbers = itertools.count(1)


def registered(engine: Engine, scope: str, *, passed: bool) -> Model:
    """Return a version of the scope that the gate has judged."""
    run_id = open_run(engine, "train", Settings(), "f", "1")
    name = f"worth-{next(_numbers)}"
    model = Registry(engine).register(run_id, name, scope, "x", "a" * 64, {}, "me")
    record_gate(engine, name, "a" * 64, passed, {"passed": passed}, "me")
    return model


def test_what_the_gate_refused_stays_a_candidate(database: Engine) -> None:
    """A refusal is a result, not a fault."""
    row = promotion_of(database, registered(database, "A/B", passed=False), FREE, "champion", "cycle 1")
    assert (row["stage"], row["promoted"]) == ("candidate", False)
    assert row["line"].endswith("is candidate: the promotion gate has not passed it")


@pytest.mark.parametrize("goal", ["nothing", "shadow", "champion"])
def test_it_rises_as_far_as_it_may_and_no_move_is_made_twice(database: Engine, goal: str) -> None:
    """The configuration caps the stage; done again, as after a kill, the history is the same."""
    model = registered(database, f"{goal}/X", passed=True)
    rows = [promotion_of(database, model, FREE, goal, "cycle 1") for _ in range(2)]  # type: ignore[arg-type]
    assert rows[0] == rows[1]
    assert rows[0]["stage"] == ("candidate" if goal == "nothing" else goal)
    assert rows[0]["promoted"] is (goal != "nothing")
    moves = [event.to_stage for event in Registry(database).history(model.version)]
    assert moves == ["candidate", "shadow", "champion"][: {"nothing": 1, "shadow": 2, "champion": 3}[goal]]


def test_a_kill_between_its_two_moves_is_finished(database: Engine) -> None:
    """A version found in shadow goes on from there."""
    model = registered(database, "K/X", passed=True)
    Registry(database).promote(model.version, "cycle 1", "passed the promotion gate")
    assert promotion_of(database, model, FREE, "champion", "cycle 1")["stage"] == "champion"
    assert len(Registry(database).history(model.version)) == 3


@pytest.mark.parametrize(
    ("proven", "better", "worse", "stays"),
    [
        (True, True, False, None),
        (True, False, False, "not shown to be better"),
        (True, None, None, "cannot be compared"),
        (False, False, False, None),
        (False, False, True, "is worse"),
        (False, None, None, "cannot be compared"),
    ],
)
def test_a_champion_is_replaced_only_by_what_is_better(
    database: Engine, proven: bool, better: bool | None, worse: bool | None, stays: str | None
) -> None:
    """A proven one by what is shown to be better; one put there by hand by what passed and is not worse."""
    scope = f"{proven}/{better}{worse}"
    old = registered(database, scope, passed=proven)
    for _ in range(2):
        Registry(database).promote(old.version, "me", "by hand", forced=not proven)
    standing = Standing(old.version, proven, better, worse)
    row = promotion_of(database, registered(database, scope, passed=True), standing, "champion", "cycle 1")
    champion = Registry(database).champion(scope)
    assert champion is not None
    if stays is None:
        assert (row["stage"], champion.version) == ("champion", row["version"])
    else:
        assert (row["stage"], champion.version) == ("shadow", old.version)
        assert stays in row["reason"]


def test_a_champion_of_another_universe_has_its_own_features(tmp_path: Path) -> None:
    """A coin was listed since: the features are computed anew over the coins that the champion knew, bit for bit."""
    today = small_dataset(tmp_path / "candles")
    first, second = today.summary.symbols[:2]
    known = small_dataset(tmp_path / "candles", **{"data.symbols": [first, second]})
    fit = known.fit(known.summary.start_ms, known.summary.end_ms, 1)
    with pytest.raises(ArtefactError, match="universe"):
        apply_fit(fit, today.raw[first])

    def load(settings: Settings) -> Dataset:
        return Dataset.load(settings, MarketClock(NOW_MS))

    found = with_features_of(today, fit, load)
    assert set(found.raw) == set(known.raw)
    for symbol in (first, second):
        assert np.array_equal(apply_fit(fit, found.raw[symbol]), apply_fit(fit, known.raw[symbol]))
    assert with_features_of(known, fit, load) is known


def test_what_cannot_be_compared_says_why() -> None:
    """Without a champion there is nothing to compare; its row says so to the promotion."""
    row = Beside("v2", "*", None, False, (), None, "").to_json()
    assert (row["line"], Standing.of(row).refusal()) == ("* has no champion", None)
    row = Beside("v2", "*", "v1", True, (), None, "other windows").to_json()
    assert "other windows" in row["line"]
    assert "cannot be compared" in (Standing.of(row).refusal() or "")

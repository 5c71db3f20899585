"""Which run a retraining goes on from: decided once, and every refusal in words."""

from datetime import date
from pathlib import Path

import pytest
from pydantic import TypeAdapter
from sqlalchemy import Engine

from huracan.errors import TrainingError, UsageError
from huracan.memory import Registry, open_run, read_run
from huracan.memory.requests import RetrainRequest, file_request
from jobs.retrain_warm import CHOICE_NAME, Choice, warm_start_of
from jobs.train import folds_of
from tests.learn.worlds import small_dataset

pytestmark = pytest.mark.postgres
DAY = date(2025, 1, 21)


def file_of(database: Engine) -> RetrainRequest:
    """Return a request as a cycle has it."""
    with database.begin() as connection:
        found = file_request(connection.connection.cursor(), "W", "drift of v1", None, 1_750_000_000_000, 0)
    assert found is not None
    return found


def test_the_choice_is_made_once(database: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a version, or with one that is gone or of other candles, it begins from nothing, and stays with that."""
    monkeypatch.setenv("HURACAN_HOME", str(tmp_path / "home"))
    dataset = small_dataset(tmp_path / "candles")
    folds = folds_of(dataset)
    runs = [open_run(database, "train", dataset.settings, "f", "1") for _ in range(4)]

    def reason(run_id: int, name: str, **settings: object) -> str:
        chosen = dataset if not settings else small_dataset(tmp_path / "candles", **settings)
        warm, choice = warm_start_of(chosen, folds, database, run_id, tmp_path / name, DAY)
        assert warm is None
        assert (choice.run_id, choice.search_run_id, choice.search_day) == (None, run_id, DAY)
        return choice.reason

    assert reason(runs[0], "a") == "there is no earlier version"
    Registry(database).register(runs[0], "gone", "*", "x", "a" * 64, {}, "me")
    assert reason(runs[0], "a") == "there is no earlier version"  # as it was decided first
    assert "the training is not finished" in reason(runs[1], "b")
    assert reason(runs[1], "off", **{"retrain.warm_start": False}) == "retrain.warm_start is false"
    wanted = file_of(database)
    said, choice = warm_start_of(dataset, folds, database, runs[3], tmp_path / "asked", DAY, [wanted])
    assert (said, choice.run_id, choice.reason) == (None, None, "asked for: drift of v1")
    elsewhere = small_dataset(tmp_path / "others")
    other = open_run(database, "train", elsewhere.settings, "g", "1")
    Registry(database).register(other, "elsewhere", "*", "x", "b" * 64, {}, "me")
    said = reason(runs[2], "c")
    assert said == f"run {other}: it was trained on the candles of another folder, and 1 older ones do not fit"
    (tmp_path / "a" / CHOICE_NAME).write_text("{")
    with pytest.raises(TrainingError, match="is damaged"):
        warm_start_of(dataset, folds, database, runs[0], tmp_path / "a", DAY)


def test_the_search_is_recorded_with_the_run(database: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whenever a decided run is taken up again, so that the gate counts what the search tried."""
    monkeypatch.setenv("HURACAN_HOME", str(tmp_path / "home"))
    dataset = small_dataset(tmp_path / "candles")
    searched, earlier, run_id = (open_run(database, "train", dataset.settings, name, "1") for name in "stu")
    choice = Choice(earlier, "fits", searched, DAY)
    (tmp_path / CHOICE_NAME).write_bytes(TypeAdapter(Choice).dump_json(choice))
    with pytest.raises(UsageError, match="the training is not finished"):  # the earlier run left no files
        warm_start_of(dataset, folds_of(dataset), database, run_id, tmp_path, DAY)
    assert read_run(database, run_id).search_run_id == searched

"""What is traded at the end of the demo, and what a killed run has left; the whole of it is run by test_demo."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from huracan.config import Settings
from huracan.env import Dataset
from huracan.market import SyntheticSpec, write_synthetic
from huracan.shadow.splits import Window
from jobs import live
from jobs.train import folds_of

HOUR_MS = 3_600_000


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Half a year of hours of three coins."""
    folder = tmp_path_factory.mktemp("candles")
    write_synthetic(folder, SyntheticSpec(timeframe="1h", bars=24 * 200, planted=1, null=2), seed=7)
    return Dataset.load(Settings(data={"folder": str(folder), "timeframe": "1h"}))


def test_the_end_of_the_newest_test_window_is_traded(dataset: Dataset) -> None:
    """At most so many closes, all of them after everything that training has seen."""
    fold = folds_of(dataset)[-1]
    window = live._window(dataset, fold)
    assert window.end_ms == fold.test.end_ms
    assert window.start_ms >= fold.test.start_ms >= fold.train.end_ms
    assert (window.end_ms - window.start_ms) // HOUR_MS <= live.BARS_MAX
    long = replace(fold, test=Window(fold.test.end_ms - 5_000 * HOUR_MS, fold.test.end_ms))
    assert (fold.test.end_ms - live._window(dataset, long).start_ms) // HOUR_MS == live.BARS_MAX


def test_many_markets_are_traded_over_fewer_closes(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """The candles of all of them together are bounded."""
    monkeypatch.setattr(live, "CANDLES_MAX", 300)
    fold = folds_of(dataset)[-1]
    long = replace(fold, test=Window(fold.test.end_ms - 5_000 * HOUR_MS, fold.test.end_ms))
    assert (fold.test.end_ms - live._window(dataset, long).start_ms) // HOUR_MS == 100


def test_an_exchange_that_a_killed_run_has_left_is_ended_and_nothing_else(tmp_path: Path) -> None:
    """The process of the noted number ends when it is that exchange; another one under this number lives."""
    config = str(tmp_path / "exchange.json")
    words = [sys.executable, "-c", "import time; time.sleep(60)"]
    orphan = subprocess.Popen([*words, "paper-exchange", "--config", config])
    stranger = subprocess.Popen([*words, "paper-exchange", "--config", "another.json"])
    try:
        for process, left in ((stranger, True), (orphan, False)):
            (tmp_path / "exchange.pid").write_text(str(process.pid))
            live._end_orphan(tmp_path)
            assert (process.poll() is None) is left
        (tmp_path / "exchange.pid").write_text("no number")
        live._end_orphan(tmp_path)
    finally:
        for process in (orphan, stranger):
            process.kill()
            process.wait()

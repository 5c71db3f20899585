"""Trials: each is counted once, however often it reports."""

from dataclasses import replace

import pytest
from sqlalchemy import Engine

from huracan.config import Settings
from huracan.errors import DatabaseError
from huracan.memory import Trial, count_trials, note_candles, open_run, read_trials, record_trial, trials_on

pytestmark = pytest.mark.postgres
TRIAL = Trial("a1", "running", {"ppo.lr": 1e-4}, {"sharpe": 0.1}, None, 1_000, 0.5)


def test_a_trial_is_one_row_however_often_it_reports(database: Engine) -> None:
    """Reports of the same name update the row; a run's trials come best first, those without a result last."""
    run_id = open_run(database, "search", Settings(), "candles-1", "0.1.0")
    record_trial(database, run_id, TRIAL)
    done = replace(TRIAL, status="done", objective=0.25, env_steps=5_000, metrics={"sharpe": 1.0})
    better, unfinished = replace(done, name="a2", objective=1.0), replace(TRIAL, name="a3", status="failed")
    for trial in (done, unfinished, better):
        record_trial(database, run_id, trial)
    assert read_trials(database, run_id) == (better, done, unfinished)


def test_trials_are_counted_over_all_runs_on_the_same_candles(database: Engine) -> None:
    """What was tried on these candles in any run counts, what was tried on others does not."""
    for fingerprint, names in (("candles-2", "ab"), ("candles-2", "a"), ("candles-3", "abc")):
        run_id = open_run(database, "search", Settings(), fingerprint, "0.1.0")
        for name in names:
            record_trial(database, run_id, replace(TRIAL, name=name))
    assert (count_trials(database, "candles-2"), count_trials(database, "candles-9")) == (3, 0)


def test_runs_on_any_of_the_same_candles_are_on_one_history(database: Engine) -> None:
    """Other fees, one coin fewer, a day more: one mark in common is enough, also by way of a third."""
    marks = {"cheap": (1, 2, 3), "dear": (1, 2, 3), "later": (3, 4), "latest": (4, 5), "elsewhere": (6, 7)}
    for fingerprint, found in marks.items():
        for _ in range(2):
            note_candles(database, fingerprint, found)
        record_trial(database, open_run(database, "search", Settings(), fingerprint, "0.1.0"), TRIAL)
    counts = {fingerprint: count_trials(database, fingerprint) for fingerprint in marks}
    assert counts == {"cheap": 4, "dear": 4, "later": 4, "latest": 4, "elsewhere": 1}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_figure_that_is_no_number_is_stored_as_none(database: Engine, value: float) -> None:
    """NaN and infinities become null, so that no trial is ranked by them."""
    run_id = open_run(database, "search", Settings(), "candles-4", "0.1.0")
    record_trial(database, run_id, replace(TRIAL, objective=value, metrics={"sharpe": value}))
    (found,) = read_trials(database, run_id)
    assert (found.objective, found.metrics) == (None, {"sharpe": None})


def test_a_trial_belongs_to_a_run(database: Engine) -> None:
    """A run that does not exist is refused."""
    with pytest.raises(DatabaseError):
        record_trial(database, 999_999_999, TRIAL)


def test_trials_on_the_same_candles_are_found_whoevers_run_they_were(database: Engine) -> None:
    """With their run, in the order they were made; those on other candles are not."""
    runs = [open_run(database, "train", Settings(), candles, "0.1.0") for candles in ("same", "same", "else")]
    for run_id, name in ((runs[1], "b"), (runs[0], "a"), (runs[2], "c")):
        record_trial(database, run_id, Trial(name, "done", {}, {"days": 5.0}, 1.0, 10, 0.1))
    found = trials_on(database, "same")
    assert [(run_id, trial.name, trial.metrics) for run_id, trial in found] == [
        (runs[1], "b", {"days": 5.0}),
        (runs[0], "a", {"days": 5.0}),
    ]

"""Retraining cycles in Postgres: one a scope and day, one process at it, one run, and one history over the days."""

import subprocess
import sys
from datetime import date

import pytest
from sqlalchemy import Engine

from huracan.config import Settings
from huracan.errors import DatabaseError, UsageError
from huracan.memory import (
    Registry,
    Trial,
    claim_scope,
    count_trials,
    end_step,
    fail_step,
    find_cycle,
    kindred_candles,
    list_runs,
    open_cycle,
    open_run,
    read_cycle,
    read_run,
    record_search,
    record_trial,
    run_of_cycle,
    start_step,
)

pytestmark = pytest.mark.postgres
DAY = date(2025, 1, 21)


def test_a_day_has_rounds_and_its_newest_is_found(database: Engine) -> None:
    """Begun anew a day has a second round with the configuration of its own; another scope has its own."""
    first = open_cycle(database, "A/B", DAY, Settings(), "1")
    second = open_cycle(database, "A/B", DAY, Settings(), "2")
    assert (first.round, second.round) == (1, 2)
    assert find_cycle(database, "A/B", DAY) == second
    assert second.config_hash == Settings().hash
    assert find_cycle(database, "C/D", DAY) is None
    with pytest.raises(UsageError, match="no retraining cycle"):
        read_cycle(database, 10_000)


def test_a_step_keeps_its_starts_and_how_it_ended(database: Engine) -> None:
    """Running, failed with its line, running again, done with its outcome; the time of all attempts adds up."""
    cycle_id = open_cycle(database, "E/F", DAY, Settings(), "1").cycle_id
    start_step(database, cycle_id, "train")
    assert read_cycle(database, cycle_id).steps[0].state == "running"
    fail_step(database, cycle_id, "train", 1.5, "bad\nnews at redis://:hunter2@h")
    (step,) = read_cycle(database, cycle_id).steps
    assert (step.state, step.error, step.outcome) == ("failed", "bad news at redis://:***@h", None)
    start_step(database, cycle_id, "train")
    end_step(database, cycle_id, "train", 2.0, {"line": "trained"})
    cycle = read_cycle(database, cycle_id)
    (step,) = cycle.steps
    assert (step.state, step.starts, step.wall_s, step.error) == ("done", 2, 3.5, None)
    assert cycle.outcome("train") == {"line": "trained"}
    with pytest.raises(UsageError, match="shadow of cycle"):
        cycle.outcome("shadow")
    with pytest.raises(DatabaseError):
        start_step(database, 10_000, "train")


def test_a_cycle_opens_one_run(database: Engine) -> None:
    """Asked again, as after a kill, it has the same one, and no other is left behind."""
    cycle_id = open_cycle(database, "G/H", DAY, Settings(), "1").cycle_id
    before = len(list_runs(database))
    run_id = run_of_cycle(database, cycle_id, Settings(), "f" * 64, "1")
    assert run_of_cycle(database, cycle_id, Settings(), "f" * 64, "1") == run_id
    assert read_cycle(database, cycle_id).run_id == run_id
    assert len(list_runs(database)) == before + 1


def test_a_second_process_is_told_who_is_at_it(database: Engine) -> None:
    """The holder's name and process stand in the refusal; when it ends, killed or not, the scope is free."""
    url = database.url.render_as_string(hide_password=False)
    program = (
        "import sys, time; from pydantic import SecretStr; from huracan.memory import claim_scope, connect\n"
        "with claim_scope(connect(SecretStr(sys.argv[1])), 'I/J'):\n    print('held', flush=True); time.sleep(600)"
    )
    holder = subprocess.Popen([sys.executable, "-c", program, url], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    try:
        assert holder.stdout.readline() == "held\n"
        with (
            pytest.raises(UsageError, match=rf"I/J is under way: retrain by .*process {holder.pid}, since 20"),
            claim_scope(database, "I/J"),
        ):
            pass
        with claim_scope(database, "K/L"):
            pass
    finally:
        holder.kill()
        holder.wait()
        holder.stdout.close()
    for _ in range(2):
        with claim_scope(database, "I/J"):
            pass


def test_what_was_tried_on_a_history_counts_on_its_later_days(database: Engine) -> None:
    """Cycles of a scope share their trials and versions whatever day they reach; other candles do not."""
    runs = []
    for number, (scope, candles) in enumerate((("M/N", "a"), ("M/N", "b"), ("O/P", "c"))):
        cycle = open_cycle(database, scope, date(2025, 2, 1 + number), Settings(), "1")
        runs.append(run_of_cycle(database, cycle.cycle_id, Settings(), candles * 64, "1"))
    runs.append(open_run(database, "train", Settings(), "a" * 64, "1"))  # by hand, on the first day's candles
    for number, run_id in enumerate(runs):
        record_trial(database, run_id, Trial(f"t{number}", "done", {}, {}, 1.0, 1, 1.0))
        Registry(database).register(run_id, f"kin-{number}", "*", "x", "d" * 64, {}, "me")
    assert kindred_candles(database, "b" * 64) == ("a" * 64, "b" * 64)
    assert kindred_candles(database, "z" * 64) == ("z" * 64,)
    assert [count_trials(database, name * 64) for name in "abcz"] == [3, 3, 1, 0]
    assert [model.version for model in Registry(database).on_candles("b" * 64)] == ["kin-0", "kin-1", "kin-3"]


def test_what_was_tried_by_a_search_counts_for_all_that_go_on_from_it(database: Engine) -> None:
    """A run by hand, a cycle that goes on from it, and every later cycle of that scope: one history."""
    by_hand = open_run(database, "train", Settings(), "h" * 64, "1")
    record_trial(database, by_hand, Trial("t", "done", {}, {}, 1.0, 1, 1.0))
    runs = []
    for number, candles in enumerate("ijk"):
        scope = "Q/R" if candles != "k" else "S/T"
        cycle = open_cycle(database, scope, date(2025, 2, 1 + number), Settings(), "1")
        runs.append(run_of_cycle(database, cycle.cycle_id, Settings(), candles * 64, "1"))
    assert count_trials(database, "i" * 64) == 0
    for _ in range(2):
        record_search(database, runs[0], by_hand)
    assert read_run(database, runs[0]).search_run_id == by_hand
    assert read_run(database, by_hand).search_run_id is None
    kin = tuple(name * 64 for name in "hij")
    assert [kindred_candles(database, candles) for candles in kin] == [kin] * 3
    assert [count_trials(database, name * 64) for name in "hijk"] == [1, 1, 1, 0]
    with pytest.raises(UsageError, match="no run 10000"):
        record_search(database, 10_000, by_hand)

"""Runs: what was started with what, how it ended, and where its time went."""

import json
import subprocess
import sys
import time
from dataclasses import replace

import pytest
from sqlalchemy import Engine, text

from huracan.config import Settings, load_settings
from huracan.errors import TrainingError, UsageError
from huracan.memory import (
    claim_run,
    finish_run,
    leave_numbers,
    list_runs,
    open_run,
    phase,
    read_run,
    record_phase,
    resume_run,
    run,
)

pytestmark = pytest.mark.postgres
SETTINGS = load_settings(None, {"database.url": "postgresql://u:hunter2@h/d", "ppo.lr": 1e-4}, {})


def _open(engine: Engine, kind: str = "train") -> int:
    return open_run(engine, kind, SETTINGS, "fingerprint-of-candles", "0.1.0")


def test_a_run_keeps_its_effective_configuration_without_secrets(database: Engine) -> None:
    """The stored configuration is the effective one, its hash is the settings' hash, and no secret is in it."""
    found = read_run(database, _open(database))
    assert (found.kind, found.status, found.finished_at) == ("train", "running", None)
    assert json.loads(found.config_json) == SETTINGS.public()
    assert (found.config_hash, found.data_fingerprint) == (SETTINGS.hash, "fingerprint-of-candles")
    assert "hunter2" not in found.config_json


@pytest.mark.parametrize(
    ("raised", "status", "error"),
    [
        (None, "done", None),
        (KeyboardInterrupt(), "interrupted", None),
        (SystemExit(1), "interrupted", None),
        (ValueError("bad\nnews at redis://:hunter2@h"), "failed", "ValueError: bad news at redis://:***@h"),
    ],
)
def test_a_run_records_how_its_block_ended(
    database: Engine, raised: BaseException | None, status: str, error: str | None
) -> None:
    """Done, failed with one line without secrets, or interrupted; the exception goes on."""
    numbers = []

    def block() -> None:
        with run(database, "shadow", SETTINGS, "f", "0.1.0") as run_id:
            numbers.append(run_id)
            if raised is not None:
                raise raised

    if raised is None:
        block()
    else:
        with pytest.raises(type(raised)):
            block()
    found = read_run(database, numbers[0])
    assert (found.status, found.error) == (status, error)
    assert found.finished_at is not None
    assert found.finished_at >= found.started_at


def test_phases_add_up_over_attempts(database: Engine) -> None:
    """A phase that is run again after a stop has taken the time of both attempts; a failed block counts too."""
    run_id = _open(database)
    record_phase(database, run_id, "train", 1.5)
    record_phase(database, run_id, "shadow", 0.25)
    record_phase(database, run_id, "train", 2.0)
    with pytest.raises(ValueError, match="x"), phase(database, run_id, "analyse"):
        raise ValueError("x")
    phases = {item.name: item.wall_s for item in read_run(database, run_id).phases}
    assert list(phases) == ["analyse", "shadow", "train"]
    assert (phases["train"], phases["shadow"]) == (3.5, 0.25)
    assert 0 <= phases["analyse"] < 5


def test_an_interrupted_run_resumes_with_the_same_inputs_only(database: Engine) -> None:
    """The same configuration and candles set it going again; others are refused by name, so is a run that is done."""
    run_id = _open(database)
    finish_run(database, run_id, "interrupted")
    with pytest.raises(UsageError, match="configuration"):
        resume_run(database, run_id, Settings(), "fingerprint-of-candles")
    with pytest.raises(UsageError, match="data fingerprint"):
        resume_run(database, run_id, SETTINGS, "another")
    assert read_run(database, run_id).status == "interrupted"
    resume_run(database, run_id, SETTINGS, "fingerprint-of-candles")
    assert (read_run(database, run_id).status, read_run(database, run_id).finished_at) == ("running", None)
    finish_run(database, run_id, "done")
    with pytest.raises(UsageError, match="is done"):
        resume_run(database, run_id, SETTINGS, "fingerprint-of-candles")


def test_runs_are_listed_newest_first(database: Engine) -> None:
    """The newest run leads, a kind selects, and the limit holds."""
    first, second = _open(database, "listed"), _open(database, "listed")
    assert [item.run_id for item in list_runs(database, "listed")] == [second, first]
    assert [item.run_id for item in list_runs(database, limit=1)] == [second]


def test_an_unknown_run_is_named(database: Engine) -> None:
    """Asking for, or ending, a run that is not there is the user's mistake."""
    with pytest.raises(UsageError, match="no run 999999999"):
        read_run(database, 999_999_999)
    with pytest.raises(UsageError, match="no run 999999999"):
        finish_run(database, 999_999_999, "done")


def test_a_run_belongs_to_one_process_at_a_time(database: Engine) -> None:
    """A second claim is refused by name while the first holds, and taken when it ends; other runs are free."""
    first = open_run(database, "train", Settings(), "f", "0.1.0")
    second = open_run(database, "train", Settings(), "f", "0.1.0")
    with claim_run(database, first):
        with (
            pytest.raises(UsageError, match=f"run {first} is being worked on by another process"),
            claim_run(database, first),
        ):
            pass
        with claim_run(database, second):
            pass
    with claim_run(database, first):
        pass


def test_a_claim_ends_with_its_process(database: Engine) -> None:
    """Killed in the middle of its work, a process leaves the run free."""
    number = open_run(database, "train", Settings(), "f", "0.1.0")
    url = database.url.render_as_string(hide_password=False)
    code = (
        "import sys, time\nfrom huracan.memory import claim_run, connect\n"
        f"with claim_run(connect(sys.argv[1]), {number}):\n    print('claimed', flush=True)\n    time.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-c", code, url], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "claimed\n"
    with pytest.raises(UsageError, match="another process"), claim_run(database, number):
        pass
    process.kill()
    process.wait()
    deadline = time.monotonic() + 10
    while True:
        try:
            with claim_run(database, number):
                return
        except UsageError:
            assert time.monotonic() < deadline
            time.sleep(0.05)


def _end_claims(database: Engine) -> None:
    """End every session that holds an advisory lock, as a server does that hears nothing from its client."""
    with database.begin() as connection:
        ended = connection.execute(
            text("SELECT pg_terminate_backend(pid, 5000) FROM pg_locks WHERE locktype = 'advisory' AND granted")
        )
        assert ended.scalars().all() == [True]


def test_a_claim_that_is_lost_says_so_before_anything_is_written(database: Engine) -> None:
    """While its session lives the claim stands; ended, it is lost for good, whether or not another process has it."""
    number = _open(database)
    with claim_run(database, number) as claim:
        claim.check()
        _end_claims(database)
        for _ in range(2):
            with pytest.raises(
                TrainingError, match=f"run {number} is no longer claimed by this process.*writes nothing"
            ):
                claim.check()
        assert not claim.held
        with claim_run(database, number) as other:
            other.check()
            with pytest.raises(TrainingError, match="no longer claimed"):
                claim.check()


def test_who_lost_a_run_does_not_end_it(database: Engine) -> None:
    """The row of a run that another process has taken is left to that one; with the claim it is ended as ever."""
    number = _open(database)
    with claim_run(database, number) as claim:
        _end_claims(database)
        claim.finish("failed", "TrainingError: no longer claimed")
        claim.finish("interrupted")
        with pytest.raises(TrainingError, match="no longer claimed"):
            claim.finish("done")
    assert read_run(database, number).status == "running"
    with claim_run(database, number) as claim:
        claim.finish("failed", "x")
        assert (read_run(database, number).status, read_run(database, number).error) == ("failed", "x")
        claim.finish("done")
    assert read_run(database, number).status == "done"


def test_a_run_is_told_from_others_of_its_number(database: Engine) -> None:
    """Each run has an identity of its own, kept when it is resumed, and each claim a token of its own."""
    first, second = _open(database), _open(database)
    with claim_run(database, first) as claim:
        assert claim.run == read_run(database, first).identity != read_run(database, second).identity
        token = claim.token
    finish_run(database, first, "interrupted")
    with claim_run(database, first) as again:
        resume_run(database, first, SETTINGS, "fingerprint-of-candles")
        assert again.run == read_run(database, first).identity == claim.run
        assert again.token != token
    with database.begin() as connection:
        moved = "UPDATE runs SET started_at = started_at + interval '1 microsecond' WHERE run_id = :run_id"
        connection.execute(text(moved), {"run_id": first})
    assert read_run(database, first).identity != claim.run
    with database.connect() as connection:
        connection.execute(text("SET timezone = 'Asia/Tokyo'"))
        begun = connection.execute(text("SELECT started_at FROM runs WHERE run_id = :id"), {"id": second}).scalar_one()
    assert replace(read_run(database, second), started_at=begun).identity == read_run(database, second).identity


def test_numbers_that_are_taken_are_left_out(database: Engine) -> None:
    """The next run is above them; numbers never go back."""
    number = _open(database)
    leave_numbers(database, number + 10)
    assert _open(database) == number + 11
    leave_numbers(database, 0)
    leave_numbers(database, number + 3)
    assert _open(database) == number + 12

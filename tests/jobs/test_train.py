"""The training job from the outside: rows in Postgres, resume, refusals."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import Engine, text

from huracan.config import load_settings
from huracan.errors import ConfigError, DataError, TrainingError, UsageError
from huracan.learn.campaign import read_campaign
from huracan.learn.owner import own_folder
from huracan.learn.progress import TerminalProgress
from huracan.learn.train import Checkpoint, Recording
from huracan.market import SyntheticSpec, write_synthetic
from huracan.memory import (
    EmbeddedServer,
    Registry,
    claim_run,
    connect,
    finish_run,
    list_runs,
    open_run,
    read_daily,
    read_run,
    read_trials,
    schema,
    write_trades,
)
from huracan.shadow import COIN_ACCOUNT, ENSEMBLE, Fold, Window
from huracan.storage import Location, write_bytes
from huracan.terminal import run
from jobs.train import (
    Recollection,
    check_job,
    folds_of,
    leave_taken,
    past_of_run,
    program,
    recollection_of,
    train,
    windows_of,
)
from tests.learn.toy import toy_spec
from tests.learn.worlds import SMALL, small_dataset
from tests.memory.samples import sample_trades
from tests.objects import ObjectServer
from tests.policy.recipes import make_card

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def candles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of three synthetic coins."""
    folder = tmp_path_factory.mktemp("train") / "candles"
    small_dataset(folder)
    return folder


def test_folds_do_not_touch_their_tests(candles: Path) -> None:
    """Training ends before the test begins, purge and embargo between them, and test windows do not overlap."""
    dataset = small_dataset(candles)
    folds = folds_of(dataset)
    assert len(folds) == 2
    for fold in folds:
        gap_bars = (fold.test.start_ms - fold.train.end_ms) // dataset.kernel.base_ms
        assert gap_bars == fold.purge_bars + fold.embargo_bars
        assert fold.purge_bars > max(dataset.rules.hold_bars) == 2 * dataset.kernel.hold_bars
    assert folds[0].test.end_ms == folds[1].test.start_ms


def test_the_purge_covers_every_hold_that_a_search_may_choose(candles: Path) -> None:
    """Longer choices cut more off every training window, and the search judges as far behind its own training."""
    bar_ms = 300_000
    for search, longest in (
        ({"search.num_samples": 0}, 144),
        ({"search.trading_rules": False}, 144),
        ({"search.hold_bars": [48]}, 144),
        ({}, 288),
        ({"search.hold_bars": [200, 260]}, 260),
    ):
        dataset = small_dataset(candles, **search)
        folds = folds_of(dataset)
        assert {fold.purge_bars for fold in folds} == {longest + 2}
        assert all(fold.test.start_ms - fold.train.end_ms > longest * bar_ms for fold in folds)
        window, _ = windows_of(folds, 0.25, bar_ms)
        assert window.validation_start_ms - window.train.end_ms == (longest + 2) * bar_ms
        assert max(dataset.rules.held_below(window.purge_bars).hold_bars) == longest


def test_a_short_history_keeps_its_folds_and_searches_shorter_holds(candles: Path) -> None:
    """A twice as long hold that does not fit into a test day is not searched; one asked for by name is refused."""
    short = {"walk_forward.test_days": 1, "walk_forward.folds": 2}
    dataset = small_dataset(candles, **short)
    folds = folds_of(dataset)
    window, _ = windows_of(folds, 0.25, 300_000)
    assert folds[0].purge_bars == 144 + 2
    assert dataset.rules.held_below(window.purge_bars).hold_bars == (48, 144)
    with pytest.raises(DataError, match=r"or search\.hold_bars"):
        folds_of(small_dataset(candles, **short, **{"search.hold_bars": [288]}))


@pytest.mark.parametrize(
    ("environment", "folder", "complaint"),
    [
        ({}, "/data", "HURACAN_HOME"),
        ({"HURACAN_HOME": "relative"}, "/data", "relative"),
        ({"HURACAN_HOME": "/home"}, "/data", "HURACAN__DATABASE__URL"),
        ({"HURACAN_HOME": "/home", "HURACAN__DATABASE__URL": "postgresql://u@h/d"}, "data", "folder data is relative"),
    ],
)
def test_a_job_refuses_what_its_copy_of_the_folder_would_change(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], folder: str, complaint: str
) -> None:
    """Inside a submitted job home, database and data must be absolute; outside nothing is asked."""
    for name in ("HURACAN_HOME", "HURACAN__DATABASE__URL", "RAY_JOB_CONFIG_JSON_ENV_VAR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    settings = load_settings(None, {"data.folder": folder})
    check_job(settings)
    monkeypatch.setenv("RAY_JOB_CONFIG_JSON_ENV_VAR", "{}")
    with pytest.raises(ConfigError, match=complaint):
        check_job(settings)


def test_no_window_of_training_touches_what_it_is_judged_on() -> None:
    """The search judges after it trained, a purge apart, and before every test; each fold trains as it was cut."""
    day, bar = 86_400_000, 60_000
    folds = [
        Fold(i, Window(i * day, (20 + i) * day), Window((22 + 2 * i) * day, (24 + 2 * i) * day), 720, 288, ("A/B",), ())
        for i in range(3)
    ]
    search, windows = windows_of(folds, 0.25, bar)
    assert search.train.start_ms == 0
    assert search.train.end_ms + 720 * bar == search.validation_start_ms == 15 * day
    assert search.validation_end_ms == 20 * day < min(fold.test.start_ms for fold in folds)
    assert [(window.start_ms, window.end_ms) for window in windows] == [(i * day, (20 + i) * day) for i in range(3)]
    assert all(window.end_ms <= fold.test.start_ms for window, fold in zip(windows, folds, strict=True))


@pytest.mark.postgres
def test_a_resumed_run_remembers_what_it_remembered_first(candles: Path, tmp_path: Path, database: Engine) -> None:
    """Trades written after a run began, by whomever, are no part of its memory; a new run has them."""
    dataset = small_dataset(candles)
    base_ms, settings = dataset.kernel.base_ms, dataset.settings
    earlier, now, later = (open_run(database, "shadow", settings, "0" * 64, "test") for _ in range(3))
    for run_id, name in ((earlier, "A/USDT"), (now, "B/USDT")):
        rows = sample_trades(30, run_id, symbol=name, policy=ENSEMBLE, account=COIN_ACCOUNT)
        left = np.full(30, "policy_exit")
        write_trades(database, run_id, replace(rows, exit_reason=left, layout=np.full(30, dataset.layout)))
        if run_id == earlier:
            (tmp_path / str(now)).mkdir()
            first = past_of_run(dataset, database, now, tmp_path / str(now))
            assert set(first.symbol) == {"A/USDT"}
            assert (first.layout, first.base_ms, len(first)) == (dataset.layout, base_ms, 30)
    assert past_of_run(dataset, database, now, tmp_path / str(now)).to_bytes() == first.to_bytes()
    (tmp_path / str(later)).mkdir()
    assert set(past_of_run(dataset, database, later, tmp_path / str(later)).symbol) == {"A/USDT", "B/USDT"}
    assert recollection_of(tmp_path / str(later)) == Recollection(trades=60, left_out=0)
    assert recollection_of(tmp_path / str(earlier)) is None


@pytest.mark.postgres
def test_a_memory_of_another_layout_is_refused_and_a_part_of_it_is_told(
    candles: Path, tmp_path: Path, database_server: EmbeddedServer
) -> None:
    """Nothing to remember is an empty memory; strange states only are refused; of both kinds it counts each."""
    database_server.create_database("train_layouts")
    engine = connect(database_server.url("train_layouts"))
    schema.upgrade(engine)
    dataset = small_dataset(candles)
    runs = [open_run(engine, "shadow", dataset.settings, "0" * 64, "test") for _ in range(4)]
    assert len(past_of_run(dataset, engine, runs[0], tmp_path / "none")) == 0
    assert str(recollection_of(tmp_path / "none")) == "memory: 0 closed trades of earlier runs"
    for run_id, layout, count in ((runs[1], dataset.layout + 1, 30), (runs[2], dataset.layout, 20)):
        rows = sample_trades(count, run_id, symbol=f"L{run_id}/USDT", policy=ENSEMBLE, account=COIN_ACCOUNT)
        left = np.full(count, "policy_exit")
        write_trades(engine, run_id, replace(rows, exit_reason=left, layout=np.full(count, layout)))
        if run_id == runs[1]:
            with pytest.raises(
                DataError, match=r"none of 30 closed trades .* another feature layout .*features\.memory"
            ):
                past_of_run(dataset, engine, runs[3], tmp_path / "strange")
            assert not (tmp_path / "strange").exists()
    assert len(past_of_run(dataset, engine, runs[3], tmp_path / "mixed")) == 20
    assert str(recollection_of(tmp_path / "mixed")) == (
        "memory: 20 closed trades of earlier runs; 30 on states of another feature layout, or without a risk, are left "
        "out"
    )
    engine.dispose()


@pytest.mark.postgres
def test_resume_or_start_goes_on_with_what_can_be_gone_on_with_and_starts_one_otherwise(
    tmp_path: Path, database: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One run while it is unfinished; another one after it is done, and when the candles are not the run's any more."""
    data = tmp_path / "candles"
    small_dataset(data)
    (tmp_path / "runs").write_text("")  # no run's folder can be made: each ends before Ray starts, as failed
    monkeypatch.setenv("HURACAN_HOME", str(tmp_path))
    monkeypatch.setenv("HURACAN__DATABASE__URL", database.url.render_as_string(hide_password=False))
    before = {found.run_id for found in list_runs(database, "train")}

    def begin(*words: str) -> int:
        settings = SMALL | {"ppo.lr": 0.0123}  # no other test's configuration
        given = [word for key, value in settings.items() for word in ("--set", f"{key}={json.dumps(value)}")]
        return run(program, ["--data", str(data), *given, *words], name="jobs.train")

    def runs() -> list[int]:
        return sorted({found.run_id for found in list_runs(database, "train")} - before)

    assert begin("--resume") == 2
    assert runs() == []
    for _ in range(3):
        assert begin("--resume-or-start") == 1
        (first,) = runs()
        assert read_run(database, first).status == "failed"
    finish_run(database, first, "done")
    for _ in range(2):
        assert begin("--resume-or-start") == 1
        assert len(runs()) == 2
    shutil.rmtree(data)
    write_synthetic(data, SyntheticSpec(timeframe="5m", bars=20 * 288, planted=1, null=2), seed=6)
    assert begin("--resume") == 2
    assert len(runs()) == 2
    for _ in range(2):
        assert begin("--resume-or-start") == 1
        assert len(runs()) == 3


@pytest.mark.parametrize("words", [("--resume",), ("--run-id", "1"), ("--resume", "--run-id", "1")])
def test_resume_or_start_chooses_alone(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    """Beside another choice of the run it is refused, before anything is looked at."""
    assert run(program, ["--resume-or-start", *words], name="jobs.train") == 2
    assert "--resume-or-start chooses the run itself" in capsys.readouterr().err


@pytest.fixture(params=["disk", "object store"])
def runs(request: pytest.FixtureRequest, tmp_path: Path) -> Location:
    """A place for runs of either kind."""
    if request.param == "disk":
        return tmp_path / "runs"
    store: ObjectServer = request.getfixturevalue("object_store")
    return store.bucket(f"jobs-train-{abs(hash(request.node.name)) % 10**9}") / "runs"


@pytest.fixture
def emptied(database_server: EmbeddedServer, request: pytest.FixtureRequest) -> Iterator[Engine]:
    """An engine on a database whose run numbers begin with 1."""
    name = f"numbers_{abs(hash(request.node.name)) % 10**9}"
    database_server.create_database(name)
    engine = connect(database_server.url(name))
    schema.upgrade(engine)
    yield engine
    engine.dispose()


@pytest.mark.postgres
def test_a_run_does_not_take_over_what_another_databases_run_left(
    candles: Path, runs: Location, emptied: Engine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The same number in a new or restored database: refused before anything is read; and the next number is free."""
    monkeypatch.setenv("HURACAN_HOME", str(tmp_path / "home"))
    dataset = small_dataset(candles, **{"storage.runs": str(runs)})
    settings = dataset.settings
    write_bytes(runs / "1" / "search.json", b"{}")
    own_folder(runs / "2", "2" * 64, "its writer")
    write_bytes(runs / "2" / "fold-0" / "all" / "seed-1" / "result.json", b"{}")
    for complaint in ("holds files and no owner.json", "belongs to another run of this number"):
        number = open_run(emptied, "train", settings, dataset.summary.fingerprint, "test")
        with claim_run(emptied, number) as claim, pytest.raises(UsageError, match=f"{number}.* {complaint}"):
            train(dataset, folds_of(dataset), emptied, claim, TerminalProgress())
    assert not (runs / "1" / "owner.json").exists()
    write_bytes(runs / "7" / "search.json", b"{}")
    write_bytes(runs / "notes" / "8", b"")
    write_bytes(runs / "99999999999" / "x", b"")
    leave_taken(emptied, settings)
    assert open_run(emptied, "train", settings, dataset.summary.fingerprint, "test") == 8


@pytest.mark.postgres
def test_a_place_without_runs_takes_no_number(emptied: Engine, tmp_path: Path) -> None:
    """Where there is nothing yet, or a file, which training complains of, numbers stay as they are."""
    (tmp_path / "file").write_text("")
    for place in ("none", "file"):
        leave_taken(emptied, load_settings(None, {"storage.runs": str(tmp_path / place)}, environ={}))
    assert open_run(emptied, "train", load_settings(None, {}, environ={}), "0" * 64, "test") == 1


@pytest.mark.postgres
def test_a_driver_that_lost_its_claim_writes_no_checkpoint(emptied: Engine, tmp_path: Path) -> None:
    """Its session ended by the server, the next checkpoint is refused in one line, and the newest stays as it was."""
    spec = toy_spec(seed=3, total=5000)
    number = open_run(emptied, "train", load_settings(None, {}, environ={}), "0" * 64, "test")
    with claim_run(emptied, number) as claim:
        card = make_card(spec.normaliser, spec.network)
        recording = Recording(spec, card, tmp_path, check=claim.check)
        recording.add(Checkpoint(b"first"))
        with emptied.begin() as connection:
            connection.execute(
                text("SELECT pg_terminate_backend(pid, 5000) FROM pg_locks WHERE locktype = 'advisory' AND granted")
            )
        with pytest.raises(TrainingError, match=f"run {number} is no longer claimed by this process"):
            recording.add(Checkpoint(b"second"))
    assert (tmp_path / "checkpoint.safetensors").read_bytes() == b"first"


def job(candles: Path, home: Path, url: str, *arguments: str) -> subprocess.Popen[str]:
    """Start `python -m jobs.train` as a user would."""
    settings = SMALL | {"search.num_samples": 1, "shadow.seeds": [1], "ppo.env_steps": 4096}
    assignments = [word for key, value in settings.items() for word in ("--set", f"{key}={json.dumps(value)}")]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "HURACAN_"))}
    environment |= {"HURACAN_HOME": str(home), "HURACAN__DATABASE__URL": url, "HURACAN__RAY__NUM_CPUS": "2"}
    environment["NUMBA_CACHE_DIR"] = os.environ["NUMBA_CACHE_DIR"]
    command = [sys.executable, "-m", "jobs.train", "--data", str(candles), "--json", *assignments, *arguments]
    return subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@pytest.mark.ray
@pytest.mark.postgres
@pytest.mark.slow
def test_ctrl_c_and_resume_end_in_what_was_asked_for(candles: Path, tmp_path: Path, database: Engine) -> None:
    """Ctrl-C in training is one line and exit 130; --resume finishes the same run; rows and artefacts agree."""
    url = database.url.render_as_string(hide_password=False)
    process = job(candles, tmp_path, url)
    checkpointed = False
    deadline = time.monotonic() + 280
    while time.monotonic() < deadline and process.poll() is None and not checkpointed:
        time.sleep(0.5)
        checkpointed = bool(list(tmp_path.glob("runs/*/search.json")))
    assert checkpointed
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert out == ""
    assert "Traceback" not in err
    assert "--run-id" in err
    (interrupted,) = list_runs(database, "train")
    assert interrupted.status == "interrupted"
    resumed = job(candles, tmp_path, url, "--resume")
    out, err = resumed.communicate(timeout=280)
    assert resumed.returncode == 0, err
    found = read_run(database, interrupted.run_id)
    assert found.status == "done"
    campaign = read_campaign(tmp_path / "runs" / str(found.run_id))
    assert len(campaign.versions) == 2
    (trial,) = read_trials(database, found.run_id)
    assert trial.status == "done"
    assert trial.objective is not None
    (days,) = read_daily(database, found.run_id)
    assert (days.kind, days.name, len(days.net)) == ("trial", trial.name, trial.metrics["days"])
    assert sum(days.net) / len(days.net) == pytest.approx(trial.metrics["daily_mean_quote"])
    (model,) = Registry(database).models()
    assert model.stage == "candidate"
    assert model.sha256 == campaign.versions[-1].sha256
    assert [item["sha256"] for item in json.loads(out)["versions"]] == [v.sha256 for v in campaign.versions]
    done = job(candles, tmp_path, url, "--run-id", str(found.run_id))
    _, err = done.communicate(timeout=120)
    assert done.returncode == 2
    assert "is done" in err.splitlines()[-1]


@pytest.mark.ray
@pytest.mark.postgres
@pytest.mark.slow
def test_a_lost_claim_ends_the_job_and_another_database_gets_another_number(
    candles: Path, tmp_path: Path, database: Engine, emptied: Engine
) -> None:
    """The server ends the driver's session: one line, no policy, the row as it was; a new database goes on."""
    first = open_run(database, "train", load_settings(None, {}, environ={}), "0" * 64, "test") + 1
    process = job(candles, tmp_path, database.url.render_as_string(hide_password=False))
    folder = tmp_path / "runs" / str(first)
    deadline = time.monotonic() + 280
    while time.monotonic() < deadline and process.poll() is None and not (folder / "search.json").exists():
        time.sleep(0.1)
    with database.begin() as connection:
        ended = "SELECT pg_terminate_backend(pid, 5000) FROM pg_locks WHERE locktype = 'advisory' AND granted"
        assert connection.execute(text(ended)).scalars().all() == [True]
    _, err = process.communicate(timeout=280)
    assert process.returncode == 1, err
    assert f"run {first} is no longer claimed by this process" in err.splitlines()[-1]
    assert "Traceback" not in err
    assert read_run(database, first).status == "running"
    assert not list(folder.glob("fold-*/*/*/result.json"))
    other = job(candles, tmp_path, emptied.url.render_as_string(hide_password=False), "--set", "ppo.lr=2e-3")
    out, err = other.communicate(timeout=280)
    assert other.returncode == 0, err
    (found,) = list_runs(emptied, "train")
    assert (found.run_id, found.status) == (first + 1, "done")
    assert all(f"/runs/{first + 1}/" in version["artefact"] for version in json.loads(out)["versions"])
    assert not list(folder.glob("fold-*/*/*/result.json"))

"""Runs and disks as they should not be: damaged, unfinished, of other candles, full; each named in one line."""

import json
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Engine

import huracan
from huracan.cli import cli
from huracan.config import Settings, load_settings
from huracan.env import Dataset
from huracan.memory import open_run
from huracan.terminal import run
from tests.e2e.program import QUICK, Program

pytestmark = pytest.mark.postgres


# -- runs --------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def settings(candles: Path) -> Settings:
    """The settings of the runs below."""
    return load_settings(None, {"data.folder": str(candles), "search.num_samples": 0, "walk_forward.folds": 1}, {})


@pytest.fixture(scope="module")
def fingerprint(settings: Settings) -> str:
    """What identifies the sound candles."""
    return Dataset.load(settings).summary.fingerprint


@pytest.fixture
def run_id(program: Program, database: Engine, settings: Settings, fingerprint: str) -> int:
    """A run of the sound candles that has left nothing so far."""
    return open_run(database, "train", settings, fingerprint, huracan.__version__)


def folder_of(program: Program, run_id: int) -> Path:
    """Return the folder of a run, made."""
    folder = program.folder / "home" / "runs" / str(run_id)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def written(folder: Path, *versions: object) -> None:
    """Write a finished campaign of these versions."""
    (folder / "campaign.json").write_text(json.dumps({"ppo": {}, "trading": {}, "trials": [], "versions": versions}))


VERSION = {"fold": 0, "scope": "*", "symbols": ["BTC/USDT"], "artefact": "ensemble", "sha256": "0" * 64, "seeds": []}


@pytest.mark.parametrize("command", ["train", "shadow", "report"])
@pytest.mark.parametrize("number", ["999", "-1", "99999999999999999999"])
def test_a_run_that_does_not_exist_is_named(command: str, number: str, program: Program) -> None:
    """A number that no run has is named."""
    assert f"there is no run {number} in" in program.complaint(
        2, command, "--run-id", number, "--data", str(program.candles), *QUICK
    )


def test_nothing_to_resume_is_said(program: Program) -> None:
    """`--resume` without an unfinished run of the configuration says how to start one."""
    line = program.complaint(2, "train", "--resume", "--data", str(program.candles), "--set", "ppo.lr=0.01")
    assert "no unfinished training run has this configuration" in line


@pytest.mark.parametrize("command", ["shadow", "report"])
def test_an_unfinished_training_is_not_judged(command: str, program: Program, run_id: int) -> None:
    """Shadow trading and report of a run that was not trained to its end say so and name the file that lacks."""
    line = program.complaint(2, command, "--run-id", str(run_id), "--data", str(program.candles), *QUICK)
    assert "campaign.json is missing: the training is not finished" in line


LR_BELOW_ZERO = '{"ppo": {"lr": -1}, "trading": {}, "trials": [], "versions": []}'


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "1", LR_BELOW_ZERO, '{"ppo": {}, "trials": []}', "\x00"],
)
@pytest.mark.parametrize("command", ["shadow", "report"])
def test_a_damaged_campaign_is_named(command: str, content: str, program: Program, run_id: int) -> None:
    """Whatever stands in campaign.json instead of a campaign, the file is named."""
    path = folder_of(program, run_id) / "campaign.json"
    path.write_text(content)
    line = program.complaint(1, command, "--run-id", str(run_id), "--data", str(program.candles), *QUICK)
    assert f"{path} is damaged" in line


@pytest.mark.parametrize("content", ["", "1", '"x"', "{}", '{"curve": 1}', '{"curve": [1], "artefact": "x"}'])
def test_a_damaged_seed_is_named(content: str, program: Program, run_id: int) -> None:
    """Whatever stands in a seed's result.json instead of a result, the file is named."""
    folder = folder_of(program, run_id)
    written(folder, VERSION | {"seeds": ["seed-1"]})
    (folder / "seed-1").mkdir()
    (folder / "seed-1" / "result.json").write_text(content)
    line = program.complaint(1, "shadow", "--run-id", str(run_id), "--data", str(program.candles), *QUICK)
    assert f"{folder / 'seed-1' / 'result.json'} is damaged" in line


@pytest.mark.parametrize("content", [None, "", "{", "[]", "{}"])
def test_a_damaged_artefact_is_named_before_anything_starts(content: str | None, program: Program, run_id: int) -> None:
    """An artefact that is not there or is none stops shadow trading at once, with its path."""
    folder = folder_of(program, run_id)
    written(folder, VERSION)
    if content is not None:
        (folder / "ensemble").mkdir()
        (folder / "ensemble" / "policy.json").write_text(content)
    line = program.complaint(2, "shadow", "--run-id", str(run_id), "--data", str(program.candles), *QUICK)
    assert str(folder / "ensemble" / "policy.json") in line


@pytest.mark.parametrize(
    ("content", "fault"), [(None, "missing"), ("", "damaged"), ("{", "damaged"), ("[]", "damaged")]
)
def test_a_report_needs_shadow_trading(content: str | None, fault: str, program: Program, run_id: int) -> None:
    """A report without, or with a damaged, shadow.json names the file and the command that makes it."""
    folder = folder_of(program, run_id)
    written(folder)
    if content is not None:
        (folder / "shadow.json").write_text(content)
    line = program.complaint(2, "report", "--run-id", str(run_id), "--data", str(program.candles), *QUICK)
    assert f"{folder / 'shadow.json'} is {fault}" in line
    assert f"huracan shadow --run-id {run_id}" in line


@pytest.mark.parametrize("command", ["train", "shadow", "report"])
def test_other_candles_are_refused(command: str, program: Program, run_id: int) -> None:
    """A run goes on with the candles it began with, and with no others."""
    folder = folder_of(program, run_id)
    written(folder)
    others = ["--data", str(program.candles), *QUICK, "--set", "data.symbols=[BTC/USDT]"]
    line = program.complaint(2, command, "--run-id", str(run_id), *others)
    assert f"run {run_id}" in line


def test_a_run_is_judged_on_the_days_it_was_trained_for(program: Program, run_id: int) -> None:
    """Fewer, later or other test days would be chosen after the result: both values are named."""
    written(folder_of(program, run_id))
    others = ["--data", str(program.candles), *QUICK, "--set", "walk_forward.test_days=3"]
    line = program.complaint(2, "shadow", "--run-id", str(run_id), *others)
    assert f"run {run_id} cannot be judged on other days" in line
    assert "walk_forward.test_days is 3.0, the run's None" in line


# -- disk --------------------------------------------------------------------------------------------------------------


@contextmanager
def full_disk(largest_bytes: int) -> Iterator[None]:
    """Let no file of this process grow past a size: what a full disk does to a write, without root."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize(
    "words",
    [
        ["data", "synth", "out", "--timeframe", "1h", "--bars", "500", "--planted", "1", "--null", "1"],
        ["features", "build", "--out", "out"],
    ],
    ids=["data synth", "features build"],
)
def test_a_disk_that_fills_leaves_nothing_half_written(words: list[str], program: Program) -> None:
    """The file is named, no part of it stays, and the same command works when there is room."""
    given = words if words[0] == "data" else [*words, "--data", str(program.candles)]
    with full_disk(2_000):
        line = program.complaint(2, *given)
    assert "out/" in line
    assert "cannot be written: File too large; nothing was changed, free space" in line
    assert run(cli, given) == 0
    assert not [path for path in (program.folder / "out").iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize(
    "words",
    [["data", "synth", "out", "--bars", "500"], ["features", "build", "--out", "out"]],
    ids=["data synth", "features build"],
)
def test_a_file_in_the_place_of_a_folder_is_named(words: list[str], program: Program) -> None:
    """An output folder that is a file is named, and the file is left alone."""
    (program.folder / "out").write_text("mine")
    given = words if words[0] == "data" else [*words, "--data", str(program.candles)]
    assert "cannot be written" in program.complaint(2, *given)


def test_a_run_folder_that_cannot_be_made_stops_before_ray(program: Program, database: Engine) -> None:
    """A training whose folder cannot be made ends by naming it; the run is kept as failed, to be resumed."""
    (program.folder / "home").mkdir()
    (program.folder / "home" / "runs").write_text("")
    line = program.complaint(1, "train", "--data", str(program.candles), *QUICK)
    assert str(program.folder / "home" / "runs") in line

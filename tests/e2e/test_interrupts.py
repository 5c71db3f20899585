"""Ctrl-C to the whole process group, SIGTERM to the command: one line, exit 130 or 143, and the run goes on."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from sqlalchemy import Engine

from huracan.learn.campaign import read_campaign
from huracan.market import SyntheticSpec, write_synthetic
from huracan.memory import list_runs, read_trials

pytestmark = [pytest.mark.slow, pytest.mark.ray, pytest.mark.postgres, pytest.mark.timeout(900)]

SMALL = {
    "search": {"num_samples": 1, "seeds_per_trial": 1, "env_steps": 40_960, "grace_env_steps": 2_048},
    "ppo": {"env_steps": 40_960, "train_batch_size": 1_024, "minibatch_size": 512, "num_epochs": 1},
    "env": {"num_envs": 16},
    "policy": {"hidden": [16]},
    "walk_forward": {"folds": 1},
    "shadow": {"seeds": [1], "random_policies": 2, "bootstrap_resamples": 50},
    "ray": {"num_cpus": 2, "object_store_mb": 100},
}
START_S = 240.0


class Checkout:
    """A home, a configuration and candles, and the program started in them as a user starts it."""

    def __init__(self, folder: Path, database: Engine) -> None:
        self.folder = folder
        self.home = folder / "home"
        write_synthetic(folder / "candles", SyntheticSpec(timeframe="1h", bars=2_000, planted=1, null=1), seed=7)
        (folder / "small.yaml").write_text(json.dumps(SMALL))
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("HURACAN_", "RAY_"))}
        url = database.url.render_as_string(hide_password=False)
        self._environment = kept | {"HURACAN_HOME": str(self.home), "HURACAN__DATABASE__URL": url}

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Start the program in a process group of its own."""
        program = str(Path(sys.executable).with_name("huracan"))
        return subprocess.Popen(
            [program, "--config", "small.yaml", *words, "--data", "candles"],
            cwd=self.folder, env=self._environment, text=True, start_new_session=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def interrupted(self, sign: str, *words: str, number: signal.Signals = signal.SIGINT) -> str:
        """Start the program, end it when a file like `sign` is in the runs' folder, and return its last line."""
        process = self.start(*words)
        deadline = time.monotonic() + START_S
        while not list(self.home.glob(f"runs/{sign}")):
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.1)
        if number is signal.SIGINT:
            os.killpg(process.pid, number)
        else:
            process.send_signal(number)
        out, err = process.communicate(timeout=60)
        assert process.returncode == 128 + number, err
        assert out == ""
        assert "Traceback" not in err
        last = err.splitlines()[-1]
        assert [line for line in err.splitlines() if "interrupt" in line] == [last]
        self.hold_no_rest()
        return last

    def finished(self, *words: str) -> str:
        """Run the program to its end and return what it wrote to stdout."""
        process = self.start(*words)
        out, err = process.communicate(timeout=400)
        assert process.returncode == 0, err
        assert "Traceback" not in err
        self.hold_no_rest()
        return out

    def hold_no_rest(self) -> None:
        """Hold that every JSON file under the runs is whole and that no write left its beginnings."""
        runs = self.home / "runs"
        assert not [path for path in runs.rglob(".*") if path.suffix in (".tmp", ".partial")]
        for path in runs.glob("*/*.json"):
            json.loads(path.read_bytes())


@pytest.fixture
def checkout(tmp_path: Path, database: Engine) -> Checkout:
    """A place to run in; the database is the module's."""
    return Checkout(tmp_path, database)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_search_goes_on_after_its_end(checkout: Checkout, database: Engine, number: signal.Signals) -> None:
    """Interrupted after its first report, a search says how to go on; `--resume` finishes the same run and trial."""
    line = checkout.interrupted("*/search/run_trial*/result.json", "train", number=number)
    stopped = list_runs(database, "train")[0]
    assert line == (
        f"error: interrupted; what run {stopped.run_id} has finished is kept; go on with --run-id {stopped.run_id}"
    )
    assert stopped.status == "interrupted"
    assert not (checkout.home / "runs" / str(stopped.run_id) / "search.json").exists()
    checkout.finished("train", "--resume")
    done = list_runs(database, "train")[0]
    assert (done.run_id, done.status) == (stopped.run_id, "done")
    (trial,) = read_trials(database, done.run_id)
    assert trial.status == "done"
    campaign = read_campaign(checkout.home / "runs" / str(done.run_id))
    assert [result.seed for version in campaign.versions for result in version.seeds] == [1]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_same_demo_command_goes_on_after_its_end(
    checkout: Checkout, database: Engine, number: signal.Signals
) -> None:
    """Interrupted or terminated in training, the demo finishes the same run when its command is given again."""
    sign = "*/fold-0/all/seed-1/checkpoint.safetensors"
    line = checkout.interrupted(sign, "demo", "--out", "out", "--json", number=number)
    assert line == "error: interrupted; run the same command again to go on"
    assert not (checkout.folder / "out").exists()
    stopped = list_runs(database, "demo")[0]
    assert stopped.status == "interrupted"
    (search,) = checkout.home.glob("runs/*/search.json")
    frozen = search.read_bytes()
    shown = json.loads(checkout.finished("demo", "--out", "out", "--json"))
    done = list_runs(database, "demo")[0]
    assert (str(done.run_id), done.status) == (shown["run_id"], "done")
    assert done.run_id == stopped.run_id
    assert search.read_bytes() == frozen
    assert sorted(path.name for path in (checkout.folder / "out").iterdir()) == ["report.html", "report.json"]

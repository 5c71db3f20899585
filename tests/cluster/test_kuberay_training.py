"""The training of cluster/kuberay/train, by its own words: it begins, and a retry goes on with what it began."""

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from sqlalchemy import Engine

from huracan.memory import EmbeddedServer, connect, list_runs, schema
from huracan.terminal import run
from jobs.train import program
from tests.learn.worlds import SMALL, small_dataset

ROOT = Path(__file__).parents[2]
MANIFEST = yaml.safe_load((ROOT / "cluster" / "kuberay" / "train" / "rayjob.yaml").read_text(encoding="utf-8"))
SMALL_RUN = {
    **SMALL,
    "quality.history_min_bars": 1_000,
    "env.cost_scale": [1.0, 1.0],
    "search.num_samples": 0,
    "walk_forward.folds": 1,
    "shadow.seeds": [1],
    "ppo.env_steps": 65_536,
    "ppo.num_env_runners": 0,
    "ray.address": None,
    "ray.num_cpus": 2,
    "ray.object_store_mb": 100,
    "ray.include_dashboard": False,
}
"""Makes of the production's training one of a minute on this machine."""


def training(data: Path) -> list[str]:
    """Return the entrypoint's own words after the program, with this machine's places, and how small it shall be."""
    words = shlex.split(MANIFEST["spec"]["entrypoint"])[3:]
    places = {
        words[words.index("--config") + 1]: str(ROOT / "configs" / "production.yaml"),
        words[words.index("--data") + 1]: str(data),
    }
    small = [word for key, value in SMALL_RUN.items() for word in ("--set", f"{key}={json.dumps(value)}")]
    return [places.get(word, word) for word in words] + small


@pytest.mark.postgres
def test_a_first_training_begins_a_run_and_a_retry_takes_it_up(
    tmp_path: Path, database: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The entrypoint opens a run in an empty database; after its failure the same words set the same run going."""
    small_dataset(tmp_path / "candles")
    (tmp_path / "runs").write_text("")  # the run's folder cannot be made: it ends before Ray starts
    monkeypatch.setenv("HURACAN_HOME", str(tmp_path))
    monkeypatch.setenv("HURACAN__DATABASE__URL", database.url.render_as_string(hide_password=False))
    assert list_runs(database) == ()
    assert run(program, training(tmp_path / "candles"), name="jobs.train") == 1
    (begun,) = list_runs(database)
    assert run(program, training(tmp_path / "candles"), name="jobs.train") == 1
    (again,) = list_runs(database)
    assert (begun.status, again.status, again.run_id) == ("failed", "failed", begun.run_id)
    assert begun.finished_at is not None
    assert again.finished_at is not None
    assert again.finished_at > begun.finished_at


@pytest.mark.slow
@pytest.mark.ray
@pytest.mark.postgres
def test_a_training_whose_pod_goes_is_finished_by_the_retry(tmp_path: Path, database_server: EmbeddedServer) -> None:
    """The entrypoint trains from nothing; ended as Kubernetes ends a pod, the same words finish what it began."""
    database_server.create_database("kuberay_training")
    engine = connect(database_server.url("kuberay_training"))
    schema.upgrade(engine)
    small_dataset(tmp_path / "candles")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "HURACAN_"))}
    environment |= {"HURACAN_HOME": str(tmp_path), "HURACAN__DATABASE__URL": database_server.url("kuberay_training")}
    command = [sys.executable, "-m", "jobs.train", *training(tmp_path / "candles")]

    def start() -> subprocess.Popen[str]:
        return subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    first = start()
    deadline = time.monotonic() + 200
    while not list(tmp_path.glob("runs/*/**/checkpoint.safetensors")):
        assert first.poll() is None, first.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.1)
    first.send_signal(signal.SIGTERM)
    out, _ = first.communicate(timeout=60)
    assert first.returncode == 128 + signal.SIGTERM, out
    (stopped,) = list_runs(engine)
    assert stopped.status == "interrupted"
    retry = start()
    out, _ = retry.communicate(timeout=280)
    assert retry.returncode == 0, out
    (done,) = list_runs(engine)
    assert (done.run_id, done.status) == (stopped.run_id, "done")
    engine.dispose()

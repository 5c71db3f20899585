"""Jobs on a cluster of several nodes whose workers have disks of their own: stopped, resumed, and a node killed."""

import json
import re
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import safetensors
from sqlalchemy import Engine, text
from tensorboardX.proto.event_pb2 import Event

from huracan.learn.campaign import read_campaign
from huracan.learn.train import CHECKPOINT_EVERY
from huracan.memory import EmbeddedServer, Run, list_runs, read_trades, read_trials
from huracan.memory.trades import encode_trades
from huracan.policy import load_artefact
from huracan.storage import write_bytes
from tests.cluster.nodes import RAY, nodes
from tests.cluster.nodes_jobs import LONG_S, Site, make_site
from tests.objects import ACCESS_KEY, SECRET, ObjectServer
from tests.trader.processes import until

pytestmark = [pytest.mark.slow, pytest.mark.ray, pytest.mark.postgres, pytest.mark.timeout(1_800)]

BATCH, ENV_STEPS, GRACE = 2_048, 196_608, 20_480
SHORT = (
    *("--set", "search.num_samples=0", "--set", "walk_forward.folds=1", "--set", "shadow.seeds=[1]"),
    *("--set", f"ppo.env_steps={ENV_STEPS}", "--set", f"ppo.train_batch_size={BATCH}"),
)


@pytest.fixture(scope="module")
def site(database: Engine, database_server: EmbeddedServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A head that does not work and two workers that see nothing of its home and its candles."""
    name = database.url.database
    assert name is not None
    with nodes() as cluster:
        cluster.start_head()
        made = make_site(cluster, tmp_path_factory.mktemp("site"), database_server.url(name))
        print(f"market seed 1; the workers {'do not see' if made.hidden else 'see (no root here)'} the head's disk")
        for _ in range(2):
            cluster.add(1, made.hidden)
        yield made


def train(site: Site, name: str, *words: str) -> None:
    """Submit a training."""
    site.submit(name, "jobs.train", "--data", str(site.candles), *SHORT, *words)


def newest(engine: Engine) -> Run:
    """Return the newest training."""
    return max(list_runs(engine, "train"), key=lambda run: run.run_id)


def test_a_worker_killed_in_training_costs_at_most_one_checkpoint_interval(site: Site, database: Engine) -> None:
    """The other worker goes on from the newest checkpoint; what was learnt twice is a figure of the result."""
    train(site, "killed")
    run_id = site.wait("killed", "a run", lambda: _running(database))
    site.wait("killed", "a checkpoint", lambda: site.checkpoint(run_id).exists())
    victim = until("the worker that trains", lambda: site.busy("train-seed-1"), LONG_S)
    begun = time.monotonic()
    site.cluster.lose(victim)
    other = until("its successor", lambda: site.busy("train-seed-1"), LONG_S)
    print(f"trains again on {other.name} {time.monotonic() - begun:.1f} s after the kill")
    site.done("killed")
    (version,) = read_campaign(site.home / "runs" / str(run_id)).versions
    (seed,) = version.seeds
    steps = [point.env_steps for point in seed.curve]
    print(f"lost: {seed.repeated_env_steps:,} of {seed.env_steps:,} steps; an interval is {CHECKPOINT_EVERY * BATCH:,}")
    assert steps == sorted(set(steps))
    assert seed.env_steps >= ENV_STEPS
    assert seed.repeated_env_steps <= CHECKPOINT_EVERY * BATCH
    site.cluster.add(1, site.hidden)


def test_a_worker_killed_in_the_search_costs_at_most_one_report(site: Site, database: Engine) -> None:
    """Its trial goes on elsewhere from its last report, though no worker sees what another has written."""
    more = {"num_samples": 2, "seeds_per_trial": 1, "env_steps": 6 * GRACE, "grace_env_steps": GRACE}
    train(site, "searched", *(word for name, value in more.items() for word in ("--set", f"search.{name}={value}")))
    run_id = site.wait("searched", "a run", lambda: _running(database))
    trials = site.home / "runs" / str(run_id) / "trials"
    site.wait("searched", "a report of each", lambda: len(list(trials.glob("*.safetensors"))) == 2)
    seen: list[dict[str, int]] = []

    def look() -> bool:
        seen.append({trial.name: trial.env_steps for trial in read_trials(database, run_id)})
        return (trials.parent / "search.json").exists()

    look()
    victim = until("a worker with a trial", lambda: site.busy("ImplicitFunc"), LONG_S)
    killed_s = time.time()
    site.cluster.lose(victim)
    site.wait("searched", "the end of the search", look)
    look()
    found = read_trials(database, run_id)
    print(f"search: reached {seen[0]} at the kill and {seen[-1]} at the end")
    lost = [
        _lost(rows, victim.address, killed_s)
        for rows in map(_reports, (trials.parent / "search").glob("*/result.json"))
        if any(row["node_ip"] == victim.address and row["timestamp"] < killed_s for row in rows)
    ]
    print(f"lost: about {lost} steps of the trial that ran there, by its pace; a report comes every {GRACE:,}")
    assert [trial.status for trial in found] == ["done", "done"]
    for name in seen[-1]:
        steps = [row[name] for row in seen if name in row]
        assert steps == sorted(steps), "a trial began anew"
    site.cluster.run(RAY, "job", "stop", "searched")
    site.cluster.add(1, site.hidden)


def _running(engine: Engine) -> int | None:
    return next((run.run_id for run in list_runs(engine, "train") if run.status == "running"), None)


def _reports(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _lost(rows: list[dict[str, Any]], address: str, killed_s: float) -> int:
    """Return how many steps a trial had learnt from since its last report from a machine that was killed, by its pace.

    Its next report comes from elsewhere and is one further, not more: the trial went on from where that one stood.
    """
    last = max(index for index, row in enumerate(rows) if row["node_ip"] == address and row["timestamp"] < killed_s)
    report, following = rows[last], rows[last + 1]
    assert following["node_ip"] != address
    assert following["env_steps"] - report["env_steps"] <= GRACE + BATCH
    return round(report["env_steps"] / report["train_wall_s"] * (killed_s - report["timestamp"]))


def _trained(site: Site, engine: Engine) -> int:
    """Return a finished training; a short one is made where no test before has left any."""
    done = [run.run_id for run in list_runs(engine, "train") if run.status == "done"]
    if not done:
        train(site, "trained", "--set", f"ppo.env_steps={4 * BATCH}")
        site.done("trained")
        done = [newest(engine).run_id]
    return max(done)


def test_a_worker_killed_in_shadow_costs_its_own_tasks_alone(site: Site, database: Engine) -> None:
    """What ran there runs again elsewhere, nothing else does, and report and trades are those of an undisturbed run."""
    run_id = _trained(site, database)
    report = site.home / "runs" / str(run_id) / "shadow.json"
    long = ("--set", "shadow.random_policies=10000", "--set", "shadow.coins_per_block=1")
    more = ("--run-id", str(run_id), "--data", str(site.candles), *long)
    site.submit("calm", "jobs.shadow", *more)
    site.done("calm")
    calm, trades = _judged(report), _trades(database, run_id)
    before = {row["task_id"] for row in _tasks(site)}
    report.unlink()
    with database.begin() as connection:
        connection.execute(text("DELETE FROM trade_memory WHERE run_id = :run"), {"run": run_id})
    site.submit("stormy", "jobs.shadow", *more)

    def fresh() -> list[dict[str, Any]]:
        return [row for row in _tasks(site) if row["task_id"] not in before]

    site.wait("stormy", "tasks that are done", lambda: sum(row["state"] == "FINISHED" for row in fresh()) >= 3)
    victim = site.wait("stormy", "a task that runs", lambda: site.busy("ray::trade_randomly"))
    (node_id,) = [one for one, address in site.cluster.alive().items() if address == victim.address]
    there = [row for row in fresh() if row["node_id"] == node_id]
    site.cluster.lose(victim)
    site.done("stormy")
    attempts = Counter(row["attempt_number"] for row in fresh())
    repeated = {row["task_id"] for row in fresh() if row["attempt_number"] > 0}
    tasks = len({row["task_id"] for row in fresh()})
    print(f"lost: {len(repeated)} of {tasks} tasks ran again ({len(there)} had begun or ended there); {dict(attempts)}")
    print(f"trades: {len(read_trades(database, run_id))}, {len(trades):,} bytes in the undisturbed run")
    assert repeated
    assert len(repeated) <= len(there) + 1
    assert _judged(report) == calm
    assert _trades(database, run_id) == trades
    site.cluster.add(1, site.hidden)


def test_a_job_is_submitted_watched_stopped_and_resumed_with_the_token_alone(site: Site, database: Engine) -> None:
    """Without the token nobody submits; a stopped training goes on from its last checkpoint."""
    stranger = site.cluster.run(RAY, "job", "list", check=False, RAY_AUTH_MODE="disabled", RAY_AUTH_TOKEN_PATH="")
    assert "SUCCEEDED" not in stranger
    assert "401" in stranger or "nauthor" in stranger or "nauthenticated" in stranger
    train(site, "first", "--set", f"ppo.env_steps={2 * ENV_STEPS}")
    run_id = site.wait("first", "a run", lambda: _running(database))
    site.wait("first", "a checkpoint", lambda: site.checkpoint(run_id).exists())
    site.wait("first", "progress in the log", lambda: "seed 1" in site.logs("first"))
    site.cluster.run(RAY, "job", "stop", "first")
    said = site.cluster.run(RAY, "job", "logs", "first")
    assert "seed 1" in said
    stopped = newest(database)
    assert (site.status("first"), stopped.status) == ("STOPPED", "interrupted")
    curves = site.home / "runs" / str(run_id) / "tensorboard" / "fold-0" / "all" / "seed-1"
    (before,) = curves.glob("events.*")
    reached, kept = _learnt(before)[-1], _kept(site.checkpoint(run_id))
    train(site, "second", "--set", f"ppo.env_steps={2 * ENV_STEPS}", "--resume")
    site.done("second")
    done = newest(database)
    assert (done.run_id, done.status) == (run_id, "done")
    (after,) = set(curves.glob("events.*")) - {before}
    print(
        f"lost: {reached - kept:,} of {2 * ENV_STEPS:,} steps: stopped after {reached:,}, the resumed first batch "
        f"ended at {_learnt(after)[0]:,}; an interval is {CHECKPOINT_EVERY * BATCH:,}"
    )
    assert 0 <= reached - kept <= (CHECKPOINT_EVERY + 1) * BATCH
    assert kept < _learnt(after)[0] <= kept + 2 * BATCH
    (version,) = read_campaign(site.home / "runs" / str(done.run_id)).versions
    assert version.seeds[0].env_steps >= 2 * ENV_STEPS


def _kept(checkpoint: Path) -> int:
    """Return the steps that a checkpoint holds."""
    with safetensors.safe_open(checkpoint, "numpy") as file:
        return int(json.loads(file.metadata()["huracan"])["extra"]["curve"][-1]["env_steps"])


def test_with_a_bucket_no_machine_needs_the_disk_of_another(
    site: Site, database: Engine, object_store: ObjectServer
) -> None:
    """Candles are read in the bucket by the workers that compute features; the run ends there, its home stays empty."""
    bucket = object_store.bucket("nodes")
    for file in site.candles.iterdir():
        write_bytes(bucket / "candles" / file.name, file.read_bytes())
    rights = {"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_EC2_METADATA_DISABLED": "true"}
    runs = ("--set", f"storage.runs={bucket / 'runs'}", "--set", "shadow.coins_per_block=1")
    words = ("jobs.train", "--data", str(bucket / "candles"), *SHORT, *runs, "--set", f"ppo.env_steps={2 * BATCH}")
    before = {row["task_id"] for row in site.cluster.rows("tasks")}
    site.submit("bucket", *words, **rights)
    site.done("bucket")
    run_id = newest(database).run_id
    (version,) = read_campaign(bucket / "runs" / str(run_id)).versions
    assert load_artefact(version.artefact).sha256 == version.sha256
    assert not list(site.home.glob(f"runs/{run_id}/fold-*"))
    workers = {
        one for one, address in site.cluster.alive().items() if address in {w.address for w in site.cluster.workers}
    }
    rows = [
        row
        for row in site.cluster.rows("tasks")
        if row["name"] in ("_run_machines", "_rank") and row["task_id"] not in before
    ]
    print(f"features: {len(rows)} tasks on {len({row['node_id'] for row in rows})} of {len(workers)} workers")
    assert len(rows) >= 6
    assert {row["node_id"] for row in rows} <= workers
    site.submit("bucket-shadow", "jobs.shadow", "--run-id", str(run_id), **rights)
    site.done("bucket-shadow")
    assert (bucket / "runs" / str(run_id) / "shadow.json").is_file()


def _learnt(events: Path) -> list[int]:
    """Return after how many steps each iteration ended, by a TensorBoard file: records of length, sum, event, sum."""
    data, steps, at = events.read_bytes(), list[int](), 0
    while at < len(data):
        length = int.from_bytes(data[at : at + 8], "little")
        event = Event.FromString(data[at + 12 : at + 12 + length])
        if event.step and event.step not in steps:
            steps.append(event.step)
        at += 16 + length
    return steps


def _tasks(site: Site) -> list[dict[str, Any]]:
    rows = site.cluster.rows("tasks")
    return [row for row in rows if row["name"].startswith(("trade_", "train_tree", "walk_paths", "learn_meta"))]


def _judged(report: Path) -> str:
    """Return a report less how fast it was computed."""
    return re.sub(r'"decisions_per_s": [^,}]+', "", report.read_text(encoding="utf-8"))


def _trades(engine: Engine, run_id: int) -> bytes:
    return encode_trades(run_id, read_trades(engine, run_id))

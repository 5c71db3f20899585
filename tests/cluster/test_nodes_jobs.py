"""Jobs on a cluster of several nodes whose workers have disks of their own: stopped, resumed, and a node killed."""

import json
import re
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Engine, text

from huracan.learn.campaign import read_campaign
from huracan.learn.train import CHECKPOINT_EVERY
from huracan.memory import EmbeddedServer, Run, list_runs, read_trials
from tests.cluster.nodes import RAY, nodes
from tests.cluster.nodes_jobs import LONG_S, Site, make_site
from tests.trader.processes import until

pytestmark = [pytest.mark.slow, pytest.mark.ray, pytest.mark.postgres, pytest.mark.timeout(1_800)]

BATCH, ENV_STEPS = 2_048, 196_608
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
    grace = 20_480
    more = {"num_samples": 2, "seeds_per_trial": 1, "env_steps": 6 * grace, "grace_env_steps": grace}
    train(site, "searched", *(word for name, value in more.items() for word in ("--set", f"search.{name}={value}")))
    run_id = site.wait("searched", "a run", lambda: _running(database))
    trials = site.home / "runs" / str(run_id) / "trials"
    site.wait("searched", "a report", lambda: list(trials.glob("*.safetensors")))
    seen: list[dict[str, int]] = []

    def look() -> bool:
        seen.append({trial.name: trial.env_steps for trial in read_trials(database, run_id)})
        return (trials.parent / "search.json").exists()

    look()
    site.cluster.lose(until("a worker with a trial", lambda: site.busy("ImplicitFunc"), LONG_S))
    site.wait("searched", "the end of the search", look)
    look()
    found = read_trials(database, run_id)
    print(f"search: reached {seen[0]} at the kill and {seen[-1]} at the end; lost: under {grace:,} steps of one trial")
    assert [trial.status for trial in found] == ["done", "done"]
    for name in seen[-1]:
        steps = [row[name] for row in seen if name in row]
        assert steps == sorted(steps), "a trial began anew"
    site.cluster.run(RAY, "job", "stop", "searched")
    site.cluster.add(1, site.hidden)


def _running(engine: Engine) -> int | None:
    return next((run.run_id for run in list_runs(engine, "train") if run.status == "running"), None)


def test_a_worker_killed_in_shadow_costs_its_own_tasks_alone(site: Site, database: Engine) -> None:
    """What ran there runs again elsewhere, nothing else does, and report and trades are those of an undisturbed run."""
    run_id = max(run.run_id for run in list_runs(database, "train") if run.status == "done")
    report = site.home / "runs" / str(run_id) / "shadow.json"
    more = ("--run-id", str(run_id), "--data", str(site.candles))
    site.submit("calm", "jobs.shadow", *more)
    site.done("calm")
    calm, trades = json.loads(report.read_text()), _trades(database, run_id)
    before = {row["task_id"] for row in _tasks(site)}
    site.submit("stormy", "jobs.shadow", *more)

    def fresh() -> list[dict[str, Any]]:
        return [row for row in _tasks(site) if row["task_id"] not in before]

    site.wait("stormy", "tasks that are done", lambda: sum(row["state"] == "FINISHED" for row in fresh()) >= 3)
    victim = until("a task that runs", lambda: site.busy("ray::trade_"), LONG_S)
    (node_id,) = [one for one, address in site.cluster.alive().items() if address == victim.address]
    there = [row for row in fresh() if row["node_id"] == node_id]
    site.cluster.lose(victim)
    site.done("stormy")
    attempts = Counter(row["attempt_number"] for row in fresh())
    repeated = {row["task_id"] for row in fresh() if row["attempt_number"] > 0}
    tasks = len({row["task_id"] for row in fresh()})
    print(f"lost: {len(repeated)} of {tasks} tasks ran again ({len(there)} had begun or ended there); {dict(attempts)}")
    assert repeated
    assert len(repeated) <= len(there) + 1
    assert json.loads(report.read_text()) == calm
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
    stopped = newest(database)
    assert (site.status("first"), stopped.status) == ("STOPPED", "interrupted")
    reached = max(_steps(said))
    train(site, "second", "--set", f"ppo.env_steps={2 * ENV_STEPS}", "--resume")
    resumed = _steps(site.done("second"))
    done = newest(database)
    assert (done.run_id, done.status) == (run_id, "done")
    print(f"stopped after {reached:,} steps at least, the resumed job's first line is {min(resumed):,}")
    assert min(resumed) > CHECKPOINT_EVERY * BATCH
    (version,) = read_campaign(site.home / "runs" / str(done.run_id)).versions
    assert version.seeds[0].env_steps >= ENV_STEPS


def _steps(said: str) -> list[int]:
    return [int(found.replace(",", "")) for found in re.findall(r"seed 1: ([\d,]+) of", said)]


def _tasks(site: Site) -> list[dict[str, Any]]:
    rows = site.cluster.rows("tasks")
    return [row for row in rows if row["name"].startswith(("trade_", "train_tree", "walk_paths", "learn_meta"))]


def _trades(engine: Engine, run_id: int) -> list[tuple[Any, ...]]:
    query = (
        "SELECT symbol, entry_at, exit_at, count(*) FROM trade_memory WHERE run_id = :run GROUP BY 1, 2, 3 ORDER BY "
        "1, 2, 3"
    )
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(query), {"run": run_id})]

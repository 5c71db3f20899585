"""A cluster that grows when a training asks for it and shrinks when it is done, with Ray's own autoscaler."""

import threading
import time
from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from huracan.learn.campaign import read_campaign
from huracan.memory import EmbeddedServer, list_runs, read_trials
from tests.cluster.nodes import nodes
from tests.cluster.nodes_jobs import LONG_S, Site, make_site
from tests.trader.processes import until

pytestmark = [pytest.mark.slow, pytest.mark.ray, pytest.mark.postgres, pytest.mark.timeout(1_800)]

IDLE_S, WORKERS = 15.0, 2
SHORT = (
    *("--set", "search.num_samples=2", "--set", "search.seeds_per_trial=1", "--set", "search.env_steps=40000"),
    *("--set", "search.grace_env_steps=40000", "--set", f"search.max_concurrent_trials={WORKERS}"),
    *("--set", "walk_forward.folds=1", "--set", "shadow.seeds=[1,2]", "--set", "ppo.env_steps=40000"),
    *("--set", "ppo.train_batch_size=2048"),
)


@pytest.fixture
def site(database: Engine, database_server: EmbeddedServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A head alone, whose autoscaler may start two workers."""
    name = database.url.database
    assert name is not None
    with nodes() as cluster:
        cluster.start_scaling_head(WORKERS, IDLE_S)
        yield make_site(cluster, tmp_path_factory.mktemp("site"), database_server.url(name))


def test_a_search_starts_workers_and_idle_ones_go(site: Site, database: Engine) -> None:
    """No worker before, one per trial that may run at once during the search, none soon after the training."""
    cluster = site.cluster
    assert set(cluster.alive()) == {"head"}
    begun, seen, over = time.monotonic(), list[tuple[float, int]](), threading.Event()

    def watch() -> None:
        while not over.wait(1.0):
            workers = len(set(cluster.alive()) - {"head"})
            if not seen or seen[-1][1] != workers:
                seen.append((time.monotonic() - begun, workers))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        site.submit("grows", "jobs.train", "--data", str(site.candles), *SHORT)
        (run_id,) = site.wait("grows", "a run", lambda: [run.run_id for run in list_runs(database, "train")])
        searched = site.home / "runs" / str(run_id) / "search.json"
        site.wait("grows", "the end of the search", searched.exists)
        during = max(count for _, count in seen)
        site.done("grows")
        done_s = time.monotonic() - begun
        until("nobody idle", lambda: set(cluster.alive()) == {"head"}, LONG_S)
        gone_s = time.monotonic() - begun - done_s
    finally:
        over.set()
        thread.join(60)
    print(f"workers by time: {', '.join(f'{count} at {at_s:.0f} s' for at_s, count in seen)}")
    print(f"done after {done_s:.0f} s, no worker {gone_s:.0f} s later; {IDLE_S:g} s idle are allowed")
    assert during == WORKERS
    assert max(count for _, count in seen) == WORKERS
    assert [trial.status for trial in read_trials(database, run_id)] == ["done", "done"]
    assert len(read_campaign(site.home / "runs" / str(run_id)).versions[0].seeds) == 2

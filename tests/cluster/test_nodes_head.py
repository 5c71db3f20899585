"""A head that keeps its state in Redis dies and comes back: what is detached is found where it was."""

import json
import sys
import time
from pathlib import Path

import pytest

from tests.cluster.nodes import START_S, nodes, redis_store
from tests.trader.processes import until

pytestmark = [pytest.mark.slow, pytest.mark.ray, pytest.mark.timeout(900)]

ASK = """
import json, os, sys
import ray

ray.init(address=sys.argv[1], namespace="huracan", log_to_driver=False, logging_level="ERROR")


@ray.remote(num_cpus=0.1, max_restarts=-1, lifetime="detached")
class Counter:
    def __init__(self):
        self.asked = 0

    def ask(self):
        self.asked += 1
        return os.getpid(), self.asked


counter = Counter.options(name="counter", get_if_exists=True).remote()
print(json.dumps(ray.get(counter.ask.remote())))
"""
"""Asks a detached actor, which is made when there is none, who it is and how often it was asked."""


def test_a_new_head_finds_the_actor_that_outlived_the_old_one(tmp_path: Path) -> None:
    """Same process, same memory: nothing of it was started anew."""
    with redis_store(tmp_path) as storage, nodes(storage) as cluster:
        cluster.start_head()
        worker = cluster.add(1)

        def ask() -> tuple[int, int]:
            said = cluster.run(sys.executable, "-W", "ignore", "-c", ASK, cluster.address, RAY_ADDRESS="")
            pid, asked = json.loads([line for line in said.splitlines() if line.startswith("[")][-1])
            return pid, asked

        pid, asked = ask()
        assert asked == 1
        assert worker.runs(pid)
        head = cluster.head
        assert head is not None
        begun = time.monotonic()
        killed = head.kill()
        time.sleep(5)
        cluster.start_head()
        until("the worker back", lambda: worker.address in cluster.alive().values(), START_S)
        back_s = time.monotonic() - begun
        assert ask() == (pid, 2)
        print(f"head lost: {killed} processes; head and worker again after {back_s:.1f} s; actors started anew: 0")

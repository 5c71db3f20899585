"""The other machines of a cluster: sampled, their errors taken once; a node that dies is left out. Two real raylets."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import ray
from ray.cluster_utils import Cluster

from huracan.logs import ErrorFile, errors_folder
from huracan.memory.health import Sample
from huracan.ray_env import prepare_ray_environment
from serve.nodes import Nodes

pytestmark = [pytest.mark.slow, pytest.mark.ray, pytest.mark.timeout(300)]

T = 1_760_000_040_000
MB = 2**20


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A head, at which this process is a driver."""
    prepare_ray_environment()
    found = Cluster(
        initialize_head=True,
        head_node_args={"num_cpus": 1, "object_store_memory": 80 * MB, "include_dashboard": False},
    )
    ray.init(address=found.address, log_to_driver=False, logging_level="ERROR")
    try:
        yield found
    finally:
        ray.shutdown()
        found.shutdown()


def sampled(nodes: Nodes, wait_s: float = 90.0) -> list[Sample]:
    """Sample until another machine answers."""
    give_up_s = time.monotonic() + wait_s
    while not (found := list(nodes.sample(T))):
        assert time.monotonic() < give_up_s
        time.sleep(0.2)
    return found


def test_another_node_is_sampled_its_errors_are_taken_once_and_its_death_is_no_fault(
    cluster: Cluster, tmp_path: Path
) -> None:
    """Alone there is nobody else; one joins, is asked, and is killed."""
    nodes = Nodes(tmp_path / "home", alone=True)
    assert nodes.sample(T) == []
    worker = cluster.add_node(num_cpus=1, object_store_memory=80 * MB)
    assert {row.name for row in sampled(nodes)} >= {"host.cpu_frac", "host.disk_free_mb"}
    nodes.take(T)
    ErrorFile("worker", errors_folder(tmp_path / "home")).write("error", "worker.defect", {"reason": "x"})
    sampled(nodes)
    taken = nodes.take(T)
    assert [event.event for event in taken.events] == ["worker.defect"]
    (name,) = taken.names
    assert "/" in name
    assert nodes.take(T).events == ()
    nodes.forget([name, "taken-of-this-machine.jsonl"])
    give_up_s = time.monotonic() + 30
    while list(errors_folder(tmp_path / "home").iterdir()):
        assert time.monotonic() < give_up_s
        time.sleep(0.1)
    sampled(nodes)
    assert nodes.take(T).events == ()
    cluster.remove_node(worker, allow_graceful=False)
    give_up_s = time.monotonic() + 90
    while list(nodes.sample(T)):
        assert time.monotonic() < give_up_s
        time.sleep(0.5)
    assert nodes.take(T).events == ()


def test_what_is_answered_late_is_taken_later_and_what_was_counted_before_a_kill_never_again(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No answer is ever in time; then the monitor is killed between counting and deleting, and the next one begins."""
    folder = errors_folder(tmp_path / "home")
    worker = cluster.add_node(num_cpus=1, object_store_memory=80 * MB)
    nodes = Nodes(tmp_path / "home", alone=True)
    with monkeypatch.context() as patched:
        patched.setattr("serve.nodes._ANSWER_S", 0.0)
        sampled(nodes)
        nodes.take(T)
        ErrorFile("worker", folder).write("error", "worker.defect", {"reason": "x"})
        give_up_s = time.monotonic() + 60
        while not (taken := nodes.take(T)).events:
            assert time.monotonic() < give_up_s, "it was read, and its answer is lost"
            nodes.sample(T)
            time.sleep(0.2)
    assert [event.event for event in taken.events] == ["worker.defect"]
    following = Nodes(tmp_path / "home", alone=True)
    following.forget(taken.names)
    ErrorFile("worker", folder).write("error", "worker.other", {"reason": "y"})
    del nodes
    sampled(following)
    assert [event.event for event in following.take(T).events] == ["worker.other"]
    assert not (folder / taken.names[0].rpartition("/")[2]).exists()
    cluster.remove_node(worker)


def test_a_node_on_the_monitors_own_machine_is_left_to_the_monitor(cluster: Cluster, tmp_path: Path) -> None:
    """Its disk and its errors would be counted twice."""
    nodes = Nodes(tmp_path / "home")
    worker = cluster.add_node(num_cpus=1, object_store_memory=80 * MB)
    try:
        for _ in range(3):
            assert list(nodes.sample(T)) == []
            time.sleep(1.0)
        assert not (tmp_path / "home").exists()
    finally:
        cluster.remove_node(worker)

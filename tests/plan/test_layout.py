"""Where a run fits: by cores and memory, the cheapest first, and in words why it fits nowhere."""

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
import yaml

from huracan.plan.estimate import Estimate, Memory, Phase
from huracan.plan.layout import GIB, HEAD_GIB, HEAD_VCPUS, layouts
from huracan.plan.prices import Machine, Prices, packaged_prices

MEMORY = Memory(head=20 * GIB, driver=8 * GIB, store=12 * GIB, worker=2 * GIB, account=3 * GIB, database=1, serving=1)
RUN = Estimate((Phase("all", 0.0, 7_200.0 * 8, 8, 7_200.0, 8, 7_200.0, 7_200.0),), MEMORY, 1.0, 1.0, 8, 1)
SMALL = Machine("own", "small", 4, 32, 1.0, 0.5)
LARGE = Machine("own", "large", 16, 128, 3.0, None)


def prices(*machines: Machine) -> Prices:
    """Return a file of these machines."""
    return Prices("made up", "EUR", date(2026, 1, 2), "made up", machines)


def test_one_machine_that_holds_everything_and_a_head_with_workers_are_both_offered() -> None:
    """Two hours: the large machine alone costs 6; a small head, a small driver and two small workers cost 2 x 4."""
    fitting, refused = layouts(RUN, prices(SMALL, LARGE))
    assert not refused
    shown = {(one.head, one.driver, one.worker, one.nodes, one.workers_a_node): one for one in fitting}
    alone = shown["large", "", "", 0, 8]
    assert (alone.hours, alone.on_demand, alone.spot) == (2.0, 6.0, None)
    spread = shown["small", "small", "small", 2, 4]
    assert (spread.on_demand, spread.spot) == (2.0 * 4, 2.0 * (2 + 2 * 0.5))  # head and driver are never spot
    mixed = shown["small", "small", "large", 1, 8]
    assert (mixed.on_demand, mixed.spot) == (2.0 * 5, None)
    assert [one.on_demand for one in fitting] == sorted(one.on_demand for one in fitting)


def test_memory_limits_the_workers_of_a_machine() -> None:
    """With 6 GiB a worker beside 12 GiB of store two fit a small machine, and four of them are needed."""
    heavy = replace(RUN, memory=replace(MEMORY, worker=6 * GIB))
    fitting, _ = layouts(heavy, prices(SMALL))
    assert [(one.worker, one.nodes, one.workers_a_node) for one in fitting] == [("small", 4, 2)]


def test_workers_that_must_be_together_rule_out_machines_for_fewer() -> None:
    """The runners of three seeds share a machine: one that has memory for two of them is none."""
    heavy = replace(RUN, memory=replace(MEMORY, worker=6 * GIB), together=3)
    fitting, _ = layouts(heavy, prices(SMALL))
    assert [one for one in fitting if one.nodes] == []


def test_the_head_does_no_work_and_is_small_whatever_the_driver_takes() -> None:
    """Where the driver needs the large machine the head stays the cheapest that can be one, and all are paid for."""
    tiny = Machine("own", "tiny", HEAD_VCPUS - 1, HEAD_GIB, 0.1, None)
    head = Machine("own", "head", HEAD_VCPUS, HEAD_GIB, 0.2, None)
    heavy = replace(RUN, memory=replace(MEMORY, head=60 * GIB))
    fitting, _ = layouts(heavy, prices(tiny, head, SMALL, LARGE))
    spread = {(one.head, one.driver, one.worker): one for one in fitting if one.nodes}
    assert set(spread) == {("head", "large", "small"), ("head", "large", "large")}
    assert spread["head", "large", "small"].on_demand == pytest.approx(2.0 * (0.2 + 3.0 + 2 * 1.0))


@pytest.mark.parametrize(("cloud", "key"), [("aws", "InstanceType"), ("gcp", "machineType"), ("azure", "vmSize")])
def test_packaged_prices_and_cluster_files_are_of_one_mind(cloud: str, key: str) -> None:
    """A small run's head is the one of cluster/ray-up, whose other types are in the list too."""
    text = (Path(__file__).parents[2] / "cluster" / "ray-up" / f"{cloud}.yaml").read_text(encoding="utf-8")
    kinds = yaml.safe_load(text)["available_node_types"]
    types = {}
    for name, kind in kinds.items():
        node = kind["node_config"]
        types[name] = node.get("azure_arm_parameters", node)[key]
    listed = packaged_prices()
    fitting, _ = layouts(RUN, listed)
    mine = [one for one in fitting if one.provider == cloud and one.nodes]
    assert {one.head for one in mine} == {types["head"]}
    assert {types["steady"], types["cpu"]} <= {one.type for one in listed.machines if one.provider == cloud}
    assert all(one.region for one in mine)


def test_a_machine_needs_room_for_the_one_account() -> None:
    """The task that trades all coins may be larger than a training: where it does not fit, nothing runs."""
    huge = replace(RUN, memory=replace(MEMORY, account=40 * GIB))
    fitting, _ = layouts(huge, prices(SMALL))
    assert fitting == ()


@pytest.mark.parametrize("memory", [replace(MEMORY, head=200 * GIB), replace(MEMORY, worker=200 * GIB)])
def test_a_provider_without_a_fit_says_what_is_needed(memory: Memory) -> None:
    """Figures of the need and of its largest machine, and what could be changed."""
    fitting, refused = layouts(replace(RUN, memory=memory), prices(SMALL, LARGE))
    assert fitting == ()
    assert [one.provider for one in refused] == ["own"]
    assert "large" in refused[0].reason
    assert "GiB" in refused[0].reason
    assert "--prices" in refused[0].reason

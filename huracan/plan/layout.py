"""Which machines a run fits on, and what it costs there: one machine for all, or the cluster of cluster/ray-up.

That has a small head with Ray's control store and no work, a machine for the driver and the object store's first copy
(`steady`), and equal worker machines (`cpu`), each with a copy of the object store's content and as many workers as
cores and memory allow. Head and driver are never spot machines: without them the run ends.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from huracan.plan.estimate import Estimate
from huracan.plan.prices import Machine, Prices

__all__ = ["Layout", "Refused", "layouts"]

GIB: Final = 2**30
USABLE_FRAC: Final = 0.85
"""Share of a machine's memory that a run may fill: the rest is the system's, Ray's and the page cache's."""
RAY_BYTES: Final = 0.5 * GIB
"""Ray's own services on a node (docs/performance.md)."""
HEAD_VCPUS: Final = 2
HEAD_GIB: Final = 8
"""What a head without work needs, as in cluster/kuberay."""
NODES_MAX: Final = 1_000


@dataclass(frozen=True, slots=True)
class Layout:
    """Machines that a run fits on.

    Attributes:
        provider: of all of them.
        region: that the prices are of, "" where their file does not say.
        head: type of the head; where `nodes` is 0 it does the work too.
        driver: type of the driver's machine, "" where there are no worker machines.
        worker: type of the worker machines, "" where there are none.
        nodes: number of worker machines.
        workers_a_node: on each; on the one machine where `nodes` is 0.
        hours: of the run, wall clock.
        on_demand: price of the run.
        spot: with worker machines, or the one machine, as spot; None: not sold so.
    """

    provider: str
    region: str
    head: str
    driver: str
    worker: str
    nodes: int
    workers_a_node: int
    hours: float
    on_demand: float
    spot: float | None


@dataclass(frozen=True, slots=True)
class Refused:
    """Why no machine of a provider fits.

    Attributes:
        provider: whose.
        reason: what is needed and what its largest has.
    """

    provider: str
    reason: str


def layouts(found: Estimate, prices: Prices) -> tuple[tuple[Layout, ...], tuple[Refused, ...]]:
    """Return every layout that fits, the cheapest on demand first, and the providers without one."""
    fitting: list[Layout] = []
    refused: list[Refused] = []
    for provider in dict.fromkeys(machine.provider for machine in prices.machines):
        machines = [machine for machine in prices.machines if machine.provider == provider]
        mine = [*_alone(found, machines), *_clusters(found, machines)]
        fitting += mine
        if not mine:
            refused.append(Refused(provider, _reason(found, machines)))
    fitting.sort(key=lambda one: (one.on_demand, one.provider, one.head, one.worker))
    return tuple(fitting), tuple(refused)


def _alone(found: Estimate, machines: Iterable[Machine]) -> Iterable[Layout]:
    """Yield the machines that hold driver, store and all workers at once."""
    for machine in machines:
        memory = found.memory.head + RAY_BYTES + _workers_bytes(found, found.workers)
        if machine.vcpus >= found.workers + 1 and memory <= _usable(machine):
            hours = found.wall_s / 3_600
            spot = None if machine.spot is None else hours * machine.spot
            price = hours * machine.on_demand
            yield Layout(machine.provider, machine.region, machine.type, "", "", 0, found.workers, hours, price, spot)


def _clusters(found: Estimate, machines: list[Machine]) -> Iterable[Layout]:
    """Yield the cheapest head and the cheapest machine for driver and store, with each type of worker machine."""
    heads = [machine for machine in machines if machine.vcpus >= HEAD_VCPUS and machine.memory_gib >= HEAD_GIB]
    drivers = [machine for machine in machines if found.memory.head + RAY_BYTES <= _usable(machine)]
    if not heads or not drivers:
        return
    head, driver = (min(fit, key=lambda machine: machine.on_demand) for fit in (heads, drivers))
    for machine in machines:
        room = _usable(machine) - RAY_BYTES - found.memory.store
        each = min(machine.vcpus, found.workers, math.floor(room / found.memory.worker) if room > 0 else 0)
        if each < found.together or _workers_bytes(found, each) > room:
            continue
        nodes = math.ceil(found.workers / each)
        if nodes <= NODES_MAX:
            yield _spread(found, head, driver, machine, nodes, each)


def _workers_bytes(found: Estimate, count: int) -> float:
    """Return the memory of `count` workers; one may be the task that trades all coins in one account."""
    memory = found.memory
    return max(count * memory.worker, (count - 1) * min(memory.worker, memory.account) + memory.account)


def _spread(found: Estimate, head: Machine, driver: Machine, worker: Machine, nodes: int, each: int) -> Layout:
    hours = found.wall_s / 3_600
    stay = head.on_demand + driver.on_demand
    spot = None if worker.spot is None else hours * (stay + nodes * worker.spot)
    price = hours * (stay + nodes * worker.on_demand)
    return Layout(head.provider, head.region, head.type, driver.type, worker.type, nodes, each, hours, price, spot)


def _usable(machine: Machine) -> float:
    return machine.memory_gib * GIB * USABLE_FRAC


def _reason(found: Estimate, machines: list[Machine]) -> str:
    largest = max(machines, key=lambda machine: machine.memory_gib)
    head = found.memory.head + RAY_BYTES
    worker = found.memory.store + RAY_BYTES + max(found.memory.worker, found.memory.account)
    return (
        f"driver and object store need {head / GIB:,.0f} GiB and a machine with one worker {worker / GIB:,.0f} GiB; "
        f"the largest, {largest.type}, leaves {_usable(largest) / GIB:,.0f} GiB of {largest.memory_gib:,.0f}: fewer "
        "coins or days, a coarser timeframe, or give larger machines with --prices"
    )

"""Which machines a run fits on, and what it costs there: one machine for all, or a head and equal worker machines.

A worker machine holds a copy of the object store's content and as many workers as cores and memory allow. The head does
no work of its own (as in cluster/ray-up) and is never a spot machine: without it the run ends.
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
NODES_MAX: Final = 1_000


@dataclass(frozen=True, slots=True)
class Layout:
    """Machines that a run fits on.

    Attributes:
        provider: of all of them.
        head: type of the head; where `nodes` is 0 it does the work too.
        worker: type of the worker machines, "" where there are none.
        nodes: number of worker machines.
        workers_a_node: on each; on the one machine where `nodes` is 0.
        hours: of the run, wall clock.
        on_demand: price of the run.
        spot: with worker machines, or the one machine, as spot; None: not sold so.
    """

    provider: str
    head: str
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
            yield _priced(found, machine, None, 0, found.workers)


def _clusters(found: Estimate, machines: list[Machine]) -> Iterable[Layout]:
    """Yield the cheapest head that holds driver and store, with each type of worker machine."""
    heads = [machine for machine in machines if found.memory.head + RAY_BYTES <= _usable(machine)]
    if not heads:
        return
    head = min(heads, key=lambda machine: machine.on_demand)
    for machine in machines:
        room = _usable(machine) - RAY_BYTES - found.memory.store
        each = min(machine.vcpus, found.workers, math.floor(room / found.memory.worker) if room > 0 else 0)
        if each < 1 or _workers_bytes(found, each) > room:
            continue
        nodes = math.ceil(found.workers / each)
        if nodes <= NODES_MAX:
            yield _priced(found, head, machine, nodes, each)


def _workers_bytes(found: Estimate, count: int) -> float:
    """Return the memory of `count` workers; one may be the task that trades all coins in one account."""
    memory = found.memory
    return max(count * memory.worker, (count - 1) * min(memory.worker, memory.account) + memory.account)


def _priced(found: Estimate, head: Machine, worker: Machine | None, nodes: int, each: int) -> Layout:
    hours = found.wall_s / 3_600
    if worker is None:
        spot = None if head.spot is None else hours * head.spot
        return Layout(head.provider, head.type, "", 0, each, hours, hours * head.on_demand, spot)
    spot = None if worker.spot is None else hours * (head.on_demand + nodes * worker.spot)
    price = hours * (head.on_demand + nodes * worker.on_demand)
    return Layout(head.provider, head.type, worker.type, nodes, each, hours, price, spot)


def _usable(machine: Machine) -> float:
    return machine.memory_gib * GIB * USABLE_FRAC


def _reason(found: Estimate, machines: list[Machine]) -> str:
    largest = max(machines, key=lambda machine: machine.memory_gib)
    head = found.memory.head + RAY_BYTES
    worker = found.memory.store + RAY_BYTES + max(found.memory.worker, found.memory.account)
    return (
        f"the head needs {head / GIB:,.0f} GiB and a machine with one worker {worker / GIB:,.0f} GiB; the largest, "
        f"{largest.type}, leaves {_usable(largest) / GIB:,.0f} GiB of {largest.memory_gib:,.0f}: fewer coins or days, "
        "a coarser timeframe, or give larger machines with --prices"
    )

"""Where a run fits: by cores and memory, the cheapest first, and in words why it fits nowhere."""

from dataclasses import replace
from datetime import date

import pytest

from huracan.plan.estimate import Estimate, Memory, Phase
from huracan.plan.layout import GIB, layouts
from huracan.plan.prices import Machine, Prices

MEMORY = Memory(head=20 * GIB, driver=8 * GIB, store=12 * GIB, worker=2 * GIB, account=3 * GIB, database=1, serving=1)
RUN = Estimate((Phase("all", 0.0, 7_200.0 * 8, 8, 7_200.0, 8, 7_200.0, 7_200.0),), MEMORY, 1.0, 1.0, 8)
SMALL = Machine("own", "small", 4, 32, 1.0, 0.5)
LARGE = Machine("own", "large", 16, 128, 3.0, None)


def prices(*machines: Machine) -> Prices:
    """Return a file of these machines."""
    return Prices("made up", "EUR", date(2026, 1, 2), "made up", machines)


def test_one_machine_that_holds_everything_and_a_head_with_workers_are_both_offered() -> None:
    """Two hours: the large machine alone costs 6; a small head with two small workers of four each costs 2 x 3."""
    fitting, refused = layouts(RUN, prices(SMALL, LARGE))
    assert not refused
    shown = {(one.head, one.worker, one.nodes, one.workers_a_node): one for one in fitting}
    alone = shown["large", "", 0, 8]
    assert (alone.hours, alone.on_demand, alone.spot) == (2.0, 6.0, None)
    spread = shown["small", "small", 2, 4]
    assert (spread.on_demand, spread.spot) == (2.0 * 3, 2.0 * (1 + 2 * 0.5))  # the head is never spot
    mixed = shown["small", "large", 1, 8]
    assert (mixed.on_demand, mixed.spot) == (2.0 * 4, None)
    assert [one.on_demand for one in fitting] == sorted(one.on_demand for one in fitting)


def test_memory_limits_the_workers_of_a_machine() -> None:
    """With 6 GiB a worker beside 12 GiB of store two fit a small machine, and four of them are needed."""
    heavy = replace(RUN, memory=replace(MEMORY, worker=6 * GIB))
    fitting, _ = layouts(heavy, prices(SMALL))
    assert [(one.worker, one.nodes, one.workers_a_node) for one in fitting] == [("small", 4, 2)]


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

"""The shared weight budget."""

import asyncio
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from huracan.errors import InvariantError
from huracan.venue.budget import AsyncGate, WeightBudget
from tests.venue.virtual import LoopClock, VirtualLoop

MINUTE = 60_000


def test_a_minute_holds_its_share_and_no_more():
    """Of 100 with a share of 0.8, requests of 30 fit twice; the third waits for the next full minute."""
    budget = WeightBudget(100, 0.8)
    assert budget.reserve(30, 5 * MINUTE + 1_000) == 0
    assert budget.reserve(30, 5 * MINUTE + 2_000) == 0
    assert budget.reserve(30, 5 * MINUTE + 3_000) == MINUTE - 3_000
    assert budget.reserve(30, 6 * MINUTE) == 0


def test_what_others_spent_counts():
    """The venue's own figure is taken over when it is higher, and forgotten with its minute."""
    budget = WeightBudget(100, 1.0)
    budget.reserve(10, 0)
    budget.observe(95, 10)
    assert budget.reserve(10, 20) == MINUTE - 20
    budget.observe(5, 30)
    assert budget.reserve(10, 40) > 0, "a lower figure is an older reply"
    assert budget.reserve(10, MINUTE) == 0


def test_a_block_outlasts_the_minute():
    """After Retry-After nothing is sent before its end, whatever the minute."""
    budget = WeightBudget(100)
    budget.block(90_000, 1_000)
    assert budget.reserve(1, 2_000) == 89_000
    assert budget.reserve(1, MINUTE + 1_000) == 30_000
    assert budget.reserve(1, 91_000) == 0


def test_the_venues_limit_is_taken_over():
    """A smaller limit stated by the venue binds at once."""
    budget = WeightBudget(1_000, 1.0)
    budget.set_limit(10)
    assert budget.reserve(8, 0) == 0
    assert budget.reserve(8, 0) > 0


def test_a_request_that_never_fits_is_an_error():
    """A weight above a whole minute's share is an error instead of an endless wait."""
    with pytest.raises(ValueError, match="never fits"):
        WeightBudget(10, 0.5).reserve(6, 0)


@given(st.lists(st.tuples(st.integers(1, 40), st.integers(0, 20_000)), max_size=60))
def test_no_minute_ever_exceeds_the_budget(requests):
    """Whoever waits as told never spends more than the share in any minute of the clock."""
    budget, now, spent = WeightBudget(100, 0.5), 0, {}
    for weight, pause in requests:
        now += pause
        while wait := budget.reserve(weight, now):
            now += wait
        spent[now // MINUTE] = spent.get(now // MINUTE, 0) + weight
    assert all(total <= 50 for total in spent.values())


def test_threads_share_one_budget():
    """Eight threads that each ask 100 times get exactly the budget between them."""
    budget, granted = WeightBudget(300, 1.0), []

    def ask() -> None:
        granted.extend(budget.reserve(1, 0) == 0 for _ in range(100))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(granted) == 300


def test_urgent_requests_reach_further():
    """What ordinary requests must leave is there for urgent ones, and has an end too."""
    budget = WeightBudget(100, 0.5, 0.9)
    assert budget.reserve(50, 0) == 0
    assert budget.reserve(1, 0) > 0
    assert budget.reserve(40, 0, urgent=True) == 0
    assert budget.reserve(1, 0, urgent=True) > 0
    budget.block(5, MINUTE)
    assert budget.reserve(1, MINUTE, urgent=True) == 5, "a block holds for all"


def _gated(steps):
    async def whole():
        budget = WeightBudget(10, 1.0)
        return await steps(budget, AsyncGate(budget, LoopClock()), asyncio.get_running_loop().time)

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(whole())


def test_the_gate_waits_for_the_budget():
    """What fits passes at once; what does not waits for the next minute."""

    async def steps(budget, gate, now_s):
        waits = [await gate.enter(8, 90_000), await gate.enter(8, 90_000)]
        return waits, now_s()

    assert _gated(steps) == ([0, 0], 60.0)


def test_the_gate_gives_up_in_time():
    """When the wait would pass the patience, nothing is spent, nothing is waited, and the wait is told."""

    async def steps(budget, gate, now_s):
        await gate.enter(8, 0)
        return await gate.enter(8, 59_999), now_s(), await gate.enter(2, 0)

    assert _gated(steps) == (60_000, 0.0, 0)


def test_urgent_requests_pass_first():
    """After a block, cancels that waited pass before reads that waited longer."""

    async def steps(budget, gate, now_s):
        budget.block(5_000, LoopClock().now_ms())
        passed = []

        async def one(name, urgent):
            await gate.enter(1, 10_000, urgent)
            passed.append(name)

        async with asyncio.TaskGroup() as group:
            for name in ("read 1", "read 2", "cancel 1", "read 3", "cancel 2"):
                group.create_task(one(name, name.startswith("cancel")))
        return passed, now_s()

    passed, now_s = _gated(steps)
    assert passed[:2] == ["cancel 1", "cancel 2"]
    assert sorted(passed[2:]) == ["read 1", "read 2", "read 3"]
    assert now_s == 5.0


def test_an_urgent_request_that_gives_up_lets_the_others_go_on():
    """A cancel that is refused, or cancelled itself, does not hold reads for ever."""

    async def steps(budget, gate, now_s):
        budget.block(5_000, LoopClock().now_ms())
        read = asyncio.ensure_future(gate.enter(1, 10_000))
        stopped = asyncio.ensure_future(gate.enter(1, 10_000, urgent=True))
        refused = await gate.enter(1, 1_000, urgent=True)
        stopped.cancel()
        return refused, await read

    assert _gated(steps) == (5_000, 0)


def test_a_clock_that_stands_still_is_a_defect():
    """If time does not pass while waiting, the gate stops instead of waiting for ever."""

    class Still:
        def now_ms(self):
            return 0

    async def steps(budget, gate, now_s):
        budget.block(1, 0)
        with pytest.raises(InvariantError, match="stands still"):
            await AsyncGate(budget, Still()).enter(1, 10)

    _gated(steps)

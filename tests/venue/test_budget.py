"""The shared weight budget."""

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from huracan.venue import WeightBudget

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

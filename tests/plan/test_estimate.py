"""The formulae: worked out by hand where they are short, and by what must grow with what where they are long."""

from dataclasses import replace

import pytest

from huracan.errors import ConfigError
from huracan.plan.estimate import Estimate, Phase, estimate
from huracan.plan.workload import Size, Workload, workload_of
from tests.plan.costs import costs
from tests.plan.test_workload import settings

SMALL = workload_of(settings(), Size(20, 111, "1m", 4.0))


def phase(found: Estimate, name: str) -> Phase:
    """Return one phase."""
    return next(one for one in found.phases if one.name == name)


def test_a_training_is_start_markets_and_steps() -> None:
    """One second to start, 2e-8 s a bar, 1e-5 s a step and epoch: by hand."""
    units = costs(worker_start=1.0, open_bar=2e-8, sample_step=1e-5, update_step=1e-5)
    found = phase(estimate(SMALL, units, 4), "training")
    one = 20 * SMALL.train_bars * 2e-8 + SMALL.train_steps * 5e-5
    assert found.longest_s == pytest.approx(1.0 + one)
    assert found.tasks_s == pytest.approx(4.0 + 9 * one)  # a worker that has its imports trains again
    assert found.tasks == 9
    assert found.wall_s == pytest.approx((4.0 + 9 * one) / 4 * (3 / (9 / 4)))  # nine on four workers: three rounds


def test_the_measured_efficiency_lengthens_the_wall_and_no_core_hour() -> None:
    """At 0.8 for two workers the wall is 1.25 times as long; the pessimist's grows with every worker."""
    whole, lossy = costs(sample_step=1e-3), costs(sample_step=1e-3, efficiency_tune=0.8)
    nine = replace(SMALL, trials_at_once=9)
    best, real = (phase(estimate(nine, units, 9), "training") for units in (whole, lossy))
    assert real.core_s == best.core_s
    assert real.wall_s == pytest.approx(best.wall_s / 0.8)
    assert real.wall_serial_s == pytest.approx(best.wall_s * (1 + 0.25 * 8))
    one = phase(estimate(nine, lossy, 1), "training")
    assert one.wall_s == one.wall_serial_s == pytest.approx(one.core_s)
    lucky = phase(estimate(nine, costs(sample_step=1e-3, efficiency_tune=1.1), 9), "training")
    assert lucky.wall_s == pytest.approx(best.wall_s)


def test_two_workers_by_the_pessimists_law_are_what_was_measured() -> None:
    """Amdahl's share is chosen so that two workers have the measured efficiency."""
    two = phase(estimate(SMALL, costs(sample_step=1e-3, efficiency_tune=0.8), 2), "training")
    assert two.wall_s == pytest.approx(two.wall_serial_s)


def test_a_search_waits_for_its_own_limit() -> None:
    """Two trials at once however many workers there are, until the setting allows more."""
    units = costs(sample_step=1e-4)
    few = phase(estimate(SMALL, units, 64), "search")
    assert few.at_once == 2
    more = phase(estimate(replace(SMALL, trials_at_once=6), units, 64), "search")
    assert more.at_once == 6
    assert more.wall_s < few.wall_s
    none = phase(estimate(workload_of(settings(search__num_samples=0), SMALL.size), units, 64), "search")
    assert (none.core_s, none.wall_s, none.tasks) == (0.0, 0.0, 0)


def test_no_phase_ends_before_its_longest_task() -> None:
    """The one account of all coins is one task: a thousand workers do not shorten it."""
    found = phase(estimate(SMALL, costs(portfolio_close=1.0), 1_000), "shadow")
    assert found.longest_s > SMALL.test_bars
    assert found.wall_s >= found.longest_s


def test_a_search_starts_as_many_processes_as_trials_run_at_once() -> None:
    """Six trials, two at a time: two starts; a search of one trial: one."""
    for trials, starts in ((6, 2.0), (1, 1.0)):
        work = workload_of(settings(search__num_samples=trials), SMALL.size)
        bare, started = (phase(estimate(work, costs(worker_start=each), 4), "search") for each in (0.0, 1.0))
        assert started.tasks_s - bare.tasks_s == pytest.approx(starts)
        assert started.longest_s - bare.longest_s == pytest.approx(1.0)


@pytest.mark.parametrize("field", ["core_s", "wall_s"])
def test_more_of_anything_never_costs_less(field: str) -> None:
    """Coins, days, folds, trials, seeds, copies: each alone, the others as they are."""
    units = costs()
    base = getattr(estimate(SMALL, units, 8), field)
    larger = [
        workload_of(settings(), Size(40, 111, "1m", 4.0)),
        workload_of(settings(), Size(20, 222, "1m", 4.0)),
        workload_of(settings(), Size(20, 111, "1m", 40.0)),
        workload_of(settings(search__num_samples=12), SMALL.size),
        workload_of(settings(shadow__random_policies=200), SMALL.size),
        workload_of(settings(shadow__seeds=(1, 2, 3, 4, 5)), SMALL.size),
        workload_of(settings(ppo__env_steps=3_000_000), SMALL.size),
    ]
    for work in larger:
        assert getattr(estimate(work, units, 8), field) > base


def test_memory_by_hand() -> None:
    """Driver and store: bytes a bar and a decision times their number; a worker: its training window."""
    units = costs(driver_bar_bytes=100.0, driver_base_bytes=1e6, worker_base_bytes=2e6)
    memory = estimate(SMALL, units, 4).memory
    assert memory.driver == 1e6 + 100.0 * SMALL.bars
    fits = 2 + 3
    assert memory.store == pytest.approx(10 * SMALL.bars + fits * SMALL.bars / 15 * 10)
    assert memory.head == memory.driver + memory.store
    bare = workload_of(settings(search__num_samples=0), SMALL.size)
    assert estimate(bare, units, 4).memory.worker == pytest.approx(
        2e6 + 20 * bare.train_bars * (10 + 10 / 15), rel=1e-9
    )
    assert memory.serving == 10 + 20 * 10


def test_the_database_holds_every_policys_trades() -> None:
    """Ensemble, seeds, baselines, tree model and the one account write theirs; the judged one is analysed."""
    without = estimate(SMALL, costs(), 4).memory.database
    more = estimate(SMALL, costs(trade_bytes=1_010.0), 4).memory.database
    assert more - without == pytest.approx(1_000 * SMALL.trades * SMALL.policies)


def test_a_day_of_serving_is_every_close_and_every_decision() -> None:
    """1,440 closes of 20 coins, 96 decisions."""
    found = estimate(SMALL, costs(serve_close=1e-5, serve_decision=1e-3), 4)
    assert found.serving_core_s == pytest.approx(20 * (1_440 * 1e-5 + 96 * 1e-3))
    assert found.serving_round_s == pytest.approx(20 * (1e-5 + 1e-3))


@pytest.mark.parametrize("workers", [0, -1, 10**9])
def test_a_number_of_workers_that_cannot_be_is_refused(workers: int) -> None:
    """One line with the option's name."""
    with pytest.raises(ConfigError, match="--workers"):
        estimate(SMALL, costs(), workers)


def test_too_few_workers_for_one_training_are_refused() -> None:
    """Two remote samplers and a learner do not fit two workers."""
    work: Workload = workload_of(settings(ppo__num_env_runners=2), SMALL.size)
    with pytest.raises(ConfigError, match="one training needs 3"):
        estimate(work, costs(), 2)
    assert phase(estimate(work, costs(), 7), "training").at_once == 2


def test_too_few_workers_for_one_trial_of_the_search_are_refused() -> None:
    """Two samplers for each of three seeds and the trial's process: seven, or Tune would wait for ever."""
    work = workload_of(settings(ppo__num_env_runners=2, search__seeds_per_trial=3), SMALL.size)
    with pytest.raises(ConfigError, match="one trial of the search needs 7"):
        estimate(work, costs(), 6)
    assert phase(estimate(work, costs(), 7), "search").at_once == 1
    bare = workload_of(settings(ppo__num_env_runners=2, search__seeds_per_trial=3, search__num_samples=0), SMALL.size)
    assert estimate(bare, costs(), 6).together == 1
    assert estimate(work, costs(), 7).together == 3

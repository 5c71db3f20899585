"""From counts and unit costs to core-hours, wall time, memory and database; docs/plan.md has the formulae."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from huracan.errors import ConfigError
from huracan.features import HEAD_SIZE
from huracan.plan.units import UnitCosts
from huracan.plan.workload import Workload

__all__ = ["Estimate", "Memory", "Phase", "estimate"]

WORKERS_MAX: Final = 100_000
ROW_BYTES: Final = 4 * HEAD_SIZE
CELL_NETWORK: Final = 24
"""States of one forward pass (`huracan.policy.forward.BLOCK_ROWS`)."""


@dataclass(frozen=True, slots=True)
class Phase:
    """One phase of a run.

    Attributes:
        name: features, search, training, shadow, or gate and analysis.
        driver_s: processor time of the driver, one core, nothing else can run beside it.
        tasks_s: processor time of all tasks.
        tasks: their number.
        longest_s: processor time of the longest.
        at_once: tasks that may run at the same time.
        wall_s: with the given workers, the measured efficiency kept however many there are.
        wall_serial_s: the same, if what the second worker lost is a serial share (Amdahl): a pessimist's figure.
    """

    name: str
    driver_s: float
    tasks_s: float
    tasks: int
    longest_s: float
    at_once: int
    wall_s: float
    wall_serial_s: float

    @property
    def core_s(self) -> float:
        """Return the processor time of driver and tasks."""
        return self.driver_s + self.tasks_s


@dataclass(frozen=True, slots=True)
class Memory:
    """What the parts of a run hold, bytes.

    Attributes:
        head: driver and object store's first copy.
        driver: of it the driver.
        store: object store at its fullest: one copy on the head, one on each node with workers.
        worker: one training worker's own memory; the shadow tasks' are smaller.
        account: the one task a fold that trades all coins in one account.
        database: rows of the run with their indexes.
        serving: feed, policies and risk of all coins.
    """

    head: float
    driver: float
    store: float
    worker: float
    account: float
    database: float
    serving: float


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a run takes.

    Attributes:
        phases: in order.
        memory: of its parts.
        serving_core_s: of one day of serving all coins.
        serving_round_s: processor time of one close at which all coins are decided on.
        workers: processes that work at once.
        together: so many of them must be on one machine.
    """

    phases: tuple[Phase, ...]
    memory: Memory
    serving_core_s: float
    serving_round_s: float
    workers: int
    together: int

    @property
    def core_s(self) -> float:
        """Return the processor time of the whole run."""
        return sum(phase.core_s for phase in self.phases)

    @property
    def wall_s(self) -> float:
        """Return the wall time of the whole run, phases one after the other."""
        return sum(phase.wall_s for phase in self.phases)


def estimate(work: Workload, units: UnitCosts, workers: int) -> Estimate:
    """Return what a run takes with so many workers, each of one core.

    Raises:
        ConfigError: the number of workers cannot be, or is too small for one training.
    """
    if not 1 <= workers <= WORKERS_MAX:
        raise ConfigError(f"--workers {workers} cannot be planned; give 1 to {WORKERS_MAX:,}")
    if 1 + work.runners > workers:
        raise ConfigError(
            f"--workers {workers}: one training needs {1 + work.runners} (ppo.num_env_runners {work.runners})"
        )
    if work.trials and _trial_cores(work) > workers:
        raise ConfigError(
            f"--workers {workers}: one trial of the search needs {_trial_cores(work)} (ppo.num_env_runners "
            f"{work.runners} for each of search.seeds_per_trial {work.seeds_per_trial}); give more, or --trials 0"
        )
    phases = (
        _features(work, units),
        _search(work, units, workers),
        _training(work, units, workers),
        _shadow(work, units, workers),
        _analysis(work, units),
    )
    closes = work.bars_a_day
    decision_s = work.size.coins * (units["serve_close"] + units["serve_decision"])
    others_s = work.size.coins * units["serve_close"]
    decisions = closes / work.interval
    serving = decisions * decision_s + (closes - decisions) * others_s
    together = work.seeds_per_trial if work.trials and work.runners else 1  # the n-th runners of all seeds of a trial
    return Estimate(phases, _memory(work, units), serving, decision_s, workers, together)


# ---- phases -------------------------------------------------------------------------------------------------------


def _features(work: Workload, units: UnitCosts) -> Phase:
    """Reading, the features, and one fit for each searched interval and each fold: all in the driver.

    A fit's features are given to every decision of the history, and copied into the object store.
    """
    driver = work.bars * units["load_bar"]
    intervals = work.intervals if work.trials else ()
    for interval in (*intervals, *(work.interval for _ in range(work.folds))):
        driver += _fit_s(work, units, interval)
        driver += work.bars / interval * (ROW_BYTES * units["put_byte"])
    driver += work.bars * units["store_bar_bytes"] * units["put_byte"]
    return _phase("features", driver, 0.0, 0, 0.0, 1, 1, units["efficiency_tune"])


def _search(work: Workload, units: UnitCosts, workers: int) -> Phase:
    """Trials side by side, each with all of its seeds, judged at each report on the validation window."""
    coins = work.size.coins
    opened = coins * work.search_bars * units["open_bar"]
    judged = _judged_s(work, units, coins, work.validation_bars, 1)
    judged += coins * work.validation_bars * units["open_bar"]

    def trial(steps: float, reports: float) -> float:
        return work.seeds_per_trial * (opened + steps * _step_s(work, units) + reports * judged)

    ratio = work.trial_steps_max / work.trial_steps if work.trials else 1.0
    longest = units["worker_start"] + trial(work.trial_steps_max, work.reports * ratio)
    at_once = max(1, min(work.trials_at_once, workers // _trial_cores(work)))
    starts = min(at_once, work.trials) * units["worker_start"]  # a process takes one trial after the other
    total = starts + work.trials * trial(work.trial_steps, work.reports)
    return _phase("search", 0.0, total, work.trials, longest, at_once, workers, units["efficiency_tune"])


def _training(work: Workload, units: UnitCosts, workers: int) -> Phase:
    """Every fold, scope and seed: independent trainings."""
    coins = work.size.coins / work.scopes
    one = coins * work.train_bars * units["open_bar"] + work.train_steps * _step_s(work, units)
    at_once = max(1, min(workers // (1 + work.runners), work.trainings))
    total = at_once * units["worker_start"] + work.trainings * one  # a worker that has its imports trains again
    longest = units["worker_start"] + one
    return _phase("training", 0.0, total, work.trainings, longest, at_once, workers, units["efficiency_tune"])


def _shadow(work: Workload, units: UnitCosts, workers: int) -> Phase:
    """The tasks of each fold and block, the one account, the tree models; before and after them the driver."""
    coins, fold_bars = work.size.coins, work.size.coins * work.test_bars
    rows = work.bars / work.interval
    opened = fold_bars * units["open_bar"]
    passes = (work.seeds, *(1 for _ in range(work.seeds)), *(0 for _ in range(work.rules)), 0, work.seeds)
    traded = sum(_judged_s(work, units, coins, work.test_bars, nets) + opened for nets in passes)
    chance = fold_bars * work.copies * units["random_bar"] + opened
    account = (
        work.test_bars * units["portfolio_close"]
        + fold_bars * units["portfolio_bar"]
        + _forwards(work.test_bars / work.interval, coins, work.seeds) * units["forward"] * work.network
        + opened
    )
    tree = work.labels * units["tree_row"]
    paths = min(work.labels, 6_000) * units["path_row"]
    written = work.policies * work.trades * units["trade_written"]
    fold = traded + chance + account + tree
    per_block = 1 + work.seeds + work.rules + 3
    tasks = work.folds * (work.blocks * per_block + 3) + 1
    series = (2 + work.seeds + work.rules) * 4 + coins + work.folds
    driver = (
        work.folds * (rows * units["finish_row"] + work.labels * units["label_row"])
        + 2 * work.folds * fold_bars * (units["store_bar_bytes"] + ROW_BYTES / work.interval) * units["put_byte"]
        + series * work.resamples * work.test_days * work.folds * units["resample_day"]
    )
    longest = max(account, paths, tree, (traded + chance) / (work.blocks * per_block))
    starts = min(workers, tasks) * units["worker_start"]
    total = work.folds * fold + paths + written + starts
    return _phase("shadow", driver, total, tasks, longest, workers, workers, units["efficiency_shadow"])


def _analysis(work: Workload, units: UnitCosts) -> Phase:
    """The judged policy's trades, one by one in the driver, and the promotion gate over all that was tried."""
    tried = work.trials + work.folds * work.seeds + 1
    driver = (
        work.trades * units["trade_analysed"]
        + work.folds * work.bars / work.interval * units["finish_row"]
        + tried * work.test_days * work.folds * units["gate_day"]
    )
    return _phase("gate and analysis", driver, 0.0, 0, 0.0, 1, 1, units["efficiency_shadow"])


# ---- pieces -------------------------------------------------------------------------------------------------------


def _trial_cores(work: Workload) -> int:
    """Return the processors that Tune asks for each trial: its process, and the runners of all its seeds."""
    return 1 + work.runners * work.seeds_per_trial


def _fit_s(work: Workload, units: UnitCosts, interval: int) -> float:
    return work.fit_rows * units["fit_row"] + work.bars / interval * units["finish_row"]


def _step_s(work: Workload, units: UnitCosts) -> float:
    """Return the cost of an environment step from sampling to the last epoch; both parts grow with the network."""
    return work.network * (units["sample_step"] + work.epochs * units["update_step"])


def _judged_s(work: Workload, units: UnitCosts, coins: float, bars: int, nets: int) -> float:
    """Return the cost of one policy on `bars` bars of all coins, in blocks; `nets` networks decide."""
    steps = bars / work.interval
    blocks = math.ceil(coins / work.block_coins)
    forwards = blocks * _forwards(steps, min(work.block_coins, coins), nets)
    kernel = blocks * steps * units["shadow_step"] + coins * bars * units["shadow_bar"]
    return kernel + forwards * units["forward"] * work.network


def _forwards(steps: float, coins: float, nets: int) -> float:
    return steps * math.ceil(coins / CELL_NETWORK) * nets


def _phase(
    name: str, driver_s: float, tasks_s: float, tasks: int, longest_s: float, at_once: int, workers: int, two: float
) -> Phase:
    """Return a phase with its wall times: the driver's part, then tasks in rounds, no sooner than the longest."""
    slots = max(1, min(at_once, tasks, workers)) if tasks else 1
    two = min(two, 1.0)

    def wall(efficiency: Callable[[int], float]) -> float:
        if not tasks:
            return driver_s
        rounds = math.ceil(tasks / slots) / (tasks / slots)  # a last round that is not full takes as long as a full one
        return driver_s + max(tasks_s * rounds / slots, longest_s) / efficiency(slots)

    serial = 1.0 / two - 1.0  # speed-up 2e of two workers, by Amdahl's law

    return Phase(
        name=name,
        driver_s=driver_s,
        tasks_s=tasks_s,
        tasks=tasks,
        longest_s=longest_s,
        at_once=slots,
        wall_s=wall(lambda n: two if n > 1 else 1.0),
        wall_serial_s=wall(lambda n: 1.0 / (1.0 + serial * (n - 1))),
    )


def _memory(work: Workload, units: UnitCosts) -> Memory:
    coins, rows = work.size.coins, work.bars / work.interval
    bare = work.bars * units["store_bar_bytes"]
    fits = (len(work.intervals) if work.trials else 0) + work.folds
    training = bare + fits * rows * units["store_row_bytes"]
    cut = units["store_bar_bytes"] + units["store_row_bytes"] / work.interval
    shadow = 2 * work.folds * coins * work.test_bars * cut  # by blocks, and all coins for the one account
    store = max(training, shadow)
    driver = units["driver_base_bytes"] + work.bars * units["driver_bar_bytes"]

    def opened(bars: float) -> float:
        return bars * (units["open_bar_bytes"] + units["open_row_bytes"] / work.interval)

    trained = opened(coins / work.scopes * work.train_bars)
    searched = work.seeds_per_trial * opened(coins * work.search_bars) + opened(coins * work.validation_bars)
    worker = units["worker_base_bytes"] + max(trained, searched if work.trials else 0.0)
    series = work.folds * work.test_days * (coins * (1 + work.seeds + work.rules + 1) + work.copies)
    database = (
        units["database_base_bytes"]
        + work.trades * (work.policies * units["trade_bytes"] + units["analysis_bytes"])
        + series * units["day_bytes"]
    )
    return Memory(
        head=driver + store,
        driver=driver,
        store=store,
        worker=worker,
        account=units["worker_base_bytes"] + opened(coins * work.test_bars),
        database=database,
        serving=units["serve_base_bytes"] + coins * units["serve_coin_bytes"],
    )

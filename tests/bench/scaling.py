"""What a second worker is worth: shadow tasks and Tune trials with one worker and with two, in one Ray session.

Efficiency is T1 / (2 T2): the same tasks one at a time, then two at a time, in alternating order, one thread each. The
workers of shadow are up before the clock starts; a search has the trials and steps of a real one, for it starts its
processes, one a trial at a time, and at its end one of them has nothing left to do.
The driver, Ray's services and whatever else the machine does share the cores with the second worker: on a busy machine
the wall clock says little, so that the time of the work alone stands beside it: of a shadow task the processor's, of a
trial the seconds of its updates. What two workers take more of it than one is lost in the work itself (memory, caches),
the rest in starting it and waiting for it.
"""

import os
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import ray
import torch

from huracan.config import (
    PpoSettings,
    RaySettings,
    RiskSettings,
    SearchSettings,
    TradingSettings,
    load_settings,
)
from huracan.env import Dataset
from huracan.learn.cluster import ray_session
from huracan.learn.recipe import MarketStore, RuleArena
from huracan.learn.search import Candidate, SearchPlan, Trial, search
from huracan.market import CandleSet
from huracan.policy import Ensemble, NetworkSpec, Normaliser, PolicyNet
from huracan.shadow import Fold, Window
from huracan.shadow.run import ShadowResult, shadow_block
from huracan.trading import Limits, rule_space
from jobs.shadow_tasks import Place, Rules
from tests.bench.harness import Measurement
from tests.bench.markets import LEADER, bench_market, martingales

TASKS, COINS, BARS, INTERVAL = 40, 10, 40_000, 15
TRIALS, TRIAL_STEPS = 12, 311_296
ORDERS = ((1, 2), (2, 1), (1, 2), (2, 1), (1, 2))
DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Timed:
    """The same work once with one worker and once with two.

    Attributes:
        wall_s: by number of workers.
        work_s: time of the work alone, by number of workers.
    """

    wall_s: dict[int, float]
    work_s: dict[int, float]

    @property
    def efficiency(self) -> float:
        """Return T1 / (2 T2)."""
        return self.wall_s[1] / (2 * self.wall_s[2])

    @property
    def share(self) -> float:
        """Return the time of the work alone with one worker over that with two: 1 where the second costs nothing."""
        return self.work_s[1] / self.work_s[2]


def measure() -> list[Measurement]:
    """Measure both in one Ray session of two workers."""
    torch.set_num_threads(1)
    os.environ.setdefault("RAY_idle_worker_killing_time_threshold_ms", "600000")  # a worker's start is not scaling
    os.environ.setdefault("RAY_worker_niceness", "0")  # Ray's 15 would give the workers what its neighbours leave
    with ray_session(RaySettings(num_cpus=2, object_store_mb=300)):
        shadow, tune = _shadow(), _tune()
    return [
        _row("scaling_shadow", shadow, f"{TASKS} tasks of {COINS} coins, network 80-256-256"),
        _row("scaling_tune", tune, f"{TRIALS} trials of {TRIAL_STEPS:,} environment steps"),
    ]


def _row(name: str, timed: list[Timed], what: str) -> Measurement:
    values = [one.efficiency for one in timed]
    middle = statistics.median(values)
    share = statistics.median(one.share for one in timed)
    wall = ", ".join(f"{statistics.median(one.wall_s[n] for one in timed):.1f} s with {n}" for n in (1, 2))
    note = f"{what}; {wall}; the work alone, one over two workers: {share:.2f}"
    spread = (max(values) - min(values)) / middle
    return Measurement(name, middle, "of 1", len(values), spread, 1, {"work-alone": share}, note)


def _in_turn(work: Callable[[int], tuple[float, float]], orders: int) -> list[Timed]:
    """Call `work(workers)` -> (wall, work alone) in alternating order."""
    found = []
    for order in ORDERS[:orders]:
        seen = {workers: work(workers) for workers in order}
        found.append(Timed({n: one[0] for n, one in seen.items()}, {n: one[1] for n, one in seen.items()}))
    return found


# ---- shadow -------------------------------------------------------------------------------------------------------


@ray.remote(num_cpus=1)
def _trade(policy: Any, tapes: Any, rules: Rules) -> tuple[ShadowResult, float]:
    """Do what `jobs.shadow_tasks.trade_block` does, and say what it took of the processor."""
    begun = time.process_time()
    result = shadow_block(policy, tapes, rules.fold.test, rules.kernel, rules.limits, name="scaling", fold=0)
    return result, time.process_time() - begun


def _shadow() -> list[Timed]:
    market = bench_market(COINS, BARS, INTERVAL)
    scaler = market.fit.scaler
    net = PolicyNet(NetworkSpec(), Normaliser(scaler.center, scaler.scale, scaler.clip, np.ones(80, np.bool_)), seed=1)
    test = Window(market.window.end_ms - 20 * DAY_MS, market.window.end_ms)
    symbols = tuple(tape.symbol for tape in market.tapes)
    fold = Fold(0, Window(market.window.start_ms, test.start_ms), test, 0, 0, symbols, ())
    rules = ray.put(Rules(fold, market.kernel, Limits.of(RiskSettings()), Place(None, None)))
    policy, tapes = ray.put(Ensemble([net])), ray.put(market.tapes)

    def work(workers: int) -> tuple[float, float]:
        task = _trade.options(num_cpus=2 / workers)
        begun = time.perf_counter()
        done = ray.get([task.remote(policy, tapes, rules) for _ in range(TASKS)])
        return time.perf_counter() - begun, sum(core for _, core in done)

    work(2)  # both workers started, everything compiled
    return _in_turn(work, 5)


# ---- Tune ---------------------------------------------------------------------------------------------------------


class _Silent:
    """Follows a search without a word; sums up what its trainings took."""

    def __init__(self) -> None:
        self.wall_s: dict[str, float] = {}

    def trial_changed(self, trial: Trial) -> None:
        """See `TrialSink`."""
        self.wall_s[trial.name] = trial.wall_s


def _tune() -> list[Timed]:
    settings = load_settings(overrides={"trading.decision_interval_bars": INTERVAL}, environ={})
    candles = martingales(4, BARS)
    dataset = Dataset.build(CandleSet("1m", tuple(sorted(candles)), LEADER, candles, ()), settings, "bench")
    start_ms, end_ms = dataset.summary.start_ms, dataset.summary.end_ms
    judged_ms = end_ms - 4 * DAY_MS
    recipe = MarketStore(dataset).window(start_ms, judged_ms, dataset.summary.symbols, 1)
    arena = RuleArena({INTERVAL: recipe.ground}, judged_ms, end_ms)

    def work(workers: int) -> tuple[float, float]:
        asked = SearchSettings(
            num_samples=TRIALS,
            seeds_per_trial=1,
            env_steps=TRIAL_STEPS,
            grace_env_steps=TRIAL_STEPS,
            max_concurrent_trials=workers,
            trading_rules=False,
        )
        given = Candidate(PpoSettings(), TradingSettings(decision_interval_bars=INTERVAL))
        plan = SearchPlan(arena, given, rule_space(given.trading, asked, "1m"), 1, asked)
        sink, begun = _Silent(), time.perf_counter()
        with tempfile.TemporaryDirectory(prefix="huracan-") as folder:
            search(plan, Path(folder), sink)
        return time.perf_counter() - begun, max(sum(sink.wall_s.values()), 1e-9)

    return _in_turn(work, 2)

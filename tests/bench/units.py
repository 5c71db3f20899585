"""The unit costs of `huracan plan`: each piece of a run measured alone, in processor time, through the product's code.

Processor time of one thread, medians of three: other work on the machine lengthens the wall clock, hardly these. Where
a cost has a part for each call and a part for each row, both come from two sizes measured in turn.
"""

import platform
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import psutil
import ray
import torch
from sqlalchemy import Engine, text

from huracan.analysis import Group, analyse, embedding_of, path_of
from huracan.baselines import Momentum, paths_of_school, school, train_opponent
from huracan.config import (
    DatabaseSettings,
    EnvSettings,
    GateSettings,
    PpoSettings,
    RaySettings,
    RiskSettings,
    Settings,
    load_settings,
)
from huracan.env import Dataset, TradingVectorEnv
from huracan.learn import Trainer
from huracan.learn.cluster import ray_session
from huracan.market import symbol_to_stem, write_candles
from huracan.memory import EmbeddedServer, open_database, open_run, write_trades
from huracan.memory.analyses import write_analyses
from huracan.memory.daily import DailyResult, record_shadow_days
from huracan.plan.units import UNITS, UnitCost
from huracan.policy import Ensemble, NetworkSpec, Normaliser, PolicyNet
from huracan.shadow import judge_gate
from huracan.shadow.bootstrap import Resampler
from huracan.shadow.portfolio import shadow_portfolio
from huracan.shadow.run import random_block, shadow_block
from huracan.shadow.splits import Window
from huracan.trading import Limits
from huracan.trading.deck import build_deck
from tests.analysis.worlds import shadow_world
from tests.bench import footprint
from tests.bench.markets import BenchMarket, bench_market, martingales
from tests.bench.ppo import BATCH, specification
from tests.bench.round import EAGER, simulate
from tests.gate.worlds import World, evidence_of
from tests.memory.samples import joined, sample_trades
from tests.patterns.worlds import SCALER
from tests.shadow.worlds import LIMITS

COINS_FEW, COINS_MANY, BARS, INTERVAL = 5, 40, 20_000, 15
STATES = 24
REPEATS = 3

Costs = dict[str, tuple[float, str]]
"""By name: value and how it was measured."""


def measure_units(efficiencies: Mapping[str, tuple[float, str]]) -> dict[str, UnitCost]:
    """Measure every unit cost; the efficiencies come from the room `scaling`.

    Args:
        efficiencies: `efficiency_shadow` and `efficiency_tune` with their notes.
    """
    torch.set_num_threads(1)
    few = bench_market(COINS_FEW, BARS, INTERVAL)
    many = bench_market(COINS_MANY, BARS, INTERVAL)
    found: Costs = dict(efficiencies)
    parts: dict[str, Callable[[], Costs]] = {
        "data and features": lambda: _data(many),
        "training": lambda: _learning(many),
        "shadow": lambda: _shadow(few, many),
        "tree models": lambda: _trees(many),
        "statistics": _statistics,
        "database": _database,
        "serving": _serving,
        "memory": _memory,
        "workers": _workers,
    }
    for name, part in parts.items():
        print(f"measuring unit costs: {name} ...", file=sys.stderr, flush=True)
        found |= part()
    machine, day = _machine(), datetime.now(UTC).date()
    return {name: UnitCost(found[name][0], machine, day, found[name][1]) for name in UNITS}


def _machine() -> str:
    """Return what the figures depend on: processor, cores, memory, interpreter."""
    model = platform.processor() or platform.machine()
    for line in Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else ():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    memory = psutil.virtual_memory().total / 2**30
    return f"{model}, {psutil.cpu_count()} cores, {memory:.0f} GiB, Python {platform.python_version()}"


def core_s(work: Callable[[], object], repeats: int = REPEATS) -> float:
    """Return the median processor time of `work`, run once before it is timed."""
    work()
    times = []
    for _ in range(repeats):
        begun = time.process_time()
        work()
        times.append(time.process_time() - begun)
    return max(statistics.median(times), 1e-9)


def two_parts(small: float, large: float, rows_small: float, rows_large: float) -> tuple[float, float]:
    """Return (per call, per row) of a cost measured at two numbers of rows; neither below a thousandth of the whole."""
    per_row = max((large - small) / (rows_large - rows_small), 1e-3 * large / rows_large)
    return max(small - per_row * rows_small, 1e-3 * small), per_row


# ---- data and features --------------------------------------------------------------------------------------------


def _data(market: BenchMarket) -> Costs:
    candles = martingales(COINS_MANY, BARS)
    coin_bars = COINS_MANY * BARS
    with tempfile.TemporaryDirectory(prefix="huracan-") as name:
        for symbol, rows in candles.items():
            write_candles(rows, Path(name) / f"{symbol_to_stem(symbol)}.parquet")
        settings = load_settings(overrides={"data.folder": name}, environ={})
        load = core_s(lambda: Dataset.load(settings))
        dataset = Dataset.load(settings)
    start_ms, end_ms = dataset.summary.start_ms, dataset.summary.end_ms
    fit = dataset.fit(start_ms, end_ms, seed=1)
    rows = sum(len(tape.rows) for tape in dataset.bare)
    warm = sum(int(tape.ready[tape.rows].sum()) for tape in dataset.bare)
    fitted = min(warm, settings.features.fit_sample_max)
    return {
        "load_bar": (load / coin_bars, f"Dataset.load of {COINS_MANY} coins x {BARS:,} minutes"),
        "fit_row": (core_s(lambda: dataset.fit(start_ms, end_ms, seed=1)) / fitted, f"{fitted:,} rows"),
        "finish_row": (core_s(lambda: dataset.fold_tapes(fit)) / rows, f"{rows:,} decisions"),
    }


# ---- training -----------------------------------------------------------------------------------------------------


def _learning(market: BenchMarket) -> Costs:
    bars = sum(len(tape) for tape in market.tapes)
    env = EnvSettings()
    opened = core_s(lambda: TradingVectorEnv(market.tapes, market.kernel, env, market.window, seed=1).close())
    seconds = {}
    with ray_session(RaySettings(num_cpus=2, object_store_mb=100)):
        for epochs in (2, 6):
            with Trainer(specification(market, PpoSettings(num_epochs=epochs))) as trainer:
                seconds[epochs] = core_s(trainer.step) / BATCH
    sample, update = two_parts(seconds[2], seconds[6], 2, 6)
    return {
        "open_bar": (opened / bars, f"{COINS_MANY} coins, the vector environment made"),
        "sample_step": (sample, f"batch {BATCH}, from 2 and 6 epochs; learner and sampler in one process"),
        "update_step": (update, f"batch {BATCH}, minibatch 1024, from 2 and 6 epochs"),
    }


# ---- shadow -------------------------------------------------------------------------------------------------------


def _shadow(few: BenchMarket, many: BenchMarket) -> Costs:
    window = Window(many.window.end_ms - 8 * 86_400_000, many.window.end_ms)
    limits, day_bars = Limits.of(RiskSettings()), 8 * 1_440
    steps = day_bars // INTERVAL

    def block(market: BenchMarket) -> float:
        return core_s(
            lambda: shadow_block(Momentum(), market.tapes, window, market.kernel, limits, name="units", fold=0)
        )

    def account(market: BenchMarket) -> float:
        risk = RiskSettings()
        return core_s(
            lambda: shadow_portfolio(Momentum(), market.tapes, window, market.kernel, risk, name="units", fold=0), 1
        )

    step, lane = two_parts(block(few) / steps, block(many) / steps, COINS_FEW, COINS_MANY)
    close, coin = two_parts(account(few) / day_bars, account(many) / day_bars, COINS_FEW, COINS_MANY)
    judged = shadow_block(Momentum(), few.tapes, window, few.kernel, limits, name="units", fold=0)
    copies = 20
    chance = core_s(lambda: random_block(judged.pace, few.tapes, window, few.kernel, limits, copies=copies, seed=1), 1)
    scaler = many.fit.scaler
    net = PolicyNet(NetworkSpec(), Normaliser(scaler.center, scaler.scale, scaler.clip, np.ones(80, np.bool_)), seed=1)
    states = np.zeros((STATES, 80), np.float32)
    states[:, :52] = many.tapes[0].features[-STATES:, :52]
    one, calls = Ensemble([net]), 2_000
    forward = core_s(lambda: [one.decide(states) for _ in range(calls)])
    sizes = f"{COINS_FEW} and {COINS_MANY} coins, 8 days, a decision every {INTERVAL} bars"
    return {
        "shadow_step": (step, sizes),
        "shadow_bar": (lane / INTERVAL, sizes),
        "portfolio_close": (close, sizes),
        "portfolio_bar": (coin, sizes),
        "random_bar": (chance / (copies * COINS_FEW * day_bars), f"{copies} copies of {COINS_FEW} coins"),
        "forward": (forward / calls, f"{STATES} states"),
    }


def _trees(market: BenchMarket) -> Costs:
    limits, window = Limits.of(RiskSettings()), market.window

    def label() -> object:
        return school(market.tapes, market.kernel, window.start_ms, window.end_ms, limits, market.fit.sha256)

    labelled = school(market.tapes, market.kernel, window.start_ms, window.end_ms, limits, market.fit.sha256)
    labels = labelled.labels
    assert labels is not None, labelled.reason
    count = len(labels)
    paths = min(count, 6_000)
    return {
        "label_row": (core_s(label, 1) / max(labels.asked, 1), f"{labels.asked:,} decisions asked"),
        "tree_row": (core_s(lambda: train_opponent(labelled), 1) / count, f"{count:,} labels"),
        "path_row": (core_s(lambda: paths_of_school(labelled), 1) / paths, f"at most {paths:,} labels"),
    }


# ---- statistics and database --------------------------------------------------------------------------------------


def _statistics() -> Costs:
    days, resamples, tried = 365, 2_000, 50
    daily = np.random.default_rng(1).normal(size=days)

    def series() -> None:
        drawn = Resampler(daily, resamples=resamples, level=0.95, seed=1)
        drawn.interval(daily)

    evidence, settings = evidence_of(World(days, tried), np.random.default_rng(1)), GateSettings()
    gate = core_s(lambda: judge_gate(evidence, settings), 1)
    return {
        "resample_day": (core_s(series) / (days * resamples), f"{days} days, {resamples:,} resamples, mean"),
        "gate_day": (gate / (days * tried), f"{tried} versions, {days} days"),
    }


def _database() -> Costs:
    """Measure writing and sizes in a database of its own; the server's time is not the writer's, wall clock counts."""
    home = Path(tempfile.mkdtemp(prefix="huracan-"))
    try:
        engine = open_database(DatabaseSettings(), home)
        base = _size(engine)
        trades = joined(*(sample_trades(1_000, seed, f"COIN{seed}/USDT") for seed in range(20)))

        def write() -> float:
            run_id = open_run(engine, "bench", Settings(), "bench", "bench")
            begun = time.perf_counter()
            write_trades(engine, run_id, trades)
            return time.perf_counter() - begun

        write()
        before = _size(engine)
        written = statistics.median(write() for _ in range(REPEATS))
        trade_bytes = (_size(engine) - before) / (REPEATS * len(trades))
        run_id, days, series = open_run(engine, "bench", Settings(), "bench", "bench"), 60, 2_000
        before = _size(engine)
        rng = np.random.default_rng(1)
        rows = [
            DailyResult("policy", f"p{at}", f"COIN{at}/USDT", 0, 20_000, tuple(rng.normal(size=days).tolist()))
            for at in range(series)
        ]
        record_shadow_days(engine, run_id, rows)
        day_bytes = (_size(engine) - before) / (series * days)
        analysed = _analysed(engine)
        engine.dispose()
    finally:
        EmbeddedServer(home).stop()
        shutil.rmtree(home)
    return {
        "database_base_bytes": (float(base), "a fresh database at the newest schema"),
        "trade_bytes": (trade_bytes, f"{len(trades):,} trades, {REPEATS} runs, indexes included"),
        "trade_written": (written / len(trades), "one transaction of 20 COPYs, wall clock, fsync on"),
        "day_bytes": (day_bytes, f"{series:,} series of {days} days"),
        **analysed,
    }


def _analysed(engine: Engine) -> Costs:
    trades, tapes, kernel, _ = shadow_world(coins=6, days=14)
    paths = {tape.symbol: path_of(tape, kernel.base_ms) for tape in tapes}
    group = Group(trades, paths, embedding_of(tapes, kernel.base_ms, int(trades.entry_time.min()), SCALER))
    found = analyse([group], tapes, kernel, LIMITS, layout=int(trades.layout[0]))
    core = core_s(lambda: analyse([group], tapes, kernel, LIMITS, layout=int(trades.layout[0])), 1)
    run_id = open_run(engine, "bench", Settings(), "bench", "bench")
    write_trades(engine, run_id, trades)
    before, begun = _size(engine), time.perf_counter()
    write_analyses(engine, run_id, found.rows, found.proposals)
    wall = time.perf_counter() - begun
    room = (_size(engine) - before) / len(trades)
    return {
        "trade_analysed": ((core + wall) / len(trades), f"{len(trades):,} trades of 6 coins"),
        "analysis_bytes": (max(room, 1.0), f"{len(trades):,} trades, two rows each"),
    }


def _size(engine: Engine) -> int:
    with engine.connect() as connection:
        return int(connection.execute(text("SELECT pg_database_size(current_database())")).scalar_one())


# ---- serving, memory, workers -------------------------------------------------------------------------------------


def _serving() -> Costs:
    coins = 200
    seen = simulate(coins, 20, EAGER)
    core = statistics.median(seen.core_s)
    note = f"{coins} coins, {EAGER} want to enter"
    return {
        "serve_close": (seen.push_core_s / coins, note),
        "serve_decision": (max(core - seen.push_core_s, 1e-6) / coins, note),
        "serve_base_bytes": (float(seen.bytes_base), "the process with all its imports"),
        "serve_coin_bytes": (seen.bytes_coins / coins, note),
    }


def _memory() -> Costs:
    peaks = []
    for bars in (10_000, 60_000):
        with tempfile.TemporaryDirectory(prefix="huracan-") as name:
            for symbol, rows in martingales(10, bars).items():
                write_candles(rows, Path(name) / f"{symbol_to_stem(symbol)}.parquet")
            found = footprint.driver(Path(name))
            peaks.append((found["peak"], found["coin_bars"]))
    base, bar = two_parts(peaks[0][0], peaks[1][0], peaks[0][1], peaks[1][1])
    small = footprint.worker(10_000)
    worker = small["peak"] - small["own"]
    market = bench_market(4, 10_000, INTERVAL)
    bars, rows = sum(len(t.bars) for t in market.tapes), sum(len(t.rows) for t in market.tapes)
    tape = market.tapes[0]
    per_bar = sum(a.nbytes for a in (tape.bars, tape.sigma, tape.day, tape.ready, tape.segment)) / len(tape)
    per_row = (tape.features.nbytes + tape.rows.nbytes) / len(tape.rows)
    deck = build_deck(market.tapes, market.kernel)
    return {
        "driver_base_bytes": (base, "peak resident size at 10 x 10,000 and 10 x 60,000 minutes"),
        "driver_bar_bytes": (bar, "peak resident size at 10 x 10,000 and 10 x 60,000 minutes, one fit"),
        "worker_base_bytes": (worker, "resident size after four updates, its markets left out"),
        "open_bar_bytes": (deck.bars.nbytes / bars, "the deck of an environment or of shadow lanes"),
        "open_row_bytes": ((deck.features.nbytes + deck.rows.nbytes + deck.age.nbytes) / rows, "the same"),
        "store_bar_bytes": (per_bar, "arrays of a tape"),
        "store_row_bytes": (per_row, "features and decision rows of a tape"),
    }


def _workers() -> Costs:
    """Measure a cold worker's start by the wall clock of one task that imports what a training imports."""
    block = np.zeros(200 * 2**20, np.uint8)
    with ray_session(RaySettings(num_cpus=2, object_store_mb=600)):

        @ray.remote(num_cpus=1, runtime_env={"env_vars": {"HURACAN_BENCH_COLD": "1"}})
        def cold() -> float:
            import huracan.learn  # noqa: F401 - what a training's worker imports

            return time.process_time()

        started = ray.get(cold.remote())

        def put() -> None:
            ref = ray.put(block)
            del ref

        copied = core_s(put)
    return {
        "worker_start": (started, "processor time of a fresh worker until huracan.learn is imported"),
        "put_byte": (copied / block.nbytes, "200 MB, once the store's pages are there"),
    }

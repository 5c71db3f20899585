"""The promotion gate: from what is stored of 50 versions on the same candles to the report on one of them."""

import shutil
import tempfile
import time
from pathlib import Path

import numpy as np

from huracan.config import DatabaseSettings, GateSettings
from huracan.memory import EmbeddedServer, Registry, open_database
from huracan.shadow import gather_evidence, judge_gate
from tests.bench.harness import Measurement, repeat
from tests.gate.worlds import World, evidence_of
from tests.shadow.proof import run_of, store_days, store_trades

VERSIONS, DAYS, COINS = 50, 365, 10


def measure() -> list[Measurement]:
    """Measure reading the evidence and weighing it, every row with the default 2,000 resamples, on one core."""
    home = Path(tempfile.mkdtemp(prefix="huracan-"))
    try:
        engine = open_database(DatabaseSettings(), home)
        registry, coins = Registry(engine), tuple(f"C{coin}/USDT" for coin in range(COINS))
        for at in range(VERSIONS):
            run_id = run_of(engine, "bench")
            store_days(engine, run_id, evidence_of(World(DAYS, 1), np.random.default_rng(at)), coins)
            registry.register(run_id, f"v{at}", "*", "policies/x", "ab" * 32, {}, "bench")
        store_trades(engine, run_id, 300)
        model, settings = registry.show("v49"), GateSettings()

        def ours() -> float:
            begun = time.perf_counter()
            report = judge_gate(gather_evidence(engine, model), settings)
            assert report.tried == VERSIONS
            return time.perf_counter() - begun

        ours()
        value, spread, repeats = repeat(ours)
        engine.dispose()
    finally:
        EmbeddedServer(home).stop()
        shutil.rmtree(home)
    note = f"{VERSIONS} versions of {COINS} coins, {DAYS} days, 12,870 splits, 2,000 resamples; the database included"
    return [Measurement("gate_50", value, "s", repeats, spread, 1, {}, note)]

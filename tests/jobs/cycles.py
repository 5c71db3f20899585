"""A retraining cycle of seconds: three synthetic coins behind a loopback exchange, and every row that it leaves."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, text

from huracan.config import DataSettings, QualitySettings
from huracan.market import Candles, SyntheticSpec, load_candles, write_synthetic
from tests.learn.worlds import NOW_MS, SMALL

ROOT = Path(__file__).parents[2]
DAY = "2025-01-21"
NEXT_DAY = "2025-01-22"
BARS = 22 * 288

LEFT = {
    "runs": "SELECT run_id, kind, status, data_fingerprint FROM runs",
    "cycles": "SELECT scope, day, round, run_id FROM retrain_cycles",
    "steps": "SELECT step, state FROM retrain_steps",
    "trials": "SELECT run_id, status, params, objective, env_steps FROM trials",
    "models": "SELECT run_id, version, scope, stage, sha256, metrics FROM models",
    "events": "SELECT version, verb, from_stage, to_stage, reason, forced FROM model_events "
    "JOIN models USING (model_id)",
    "trades": "SELECT to_jsonb(t) - 'trade_id' FROM trade_memory t",
    "days": "SELECT run_id, fold, first_day, kind, CASE kind WHEN 'trial' THEN '' ELSE name END, symbol, net "
    "FROM daily_results",
    "performance": "SELECT to_jsonb(p) - 'performance_id' - 'updated_at' FROM model_performance p",
    "gates": "SELECT version, g.sha256, passed, report FROM gate_reports g JOIN models USING (model_id)",
    "wins": "SELECT symbol, seq, fold FROM win_analysis JOIN trade_memory USING (trade_id)",
    "losses": "SELECT symbol, seq, fold FROM loss_analysis JOIN trade_memory USING (trade_id)",
    "after": "SELECT symbol, seq, fold FROM post_exit_tracking JOIN trade_memory USING (trade_id)",
    "proposals": "SELECT run_id, kind, status FROM rule_proposals",
}
"""Every row that a cycle leaves, but for numbers that are counted up, times and random names."""


def candles(folder: Path) -> list[Candles]:
    """Return the coins' histories: twenty-two days of 5-minute candles."""
    write_synthetic(folder, SyntheticSpec(timeframe="5m", bars=BARS, planted=1, null=2), seed=5)
    found = load_candles(folder, DataSettings(), QualitySettings(), NOW_MS)
    return [found.candles[symbol] for symbol in found.symbols]


def job(home: Path, data: Path, url: str, exchange_url: str, *words: str, **settings: Any) -> subprocess.Popen[str]:
    """Start `python -m jobs.retrain`, or `tests.jobs.killed STEP MOMENT` when the first two words name them."""
    given = SMALL | {"data.timeframe": "5m", "ray.num_cpus": 2, "ray.object_store_mb": 80, **settings}
    if "data.symbols" not in given:
        given["data.symbols"] = ["BTC/USDT", "NUL1/USDT", "REV1/USDT"]
    module, words = ("tests.jobs.killed", words) if len(words) == 2 and words[1] in ("begun", "undone") else (
        "jobs.retrain", words
    )  # fmt: skip
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "HURACAN_"))}
    environment |= {"HURACAN_HOME": str(home), "HURACAN__DATABASE__URL": url, "OMP_NUM_THREADS": "1"}
    environment |= {"HURACAN__DATA__EXCHANGE_URL": exchange_url, "NUMBA_CACHE_DIR": os.environ["NUMBA_CACHE_DIR"]}
    assignments = [word for key, value in given.items() for word in ("--set", f"{key}={json.dumps(value)}")]
    days = () if "--day" in words else ("--day", DAY)
    return subprocess.Popen(
        [sys.executable, "-m", module, *words, "--data", str(data), "--json", *days, *assignments],
        cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def left(engine: Engine) -> dict[str, list[str]]:
    """Return every row that the cycles of a database left, as text, sorted."""
    with engine.connect() as connection:
        return {
            name: sorted(json.dumps(list(row), default=str, sort_keys=True) for row in connection.execute(text(query)))
            for name, query in LEFT.items()
        }

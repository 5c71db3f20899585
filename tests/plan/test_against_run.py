"""A plan against the run it is for: trained, judged and analysed for real, each figure within a stated factor."""

import os
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import Engine, text

from huracan.config import Settings, load_settings
from huracan.env import Dataset
from huracan.learn.cluster import ray_session
from huracan.learn.progress import TerminalProgress
from huracan.market import SyntheticSpec, write_synthetic
from huracan.memory import claim_run, open_run, phase, read_run
from huracan.plan import Estimate, Size, UnitCosts, estimate, packaged_units, workload_of
from jobs.explain import analyse_shadow
from jobs.shadow import shadow
from jobs.train import folds_of, train
from tests.plan.watching import Watch

pytestmark = [pytest.mark.slow, pytest.mark.ray, pytest.mark.postgres, pytest.mark.timeout(1_200)]

FACTOR = 2.0
"""Processor time and memory: planned and measured lie within this factor of each other."""
WALL_FACTOR = 3.0
"""Wall time of a machine that does nothing else; one that does may take longer by its load."""
COINS, DAYS = 6, 60


def settings_of(folder: Path) -> Settings:
    """Return a run of minutes: 3 trials, 2 folds, 2 seeds."""
    return load_settings(
        overrides={
            "data.folder": str(folder),
            "search.num_samples": 3,
            "search.seeds_per_trial": 1,
            "search.env_steps": 100_000,
            "search.grace_env_steps": 50_000,
            "search.trading_rules": False,
            "walk_forward.folds": 2,
            "ppo.env_steps": 150_000,
            "shadow.seeds": (1, 2),
            "ray.num_cpus": 2,
            "ray.object_store_mb": 200,
        },
        environ={},
    )


def test_a_real_run_takes_what_was_planned(database: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Phase by phase: processor time and memory within 2x, wall time of `run_phases` within 3x, database within 2x."""
    monkeypatch.setenv("HURACAN_HOME", str(tmp_path / "home"))
    folder = tmp_path / "candles"
    write_synthetic(folder, SyntheticSpec(bars=DAYS * 1_440, planted=COINS // 2, null=COINS - COINS // 2), 7)
    settings, units = settings_of(folder), packaged_units()
    empty = _size(database)
    run_id = open_run(database, "train", settings, "0" * 64, "plan")
    with Watch() as watch:
        with phase(database, run_id, "data and features"), watch.phase("data"):
            dataset = Dataset.load(settings)
            folds = folds_of(dataset)
        with ray_session(settings.ray):
            with watch.phase("train"), claim_run(database, run_id) as claim:
                campaign = train(dataset, folds, database, claim, TerminalProgress())
            ruled = dataset.under(campaign.trading)
            url = SecretStr(database.url.render_as_string(hide_password=False))
            with phase(database, run_id, "shadow"), watch.phase("shadow"):
                report = shadow(ruled, folds, campaign.versions, url=url, run_id=run_id)
        with phase(database, run_id, "analysis"), watch.phase("analysis"):
            analyse_shadow(ruled, campaign.versions, database, run_id)
    trades = report.policy.trades.trades
    days = sum(fold.test.days for fold in folds)
    planned = _planned(settings, units, trades / (COINS * days))
    walls = {row.name: row.wall_s for row in read_run(database, run_id).phases}
    core = {name: _phase(planned, name) for name in ("features", "search", "training", "shadow")}
    load = max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
    rows = [
        ("features, search and training, core s", core["features"] + core["search"] + core["training"],
         watch.core_s["data"] + watch.core_s["train"], FACTOR),
        ("shadow, core s", core["shadow"], watch.core_s["shadow"], FACTOR),
        ("driver, MB", planned.memory.driver / 2**20, watch.driver_bytes / 2**20, FACTOR),
        ("largest worker, MB", max(planned.memory.worker, planned.memory.account) / 2**20,
         watch.worker_bytes / 2**20, FACTOR),
        ("database, MB", (planned.memory.database - units["database_base_bytes"]) / 2**20,
         (_size(database) - empty) / 2**20, FACTOR),
        ("train, wall s", sum(one.wall_s for one in planned.phases[:3]),
         walls["data and features"] + walls["train"], WALL_FACTOR * load),
        ("shadow, wall s", planned.phases[3].wall_s, walls["shadow"], WALL_FACTOR * load),
    ]  # fmt: skip
    print(f"{trades} trades, load {load:.1f} a core")
    for name, expected, seen, _ in rows:
        print(f"{name}: planned {expected:.1f}, measured {seen:.1f}, {seen / expected:.2f}x of the plan")
    wrong = [row for row in rows if not row[1] / row[3] <= row[2] <= row[1] * row[3]]
    assert not wrong


def _planned(settings: Settings, units: UnitCosts, trades_per_day: float) -> Estimate:
    return estimate(workload_of(settings, Size(COINS, DAYS, "1m", trades_per_day)), units, workers=2)


def _phase(planned: Estimate, name: str) -> float:
    return next(one.core_s for one in planned.phases if one.name == name)


def _size(engine: Engine) -> int:
    with engine.connect() as connection:
        return int(connection.execute(text("SELECT pg_database_size(current_database())")).scalar_one())

"""The daily cycle as a person starts it, PPO and all: a planted edge becomes champion, its absence does not.

The edge is a price that returns to a wandering anchor with a half-life of an hour, to be seen in candles alone; without
it the same number of coins wander.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from huracan.market import SyntheticSpec, write_synthetic

pytestmark = [pytest.mark.slow, pytest.mark.ray, pytest.mark.postgres, pytest.mark.timeout(3_600)]
DAYS = 220
DAY = "2025-08-09"
"""The first one without candles."""
SETTINGS: dict[str, Any] = {
    "retrain": {"download": False, "stale_max_days": 100_000},
    "search": {
        "num_samples": 2,
        "seeds_per_trial": 1,
        "env_steps": 150_000,
        "grace_env_steps": 100_000,
        "trading_rules": False,
    },
    "walk_forward": {"folds": 2, "test_days": 45},
    "ppo": {"env_steps": 400_000},
    "shadow": {"seeds": [1, 2, 3], "random_policies": 100},
}


def cycle(folder: Path, planted: int, null: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Write coins, run a cycle over them in a home of its own, and return its report and the registry's newest row."""
    spec = SyntheticSpec(timeframe="5m", bars=DAYS * 288, planted=planted, null=null)
    write_synthetic(folder / "candles", spec, seed=5)
    (folder / "cycle.yaml").write_text(yaml.safe_dump(SETTINGS))
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "HURACAN_"))}
    environment |= {"HURACAN_HOME": str(folder / "home"), "OMP_NUM_THREADS": "1"}

    def ask(*words: str) -> Any:
        done = subprocess.run(
            [Path(sys.executable).with_name("huracan"), *words, "--json"],
            env=environment, cwd=folder, capture_output=True, text=True, timeout=3_000, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-3_000:]
        return json.loads(done.stdout)

    try:
        report = ask("retrain", "--config", "cycle.yaml", "--data", "candles", "--day", DAY)
        (model,) = ask("models", "ls")
        return report, model
    finally:
        ask("db", "stop")


def test_a_planted_edge_is_found_passes_the_gate_and_becomes_champion(tmp_path: Path) -> None:
    """From candles to champion in one command, by the gate's word and nobody's force."""
    report, model = cycle(tmp_path, planted=5, null=1)
    print(report["headline"])
    assert report["state"] == "done"
    assert (model["stage"], model["proven"]) == ("champion", True)


def test_where_nothing_is_planted_nothing_is_promoted(tmp_path: Path) -> None:
    """The same work, and the version stays a candidate: refused is a normal end."""
    report, model = cycle(tmp_path, planted=0, null=6)
    print(report["headline"])
    assert report["state"] == "done"
    assert (model["stage"], model["proven"]) == ("candidate", False)

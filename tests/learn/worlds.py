"""A small real dataset and settings that train on it in seconds."""

from pathlib import Path
from typing import Any

from huracan.clock import MarketClock
from huracan.config import load_settings
from huracan.env import Dataset
from huracan.market import SyntheticSpec, write_synthetic

NOW_MS = 4_000_000_000_000
DAY_MS = 86_400_000
SMALL: dict[str, Any] = {
    "env.num_envs": 16,
    "policy.hidden": [16],
    "ppo.train_batch_size": 512,
    "ppo.minibatch_size": 256,
    "ppo.env_steps": 1024,
    "search.num_samples": 1,
    "search.seeds_per_trial": 1,
    "search.env_steps": 512,
    "search.grace_env_steps": 512,
    "walk_forward.folds": 2,
    "walk_forward.test_days": 2,
    "shadow.seeds": [1, 2],
}


def small_dataset(folder: Path, **overrides: Any) -> Dataset:
    """Three synthetic coins, twenty days of 5-minute candles, written to `folder` unless they are there."""
    if not folder.exists():
        write_synthetic(folder, SyntheticSpec(timeframe="5m", bars=20 * 288, planted=1, null=2), seed=5)
    settings = load_settings(None, {"data.folder": folder} | SMALL | overrides, environ={})
    return Dataset.load(settings, MarketClock(NOW_MS))

"""Memory of a driver and of a training worker, each in a fresh process: with a little data and with more.

`python -m tests.bench.footprint driver 20000 FOLDER` loads the candles of a folder as a driver does; `worker 20000`
trains on markets of that length. Printed is one JSON line of bytes.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil

__all__ = ["driver", "worker"]


def driver(folder: Path) -> dict[str, float]:
    """Return {peak, coin bars} of a process that loads a folder of candles and makes the tapes of one fit."""
    return _child("driver", str(folder))


def worker(bars: int) -> dict[str, float]:
    """Return {peak, own, coin bars} of a process that trains on four markets of `bars` bars."""
    return _child("worker", str(bars))


def _child(*words: str) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.footprint", *words],
        capture_output=True, text=True, check=True, timeout=600,
        env={**os.environ, "OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"},
    )  # fmt: skip
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def _peak() -> int:
    """Return the largest resident size since the program began; `ru_maxrss` would begin with the parent's."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1_024
    raise RuntimeError("this system does not say how much memory a process took at most")


def _driver(folder: Path) -> dict[str, float]:
    import jobs.train  # noqa: F401 - what a driver imports before its first candle
    from huracan.config import load_settings
    from huracan.env import Dataset

    settings = load_settings(overrides={"data.folder": str(folder)}, environ={})
    dataset = Dataset.load(settings)
    fit = dataset.fit(dataset.summary.start_ms, dataset.summary.end_ms, seed=1)
    tapes = dataset.fold_tapes(fit)
    return {"peak": _peak(), "coin_bars": float(sum(len(tape) for tape in tapes))}


def _worker(bars: int) -> dict[str, float]:
    from huracan.config import PpoSettings, RaySettings
    from huracan.learn import Trainer
    from huracan.learn.cluster import ray_session
    from huracan.ray_env import prepare_ray_environment
    from tests.bench.markets import bench_market
    from tests.bench.ppo import ITERATIONS, specification

    prepare_ray_environment()
    with ray_session(RaySettings(num_cpus=1, object_store_mb=100)):
        market = bench_market(coins=4, bars=bars, interval=15)
        process = psutil.Process()
        before = process.memory_info().rss
        with Trainer(specification(market, PpoSettings())) as trainer:
            opened = process.memory_info().rss
            for _ in range(ITERATIONS):
                trainer.step()
            return {"peak": process.memory_info().rss, "own": opened - before, "before": before}


def main(words: list[str]) -> Any:
    """Measure what is asked for in this process."""
    return _driver(Path(words[1])) if words[0] == "driver" else _worker(int(words[1]))


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1:])))

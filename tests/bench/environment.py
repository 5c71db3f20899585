"""Environment steps per second: N = 256 slots, the full kernel, random legal actions, 80-float states, one core.

The time is that of `step` alone; the peers' actions are drawn beforehand too.
"""

import time
from pathlib import Path

import numpy as np

from huracan.config import EnvSettings
from huracan.env import TradingVectorEnv
from huracan.trading import legal_actions
from tests.bench.harness import Measurement, repeat, run_peer
from tests.bench.markets import bench_market

NUM_ENVS, CHUNK, SECONDS_MIN = 256, 200, 1.0


def measure(peer_python: Path | None) -> list[Measurement]:
    """Measure both decision intervals; the peers step one market with as many features and random actions."""
    peers = {
        name: run_peer(peer_python, script) if peer_python else None
        for name, script in (
            ("gym-trading-env", "gym_trading_env_rate.py"),
            ("gym-anytrading", "gym_anytrading_rate.py"),
        )
    }
    return [_measure("env_k1", 1, peers), _measure("env_k15", 15, {})]


def _measure(name: str, interval: int, peers: dict[str, float | None]) -> Measurement:
    market = bench_market(coins=4, bars=60_000, interval=interval)
    env = TradingVectorEnv(
        market.tapes, market.kernel, EnvSettings(num_envs=NUM_ENVS), market.window, seed=1, copy=False
    )
    obs, _ = env.reset()
    rng = np.random.default_rng(0)
    draws = rng.random((64, NUM_ENVS, 6), np.float32)

    def rate() -> float:
        nonlocal obs
        inside, done = 0.0, 0
        while inside < SECONDS_MIN:
            for step in range(CHUNK):
                actions = np.where(legal_actions(obs), draws[step % 64], np.float32(-1.0)).argmax(axis=1)
                begun = time.perf_counter()
                obs, *_ = env.step(actions)
                inside += time.perf_counter() - begun
            done += CHUNK * NUM_ENVS
        return done / inside

    rate()
    value, spread, repeats = repeat(rate)
    ratios = {peer: value / rate if rate else None for peer, rate in peers.items()}
    return Measurement(name, value, "steps/s", repeats, spread, 1, ratios, f"N = {NUM_ENVS}, k = {interval}")

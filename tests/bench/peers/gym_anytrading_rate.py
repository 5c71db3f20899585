"""Steps per second of gym-anytrading: one market, 52 features, window 1, random actions, one thread."""

import time

import gym_anytrading  # noqa: F401 - registers the environment
import numpy as np
import pandas as pd
from gym_anytrading.envs import StocksEnv

BARS, FEATURES, SECONDS = 20_000, 52, 3.0
rng = np.random.default_rng(0)
price = 100 * np.exp(np.cumsum(rng.normal(0, 0.001, BARS)))
frame = pd.DataFrame({"Close": price})
signals = rng.normal(size=(BARS, FEATURES)).astype(np.float32)


class FeatureEnv(StocksEnv):
    """StocksEnv with given features, the library's own documented way to extend it."""

    def _process_data(self) -> tuple[np.ndarray, np.ndarray]:
        return price, signals


env = FeatureEnv(df=frame, window_size=1, frame_bound=(1, BARS))
actions = rng.integers(0, 2, BARS)
env.reset(seed=1)
steps, begun = 0, time.perf_counter()
while time.perf_counter() - begun < SECONDS:
    *_, terminated, truncated, _ = env.step(int(actions[steps % BARS]))
    steps += 1
    if terminated or truncated:
        env.reset()
print(steps / (time.perf_counter() - begun))

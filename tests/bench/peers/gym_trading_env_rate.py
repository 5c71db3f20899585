"""Steps per second of Gym-Trading-Env: one market, 52 features, random actions, one thread."""

import time

import gym_trading_env  # noqa: F401 - registers the environment
import gymnasium
import numpy as np
import pandas as pd

BARS, FEATURES, SECONDS = 20_000, 52, 3.0
rng = np.random.default_rng(0)
price = 100 * np.exp(np.cumsum(rng.normal(0, 0.001, BARS)))
frame = pd.DataFrame(
    {"open": price, "high": price * 1.001, "low": price * 0.999, "close": price, "volume": 1.0},
    index=pd.date_range("2025-01-01", periods=BARS, freq="1min"),
)
frame = frame.assign(**{f"feature_{i}": rng.normal(size=BARS) for i in range(FEATURES)})
env = gymnasium.make(
    "TradingEnv", df=frame, positions=[0, 1], trading_fees=0.001, borrow_interest_rate=0, verbose=0
).unwrapped
actions = rng.integers(0, 2, BARS)
env.reset(seed=1)
steps, begun = 0, time.perf_counter()
while time.perf_counter() - begun < SECONDS:
    *_, terminated, truncated, _ = env.step(int(actions[steps % BARS]))
    steps += 1
    if terminated or truncated:
        env.reset()
print(steps / (time.perf_counter() - begun))

"""The single environment: Gymnasium's checker as an executable specification, and a foreign learner on it."""

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from stable_baselines3 import PPO
from stable_baselines3.common.env_checker import check_env as check_sb3_env

from huracan.env import ENV_ID, TradingEnv
from huracan.errors import UsageError
from tests.env.worlds import kernel_settings, short_episodes, whole, wild_tapes

KERNEL = kernel_settings()
TAPES = wild_tapes(KERNEL, 2)
ARGUMENTS = {"tapes": TAPES, "kernel": KERNEL, "settings": short_episodes(), "window": whole(TAPES)}

pytestmark = pytest.mark.filterwarnings("ignore:.*observation space m(in|ax)imum value is (-)?infinity.*:UserWarning")


def test_gymnasiums_checker_accepts_it() -> None:
    """`check_env` finds nothing wrong with the registered environment: spaces, seeding, types, return values."""
    check_env(gymnasium.make(ENV_ID, **ARGUMENTS).unwrapped, skip_render_check=True)


def test_stable_baselines3_checker_accepts_it() -> None:
    """The stricter checker of Stable-Baselines3 accepts it too."""
    check_sb3_env(TradingEnv(**ARGUMENTS))


def test_stable_baselines3_trains_on_it() -> None:
    """A foreign PPO, which knows no masks, runs on it and changes its weights."""
    learner = PPO("MlpPolicy", gymnasium.make(ENV_ID, **ARGUMENTS), n_steps=256, batch_size=128, seed=1, device="cpu")
    before = {name: value.clone() for name, value in learner.policy.state_dict().items()}
    learner.learn(512)
    assert learner.num_timesteps == 512
    assert any(not np.array_equal(before[name], value) for name, value in learner.policy.state_dict().items())


def test_an_ended_episode_must_be_reset() -> None:
    """Stepping before the first reset or past an end is refused instead of silently starting anew."""
    env = TradingEnv(**ARGUMENTS)
    with pytest.raises(UsageError, match="reset"):
        env.step(np.int64(0))
    env.reset(seed=1)
    over = False
    while not over:
        _, _, terminated, truncated, _ = env.step(np.int64(0))
        over = terminated or truncated
    with pytest.raises(UsageError, match="reset"):
        env.step(np.int64(0))

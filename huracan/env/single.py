"""The single-slot twin of the vector environment, registered as `huracan/Trading-v0`."""

from collections.abc import Sequence
from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

from huracan.config import EnvSettings
from huracan.env.episodes import Window
from huracan.env.vector import ACTION_SPACE, OBSERVATION_SPACE, TradingVectorEnv
from huracan.errors import UsageError
from huracan.trading import KernelSettings, Limits, Tape, legal_actions

__all__ = ["ENV_ID", "TradingEnv"]

ENV_ID = "huracan/Trading-v0"


class TradingEnv(gymnasium.Env[NDArray[np.float32], np.int64]):
    """One slot of `TradingVectorEnv` behind Gymnasium's single-environment interface; equal seeds give equal episodes.

    A learner that knows no masks may send anything: an illegal action is its no-op.

    Args:
        tapes: one market each, features applied.
        kernel: the resolved trading rules.
        settings: episode lengths and randomisation (`num_envs` is not read).
        window: market time the episodes stay inside.
        limits: the account's, which state 72-75 are measured against; None: the defaults of the configuration.
    """

    metadata: dict[str, Any] = {"render_modes": []}  # noqa: RUF012

    def __init__(
        self,
        tapes: Sequence[Tape],
        kernel: KernelSettings,
        settings: EnvSettings,
        window: Window,
        limits: Limits | None = None,
    ) -> None:
        self.observation_space = OBSERVATION_SPACE
        self.action_space = ACTION_SPACE
        self._slot = TradingVectorEnv(tapes, kernel, settings, window, num_envs=1, limits=limits)
        self._playing = False

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Begin an episode; `seed` starts its sequence of episodes anew. `options`: none exist.

        Returns:
            The observation, float32[80], and an empty dict.
        """
        super().reset(seed=seed)
        obs, infos = self._slot.reset(seed=seed)
        self._playing = True
        return obs[0], infos

    def step(self, action: np.int64) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """Play one decision; see `TradingVectorEnv.step`.

        Raises:
            UsageError: no episode is running, or the action is not in 0 to 5.
        """
        if not self._playing:
            raise UsageError("step() without a running episode: call reset() first")
        obs, reward, terminated, truncated, infos = self._slot.step(np.array([action], np.int64))
        self._playing = not (terminated[0] or truncated[0])
        return obs[0], float(reward[0]), bool(terminated[0]), bool(truncated[0]), infos

    def action_masks(self) -> NDArray[np.bool_]:
        """Return bool[6], the legal actions now, under the name that sb3-contrib's MaskablePPO asks for."""
        return legal_actions(self._slot.lanes.obs[0])

"""The training environment: N trading slots stepped together, as a Gymnasium vector environment."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from huracan.config import EnvSettings
from huracan.env.episodes import EpisodeBook, EpisodeSampler, Window
from huracan.errors import UsageError
from huracan.features.layout import STATE_SIZE
from huracan.trading import Action, KernelSettings, Lanes, Limits, Tape

__all__ = ["ACTION_SPACE", "OBSERVATION_SPACE", "TradingVectorEnv"]

OBSERVATION_SPACE = spaces.Box(-np.inf, np.inf, (STATE_SIZE,), np.float32)
ACTION_SPACE: spaces.Discrete[np.int64] = spaces.Discrete(len(Action))

Arrays = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]]


class TradingVectorEnv(VectorEnv[NDArray[np.float32], NDArray[np.int64], NDArray[Any]]):
    """N independent slots over coins and start times, one step = one decision interval of the trading kernel.

    Observation: the raw state, float32[N, 80] (`huracan.features.layout`); the legal actions follow from it alone
    (`huracan.trading.legal_actions`), an illegal action is its no-op. Reward: change of equity net of every cost,
    over capital and ex-ante volatility (`kernel.md` 4), float32[N]. Autoreset is NEXT_STEP: the step after an end
    ignores that slot's action and returns its first observation with reward 0. `terminated`: the window ended and the
    position was sold; `truncated`: the episode was cut and its value must be bootstrapped. `infos` is always empty.

    The episodes of slot i depend on (seed, i) alone. `reset()` without a seed goes on to new episodes.

    Args:
        tapes: one market each, features applied; shared, never written.
        kernel: the resolved trading rules.
        settings: slots, episode lengths and randomisation.
        window: market time the episodes stay inside.
        num_envs: slots, `settings.num_envs` when None.
        seed: of the first reset when that gives none; None draws one from the system.
        copy: return fresh observations and rewards; False returns the buffers the next step overwrites.
        limits: the account's, which state 72-75 are measured against; None: the defaults of the configuration.
    """

    metadata: dict[str, Any] = {"render_modes": [], "autoreset_mode": AutoresetMode.NEXT_STEP}  # noqa: RUF012

    def __init__(
        self,
        tapes: Sequence[Tape],
        kernel: KernelSettings,
        settings: EnvSettings,
        window: Window,
        num_envs: int | None = None,
        seed: int | None = None,
        copy: bool = True,
        limits: Limits | None = None,
    ) -> None:
        self.num_envs = settings.num_envs if num_envs is None else num_envs
        if self.num_envs < 1:
            raise UsageError(f"num_envs is {self.num_envs}; give at least one slot")
        self.single_observation_space = OBSERVATION_SPACE
        self.single_action_space = ACTION_SPACE
        self.observation_space = batch_space(OBSERVATION_SPACE, self.num_envs)
        self.action_space = batch_space(ACTION_SPACE, self.num_envs)
        tapes = [tape.between(*window.bars(tape)) for tape in tapes]  # lanes copy what they are given
        sampler = EpisodeSampler(tapes, window, settings, kernel.decision_interval_bars, kernel.hold_bars)
        self._book = EpisodeBook(sampler, self.num_envs)
        self._lanes = Lanes(tapes, kernel, self.num_envs, limits=limits)
        self._copy = copy
        self._seed = seed
        self._slots = np.arange(self.num_envs)
        self._ended = np.zeros(self.num_envs, np.bool_)
        self._ready = False

    @property
    def lanes(self) -> Lanes:
        """Return the kernel lanes under the environment, for evaluation that reads equity or trades."""
        return self._lanes

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Begin new episodes in all slots.

        Args:
            seed: begin the sequence of episodes that belongs to it; None goes on with the current one.
            options: none exist.

        Returns:
            Observations float32[N, 80] and an empty dict.
        """
        if seed is None and not self._ready:
            seed = self._seed
        super().reset(seed=seed)
        if seed is not None or not self._ready:
            self._book.open(int(self.np_random.integers(2**63)))
        self._ready = True
        self._begin(self._slots)
        self._ended[:] = False
        return self._out(self._lanes.obs), {}

    def step(self, actions: NDArray[np.int64]) -> Arrays:
        """Play one decision in every slot.

        Args:
            actions: int[N], 0 to 5.

        Returns:
            Observations float32[N, 80], rewards float32[N], terminated bool[N], truncated bool[N], {}.
        """
        if not self._ready:
            raise UsageError("step() before reset(): call reset() first")
        actions = np.ascontiguousarray(actions, np.int64)
        if actions.shape != (self.num_envs,):
            raise UsageError(f"actions have shape {actions.shape}; give one action for each of {self.num_envs} slots")
        if actions.view(np.uint64).max() >= len(Action):  # one pass: a negative action reads as a huge one
            raise UsageError(f"actions lie in [{actions.min()}, {actions.max()}]; legal are 0 to {len(Action) - 1}")
        lanes = self._lanes
        lanes.step(actions)
        if np.count_nonzero(self._ended):
            self._begin(np.flatnonzero(self._ended))
        np.logical_or(lanes.terminated, lanes.truncated, out=self._ended)
        return self._out(lanes.obs), self._out(lanes.reward), lanes.terminated.copy(), lanes.truncated.copy(), {}

    def _begin(self, slots: NDArray[np.int64]) -> None:
        """Start the next episode of each of `slots`."""
        plan = self._book.next(slots)
        self._lanes.reset(slots, plan.tape, plan.start, plan.stop, plan.at_end, plan.load, plan.cost_scale)

    def _out(self, buffer: NDArray[np.float32]) -> NDArray[np.float32]:
        return buffer.copy() if self._copy else buffer

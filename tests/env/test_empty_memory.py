"""An empty memory does not stop trading: state 52-61 all zero, as they are before the first closed trade."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from huracan.baselines import MeanReversion
from huracan.env import TradingVectorEnv
from huracan.features.layout import HEAD_SIZE, MEMORY_SLICE, S_KNN_N_EFF, STATE_SIZE
from huracan.policy import Ensemble, NetworkSpec, Policy, specimen_states
from huracan.policy.network import legal_mask
from huracan.policy.rows import mark_legal
from huracan.trading import Action, Tape, legal_actions
from tests.env.worlds import kernel_settings, short_episodes, whole, wild_tapes
from tests.policy.recipes import make_nets, random_normaliser

KERNEL = kernel_settings()
TAPES = wild_tapes(KERNEL)
SLOTS, DECISIONS = 16, 120
OUTSIDE = np.delete(np.arange(STATE_SIZE), np.arange(STATE_SIZE)[MEMORY_SLICE])
ENTERS = (Action.ENTER_LONG_SMALL, Action.ENTER_LONG_NORMAL, Action.ENTER_LONG_LARGE)


def remembered(rows: int, seed: int) -> NDArray[np.float32]:
    """Return float32[rows, 10] of some neighbours: results on both sides of zero, and how many there were."""
    rng = np.random.default_rng(seed)
    block = rng.normal(0, 1, (rows, MEMORY_SLICE.stop - MEMORY_SLICE.start)).astype(np.float32)
    block[:, S_KNN_N_EFF - MEMORY_SLICE.start] = 1
    return block


def tapes_with(full: bool) -> list[Tape]:
    """Return the same markets with a memory, or with an empty one."""
    tapes = []
    for number, tape in enumerate(TAPES):
        features = np.array(tape.features[:, :HEAD_SIZE])
        features[:, MEMORY_SLICE] = remembered(len(features), number) if full else 0
        tapes.append(tape.with_features(features))
    return tapes


def played(policy: Policy, full: bool) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.float32]]:
    """Return what a policy saw, did and earned: float32[D, N, 80], int64[D, N], float32[D, N]."""
    tapes = tapes_with(full)
    env = TradingVectorEnv(tapes, KERNEL, short_episodes(), whole(tapes), num_envs=SLOTS)
    obs, _ = env.reset(seed=5)
    seen, done, earned = [], [], []
    for _ in range(DECISIONS):
        seen.append(obs.copy())
        done.append(policy.act(seen[-1]))
        obs, reward, *_ = env.step(done[-1])
        earned.append(reward.copy())
    return np.array(seen), np.array(done), np.array(earned)


def test_the_mask_does_not_read_the_memory() -> None:
    """The kernel's mask, the network's and the compiled one are the same with an empty memory and a full one."""
    empty = specimen_states(500, 3)
    empty[:, MEMORY_SLICE] = 0
    full = empty.copy()
    full[:, MEMORY_SLICE] = remembered(500, 4)
    assert not np.array_equal(empty, full)
    legal = legal_actions(empty)
    assert 0 < legal[:, Action.ENTER_LONG_NORMAL].mean() < 1
    assert np.array_equal(legal, legal_actions(full))
    for states in (empty, full):
        compiled = np.empty_like(legal)
        mark_legal(states, compiled)
        assert np.array_equal(compiled, legal)
        assert np.array_equal(legal_mask(torch.from_numpy(states)).numpy(), legal)


def test_a_rule_trades_the_same_with_and_without_a_memory() -> None:
    """Entries, exits, rewards and every other number of the state are equal: the kernel asks no memory."""
    (seen, done, earned), (seen_full, done_full, earned_full) = (
        played(MeanReversion(), full) for full in (False, True)
    )
    assert not seen[..., MEMORY_SLICE].any()
    assert seen_full[..., MEMORY_SLICE].any()
    assert np.array_equal(done, done_full)
    assert np.array_equal(earned, earned_full)
    assert np.array_equal(seen[..., OUTSIDE], seen_full[..., OUTSIDE])
    assert np.isin(done, ENTERS).sum() > 20


@pytest.mark.parametrize("full", [False, True], ids=["empty", "full"])
def test_a_network_enters_and_exits_with_an_empty_memory_too(full: bool) -> None:
    """Its own choices open and close positions; nothing of its output is unknown."""
    policy = Ensemble(make_nets(random_normaliser(3), NetworkSpec((16,)), seeds=(1, 2)))
    seen, done, earned = played(policy, full)
    assert seen[..., MEMORY_SLICE].any() == full
    assert np.take_along_axis(legal_actions(seen), done[..., None], axis=-1).all()
    assert np.isin(done, ENTERS).sum() > 20
    assert (done == Action.EXIT).sum() > 20
    assert np.isfinite(earned).all()
    assert earned.any()

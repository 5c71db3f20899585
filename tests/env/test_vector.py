"""The vector environment: Gymnasium's contract, NEXT_STEP autoreset, equal seeds, buffers, ends."""

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from huracan.env import ENV_ID, TradingEnv, TradingVectorEnv, Window
from huracan.errors import UsageError
from huracan.features.layout import STATE_SIZE
from huracan.trading import Action, legal_actions
from tests.env.worlds import kernel_settings, short_episodes, whole, wild_tapes

KERNEL = kernel_settings()
TAPES = wild_tapes(KERNEL)
WINDOW = whole(TAPES)


def make(num_envs: int, seed: int | None = None, **settings: object) -> TradingVectorEnv:
    """Return an environment over the shared tapes."""
    return TradingVectorEnv(TAPES, KERNEL, short_episodes(**settings), WINDOW, num_envs=num_envs, seed=seed)


def ending(num_envs: int) -> TradingVectorEnv:
    """Return an environment whose window is so short that many episodes run into its end."""
    window = Window(WINDOW.end_ms - 400 * 60_000, WINDOW.end_ms)
    return TradingVectorEnv(TAPES, KERNEL, short_episodes(), window, num_envs=num_envs)


def random_legal(obs: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.int64]:
    """Return one legal action a row, evenly drawn."""
    legal = legal_actions(obs)
    return (legal * rng.random(legal.shape)).argmax(axis=1)


def test_shapes_types_and_spaces_are_gymnasiums() -> None:
    """Observations are float32[N, 80] in the declared space, rewards float32, flags bool, infos empty."""
    env = make(5)
    obs, infos = env.reset(seed=1)
    assert env.metadata["autoreset_mode"] is AutoresetMode.NEXT_STEP
    assert infos == {}
    assert env.observation_space.contains(obs)
    obs, reward, terminated, truncated, infos = env.step(env.action_space.sample())
    assert env.observation_space.contains(obs)
    assert (obs.shape, obs.dtype) == ((5, STATE_SIZE), np.float32)
    assert (reward.shape, reward.dtype) == ((5,), np.float32)
    assert terminated.dtype == truncated.dtype == np.bool_
    assert infos == {}


def test_the_step_after_an_end_returns_the_next_episodes_first_state() -> None:
    """NEXT_STEP: that step ignores the action, rewards 0, is no end, and the slot is flat in a new episode."""
    env, rng = ending(16), np.random.default_rng(4)
    obs, _ = env.reset(seed=3)
    ends = {"terminated": 0, "truncated": 0}
    before = np.zeros(16, np.bool_)
    for _ in range(600):
        obs, reward, terminated, truncated, _ = env.step(random_legal(obs, rng))
        assert not (terminated & truncated).any()
        assert not (terminated | truncated)[before].any()
        assert (reward[before] == 0).all()
        assert (obs[before, 62] == 0).all()
        before = terminated | truncated
        ends["terminated"] += int(terminated.sum())
        ends["truncated"] += int(truncated.sum())
        assert np.isfinite(obs).all()
        assert np.isfinite(reward).all()
    assert min(ends.values()) > 20


def test_positions_survive_a_cut_and_are_sold_at_the_windows_end() -> None:
    """A truncated state may hold a position (its value is bootstrapped); a terminated one is always flat."""
    env, rng = ending(32), np.random.default_rng(4)
    obs, _ = env.reset(seed=3)
    cut, ended = [], []
    for _ in range(400):
        held = obs[:, 62] > 0
        obs, _, terminated, truncated, _ = env.step(np.where(held, Action.HOLD, random_legal(obs, rng)))
        cut.extend(obs[truncated, 62])
        ended.extend(obs[terminated, 62])
    assert np.mean(cut) > 0.3
    assert len(ended) > 20
    assert not np.any(ended)


def test_equal_seeds_give_equal_runs_and_other_seeds_other_ones() -> None:
    """Two environments with one seed agree bit for bit through many episodes; reset(seed) repeats from the start."""

    def play(env: TradingVectorEnv, seed: int) -> NDArray[np.float32]:
        rng, rows = np.random.default_rng(0), []
        obs, _ = env.reset(seed=seed)
        for _ in range(100):
            obs, reward, *_ = env.step(random_legal(obs, rng))
            rows.append(np.column_stack([obs, reward]))
        return np.stack(rows)

    first, second = make(4), make(4)
    run = play(first, 7)
    assert np.array_equal(run, play(second, 7))
    assert np.array_equal(run, play(first, 7))
    assert not np.array_equal(run, play(first, 8))


def test_slots_do_not_depend_on_each_other() -> None:
    """The first three of twenty slots play exactly what three slots alone play."""
    few, many, rng = make(3), make(20), np.random.default_rng(1)
    small, _ = few.reset(seed=9)
    large, _ = many.reset(seed=9)
    for _ in range(150):
        assert np.array_equal(small, large[:3])
        actions = random_legal(large, rng)
        large, reward, *_ = many.step(actions)
        small, small_reward, *_ = few.step(actions[:3])
        assert np.array_equal(small_reward, reward[:3])


def test_reset_without_a_seed_goes_on_to_new_episodes() -> None:
    """A second reset() does not replay the first episodes; the constructor's seed fixes the first reset."""
    env = make(8, seed=5)
    first, _ = env.reset()
    second, _ = env.reset()
    again, _ = make(8, seed=5).reset()
    assert np.array_equal(first, again)
    assert not np.array_equal(first, second)


def test_copies_are_independent_and_buffers_are_shared() -> None:
    """With copy the returned arrays stay as they were; without, the next step overwrites them in place."""
    for copy in (True, False):
        env = TradingVectorEnv(TAPES, KERNEL, short_episodes(), WINDOW, num_envs=4, copy=copy)
        first, _ = env.reset(seed=2)
        kept = first.copy()
        second, *_ = env.step(np.zeros(4, np.int64))
        assert np.array_equal(first, kept) is copy
        assert (first is second) is not copy


def test_load_and_cost_scale_reach_the_kernel() -> None:
    """A loaded account shows in state 72-75 and masks entries when it binds; dearer episodes earn less."""
    env = make(400, portfolio_frac=1.0)
    obs, _ = env.reset(seed=1)
    assert (np.abs(obs[:, 72:76]).sum(axis=1) > 0).all()
    bound = (obs[:, [72, 73, 75]] >= 1).any(axis=1) | (obs[:, 74] <= -1)
    assert 0 < bound.sum() < 100
    assert not legal_actions(obs)[bound, 1:4].any()
    totals = []
    for scale in (1.0, 3.0):
        env = make(64, portfolio_frac=0.0, cost_scale=(scale, scale))
        obs, _ = env.reset(seed=1)
        total = 0.0
        for step in range(20):
            obs, reward, *_ = env.step(np.where(obs[:, 62] > 0, 4, 3 if step < 19 else 0))
            total += float(reward.sum())
        totals.append(total)
    assert totals[1] < totals[0] - 1.0


def test_misuse_is_named() -> None:
    """A step before reset, a wrong shape, an unknown action and zero slots are refused in one line."""
    env = make(3)
    with pytest.raises(UsageError, match="before reset"):
        env.step(np.zeros(3, np.int64))
    env.reset(seed=0)
    with pytest.raises(UsageError, match="one action for each of 3"):
        env.step(np.zeros(2, np.int64))
    with pytest.raises(UsageError, match="0 to 5"):
        env.step(np.array([0, 6, 0]))
    with pytest.raises(UsageError, match="at least one slot"):
        make(0)


def test_make_vec_builds_it_natively() -> None:
    """`gymnasium.make_vec` reaches the vector environment through the registered entry point."""
    env = gymnasium.make_vec(
        ENV_ID,
        num_envs=6,
        vectorization_mode="vector_entry_point",
        tapes=TAPES,
        kernel=KERNEL,
        settings=short_episodes(),
        window=WINDOW,
    )
    assert isinstance(env.unwrapped, TradingVectorEnv)
    obs, _ = env.reset(seed=1)
    assert np.array_equal(obs, make(6).reset(seed=1)[0])


def test_single_twin_is_the_vector_of_one() -> None:
    """Equal seeds: the single environment, reset by hand after each end, gives the vector's rows bit for bit."""
    vector = make(1)
    single = TradingEnv(TAPES, KERNEL, short_episodes(), WINDOW)
    rng, over = np.random.default_rng(2), False
    rows, _ = vector.reset(seed=13)
    row, _ = single.reset(seed=13)
    for _ in range(400):
        assert np.array_equal(row, rows[0])
        assert np.array_equal(single.action_masks(), legal_actions(rows[0]))
        actions = random_legal(rows, rng)
        rows, reward, terminated, truncated, _ = vector.step(actions)
        if over:
            row, _ = single.reset()
            over = False
            continue
        row, gain, ended, cut, _ = single.step(actions[0])
        assert (gain, ended, cut) == (float(reward[0]), bool(terminated[0]), bool(truncated[0]))
        over = ended or cut

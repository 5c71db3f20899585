"""The random policy trades at the counted pace, and only the moment is chance."""

import numpy as np
import pytest

from huracan.baselines import AGE_BINS, Pace, RandomPolicy
from huracan.features.layout import S_HELD_FRAC, S_IS_LONG
from huracan.trading import Action


def states(rows: int, held_frac: float | None = None) -> np.ndarray:
    """Return flat states, or held ones of one age."""
    result = np.zeros((rows, 80), np.float32)
    if held_frac is not None:
        result[:, S_IS_LONG], result[:, S_HELD_FRAC] = 1.0, held_frac
    return result


def test_pace_counts_chances_entries_by_size_and_exits_by_age() -> None:
    """Two live lanes and one that is over; a held lane has no chance to enter, a flat one none to exit."""
    pace = Pace(3)
    live = np.array([True, True, False])
    pace.observe(states(3), np.array([Action.ENTER_LONG_LARGE, Action.DO_NOTHING, Action.ENTER_LONG_SMALL]), live)
    mixed = states(3, held_frac=0.5)
    mixed[1] = 0.0
    pace.observe(mixed, np.array([Action.EXIT, Action.ENTER_LONG_SMALL, Action.EXIT]), live)
    assert pace.chances.tolist() == [1, 2, 0]
    assert pace.entries.tolist() == [[0, 0, 1], [1, 0, 0], [0, 0, 0]]
    assert (pace.held.sum(), pace.exits[AGE_BINS // 2], pace.exits.sum()) == (1, 1, 1)
    assert pace.actions.tolist() == [1, 1, 0, 1, 1, 0]
    assert pace.decisions == 4


def test_random_entries_have_the_counted_rate_and_sizes_of_each_lane() -> None:
    """Lane 0 enters at 30 % (one third large), lane 1 never."""
    pace = Pace(2)
    pace.chances[:] = 100
    pace.entries[0] = [20, 0, 10]
    policy = RandomPolicy(pace, copies=500, seed=5)
    actions = np.concatenate([policy.act(states(1_000)).reshape(500, 2) for _ in range(40)])
    share = np.bincount(actions[:, 0], minlength=6) / len(actions)
    assert share == pytest.approx([0.7, 0.2, 0.0, 0.1, 0.0, 0.0], abs=0.01)
    assert (actions[:, 1] == Action.DO_NOTHING).all()


def test_random_exits_follow_the_hazard_of_their_age() -> None:
    """Exits at half of the decisions of an old position, never of a young one."""
    pace = Pace(1)
    pace.held[:] = 100
    pace.exits[AGE_BINS // 2 :] = 50
    policy = RandomPolicy(pace, copies=2_000, seed=5)
    assert (policy.act(states(2_000, 0.25)) == Action.HOLD).all()
    old = policy.act(states(2_000, 0.75))
    assert np.mean(old == Action.EXIT) == pytest.approx(0.5, abs=0.05)
    assert set(policy.act(states(2_000, 3.0))) == {int(Action.EXIT), int(Action.HOLD)}


def test_holding_times_of_a_replayed_pace_have_the_distribution_of_the_original() -> None:
    """A policy that holds 1, 2 or 10 decisions with shares 1/2, 1/4, 1/4 is matched in mean and in shares."""
    generator = np.random.default_rng(3)
    pace = Pace(1)
    for hold in generator.choice([1, 2, 10], p=[0.5, 0.25, 0.25], size=4_000):
        for age in range(1, hold + 1):
            action = Action.EXIT if age == hold else Action.HOLD
            pace.observe(states(1, age / (AGE_BINS - 1)), np.array([action]), np.array([True]))
    policy = RandomPolicy(pace, copies=4_000, seed=8)
    held, exited = np.zeros(4_000, np.int64), np.zeros(4_000, np.bool_)
    for age in range(1, 12):
        leaves = policy.act(states(4_000, age / (AGE_BINS - 1))) == Action.EXIT
        held[leaves & ~exited] = age
        exited |= leaves
    assert exited.all()
    assert np.mean(held == 1) == pytest.approx(0.5, abs=0.03)
    assert np.mean(held == 2) == pytest.approx(0.25, abs=0.03)
    assert np.mean(held == 10) == pytest.approx(0.25, abs=0.03)


def test_the_seed_decides() -> None:
    """The same seed and calls give the same actions, another seed others; lanes are fixed."""
    pace = Pace(4)
    pace.chances[:], pace.entries[:, 1] = 10, 5
    first, again, other = (RandomPolicy(pace, copies=50, seed=seed) for seed in (1, 1, 2))
    sample = states(200)
    assert np.array_equal(first.act(sample), again.act(sample))
    assert not np.array_equal(first.act(sample), other.act(sample))
    with pytest.raises(ValueError, match="200 lanes, not 3"):
        first.act(states(3))


def test_paces_of_blocks_join_lane_by_lane() -> None:
    """Two blocks of one and two lanes give three lanes and the sums of the ages."""
    one, two = Pace(1), Pace(2)
    one.observe(states(1), np.array([Action.ENTER_LONG_SMALL]), np.array([True]))
    two.observe(states(2, 0.5), np.array([Action.EXIT, Action.HOLD]), np.array([True, True]))
    joined = Pace.joined([one, two])
    assert joined.chances.tolist() == [1, 0, 0]
    assert (joined.held.sum(), joined.exits.sum(), joined.decisions) == (2, 1, 3)

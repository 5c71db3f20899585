import numpy as np
import pytest

from huracan.features.layout import STATE_SIZE
from huracan.learn.columns import Rollout, generalised_advantage, standardised


def random_rollout(seed: int, steps: int = 60, slots: int = 8) -> Rollout:
    """A rollout under NEXT_STEP autoreset with random terminations and truncations."""
    rng = np.random.default_rng(seed)
    done = rng.random((steps, slots)) < 0.08
    for t in range(1, steps):  # a reset row cannot be done itself
        done[t] &= ~done[t - 1]
    terminated = done & (rng.random((steps, slots)) < 0.5)
    valid = np.ones((steps, slots), np.bool_)
    valid[1:] = ~done[:-1]
    return Rollout(
        states=rng.standard_normal((steps + 1, slots, STATE_SIZE)).astype(np.float32),
        actions=rng.integers(0, 6, (steps, slots)),
        log_probs=rng.standard_normal((steps, slots)).astype(np.float32),
        values=rng.standard_normal((steps + 1, slots)).astype(np.float32),
        rewards=rng.standard_normal((steps, slots)).astype(np.float32),
        terminated=terminated,
        truncated=done & ~terminated,
        valid=valid,
    )


def advantages_by_episode(rollout: Rollout, gamma: float, lambda_: float) -> np.ndarray:
    """The definition: per slot and episode, A_t = sum over l of (gamma lambda)^l delta_{t+l}, in float64."""
    result = np.full(rollout.rewards.shape, np.nan)
    for slot in range(rollout.rewards.shape[1]):
        start = 0
        while start < len(rollout.rewards):
            if not rollout.valid[start, slot]:
                start += 1
                continue
            stop = start
            while stop < len(rollout.rewards) - 1 and not (
                rollout.terminated[stop, slot] or rollout.truncated[stop, slot]
            ):
                stop += 1
            deltas = []
            for t in range(start, stop + 1):
                after = 0.0 if rollout.terminated[t, slot] else float(rollout.values[t + 1, slot])
                deltas.append(float(rollout.rewards[t, slot]) + gamma * after - float(rollout.values[t, slot]))
            for t in range(start, stop + 1):
                weights = (gamma * lambda_) ** np.arange(stop + 1 - t)
                result[t, slot] = float(weights @ np.array(deltas[t - start :]))
            start = stop + 1
    return result


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("gamma", "lambda_"), [(0.99, 0.95), (1.0, 1.0), (0.9, 0.0)])
def test_advantages_equal_the_plain_definition(seed: int, gamma: float, lambda_: float) -> None:
    """Vectorised over slots equals the sum of discounted errors episode by episode, cuts and resets included."""
    rollout = random_rollout(seed)
    advantages, targets = generalised_advantage(rollout, gamma, lambda_)
    expected = advantages_by_episode(rollout, gamma, lambda_)
    valid = rollout.valid
    assert not np.isnan(expected[valid]).any()
    assert np.allclose(advantages[valid], expected[valid], atol=2e-5)
    assert np.allclose(targets[valid], expected[valid] + rollout.values[:-1][valid], atol=2e-5)


def test_reset_rows_change_nothing() -> None:
    """Whatever stands in rows that are not valid, advantages of valid rows keep every bit."""
    rollout = random_rollout(9)
    before, _ = generalised_advantage(rollout, 0.99, 0.95)
    rollout.rewards[~rollout.valid] = 1e6
    after, _ = generalised_advantage(rollout, 0.99, 0.95)
    assert np.array_equal(before[rollout.valid], after[rollout.valid])


def test_a_cut_is_bootstrapped_and_an_end_is_not() -> None:
    """With gamma 1 and lambda 0: a truncated step sees the next value, a terminated one does not."""
    rollout = random_rollout(3)
    rollout.rewards[:] = 0
    rollout.values[:] = 5
    advantages, _ = generalised_advantage(rollout, 1.0, 0.0)
    assert (advantages[rollout.terminated] == -5).all()
    assert (advantages[rollout.truncated] == 0).all()


def test_length_counts_valid_steps() -> None:
    """RLlib counts a rollout as the environment steps that were really made."""
    rollout = random_rollout(4)
    assert len(rollout) == rollout.env_steps() == int(rollout.valid.sum()) < rollout.valid.size


def test_standardised_has_mean_zero_and_deviation_one() -> None:
    """Moments are exact to float32, and a constant does not divide by zero."""
    values = np.random.default_rng(0).normal(1e3, 5, 10_000).astype(np.float32)
    result = standardised(values)
    assert abs(float(result.mean(dtype=np.float64))) < 1e-5
    assert abs(float(result.std(dtype=np.float64)) - 1) < 1e-5
    assert (standardised(np.full(5, 3, np.float32)) == 0).all()

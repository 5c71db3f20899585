"""Bets against claims: no more is won than chance gives, however often one looks; what is wrong makes them rich."""

import numpy as np
import pytest

from huracan.health.evalues import called, delay_of, wealth_of

BOUND = 2.5


def test_a_true_claim_is_rarely_bet_down_however_often_one_looks() -> None:
    """Ville: in 250 series wealth ever reaches 20 in at most 5 of 100, fat tails or not. Seed 41."""
    rng, ever = np.random.default_rng(41), 0
    for _ in range(250):
        values = np.clip(rng.standard_t(3, 200), -BOUND, BOUND)
        ever += max(wealth_of(values[:end], 0.0, BOUND).wealth for end in range(10, 201, 10)) >= 20.0
    print(f"{ever} of 250 ever reach 20")
    assert ever <= 0.05 * 250 + 2.33 * np.sqrt(0.05 * 0.95 * 250)


def test_wealth_has_a_mean_of_at_most_one() -> None:
    """At the edge of the claim, and far less where the claim is more than kept."""
    rng = np.random.default_rng(42)
    at = [wealth_of(rng.uniform(-1.0, 1.0, 40), 0.0, BOUND).wealth for _ in range(4_000)]
    assert np.mean(at) == pytest.approx(1.0, abs=0.15)
    assert np.mean([wealth_of(rng.uniform(-1.0, 1.0, 40) + 0.3, 0.0, BOUND).wealth for _ in range(500)]) < 0.7
    assert wealth_of(np.zeros(0), 0.0, BOUND).wealth == 1.0


def test_a_late_change_is_found_with_its_beginning_within_the_stated_delay() -> None:
    """After eighty good observations, a deviation worse."""
    rng, delays, since = np.random.default_rng(43), [], []
    sample = rng.standard_normal(500)
    stated = delay_of(sample, -0.2, BOUND, 1.0, 400.0)
    for _ in range(40):
        series = np.concatenate([rng.choice(sample, 80), rng.choice(sample, 200) - 1.0])
        passed = [end for end in range(81, 281) if wealth_of(series[:end], -0.2, BOUND).wealth >= 400.0]
        delays.append(passed[0] - 80)
        since.append(wealth_of(series[: passed[0]], -0.2, BOUND).since)
    print(f"stated {stated:.0f}, seen {np.mean(delays):.0f}, since {np.median(since):.0f}")
    assert np.mean(delays) == pytest.approx(stated, rel=0.25)
    assert abs(np.median(since) - 80) <= 10
    assert delay_of(sample, -0.2, BOUND, 0.0, 400.0) == np.inf


def test_few_are_called_of_many() -> None:
    """e-BH by hand: of four at 1/10, one of 40 or more is called, or two of 20 or more."""
    assert called(np.array([39.0, 1.0, 1.0, 1.0]), 0.1).tolist() == [False] * 4
    assert called(np.array([1.0, 40.0, 1.0, 1.0]), 0.1).tolist() == [False, True, False, False]
    assert called(np.array([20.0, 1.0, 20.0, 1.0]), 0.1).tolist() == [True, False, True, False]
    assert not called(np.zeros(0), 0.1).any()

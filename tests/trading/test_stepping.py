"""Rewards and the figures of a step, by their formulas."""

import math

import numpy as np
import pytest

from tests.trading.markets import CALM, lane_over, settings_of, tape_of


def test_the_reward_is_the_scaled_log_change_of_equity_over_capital() -> None:
    """Bought at the open after, marked at 10,050: log1p(dE / 1,500) / (sigma sqrt(k)), sigma of the decision."""
    settings = settings_of(decision_interval_bars=2, reward_clip=100.0)
    sigma = np.array([9e-4, 1e-3, 7e-4, 5e-4])
    tape = tape_of([CALM, CALM, (10_000, 10_050, 10_000, 10_050, 9), (10_050,) * 4 + (9,)], settings, sigma=sigma)
    lanes = lane_over(tape, settings)
    lanes.step(np.array([2]))
    equity = (999 * 10_050 - 1_000 * 10_001) * 1e-4
    assert lanes.equity[0] == pytest.approx(equity, abs=1e-9)
    assert lanes.reward[0] == np.float32(math.log1p(lanes.equity[0] / 1_500) / (1e-3 * math.sqrt(2)))


def test_the_reward_is_clipped_on_both_sides() -> None:
    """A tiny volatility turns any change into the bound."""
    settings = settings_of()
    lanes = lane_over(tape_of([CALM, CALM, (10_000, 10_100, 10_000, 10_100, 9), CALM], settings, sigma=1e-8), settings)
    lanes.step(np.array([2]))
    assert lanes.reward[0] == -20
    lanes.step(np.array([5]))
    assert lanes.reward[0] == 20


def test_no_trade_no_reward_whatever_the_volatility() -> None:
    """Exactly zero, also where sigma is zero."""
    settings = settings_of()
    lanes = lane_over(tape_of([CALM, (10_000, 11_000, 9_000, 11_000, 9), CALM], settings), settings)
    for _ in range(2):
        lanes.step(np.array([0]))
        assert (lanes.reward[0], lanes.equity[0]) == (0, 0)


def test_the_sum_of_rewards_follows_the_equity_of_the_episode() -> None:
    """With a constant sigma: expm1 of each reward times the capital adds up to the final equity."""
    settings = settings_of(reward_clip=1e6)
    rng = np.random.default_rng(8)
    close = 10_000 + np.cumsum(rng.integers(-3, 4, 200))
    bars = np.column_stack([close, close + 2, close - 2, close, np.full(200, 50_000)])
    lanes = lane_over(tape_of(bars, settings, sigma=1e-3), settings, at_end=True)
    total = 0.0
    while not lanes.terminated[0]:
        lanes.step(np.array([(4 if rng.random() < 0.2 else 5) if lanes.obs[0, 62] else int(rng.integers(0, 4))]))
        total += math.expm1(float(lanes.reward[0]) * 1e-3) * 1_500
    assert len(lanes.trades()) > 10
    assert total == pytest.approx(float(lanes.equity[0]), abs=1e-4)
    assert lanes.trades().net.sum() == pytest.approx(float(lanes.equity[0]), abs=1e-2)


def test_the_entry_state_is_the_state_of_the_decision() -> None:
    """All 80 numbers, through partial fills and later decisions."""
    settings = settings_of(entry="maker")
    lanes = lane_over(tape_of([CALM, *[(10_000, 10_009, 9_989, 10_000, 4_000)] * 5], settings), settings)
    decided = lanes.obs[0].copy()
    for action in (2, 5, 5, 4, 0):
        lanes.step(np.array([action]))
    assert lanes.trades().entry_state[0].tobytes() == decided.tobytes()
    assert lanes.trades().decision_bar.tolist() == [0]

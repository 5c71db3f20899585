"""Means over trades: estimates are plain means, intervals respect days, and hold the truth as often as they say."""

import numpy as np
import pytest

from huracan.analysis.days import DayBlocks
from huracan.shadow import DAY_MS

START = 1_750_000_000_000 // DAY_MS * DAY_MS


def _days(rng: np.random.Generator, days: int, per_day: int, shared: float) -> tuple[np.ndarray, np.ndarray]:
    """Trades whose results share a shock a day."""
    day = np.repeat(np.arange(days), per_day)
    values = shared * rng.standard_normal(days)[day] + rng.standard_normal(days * per_day)
    return START + day * DAY_MS + rng.integers(0, DAY_MS, len(day)), values


def test_the_estimate_is_the_mean_of_trades() -> None:
    """Days with more trades weigh more."""
    time_ms = START + np.array([0, 0, 0, 1]) * DAY_MS
    blocks = DayBlocks(time_ms, np.array([1.0, 1, 1, 5]), resamples=200, level=0.9, seed=1)
    found = blocks.mean(np.array([1.0, 1, 1, 5]), time_ms)
    assert found is not None
    assert (found.trades, found.days, found.mean) == (4, 2, 2.0)
    assert found.low is not None
    assert found.low <= 2.0
    assert blocks.mean(np.zeros(0), np.zeros(0, np.int64)) is None


def test_a_single_day_has_no_interval() -> None:
    """However many trades it has: they are one draw of the market."""
    time_ms = START + np.arange(50)
    found = DayBlocks(time_ms, np.arange(50.0), resamples=100, level=0.9, seed=1).mean(np.arange(50.0), time_ms)
    assert found is not None
    assert (found.low, found.high) == (None, None)


@pytest.mark.parametrize("shared", [0.0, 1.0])
def test_intervals_hold_the_truth_as_often_as_they_say(shared: float) -> None:
    """40 days of 8 trades, with and without a shock that all trades of a day share: at least 84 of 100 at 90 %."""
    rng = np.random.default_rng(5)
    held = 0
    for _ in range(150):
        time_ms, values = _days(rng, 40, 8, shared)
        found = DayBlocks(time_ms, values, resamples=300, level=0.9, seed=3).mean(values, time_ms)
        assert found is not None
        assert found.low is not None
        assert found.high is not None
        held += found.low <= 0.0 <= found.high
    print(f"seed 5, shared {shared}: {held} of 150")
    assert held >= 0.84 * 150

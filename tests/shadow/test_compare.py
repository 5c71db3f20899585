"""A new version beside the champion: days that neither has seen, and an interval of the paired difference."""

import numpy as np

from huracan.config import ShadowSettings
from huracan.shadow import DAY_MS, Fold, Window
from huracan.shadow.compare import Pair, compare_days, unseen_windows


def fold(index: int, first: int, stop: int) -> Fold:
    """A fold that tests the days [first, stop)."""
    return Fold(index, Window(0, first * DAY_MS - 1), Window(first * DAY_MS, stop * DAY_MS), 10, 5, ("A/B",), ())


def test_only_days_after_the_champions_training_are_compared() -> None:
    """A test that it has learnt from is left out, one in which its training ends begins at the next midnight."""
    folds = [fold(0, 10, 20), fold(1, 20, 30), fold(2, 30, 40)]

    def found(end_ms: int) -> list[tuple[int, int, int]]:
        cut = unseen_windows(folds, end_ms)
        return [(one.index, window.start_ms // DAY_MS, window.end_ms // DAY_MS) for one, window in cut]

    assert found(0) == [(0, 10, 20), (1, 20, 30), (2, 30, 40)]
    assert found(25 * DAY_MS) == [(1, 25, 30), (2, 30, 40)]
    assert found(25 * DAY_MS + 1) == [(1, 26, 30), (2, 30, 40)]
    assert found(30 * DAY_MS) == [(2, 30, 40)]
    assert found(39 * DAY_MS + 1) == []


def test_the_difference_is_paired() -> None:
    """What both share cancels: a steady gain on wild days is shown, none is not, and the windows add up."""
    rng = np.random.default_rng(1)
    wild = rng.normal(scale=100.0, size=60)
    settings = ShadowSettings(bootstrap_resamples=500)

    def compared(gain: np.ndarray) -> tuple[bool, bool]:
        pairs = [Pair(wild[part] + gain[part], wild[part], 3, 4) for part in (slice(0, 25), slice(25, 60))]
        found = compare_days(pairs, settings)
        assert (found.days, found.new_trades, found.champion_trades) == (60, 6, 8)
        assert np.isclose(found.new_net - found.champion_net, gain.sum())
        assert np.isclose(found.difference.estimate, gain.mean())
        assert found.champion_day.low < 0 < found.champion_day.high
        return found.difference.positive, found.difference.negative

    noise = rng.normal(size=60)
    assert compared(2.0 + noise) == (True, False)
    assert compared(-2.0 + noise) == (False, True)
    assert compared(noise - noise.mean()) == (False, False)

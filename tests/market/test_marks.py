"""What histories share is seen in their marks, whatever their timeframe; what they do not share is not."""

from dataclasses import replace

import numpy as np

from huracan.market import Candles, day_marks, resample
from huracan.market.marks import MARKS
from tests.market.frames import market

DAY_BARS, DAY_MS = 1_440, 86_400_000
HISTORY = market(200 * DAY_BARS)


def days(first: int, last: int) -> Candles:
    """Return days [first, last) of the history."""
    start = int(HISTORY.timestamp[0]) // DAY_MS
    return HISTORY.between((start + first) * DAY_MS, (start + last) * DAY_MS)


def shared(one: Candles, other: Candles) -> int:
    """Return how many marks two histories have in common."""
    return np.intersect1d(day_marks(one), day_marks(other)).size


def test_a_history_has_the_same_marks_in_every_timeframe() -> None:
    """Whole days: their last close is the same one."""
    whole = days(1, 101)
    assert day_marks(whole).size == MARKS
    assert day_marks(resample(whole, "1h")).tolist() == day_marks(whole).tolist()
    assert day_marks(resample(whole, "1d")).tolist() == day_marks(whole).tolist()


def test_overlapping_histories_have_marks_in_common() -> None:
    """A day more, a tenth of the days, and all of a short one; the more they share, the more."""
    assert shared(days(1, 100), days(1, 101)) > MARKS - 5
    assert shared(days(1, 101), days(91, 191)) >= 1
    assert 20 < shared(days(1, 101), days(51, 151)) < 45  # half of the days, of which 64 of 100 are kept
    assert shared(days(1, 191), days(50, 60)) >= 1


def test_other_days_other_coins_and_other_prices_have_none() -> None:
    """The same closes under another name, and closes that moved, are another history."""
    whole = days(1, 101)
    assert shared(whole, days(101, 191)) == 0
    assert shared(whole, replace(whole, symbol="OTHER/USDT")) == 0
    moved = {name: getattr(whole, name) * 1.000001 for name in ("open", "high", "low", "close")}
    assert shared(whole, replace(whole, **moved)) == 0

"""A wait that is too long: seldom by chance, and found as soon as stated."""

import numpy as np
import pytest

from huracan.errors import InvariantError
from huracan.health.waiting import DAY_MS, Waiting


@pytest.mark.parametrize("seed", [91, 92])
def test_false_alarms_are_at_most_as_often_as_stated(seed: int) -> None:
    """Twenty references of sixty days, twelve trades a day; 2,000 days each, one false alarm in 100 at most."""
    rng, alarms = np.random.default_rng(seed), 0
    for _ in range(20):
        reference = np.sort(rng.integers(0, 60 * DAY_MS, 720))
        chart = Waiting.of(reference, 100.0)
        waits = np.diff(np.sort(rng.integers(0, 2_000 * DAY_MS, 24_000)))
        alarms += int((waits > chart.limit_ms).sum())
        assert chart.limit_ms < 1.5 * DAY_MS
    print(f"{alarms} alarms, at most {20 * 2_000 / 100:.0f} stated")
    assert alarms <= 400


def test_a_wait_that_is_over_the_limit_is_called() -> None:
    """Trades every hour or so, and then none."""
    rng = np.random.default_rng(93)
    chart = Waiting.of(np.cumsum(rng.exponential(3_600_000, 500)).astype(np.int64), 365.0)
    assert not chart.over(0, chart.limit_ms)
    assert chart.over(0, chart.limit_ms + 1)
    assert chart.usual_ms == pytest.approx(0.69 * 3_600_000, rel=0.2)
    assert 8 * 3_600_000 < chart.limit_ms < 24 * 3_600_000
    with pytest.raises(InvariantError, match="50 are needed"):
        Waiting.of(np.arange(20), 365.0)

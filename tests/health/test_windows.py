"""Windows do not overlap, have enough in them, and share the time between two false alarms."""

import numpy as np

from huracan.health.windows import DAY_MS, windows_of


def test_a_window_is_a_week_or_as_long_as_it_must_be() -> None:
    """Ten a day for a week; then one a day: fifty take fifty days. What has begun is not over."""
    days = np.concatenate([np.repeat(np.arange(100, 114), 10), np.arange(114, 200)])
    parts = windows_of(days * DAY_MS, 100 * DAY_MS, 200 * DAY_MS, 50, 365.0)
    assert [(one.start_ms // DAY_MS, one.end_ms // DAY_MS) for one in parts] == [(100, 107), (107, 114), (114, 164)]
    assert [round(one.level, 4) for one in parts] == [0.0192, 0.0192, 0.05]
    assert windows_of(days * DAY_MS, 100 * DAY_MS, 107 * DAY_MS - 1, 50, 365.0) == ()
    assert windows_of(days * DAY_MS, 100 * DAY_MS + 1, 108 * DAY_MS, 50, 365.0)[0].start_ms == 101 * DAY_MS
    assert windows_of(np.zeros(0, np.int64), 0, 10 * DAY_MS, 1, 365.0) == ()


def test_false_alarms_are_as_far_apart_as_said() -> None:
    """Windows' levels add up to the time that has passed, in units of the time between two false alarms."""
    days = np.repeat(np.arange(700), 10)
    parts = windows_of(days * DAY_MS, 0, 700 * DAY_MS, 50, 365.0)
    assert abs(sum(one.level for one in parts) - 700 / 365) < 1e-9

"""The error over days: known answers, and that trades of one day count once."""

import numpy as np
import pytest

from huracan.patterns.by_day import day_error


def test_with_one_trade_a_day_it_is_the_usual_error_of_a_mean() -> None:
    """Five values on five days: s / sqrt(5)."""
    values = np.array([1.0, 2.0, 4.0, 8.0, 16.0])
    found = day_error((values - values.mean()) / 5, np.arange(5))
    assert found == pytest.approx(values.std(ddof=1) / np.sqrt(5))


def test_a_day_traded_ten_times_counts_once() -> None:
    """Each trade ten times over on its day: the error stays."""
    values = np.array([1.0, 2.0, 4.0, 8.0, 16.0])
    often = np.repeat(values, 10)
    found = day_error((often - often.mean()) / 50, np.repeat(np.arange(5), 10))
    assert found == pytest.approx(values.std(ddof=1) / np.sqrt(5))


def test_days_that_do_not_differ_have_no_error() -> None:
    """Each day's trades cancel out."""
    assert day_error(np.array([1.0, -1.0, 2.0, -2.0]), np.array([3, 3, 9, 9])) == 0.0

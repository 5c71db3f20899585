"""Compensated sums, EWMAs, deques and bounded logs against plain definitions."""

import math

import numpy as np
import pytest

from huracan.features.machines.primitives import (
    clip,
    comp_add,
    comp_value,
    deque_front,
    deque_push,
    deque_size,
    ewma_add,
    ewma_value,
    ln_ratio,
    power_of_two,
)


def test_compensated_sum_forgets_what_left_the_window() -> None:
    """1e8 in and out again leaves a sum of tenths that a plain float sum gets wrong."""
    s, plain = np.zeros(2), 0.0
    for x in (0.1, 1e8, 0.1, -1e8, 0.1):
        comp_add(s, 0, x)
        plain += x
    assert comp_value(s, 0) == pytest.approx(0.3, abs=1e-15)
    assert abs(plain - 0.3) > 1e-9


def test_deque_front_is_the_window_maximum() -> None:
    """On random values, ties among them, the front equals the maximum of the last n at every bar."""
    rng, n = np.random.default_rng(7), 13
    x = rng.integers(0, 20, 500).astype(float)
    d = np.zeros(deque_size(n))
    d[2] = (len(d) - 3) // 2 - 1
    for t, value in enumerate(x):
        deque_push(d, n, float(t), value)
        assert deque_front(d) == x[max(0, t - n + 1) : t + 1].max()


def test_ewma_by_hand() -> None:
    """With rate 1/2, values 8, 4, 2 weigh 1, 2, 4 of 7; before the first value the mean is 0, after it that value."""
    s, seen = np.array([0.5, 0.0, 0.0]), []
    seen.append(ewma_value(s, 0))
    for x in (8.0, 4.0, 2.0):
        ewma_add(s, 0, x)
        seen.append(ewma_value(s, 0))
    assert seen == pytest.approx([0.0, 8.0, 16 / 3, 24 / 7], rel=1e-15)


def test_bounds_of_clip_and_of_the_log_ratio() -> None:
    """Both are cut symmetrically, and a ratio to no level is 0."""
    assert [clip(x, 2.0) for x in (-3.0, -2.0, 1.5, 9.0)] == [-2.0, -2.0, 1.5, 2.0]
    assert ln_ratio(6.0, 2.0, 0.1) == pytest.approx(math.log(3.0))
    assert ln_ratio(0.0, 2.0, 0.1) == pytest.approx(math.log(0.1))
    assert ln_ratio(1e9, 2.0, 0.1) == pytest.approx(-math.log(0.1))
    assert ln_ratio(6.0, 0.0, 0.1) == 0.0


def test_ring_capacities_are_the_next_power_of_two() -> None:
    """Powers stay, what lies between goes up, and a ring has at least one place."""
    assert [power_of_two(n) for n in (0, 1, 2, 3, 4, 5, 1024, 1025)] == [1, 1, 2, 4, 4, 8, 1024, 2048]

"""Run lengths against published tables: CUSUM, EWMA, and the chain over a sample."""

import math

import numpy as np
import pytest
from scipy.stats import norm

from huracan.errors import InvariantError
from huracan.health.runlength import (
    ewma_limit,
    ewma_run_length,
    sample_cusum_interval,
    sample_cusum_run_length,
    winsorised,
)
from tests.health.exact import cusum_run_length, two_sided

NORMAL = norm.ppf((np.arange(20_000) + 0.5) / 20_000)
"""Quantiles of the normal distribution: a sample without sampling error."""


@pytest.mark.parametrize(
    ("shift", "plain", "head"),
    [
        (0.0, 168, 149), (0.25, 74.2, 62.7), (0.5, 26.6, 20.1), (0.75, 13.3, 8.97), (1.0, 8.38, 5.29),
        (1.5, 4.75, 2.86), (2.0, 3.34, 2.01), (2.5, 2.62, 1.59), (3.0, 2.19, 1.32), (4.0, 1.71, 1.07),
        (5.0, 1.31, 1.01),
    ],
)  # fmt: skip
def test_two_sided_cusum_of_lucas_and_crosier(shift: float, plain: float, head: float) -> None:
    """K = 0.5, h = 4, with and without a head start of h / 2 (Lucas & Crosier 1982), to the digits printed.

    Both within one in a hundred, though with a head start the sides do not add up exactly.
    """
    found = two_sided(cusum_run_length(0.5, 4.0, shift), cusum_run_length(0.5, 4.0, -shift))
    assert found == pytest.approx(plain, rel=0.005)
    upper, lower = cusum_run_length(0.5, 4.0, shift), cusum_run_length(0.5, 4.0, -shift)
    headed = cusum_run_length(0.5, 4.0, shift, 2.0), cusum_run_length(0.5, 4.0, -shift, 2.0)
    both = (headed[0] * lower + headed[1] * upper - upper * lower) / (upper + lower)
    assert both == pytest.approx(head, rel=0.005)


@pytest.mark.parametrize(
    ("reference", "interval", "shift", "published"),
    [
        (0.5, 3.0, 0.0, 117.59), (0.5, 3.0, 1.5, 3.75), (0.5, 3.0, -0.5, 1963.0), (0.5, 3.0, 0.5, 17.35),
        (0.0, 10.0, -0.25, 2071.51), (0.0, 10.0, -0.125, 400.28), (0.0, 10.0, 0.0, 124.66), (0.0, 10.0, 0.125, 59.30),
        (0.0, 10.0, 0.25, 36.71), (0.0, 10.0, 0.5, 20.37), (0.0, 10.0, 0.75, 14.06), (0.0, 10.0, 1.0, 10.75),
        (0.25, 8.0, 2.5, 4.1500836225), (0.1, 10.0, 0.0, 305.0), (0.1, 10.0, 0.2, 67.0), (0.25, 8.0, 0.3, 63.3),
    ],
)  # fmt: skip
def test_one_sided_cusum(reference: float, interval: float, shift: float, published: float) -> None:
    """Brook & Evans (1972), Waldmann (1986), Vance (1986), SAS; within one in a hundred, most to every digit."""
    assert cusum_run_length(reference, interval, shift) == pytest.approx(published, rel=0.003)


def test_a_cusum_with_a_head_start() -> None:
    """K = 0.25, h = 8, shift 2.5, C_0 = 0.1 (SAS); and k = 0.6, h = 3, shift -0.2, both sides."""
    assert cusum_run_length(0.25, 8.0, 2.5, 0.1) == pytest.approx(4.1061588131, abs=1e-7)
    both = two_sided(cusum_run_length(0.6, 3.0, -0.2), cusum_run_length(0.6, 3.0, 0.2))
    assert both == pytest.approx(65.4, rel=0.003)


@pytest.mark.parametrize(
    ("weight", "limit", "shift", "published"),
    [
        (0.5, 3.071, 0.0, 500), (0.5, 3.071, 0.25, 255), (0.5, 3.071, 0.5, 88.8), (0.5, 3.071, 0.75, 35.9),
        (0.5, 3.071, 1.0, 17.5), (0.5, 3.071, 1.5, 6.53), (0.5, 3.071, 2.0, 3.63), (0.5, 3.071, 3.0, 1.93),
        (0.03, 2.437, 0.0, 500), (0.03, 2.437, 0.25, 76.7), (0.03, 2.437, 0.5, 29.3), (0.03, 2.437, 1.0, 12.6),
        (0.03, 2.437, 0.75, 17.6), (0.03, 2.437, 1.5, 8.07), (0.03, 2.437, 2.0, 5.99), (0.03, 2.437, 3.0, 4.03),
        (0.75, 2.0 * math.sqrt(1.25 / 0.75), 0.0, 104.0), (0.5, 2.0 * math.sqrt(3.0), 0.0, 1952),
        (0.5, 2.0, 0.0, 26.45), (0.05, 2.0, 0.0, 127.53), (0.05, 2.0, 1.0, 8.38), (0.5, 2.0, 1.0, 4.91),
        (0.1, 2.8159, 0.0, 502.2), (0.1, 2.8159, 1.0, 10.34),
    ],
)  # fmt: skip
def test_ewma_with_fixed_limits(weight: float, limit: float, shift: float, published: float) -> None:
    """Lucas & Saccucci (1990), Crowder (1987), Waldmann (1986; limit 2 in deviations of z); within one in a hundred."""
    assert ewma_run_length(weight, limit, shift) == pytest.approx(published, rel=0.01)


def test_limits_are_found_for_a_run_length() -> None:
    """And the other way round."""
    assert ewma_limit(0.1, 499.6) == pytest.approx(2.814, abs=1e-3)
    with pytest.raises(InvariantError, match="no decision interval"):
        sample_cusum_interval(NORMAL[::100], 0.0, 1e7)


def test_a_samples_chain_agrees_with_the_normal_law() -> None:
    """Of the normal distribution's own quantiles, within one in a hundred, also after a shift."""
    for shift in (0.0, 0.5):
        exact = cusum_run_length(0.25, 6.0, shift)
        assert sample_cusum_run_length(NORMAL, 0.25, 6.0, shift) == pytest.approx(exact, rel=0.01)
    found = sample_cusum_interval(NORMAL, 0.25, 737.0)
    assert found == pytest.approx(8.0, rel=0.01)


def test_a_samples_run_length_is_what_happens() -> None:
    """Two outcomes, a loss of 1 and a rare gain of 4: simulated and computed run lengths agree."""
    rng = np.random.default_rng(3)
    sample = np.array([-1.0] * 80 + [4.0] * 20)
    sample = winsorised(sample, float(sample.mean()), float(sample.std()))
    interval = sample_cusum_interval(sample - sample.mean(), 0.125, 200.0)
    lengths = []
    for _ in range(600):
        total, count = 0.0, 0
        while total <= interval:
            total = max(0.0, total + float(rng.choice(sample)) - sample.mean() - 0.125)
            count += 1
        lengths.append(count)
    mean, error = float(np.mean(lengths)), float(np.std(lengths)) / math.sqrt(len(lengths))
    computed = sample_cusum_run_length(sample - sample.mean(), 0.125, interval)
    assert abs(mean - computed) < 4.0 * error

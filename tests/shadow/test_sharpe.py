"""PSR, DSR, MinTRL and MinBTL: the published figures to the digits given, and what each must do beyond them."""

import math

import numpy as np
import pytest
from scipy.stats import norm

from huracan.errors import EvidenceError
from huracan.shadow.metrics import omega_ratio, sharpe_ratio, sortino_ratio
from huracan.shadow.sharpe import (
    Moments,
    deflated_sharpe_ratio,
    expected_maximum,
    hurdle,
    minimum_backtest_length,
    minimum_track_record,
    moments_of,
    probabilistic_sharpe_ratio,
    sharpe_error,
    trials_deviation,
)

SKEW, KURT = -2.448, 10.164
DEFLATED = Moments(2.5 / math.sqrt(250), 1250, -3.0, 10.0)
DEFLATED_DEVIATION = math.sqrt(0.5 / 250)


@pytest.mark.parametrize(
    ("moments", "expected", "tolerance"),
    [
        (Moments(1.585 / math.sqrt(12), 24, SKEW, KURT), 0.91323430688486, 1e-9),
        (Moments(0.458, 24), 0.982, 5e-4),
        (Moments(0.458, 24, SKEW, KURT), 0.913, 5e-4),
    ],
)
def test_psr_is_the_published_one(moments: Moments, expected: float, tolerance: float) -> None:
    """The Sharpe Ratio Efficient Frontier (2012): to the digits given there and in its code."""
    assert probabilistic_sharpe_ratio(moments) == pytest.approx(expected, abs=tolerance)


@pytest.mark.parametrize(
    ("skewness", "kurtosis", "ratio", "error", "years"),
    [(-0.2250, 2.9570, 0.7079, 0.1028, 0.7152), (-1.4455, 7.0497, 0.8183, 0.1550, 1.1593)],
)
def test_the_error_and_the_record_of_134_months(
    skewness: float, kurtosis: float, ratio: float, error: float, years: float
) -> None:
    """Two strategies of the paper, monthly."""
    moments = Moments(ratio, 134, skewness, kurtosis)
    assert sharpe_error(moments) == pytest.approx(error, abs=5e-5)
    assert minimum_track_record(moments) / 12 == pytest.approx(years, abs=5e-5)


def test_the_deflated_ratio_is_the_published_one() -> None:
    """The Deflated Sharpe Ratio (2014): 100 trials; and its threshold cases of 46 trials, and of 88 normal ones."""
    assert hurdle(100, DEFLATED_DEVIATION) == pytest.approx(0.113172, abs=5e-7)
    assert hurdle(100, DEFLATED_DEVIATION) * math.sqrt(250) == pytest.approx(1.7894, abs=5e-5)
    assert deflated_sharpe_ratio(DEFLATED, 100, DEFLATED_DEVIATION) == pytest.approx(0.90039683444939, abs=1e-9)
    assert deflated_sharpe_ratio(DEFLATED, 46, DEFLATED_DEVIATION) == pytest.approx(0.9505, abs=5e-5)
    normal = Moments(DEFLATED.sharpe, 1250)
    assert deflated_sharpe_ratio(normal, 88, DEFLATED_DEVIATION) == pytest.approx(0.9505, abs=5e-5)


@pytest.mark.parametrize(
    ("trials", "expected", "tolerance"),
    [(10, 1.574598, 5e-7), (45, 2.235640, 5e-7), (100, 2.5306028932016846, 1e-9), (1000, 3.255122, 5e-7)],
)
def test_the_expected_maximum_is_the_published_one(trials: int, expected: float, tolerance: float) -> None:
    """Of independent normal ratios, by the paper's approximation."""
    assert expected_maximum(trials) == pytest.approx(expected, abs=tolerance)


def test_the_expected_maximum_is_what_simulation_finds() -> None:
    """The approximation is within 3 % of the truth from 10 trials on; of one trial it is 0."""
    draws = np.random.default_rng(5).standard_normal((20_000, 50)).max(axis=1)
    assert expected_maximum(50) == pytest.approx(draws.mean(), rel=0.03)
    assert expected_maximum(1) == 0.0
    with pytest.raises(EvidenceError, match="at least 1"):
        expected_maximum(0)


@pytest.mark.parametrize(
    ("annual", "benchmark", "periods", "skewness", "kurtosis", "years", "tolerance"),
    [
        (2, 1, 250, 0, 3, 2.7311878017281761, 1e-9),
        (2, 1, 52, 0, 3, 2.8288335869452368, 1e-9),
        (2, 1, 12, 0, 3, 3.2398, 5e-5),
        (2, 1, 12, -0.72, 5.78, 4.9913, 5e-5),
        (3, 2.5, 12, -0.72, 5.78, 27.352920196040301, 1e-9),
    ],
)
def test_the_minimum_track_record_is_the_published_one(
    annual: float, benchmark: float, periods: int, skewness: float, kurtosis: float, years: float, tolerance: float
) -> None:
    """Daily, weekly, monthly; normal and hedge-fund-like."""
    root = math.sqrt(periods)
    moments = Moments(annual / root, 1_000, skewness, kurtosis)
    assert minimum_track_record(moments, benchmark / root) / periods == pytest.approx(years, abs=tolerance)


def test_the_minimum_backtest_length_is_the_published_one() -> None:
    """45 trials of annual ratio 1: 5 years, below its bound of 2 ln N; a ratio of 0 has none."""
    assert minimum_backtest_length(45, 1.0) == pytest.approx(4.9980870044034438, abs=1e-9)
    assert 2 * math.log(45) == pytest.approx(7.613, abs=5e-4)
    assert minimum_backtest_length(45, 1.0) < 2 * math.log(45)
    with pytest.raises(EvidenceError, match="above 0"):
        minimum_backtest_length(45, 0.0)


def test_sharpe_sortino_and_omega_are_the_published_ones() -> None:
    """The worked examples of each ratio."""
    twelve = np.array([0.259, 0.198, 0.364, -0.081, 0.057, 0.055, 0.188, 0.317, 0.24, 0.184, -0.01, 0.526])
    assert sharpe_ratio(twelve, 0.05) == pytest.approx(0.834364, abs=5e-7)
    eight = np.array([0.17, 0.15, 0.23, -0.05, 0.12, 0.09, 0.13, -0.04])
    assert sortino_ratio(eight) == pytest.approx(4.417261, abs=5e-7)
    omega = np.array([0.0089, 0.0012, -0.002, 0.01, -0.0002, 0.02, 0.03, 0.01, -0.003, 0.01, 0.0102, -0.01])
    assert omega_ratio(omega, 0.01) == pytest.approx(0.463901689, abs=1e-9)


def test_a_record_of_exactly_the_minimum_length_shows_exactly_the_confidence() -> None:
    """MinTRL is where PSR reaches the confidence: the two formulas are one."""
    moments = Moments(0.11, 300, -0.7, 6.0)
    needed = minimum_track_record(moments, 0.02, 0.95)
    assert probabilistic_sharpe_ratio(Moments(0.11, math.ceil(needed), -0.7, 6.0), 0.02) >= 0.95
    assert probabilistic_sharpe_ratio(Moments(0.11, math.floor(needed) - 1, -0.7, 6.0), 0.02) < 0.95
    assert minimum_track_record(moments, 0.11) == math.inf


def test_moments_are_those_of_the_sample() -> None:
    """The ratio with ddof 1, skewness and kurtosis biased, all free of scale; an AR(1) shows its coefficient."""
    rng = np.random.default_rng(1)
    noise = rng.standard_normal(20_000)
    values = np.empty(20_000)
    values[0] = 0.0
    for at in range(1, values.size):
        values[at] = 0.3 * values[at - 1] + noise[at]
    found = moments_of(1_000.0 * (values + 0.1))
    assert found.sharpe == pytest.approx((values.mean() + 0.1) / values.std(ddof=1))
    assert (found.skewness, found.kurtosis) == pytest.approx((0.0, 3.0), abs=0.1)
    assert found.autocorrelation == pytest.approx(0.3, abs=0.02)
    assert moments_of(values).skewness == pytest.approx(moments_of(-values).skewness * -1)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([1.0, 2.0, 3.0], "3 days, at least 4"),
        ([5.0] * 30, "constant at 5 over 30 days"),
        ([0.0] * 30, "constant at 0"),
        ([1.0, float("nan")] * 10, "10 of 20 values are not finite"),
        ([1.0, 2.0, float("inf"), 1.0], "1 of 4 values"),
    ],
)
def test_what_has_no_ratio_is_refused_in_one_line(values: list[float], message: str) -> None:
    """Too short, constant, NaN: the message says which."""
    with pytest.raises(EvidenceError, match=message) as refusal:
        moments_of(np.array(values))
    assert "\n" not in str(refusal.value)


def test_the_deviation_of_trials_is_brought_to_the_judged_length() -> None:
    """Trials without skill over 25 days say what luck is worth over 400: a quarter of their deviation."""
    rng = np.random.default_rng(2)
    ratios = [0.9 * moments_of(rng.standard_normal(25)).sharpe for _ in range(4_000)]
    assert trials_deviation(ratios, [25] * 4_000, Moments(0.0, 400), 4_000) == pytest.approx(0.9 / 20, rel=0.1)
    assert trials_deviation(ratios, [25] * 4_000, Moments(0.0, 25), 4_000) == pytest.approx(np.std(ratios), rel=0.01)


def test_neither_skill_nor_ruin_raises_the_hurdle_beyond_luck() -> None:
    """Whatever the trials earned or lost, they differ by luck by one standard error at most, by more if it persists."""
    ratios, days = list(norm.ppf((np.arange(99) + 0.5) / 99) / 20), [100] * 99
    assert trials_deviation(ratios, days, Moments(0.0, 100), 99) == pytest.approx(0.05, rel=0.05)
    for odd in (-2.0, 2.0):
        found = trials_deviation([*ratios, *[odd] * 20], [*days, *[100] * 20], Moments(0.0, 100), 119)
        assert found == pytest.approx(0.1)
    alike = Moments(0.0, 100, autocorrelation=0.6)
    assert trials_deviation([-2.0, 2.0] * 5, [100] * 10, alike, 10) == pytest.approx(0.2)
    with pytest.raises(EvidenceError, match="not finite"):
        trials_deviation([0.1, float("nan")], [10, 10], alike, 2)


def test_what_is_not_known_of_the_trials_counts_as_luck() -> None:
    """Few known ratios say nothing, however alike they are; many say as much as their share of all that were tried."""
    alike = Moments(0.0, 100)
    for known in (1, 2, 9):
        ratios = [0.12 + 0.001 * at for at in range(known)]
        assert trials_deviation(ratios, [100] * known, alike, 60) == pytest.approx(0.1)
    ratios = [0.12, 0.13] * 10
    seen = float(np.std(ratios, ddof=1))
    assert trials_deviation(ratios, [100] * 20, alike, 20) == pytest.approx(seen)
    assert trials_deviation(ratios, [100] * 20, alike, 80) == pytest.approx(np.sqrt(0.25 * seen**2 + 0.75 * 0.01))

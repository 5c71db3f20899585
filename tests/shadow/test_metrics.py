"""Figures of a stretch of trading: published values, refusals, and sums that close."""

import numpy as np
import pytest

from huracan.shadow.metrics import (
    annual_sharpe,
    daily_metrics,
    omega_ratio,
    sharpe_ratio,
    sortino_ratio,
    trade_metrics,
)
from huracan.trading import ExitReason
from tests.shadow.tables import trade_table

MINUTE_MS = 60_000


def test_sharpe_ratio_has_the_published_value() -> None:
    """Twelve returns above 5 %: 0.834364 (pypbo's worked example)."""
    returns = np.array([0.259, 0.198, 0.364, -0.081, 0.057, 0.055, 0.188, 0.317, 0.24, 0.184, -0.01, 0.526])
    assert sharpe_ratio(returns, risk_free=0.05) == pytest.approx(0.834364, abs=1e-6)


def test_sortino_ratio_has_the_published_value() -> None:
    """Eight returns about 0: 4.417261 (pypbo's worked example)."""
    returns = np.array([0.17, 0.15, 0.23, -0.05, 0.12, 0.09, 0.13, -0.04])
    assert sortino_ratio(returns) == pytest.approx(4.417261, abs=1e-6)


def test_omega_ratio_has_the_published_value() -> None:
    """Twelve returns about 1 %: 0.463901689 (pypbo's worked example)."""
    returns = np.array([0.0089, 0.0012, -0.002, 0.01, -0.0002, 0.02, 0.03, 0.01, -0.003, 0.01, 0.0102, -0.01])
    assert omega_ratio(returns, threshold=0.01) == pytest.approx(0.463901689, abs=1e-9)


def test_a_short_sample_is_not_annualised_and_says_so() -> None:
    """39 days: no annual figure, the note has the number of days."""
    annual = annual_sharpe(np.random.default_rng(1).normal(1.0, 5.0, 39))
    assert annual.value is None
    assert "39 days" in annual.note


def test_annual_sharpe_is_sqrt_365_for_independent_days_and_less_for_trending_ones() -> None:
    """Alternating and trending days of equal daily ratio: positive autocorrelation lowers the factor (Lo 2002)."""
    shocks = np.random.default_rng(3).normal(size=2_000)
    independent = annual_sharpe(shocks + 0.1)
    assert independent.value == pytest.approx(np.sqrt(365) * sharpe_ratio(shocks + 0.1))
    trending = np.convolve(shocks, [1.0, 0.9, 0.8], mode="valid") + 0.1
    corrected = annual_sharpe(trending)
    assert corrected.value is not None
    assert corrected.value < 0.75 * np.sqrt(365) * sharpe_ratio(trending)
    assert "autocorrelation" in corrected.note


def test_factor_of_an_ar1_is_los_formula() -> None:
    """Rho 0.5, q 365: the factor tends to sqrt(q (1 - rho) / (1 + rho)) = 11.03."""
    values = np.zeros(20_000)
    shocks = np.random.default_rng(5).normal(size=20_000)
    for i in range(1, values.size):
        values[i] = 0.5 * values[i - 1] + shocks[i]
    annual = annual_sharpe(values + 1.0)
    assert annual.value is not None
    assert annual.value / sharpe_ratio(values + 1.0) == pytest.approx(np.sqrt(365 / 3), rel=0.05)


def test_daily_figures_by_hand() -> None:
    """Four days +10, -4, 0, -2 on a capital of 100."""
    found = daily_metrics(np.array([10.0, -4.0, 0.0, -2.0]), capital=100.0)
    assert (found.days, found.pnl_total, found.pnl_day_mean, found.return_total_frac) == (4, 4.0, 1.0, 0.04)
    assert (found.drawdown_max, found.drawdown_max_frac, found.hit_rate_days) == (6.0, 0.06, pytest.approx(1 / 3))
    assert found.omega == pytest.approx(10 / 6)
    assert found.sharpe_day == pytest.approx(1.0 / np.std([10, -4, 0, -2], ddof=1))


def test_a_policy_that_never_trades_has_zeros_and_no_invented_ratios() -> None:
    """Nothing happened: totals are 0, every ratio that needs a trade is None."""
    flat = daily_metrics(np.zeros(20), capital=1_500.0)
    assert (flat.sharpe_day, flat.sortino_day, flat.omega, flat.hit_rate_days) == (0.0, None, None, None)
    none = trade_metrics(trade_table([]), days=20, bars=57_600, bar_ms=MINUTE_MS, capital=3_000.0)
    assert (none.trades, none.hit_rate, none.profit_factor, none.net_mean_bps, none.exits) == (0, None, None, None, ())
    assert (none.exposure_frac, none.turnover_day, none.net) == (0.0, 0.0, 0.0)


def test_nonsense_is_refused() -> None:
    """NaN, no day at all, or no capital: an error, not a figure."""
    for daily, capital in ((np.array([np.nan]), 1.0), (np.zeros(0), 1.0), (np.zeros(3), 0.0)):
        with pytest.raises(ValueError, match="finite"):
            daily_metrics(daily, capital)


def test_trade_figures_by_hand() -> None:
    """Three trades of 1,000: +20, -10, and one sold because the data ended, which counts in the sums only."""
    table = trade_table(
        [
            {"net": 20.0, "reason": ExitReason.TAKE_PROFIT, "hold_bars": 60},
            {"net": -10.0, "reason": ExitReason.STOP_LOSS, "hold_bars": 120},
            {"net": 5.0, "reason": ExitReason.END_OF_DATA, "hold_bars": 30},
        ]
    )
    found = trade_metrics(table, days=2, bars=2_880, bar_ms=MINUTE_MS, capital=1_500.0)
    assert (found.trades, found.end_of_data_trades, found.trades_day) == (2, 1, 1.0)
    assert (found.hit_rate, found.profit_factor, found.net_mean_bps) == (0.5, 2.0, pytest.approx(50.0))
    assert (found.hold_mean_min, found.hold_median_min) == (90.0, 90.0)
    assert found.exposure_frac == pytest.approx(210 / 2_880)
    assert found.turnover_day == pytest.approx((3_000 + table.notional_out.sum()) / 3_000)
    assert found.net == pytest.approx(15.0)
    assert found.price + found.spread + found.slippage + found.fee == pytest.approx(found.net)
    assert [(row.reason, row.trades) for row in found.exits] == [
        ("take_profit", 1),
        ("stop_loss", 1),
        ("end_of_data", 1),
    ]

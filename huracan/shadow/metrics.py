"""What a stretch of shadow trading was worth: daily (UTC) net portfolio results and the trades behind them.

Every ratio is computed on daily net PnL, never on bars. Annual figures use 365 days and are refused for short samples.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from huracan.shadow.bootstrap import daily_sharpe, max_drawdown
from huracan.shadow.trades import TradeTable
from huracan.trading import ExitReason

__all__ = [
    "ANNUALISE_DAYS_MIN",
    "AnnualSharpe",
    "DailyMetrics",
    "ExitCount",
    "TradeMetrics",
    "annual_sharpe",
    "daily_metrics",
    "omega_ratio",
    "sharpe_ratio",
    "sortino_ratio",
    "trade_metrics",
]

Floats = npt.NDArray[np.float64]
DAYS_PER_YEAR = 365
ANNUALISE_DAYS_MIN = 180


@dataclass(frozen=True, slots=True)
class AnnualSharpe:
    """An annualised Sharpe ratio, or the reason why there is none.

    Attributes:
        value: None when it was refused.
        note: how it was computed or why not; shown beside the figure.
    """

    value: float | None
    note: str


@dataclass(frozen=True, slots=True)
class DailyMetrics:
    """Statistics of daily net PnL in quote currency; `*_frac` are shares of the capital.

    Attributes:
        days: UTC days in the sample.
        capital: what the fractions are of.
        pnl_total, pnl_day_mean, pnl_day_sd, pnl_day_best, pnl_day_worst: quote currency; sd with ddof 1.
        return_total_frac: pnl_total / capital.
        sharpe_day: mean / sd of daily PnL, 0 when nothing varies.
        sortino_day: mean / downside deviation about 0; None when no day lost.
        omega: sum of gains / sum of losses over days; None when no day lost.
        sharpe_annual: annualised, or why not.
        drawdown_max: largest fall of cumulated PnL from its peak, quote currency, >= 0.
        drawdown_max_frac: the same over the capital.
        hit_rate_days: share of days with PnL > 0 among days with PnL != 0; None when all are 0.
    """

    days: int
    capital: float
    pnl_total: float
    pnl_day_mean: float
    pnl_day_sd: float
    pnl_day_best: float
    pnl_day_worst: float
    return_total_frac: float
    sharpe_day: float
    sortino_day: float | None
    omega: float | None
    sharpe_annual: AnnualSharpe
    drawdown_max: float
    drawdown_max_frac: float
    hit_rate_days: float | None


@dataclass(frozen=True, slots=True)
class ExitCount:
    """Trades that ended for one reason.

    Attributes:
        reason: name of the `ExitReason`, lower case.
        trades: how many.
        net_mean_bps: mean net result over the entry notional, basis points.
    """

    reason: str
    trades: int
    net_mean_bps: float


@dataclass(frozen=True, slots=True)
class TradeMetrics:
    """Statistics of closed trades; those sold only because the data ended are counted apart and left out.

    Attributes:
        trades: closed by rule or policy.
        end_of_data_trades: closed by the end of the window; their PnL is in the daily figures and in the costs.
        trades_day: closed trades per day, all coins.
        hit_rate: share of trades with net > 0; None without trades.
        profit_factor: gains / losses; None without a losing trade.
        net_mean_bps, mfe_mean_bps, mae_mean_bps: of the entry notional or price; None without trades.
        hold_mean_min, hold_median_min: minutes from entry to exit bar; None without trades.
        exposure_frac: share of coin-time with a position.
        turnover_day: traded notional (buys and sells) per day over the capital.
        price, spread, slippage, fee, net: sums over all trades, quote currency; the first four add up to the last.
        exits: by reason, in the order of `ExitReason`, end_of_data included.
    """

    trades: int
    end_of_data_trades: int
    trades_day: float
    hit_rate: float | None
    profit_factor: float | None
    net_mean_bps: float | None
    mfe_mean_bps: float | None
    mae_mean_bps: float | None
    hold_mean_min: float | None
    hold_median_min: float | None
    exposure_frac: float
    turnover_day: float
    price: float
    spread: float
    slippage: float
    fee: float
    net: float
    exits: tuple[ExitCount, ...]


def sharpe_ratio(returns: Floats, risk_free: float = 0.0) -> float:
    """Return (mean - risk_free) / standard deviation (ddof 1), per period; 0 when nothing varies (Sharpe 1994)."""
    return float(daily_sharpe(returns - risk_free))


def sortino_ratio(returns: Floats, target: float = 0.0) -> float | None:
    """Return mean excess over the root mean square shortfall below `target`, all periods counted; None without one."""
    downside = float(np.sqrt(np.mean(np.minimum(returns - target, 0.0) ** 2)))
    return float(np.mean(returns - target) / downside) if downside > 0.0 else None


def omega_ratio(returns: Floats, threshold: float = 0.0) -> float | None:
    """Return sum of gains over sum of losses about `threshold` (Keating & Shadwick 2002); None without a loss."""
    losses = float(np.sum(np.maximum(threshold - returns, 0.0)))
    return float(np.sum(np.maximum(returns - threshold, 0.0)) / losses) if losses > 0.0 else None


def annual_sharpe(daily: Floats) -> AnnualSharpe:
    """Annualise a daily Sharpe ratio over 365 days, or refuse.

    With serial correlation the square root of time is wrong (Lo 2002): when the lag-1 autocorrelation rho leaves its
    band of +-2/sqrt(n), the factor is q / sqrt(q + 2 sum_{k<q} (q - k) rho^k), that of an AR(1).
    """
    if daily.size < ANNUALISE_DAYS_MIN:
        return AnnualSharpe(None, f"not annualised: {daily.size} days, at least {ANNUALISE_DAYS_MIN} are needed")
    ratio = float(daily_sharpe(daily))
    centred = daily - np.mean(daily)
    power = float(np.sum(centred**2))
    rho = float(np.sum(centred[1:] * centred[:-1]) / power) if power > 0.0 else 0.0
    if abs(rho) <= 2.0 / np.sqrt(daily.size):
        return AnnualSharpe(ratio * float(np.sqrt(DAYS_PER_YEAR)), "sqrt(365) times the daily ratio")
    lags = np.arange(1, DAYS_PER_YEAR)
    factor = DAYS_PER_YEAR / np.sqrt(DAYS_PER_YEAR + 2.0 * np.sum((DAYS_PER_YEAR - lags) * rho**lags))
    return AnnualSharpe(ratio * float(factor), f"corrected for a lag-1 autocorrelation of {rho:+.2f}")


def daily_metrics(daily: Floats, capital: float) -> DailyMetrics:
    """Return the statistics of daily net PnL.

    Args:
        daily: float64[D], net PnL per UTC day, quote currency, D >= 1.
        capital: quote currency, > 0.
    """
    if daily.size == 0 or not capital > 0.0 or not np.isfinite(daily).all():
        raise ValueError(f"daily PnL must be finite, with at least one day and a capital above 0, not {capital}")
    moved = np.count_nonzero(daily)
    drawdown = float(max_drawdown(daily))
    return DailyMetrics(
        days=daily.size,
        capital=capital,
        pnl_total=float(daily.sum()),
        pnl_day_mean=float(daily.mean()),
        pnl_day_sd=float(daily.std(ddof=1)) if daily.size > 1 else 0.0,
        pnl_day_best=float(daily.max()),
        pnl_day_worst=float(daily.min()),
        return_total_frac=float(daily.sum()) / capital,
        sharpe_day=sharpe_ratio(daily),
        sortino_day=sortino_ratio(daily),
        omega=omega_ratio(daily),
        sharpe_annual=annual_sharpe(daily),
        drawdown_max=drawdown,
        drawdown_max_frac=drawdown / capital,
        hit_rate_days=float(np.count_nonzero(daily > 0.0) / moved) if moved else None,
    )


def trade_metrics(trades: TradeTable, *, days: int, bars: int, bar_ms: int, capital: float) -> TradeMetrics:
    """Return the statistics of closed trades.

    Args:
        trades: of all coins.
        days: UTC days of the window.
        bars: bars traded, summed over coins.
        bar_ms: length of a bar, ms.
        capital: quote currency, > 0.
    """
    judged = trades.where(trades.reason != ExitReason.END_OF_DATA)
    net_bps = 1e4 * judged.net / judged.notional_in
    losses = float(-judged.net[judged.net < 0.0].sum())
    gains = float(judged.net[judged.net > 0.0].sum())
    minutes = judged.hold_bars.astype(np.float64) * (bar_ms / 60_000)
    return TradeMetrics(
        trades=len(judged),
        end_of_data_trades=len(trades) - len(judged),
        trades_day=len(judged) / days,
        hit_rate=_mean_or_none((judged.net > 0.0).astype(np.float64)),
        profit_factor=gains / losses if losses > 0.0 else None,
        net_mean_bps=_mean_or_none(net_bps),
        mfe_mean_bps=_mean_or_none(1e4 * judged.mfe_frac),
        mae_mean_bps=_mean_or_none(1e4 * judged.mae_frac),
        hold_mean_min=_mean_or_none(minutes),
        hold_median_min=float(np.median(minutes)) if len(judged) else None,
        exposure_frac=float(trades.hold_bars.sum()) / bars,
        turnover_day=float(trades.notional_in.sum() + trades.notional_out.sum()) / (days * capital),
        price=float(trades.price_part.sum()),
        spread=float(trades.spread_part.sum()),
        slippage=float(trades.slippage_part.sum()),
        fee=float(trades.fee_part.sum()),
        net=float(trades.net.sum()),
        exits=_exits(trades),
    )


def _mean_or_none(values: npt.NDArray[Any]) -> float | None:
    return float(values.mean()) if values.size else None


def _exits(trades: TradeTable) -> tuple[ExitCount, ...]:
    rows: list[ExitCount] = []
    reasons: Sequence[ExitReason] = [reason for reason in ExitReason if reason is not ExitReason.NONE]
    for reason in reasons:
        chosen = trades.where(trades.reason == reason)
        if len(chosen):
            mean_bps = float(np.mean(1e4 * chosen.net / chosen.notional_in))
            rows.append(ExitCount(reason.name.lower(), len(chosen), mean_bps))
    return tuple(rows)

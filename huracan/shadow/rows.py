"""From shadow results to the rows of the trade memory, of model performance and of daily results."""

from collections.abc import Iterator, Sequence

import numpy as np

from huracan.memory import Block, DailyResult, Performance, TradeRows
from huracan.memory.daily import ALL_COINS, DayKind
from huracan.memory.trades import COIN_ACCOUNT, ENSEMBLE, PORTFOLIO_ACCOUNT
from huracan.shadow.assess import FoldOutcome
from huracan.shadow.run import RandomResult, ShadowResult
from huracan.shadow.splits import DAY_MS
from huracan.shadow.summary import CoinSummary, FoldSummary, PolicySummary, PortfolioSummary, ShadowReport
from huracan.trading import ExitReason

__all__ = [
    "COIN_ACCOUNT",
    "ENSEMBLE",
    "PORTFOLIO_ACCOUNT",
    "daily_rows",
    "performance_rows",
    "trade_blocks",
    "trade_rows",
]


def trade_blocks(result: ShadowResult, account: str) -> tuple[Block, ...]:
    """Return the blocks of the trade memory that a result speaks for: every coin it was allowed to trade."""
    return tuple((result.policy, account, symbol, result.fold, "shadow") for symbol in result.symbols)


def trade_rows(result: ShadowResult, account: str, layout: int = 0) -> TradeRows:
    """Return a result's trades as the trade memory stores them.

    Args:
        result: of one policy and fold.
        account: which of the two kinds of shadow.
        layout: identifies the features behind its states (`Dataset.layout`), 0 when unknown.
    """
    trades, count = result.trades, len(result.trades)
    reasons = np.array([reason.name.lower() for reason in ExitReason])
    return TradeRows(
        policy=np.full(count, result.policy),
        account=np.full(count, account),
        symbol=np.array(result.symbols)[trades.coin],
        mode=np.full(count, "shadow"),
        side=np.full(count, "long"),
        exit_reason=reasons[trades.reason],
        fold=np.full(count, result.fold, np.int64),
        seq=trades.seq,
        action=trades.action,
        regime=trades.regime,
        entry_time=trades.entry_ms,
        exit_time=trades.exit_ms,
        entry_price=trades.entry_price,
        exit_price=trades.exit_price,
        quantity=trades.quantity,
        price_part=trades.price_part,
        spread_part=trades.spread_part,
        slippage_part=trades.slippage_part,
        fee=trades.fee_part,
        net=trades.net,
        mfe_frac=trades.mfe_frac,
        mae_frac=trades.mae_frac,
        risk_frac=trades.risk_frac,
        confidence=trades.confidence,
        steps_in=trades.steps_in,
        steps_out=trades.steps_out,
        tick_steps_in=trades.tick_steps_in,
        tick_steps_out=trades.tick_steps_out,
        fee_base_e8=trades.fee_base_e8,
        fee_quote_e8=trades.fee_quote_e8,
        dust_in_e8=trades.dust_in_e8,
        dust_out_e8=trades.dust_out_e8,
        high_ticks=trades.high_ticks,
        low_ticks=trades.low_ticks,
        layout=np.full(count, layout, np.int64),
        entry_state=trades.entry_state,
    )


def performance_rows(report: ShadowReport) -> tuple[Performance, ...]:
    """Return what every policy of a report earned over all folds, and the judged one by fold and by coin."""
    rows = [_whole(summary, COIN_ACCOUNT) for summary in (report.policy, *report.seeds)]
    rows += [_whole(row.summary, COIN_ACCOUNT) for row in report.baselines]
    rows += [_fold(report.policy.name, fold) for fold in report.folds]
    rows += [_coin(report.policy.name, coin) for coin in report.coins]
    if isinstance(report.portfolio, PortfolioSummary):
        rows.append(_whole(report.portfolio.summary, PORTFOLIO_ACCOUNT, report.policy.name))
    return tuple(rows)


def daily_rows(outcomes: Sequence[FoldOutcome]) -> tuple[DailyResult, ...]:
    """Return every day that was traded, for the gate: policy, seeds, baselines by coin, random copies over all coins.

    A block of one coin, as with one policy per coin, has its copies by coin too.
    """
    rows: list[DailyResult] = []
    for outcome in outcomes:
        rows += _coin_days("policy", outcome.policy)
        rows += [row for seed in outcome.seeds for row in _coin_days("seed", seed)]
        rows += [row for baseline in outcome.baselines for row in _coin_days("baseline", baseline)]
        rows += _copies(outcome.policy, ALL_COINS, outcome.chance)
        for symbols, chance in outcome.chance_blocks:
            if len(symbols) == 1:
                rows += _copies(outcome.policy, symbols[0], chance)
    return tuple(rows)


def _coin_days(kind: DayKind, result: ShadowResult) -> Iterator[DailyResult]:
    first = int(result.day_ms[0] // DAY_MS)
    for column, symbol in enumerate(result.symbols):
        yield DailyResult(kind, result.policy, symbol, result.fold, first, tuple(result.pnl[:, column].tolist()))


def _copies(judged: ShadowResult, symbol: str, chance: RandomResult) -> Iterator[DailyResult]:
    first = int(judged.day_ms[0] // DAY_MS)
    for copy, net in enumerate(chance.pnl):
        yield DailyResult("random", f"random-{copy}", symbol, judged.fold, first, tuple(net.tolist()))


def _whole(summary: PolicySummary, account: str, name: str | None = None) -> Performance:
    metrics, trades = summary.metrics, summary.trades
    annual = metrics.sharpe_annual.value
    scale = annual / metrics.sharpe_day if annual is not None and metrics.sharpe_day else None
    return Performance(
        policy=name or summary.name,
        account=account,
        symbol=None,
        fold=None,
        mode="shadow",
        days=metrics.days,
        trades=trades.trades,
        wins=round((trades.hit_rate or 0.0) * trades.trades),
        net=metrics.pnl_total,
        fees=-trades.fee,
        mean_net_bps=trades.net_mean_bps,
        sharpe=annual,
        sharpe_low=None if scale is None else scale * summary.sharpe_day.low,
        sharpe_high=None if scale is None else scale * summary.sharpe_day.high,
        sortino=None if scale is None or metrics.sortino_day is None else scale * metrics.sortino_day,
        max_drawdown_frac=min(metrics.drawdown_max_frac, 1.0),
        exposure_frac=trades.exposure_frac,
    )


def _fold(policy: str, fold: FoldSummary) -> Performance:
    closed = fold.trades - fold.end_of_data_trades
    return _part(policy, None, fold.fold, round(fold.test.days), closed, fold.wins, fold.pnl_total, fold.fees)


def _coin(policy: str, coin: CoinSummary) -> Performance:
    closed = coin.trades - coin.end_of_data_trades
    return _part(policy, coin.symbol, None, coin.days, closed, coin.wins, coin.pnl_total, coin.fees)


def _part(
    policy: str, symbol: str | None, fold: int | None, days: int, trades: int, wins: int, net: float, fees: float
) -> Performance:
    """Return a row of a part of the test: too few days for ratios."""
    return Performance(
        policy=policy,
        account=COIN_ACCOUNT,
        symbol=symbol,
        fold=fold,
        mode="shadow",
        days=days,
        trades=trades,
        wins=wins,
        net=net,
        fees=fees,
        mean_net_bps=None,
        sharpe=None,
        sharpe_low=None,
        sharpe_high=None,
        sortino=None,
        max_drawdown_frac=None,
        exposure_frac=None,
    )

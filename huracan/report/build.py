"""From a run's results to the report: picks and arranges, computes nothing that trading or statistics decide."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

import huracan
from huracan.analysis import Analysis
from huracan.config import Settings
from huracan.env.dataset import Dataset
from huracan.learn.campaign import Campaign
from huracan.memory import standing
from huracan.report.model import (
    Band,
    Candle,
    CostSplit,
    Curve,
    Estimate,
    Excerpt,
    ExitRow,
    FoldRow,
    GateReport,
    LeftOut,
    PaperTrading,
    PhaseRow,
    PortfolioView,
    QualityRow,
    ReportData,
    ResultRow,
    TradeMark,
    TrialRow,
)
from huracan.shadow.bootstrap import Interval
from huracan.shadow.summary import ChanceSummary, CoinSummary, FoldSummary, PolicySummary, ShadowReport, TradeSample
from huracan.trading import RULES_SEARCHED, Tape

__all__ = ["RunFacts", "build_report"]

EXCERPT_COINS = 3
EXCERPT_CANDLES_MAX = 400
NUMBERS = (int, float)
PHASES = ("data and features", "train", "shadow", "analysis", "paper trading")  # in the order they run


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What the report says about the run itself.

    Attributes:
        run_id: its number in the database.
        settings_hash: of the configuration it ran with.
        stage: of the judged versions in the registry.
        proven: whether they passed the promotion gate; if not, they are labelled UNPROVEN whatever their stage.
        phases: wall time by phase, seconds.
        peak_memory_mb: largest memory of the run's own processes together, shared pages once; None when not measured.
        source: where the candles came from, for people.
        notes: further sentences, each computed.
        paper: what was traded on paper with the trained versions; None: nothing was.
        analysis: why the judged policy's trades won and lost; None: it closed none.
        gates: what the promotion gate says of each registered version of the run.
    """

    run_id: int
    settings_hash: str
    stage: str
    proven: bool
    phases: Mapping[str, float]
    peak_memory_mb: float | None
    source: str
    notes: tuple[str, ...] = ()
    paper: PaperTrading | None = None
    analysis: Analysis | None = None
    gates: tuple[GateReport, ...] = ()


def build_report(
    facts: RunFacts, settings: Settings, dataset: Dataset, campaign: Campaign, shadow: ShadowReport
) -> ReportData:
    """Arrange everything a reader needs; money in account currency."""
    rate = 1.0 / settings.trading.account_to_quote_rate
    summary, policy = dataset.summary, shadow.policy
    trainings = [(version.fold, result) for version in campaign.versions for result in version.seeds]
    closed = policy.trades.trades + policy.trades.end_of_data_trades
    return ReportData(
        run_id=str(facts.run_id),
        created_ms=time.time_ns() // 1_000_000,
        huracan_version=huracan.__version__,
        settings_hash=facts.settings_hash,
        data_source=facts.source,
        data_fingerprint=summary.fingerprint,
        timeframe=summary.timeframe,
        symbols=summary.symbols,
        stage=facts.stage,
        proven=facts.proven,
        standing=standing(facts.stage, facts.proven),
        verdict=shadow.verdict.headline,
        verdict_reason=shadow.verdict.reason,
        env_steps=sum(result.env_steps for _, result in trainings),
        seeds=settings.shadow.seeds,
        folds=len(shadow.folds),
        trades=closed,
        test_days=len(shadow.day_ms),
        confidence_level=shadow.confidence_level,
        random_p_value=shadow.chance.p_value,
        equity=Band(
            shadow.day_ms,
            _scaled(shadow.equity.mid, rate),
            _scaled(shadow.equity.low, rate),
            _scaled(shadow.equity.high, rate),
        ),
        baselines={
            **{row.summary.name: _cumulated(row.summary.daily, rate) for row in shadow.baselines},
            "random": _cumulated(shadow.chance.daily, rate),
        },
        fold_rows=tuple(_fold_row(fold, rate) for fold in shadow.folds),
        policy_row=_policy_row(policy, rate, None),
        seed_rows=tuple(_policy_row(seed, rate, None) for seed in shadow.seeds),
        baseline_rows=(
            *(_policy_row(row.summary, rate, row.policy_minus_this) for row in shadow.baselines),
            _chance_row(shadow.chance, rate, len(shadow.day_ms)),
        ),
        coin_rows=tuple(_coin_row(coin, rate) for coin in shadow.coins),
        portfolio=_portfolio(shadow, rate),
        paper=facts.paper,
        analysis=facts.analysis,
        gates=facts.gates,
        exits=tuple(ExitRow(row.reason, row.trades, row.net_mean_bps) for row in policy.trades.exits if row.trades),
        actions={count.action: count.decisions for count in policy.actions},
        costs=CostSplit(
            rate * policy.trades.price,
            rate * policy.trades.spread,
            rate * policy.trades.slippage,
            rate * policy.trades.fee,
            rate * policy.trades.net,
        ),
        curves=tuple(
            Curve(fold, result.seed, [p.env_steps for p in result.curve], [p.reward_mean for p in result.curve])
            for fold, result in trainings
        ),
        trials=tuple(
            TrialRow(
                trial.name,
                "stopped early" if trial.stopped_early else trial.status,
                trial.env_steps * settings.search.seeds_per_trial,
                None if trial.score is None else rate * trial.score.objective,
                dict(trial.params),
            )
            for trial in campaign.trials
        ),
        chosen={
            **{name: getattr(campaign.trading, name) for name in RULES_SEARCHED},
            **{k: value for k, value in campaign.ppo.model_dump(mode="json").items() if isinstance(value, NUMBERS)},
        },
        excerpts=_excerpts(shadow.sample, dataset),
        quality=_quality(dataset),
        phases=tuple(PhaseRow(name, facts.phases[name]) for name in sorted(facts.phases, key=_phase_order)),
        peak_memory_mb=facts.peak_memory_mb,
        notes=facts.notes,
    )


def _estimate(interval: Interval, rate: float) -> Estimate:
    return Estimate(rate * interval.estimate, rate * interval.low, rate * interval.high)


def _scaled(values: Sequence[float], rate: float) -> tuple[float, ...]:
    return tuple(rate * value for value in values)


def _cumulated(daily: Sequence[float], rate: float) -> tuple[float, ...]:
    return tuple((rate * np.cumsum(daily)).tolist())


def _policy_row(summary: PolicySummary, rate: float, difference: Interval | None) -> ResultRow:
    return ResultRow(
        name=summary.name,
        trades=summary.trades.trades + summary.trades.end_of_data_trades,
        net=rate * summary.metrics.pnl_total,
        net_per_day=_estimate(summary.day_mean, rate),
        policy_minus_this=None if difference is None else _estimate(difference, rate),
        sharpe_year=summary.metrics.sharpe_annual.value,
        drawdown_max=rate * summary.metrics.drawdown_max,
        win_rate=summary.trades.hit_rate,
    )


def _chance_row(chance: ChanceSummary, rate: float, days: int) -> ResultRow:
    """Show the random policies as one row: their interval is over copies, not over days."""
    curve = np.cumsum(chance.daily)
    drawdown = float(np.max(np.maximum.accumulate(np.concatenate([[0.0], curve])) - np.concatenate([[0.0], curve])))
    return ResultRow(
        name=f"random, {chance.copies} copies (interval over copies)",
        trades=round(chance.trades_mean),
        net=rate * chance.pnl_total_mean,
        net_per_day=Estimate(
            rate * chance.pnl_total_mean / days, rate * chance.pnl_total_low / days, rate * chance.pnl_total_high / days
        ),
        policy_minus_this=_estimate(chance.policy_minus_this, rate),
        sharpe_year=None,
        drawdown_max=rate * drawdown,
        win_rate=None,
    )


def _coin_row(coin: CoinSummary, rate: float) -> ResultRow:
    return ResultRow(
        coin.symbol,
        coin.trades,
        rate * coin.pnl_total,
        _estimate(coin.day_mean, rate),
        None,
        None,
        None,
        coin.hit_rate,
    )


def _fold_row(fold: FoldSummary, rate: float) -> FoldRow:
    return FoldRow(
        fold.fold,
        fold.train.start_ms,
        fold.train.end_ms,
        fold.test.start_ms,
        fold.test.end_ms,
        len(fold.symbols),
        tuple(LeftOut(gone.symbol, gone.reason) for gone in fold.dropped),
        fold.trades,
        rate * fold.pnl_total,
        _estimate(fold.day_mean, rate),
    )


def _phase_order(name: str) -> tuple[int, str]:
    return (PHASES.index(name) if name in PHASES else len(PHASES), name)


def _portfolio(shadow: ShadowReport, rate: float) -> PortfolioView | None:
    found = shadow.portfolio
    if found is None:
        return None
    trades = found.summary.trades
    return PortfolioView(
        trades.trades + trades.end_of_data_trades,
        rate * found.summary.metrics.pnl_total,
        _estimate(found.summary.day_mean, rate),
        {row.code: row.entries for row in found.denials},
        len(found.breach_ms),
    )


def _quality(dataset: Dataset) -> tuple[QualityRow, ...]:
    by_kernel = {refusal.symbol: refusal.reason for refusal in dataset.summary.refused if refusal.by == "kernel"}
    return tuple(
        QualityRow(
            verdict.report.symbol,
            verdict.report.bars,
            verdict.report.coverage_frac,
            verdict.report.first_ms,
            verdict.report.last_ms,
            "" if verdict.accepted else "; ".join(verdict.reasons),
        )
        if verdict.report.symbol not in by_kernel
        else QualityRow(
            verdict.report.symbol,
            verdict.report.bars,
            verdict.report.coverage_frac,
            verdict.report.first_ms,
            verdict.report.last_ms,
            by_kernel[verdict.report.symbol],
        )
        for verdict in dataset.summary.verdicts
    )


def _excerpts(sample: Sequence[TradeSample], dataset: Dataset) -> tuple[Excerpt, ...]:
    """Return candles and trades of the coins with the most sampled trades; ties by name."""
    by_coin: dict[str, list[TradeSample]] = {}
    for trade in sample:
        by_coin.setdefault(trade.symbol, []).append(trade)
    chosen = sorted(by_coin, key=lambda symbol: (-len(by_coin[symbol]), symbol))[:EXCERPT_COINS]
    tapes = {tape.symbol: tape for tape in dataset.bare}
    return tuple(
        Excerpt(
            symbol,
            _candles(tapes[symbol], dataset.kernel.base_ms, by_coin[symbol]),
            tuple(
                TradeMark(t.entry_ms, t.entry_price, t.exit_ms, t.exit_price, t.net, t.reason) for t in by_coin[symbol]
            ),
        )
        for symbol in chosen
    )


def _candles(tape: Tape, base_ms: int, trades: Sequence[TradeSample]) -> tuple[Candle, ...]:
    """Return the bars around the trades, several merged into one where there are too many to see."""
    margin = 20 * base_ms
    open_ms = tape.bars[:, 0] * base_ms
    first, stop = np.searchsorted(
        open_ms, (min(t.entry_ms for t in trades) - margin, max(t.exit_ms for t in trades) + margin)
    )
    bars = tape.bars[first:stop]
    tick = float(tape.instrument.tick)
    width = max(1, -(-len(bars) // EXCERPT_CANDLES_MAX))
    return tuple(
        Candle(
            int(part[0, 0]) * base_ms,
            float(part[0, 1]) * tick,
            float(part[:, 2].max()) * tick,
            float(part[:, 3].min()) * tick,
            float(part[-1, 4]) * tick,
        )
        for part in (bars[start : start + width] for start in range(0, len(bars), width))
    )

"""From the results of all folds to the report: metrics, intervals on shared days, differences, verdict."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from huracan.baselines import Pace, TreePolicy
from huracan.config import ShadowSettings
from huracan.errors import InvariantError
from huracan.shadow.ablation import summarise_ablations
from huracan.shadow.bootstrap import Resampler, daily_sharpe, equity_band, max_drawdown, permutation_p_value
from huracan.shadow.meta import MetaOutcome, summarise_meta
from huracan.shadow.metrics import daily_metrics, trade_metrics
from huracan.shadow.portfolio import PortfolioResult
from huracan.shadow.run import RandomResult, ShadowResult
from huracan.shadow.splits import Fold
from huracan.shadow.summary import (
    ActionCount,
    BaselineSummary,
    ChanceSummary,
    CoinSummary,
    DenialCount,
    EquityBand,
    FoldSummary,
    MetaSummary,
    NamedNet,
    PolicySummary,
    PortfolioSummary,
    ShadowReport,
    TradeSample,
    TreeSummary,
)
from huracan.shadow.trades import TradeTable
from huracan.shadow.verdict import Rival, judge
from huracan.trading import Action, ExitReason, KernelSettings
from huracan.trees import PathReport

__all__ = ["BOOTSTRAP_SEED", "FoldOutcome", "assess"]

Floats = npt.NDArray[np.float64]
BOOTSTRAP_SEED = 20_250_611
SAMPLE_TRADES_PER_COIN = 40


@dataclass(frozen=True, slots=True)
class FoldOutcome:
    """Everything that was traded in one fold.

    Attributes:
        fold: the windows.
        policy: the judged policy, normally the seed ensemble.
        seeds: each seed alone, named; the same names in every fold.
        baselines: named; the same in every fold.
        chance: random policies.
        portfolio: one account; None when not run.
        opponent: the tree model among the baselines; None when it did not trade.
        paths: CPCV of its training window; None when not run.
        meta: the policy filtered by what the folds before taught; None when not run.
        chance_blocks: the random policies of each block of coins, with its coins.
        ablated: the policy without a block of its state (`huracan.shadow.ablation.BLOCKS`), by the block's name.
    """

    fold: Fold
    policy: ShadowResult
    seeds: tuple[ShadowResult, ...]
    baselines: tuple[ShadowResult, ...]
    chance: RandomResult
    portfolio: PortfolioResult | None
    opponent: TreePolicy | None = None
    paths: PathReport | None = None
    meta: MetaOutcome | None = None
    chance_blocks: tuple[tuple[tuple[str, ...], RandomResult], ...] = ()
    ablated: Mapping[str, ShadowResult] = field(default_factory=dict)


def assess(
    outcomes: Sequence[FoldOutcome],
    kernel: KernelSettings,
    settings: ShadowSettings,
    *,
    run_id: int | None = None,
    policy_name: str = "ensemble",
) -> ShadowReport:
    """Judge a policy over all folds.

    Args:
        outcomes: one per fold, in time order, with the same seeds and baselines.
        kernel: the rules; its stake sets the capital.
        settings: resamples and confidence level.
        run_id: run that the results belong to.
        policy_name: judged version.

    Raises:
        InvariantError: there is no fold, or the folds differ in their seeds or baselines.
    """
    _check_alike(outcomes)
    capital = kernel.capital_quote * max(len(outcome.policy.symbols) for outcome in outcomes)
    whole = _merge([outcome.policy for outcome in outcomes])
    resampler = Resampler(
        whole.daily, resamples=settings.bootstrap_resamples, level=settings.confidence_level, seed=BOOTSTRAP_SEED
    )
    policy = _policy_summary(whole, policy_name, capital, kernel, resampler)
    merged = [_merge([outcome.baselines[i] for outcome in outcomes]) for i in range(len(outcomes[0].baselines))]
    baselines = tuple(
        BaselineSummary(
            _policy_summary(result, result.policy, capital, kernel, resampler),
            resampler.difference(whole.daily, result.daily),
        )
        for result in merged
    )
    seeds = [_merge([outcome.seeds[i] for outcome in outcomes]) for i in range(len(outcomes[0].seeds))]
    chance = _chance(outcomes, whole, resampler)
    rivals = [Rival(row.summary.name, row.policy_minus_this) for row in baselines if row.summary.name != "flat"]
    equity = equity_band(whole.daily, resampler)
    return ShadowReport(
        run_id=run_id,
        policy_name=policy_name,
        confidence_level=settings.confidence_level,
        block_days=resampler.block_days,
        capital=capital,
        day_ms=tuple(whole.day_ms.tolist()),
        verdict=judge(
            policy.day_mean, whole.day_ms.size, len(whole.trades), whole.pace.decisions, rivals, chance.p_value
        ),
        equity=EquityBand(*(tuple(line.tolist()) for line in equity)),
        policy=policy,
        seeds=tuple(_policy_summary(result, result.policy, capital, kernel, resampler) for result in seeds),
        baselines=baselines,
        chance=chance,
        folds=tuple(_fold(outcome, settings) for outcome in outcomes),
        coins=_coins(whole, settings),
        portfolio=_portfolio(outcomes, kernel, resampler),
        sample=_sample(outcomes[-1]),
        trees=tuple(
            _tree(outcome.fold.index, outcome.opponent) for outcome in outcomes if outcome.opponent is not None
        ),
        tree_paths=outcomes[-1].paths,
        meta=_meta(outcomes, settings),
        ablations=summarise_ablations(
            [outcome.policy for outcome in outcomes],
            [outcome.ablated for outcome in outcomes],
            settings,
            BOOTSTRAP_SEED,
        ),
    )


def _check_alike(outcomes: Sequence[FoldOutcome]) -> None:
    if not outcomes:
        raise InvariantError("there is no fold to assess")
    names = {
        (
            tuple(seed.policy for seed in outcome.seeds),
            tuple(baseline.policy for baseline in outcome.baselines),
            outcome.chance.pnl.shape[0],
            outcome.portfolio is None,
        )
        for outcome in outcomes
    }
    if len(names) > 1:
        raise InvariantError(f"folds differ in what was traded: {sorted(map(str, names))}")


def _merge(folds: Sequence[ShadowResult]) -> ShadowResult:
    """Put the folds of one policy behind each other, over the union of their coins; an absent coin earned nothing."""
    symbols = tuple(sorted({symbol for result in folds for symbol in result.symbols}))
    place = {symbol: index for index, symbol in enumerate(symbols)}
    pnl, tables = [], []
    for result in folds:
        columns = np.array([place[symbol] for symbol in result.symbols])
        days = np.zeros((result.day_ms.size, len(symbols)))
        days[:, columns] = result.pnl
        pnl.append(days)
        tables.append(replace(result.trades, coin=columns[result.trades.coin]))
    return ShadowResult(
        policy=folds[0].policy,
        fold=-1,
        window=folds[0].window,
        symbols=symbols,
        day_ms=np.concatenate([result.day_ms for result in folds]),
        pnl=np.concatenate(pnl),
        trades=TradeTable.concatenate(tables),
        pace=Pace.joined([result.pace for result in folds]),
        bars=sum(result.bars for result in folds),
        wall_s=sum(result.wall_s for result in folds),
    )


def _policy_summary(
    result: ShadowResult, name: str, capital: float, kernel: KernelSettings, resampler: Resampler
) -> PolicySummary:
    daily = result.daily
    return PolicySummary(
        name=name,
        daily=tuple(daily.tolist()),
        metrics=daily_metrics(daily, capital),
        trades=trade_metrics(result.trades, days=daily.size, bars=result.bars, bar_ms=kernel.base_ms, capital=capital),
        day_mean=resampler.interval(daily),
        sharpe_day=resampler.interval(daily, daily_sharpe),
        drawdown_max=resampler.interval(daily, max_drawdown),
        actions=tuple(ActionCount(action.name.lower(), int(result.pace.actions[action])) for action in Action),
        decisions_per_s=result.pace.decisions / result.wall_s if result.pace.decisions and result.wall_s else None,
    )


def _chance(outcomes: Sequence[FoldOutcome], whole: ShadowResult, resampler: Resampler) -> ChanceSummary:
    pnl = np.concatenate([outcome.chance.pnl for outcome in outcomes], axis=1)
    totals, average = pnl.sum(axis=1), pnl.mean(axis=0)
    tail = (1.0 - resampler.level) / 2.0
    low, high = np.quantile(totals, (tail, 1.0 - tail))
    return ChanceSummary(
        copies=totals.size,
        p_value=permutation_p_value(float(whole.daily.sum()), totals) if len(whole.trades) else None,
        pnl_total_mean=float(totals.mean()),
        pnl_total_low=float(low),
        pnl_total_high=float(high),
        trades_mean=float(np.sum([outcome.chance.trades.mean() for outcome in outcomes])),
        daily=tuple(average.tolist()),
        policy_minus_this=resampler.difference(whole.daily, average),
    )


def _resampler(daily: Floats, settings: ShadowSettings) -> Resampler:
    return Resampler(
        daily, resamples=settings.bootstrap_resamples, level=settings.confidence_level, seed=BOOTSTRAP_SEED
    )


def _fold(outcome: FoldOutcome, settings: ShadowSettings) -> FoldSummary:
    daily = outcome.policy.daily
    trades = outcome.policy.trades
    closed = trades.where(trades.reason != ExitReason.END_OF_DATA)
    return FoldSummary(
        fold=outcome.fold.index,
        train=outcome.fold.train,
        test=outcome.fold.test,
        purge_bars=outcome.fold.purge_bars,
        embargo_bars=outcome.fold.embargo_bars,
        symbols=outcome.policy.symbols,
        dropped=outcome.fold.dropped,
        pnl_total=float(daily.sum()),
        trades=len(trades),
        wins=int(np.count_nonzero(closed.net > 0.0)),
        fees=-float(trades.fee_part.sum()),
        day_mean=_resampler(daily, settings).interval(daily),
        others=tuple(
            NamedNet(result.policy, float(result.pnl.sum()), len(result.trades))
            for result in (*outcome.seeds, *outcome.baselines)
        ),
        end_of_data_trades=len(trades) - len(closed),
    )


def _coins(whole: ShadowResult, settings: ShadowSettings) -> tuple[CoinSummary, ...]:
    rows = []
    for coin, symbol in enumerate(whole.symbols):
        daily = whole.pnl[:, coin]
        traded = whole.trades.where(whole.trades.coin == coin)
        own = traded.where(traded.reason != ExitReason.END_OF_DATA)
        rows.append(
            CoinSummary(
                symbol=symbol,
                days=daily.size,
                pnl_total=float(daily.sum()),
                trades=len(traded),
                wins=int(np.count_nonzero(own.net > 0.0)),
                fees=-float(traded.fee_part.sum()),
                hit_rate=float(np.mean(own.net > 0.0)) if len(own) else None,
                net_mean_bps=float(np.mean(1e4 * own.net / own.notional_in)) if len(own) else None,
                day_mean=_resampler(daily, settings).interval(daily),
                end_of_data_trades=len(traded) - len(own),
            )
        )
    return tuple(rows)


def _portfolio(
    outcomes: Sequence[FoldOutcome], kernel: KernelSettings, resampler: Resampler
) -> PortfolioSummary | None:
    found = [outcome.portfolio for outcome in outcomes if outcome.portfolio is not None]
    if not found:
        return None
    whole = _merge([portfolio.result for portfolio in found])
    codes = [denial.code.value for portfolio in found for denial in portfolio.denials]
    return PortfolioSummary(
        summary=_policy_summary(whole, "portfolio", found[0].wallet, kernel, resampler),
        approvals=sum(portfolio.approvals for portfolio in found),
        denials=tuple(DenialCount(code, codes.count(code)) for code in sorted(set(codes))),
        breach_ms=tuple(at for portfolio in found for at in portfolio.breach_ms),
    )


def _meta(outcomes: Sequence[FoldOutcome], settings: ShadowSettings) -> MetaSummary | None:
    found = [outcome.meta for outcome in outcomes if outcome.meta is not None]
    if len(found) < len(outcomes):
        return None
    return summarise_meta([outcome.policy for outcome in outcomes], found, settings, BOOTSTRAP_SEED)


def _tree(fold: int, opponent: TreePolicy) -> TreeSummary:
    model = opponent.model
    if model is None:
        return TreeSummary(fold, 0, 0, None, None, None, None, opponent.reason)
    facts = model.facts
    threshold = None if opponent.never_enters else model.threshold
    return TreeSummary(fold, facts.labels, facts.wins, facts.auc, facts.brier, model.break_even, threshold, "")


def _sample(outcome: FoldOutcome) -> tuple[TradeSample, ...]:
    trades, symbols = outcome.policy.trades, outcome.policy.symbols
    return tuple(
        TradeSample(
            fold=outcome.fold.index,
            symbol=symbols[trades.coin[row]],
            entry_ms=int(trades.entry_ms[row]),
            exit_ms=int(trades.exit_ms[row]),
            entry_price=float(trades.entry_price[row]),
            exit_price=float(trades.exit_price[row]),
            notional=float(trades.notional_in[row]),
            price=float(trades.price_part[row]),
            spread=float(trades.spread_part[row]),
            slippage=float(trades.slippage_part[row]),
            fee=float(trades.fee_part[row]),
            net=float(trades.net[row]),
            mfe_bps=float(1e4 * trades.mfe_frac[row]),
            mae_bps=float(1e4 * trades.mae_frac[row]),
            reason=ExitReason(int(trades.reason[row])).name.lower(),
            action=Action(int(trades.action[row])).name.lower(),
            confidence=float(trades.confidence[row]),
        )
        for row in np.flatnonzero(trades.seq < SAMPLE_TRADES_PER_COIN)
    )

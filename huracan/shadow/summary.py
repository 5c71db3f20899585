"""What shadow trading found, as one tree of frozen values: everything a report shows, and its JSON form.

Money is in quote currency, times in ms UTC, `Interval`s are two-sided bootstrap intervals over whole days.
"""

import dataclasses
import enum
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from huracan.shadow.bootstrap import Interval
from huracan.shadow.metrics import DailyMetrics, TradeMetrics
from huracan.shadow.splits import Dropout, Window
from huracan.shadow.verdict import Verdict
from huracan.trees import PathReport

__all__ = [
    "AblationSummary",
    "ActionCount",
    "BaselineSummary",
    "ChanceSummary",
    "CoinSummary",
    "DenialCount",
    "EquityBand",
    "FoldSummary",
    "MetaFold",
    "MetaSummary",
    "NamedNet",
    "PolicySummary",
    "PortfolioSummary",
    "ShadowReport",
    "TradeSample",
    "TreeSummary",
    "to_json",
]


@dataclass(frozen=True, slots=True)
class ActionCount:
    """How often an action was chosen; `action` is its lower-case name."""

    action: str
    decisions: int


@dataclass(frozen=True, slots=True)
class PolicySummary:
    """One policy over all test windows, coins in accounts of their own.

    Attributes:
        name: "ensemble", "seed-1", "momentum", ...
        daily: net result per UTC day, all coins together.
        metrics: of the daily results.
        trades: of the closed trades.
        day_mean: interval of the mean daily net result.
        sharpe_day: interval of the daily Sharpe ratio, not annualised.
        drawdown_max: interval of the largest fall from a peak.
        actions: decisions by action.
        decisions_per_s: decided and traded, one core; None when nothing was decided.
    """

    name: str
    daily: tuple[float, ...]
    metrics: DailyMetrics
    trades: TradeMetrics
    day_mean: Interval
    sharpe_day: Interval
    drawdown_max: Interval
    actions: tuple[ActionCount, ...]
    decisions_per_s: float | None


@dataclass(frozen=True, slots=True)
class BaselineSummary:
    """A baseline beside the judged policy; `policy_minus_this` is the mean daily difference, on the same days."""

    summary: PolicySummary
    policy_minus_this: Interval


@dataclass(frozen=True, slots=True)
class ChanceSummary:
    """Random policies of the judged policy's trade rate, sizes and holding times.

    Attributes:
        copies: B random policies.
        p_value: (1 + copies that earned at least as much) / (1 + B); None when the policy never traded.
        pnl_total_mean, pnl_total_low, pnl_total_high: over copies; low and high at the confidence level.
        trades_mean: closed trades per copy.
        daily: mean over copies, per UTC day.
        policy_minus_this: mean daily difference between the policy and the mean copy.
    """

    copies: int
    p_value: float | None
    pnl_total_mean: float
    pnl_total_low: float
    pnl_total_high: float
    trades_mean: float
    daily: tuple[float, ...]
    policy_minus_this: Interval


@dataclass(frozen=True, slots=True)
class NamedNet:
    """Net result of a seed or baseline within one fold."""

    name: str
    pnl_total: float
    trades: int


@dataclass(frozen=True, slots=True)
class FoldSummary:
    """One step of the walk-forward, as the judged policy traded it.

    `trades` are all closed ones, `wins` leave out `end_of_data`; a report made before those were counted apart has 0.
    """

    fold: int
    train: Window
    test: Window
    purge_bars: int
    embargo_bars: int
    symbols: tuple[str, ...]
    dropped: tuple[Dropout, ...]
    pnl_total: float
    trades: int
    wins: int
    fees: float
    day_mean: Interval
    others: tuple[NamedNet, ...]
    end_of_data_trades: int = 0


@dataclass(frozen=True, slots=True)
class CoinSummary:
    """One coin over all test windows, as the judged policy traded it.

    `trades` are all closed ones; `wins`, `hit_rate` and `net_mean_bps` leave out `end_of_data`; a report made before
    those were counted apart has 0.
    """

    symbol: str
    days: int
    pnl_total: float
    trades: int
    wins: int
    fees: float
    hit_rate: float | None
    net_mean_bps: float | None
    day_mean: Interval
    end_of_data_trades: int = 0


@dataclass(frozen=True, slots=True)
class DenialCount:
    """Entries refused with one code."""

    code: str
    entries: int


@dataclass(frozen=True, slots=True)
class PortfolioSummary:
    """All coins in one account behind the risk limits, each fold starting with a full wallet.

    Attributes:
        summary: as for separate accounts; the capital is the wallet.
        approvals: entries let through.
        denials: refused, by code.
        breach_ms: closes at which a day's loss limit was reached.
    """

    summary: PolicySummary
    approvals: int
    denials: tuple[DenialCount, ...]
    breach_ms: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class EquityBand:
    """Cumulated daily results with a pointwise interval."""

    mid: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class TradeSample:
    """One trade of the judged policy; fractions in basis points, money in quote currency, costs <= 0."""

    fold: int
    symbol: str
    entry_ms: int
    exit_ms: int
    entry_price: float
    exit_price: float
    notional: float
    price: float
    spread: float
    slippage: float
    fee: float
    net: float
    mfe_bps: float
    mae_bps: float
    reason: str
    action: str
    confidence: float


@dataclass(frozen=True, slots=True)
class TreeSummary:
    """The supervised opponent of one fold, as its training window saw it.

    Attributes:
        fold: index.
        labels: entries it was trained on; 0 when there is no model.
        wins: among them.
        auc: of held-out scores; None without a model, as the figures below.
        brier: of held-out probabilities.
        break_even: p*, the chance at which mean win and mean loss balance.
        threshold: p - p* above which it enters; None: no entry paid out of fold, it stays flat.
        reason: why there is no model, else "".
    """

    fold: int
    labels: int
    wins: int
    auc: float | None
    brier: float | None
    break_even: float | None
    threshold: float | None
    reason: str


@dataclass(frozen=True, slots=True)
class MetaFold:
    """What the meta model of one fold learnt from the judged policy's trades in the folds before.

    Attributes:
        fold: index.
        learnt: closed trades it was trained on; `wins` among them.
        wins: with a positive net result.
        auc: of held-out scores; None when it learnt nothing and leaves no entry out; `brier` likewise.
        brier: of held-out chances.
        reason: why it learnt nothing, else "".
    """

    fold: int
    learnt: int
    wins: int
    auc: float | None
    brier: float | None
    reason: str


@dataclass(frozen=True, slots=True)
class MetaSummary:
    """What leaving out entries by the meta model would have changed, in the folds in which it had learnt something.

    `trades` leave out `end_of_data`; precision is the share of them with a positive net result, None without any.

    Attributes:
        folds: every fold.
        days: UTC days of the folds in which it left out entries or could have.
        trades_without: of the policy alone on these days; likewise `trades_with` the meta model.
        trades_with: filtered.
        precision_without: of the policy alone.
        precision_with: filtered.
        net_without: of all closed trades and open positions, the policy alone.
        net_with: filtered.
        day_difference: interval of the mean daily gain by filtering; None without such a day.
        earns: whether the whole interval lies above zero.
    """

    folds: tuple[MetaFold, ...]
    days: int
    trades_without: int
    trades_with: int
    precision_without: float | None
    precision_with: float | None
    net_without: float
    net_with: float
    day_difference: Interval | None
    earns: bool


@dataclass(frozen=True, slots=True)
class AblationSummary:
    """The judged policy beside itself with a block of its state at zero, in the folds in which it was trained with it.

    Attributes:
        block: memory (entries 52 to 60) or tree (61).
        days: UTC days of these folds.
        trades_with, trades_without: closed trades, `end_of_data` left out.
        net_with, net_without: of all closed trades and open positions.
        day_difference: interval of the mean day with the block less that without it.
        relies: the whole interval lies above zero: this policy does worse without what it learnt with. That is no proof
            of the block's worth, which only a policy trained without it can show.
        misled: the whole interval lies below zero: it does better when it is not told.
    """

    block: str
    days: int
    trades_with: int
    trades_without: int
    net_with: float
    net_without: float
    day_difference: Interval
    relies: bool
    misled: bool


@dataclass(frozen=True, slots=True)
class ShadowReport:
    """Everything shadow trading says about a version.

    Attributes:
        run_id: run that it belongs to; None outside a database.
        policy_name: judged version.
        confidence_level: of all intervals.
        block_days: mean length of the resampled blocks.
        capital: what fractions are of: 1.5 stakes for each coin of the largest fold.
        day_ms: int, start of every UTC day of the test windows.
        verdict: the one thing to read.
        equity: of the judged policy.
        policy: the seed ensemble.
        seeds: each seed alone, in order.
        baselines: flat, buy_and_hold, momentum, mean_reversion, lightgbm.
        chance: random policies.
        folds: in time order.
        coins: by symbol.
        portfolio: None when it was not run.
        sample: the first trades of each coin in the last fold, complete up to the last one shown.
        trees: how the supervised opponent was trained, by fold.
        tree_paths: its CPCV paths through the last fold's training window; None when that is too small.
        meta: what meta-labelling would change; None when it was not run.
        ablations: how much it relies on each block of the state that it was trained with.
    """

    run_id: int | None
    policy_name: str
    confidence_level: float
    block_days: float
    capital: float
    day_ms: tuple[int, ...]
    verdict: Verdict
    equity: EquityBand
    policy: PolicySummary
    seeds: tuple[PolicySummary, ...]
    baselines: tuple[BaselineSummary, ...]
    chance: ChanceSummary
    folds: tuple[FoldSummary, ...]
    coins: tuple[CoinSummary, ...]
    portfolio: PortfolioSummary | None
    sample: tuple[TradeSample, ...]
    trees: tuple[TreeSummary, ...] = ()
    tree_paths: PathReport | None = None
    meta: MetaSummary | None = None
    ablations: tuple[AblationSummary, ...] = ()


def to_json(value: object) -> Any:
    """Return a tree of frozen values as JSON types: dataclasses by field, enums by value.

    Raises:
        TypeError: a value has no JSON form.
        ValueError: a float is not finite; a report holds none.
    """
    if isinstance(value, enum.Enum):
        return value.value
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"a report holds finite figures only, not {value}")
        return float(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_json(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_json(item) for item in value]
    raise TypeError(f"no JSON form for {type(value).__name__}")

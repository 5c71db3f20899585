"""What a report shows, as plain frozen values; `report.json` is this tree and nothing else."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from huracan.analysis import Analysis
from huracan.shadow import GateReport

__all__ = [
    "Analysis",
    "Band",
    "Candle",
    "CostSplit",
    "Curve",
    "Estimate",
    "Excerpt",
    "ExitRow",
    "FoldRow",
    "GateReport",
    "LeftOut",
    "PaperTrading",
    "PhaseRow",
    "PortfolioView",
    "QualityRow",
    "ReportData",
    "ResultRow",
    "TradeMark",
    "TrialRow",
]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with its bootstrap interval; `low` and `high` are None where no interval can be computed."""

    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Band:
    """A daily series with its interval: `low <= mid <= high`, account currency."""

    time_ms: Sequence[int]
    mid: Sequence[float]
    low: Sequence[float]
    high: Sequence[float]


@dataclass(frozen=True, slots=True)
class Candle:
    """One bar of a picture; prices in quote currency, `time_ms` is the open time."""

    time_ms: int
    open: float
    high: float
    low: float
    close: float


@dataclass(frozen=True, slots=True)
class TradeMark:
    """One trade of a picture: times in ms UTC, average prices, net result in quote currency."""

    entry_ms: int
    entry_price: float
    exit_ms: int
    exit_price: float
    net: float
    reason: str


@dataclass(frozen=True, slots=True)
class Excerpt:
    """A window of one coin's candles with the trades inside it."""

    symbol: str
    candles: Sequence[Candle]
    trades: Sequence[TradeMark]


@dataclass(frozen=True, slots=True)
class CostSplit:
    """The PnL identity summed over trades: price + spread + slippage + fee = net (costs are negative)."""

    price: float
    spread: float
    slippage: float
    fee: float
    net: float


@dataclass(frozen=True, slots=True)
class Curve:
    """Training progress of one (fold, seed): values at environment-step counts."""

    fold: int
    seed: int
    env_steps: Sequence[int]
    value: Sequence[float]


@dataclass(frozen=True, slots=True)
class ExitRow:
    """Trades that ended for one reason."""

    reason: str
    trades: int
    mean_net_bps: float


@dataclass(frozen=True, slots=True)
class PhaseRow:
    """One phase of the run with its wall time."""

    name: str
    wall_s: float


@dataclass(frozen=True, slots=True)
class TrialRow:
    """One hyper-parameter trial of the search; the objective is net performance on the validation window."""

    trial: str
    status: str
    env_steps: int
    objective: float | None
    parameters: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A coin that is not part of a fold, and why."""

    symbol: str
    reason: str


@dataclass(frozen=True, slots=True)
class FoldRow:
    """One fold: its windows (ms UTC), who was left out, what was traded in the test window and what it earned."""

    fold: int
    train_start_ms: int
    train_end_ms: int
    test_start_ms: int
    test_end_ms: int
    symbols: int
    left_out: Sequence[LeftOut]
    trades: int
    net: float
    net_per_day: Estimate


@dataclass(frozen=True, slots=True)
class ResultRow:
    """One policy, seed, coin or baseline judged over all test windows; money in account currency."""

    name: str
    trades: int
    net: float
    net_per_day: Estimate
    policy_minus_this: Estimate | None
    sharpe_year: float | None
    drawdown_max: float | None
    win_rate: float | None


@dataclass(frozen=True, slots=True)
class PortfolioView:
    """All coins in one account behind the risk limits: what was traded, what was denied, days the loss limit ended."""

    trades: int
    net: float
    net_per_day: Estimate
    denials: Mapping[str, int]
    loss_limit_days: int


@dataclass(frozen=True, slots=True)
class QualityRow:
    """What the quality gate found for one symbol; `refused` is empty when it passed."""

    symbol: str
    bars: int
    coverage_frac: float
    first_ms: int
    last_ms: int
    refused: str


@dataclass(frozen=True, slots=True)
class PaperTrading:
    """What the served versions did on unseen candles at the paper exchange, and whether it is what shadow promised.

    Attributes:
        account: under which orders and trades are stored.
        versions: (name, standing) of what decided.
        symbols: markets traded.
        start_ms, end_ms: market time, ms UTC.
        closes: that were carried out.
        decisions: states that were decided on.
        denials: entries that risk refused.
        halted: why trading had stopped at the end, "" when it had not.
        trades: closed; `open_trades` are still held at the end.
        net, fees: of the closed trades, quote currency.
        parity_trades, parity_denials: found on both sides, in portfolio shadow of the same candles and on paper.
        parity_differences: figures that differ.
        parity_lines: the comparison in words.
        up_s, trade_s: seconds to bring everything up, and to trade.
    """

    account: str
    versions: Sequence[tuple[str, str]]
    symbols: Sequence[str]
    start_ms: int
    end_ms: int
    closes: int
    decisions: int
    denials: int
    halted: str
    trades: int
    open_trades: int
    net: float
    fees: float
    parity_trades: int
    parity_denials: int
    parity_differences: int
    parity_lines: Sequence[str]
    up_s: float
    trade_s: float

    @property
    def agrees(self) -> bool:
        """Return whether nothing differs; without any trade or denial there was nothing to compare."""
        return self.parity_differences == 0


@dataclass(frozen=True, slots=True)
class ReportData:
    """Everything a report says; each number was computed by the run it names."""

    run_id: str
    created_ms: int
    huracan_version: str
    settings_hash: str
    data_source: str
    data_fingerprint: str
    timeframe: str
    symbols: Sequence[str]
    stage: str
    proven: bool
    standing: str
    verdict: str
    verdict_reason: str
    env_steps: int
    seeds: Sequence[int]
    folds: int
    trades: int
    test_days: int
    confidence_level: float
    random_p_value: float | None
    equity: Band
    baselines: Mapping[str, Sequence[float]]
    fold_rows: Sequence[FoldRow]
    policy_row: ResultRow
    seed_rows: Sequence[ResultRow]
    baseline_rows: Sequence[ResultRow]
    coin_rows: Sequence[ResultRow]
    portfolio: PortfolioView | None
    paper: PaperTrading | None
    analysis: Analysis | None
    gates: Sequence[GateReport]
    exits: Sequence[ExitRow]
    actions: Mapping[str, int]
    costs: CostSplit
    curves: Sequence[Curve]
    trials: Sequence[TrialRow]
    chosen: Mapping[str, float]
    excerpts: Sequence[Excerpt]
    quality: Sequence[QualityRow]
    phases: Sequence[PhaseRow]
    peak_memory_mb: float | None
    notes: Sequence[str]

"""Shadow trading: walk-forward splits, per-coin and portfolio runs over the kernel, metrics, and the promotion gate.

`assess` makes a report of what was traded; `run_gate` and `promote_version` judge and move a registered version on what
is stored; the statistics stand by themselves in `sharpe`, `sharpe_inference`, `overfit`, `spa` and `bootstrap`.
"""

from huracan.shadow.ablation import BLOCKS, without
from huracan.shadow.assess import FoldOutcome, assess
from huracan.shadow.bootstrap import Interval, Resampler
from huracan.shadow.by_coin import ByCoin
from huracan.shadow.evidence import Evidence
from huracan.shadow.gate import Criterion, GateReport, judge_gate
from huracan.shadow.gather import gather_evidence
from huracan.shadow.meta import MetaOutcome, entries_of
from huracan.shadow.metrics import DailyMetrics, TradeMetrics
from huracan.shadow.portfolio import Denial, PortfolioResult, shadow_portfolio
from huracan.shadow.promotion import promote_version, run_gate
from huracan.shadow.rows import (
    COIN_ACCOUNT,
    ENSEMBLE,
    PORTFOLIO_ACCOUNT,
    daily_rows,
    performance_rows,
    trade_blocks,
    trade_rows,
)
from huracan.shadow.run import RandomResult, ShadowResult, join_blocks, random_block, shadow_block
from huracan.shadow.splits import (
    DAY_MS,
    Dropout,
    Fold,
    History,
    Window,
    usable_history,
    validation_split,
    walk_forward_splits,
)
from huracan.shadow.stretches import Stretch, cut_tape, stretches
from huracan.shadow.summary import (
    AblationSummary,
    MetaFold,
    MetaSummary,
    PolicySummary,
    ShadowReport,
    TreeSummary,
    to_json,
)
from huracan.shadow.trades import TradeTable
from huracan.shadow.verdict import Finding, Verdict

__all__ = [
    "BLOCKS",
    "COIN_ACCOUNT",
    "DAY_MS",
    "ENSEMBLE",
    "PORTFOLIO_ACCOUNT",
    "AblationSummary",
    "ByCoin",
    "Criterion",
    "DailyMetrics",
    "Denial",
    "Dropout",
    "Evidence",
    "Finding",
    "Fold",
    "FoldOutcome",
    "GateReport",
    "History",
    "Interval",
    "MetaFold",
    "MetaOutcome",
    "MetaSummary",
    "PolicySummary",
    "PortfolioResult",
    "RandomResult",
    "Resampler",
    "ShadowReport",
    "ShadowResult",
    "Stretch",
    "TradeMetrics",
    "TradeTable",
    "TreeSummary",
    "Verdict",
    "Window",
    "assess",
    "cut_tape",
    "daily_rows",
    "entries_of",
    "gather_evidence",
    "join_blocks",
    "judge_gate",
    "performance_rows",
    "promote_version",
    "random_block",
    "run_gate",
    "shadow_block",
    "shadow_portfolio",
    "stretches",
    "to_json",
    "trade_blocks",
    "trade_rows",
    "usable_history",
    "validation_split",
    "walk_forward_splits",
    "without",
]

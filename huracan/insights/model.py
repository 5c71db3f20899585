"""What an answer of the memory consists of: plain frozen values, as terminal, page and JSON show them."""

from collections.abc import Sequence
from dataclasses import dataclass

from huracan.analysis.days import DayMean
from huracan.insights.evidence import Stage
from huracan.memory import StoredProposal
from huracan.memory.patterns import PatternSet

__all__ = ["AfterExit", "FindingRow", "Insights", "Section", "Setup", "Slice"]


@dataclass(frozen=True, slots=True)
class Slice:
    """Some closed trades; money in quote currency.

    Attributes:
        name: what they have in common.
        trades, wins: how many.
        win_low, win_high: Wilson's interval of the win rate.
        result: mean net result in R with its interval over blocks of days; None: no trade has a known risk.
        net, fees, slippage: sums; slippage with half spreads; costs are <= 0.
        gross_bps, cost_bps: before costs, and costs (>= 0), basis points of the value bought.
        cost_share: costs over what was won before costs; None: nothing was.
    """

    name: str
    trades: int
    wins: int
    win_low: float
    win_high: float
    result: DayMean | None
    net: float
    fees: float
    slippage: float
    gross_bps: float
    cost_bps: float
    cost_share: float | None


@dataclass(frozen=True, slots=True)
class Section:
    """All trades cut by one question.

    Attributes:
        by: the question: mode, version, coin, regime, pattern, exit reason, hour.
        slices: most trades first; hours in their order.
    """

    by: str
    slices: Sequence[Slice]


@dataclass(frozen=True, slots=True)
class Setup:
    """What is known at an entry, and whether its trades are better or worse than the others beyond chance.

    Attributes:
        by: coin, regime, pattern or hour.
        slice: its trades, without those that were cut off.
        stage: good or bad where that is borne out among all setups compared, else unclear.
        p_value, q_value: before and after the correction for all of them.
    """

    by: str
    slice: Slice
    stage: Stage
    p_value: float
    q_value: float


@dataclass(frozen=True, slots=True)
class FindingRow:
    """One cause of losses or factor of wins, where it is a trade's strongest.

    Attributes:
        name: of the rule; "unexplained" for none.
        trades: how many.
        net: their sum, quote currency.
        foreseen: of losses: a cause was known at the entry; of wins: a factor is luck.
    """

    name: str
    trades: int
    net: float
    foreseen: int


@dataclass(frozen=True, slots=True)
class AfterExit:
    """Where the price went after exits for one reason.

    Attributes:
        reason: of the exit.
        trades: that were followed to the end of the longest hold.
        missed_bps: the best price which that hold would still have allowed, above the exit.
        move_bps: where the price stood a longest hold later; below zero: leaving was right.
    """

    reason: str
    trades: int
    missed_bps: DayMean | None
    move_bps: DayMean | None


@dataclass(frozen=True, slots=True)
class Insights:
    """An answer.

    Attributes:
        about: the trades asked about, in words.
        mode: shadow, paper or live.
        run_ids: their runs.
        first_ms, last_ms: first and last entry, ms UTC.
        days: on which there was an entry.
        level: of all intervals.
        claim_rate: expected share of false claims among the setups called good or bad.
        by_mode: closed trades of each mode, whichever is asked about.
        total: all of them.
        sections: cut by each question.
        setups: every setup that was compared, best supported first.
        analysed: trades with an analysis.
        causes, factors: of losses and wins.
        after_exits: by reason.
        libraries: pattern libraries of these trades.
        proposals: other stops, targets and holds that held on days they were not found on; nothing applies them.
        gaps: what is not known, and what to do about it.
    """

    about: str
    mode: str
    run_ids: Sequence[int]
    first_ms: int
    last_ms: int
    days: int
    level: float
    claim_rate: float
    by_mode: Sequence[tuple[str, int]]
    total: Slice
    sections: Sequence[Section]
    setups: Sequence[Setup]
    analysed: int
    causes: Sequence[FindingRow]
    factors: Sequence[FindingRow]
    after_exits: Sequence[AfterExit]
    libraries: Sequence[PatternSet]
    proposals: Sequence[StoredProposal]
    gaps: Sequence[str]

    @property
    def claims(self) -> Sequence[Setup]:
        """Return the setups that are better or worse than the others beyond chance."""
        return [setup for setup in self.setups if setup.stage != "unclear"]

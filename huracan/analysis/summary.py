"""What an analysis says of a set of closed trades as a whole: plain frozen values, as the report shows them."""

from collections.abc import Sequence
from dataclasses import dataclass

from huracan.analysis.holds import HoldCurve
from huracan.analysis.luck import Skill
from huracan.analysis.proposals import Proposal
from huracan.analysis.regimes import RegimeRow
from huracan.memory import Mode

__all__ = ["Analysis", "FeatureRow", "ModelRow", "QualityMedians", "RuleRow"]


@dataclass(frozen=True, slots=True)
class RuleRow:
    """One cause of losses, or one factor of wins, over all trades.

    Attributes:
        name: of the rule.
        tested: losses (or wins) it could be applied to.
        found: those it explains.
        first: those of which it is the strongest.
        mean_r: mean net result of those it explains, R; None: none, or no risk known.
        warned: share of the tested losses (wins) whose part known at the entry held; None: only hindsight can tell.
        warned_others: the same share among the tested wins (losses): the base rate, without which the first says
            nothing.
        telling: the first is larger than the second by more than chance (`huracan.analysis.telling`: over whole
            days, all rules together): a warning that separates losses from wins (wins from losses).
        luck: nobody could have counted on it.
    """

    name: str
    tested: int
    found: int
    first: int
    mean_r: float | None
    warned: float | None
    warned_others: float | None
    telling: bool
    luck: bool


@dataclass(frozen=True, slots=True)
class FeatureRow:
    """One state entry in the outcome model: its mean absolute contribution, R."""

    entry: int
    name: str
    mean_abs_r: float


@dataclass(frozen=True, slots=True)
class ModelRow:
    """What the outcome model is worth on trades it has not seen.

    Attributes:
        trades: explained.
        gain: fall of the squared error against the mean of the training trades, R^2; with its interval.
        low, high: None on too few days.
        explains: the interval lies above zero.
        features: the largest by mean absolute contribution.
    """

    trades: int
    gain: float
    low: float | None
    high: float | None
    explains: bool
    features: Sequence[FeatureRow]


@dataclass(frozen=True, slots=True)
class QualityMedians:
    """Medians over trades: entry and exit quality (0 to 1), share of the best excursion kept, and of the risk used."""

    entry: float | None
    exit: float | None
    captured_frac: float | None
    mae_used: float | None


@dataclass(frozen=True, slots=True)
class Analysis:
    """Closed trades of one policy, account and mode.

    Attributes:
        policy, account, mode: whose trades.
        trades: all closed ones; their identity holds in whole numbers, else there is no analysis.
        analysed: those beside their candles that ended by themselves.
        wins, losses: of the analysed.
        unexplained_wins, unexplained_losses: those without any factor or cause.
        preventable_losses: those with a cause that was known at the entry and tells losses from wins.
        identity_error: largest error of the exact identity over all trades, whole units: 0.
        excursions_differ: analysed trades whose excursions on the candles are not the stored ones.
        level: of all intervals.
        hold_bars: longest hold of the rules in force.
        wins_quality, losses_quality: how good entries and exits were.
        skill: against random entries; None: not measurable.
        model: None: too few trades.
        causes, factors: by rule.
        regimes: by regime at entry.
        curve: hold curve of all entries.
        proposals: brackets proposed and tested; empty without stops.
        gaps: what could not be said, and why, in words.
    """

    policy: str
    account: str
    mode: Mode
    trades: int
    analysed: int
    wins: int
    losses: int
    unexplained_wins: int
    unexplained_losses: int
    preventable_losses: int
    identity_error: int
    excursions_differ: int
    level: float
    hold_bars: int
    wins_quality: QualityMedians
    losses_quality: QualityMedians
    skill: Skill | None
    model: ModelRow | None
    causes: Sequence[RuleRow]
    factors: Sequence[RuleRow]
    regimes: Sequence[RegimeRow]
    curve: HoldCurve
    proposals: Sequence[Proposal]
    gaps: Sequence[str]

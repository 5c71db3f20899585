"""What may be said about a policy, computed from its intervals; it never says more than they show."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from huracan.shadow.bootstrap import Interval

__all__ = ["PROOF_DAYS_MIN", "Finding", "Rival", "Verdict", "judge"]

PROOF_DAYS_MIN = 20
"""Fewer days prove nothing, whatever their interval says."""


class Finding(StrEnum):
    """The four things that shadow trading can find."""

    CHOSE_NOT_TO_TRADE = "chose_not_to_trade"
    NO_EDGE = "no_edge"
    EDGE_NOT_PROVEN = "edge_not_proven"
    EDGE_IN_THIS_TEST = "edge_in_this_test"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The finding, a headline for people, and the figures behind it."""

    finding: Finding
    headline: str
    reason: str


@dataclass(frozen=True, slots=True)
class Rival:
    """A baseline, and by how much the policy beat it per day."""

    name: str
    policy_minus_this: Interval


def judge(
    day_mean: Interval, days: int, trades: int, decisions: int, rivals: Sequence[Rival], p_value: float | None
) -> Verdict:
    """Return what the figures allow to say.

    An edge is claimed only when the interval of the mean daily net result lies above zero, at least `PROOF_DAYS_MIN`
    days were traded, the interval of the difference to every rival lies above zero, and random policies of equal trade
    rate do as well with a probability of at most 1 - level. That the policy loses money is said from as many days on.

    Args:
        day_mean: of the policy's daily net result.
        days: UTC days traded.
        trades: closed trades.
        decisions: made.
        rivals: baselines.
        p_value: against random policies; None when the policy never traded.
    """
    if trades == 0:
        return Verdict(
            Finding.CHOSE_NOT_TO_TRADE,
            "The policy chose not to trade",
            f"It entered no trade in {decisions:,} decisions over {days} test days; its result is exactly 0, "
            "so there is nothing to prove or to refute.",
        )
    figures = f"{_amount(day_mean)} a day net of all costs over {days} test days and {trades:,} trades"
    if day_mean.negative and days >= PROOF_DAYS_MIN:
        return Verdict(
            Finding.NO_EDGE, "No edge: the policy loses money", f"{figures}; the whole interval lies below zero."
        )
    if day_mean.estimate <= 0.0:
        few = f"{days} days prove nothing, at least {PROOF_DAYS_MIN} are needed"
        why = few if day_mean.negative else "the interval reaches above zero"
        return Verdict(Finding.NO_EDGE, "No edge found", f"{figures}; it earned nothing, and {why}.")
    doubts = _doubts(day_mean, days, rivals, p_value)
    if doubts:
        return Verdict(Finding.EDGE_NOT_PROVEN, "Edge not proven", f"{figures}; {'; '.join(doubts)}.")
    return Verdict(
        Finding.EDGE_IN_THIS_TEST,
        "Positive in this test",
        f"{figures}; above zero, above every baseline and above chance (p = {p_value:.3f}). One test is not the "
        "promotion gate, which accounts for all that was tried.",
    )


def _doubts(day_mean: Interval, days: int, rivals: Sequence[Rival], p_value: float | None) -> list[str]:
    doubts = []
    if not day_mean.positive:
        doubts.append("the interval contains zero")
    if days < PROOF_DAYS_MIN:
        doubts.append(f"{days} days prove nothing, at least {PROOF_DAYS_MIN} are needed")
    beaten_not = [rival.name for rival in rivals if not rival.policy_minus_this.positive]
    if beaten_not:
        doubts.append(f"not shown to beat {', '.join(beaten_not)}")
    if p_value is None:
        doubts.append("not compared with chance")
    elif p_value > 1.0 - day_mean.level + 1e-12:
        doubts.append(f"random policies of equal trade rate do as well with p = {p_value:.3f}")
    return doubts


def _amount(interval: Interval) -> str:
    return f"{interval.estimate:+,.2f} ({interval.level:.0%} interval {interval.low:+,.2f} to {interval.high:+,.2f})"

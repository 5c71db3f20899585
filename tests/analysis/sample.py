"""A small analysis by hand, for the tests of what shows it."""

from huracan.analysis.days import DayMean
from huracan.analysis.holds import HoldCurve, HoldPoint
from huracan.analysis.luck import Skill
from huracan.analysis.proposals import Proposal, Rule
from huracan.analysis.regimes import RegimeRow
from huracan.analysis.summary import Analysis, FeatureRow, ModelRow, QualityMedians, RuleRow


def sample_analysis() -> Analysis:
    """Return four wins and six losses of one policy."""
    now = Rule(1.0, 1.5, 60)
    return Analysis(
        policy="ensemble",
        account="coin",
        mode="shadow",
        trades=11,
        analysed=10,
        wins=4,
        losses=6,
        unexplained_wins=1,
        unexplained_losses=2,
        preventable_losses=1,
        identity_error=0,
        excursions_differ=0,
        level=0.9,
        hold_bars=60,
        wins_quality=QualityMedians(0.6, 0.7, 0.8, 0.3),
        losses_quality=QualityMedians(0.4, 0.3, None, 0.9),
        skill=Skill(10, 400, -12.0, -25.0, 13.0, -4.0, 30.0, 3.5, 0.12, 0.9),
        model=ModelRow(10, -0.01, -0.05, 0.02, False, (FeatureRow(3, "ret_60", 0.04), FeatureRow(25, "hmm_high_vol", 0.02))),  # noqa: E501
        causes=(
            RuleRow("cost", 6, 3, 3, -0.2, None, None, False, False),
            RuleRow("late_entry", 6, 1, 1, -0.9, 0.3, 0.25, False, False),
            RuleRow("shock", 5, 0, 0, None, None, None, False, False),
        ),
        factors=(
            RuleRow("good_entry", 4, 2, 2, 0.8, None, None, False, False),
            RuleRow("shock_in_favour", 4, 1, 1, 1.2, None, None, False, True),
        ),
        regimes=(
            RegimeRow(1, "calm, sideways", 7, 3, DayMean(7, 4, -5.0, -30.0, 12.0), 30, False),
            RegimeRow(5, "wild, up", 3, 1, DayMean(3, 1, -20.0, None, None), None, False),
        ),
        curve=HoldCurve((HoldPoint(5, 9, -22.0, -30.0, -15.0), HoldPoint(60, 9, -18.0, -50.0, 20.0)), 5, False),
        proposals=(
            Proposal("stop", now, now, "none", "no candidate is better", None, None, 4),
            Proposal("hold", now, Rule(0.7, 1.06, 120), "refused", "later days: -3.0 bp", DayMean(40, 20, 9.0, 2.0, 15.0), DayMean(30, 12, -3.0, -9.0, 4.0), 3),  # noqa: E501
        ),
        gaps=("1 of 11 trades ended with their data or by the kill switch: not analysed",),
    )  # fmt: skip

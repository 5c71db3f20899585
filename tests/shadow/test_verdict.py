"""The verdict claims what the intervals show and no more."""

from dataclasses import replace

import pytest

from huracan.shadow.bootstrap import Interval
from huracan.shadow.verdict import Finding, Rival, judge

GOOD = Interval(5.0, 1.0, 9.0, 0.95)
BEATEN = [Rival("buy_and_hold", Interval(3.0, 0.5, 6.0, 0.95)), Rival("momentum", Interval(3.0, 0.5, 6.0, 0.95))]


def test_an_edge_needs_interval_days_baselines_and_chance_together() -> None:
    """All four hold: positive in this test, and the text says what is still open."""
    found = judge(GOOD, 40, 300, 5_000, BEATEN, 0.01)
    assert found.finding is Finding.EDGE_IN_THIS_TEST
    assert "not the promotion gate" in found.reason


@pytest.mark.parametrize(
    ("mean", "days", "rivals", "p_value", "doubt"),
    [
        (Interval(5.0, -0.1, 9.0, 0.95), 40, BEATEN, 0.01, "interval contains zero"),
        (Interval(5.0, 0.0, 9.0, 0.95), 40, BEATEN, 0.01, "interval contains zero"),
        (GOOD, 19, BEATEN, 0.01, "19 days prove nothing"),
        (GOOD, 40, [replace(BEATEN[0], policy_minus_this=Interval(1.0, -2.0, 4.0, 0.95))], 0.01, "buy_and_hold"),
        (GOOD, 40, BEATEN, 0.06, "p = 0.060"),
        (GOOD, 40, BEATEN, None, "not compared with chance"),
    ],
)
def test_one_missing_proof_is_enough_to_say_not_proven(
    mean: Interval, days: int, rivals: list[Rival], p_value: float | None, doubt: str
) -> None:
    """Each condition alone turns an edge into a doubt, and the doubt is named."""
    found = judge(mean, days, 300, 5_000, rivals, p_value)
    assert found.finding is Finding.EDGE_NOT_PROVEN
    assert doubt in found.reason


def test_losing_is_no_edge_whatever_the_rest_says() -> None:
    """An estimate at or below zero is no edge; an interval below zero says that it loses."""
    clear = judge(Interval(-3.0, -5.0, -1.0, 0.95), 40, 300, 5_000, BEATEN, 0.001)
    vague = judge(Interval(-3.0, -5.0, 1.0, 0.95), 40, 300, 5_000, BEATEN, 0.001)
    assert clear.finding is vague.finding is Finding.NO_EDGE
    assert "loses" in clear.headline
    assert "loses" not in vague.headline


def test_never_trading_is_a_choice_not_an_edge() -> None:
    """Zero trades: the result is exactly zero, which is neither edge nor loss."""
    found = judge(Interval(0.0, 0.0, 0.0, 0.95), 40, 0, 5_000, [], None)
    assert found.finding is Finding.CHOSE_NOT_TO_TRADE
    assert "5,000 decisions" in found.reason


def test_a_few_bad_days_do_not_prove_a_loss() -> None:
    """Below the least number of days the headline stays with what was found, and says why."""
    found = judge(Interval(-3.0, -5.0, -1.0, 0.95), 19, 300, 5_000, BEATEN, 0.9)
    assert found.finding is Finding.NO_EDGE
    assert "loses" not in found.headline
    assert "19 days prove nothing" in found.reason

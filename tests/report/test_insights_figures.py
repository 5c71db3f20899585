"""The pictures of an answer: one line for each slice, coloured only where a claim is made."""

from huracan.report.insights_figures import cost_figure, result_figure
from huracan.report.style import BAD, GOOD
from tests.insights.answers import sample_answer


def test_only_claims_have_a_colour() -> None:
    """The planted patterns are green and red; coins, which mean nothing, are grey."""
    found = sample_answer()
    by = {section.by: section for section in found.sections}
    patterns, coins = (result_figure(by[name], found.setups) for name in ("pattern", "coin"))
    assert GOOD in patterns
    assert BAD in patterns
    assert GOOD not in coins
    assert BAD not in coins
    for one in by["coin"].slices:
        assert f"{one.name}  ({one.trades:,})" in coins


def test_costs_stand_beside_what_was_won_before_them() -> None:
    """A pair of bars for each exit reason, by its name."""
    found = sample_answer()
    (section,) = (one for one in found.sections if one.by == "exit reason")
    picture = cost_figure(section)
    assert "take profit" in picture
    assert "stop loss" in picture
    assert cost_figure(section) == picture

"""Pictures of an analysis: what they name, and that equal analyses give equal pictures."""

import re
from dataclasses import replace

from huracan.report.analysis_figures import holds_figure, rules_figure
from tests.analysis.sample import sample_analysis


def _words(svg: str) -> str:
    return " ".join(re.findall(r">([^<>]+)</text>", svg))


def test_rules_are_named_with_their_counts() -> None:
    """Those that were some trade's strongest reason, and the unexplained; what explained nothing is left out."""
    made = sample_analysis()
    words = _words(rules_figure(made.causes, made.factors, (2, 1)))
    for name in ("cost", "late entry", "good entry", "shock in favour", "unexplained", "Why trades lost"):
        assert name in words
    assert " shock " not in words.replace("shock in favour", "")
    assert rules_figure(made.causes, made.factors, (2, 1)) == rules_figure(made.causes, made.factors, (2, 1))


def test_a_curve_is_drawn_with_and_without_intervals() -> None:
    """Too few days: the line alone."""
    curve = sample_analysis().curve
    assert "bars held" in _words(holds_figure(curve, 60))
    bare = replace(curve, points=tuple(replace(point, low=None, high=None) for point in curve.points))
    assert "FillBetween" in holds_figure(curve, 60)
    assert "FillBetween" not in holds_figure(bare, 60)

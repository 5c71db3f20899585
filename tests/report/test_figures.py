"""The report's pictures."""

from xml.etree import ElementTree

import pytest

from huracan.report.figures import costs_figure, equity_figure, exits_figure, learning_figure, trades_figure
from tests.report.sample import sample_report

REPORT = sample_report()
PICTURES = {
    "equity": lambda: equity_figure(REPORT.equity, REPORT.baselines, [(REPORT.fold_rows[0].test_start_ms, "fold 0")]),
    "trades": lambda: trades_figure("AAA/USDT", REPORT.excerpts[0].candles, REPORT.excerpts[0].trades),
    "exits": lambda: exits_figure({"stop_loss": 2}, {"stop_loss": -110.0}),
    "costs": lambda: costs_figure(REPORT.costs),
    "learning": lambda: learning_figure(REPORT.curves, "mean reward"),
    "no learning": lambda: learning_figure([], "mean reward"),
}


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_is_well_formed_and_the_same_each_time(name: str) -> None:
    """Each picture is one SVG element, and equal input gives equal bytes."""
    picture = PICTURES[name]()
    assert ElementTree.fromstring(picture).tag.endswith("svg")  # noqa: S314 - drawn by the line above
    assert picture == PICTURES[name]()


def test_the_costs_picture_names_every_part_with_its_amount() -> None:
    """The five parts of the identity carry their rounded amounts."""
    picture = costs_figure(REPORT.costs)
    for words in ("price move", "spread", "slippage", "fees", "net", "-3", "-8", "-12"):
        assert words in picture


def test_exits_show_count_and_mean_result() -> None:
    """A reason shows how many trades it ended and their mean net result."""
    picture = exits_figure({"stop_loss": 2, "take_profit": 7}, {"stop_loss": -110.0, "take_profit": 140.25})
    assert "7  (+140.2 bp)" in picture
    assert "2  (-110.0 bp)" in picture

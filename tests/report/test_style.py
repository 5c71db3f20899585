"""What all pictures share."""

from datetime import UTC, datetime
from itertools import pairwise
from xml.etree import ElementTree

import matplotlib as mpl
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from huracan.report.model import Candle
from huracan.report.style import OTHERS, STYLE, cycle, dates, draw_candles, legend_right, to_svg


def test_colours_repeat_when_they_run_out() -> None:
    """There is one for each series, however many."""
    assert cycle(len(OTHERS) + 1) == [*OTHERS, OTHERS[0]]


def test_times_are_utc() -> None:
    """Milliseconds since the epoch become aware times."""
    assert dates([1_735_689_600_500]) == [datetime(2025, 1, 1, 0, 0, 0, 500_000, tzinfo=UTC)]


def test_a_legend_is_there_when_something_has_a_name() -> None:
    """Otherwise there is none."""
    axes = Figure().add_subplot()
    axes.plot([0, 1], [0, 1])
    legend_right(axes)
    assert axes.get_legend() is None
    axes.plot([0, 1], [1, 0], label="falling")
    legend_right(axes)
    assert axes.get_legend() is not None


def test_candles_span_low_to_high_with_a_body_from_open_to_close() -> None:
    """Two bundles of lines: ranges, and bodies whichever way they went."""
    axes = Figure().add_subplot()
    draw_candles(axes, [Candle(0, 10, 12, 9, 11), Candle(60_000, 11, 13, 8, 9)])
    spans = [[(line[0][1], line[1][1]) for line in bundle.get_segments()] for bundle in axes.collections]
    assert spans == [[(9, 12), (8, 13)], [(10, 11), (9, 11)]]


def test_a_picture_is_one_element_without_a_date() -> None:
    """Equal pictures give equal text."""

    def draw() -> str:
        with mpl.rc_context(STYLE):
            figure = Figure()
            figure.add_subplot().plot([0, 1], [0, 1])
            return to_svg(figure)

    assert draw() == draw()
    assert ElementTree.fromstring(draw()).tag.endswith("svg")  # noqa: S314 - drawn by the line above
    assert "<dc:date>" not in draw()


@pytest.mark.parametrize("days", [2, 9, 65, 400])
def test_dates_below_a_picture_do_not_run_into_each_other(days: int) -> None:
    """However long the test was."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9.2, 3.6))
        FigureCanvasAgg(figure)
        axes = figure.add_subplot()
        axes.plot(dates([1_753_660_800_000 + 86_400_000 * day for day in range(days)]), range(days))
        figure.canvas.draw()
        boxes = [label.get_window_extent() for label in axes.get_xticklabels() if label.get_text()]
    assert len(boxes) >= 2
    assert all(left.x1 < right.x0 for left, right in pairwise(boxes))

"""The pictures of the memory's answer: each function takes plain values and returns one inline SVG."""

from collections.abc import Sequence

import matplotlib as mpl
from matplotlib.figure import Figure

from huracan.insights import Section, Setup, Slice
from huracan.report.style import ACCENT, BAD, COST, GOOD, INK, MUTED, STYLE, to_svg

__all__ = ["cost_figure", "result_figure"]

WIDTH, ROW, AROUND = 4.9, 0.24, 0.9  # inches; two side by side
_COLOURS = {"good": GOOD, "bad": BAD, "unclear": MUTED}


def result_figure(section: Section, setups: Sequence[Setup]) -> str:
    """Draw the mean result of each slice with its interval; coloured only where it differs by more than chance."""
    stages = {setup.slice.name: setup.stage for setup in setups if setup.by == section.by}
    shown = [one for one in section.slices if one.result is not None]
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, AROUND + ROW * len(shown)))
        axes = figure.add_subplot()
        for place, one in enumerate(shown):
            result = one.result
            assert result is not None
            colour = _COLOURS[stages.get(one.name, "unclear")]
            if result.low is not None and result.high is not None:
                axes.hlines(place, result.low, result.high, color=colour, linewidth=2.2)
            axes.plot([result.mean], [place], "o", color=colour, markersize=5)
        axes.axvline(0, color=INK, linewidth=0.8)
        axes.set_yticks(range(len(shown)), [f"{_short(one.name)}  ({one.trades:,})" for one in shown], fontsize=8)
        axes.set_ylim(len(shown) - 0.4, -0.6)
        axes.grid(axis="y", visible=False)
        axes.set_xlabel("mean net result, R")
        axes.set_title(f"by {section.by} (trades)")
        return to_svg(figure)


def cost_figure(section: Section) -> str:
    """Draw what each slice won before costs beside its costs, basis points of the value bought."""
    shown: Sequence[Slice] = section.slices
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, AROUND + 1.5 * ROW * len(shown)))
        axes = figure.add_subplot()
        places = range(len(shown))
        axes.barh(
            [place - 0.19 for place in places],
            [one.gross_bps for one in shown],
            0.36,
            color=ACCENT,
            label="before costs",
        )
        axes.barh([place + 0.19 for place in places], [-one.cost_bps for one in shown], 0.36, color=COST, label="costs")
        axes.axvline(0, color=INK, linewidth=0.8)
        axes.set_yticks(places, [_short(one.name) for one in shown], fontsize=8)
        axes.set_ylim(len(shown) - 0.4, -0.6)
        axes.grid(axis="y", visible=False)
        axes.set_xlabel("basis points of the value bought")
        axes.set_title(f"Before costs and costs, by {section.by}")
        axes.legend(loc="best", fontsize=8)
        return to_svg(figure)


def _short(name: str) -> str:
    words = name.replace("_", " ")
    return words if len(words) <= 28 else words[:27] + "…"

"""Pictures of the analysis of closed trades: what explains them, and what other holds would have given."""

from collections.abc import Sequence

import matplotlib as mpl
from matplotlib.figure import Figure

from huracan.analysis import HoldCurve, RuleRow
from huracan.report.style import ACCENT, BAD, COST, GOOD, MUTED, STYLE, to_svg

__all__ = ["holds_figure", "rules_figure"]


def rules_figure(causes: Sequence[RuleRow], factors: Sequence[RuleRow], unexplained: tuple[int, int]) -> str:
    """Draw how many losses each cause and how many wins each factor explains, the strongest reason of each trade alone.

    Args:
        causes: of losses.
        factors: of wins; luck is drawn in the colour of costs.
        unexplained: losses and wins without any.
    """
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9.2, 3.2))
        left, right = figure.subplots(1, 2)
        for axes, rows, none, title, color in (
            (left, causes, unexplained[0], "Why trades lost", BAD),
            (right, factors, unexplained[1], "Why trades won", GOOD),
        ):
            shown = sorted((row for row in rows if row.first), key=lambda row: row.first)
            names = ["unexplained", *(row.name.replace("_", " ") for row in shown)]
            counts = [none, *(row.first for row in shown)]
            colors = [MUTED, *(COST if row.luck else color for row in shown)]
            bars = axes.barh(names, counts, color=colors, alpha=0.8)
            axes.bar_label(bars, [f"{count:,}" for count in counts], padding=4, fontsize=8)
            axes.margins(x=0.18)
            axes.grid(axis="y", visible=False)
            axes.set_title(title)
        figure.subplots_adjust(wspace=0.55)
        return to_svg(figure)


def holds_figure(curve: HoldCurve, hold_bars: int) -> str:
    """Draw the mean net result of all entries by length of the hold, with its interval; the rules' limit is marked."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9.2, 2.7))
        axes = figure.add_subplot()
        bars = [point.bars for point in curve.points]
        if all(point.low is not None for point in curve.points):
            low, high = [point.low or 0.0 for point in curve.points], [point.high or 0.0 for point in curve.points]
            axes.fill_between(bars, low, high, color=ACCENT, alpha=0.14, linewidth=0)
        axes.plot(bars, [point.mean_bps for point in curve.points], color=ACCENT, marker="o", markersize=3.5)
        axes.axhline(0, color=MUTED, linewidth=0.8)
        axes.axvline(hold_bars, color=COST, linewidth=1.0, linestyle="--")
        axes.set_xlabel("bars held, whatever stop, target or policy did")
        axes.set_ylabel("net, bp a trade")
        return to_svg(figure)

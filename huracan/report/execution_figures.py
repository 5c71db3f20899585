"""The pictures of the execution report: each function takes plain values and returns one inline SVG."""

from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from huracan.report.execution_model import Mean, Part
from huracan.report.execution_rows import OrderExcerpt
from huracan.report.style import (
    ACCENT,
    BAD,
    COST,
    INK,
    MUTED,
    OTHERS,
    STYLE,
    dates,
    draw_candles,
    legend_right,
    to_svg,
)

__all__ = [
    "cost_figure",
    "curve_figure",
    "orders_figure",
    "slippage_figure",
]

MAKER, TAKER = ACCENT, COST
PART = OTHERS[0]
NAMES = ("maker-first", "taker-only")
SMALL = (3.25, 2.8)  # three of them side by side


def curve_figure(maker: Sequence[float], taker: Sequence[float], life_bars: int, tries: int) -> str:
    """Draw which share of the wanted value was bought within so many bars; lines where a maker order is pegged anew."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=SMALL)
        axes = figure.add_subplot()
        length = max(len(maker), len(taker), life_bars * tries + 1)
        for values, color, name in ((maker, MAKER, NAMES[0]), (taker, TAKER, NAMES[1])):
            if values:
                whole = [0.0, *values, *[values[-1]] * (length - len(values))]
                axes.step(range(length + 1), whole, where="post", color=color, linewidth=2, label=name)
        for attempt in range(1, tries + 1):
            axes.axvline(attempt * life_bars, color=MUTED, linewidth=1, linestyle="--" if attempt == tries else ":")
        axes.set_ylim(0, 1.04)
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_xlabel("bars after the decision")
        axes.set_title("Bought within so many bars")
        axes.legend(loc="lower right", fontsize=8)
        return to_svg(figure)


def slippage_figure(maker: Sequence[float], taker: Sequence[float]) -> str:
    """Draw how many entries were bought how far from the decision's close, bp; the ends gather what lies beyond."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=SMALL)
        axes = figure.add_subplot()
        everything = np.abs(np.array([*maker, *taker, 1.0]))
        edge = float(np.ceil(np.quantile(everything, 0.97)))
        bins = np.linspace(-edge, edge, 31)
        for values, color, name in ((maker, MAKER, NAMES[0]), (taker, TAKER, NAMES[1])):
            cut = np.clip(values, -edge, edge)
            axes.hist(cut, bins=bins.tolist(), color=color, alpha=0.55, label=name)
        axes.axvline(0, color=MUTED, linewidth=0.8)
        axes.set_xlabel("paid above the decision's close, bp")
        axes.set_ylabel("entries")
        axes.set_title("Slippage of entries")
        axes.legend(loc="upper left", fontsize=8)
        return to_svg(figure)


def cost_figure(maker: Part, taker: Part) -> str:
    """Draw the means that make the difference, bp with intervals, both ways side by side."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=SMALL)
        axes = figure.add_subplot()
        names = ("slippage\nto close", "entry fee", "shortfall\nof all")
        for offset, part, color, name in ((-0.19, maker, MAKER, NAMES[0]), (0.19, taker, TAKER, NAMES[1])):
            means = (part.slippage_close, part.fee, part.shortfall)
            _bars(axes, np.arange(len(names)) + offset, means, color, name)
        axes.set_xticks(range(len(names)), names)
        axes.axhline(0, color=MUTED, linewidth=0.8)
        axes.grid(axis="x", visible=False)
        axes.set_ylabel("bp")
        axes.set_title("What it cost, with intervals")
        axes.legend(loc="upper left", fontsize=8)
        axes.margins(y=0.25)
        return to_svg(figure)


def _bars(axes: Axes, at: Sequence[float] | np.ndarray, means: Sequence[Mean | None], color: str, name: str) -> None:
    values = [_value(mean) for mean in means]
    low = [0.0 if mean is None else mean.value - mean.low for mean in means]
    high = [0.0 if mean is None else mean.high - mean.value for mean in means]
    axes.bar(at, values, width=0.36, color=color, alpha=0.85, label=name)
    axes.errorbar(at, values, yerr=np.array([low, high]), fmt="none", ecolor=INK, elinewidth=1, capsize=2.5)
    for place, value, reach in zip(at, values, high, strict=True):
        text = f"{round(value, 1) + 0.0:+.1f}"
        above = (place, max(value + reach, 0.0))
        axes.annotate(text, above, xytext=(0, 3), textcoords="offset points", ha="center", fontsize=7, color=INK)


def orders_figure(excerpt: OrderExcerpt) -> str:
    """Draw maker entries on candles as lines from being sent to their end, coloured by what became of them."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9.2, 3.4))
        axes = figure.add_subplot()
        draw_candles(axes, excerpt.candles)
        looks = {
            "filled": (ACCENT, "filled"),
            "part": (PART, "filled in part"),
            "none": (BAD, "taken back unfilled"),
        }
        for fate, (color, name) in looks.items():
            mine = [order for order in excerpt.orders if order.fate == fate]
            if mine:
                starts, ends = dates([o.start_ms for o in mine]), dates([o.end_ms for o in mine])
                prices = [o.price for o in mine]
                axes.hlines(prices, starts, ends, color=color, linewidth=2.6, label=f"maker order, {name}")
                axes.plot(starts, prices, color=color, marker="|", markersize=9, markeredgewidth=2, linestyle="none")
        for points, marker, color, name in (
            (excerpt.taken, "^", TAKER, "bought by taking"),
            (excerpt.sold, "v", INK, "sold"),
        ):
            if points:
                at, prices = dates([at for at, _ in points]), [price for _, price in points]
                axes.plot(at, prices, color=color, marker=marker, markersize=6, linestyle="none", label=name)
        axes.set_title(f"{excerpt.symbol}: maker entries in the busiest hours")
        legend_right(axes)
        return to_svg(figure)


def _value(mean: Mean | None) -> float:
    return 0.0 if mean is None else mean.value

"""The look that all pictures of reports share, and how one becomes inline SVG."""

import io
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from huracan.report.model import Candle

__all__ = [
    "ACCENT",
    "BAD",
    "COST",
    "GOOD",
    "GRID",
    "INK",
    "MUTED",
    "OTHERS",
    "STYLE",
    "cycle",
    "dates",
    "draw_candles",
    "legend_right",
    "to_svg",
]

INK, MUTED, GRID = "#1c2430", "#6b7686", "#e3e7ec"
ACCENT, GOOD, BAD, COST = "#1f5fbf", "#1a8f5a", "#c23b3b", "#d08a2e"
OTHERS = ("#8a6bb8", "#d08a2e", "#3b9aa3", "#a05a7a", "#7a8a3a", "#5c6b7a")

STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "huracan",
    "date.converter": "concise",
    "font.family": "sans-serif",
    "font.size": 10,
    "axes.edgecolor": GRID,
    "axes.labelcolor": MUTED,
    "axes.titlelocation": "left",
    "axes.titlesize": 11,
    "axes.titlecolor": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
}


def legend_right(axes: Axes) -> None:
    """Put the legend beside the picture, if there is anything to name."""
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), fontsize=9)


def cycle(count: int) -> list[str]:
    """Return so many colours of the other series."""
    return [OTHERS[index % len(OTHERS)] for index in range(count)]


def dates(times_ms: Sequence[int]) -> Any:  # matplotlib plots datetimes, its stubs know numbers only
    """Return times in ms UTC as matplotlib draws them."""
    return [datetime.fromtimestamp(time_ms / 1000, tz=UTC) for time_ms in times_ms]


def draw_candles(axes: Axes, candles: Sequence[Candle]) -> None:
    """Draw candles, green where they rose and red where they fell, with prices on the y axis."""
    times = dates([candle.time_ms for candle in candles])
    rises = np.array([candle.close >= candle.open for candle in candles])
    low, high = np.array([c.low for c in candles]), np.array([c.high for c in candles])
    body_low = np.array([min(c.open, c.close) for c in candles])
    body_high = np.array([max(c.open, c.close) for c in candles])
    axes.vlines(times, low, high, color=MUTED, linewidth=0.5, alpha=0.7)
    axes.vlines(times, body_low, body_high, color=np.where(rises, GOOD, BAD).tolist(), linewidth=1.6, alpha=0.55)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.6g}"))


def to_svg(figure: Figure) -> str:
    """Return a picture as one SVG element; equal pictures give equal text."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", bbox_inches="tight", metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :]
